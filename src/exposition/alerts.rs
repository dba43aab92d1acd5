//! Families of rules and alerts.

use std::io;

use super::family::{Emit, Family, Value};
use super::labels::Rendered;
use super::page::Page;
use super::snapshot::{AlertRow, RuleRow};
use crate::engine::time::Timestamp;

const INSTANCE: &str = "instance, `alertname`, `severity`, `rule_mode`";
const NONE: &str = "";
const ALERT: &str = "alert, `alertstate`";

pub(super) const FAMILIES: &[Family] = &[
    Family::gauge(
        "opwatch_rule_value",
        INSTANCE,
        "What a rule compares with its limit, as of its last evaluation.",
        |page, emit| rules(page, emit, |rule| rule.value),
    ),
    Family::gauge(
        "opwatch_rule_limit",
        INSTANCE,
        "The limit of a rule; of a regression the value at which it begins, as the baseline is now.",
        |page, emit| rules(page, emit, |rule| Some(rule.limit)),
    ),
    Family::gauge(
        "opwatch_rule_statistic",
        INSTANCE,
        "The test statistic that the evidence for a change follows from, in standard errors; positive for a rise.",
        |page, emit| rules(page, emit, |rule| rule.statistic),
    ),
    Family::gauge(
        "opwatch_rule_state",
        INSTANCE,
        "0 inactive, 1 pending, 2 firing, -1 no data or too little to judge.",
        |page, emit| rules(page, emit, |rule| Some(rule.state.into())),
    ),
    Family::gauge(
        "opwatch_rule_change_timestamp",
        INSTANCE,
        "When the state of a rule last changed, as Unix time.",
        |page, emit| rules(page, emit, |rule| rule.changed_at.map(Timestamp::seconds)),
    )
    .seconds(),
    Family::gauge(
        "opwatch_alerts",
        ALERT,
        "Alerts that are pending or firing, but those of rules in shadow; always 1.",
        alerts,
    ),
    Family::counter(
        "opwatch_alerts_held_back",
        "`reason`",
        "Alerts not told when their group was due, because they were inhibited or silenced, in a mute time interval of their route, under maintenance, wait for a digest, flap and were told a short while ago, or follow from an alert that their rule depends on.",
        |page, emit| {
            for (reason, count) in page.snapshot.held_back.counts() {
                let labels = format!("reason=\"{reason}\"");
                emit(Rendered::new(&labels), Value::Count(count))?;
            }
            Ok(())
        },
    ),
    Family::gauge(
        "opwatch_silences",
        "`state`",
        "Silences that are active, pending or expired.",
        |page, emit| {
            for (state, count) in page.snapshot.silences {
                let labels = format!("state=\"{}\"", state.as_str());
                emit(Rendered::new(&labels), Value::Count(count as u64))?;
            }
            Ok(())
        },
    ),
    Family::gauge(
        "opwatch_alerts_flapping",
        NONE,
        "Alerts that begin and end again and again, so that they are told of at growing distances.",
        |page, emit| count(emit, page.snapshot.flapping as u64),
    ),
    Family::gauge(
        "opwatch_maintenance_active",
        NONE,
        "Maintenance that goes on, of what recurs and of what was started: nobody is told of its alerts.",
        |page, emit| count(emit, page.snapshot.maintenance as u64),
    ),
    Family::gauge(
        "opwatch_incidents",
        NONE,
        "Incidents that are open: alerts that fire and began together are one.",
        |page, emit| count(emit, page.snapshot.incidents.open as u64),
    ),
    Family::counter(
        "opwatch_incidents_opened",
        NONE,
        "Incidents that have begun since opwatch started.",
        |page, emit| count(emit, page.snapshot.incidents.opened),
    ),
    Family::counter(
        "opwatch_notifications_merged",
        NONE,
        "Notifications that were not sent by themselves because another one of the same incident tells the same.",
        |page, emit| count(emit, page.snapshot.incidents.merged),
    ),
    Family::gauge(
        "ALERTS",
        ALERT,
        "Alerts that are pending or firing, under the name that Prometheus gives them; with `exposition: {prometheus_alerts: true}`.",
        |page, emit| match page.snapshot.internals.config.prometheus_alerts {
            true => alerts(page, emit),
            false => Ok(()),
        },
    ),
    Family::gauge(
        "ALERTS_FOR_STATE",
        "alert",
        "Since when an alert is active, as Unix time; with `exposition: {prometheus_alerts: true}`.",
        |page, emit| {
            if page.snapshot.internals.config.prometheus_alerts {
                for AlertRow {
                    labels, active_at, ..
                } in &page.snapshot.alerts
                {
                    emit(Rendered::new(labels), Value::Number(active_at.seconds()))?;
                }
            }
            Ok(())
        },
    ),
];

fn count(emit: &mut Emit<'_>, count: u64) -> io::Result<()> {
    emit(Rendered::NONE, Value::Count(count))
}

fn rules(page: &Page, emit: &mut Emit<'_>, value: fn(&RuleRow) -> Option<f64>) -> io::Result<()> {
    for rule in &page.snapshot.rules {
        if let Some(value) = value(rule) {
            emit(Rendered::new(&rule.labels), Value::Number(value))?;
        }
    }
    Ok(())
}

fn alerts(page: &Page, emit: &mut Emit<'_>) -> io::Result<()> {
    for alert in &page.snapshot.alerts {
        let state = match alert.firing {
            true => r#"alertstate="firing""#,
            false => r#"alertstate="pending""#,
        };
        emit(Rendered::with(&alert.labels, state), Value::Count(1))?;
    }
    Ok(())
}

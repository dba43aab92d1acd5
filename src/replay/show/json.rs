//! A replay as one JSON object.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::ended;
use crate::engine::time::Timestamp;
use crate::replay::{Alert, Replayed, RuleSummary};

#[derive(Serialize)]
struct Body<'a> {
    from: String,
    until: String,
    seconds: f64,
    measurements: Measurements,
    evaluations: u64,
    alerts: Vec<AlertBody<'a>>,
    rules: Vec<RuleBody<'a>>,
}

#[derive(Serialize)]
struct Measurements {
    taken: u64,
    duplicates: u64,
    refused: u64,
    overflow: u64,
}

#[derive(Serialize)]
struct AlertBody<'a> {
    file: &'a str,
    group: &'a str,
    rule: &'a str,
    #[serde(rename = "type")]
    alert_type: &'a str,
    shadow: bool,
    labels: &'a BTreeMap<String, String>,
    pending_since: String,
    fired_at: String,
    resolved_at: Option<String>,
    reason: Option<&'static str>,
    duration_seconds: f64,
    value: Option<f64>,
    limit: f64,
}

#[derive(Serialize)]
struct RuleBody<'a> {
    file: &'a str,
    group: &'a str,
    rule: &'a str,
    shadow: bool,
    alerts: u64,
    alerts_per_week: Option<f64>,
    firing_seconds: f64,
    instances: usize,
    alerted_instances: usize,
    dropped: u64,
    highest: Option<f64>,
    lowest: Option<f64>,
    notifications_not_sent: u64,
    evaluations: u64,
    failures: u64,
    last_failure: Option<&'a str>,
}

pub(super) fn write(replayed: &Replayed, out: &mut impl io::Write) -> io::Result<()> {
    let counts = &replayed.counts;
    let body = Body {
        from: replayed.from.to_string(),
        until: replayed.until.to_string(),
        seconds: replayed.span().as_secs_f64(),
        measurements: Measurements {
            taken: counts.accepted,
            duplicates: counts.duplicates,
            refused: replayed.refused(),
            overflow: counts.overflow,
        },
        evaluations: replayed.evaluations,
        alerts: (replayed.alerts.iter())
            .filter_map(|alert| alert_body(alert, replayed))
            .collect(),
        rules: replayed.rules.iter().map(rule_body).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &body)?;
    out.write_all(b"\n")
}

fn alert_body<'a>(alert: &'a Alert, replayed: &'a Replayed) -> Option<AlertBody<'a>> {
    let rule = replayed.rules.get(alert.rule)?;
    let (at, reason) = ended(alert);
    Some(AlertBody {
        file: &rule.file,
        group: &rule.group,
        rule: &rule.rule,
        alert_type: alert.alert_type,
        shadow: rule.is_shadow,
        labels: alert.labels.as_map(),
        pending_since: alert.pending_since.to_string(),
        fired_at: alert.fired_at.to_string(),
        resolved_at: at.as_ref().map(Timestamp::to_string),
        reason,
        duration_seconds: alert.duration(replayed.until).as_secs_f64(),
        value: alert.value,
        limit: alert.limit,
    })
}

fn rule_body(rule: &RuleSummary) -> RuleBody<'_> {
    RuleBody {
        file: &rule.file,
        group: &rule.group,
        rule: &rule.rule,
        shadow: rule.is_shadow,
        alerts: rule.alerts,
        alerts_per_week: rule.alerts_per_week,
        firing_seconds: rule.firing.as_secs_f64(),
        instances: rule.instances,
        alerted_instances: rule.alerted_instances,
        dropped: rule.dropped,
        highest: rule.values.map(|(highest, _)| highest),
        lowest: rule.values.map(|(_, lowest)| lowest),
        notifications_not_sent: rule.notifications,
        evaluations: rule.evaluations,
        failures: rule.failures,
        last_failure: rule.last_failure.as_deref(),
    }
}

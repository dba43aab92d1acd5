//! A replay as tables for people.

use std::fmt::Write as _;
use std::time::Duration;

use super::ended;
use crate::document::units::Period;
use crate::engine::series::Labels;
use crate::engine::time::Timestamp;
use crate::replay::{Alert, Replayed, RuleSummary};
use crate::shown::amount;
use crate::shown::columns::table;

pub(super) fn text(replayed: &Replayed) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{} measurements, judged from {} until {} ({})",
        replayed.counts.accepted,
        time(replayed.from),
        time(replayed.until),
        Period(replayed.span())
    );
    for (count, what) in [
        (
            replayed.counts.duplicates,
            "repeat an id of the ten minutes before and count once",
        ),
        (
            replayed.unable,
            "were left out because store.max_memory is reached",
        ),
        (replayed.refused() - replayed.unable, "were refused as live"),
        (
            replayed.counts.overflow,
            "share a series because store.max_series is reached",
        ),
    ] {
        if count > 0 {
            let _ = writeln!(text, "  {count} {what}");
        }
    }
    text.push('\n');
    if replayed.alerts.is_empty() {
        text += "nothing fired\n";
    } else {
        let rows = replayed.alerts.iter();
        let rows = rows.filter_map(|alert| alert_row(alert, replayed));
        let names = [
            "FIRED", "RULE", "LABELS", "PENDING", "RESOLVED", "DURATION", "VALUE", "LIMIT",
        ];
        text += &table(names, rows.collect());
    }
    text.push('\n');
    let names = [
        "RULE",
        "ALERTS",
        "PER WEEK",
        "FIRING",
        "SHARE",
        "INSTANCES",
        "NOTIFICATIONS NOT SENT",
    ];
    let rows = replayed.rules.iter();
    text += &table(names, rows.map(|rule| rule_row(rule, replayed)).collect());
    for rule in &replayed.rules {
        if let Some(why) = &rule.last_failure {
            let _ = writeln!(
                text,
                "{}: {} of {} evaluations failed: {why}",
                rule.rule, rule.failures, rule.evaluations
            );
        }
    }
    text
}

fn alert_row(alert: &Alert, replayed: &Replayed) -> Option<[String; 8]> {
    let rule = replayed.rules.get(alert.rule)?;
    let resolved = match ended(alert) {
        (Some(at), Some("recovered")) => time(at),
        (Some(at), reason) => format!("{} ({})", time(at), reason.unwrap_or_default()),
        (None, _) => "still fires".to_owned(),
    };
    let labels = alert.labels.iter();
    let labels: Labels = labels.filter(|(name, _)| *name != "alertname").collect();
    Some([
        time(alert.fired_at),
        shadowed(rule),
        labels.to_string(),
        time(alert.pending_since),
        resolved,
        Period(alert.duration(replayed.until)).to_string(),
        alert.value.map_or_else(|| "-".to_owned(), number),
        number(alert.limit),
    ])
}

fn rule_row(rule: &RuleSummary, replayed: &Replayed) -> [String; 7] {
    let share = match replayed.span().as_secs_f64() {
        span if span > 0.0 => rule.firing.as_secs_f64() / span * 100.0,
        _ => 0.0,
    };
    [
        shadowed(rule),
        rule.alerts.to_string(),
        (rule.alerts_per_week).map_or_else(|| "-".to_owned(), |number| format!("{number:.1}")),
        Period(Duration::from_secs(rule.firing.as_secs())).to_string(),
        format!("{share:.1}%"),
        format!("{} of {}", rule.alerted_instances, rule.instances),
        rule.notifications.to_string(),
    ]
}

fn shadowed(rule: &RuleSummary) -> String {
    let mark = if rule.is_shadow { " (shadow)" } else { "" };
    format!("{}{mark}", rule.rule)
}

/// To the second, which is as fine as people look.
fn time(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

fn number(value: f64) -> String {
    amount::digits(value, 6)
}

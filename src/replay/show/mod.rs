//! A replay as people and programs read it.

mod budgets;
mod json;
mod table;

use std::io;

use super::{Alert, Replayed};
use crate::engine::time::Timestamp;
use crate::shown::output::Output;

pub use budgets::write_budgets;

/// Writes a replay.
///
/// # Errors
/// What `out` answers.
pub fn write(replayed: &Replayed, output: Output, out: &mut impl io::Write) -> io::Result<()> {
    match output {
        Output::Table => out.write_all(table::text(replayed).as_bytes()),
        Output::Json => json::write(replayed, out),
        Output::Csv => csv(replayed, out),
    }
}

const COLUMNS: [&str; 14] = [
    "file",
    "group",
    "rule",
    "severity",
    "type",
    "labels",
    "pending_since",
    "fired_at",
    "resolved_at",
    "reason",
    "duration_seconds",
    "value",
    "limit",
    "shadow",
];

fn csv(replayed: &Replayed, out: &mut impl io::Write) -> io::Result<()> {
    let mut table = ::csv::Writer::from_writer(out);
    table.write_record(COLUMNS)?;
    for alert in &replayed.alerts {
        let Some(rule) = replayed.rules.get(alert.rule) else {
            continue;
        };
        let (at, reason) = ended(alert);
        table.write_record([
            rule.file.as_str(),
            &rule.group,
            &rule.rule,
            alert.labels.get("severity"),
            alert.alert_type,
            &serde_json::to_string(alert.labels.as_map())?,
            &alert.pending_since.to_string(),
            &alert.fired_at.to_string(),
            &at.map(|at| at.to_string()).unwrap_or_default(),
            reason.unwrap_or_default(),
            &alert.duration(replayed.until).as_secs_f64().to_string(),
            &alert
                .value
                .map(|value| value.to_string())
                .unwrap_or_default(),
            &alert.limit.to_string(),
            if rule.is_shadow { "true" } else { "false" },
        ])?;
    }
    table.flush()
}

fn ended(alert: &Alert) -> (Option<Timestamp>, Option<&'static str>) {
    let ended = alert.ended;
    (ended.map(|(at, _)| at), ended.map(|(_, why)| why.as_str()))
}

#[cfg(test)]
mod tests;

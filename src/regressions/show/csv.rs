//! Findings as a table that programs read.

use std::io;

use crate::regressions::{Findings, Status};

const COLUMNS: [&str; 14] = [
    "labels",
    "metric",
    "stat",
    "status",
    "severity",
    "baseline",
    "current",
    "change",
    "change_low",
    "change_high",
    "p_value",
    "baseline_n",
    "n",
    "reason",
];

pub(super) fn write(findings: &Findings, out: &mut impl io::Write) -> io::Result<()> {
    let mut table = ::csv::Writer::from_writer(out);
    table.write_record(COLUMNS)?;
    let text = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for row in &findings.rows {
        let (severity, reason) = match &row.status {
            Status::Regressed(level) => (level.as_str(), ""),
            Status::Insufficient(why) => ("", why.as_str()),
            _ => ("", ""),
        };
        table.write_record([
            &serde_json::to_string(row.labels.as_map())?,
            &row.metric.to_string(),
            &row.stat,
            row.status.as_str(),
            severity,
            &text(row.baseline),
            &text(row.current),
            &text(row.change),
            &text(row.interval.map(|(low, _)| low)),
            &text(row.interval.map(|(_, high)| high)),
            &text(row.p_value),
            &row.baseline_n.to_string(),
            &row.n.to_string(),
            reason,
        ])?;
    }
    table.flush()
}

//! Findings as a table that programs read.

use std::io;

use crate::regressions::{Findings, Status};

/// Further ones of a history.
const OF_HISTORY: [&str; 3] = ["since_run", "since_at", "evidence"];

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
    let of_history = |_| OF_HISTORY.as_slice();
    let more = findings.history.map_or_else(Default::default, of_history);
    table.write_record(COLUMNS.iter().chain(more))?;
    let text = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for row in &findings.rows {
        let (severity, reason) = match &row.status {
            Status::Regressed(level) => (level.as_str(), ""),
            Status::Insufficient(why) => ("", why.as_str()),
            _ => ("", ""),
        };
        let mut cells = vec![
            serde_json::to_string(row.labels.as_map())?,
            row.metric.to_string(),
            row.stat.clone(),
            row.status.as_str().to_owned(),
            severity.to_owned(),
            text(row.baseline),
            text(row.current),
            text(row.change),
            text(row.interval.map(|(low, _)| low)),
            text(row.interval.map(|(_, high)| high)),
            text(row.p_value),
            row.baseline_n.to_string(),
            row.n.to_string(),
            reason.to_owned(),
        ];
        if findings.history.is_some() {
            let began = row.began.as_ref();
            let at = began.and_then(|began| began.run.at);
            cells.extend([
                began.map_or_else(String::new, |began| began.run.name.clone()),
                at.map_or_else(String::new, |at| at.to_string()),
                text(began.map(|began| began.evidence)),
            ]);
        }
        table.write_record(cells)?;
    }
    table.flush()
}

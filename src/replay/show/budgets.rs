//! What rules raise under several budgets, beside each other.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use serde::Serialize;

use crate::document::units::Period;
use crate::replay::Replayed;
use crate::shown::columns::table;
use crate::shown::output::Output;

#[derive(Serialize)]
struct Row<'a> {
    false_alarms: &'a str,
    file: &'a str,
    group: &'a str,
    rule: &'a str,
    alerts: u64,
    alerts_per_week: Option<f64>,
    firing_seconds: f64,
    instances: usize,
    alerted_instances: usize,
}

/// Writes what came of each budget, by its name.
///
/// # Errors
/// What `out` answers.
pub fn write_budgets(
    replayed: &[(String, Replayed)],
    output: Output,
    out: &mut impl io::Write,
) -> io::Result<()> {
    let rows = replayed.iter().flat_map(|(budget, replayed)| {
        replayed.rules.iter().map(move |rule| Row {
            false_alarms: budget,
            file: &rule.file,
            group: &rule.group,
            rule: &rule.rule,
            alerts: rule.alerts,
            alerts_per_week: rule.alerts_per_week,
            firing_seconds: rule.firing.as_secs_f64(),
            instances: rule.instances,
            alerted_instances: rule.alerted_instances,
        })
    });
    match output {
        Output::Table => out.write_all(text(replayed, rows).as_bytes()),
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, &rows.collect::<Vec<_>>())?;
            out.write_all(b"\n")
        }
        Output::Csv => {
            let mut table = ::csv::Writer::from_writer(out);
            for row in rows {
                table.serialize(row)?;
            }
            table.flush()
        }
    }
}

fn text<'a>(replayed: &[(String, Replayed)], rows: impl Iterator<Item = Row<'a>>) -> String {
    let mut text = String::new();
    if let Some((_, first)) = replayed.first() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} measurements, judged for {}\n",
            first.counts.accepted,
            Period(first.span())
        );
    }
    let rows = rows.map(|row| {
        [
            row.rule.to_owned(),
            row.false_alarms.to_owned(),
            row.alerts.to_string(),
            (row.alerts_per_week).map_or_else(|| "-".to_owned(), |number| format!("{number:.1}")),
            Period(Duration::from_secs_f64(row.firing_seconds.trunc())).to_string(),
            format!("{} of {}", row.alerted_instances, row.instances),
        ]
    });
    let mut rows: Vec<_> = rows.collect();
    // The budgets of one rule beside each other, in the order in which they were given.
    rows.sort_by(|one, other| one[0].cmp(&other[0]));
    let names = [
        "RULE",
        "FALSE ALARMS",
        "ALERTS",
        "PER WEEK",
        "FIRING",
        "INSTANCES",
    ];
    text + &table(names, rows)
}

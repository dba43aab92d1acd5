//! Findings as a table for people.

use std::fmt::Write as _;

use super::{Cells, asked, headline, reasons};
use crate::regressions::{Findings, Question};
use crate::shown::columns::table;

pub(super) fn text(findings: &Findings, question: &Question) -> String {
    let rows = findings.rows.iter().map(|row| {
        let cells = Cells::of(row);
        [
            cells.status,
            row.instance(),
            row.measured(),
            cells.baseline,
            cells.current,
            cells.change,
            cells.interval,
            match findings.history {
                Some(_) => cells.since,
                None => cells.p_value,
            },
            cells.n,
        ]
    });
    let sure = match findings.history {
        Some(_) => "SINCE",
        None => "P",
    };
    let names = [
        "STATUS", "INSTANCE", "METRIC", "BASELINE", "CURRENT", "CHANGE", "95%", sure, "N",
    ];
    let mut text = table(names, rows.collect());
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\n{}\n{}",
        headline(findings),
        asked(findings, question)
    );
    for reason in reasons(findings) {
        let _ = writeln!(text, "{reason}");
    }
    text
}

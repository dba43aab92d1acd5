//! Findings as Markdown, fit for a comment on a pull request: what matters in sight, the rest to unfold.

use std::fmt::Write as _;

use super::{Cells, asked, headline, reasons};
use crate::regressions::{Finding, Findings, Question, Status};
use crate::shown::columns::{Side, markdown};

pub(super) fn text(findings: &Findings, question: &Question) -> String {
    let title = match findings.count("regressed") {
        0 if findings.has_compared() => "no regression".to_owned(),
        0 => "nothing could be compared".to_owned(),
        1 => "1 regression".to_owned(),
        n => format!("{n} regressions"),
    };
    let mut text = format!("### Performance: {title}\n\n{}.\n", headline(findings));
    let is_quiet = |row: &&Finding| {
        matches!(
            row.status,
            Status::Stable | Status::New | Status::Insufficient(_)
        )
    };
    let (quiet, loud): (Vec<_>, Vec<_>) = findings.rows.iter().partition(is_quiet);
    if !loud.is_empty() {
        text.push('\n');
        text += &table(findings, &loud);
    }
    if !quiet.is_empty() {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n<details><summary>{} more</summary>\n\n",
            quiet.len()
        );
        text += &table(findings, &quiet);
        text += "\n</details>\n";
    }
    for reason in reasons(findings) {
        let _ = writeln!(text, "\n- {}", escape(&reason));
    }
    let _ = writeln!(text, "\n<sub>{}.</sub>", asked(findings, question));
    text
}

fn table(findings: &Findings, rows: &[&Finding]) -> String {
    let names = [
        ("", Side::Left),
        ("Instance", Side::Left),
        ("Metric", Side::Left),
        ("Baseline", Side::Right),
        ("Current", Side::Right),
        ("Change", Side::Right),
        ("95 %", Side::Right),
        match findings.history {
            Some(_) => ("Since", Side::Left),
            None => ("p", Side::Right),
        },
        ("n", Side::Right),
    ];
    let rows = rows.iter().map(|row| {
        let cells = Cells::of(row);
        let status = match row.status {
            Status::Regressed(_) => format!("**{}**", cells.status),
            _ => cells.status,
        };
        [
            status,
            escape(&row.instance()),
            escape(&row.measured()),
            cells.baseline,
            cells.current,
            cells.change,
            cells.interval,
            escape(match findings.history {
                Some(_) => &cells.since,
                None => &cells.p_value,
            }),
            cells.n,
        ]
    });
    markdown(names, rows.collect())
}

/// Names come from whoever sends measurements: they must not become markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // A zero-width space after it, so that nobody is called.
            '@' => escaped.push_str("@\u{200b}"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

//! Findings as JUnit's XML: a test case for each instance and metric, in a suite for each instance.

use std::fmt::Write as _;

use crate::regressions::{Finding, Findings, Status};

pub(super) fn text(findings: &Findings) -> String {
    let mut instances: Vec<String> = findings.rows.iter().map(Finding::instance).collect();
    instances.sort();
    instances.dedup();
    let failures = findings.count("regressed");
    let skipped = |rows: &[&Finding]| rows.iter().filter(|row| !row.status.is_compared()).count();
    let all: Vec<&Finding> = findings.rows.iter().collect();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "<testsuites name=\"opwatch check-regression\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{}\">",
        all.len(),
        skipped(&all)
    );
    for instance in instances {
        let rows: Vec<&Finding> = (findings.rows.iter())
            .filter(|row| row.instance() == instance)
            .collect();
        let failed = |row: &&&Finding| matches!(row.status, Status::Regressed(_));
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\">",
            escape(&instance),
            rows.len(),
            rows.iter().filter(failed).count(),
            skipped(&rows)
        );
        for row in rows {
            case(&mut text, &instance, row);
        }
        text += "  </testsuite>\n";
    }
    text += "</testsuites>\n";
    text
}

fn case(text: &mut String, instance: &str, row: &Finding) {
    let _ = write!(
        text,
        "    <testcase classname=\"{}\" name=\"{}\"",
        escape(instance),
        escape(&row.measured())
    );
    let said = escape(&row.to_string());
    let _ = match &row.status {
        Status::Regressed(level) => writeln!(
            text,
            "><failure type=\"{}\" message=\"{said}\"/></testcase>",
            level.as_str()
        ),
        Status::Insufficient(_) | Status::New | Status::Missing => {
            writeln!(text, "><skipped message=\"{said}\"/></testcase>")
        }
        Status::Improved | Status::Stable => {
            writeln!(text, "><system-out>{said}</system-out></testcase>")
        }
    };
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            // What XML cannot hold at all.
            c if c.is_control() || ('\u{fffe}'..='\u{ffff}').contains(&c) => {
                escaped.push('\u{fffd}');
            }
            c => escaped.push(c),
        }
    }
    escaped
}

//! What was found, as people and programs read it.

mod csv;
mod junit;
mod markdown;
mod table;

use std::io;

use clap::ValueEnum;

use super::{Body, Finding, Findings, Question, Status};
use crate::shown::amount;

/// How findings are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table for people.
    #[default]
    Table,
    /// One object with everything.
    Json,
    /// Fit for a comment on a pull request.
    Markdown,
    /// A test case for each instance and metric, as continuous integration shows them.
    Junit,
    /// One a row below a row of names.
    Csv,
}

/// Writes findings.
///
/// # Errors
/// What `out` answers.
pub fn write(
    findings: &Findings,
    question: &Question,
    output: Output,
    out: &mut impl io::Write,
) -> io::Result<()> {
    match output {
        Output::Table => out.write_all(table::text(findings, question).as_bytes()),
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, &Body::of(findings, question))?;
            out.write_all(b"\n")
        }
        Output::Markdown => out.write_all(markdown::text(findings, question).as_bytes()),
        Output::Junit => out.write_all(junit::text(findings).as_bytes()),
        Output::Csv => csv::write(findings, out),
    }
}

/// A relative change as people write it: `+20.5%`.
pub(super) fn percent(change: f64) -> String {
    let text = format!("{:+.1}%", change * 100.0);
    // A change that rounds to nothing goes neither way.
    match text.as_str() {
        "+0.0%" | "-0.0%" => "0.0%".to_owned(),
        _ => text,
    }
}

/// One line that says what came of it.
fn headline(findings: &Findings) -> String {
    let words = [
        "regressed",
        "improved",
        "stable",
        "insufficient",
        "new",
        "missing",
    ];
    let counts = words.map(|word| format!("{} {word}", findings.count(word)));
    counts.join(", ")
}

/// What was asked, in one line.
fn asked(findings: &Findings, question: &Question) -> String {
    let beyond = format!(
        "worse by more than {}% (critical: {}%)",
        question.threshold * 100.0,
        question.critical * 100.0
    );
    if let Some(history) = findings.history {
        return format!(
            "{beyond}: the newest piece of the history against the one before, {} runs",
            history.runs
        );
    }
    match question.is_guide {
        true => format!("{beyond}, plain means as in the original guide"),
        false => format!(
            "{beyond}, p at most 0.001, at least {} independent values",
            question.min_samples
        ),
    }
}

/// The cells that tables for people have in common.
struct Cells {
    status: String,
    baseline: String,
    current: String,
    change: String,
    interval: String,
    p_value: String,
    /// The run that began it, where a history was looked at.
    since: String,
    n: String,
}

impl Cells {
    fn of(row: &Finding) -> Self {
        let none = || "-".to_owned();
        let value = |value: Option<f64>| {
            value.map_or_else(none, |value| amount::of(&row.metric, &row.stat, value))
        };
        Self {
            status: match &row.status {
                Status::Regressed(level) => level.as_str().to_owned(),
                status => status.as_str().to_owned(),
            },
            baseline: value(row.baseline),
            current: value(row.current),
            change: row.change.map_or_else(none, percent),
            interval: row.interval.map_or_else(none, |(low, high)| {
                format!("{} to {}", percent(low), percent(high))
            }),
            p_value: row.p_value.map_or_else(none, |p| match p {
                p if p < 1e-4 => "<0.0001".to_owned(),
                p => format!("{p:.4}"),
            }),
            since: (row.began.as_ref()).map_or_else(none, |began| line(&began.run.name)),
            n: match (row.baseline_n, row.n) {
                (0, n) => n.to_string(),
                (before, n) => format!("{before}, {n}"),
            },
        }
    }
}

/// A name in one line, whatever is in it.
fn line(name: &str) -> String {
    name.replace(char::is_control, " ")
}

/// The reasons of what could not be judged, each once.
fn reasons(findings: &Findings) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for row in &findings.rows {
        if let Status::Insufficient(why) = &row.status {
            reasons.push(format!("{} of {}: {why}", row.measured(), row.instance()));
        }
    }
    for score in &findings.undirected {
        reasons.push(format!(
            "score {score} was left out, because which way it gets worse is not known: --worse {score}=up or --worse {score}=down says so"
        ));
    }
    reasons
}

//! What became of the tests, printed as promtool does.

use std::fmt;

use crate::document::units::Period;
use crate::document::{Fault, render};
use crate::engine::series::Labels;
use crate::rulefile::{Findings, Warning};

/// What became of several test files.
#[derive(Debug, Default)]
pub struct Report {
    /// A part for each file, in the order given.
    pub files: Vec<FileReport>,
}

impl Report {
    /// Number of tests that passed.
    pub fn passed(&self) -> usize {
        self.files.iter().map(|file| file.passed).sum()
    }

    /// Number of tests that failed.
    pub fn failed(&self) -> usize {
        self.files.iter().map(|file| file.failed).sum()
    }

    /// Whether every file could be read and every test passed.
    pub fn is_good(&self) -> bool {
        self.files.iter().all(FileReport::is_good)
    }

    /// Faults with their lines, the outcome of each file and the numbers, for a terminal; with colours if wanted.
    pub fn render(&self, colour: bool) -> String {
        let faults: Vec<Fault> = self.faults().cloned().collect();
        let mut parts = Vec::new();
        if !faults.is_empty() {
            parts.push(render(&faults, colour));
        }
        parts.extend(
            self.warnings()
                .map(|warning| format!("warning: {}", warning.0)),
        );
        parts.push(self.to_string());
        parts.join("\n\n")
    }

    /// All faults of all files.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.files.iter().flat_map(|file| &file.findings.faults)
    }

    /// All warnings of all files.
    pub fn warnings(&self) -> impl Iterator<Item = &Warning> {
        self.files.iter().flat_map(|file| &file.findings.warnings)
    }
}

/// What became of one test file.
#[derive(Debug)]
pub struct FileReport {
    /// The file as it was named.
    pub file: String,
    /// Number of tests that passed.
    pub passed: usize,
    /// Number of tests that failed.
    pub failed: usize,
    /// Where alerts were not as expected.
    pub mismatches: Vec<Mismatch>,
    /// What is wrong in the test file or in the rule files that it names.
    pub findings: Findings,
}

impl FileReport {
    /// Whether the file could be read and every test passed.
    pub fn is_good(&self) -> bool {
        self.failed == 0 && self.findings.faults.is_empty()
    }
}

/// Alerts that were not as expected.
#[derive(Debug)]
pub struct Mismatch {
    /// Where they were expected.
    pub fault: Fault,
    /// The name of the test, if it has one.
    pub test: Option<String>,
    /// The name of the alerts.
    pub alertname: String,
    /// When they were looked at.
    pub eval_time: Period,
    /// `firing` or `pending`.
    pub state: &'static str,
    /// What was expected.
    pub expected: Vec<Seen>,
    /// What was there.
    pub got: Vec<Seen>,
}

/// An alert as a test sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// Its labels.
    pub labels: Labels,
    /// Its annotations; none for a pending one.
    pub annotations: Labels,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}", self.fault.brief())?;
        if let Some(test) = &self.test {
            writeln!(f, "    name: {test},")?;
        }
        let Self {
            alertname,
            eval_time,
            state,
            ..
        } = self;
        let state = if *state == "firing" {
            String::new()
        } else {
            format!(", {state}")
        };
        writeln!(f, "    alertname: {alertname}, time: {eval_time}{state},")?;
        writeln!(f, "        exp:{},", list(&self.expected))?;
        write!(f, "        got:{}", list(&self.got))
    }
}

fn list(alerts: &[Seen]) -> String {
    if alerts.is_empty() {
        return "[]".to_owned();
    }
    let alerts = alerts.iter().enumerate().map(|(index, alert)| {
        format!(
            "\n            {index}:\n              Labels:{}\n              Annotations:{}",
            alert.labels, alert.annotations
        )
    });
    format!("[{}\n            ]", alerts.collect::<Vec<_>>().join(","))
}

impl fmt::Display for Report {
    /// Mismatches and the outcome of each file; faults are drawn by [`crate::document::render`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            writeln!(f, "Unit Testing:  {}", file.file)?;
            if file.is_good() {
                writeln!(f, "  SUCCESS")?;
            } else {
                writeln!(f, "  FAILED:")?;
            }
            for mismatch in &file.mismatches {
                writeln!(f, "{mismatch}")?;
            }
        }
        write!(f, "{} passed, {} failed", self.passed(), self.failed())
    }
}

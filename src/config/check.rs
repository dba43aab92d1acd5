//! `opwatch check`: everything that is wrong with a configuration or with rule files.

use std::path::{Path, PathBuf};

use super::{Lookup, read};
use crate::document::render;
use crate::engine::rule::RuleGroup;
use crate::rulefile::{BuiltIn, Findings, Surroundings, load_all};

/// What a check has found.
#[derive(Debug)]
pub struct Report {
    /// Files looked at, that of the configuration included.
    pub files: usize,
    /// Groups that could be read.
    pub groups: usize,
    /// Rules that could be read.
    pub rules: usize,
    /// Faults and warnings of all files.
    pub findings: Findings,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.findings.faults.is_empty()
    }

    /// Faults with their lines, warnings, and a summary, for a terminal; with colours if wanted.
    pub fn render(&self, colour: bool) -> String {
        let mut parts = Vec::new();
        if !self.is_good() {
            parts.push(render(&self.findings.faults, colour));
        }
        let warnings = self.findings.warnings.iter();
        parts.extend(warnings.map(|warning| format!("warning: {}", warning.0)));
        let Self {
            files,
            groups,
            rules,
            findings,
        } = self;
        let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        parts.push(format!(
            "{}, {}, {}: {}, {}",
            count(*files, "file"),
            count(*groups, "group"),
            count(*rules, "rule"),
            count(findings.faults.len(), "fault"),
            count(findings.warnings.len(), "warning")
        ));
        parts.join("\n\n")
    }

    fn new(files: usize, groups: &[RuleGroup], mut findings: Findings) -> Self {
        findings.sort();
        // What is built in has been checked already.
        let own = || groups.iter().filter(|group| !BuiltIn::has(group));
        Self {
            files,
            groups: own().count(),
            rules: own().map(|group| group.rules.len()).sum(),
            findings,
        }
    }
}

/// Checks a configuration and the rule files that it names.
pub fn check(path: &Path, lookup: Lookup<'_>) -> Report {
    let read = read::file(path, lookup);
    let (files, groups) = match &read.config {
        Some(config) => (config.rule_files.len(), config.groups.as_slice()),
        None => (0, [].as_slice()),
    };
    Report::new(1 + files, groups, read.findings)
}

/// Checks rule files by themselves, with the defaults of an empty configuration and all that is built in.
pub fn check_rules(paths: &[PathBuf]) -> Report {
    load_rules(paths, Surroundings::default()).1
}

/// Reads rule files by themselves, beside all that is built in, which is not among the groups. These are to be used only
/// where the report is good.
pub fn load_rules(paths: &[PathBuf], around: Surroundings) -> (Vec<RuleGroup>, Report) {
    let files: Vec<_> = paths
        .iter()
        .map(|path| (path.clone(), path.display().to_string()))
        .collect();
    let loaded = load_all(&files, &[BuiltIn::Own, BuiltIn::Guide], around);
    let mut groups = loaded.groups;
    groups.retain(|group| !BuiltIn::has(group));
    let report = Report::new(files.len(), &groups, loaded.findings);
    (groups, report)
}

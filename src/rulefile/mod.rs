//! Rule files: YAML in, [`RuleGroup`]s out, with every fault of every file in one pass and at its place.
//!
//! Keys that exist in Prometheus' rule files have their meaning; ours stand beside them. What the design names but this
//! version does not have is recognised and refused as such.

mod absence;
mod amounts;
mod built_in;
mod definition;
mod dependencies;
mod detection;
mod files;
mod findings;
mod limits;
mod query;
mod regression;
mod relative;
mod rule;
mod threshold;
mod trend;
pub mod unittest;
mod window;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use amounts::read_budget;
pub use built_in::BuiltIn;
use dependencies::Reference;
pub use files::{load_all, matching};
pub(crate) use findings::{Checker, Damaged, did_you_mean, fault_of_file};
pub use findings::{Findings, Warning};
pub use query::{against_name, query};
pub use threshold::read_metric;
pub use trend::{frame_fault, read_stat};
pub use window::{MAX_RUNS, read_window, window_text};

use crate::document::{Document, Place};
use crate::engine::rule::{Rule, RuleGroup};

/// What rule files are read with.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    /// Time between evaluations of groups that do not say.
    pub evaluation_interval: Duration,
    /// How long data are kept; no window may reach further back.
    pub retention: Duration,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            evaluation_interval: Duration::from_secs(15),
            retention: Duration::from_secs(30 * 24 * 3_600),
        }
    }
}

/// What came of reading rule files.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The groups as far as they could be read; to be used only where there are no faults.
    pub groups: Vec<RuleGroup>,
    /// Faults and warnings.
    pub findings: Findings,
    /// Names of all rules that are written, also of those that are off or cannot be read.
    names: BTreeSet<String>,
    /// Which rules depend on which.
    references: Vec<Reference>,
    /// Actions that rules name, each with where it is named.
    actions: Vec<(String, crate::document::Fault)>,
    /// A file could not be read at all, so that there may be further names.
    incomplete: bool,
}

impl Loaded {
    /// Adds what another file has.
    fn extend(&mut self, other: Self) {
        self.groups.extend(other.groups);
        self.findings.extend(other.findings);
        self.names.extend(other.names);
        self.references.extend(other.references);
        self.actions.extend(other.actions);
        self.incomplete |= other.incomplete;
    }
}

/// Reads the text of one rule file; `file` is its name in messages and in the API. What its rules depend on may stand in
/// other files, so that is not checked here but in [`load_all`].
pub fn load(file: &str, text: String, around: Surroundings) -> Loaded {
    let mut document = match Document::parse(file, text) {
        Ok(document) => document,
        Err(faults) => {
            let findings = Findings {
                faults,
                warnings: Vec::new(),
            };
            return Loaded {
                findings,
                incomplete: true,
                ..Loaded::default()
            };
        }
    };
    let (written, faults) = document.decode::<wire::File>();
    let mut checker = Checker::new(&document, faults);
    let mut loaded = Loaded {
        incomplete: written.is_none(),
        ..Loaded::default()
    };
    if let Some(written) = written {
        loaded.groups = groups(file, &written, around, &mut checker);
        (loaded.names, loaded.references) = names(&written, &document);
        loaded.actions = dependencies::actions(&written, &document);
    }
    loaded.findings = checker.findings;
    loaded.findings.sort();
    loaded
}

/// Names of all rules that are written, and what they depend on.
fn names(written: &wire::File, document: &Document) -> (BTreeSet<String>, Vec<Reference>) {
    let (mut names, mut references) = (BTreeSet::new(), Vec::new());
    for (group_index, group) in written.groups.iter().enumerate() {
        let place = Place::root().key("groups").index(group_index).key("rules");
        for (rule_index, rule) in group.rules.iter().enumerate() {
            let Some(name) = &rule.alert else { continue };
            names.insert(name.clone());
            let place = place.index(rule_index).key("depends_on");
            let on = rule.depends_on.iter().enumerate();
            references.extend(on.map(|(index, on)| Reference {
                rule: name.clone(),
                on: on.clone(),
                at: document.fault(&place.index(index), ""),
            }));
        }
    }
    (names, references)
}

fn groups(
    file: &str,
    written: &wire::File,
    around: Surroundings,
    checker: &mut Checker<'_>,
) -> Vec<RuleGroup> {
    let groups = Place::root().key("groups");
    let place_of = |index: usize| groups.index(index);
    let parts: Vec<Place> = written
        .groups
        .iter()
        .enumerate()
        .flat_map(|(index, group)| {
            let group_place = place_of(index);
            let rules = group_place.key("rules");
            let rules: Vec<_> = (0..group.rules.len()).map(|n| rules.index(n)).collect();
            std::iter::once(group_place).chain(rules)
        })
        .collect();
    let damaged = checker.damaged(&parts);
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut read = Vec::new();
    for (index, group) in written.groups.iter().enumerate() {
        let place = place_of(index);
        let name_place = place.key("name");
        if group.name.is_empty() {
            checker.fault(&name_place, "group name is empty, allowed: a name");
        }
        if let Some(first) = names.get(group.name.as_str()) {
            let line = checker.line(&place_of(*first).key("name"));
            checker.fault(
                &name_place,
                format!(
                    "group name {:?} is given twice in this file, first in line {line}",
                    group.name
                ),
            );
        }
        names.entry(&group.name).or_insert(index);
        checker.refuse(group.query_offset.as_ref(), &place, "query_offset");
        // As in Prometheus, an interval of zero is none.
        let interval = group.interval.map(|period| period.0);
        let interval = interval.filter(|interval| !interval.is_zero());
        let interval = interval.unwrap_or(around.evaluation_interval);
        let labels = rule::labels(&group.labels, &place.key("labels"), checker);
        let mut rules: Vec<(Rule, Place)> = Vec::new();
        for (index, written) in group.rules.iter().enumerate() {
            let place = place.key("rules").index(index);
            let around = threshold::Surroundings {
                interval,
                retention: around.retention,
                damaged: checker.is_damaged(&damaged, &place),
            };
            if let Some(rule) = rule::read(written, &labels, around, &place, checker) {
                check_twin(&rule, &rules, &place, checker);
                rules.push((rule, place));
            }
        }
        read.push(RuleGroup {
            file: file.to_owned(),
            name: group.name.clone(),
            interval,
            limit: usize::try_from(group.limit.unwrap_or(0)).unwrap_or(usize::MAX),
            rules: rules.into_iter().map(|(rule, _)| rule).collect(),
        });
    }
    read
}

/// Refuses a rule whose alerts could not be told from those of an earlier one: same name, labels, series and severity.
fn check_twin(rule: &Rule, earlier: &[(Rule, Place)], place: &Place, checker: &mut Checker<'_>) {
    let labels = |rule: &Rule| {
        let pairs = rule.labels.iter();
        pairs
            .map(|label| (label.name.clone(), label.template.source().to_owned()))
            .collect::<Vec<_>>()
    };
    let same = |other: &Rule| {
        other.name == rule.name
            && labels(other) == labels(rule)
            && other.by == rule.by
            && other.select.to_string() == rule.select.to_string()
            && (other.condition.levels().iter()).any(|one| {
                rule.condition
                    .levels()
                    .iter()
                    .any(|level| level.severity == one.severity)
            })
    };
    if let Some((_, twin)) = earlier.iter().find(|(other, _)| same(other)) {
        let line = checker.line(&twin.key("alert"));
        checker.fault(
            &place.key("alert"),
            format!(
                "alert {:?} is given twice with the same labels and series, first in line {line}, allowed: another name or further labels",
                rule.name
            ),
        );
    }
}

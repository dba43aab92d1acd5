//! Unit tests of rules: files in the shape of promtool's, with measurements as input, run in virtual time.
//!
//! A test starts at time 0. Values come in at multiples of its `interval`, every group is evaluated at multiples of
//! `evaluation_interval` (after the values of that time), and `alert_rule_test` says which alerts fire at a time, with all
//! their labels and annotations. `baselines` are set each at its time `at`, in the fields of `POST /api/v1/baselines`.
//!
//! Of the levels of one instance the highest that fires counts, which is the one that people are told of; with
//! `send_levels: all` every firing one does. An alert that is suppressed by one that its rule depends on does not count, one
//! of a rule in shadow does. Measurements of the operation `__opwatch__` are those that opwatch makes of itself.
//! `rule_files` may name `built-in:guide` and `built-in:opwatch`.

mod baselines;
mod input;
mod notation;
mod report;
mod runner;
mod wire;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use report::{FileReport, Mismatch, Report, Seen};

use super::{
    BuiltIn, Checker, Findings, Surroundings, did_you_mean, fault_of_file, load_all, matching, rule,
};
use crate::document::{Document, Place};
use crate::engine::rule::{External, RuleGroup};
use crate::engine::series::is_label_name;

/// Time between evaluations where a file does not say, as in promtool.
const EVALUATION_INTERVAL: Duration = Duration::from_secs(60);

/// Runs the tests of several files.
pub fn run(files: &[PathBuf]) -> Report {
    let files = files.iter().map(|path| run_file(path)).collect();
    Report { files }
}

fn run_file(path: &Path) -> FileReport {
    let file = path.display().to_string();
    let (passed, failed, mismatches, findings) = match fs::read_to_string(path) {
        Ok(text) => run_text(&file, text, path.parent().unwrap_or(Path::new(""))),
        Err(error) => {
            let fault = fault_of_file(&file, format!("cannot read the file: {error}"));
            (0, 0, Vec::new(), only(vec![fault]))
        }
    };
    FileReport {
        file,
        passed,
        failed,
        mismatches,
        findings,
    }
}

fn only(faults: Vec<crate::document::Fault>) -> Findings {
    Findings {
        faults,
        warnings: Vec::new(),
    }
}

fn run_text(file: &str, text: String, folder: &Path) -> (usize, usize, Vec<Mismatch>, Findings) {
    let mut document = match Document::parse(file, text) {
        Ok(document) => document,
        Err(faults) => return (0, 0, Vec::new(), only(faults)),
    };
    let (written, faults) = document.decode::<wire::File>();
    let readable = faults.is_empty();
    let mut checker = Checker::new(&document, faults);
    let (mut passed, mut failed, mut mismatches) = (0, 0, Vec::new());
    if let Some(written) = written {
        let interval = written.evaluation_interval.map(|period| period.0);
        let interval = interval.filter(|interval| !interval.is_zero());
        let interval = interval.unwrap_or(EVALUATION_INTERVAL);
        let groups = rules(&written, folder, interval, &mut checker);
        // Without its rules every test would fail, which says nothing.
        let runnable = readable && checker.findings.faults.is_empty();
        for (index, test) in written.tests.iter().enumerate() {
            let place = Place::root().key("tests").index(index);
            let before = checker.findings.faults.len();
            let found = run_test(test, &groups, interval, runnable, &place, &mut checker);
            if runnable && checker.findings.faults.len() == before && found.is_empty() {
                passed += 1;
            } else {
                failed += 1;
            }
            mismatches.extend(found);
        }
    }
    let mut findings = checker.findings;
    findings.sort();
    (passed, failed, mismatches, findings)
}

/// The groups of the rule files in the order of evaluation, all at the interval of the test.
fn rules(
    written: &wire::File,
    folder: &Path,
    interval: Duration,
    checker: &mut Checker<'_>,
) -> Vec<RuleGroup> {
    let place = Place::root().key("rule_files");
    let (mut files, mut built_in) = (Vec::new(), Vec::new());
    for (index, pattern) in written.rule_files.iter().enumerate() {
        let place = place.index(index);
        if let Some(one) = BuiltIn::named(pattern) {
            built_in.push(one);
            continue;
        }
        match matching(folder, pattern) {
            Ok(found) if found.is_empty() => {
                checker.fault(&place, format!("no file matches {pattern:?}"));
            }
            Ok(found) => files.extend(found.into_iter().map(|path| {
                let name = path.display().to_string();
                (path, name)
            })),
            Err(message) => checker.fault(&place, message),
        }
    }
    let loaded = load_all(&files, &built_in, Surroundings::default());
    checker.findings.extend(loaded.findings);
    let mut groups = loaded.groups;
    for (index, name) in written.group_eval_order.iter().enumerate() {
        if !groups.iter().any(|group| group.name == *name) {
            let hint = did_you_mean(name, groups.iter().map(|group| group.name.as_str()));
            let place = Place::root().key("group_eval_order").index(index);
            checker.fault(
                &place,
                format!("no rule file has a group {name:?},{hint} allowed: names of groups"),
            );
        }
    }
    let order = |group: &RuleGroup| {
        let mut names = written.group_eval_order.iter();
        names
            .position(|name| *name == group.name)
            .unwrap_or(usize::MAX)
    };
    groups.sort_by_key(order);
    for group in &mut groups {
        group.interval = interval;
    }
    groups
}

fn run_test(
    test: &wire::Test,
    groups: &[RuleGroup],
    evaluation_interval: Duration,
    runnable: bool,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Vec<Mismatch> {
    let before = checker.findings.faults.len();
    if test.promql_expr_test.is_some() {
        checker.fault_at_key(
            &place.key("promql_expr_test"),
            "`promql_expr_test` needs PromQL, which is not available yet, allowed: alert_rule_test",
        );
    }
    let interval = test.interval.map(|period| period.0);
    let interval = interval.filter(|interval| !interval.is_zero());
    let interval = interval.unwrap_or(evaluation_interval);
    for name in test.external_labels.keys() {
        if !is_label_name(name) {
            checker.fault_at_key(
                &place.key("external_labels").key(name),
                rule::bad_label_name(name),
            );
        }
    }
    if runnable {
        check_names(test, groups, place, checker);
    }
    let measurements = input::measurements(test, interval, place, checker);
    let baselines = baselines::baselines(test, place, checker);
    if !runnable || checker.findings.faults.len() > before {
        return Vec::new();
    }
    let setting = runner::Setting {
        groups,
        evaluation_interval,
        external: External {
            labels: test
                .external_labels
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect(),
            url: test.external_url.clone().unwrap_or_default(),
        },
    };
    runner::run(test, &setting, measurements, baselines, place, checker)
}

/// Refuses alerts that no rule can raise: a test that expects none of them could never fail.
fn check_names(test: &wire::Test, groups: &[RuleGroup], place: &Place, checker: &mut Checker<'_>) {
    let names: Vec<&str> = groups
        .iter()
        .flat_map(|group| &group.rules)
        .map(|rule| rule.name.as_str())
        .collect();
    if test.alert_rule_test.is_empty() && test.promql_expr_test.is_none() {
        checker.fault(
            place,
            "test expects nothing, allowed: at least one alert_rule_test",
        );
    }
    for (index, look) in test.alert_rule_test.iter().enumerate() {
        if !names.contains(&look.alertname.as_str()) {
            let hint = did_you_mean(&look.alertname, names.iter().copied());
            let place = place.key("alert_rule_test").index(index).key("alertname");
            checker.fault(
                &place,
                format!(
                    "no rule has the alert {:?},{hint} allowed: names of alerts in the rule files",
                    look.alertname
                ),
            );
        }
    }
}

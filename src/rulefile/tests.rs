//! Rule files good and bad, with exactly what is said of them.

use super::*;
use crate::document::render;
use crate::engine::condition::{Condition, Level, Threshold};
use crate::engine::rule::{ForSamples, Mode, NoData, Severity};
use crate::engine::series::Fnv1a;
use crate::engine::window::Reach;
use std::fs;
use std::path::{Path, PathBuf};

fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(folder)
}

fn read(name: &str) -> Loaded {
    let text = fs::read_to_string(data("rules").join(name)).unwrap();
    load(name, text, Surroundings::default())
}

fn one(rule: &str) -> Rule {
    let text = format!("groups: [{{name: g, labels: {{team: a}}, rules: [{rule}]}}]");
    let mut loaded = load("f.yaml", text, Surroundings::default());
    assert_eq!(loaded.findings.faults, [], "{rule}");
    loaded.groups.remove(0).rules.remove(0)
}

fn threshold(rule: &Rule) -> &Threshold {
    match &rule.condition {
        Condition::Threshold(threshold) => threshold,
        other => panic!("{other:?}"),
    }
}

#[test]
fn good_rule_files_load_without_a_word() {
    let files = matching(&data("rules"), "*.good.yaml").unwrap();
    assert!(files.len() >= 2);
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let loaded = load("f.yaml", text, Surroundings::default());
        assert_eq!(loaded.findings.faults, [], "{}", path.display());
        assert_eq!(loaded.findings.warnings, [], "{}", path.display());
    }
}

#[test]
fn bad_rule_files_are_refused_with_all_their_faults_at_their_places() {
    let files = matching(&data("rules"), "*.bad.yaml").unwrap();
    assert!(files.len() >= 4);
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let loaded = read(name);
        let said = render(&loaded.findings.faults, false) + "\n";
        let beside = path.with_extension("txt");
        if std::env::var_os("OPWATCH_TEST_BLESS").is_some() {
            fs::write(&beside, &said).unwrap();
        }
        assert_eq!(said, fs::read_to_string(&beside).unwrap(), "{name}");
    }
    assert_eq!(read("ten_faults.bad.yaml").findings.faults.len(), 10);
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let loaded = read("misspelt.warn.yaml");
    assert_eq!(loaded.findings.faults, []);
    let said: Vec<_> = loaded
        .findings
        .warnings
        .iter()
        .map(Warning::brief)
        .collect();
    assert_eq!(
        said,
        [
            "misspelt.warn.yaml:6:29: `durration` is no metric, so it is read as a quality score; did you mean `duration`?",
            "misspelt.warn.yaml:6:59: window 5m is shorter than the 10m between evaluations, so that some measurements are never looked at",
        ]
    );
}

#[test]
fn every_key_of_a_rule_has_its_effect() {
    let groups = read("all_keys.good.yaml").groups;
    let group = &groups[0];
    assert_eq!((group.name.as_str(), group.limit), ("fraud", 200));
    assert_eq!(group.interval, Duration::from_secs(15));
    assert_eq!(
        groups[1].interval,
        Surroundings::default().evaluation_interval
    );
    let rule = &group.rules[0];
    assert_eq!(
        rule.select.to_string(),
        r#"{operation="detect",algorithm=~"iforest|ocsvm"}"#
    );
    assert_eq!(rule.by, ["operation", "algorithm", "version", "dataset"]);
    assert_eq!(rule.mode, Mode::Shadow);
    let hold = &rule.hold;
    assert_eq!(hold.hold, Duration::from_secs(120));
    assert_eq!(
        hold.for_samples,
        Some(ForSamples {
            breached: 64,
            of: 64
        })
    );
    assert_eq!(hold.keep_firing_for, Duration::from_secs(300));
    assert_eq!(hold.no_data, NoData::Resolve);
    assert_eq!(hold.stale_after, Duration::from_secs(7_200));
    let labels: Vec<_> = rule
        .labels
        .iter()
        .map(|label| (label.name.as_str(), label.template.source()))
        .collect();
    // Of the group what the rule does not say itself.
    assert_eq!(
        labels,
        [
            ("severity", "low"),
            ("team", "fraud"),
            ("tier", "{{ $labels.operation | toUpper }}")
        ]
    );
    let threshold = threshold(rule);
    assert_eq!(threshold.reach, Reach::Time(Duration::from_secs(600)));
    assert_eq!(threshold.min_samples, 20);
    let level = |severity, limit, recover| Level {
        severity: Some(severity),
        limit,
        recover: Some(recover),
    };
    assert_eq!(
        threshold.levels,
        [
            level(Severity::Medium, 5.0, 4.0),
            level(Severity::High, 10.0, 8.0),
            level(Severity::Critical, 30.0, 24.0)
        ]
    );
}

#[test]
fn recovery_below_a_limit_is_beyond_it_by_the_rest() {
    let rule = one(
        "{alert: A, threshold: {metric: throughput, stat: mean, window: 5 runs, below: 100, recover: 80%}}",
    );
    assert_eq!(threshold(&rule).levels[0].recover, Some(120.0));
    assert_eq!(threshold(&rule).reach, Reach::Runs(5));
    assert_eq!(rule.by, ["operation", "algorithm"]);
}

#[test]
fn the_definition_changes_with_everything_but_annotations_and_the_way_of_writing() {
    let base = "alert: A, select: '{operation=\"x\"}', threshold: {metric: duration, stat: max, window: 60s, above: 5s}, for: 60s";
    let hash = |rule: &str| one(&format!("{{{rule}}}")).definition;
    let same = [
        base.to_owned(),
        format!("{base}, annotations: {{summary: other}}"),
        base.replace("60s", "1m").replace("5s", "5000ms"),
        base.replace("operation=\"x\"", " operation = \"x\" "),
        format!("{base}, by: [operation, algorithm], mode: active, on_error: keep"),
        format!("{base}, depends_on: [B]"),
    ];
    for rule in &same {
        assert_eq!(hash(rule), hash(base), "{rule}");
    }
    let other = [
        base.replace("alert: A", "alert: B"),
        base.replace("\"x\"", "\"y\""),
        base.replace("max", "min"),
        base.replace("duration", "setup"),
        base.replace("above: 5s", "above: 6s"),
        base.replace("above: 5s", "at_least: 5s"),
        base.replace("above: 5s", "above: {low: 5s}"),
        base.replace("above: 5s", "above: 5s, recover: 50%"),
        base.replace("above: 5s", "above: 5s, min_samples: 2"),
        base.replace("window: 60s", "window: 60 runs"),
        base.replace("for: 60s", "for: 61s"),
        format!("{base}, labels: {{team: b}}"),
        format!("{base}, labels: {{x: b}}"),
        format!("{base}, by: [operation]"),
        format!("{base}, mode: shadow"),
        format!("{base}, keep_firing_for: 1s"),
        format!("{base}, stale_after: 1s"),
        format!("{base}, no_data: alert"),
        format!("{base}, for_samples: 1 of 2"),
        format!("{base}, on_error: alert"),
    ];
    let mut hashes: Vec<u64> = other.iter().map(|rule| hash(rule)).collect();
    hashes.push(hash(base));
    let all = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), all, "two definitions have one hash");
    // It is kept with the state of alerts, so it may not change from build to build.
    let mut expected = Fnv1a::new();
    for part in [
        "A",
        "{operation=\"x\"}",
        "operation,algorithm",
        "Active",
        "duration",
        "max",
        "60000ms",
        ">",
        "1",
        "60000",
        "",
        "0",
        "Keep",
        "3600000",
        "None 5 None",
        "team",
        "a",
    ] {
        expected.add(part.as_bytes());
        expected.add(&[0xff]);
    }
    assert_eq!(hash(base), expected.finish());
}

#[test]
fn the_definition_of_an_absence_changes_with_each_of_its_keys() {
    let base = "alert: A, absence: {expect_every: 24h, grace: 2h, remember: 14d, expect: [{operation: x}]}";
    let rules = [
        base.to_owned(),
        base.replace("24h", "25h"),
        base.replace("2h", "3h"),
        base.replace("14d", "15d"),
        base.replace(": x", ": y"),
        base.replace("[{operation: x}]", "[]"),
        format!("{base}, labels: {{severity: high}}"),
    ];
    let mut hashes: Vec<u64> = rules
        .iter()
        .map(|rule| one(&format!("{{{rule}}}")).definition)
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), rules.len());
    let rule = one("{alert: A, absence: {expect_every: 20d}}");
    let Condition::Absence(absence) = &rule.condition else {
        panic!("{rule:?}")
    };
    // Long enough to miss it for a while.
    assert_eq!(absence.remember, Duration::from_secs(40 * 86_400));
    assert_eq!(absence.levels[0].severity, Some(Severity::Medium));
    assert_eq!(
        query(&rule),
        r#"opwatch_rule_value{alertname="A"} > opwatch_rule_limit{alertname="A"}"#
    );
}

#[test]
fn the_rules_of_the_example_load() {
    let path = data("../../examples/isolation_forest/rules.yaml");
    let loaded = load_all(
        &[(path, "rules.yaml".to_owned())],
        &[],
        Surroundings::default(),
    );
    assert_eq!(loaded.findings.faults, []);
    assert_eq!(loaded.findings.warnings, []);
    assert_eq!(loaded.groups[0].rules.len(), 4);
}

#[test]
fn faults_of_all_files_are_told_and_a_missing_one_is_one_of_them() {
    let files: Vec<_> = ["labels.bad.yaml", "missing.yaml", "ten_faults.bad.yaml"]
        .iter()
        .map(|name| (data("rules").join(name), (*name).to_owned()))
        .collect();
    let mut faults = load_all(&files, &[], Surroundings::default())
        .findings
        .faults;
    assert!(faults.iter().any(|fault| {
        fault
            .brief()
            .starts_with("missing.yaml:1:1: cannot read the file: No such file")
    }));
    faults.dedup_by(|one, other| one.file == other.file);
    assert_eq!(faults.len(), 3);
}

#[test]
fn what_a_rule_depends_on_is_looked_for_in_all_files_and_may_not_lead_back_to_it() {
    let folder = std::env::temp_dir().join(format!("opwatch-depends-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let threshold = "threshold: {metric: rate, window: 5m, below: 1}";
    let files: Vec<_> = [
        format!(
            "groups:\n- name: g\n  rules:\n  - {{alert: A, {threshold}, depends_on: [B, Typpo]}}\n  - {{alert: Typo, {threshold}, depends_on: [OpwatchMemoryShort]}}\n  - {{alert: Self, {threshold}, depends_on: [Self]}}\n"
        ),
        format!(
            "groups:\n- name: g\n  rules:\n  - {{alert: B, {threshold}, depends_on: [C]}}\n  - {{alert: C, {threshold}, depends_on: [A]}}\n  - {{alert: D, {threshold}, depends_on: [A, C]}}\n"
        ),
    ]
    .iter()
    .enumerate()
    .map(|(number, text)| {
        let path = folder.join(format!("{number}.yaml"));
        fs::write(&path, text).unwrap();
        (path, format!("{number}.yaml"))
    })
    .collect();
    let said = |built_in: &[BuiltIn]| {
        let mut faults = load_all(&files, built_in, Surroundings::default())
            .findings
            .faults;
        crate::document::sort(&mut faults);
        faults
            .iter()
            .map(crate::document::Fault::brief)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        said(&[BuiltIn::Own]),
        [
            "0.yaml:4:78: rule \"A\" depends on itself: A → B → C → A, allowed: no circle",
            "0.yaml:4:81: no rule has the name \"Typpo\", did you mean `Typo`? allowed: names of rules, in this or another file",
            "0.yaml:6:81: rule \"Self\" depends on itself: Self → Self, allowed: no circle",
            "1.yaml:4:78: rule \"B\" depends on itself: B → C → A → B, allowed: no circle",
            "1.yaml:5:78: rule \"C\" depends on itself: C → A → B → C, allowed: no circle",
        ]
    );
    let without = said(&[]);
    assert!(
        without
            .iter()
            .any(|fault| fault.contains("\"OpwatchMemoryShort\"")),
        "{without:?}"
    );
    fs::remove_dir_all(&folder).unwrap();
}

//! The rules that come with opwatch: they are good, each is tested, and what they name exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;
use serde_json::Value;

use crate::sidecar::{Folder, Sidecar, run, wait_for};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a folder whose name ends like this, sorted.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, ending, found);
            } else if path.to_str().unwrap().ends_with(ending) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), ending, &mut found);
    found.sort();
    found
}

fn yaml(path: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The rule files of `rules/`.
fn rule_files() -> Vec<PathBuf> {
    let mut files = files("rules", ".yaml");
    files.retain(|path| path.parent() == Some(&root().join("rules")));
    assert!(files.len() >= 7, "{files:?}");
    files
}

/// Those that are not built in, by the name of their pack.
fn packs() -> BTreeMap<String, PathBuf> {
    let named = |path: PathBuf| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path);
    let mut packs: BTreeMap<_, _> = rule_files().into_iter().map(named).collect();
    packs.retain(|name, _| !["guide", "opwatch"].contains(&&**name));
    packs
}

fn rules(path: &Path) -> Vec<Value> {
    let groups = yaml(path)["groups"].as_array().unwrap().clone();
    let rules = |group: &Value| group["rules"].as_array().unwrap().clone();
    groups.iter().flat_map(rules).collect()
}

fn name(rule: &Value) -> String {
    rule["alert"].as_str().unwrap().to_owned()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn shipped_rules_are_good_and_pass_their_tests() {
    let folder = Folder::new();
    let rules: Vec<String> = rule_files().iter().map(|path| text(path)).collect();
    let arguments: Vec<&str> = ["check"]
        .into_iter()
        .chain(rules.iter().map(|r| &**r))
        .collect();
    let (code, said, errors) = run(&folder, &arguments);
    assert_eq!(code, Some(0), "{said}{errors}");
    assert!(said.contains("0 faults, 0 warnings"), "{said}");
    let tests: Vec<String> = files("rules/tests", ".yaml")
        .iter()
        .map(|p| text(p))
        .collect();
    let arguments: Vec<&str> = ["test"]
        .into_iter()
        .chain(tests.iter().map(|t| &**t))
        .collect();
    let (code, said, errors) = run(&folder, &arguments);
    assert_eq!(code, Some(0), "{said}{errors}");
}

#[test]
fn every_shipped_rule_has_a_test_that_fires_and_one_that_stays_quiet() {
    let mut all = BTreeSet::new();
    for path in rule_files() {
        let stem = path.file_stem().unwrap().to_str().unwrap();
        // The tests of a file are in the file of the same name, and are about that file.
        let tests = yaml(&root().join(format!("rules/tests/{stem}.yaml")));
        let about = tests["rule_files"][0].as_str().unwrap();
        let itself = [format!("../{stem}.yaml"), format!("built-in:{stem}")];
        assert!(itself.iter().any(|name| name == about), "{stem}: {about}");
        let mut seen: BTreeMap<&str, BTreeSet<bool>> = BTreeMap::new();
        for test in tests["tests"].as_array().unwrap() {
            for look in test["alert_rule_test"].as_array().unwrap() {
                let expects = look["exp_alerts"].as_array().is_some_and(|e| !e.is_empty());
                let name = look["alertname"].as_str().unwrap();
                seen.entry(name).or_default().insert(expects);
            }
        }
        for rule in rules(&path) {
            let name = name(&rule);
            assert_eq!(
                seen.get(&*name).map_or(0, BTreeSet::len),
                2,
                "{name} needs a test that fires and one that stays quiet in rules/tests/{stem}.yaml"
            );
            assert!(all.insert(name.clone()), "{name} is there twice");
            assert!(rule["annotations"]["summary"].is_string(), "{name}");
        }
    }
    assert!(all.len() > 35, "{all:?}");
}

/// A file that nobody is told of is not taken; and every rule of a pack says which one it is of.
#[test]
fn every_shipped_file_is_told_of_and_marks_its_alerts() {
    let told = fs::read_to_string(root().join("rules/README.md")).unwrap();
    for path in rule_files() {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(told.contains(&format!("| `{name}` |")), "{name}");
    }
    for (pack, path) in packs() {
        for group in yaml(&path)["groups"].as_array().unwrap() {
            assert_eq!(group["name"], *pack);
            assert_eq!(group["labels"]["pack"], *pack);
        }
        // Evidence that a rule weighs is told.
        for rule in rules(&path) {
            let needed: &[&str] = match rule.as_object().unwrap() {
                keys if keys.contains_key("regression") => &[
                    "$value",
                    "$baseline",
                    "$interval",
                    "$n",
                    "$since",
                    "$pvalue",
                ],
                keys if keys.contains_key("trend") => {
                    &["$value", "$threshold", "$n", "$since", "$pvalue"]
                }
                _ => &[],
            };
            let annotations = rule["annotations"].to_string();
            for field in needed {
                let is_told = annotations.contains(field);
                assert!(is_told, "{}: {field} in {annotations}", name(&rule));
            }
        }
    }
}

/// One measurement of each kind.
const OF_EACH_KIND: &str = r#"[
    {"operation":"detect","algorithm":"iforest","version":"v1","duration_seconds":2,"setup_seconds":1,"cleanup_seconds":1,
     "cpu_cores":0.5,"memory_bytes":1e6,"memory_peak_bytes":2e6,"samples":1000,"dataset_size":1000,
     "quality":{"accuracy":0.9,"precision":0.9,"recall":0.9,"f1":0.9,"auc":0.9},"quality_samples":10},
    {"operation":"detect","algorithm":"iforest","outcome":"failure","error_class":"E"},
    {"operation":"train","algorithm":"iforest","duration_seconds":2,"memory_peak_bytes":2e6,"samples":1000},
    {"operation":"train","algorithm":"iforest","outcome":"failure"}
]"#;

#[test]
fn case_46_every_metric_that_shipped_rules_and_examples_name_exists() {
    let folder = Folder::new();
    let mut shipped: BTreeSet<String> = BTreeSet::new();
    for path in rule_files()
        .into_iter()
        .chain(files("examples", "rules.yaml"))
    {
        let built_in = ["guide.yaml", "opwatch.yaml"].map(|name| root().join("rules").join(name));
        if !built_in.contains(&path) {
            let copy = text(&path).replace('/', "_");
            folder.write(
                &format!("rules/{copy}"),
                &fs::read_to_string(&path).unwrap(),
            );
        }
        // What is compared with earlier days has no value at once; that its metric exists is shown by its test that fires.
        let has_history = |rule: &&Value| {
            ["regression", "trend"]
                .iter()
                .any(|key| !rule[*key].is_null())
        };
        let rules = rules(&path);
        let at_once = rules.iter().filter(|rule| !has_history(rule));
        shipped.extend(at_once.map(name));
    }
    let config = format!(
        "rule_files: ['rules/*.yaml']\nguide_rules: on\nevaluation_interval: 1s\ntarget: {{pid: {}}}\n\
         exposition: {{prometheus_alerts: true}}\nroute: {{receiver: x}}\n\
         receivers: [{{name: x, webhook_configs: [{{url: 'http://127.0.0.1:9/'}}]}}]\n\
         actions: [{{name: retrain, url: 'http://127.0.0.1:9/'}}]\n",
        std::process::id()
    );
    let sidecar = Sidecar::start_in(folder, &config);
    // A rule with a value has found a series and a metric that its name means. The built-in groups have their own interval.
    wait_for("a value of every shipped rule", || {
        sidecar.measure(OF_EACH_KIND);
        let page = sidecar.metrics();
        let has_value = |rule: &String| {
            let of_rule = format!("alertname=\"{rule}\"");
            let mut lines = page
                .lines()
                .filter(|l| l.starts_with("opwatch_rule_value{"));
            lines.any(|line| line.contains(&of_rule))
        };
        let missing: Vec<_> = shipped.iter().filter(|rule| !has_value(rule)).collect();
        missing.is_empty().then_some(())
    });
    let page = sidecar.metrics();
    let metric = Regex::new(r"\b(opwatch|OPWATCH|ALERTS)_[a-z0-9_]+").unwrap();
    let families: BTreeSet<&str> = (page.lines())
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    for path in files("rules", ".yaml")
        .into_iter()
        .chain(files("examples", ".yaml"))
    {
        let content = fs::read_to_string(&path).unwrap();
        for found in metric.find_iter(&content) {
            let name = found.as_str();
            assert!(
                families.contains(name),
                "{} names {name}, which is not there",
                path.display()
            );
        }
    }
}

#[test]
fn the_packs_stay_quiet_on_a_healthy_service() {
    let folder = Folder::new();
    let packs = packs();
    for (pack, path) in &packs {
        let rules = fs::read_to_string(path).unwrap();
        folder.write(&format!("rules/{pack}.yaml"), &rules);
    }
    let config = "rule_files: ['rules/*.yaml']\nevaluation_interval: 1s\n";
    let sidecar = Sidecar::start_in(folder, config);
    let record = r#"{"operation":"detect","duration_seconds":0.1,"samples":10,"quality":{"accuracy":0.9,"f1":0.8}}"#;
    for _ in 0..30 {
        sidecar.measure(record);
    }
    wait_for("three evaluations", || {
        let page = sidecar.metrics();
        let evaluations = |pack: &String| -> Option<f64> {
            let line = page.lines().find(|line| {
                line.starts_with("opwatch_rule_group_iterations_total{")
                    && line.contains(&format!(";{pack}\""))
            });
            line?.rsplit(' ').next()?.parse().ok()
        };
        let mut counts = packs.keys().map(evaluations);
        counts.all(|count| count >= Some(3.0)).then_some(())
    });
    assert_eq!(
        sidecar.data("/api/v1/alerts/history"),
        Value::Array(Vec::new())
    );
}

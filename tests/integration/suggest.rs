//! Rules from recorded measurements: good as they are, and true to what they say.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::sidecar::{Folder, run};

/// Three days of one run a minute, between 1 and 1.19 s, ten times as slow in one hour if there is an incident.
fn table(has_incident: bool) -> String {
    (0..3 * 1_440).fold("timestamp,value\n".to_owned(), |mut text, minute| {
        let slow = has_incident && (2_000..2_060).contains(&minute);
        let value = (1.0 + f64::from(minute * 7 % 20) / 100.0) * if slow { 10.0 } else { 1.0 };
        let _ = writeln!(text, "{},{value}", 1_769_860_800 + minute * 60);
        text
    })
}

const PLAIN: [&str; 5] = [
    "latency.csv",
    "--operation",
    "checkout",
    "--metric",
    "duration",
];

/// What the comments of a file say: alarms by the name of the alert.
fn said(file: &str) -> BTreeMap<String, u64> {
    let (mut alarms, mut said) = (None, BTreeMap::new());
    for line in file.lines().map(str::trim) {
        if let Some((number, _)) = line
            .strip_prefix("# ")
            .and_then(|rest| rest.split_once(" alarm"))
        {
            alarms = number.parse().ok().or(alarms);
        }
        if let Some(name) = line.strip_prefix("- alert: ") {
            said.insert(name.trim_matches('\'').to_owned(), alarms.take().unwrap());
        }
    }
    said
}

/// What a replay says of them.
fn replayed(folder: &Folder, history: &[&str]) -> BTreeMap<String, u64> {
    let arguments = [&["replay", "-o", "json"], history, &["--rules", "s.yaml"]].concat();
    let (_, out, errors) = run(folder, &arguments);
    let replayed: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{errors}"));
    let rules = replayed["rules"].as_array().unwrap().iter();
    rules
        .map(|rule| {
            (
                rule["rule"].as_str().unwrap().to_owned(),
                rule["alerts"].as_u64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn what_a_file_says_of_its_rules_is_what_a_replay_of_it_says() {
    for (has_incident, alarms) in [(false, 0), (true, 1)] {
        let folder = Folder::new();
        folder.write("latency.csv", &table(has_incident));
        let (code, _, errors) = run(
            &folder,
            &[&["suggest"], &PLAIN[..], &["-o", "s.yaml"]].concat(),
        );
        assert_eq!(code, Some(0), "{errors}");
        let (code, out, errors) = run(&folder, &["check", "s.yaml"]);
        assert_eq!(code, Some(0), "{errors}");
        assert!(out.contains("0 faults, 0 warnings"), "{out}");
        let text = std::fs::read_to_string(folder.0.join("s.yaml")).unwrap();
        let said = said(&text);
        assert_eq!(said, replayed(&folder, &PLAIN), "{text}");
        assert_eq!(said["CheckoutDurationHigh"], alarms, "{text}");
        assert!(said.contains_key("CheckoutMissing"), "{text}");
        // What is there already is not lost.
        let again = [&["suggest"], &PLAIN[..], &["-o", "s.yaml"]].concat();
        let (code, _, errors) = run(&folder, &again);
        assert_eq!(code, Some(2));
        assert!(errors.contains("--force overwrites it"), "{errors}");
        let (code, ..) = run(&folder, &[&again[..], &["--force"]].concat());
        assert_eq!(code, Some(0));
    }
}

#[test]
fn hostile_names_are_written_so_that_they_are_read_back() {
    let folder = Folder::new();
    let names = ["it's: \"#{{x}}\\ | ${A}", "null", "- é\u{2028}🙂", "x.*y"];
    let mut text = String::new();
    for step in 0..120 {
        for name in names {
            for (algorithm, seconds) in [("a'\"\\|b", 1.0), ("no", 30.0)] {
                let record = serde_json::json!({"operation": name, "algorithm": algorithm, "duration_seconds": seconds,
                    "timestamp": 1_769_860_800 + step * 60});
                let _ = writeln!(text, "{record}");
            }
        }
    }
    folder.write("history.ndjson", &text);
    let (code, _, errors) = run(&folder, &["suggest", "history.ndjson", "-o", "s.yaml"]);
    assert_eq!(code, Some(0), "{errors}");
    let text = std::fs::read_to_string(folder.0.join("s.yaml")).unwrap();
    let said = said(&text);
    assert_eq!(said, replayed(&folder, &["history.ndjson"]), "{text}");
    // Two levels of duration, a share of failures and an absence each.
    assert_eq!(said.len(), 4 * names.len(), "{text}");
}

#[test]
fn wrong_use_and_too_little_to_learn_from_are_told() {
    let folder = Folder::new();
    folder.write("latency.csv", &table(false));
    folder.write("few.csv", "0,1\n60,1\n");
    for (arguments, code, expected) in [
        (
            vec!["few.csv", "--operation", "o", "--metric", "duration"],
            3,
            "o: 2 runs, at least 50 are needed",
        ),
        (vec!["--data-dir", "none"], 3, "there is no such database"),
        (vec!["none.csv"], 2, "none.csv: No such file"),
        (
            vec!["latency.csv", "--times", "1"],
            2,
            "above 1 and at most 100",
        ),
        (vec!["latency.csv", "--quantile", "mean"], 2, "p50 to p99.9"),
        (vec!["latency.csv", "--alarms", "often"], 2, "1 per 30d"),
        (vec!["latency.csv", "--force"], 2, "--output"),
    ] {
        let (found, said, errors) = run(&folder, &[&["suggest"], &arguments[..]].concat());
        assert_eq!(found, Some(code), "{arguments:?}: {said}{errors}");
        assert!(errors.contains(expected), "{arguments:?}: {errors}");
    }
    let late = [
        &["suggest"],
        &PLAIN[..],
        &["--from", "2027-01-01T00:00:00Z"],
    ]
    .concat();
    assert_eq!(run(&folder, &late).0, Some(3));
}

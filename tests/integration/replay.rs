//! Recorded measurements judged again: what a running opwatch has raised, and what it would have.

use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use opwatch::engine::time::Timestamp;
use serde_json::{Value, json};

use crate::sidecar::{Folder, Sidecar, run, wait_for};

const RULES: &str = "
groups:
  - name: live
    interval: 1s
    rules:
      - alert: Slow
        threshold: {metric: duration, stat: mean, window: 4 runs, above: {medium: 5s, high: 10s}}
        for: 1s
      - alert: Last
        threshold: {metric: duration, stat: last, window: 1 runs, above: 5s}
        keep_firing_for: 2s
        labels: {severity: low}
      - alert: Peak
        threshold: {metric: duration, stat: max, window: 5s, above: 9s}
        labels: {severity: low}
      - alert: Missing
        absence: {expect_every: 4s}
";

/// An alert that fired: its labels, when it did, and when and why it ended.
type Told = (Value, Timestamp, Option<(Timestamp, Value)>);

fn time(value: &Value) -> Timestamp {
    Timestamp::parse(value.as_str().unwrap()).unwrap()
}

/// The alerts that a history tells of, in the order in which they fired.
fn live(history: &Value) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    for change in history.as_array().unwrap().iter().rev() {
        match change["change"].as_str().unwrap() {
            "firing" => told.push((change["labels"].clone(), time(&change["at"]), None)),
            "resolved" => {
                let mut open = told.iter_mut().rev();
                let open = open.find(|alert| alert.0 == change["labels"]).unwrap();
                open.2 = Some((time(&change["at"]), change["reason"].clone()));
            }
            _ => {}
        }
    }
    told
}

fn replayed(folder: &Folder, arguments: &[&str]) -> Value {
    let (code, said, errors) = run(folder, &[&["replay", "-o", "json"], arguments].concat());
    assert_eq!((code, errors.as_str()), (Some(1), ""), "{said}");
    serde_json::from_str(&said).unwrap()
}

fn alerts(replayed: &Value) -> Vec<Told> {
    let alerts = replayed["alerts"].as_array().unwrap().iter();
    alerts
        .map(|alert| {
            let ended = &alert["resolved_at"];
            let ended = (!ended.is_null()).then(|| (time(ended), alert["reason"].clone()));
            (alert["labels"].clone(), time(&alert["fired_at"]), ended)
        })
        .collect()
}

/// The same alerts; live, an evaluation is a little late, so that what comes just then may be seen a second earlier.
#[track_caller]
fn assert_same(mut live: Vec<Told>, mut again: Vec<Told>) {
    let key = |told: &Told| (told.0.to_string(), told.1);
    live.sort_by_key(key);
    again.sort_by_key(key);
    let near = |a: Timestamp, b: Timestamp| (a.millis() - b.millis()).abs() <= 2_500;
    let same = |a: &Told, b: &Told| {
        let ends = match (&a.2, &b.2) {
            (None, None) => true,
            (Some(a), Some(b)) => near(a.0, b.0) && a.1 == b.1,
            _ => false,
        };
        a.0 == b.0 && near(a.1, b.1) && ends
    };
    let all = live.iter().zip(&again).all(|(a, b)| same(a, b));
    assert!(all && live.len() == again.len(), "{live:#?}\n{again:#?}");
}

#[test]
fn what_was_live_fires_again_from_the_store_and_from_its_export() {
    let config = "data_dir: data\nrule_files: [rules.yaml]\n";
    let sidecar = Sidecar::start(config, &[("rules.yaml", RULES)]);
    let folder = &sidecar.folder;
    // Twice slow and long enough for every clock, and at the end nothing comes any more.
    for phase in ["1", "12", "1", "7", "1"] {
        for _ in 0..16 {
            sidecar.measure(&format!(
                r#"{{"operation":"a","duration_seconds":{phase}}}"#
            ));
            sidecar.measure(r#"{"operation":"b","duration_seconds":1}"#);
            thread::sleep(Duration::from_millis(250));
        }
    }
    let live = wait_for("both to be missed", || {
        let live = live(&sidecar.data("/api/v1/alerts/history"));
        let missing = live.iter().filter(|told| told.0["alertname"] == "Missing");
        (missing.count() == 2).then_some(live)
    });
    let names: Vec<_> = live
        .iter()
        .map(|told| told.0["alertname"].clone())
        .collect();
    for (name, count) in [("Slow", 3), ("Last", 2), ("Peak", 1), ("Missing", 2)] {
        assert_eq!(
            names.iter().filter(|n| **n == name).count(),
            count,
            "{live:#?}"
        );
    }
    // Also while opwatch runs, and with the rules of its configuration.
    let from_store = replayed(folder, &["--config", "opwatch.yaml", "--until", "+7s"]);
    assert_same(live.clone(), alerts(&from_store));
    assert_eq!(from_store["measurements"]["taken"], 160);
    for format in ["json", "ndjson", "csv"] {
        let reply = sidecar.get(&format!("/api/v1/export?format={format}"));
        folder.write("exported", &reply.text());
        let rules = ["exported", "--rules", "rules.yaml", "--until", "+7s"];
        assert_eq!(replayed(folder, &rules)["alerts"], strip_file(&from_store));
    }
    let by_directory = [
        "--data-dir",
        "data",
        "--rules",
        "rules.yaml",
        "--until",
        "+7s",
    ];
    assert_eq!(
        replayed(folder, &by_directory)["alerts"],
        strip_file(&from_store)
    );
    // What does not come any more is missed only where that is asked for.
    let without_tail = replayed(folder, &["--config", "opwatch.yaml"]);
    let missing = alerts(&without_tail);
    assert!(missing.iter().all(|told| told.0["alertname"] != "Missing"));
    assert_eq!(sidecar.get("/-/healthy").status, 200);
}

/// The alerts as if their rules came from `rules.yaml`, as it is written after `--rules`.
fn strip_file(replayed: &Value) -> Value {
    let mut alerts = replayed["alerts"].clone();
    for alert in alerts.as_array_mut().unwrap() {
        alert["file"] = json!("rules.yaml");
    }
    alerts
}

/// One value every ten seconds, slow for five minutes after ten.
fn table() -> String {
    (0..180).fold("timestamp,value\n".to_owned(), |mut text, step| {
        let value = if (60..90).contains(&step) { 12.5 } else { 1.0 };
        let _ = writeln!(text, "{},{value}", 1_769_860_800 + step * 10);
        text
    })
}

const SLOW: &str = "groups: [{name: g, interval: 15s, rules: [{alert: Slow, threshold: {metric: duration, stat: max, window: 1m, above: 10s}, for: 30s, labels: {severity: high}}]}]";

#[test]
fn a_table_of_times_and_values_is_replayed() {
    let folder = Folder::new();
    folder.write("latency.csv", &table());
    folder.write("slow.yaml", SLOW);
    let plain = [
        "replay",
        "latency.csv",
        "--operation",
        "checkout",
        "--metric",
        "duration",
        "--rules",
        "slow.yaml",
    ];
    let (code, said, errors) = run(&folder, &plain);
    assert_eq!((code, errors.as_str()), (Some(1), ""));
    assert_eq!(
        said,
        r#"180 measurements, judged from 2026-01-31T12:00:00Z until 2026-01-31T12:30:05Z (30m5s)

FIRED                 RULE  LABELS                                   PENDING               RESOLVED              DURATION  VALUE  LIMIT
2026-01-31T12:10:30Z  Slow  {operation="checkout", severity="high"}  2026-01-31T12:10:00Z  2026-01-31T12:16:00Z  5m30s     12.5   10

RULE  ALERTS  PER WEEK  FIRING  SHARE  INSTANCES  NOTIFICATIONS NOT SENT
Slow  1       -         5m30s   18.3%  1 of 1     2
"#
    );
    let (code, said, _) = run(&folder, &[&plain[..], &["-o", "csv"]].concat());
    assert_eq!((code, said.lines().count()), (Some(1), 2), "{said}");
    // Before it became slow nothing fired.
    let (code, said, _) = run(
        &folder,
        &[&plain[..], &["--to", "2026-01-31T12:09:00Z"]].concat(),
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("\nnothing fired\n"), "{said}");
    let (code, _, errors) = run(
        &folder,
        &[&plain[..], &["--from", "2026-02-01T00:00:00Z"]].concat(),
    );
    assert_eq!(code, Some(3));
    assert_eq!(errors, "there are no measurements that were asked for\n");
}

#[test]
fn an_export_of_the_original_guide_is_replayed() {
    let folder = Folder::new();
    let metrics: Vec<_> = (0..20)
        .map(|n| {
            json!({"operation_name": "detect", "algorithm_name": "iforest", "timestamp": format!("2026-01-31T12:00:{n:02}"),
                "execution_time": 40.0})
        })
        .collect();
    let guide =
        json!({"export_timestamp": "2026-01-31T13:00:00", "total_metrics": 20, "metrics": metrics});
    folder.write("guide.json", &guide.to_string());
    folder.write("opwatch.yaml", "guide_rules: on\ntarget: {cpu_limit: 4}\n");
    let (code, said, errors) = run(&folder, &["replay", "guide.json", "--format", "guide"]);
    assert_eq!((code, errors.as_str()), (Some(1), ""), "{said}");
    assert!(said.contains("ExecutionTime"), "{said}");
    assert!(!said.contains("Opwatch"), "{said}");
}

#[test]
fn wrong_use_says_what_is_allowed() {
    let folder = Folder::new();
    folder.write("latency.csv", &table());
    folder.write("slow.yaml", SLOW);
    folder.write("bad.yaml", &SLOW.replace("interval", "intervall"));
    folder.write(
        "own.yaml",
        &SLOW.replace(
            "alert: Slow,",
            "alert: Own, select: '{operation=\"__opwatch__\"}',",
        ),
    );
    folder.write("late.csv", "0,1\nsoon,1\n");
    folder.write("wild.csv", "0,1\n1769860800,1\n");
    let plain = ["--operation", "o", "--metric", "duration"];
    for (arguments, code, expected) in [
        (
            vec!["latency.csv", "--rules", "bad.yaml"],
            2,
            "did you mean `interval`",
        ),
        (
            vec!["latency.csv", "--rules", "none.yaml"],
            2,
            "cannot read the file",
        ),
        (
            vec!["latency.csv"],
            2,
            "there are no rules; --rules names files with some",
        ),
        (
            vec!["none.csv", "--rules", "slow.yaml"],
            2,
            "none.csv: No such file",
        ),
        (
            vec!["latency.csv", "--rules", "slow.yaml"],
            2,
            "no export is recognised in it",
        ),
        (
            vec!["latency.csv", "--rules", "slow.yaml", "--until", "+x"],
            2,
            "--until: ",
        ),
        (
            vec!["latency.csv", "--rules", "slow.yaml", "--until", "soon"],
            2,
            "or how long after the last measurement (+26h)",
        ),
        (
            vec!["latency.csv", "--rules", "slow.yaml", "--from", "soon"],
            2,
            "--from: \"soon\" is no time",
        ),
        (
            vec!["latency.csv", "--rules", "slow.yaml", "-o", "xml"],
            2,
            "possible values: table, json, csv",
        ),
        (
            vec!["latency.csv", "--data-dir", "data", "--rules", "slow.yaml"],
            2,
            "cannot be used with",
        ),
        (
            vec!["--data-dir", "none", "--rules", "slow.yaml"],
            3,
            "there is no such database",
        ),
    ] {
        let (found, said, errors) = run(&folder, &[&["replay"], &arguments[..]].concat());
        assert_eq!(found, Some(code), "{arguments:?}: {said}{errors}");
        assert!(errors.contains(expected), "{arguments:?}: {errors}");
    }
    for (arguments, code, expected) in [
        (
            vec!["late.csv", "--rules", "slow.yaml"],
            0,
            "late.csv: line 2, record 2: timestamp: \"soon\" is not allowed",
        ),
        (
            vec!["latency.csv", "--rules", "own.yaml"],
            2,
            "left out Own: what opwatch measured of itself is not kept",
        ),
        (
            vec!["wild.csv", "--rules", "slow.yaml"],
            2,
            "at most 16000000 times are allowed",
        ),
    ] {
        let (found, said, errors) =
            run(&folder, &[&["replay"], &arguments[..], &plain[..]].concat());
        assert_eq!(found, Some(code), "{arguments:?}: {said}{errors}");
        assert!(errors.contains(expected), "{arguments:?}: {errors}");
    }
    let rate = [
        "replay",
        "latency.csv",
        "--rules",
        "slow.yaml",
        "--operation",
        "o",
        "--metric",
        "rate",
    ];
    let (code, _, errors) = run(&folder, &rate);
    assert_eq!(code, Some(2));
    assert!(errors.contains("follows from other fields"), "{errors}");
}

//! Two sets of measurements compared by the built binary.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use opwatch::engine::baseline::Content;
use opwatch::engine::baselines::{Wanted, WantedContent};
use opwatch::engine::metric::Metric;
use opwatch::engine::series::Labels;
use opwatch::engine::time::{Now, Timestamp};
use opwatch::engine::{Engine, Settings};
use opwatch::storage::{Commit, Kind, Write, open_alone};
use serde_json::Value;

use crate::sidecar::{Folder, Sidecar, run, wait_for};

/// Noise that is the same every time.
fn noisy(i: u32, around: f64) -> f64 {
    around * (1.0 + 0.04 * (f64::from((i * 7_919) % 101) / 50.0 - 1.0))
}

/// Operations with their seconds, 40 of each.
fn measured(operations: &[(&str, f64)]) -> String {
    let mut text = String::new();
    for (operation, seconds) in operations {
        for i in 0..40 {
            let seconds = noisy(i, *seconds);
            writeln!(
                text,
                r#"{{"operation": "{operation}", "timestamp": {}, "duration_seconds": {seconds}}}"#,
                1_769_860_800 + i
            )
            .unwrap();
        }
    }
    text
}

fn sets(folder: &Folder) {
    let before = measured(&[
        ("slower", 1.0),
        ("much slower", 1.0),
        ("faster", 1.0),
        ("same", 1.0),
        ("gone", 1.0),
    ]);
    let now = measured(&[
        ("slower", 1.3),
        ("much slower", 1.8),
        ("faster", 0.5),
        ("same", 1.02),
        ("added", 1.0),
    ]);
    folder.write("before.ndjson", &before);
    folder.write("now.ndjson", &now);
}

fn compared(folder: &Folder, more: &[&str]) -> (Option<i32>, String, String) {
    let arguments = [
        "check-regression",
        "--baseline",
        "before.ndjson",
        "--current",
        "now.ndjson",
        "--metric",
        "duration",
    ];
    run(folder, &[&arguments, more].concat())
}

#[test]
fn case_30_a_build_learns_what_regressed_improved_and_stayed_and_the_exit_code_says_so() {
    let folder = Folder::new();
    sets(&folder);
    for more in [&["-o", "json"][..], &["-o", "json", "--compat", "guide"]] {
        let (code, said, errors) = compared(&folder, more);
        assert_eq!((code, errors.as_str()), (Some(1), ""), "{said}");
        let body: Value = serde_json::from_str(&said).unwrap();
        let rows = body["findings"].as_array().unwrap().iter();
        let words: Vec<_> = rows
            .map(|row| {
                let operation = row["labels"]["operation"].as_str().unwrap();
                let severity = row["severity"].as_str().unwrap_or_default();
                (operation, row["status"].as_str().unwrap(), severity)
            })
            .collect();
        assert_eq!(
            words,
            [
                ("much slower", "regressed", "critical"),
                ("slower", "regressed", "warning"),
                ("gone", "missing", ""),
                ("faster", "improved", ""),
                ("added", "new", ""),
                ("same", "stable", ""),
            ]
        );
        assert_eq!(body["counts"]["regressed"], 2);
    }
    let same = ["--operation", "same", "--operation", "faster"];
    let (code, said, errors) = compared(&folder, &same);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{said}");
    // A change that is certain and small is a matter of the threshold.
    let (code, ..) = compared(&folder, &["--operation", "slower", "--threshold", "40%"]);
    assert_eq!(code, Some(0));
}

#[test]
fn each_output_can_be_read_by_whom_it_is_for() {
    let folder = Folder::new();
    sets(&folder);
    let (_, table, _) = compared(&folder, &[]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("STATUS"), "{table}");
    assert!(lines[1].starts_with("critical  much slower"), "{table}");
    assert!(
        table.contains("2 regressed, 1 improved, 1 stable, 0 insufficient, 1 new, 1 missing"),
        "{table}"
    );
    let (_, markdown, _) = compared(&folder, &["-o", "markdown"]);
    assert!(
        markdown.starts_with("### Performance: 2 regressions\n"),
        "{markdown}"
    );
    assert!(
        markdown.contains("| **critical** | much slower | p50 of duration | "),
        "{markdown}"
    );
    let (_, csv, _) = compared(&folder, &["-o", "csv"]);
    assert_eq!(csv.lines().count(), 7, "{csv}");
    assert_eq!(csv.lines().next().unwrap().split(',').count(), 14);
    let (_, junit, _) = compared(&folder, &["-o", "junit"]);
    let path = folder.write("junit.xml", &junit);
    let script = "import sys, xml.etree.ElementTree as e\n\
        r = e.parse(sys.argv[1]).getroot()\n\
        c = list(r.iter('testcase'))\n\
        print(r.get('tests'), r.get('failures'), r.get('skipped'), len(c), sum(len(x.findall('failure')) for x in c))";
    let python = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(&path)
        .output();
    if let Ok(python) = python {
        let said = String::from_utf8_lossy(&python.stdout).into_owned();
        assert_eq!(said.trim(), "6 2 2 6 2", "{junit}");
    }
}

#[test]
fn names_of_operations_become_no_markup() {
    let folder = Folder::new();
    folder.write("before.ndjson", &measured(&[("<b>|@all`", 1.0)]));
    folder.write("now.ndjson", &measured(&[("<b>|@all`", 2.0)]));
    let (_, markdown, _) = compared(&folder, &["-o", "markdown"]);
    let expected = "| **critical** | &lt;b&gt;\\|@\u{200b}all\\` | ";
    assert!(markdown.contains(expected), "{markdown}");
    let (_, junit, _) = compared(&folder, &["-o", "junit"]);
    assert!(junit.contains("classname=\"&lt;b&gt;|@all`\""), "{junit}");
}

#[test]
fn case_14_no_baseline_and_no_recent_data_have_exit_codes_of_their_own() {
    let folder = Folder::new();
    sets(&folder);
    folder.write("empty.ndjson", "");
    let check = |arguments: &[&str]| {
        let (code, said, errors) = run(&folder, &[&["check-regression"], arguments].concat());
        assert_eq!(said, "", "{errors}");
        (code.unwrap(), errors)
    };
    for (arguments, code, expected) in [
        (
            &["--baseline", "none.ndjson", "--current", "now.ndjson"][..],
            5,
            "no baseline: none.ndjson: there is no such file",
        ),
        (
            &["--baseline", "empty.ndjson", "--current", "now.ndjson"],
            5,
            "no baseline: empty.ndjson has no measurements that were asked for",
        ),
        (
            &["--baseline", "before.ndjson", "--current", "empty.ndjson"],
            3,
            "no recent data: empty.ndjson has no measurements that were asked for",
        ),
        (
            &["--baseline", "before.ndjson", "--current", "none.ndjson"],
            2,
            "none.ndjson: No such file or directory",
        ),
        (
            &[
                "--baseline",
                "before.ndjson",
                "--current",
                "now.ndjson",
                "--threshold",
                "5s",
            ],
            2,
            "threshold: \"5s\" is no share; one above 0 such as 20% or 0.2 is allowed",
        ),
        (
            &["--baseline-name", "good", "--url", "http://127.0.0.1:1"],
            4,
            "cannot reach http://127.0.0.1:1",
        ),
        (
            &["--baseline-name", "good", "--data-dir", "none"],
            3,
            "there is no such database",
        ),
    ] {
        let (got, errors) = check(arguments);
        assert_eq!(got, code, "{errors}");
        assert!(errors.contains(expected), "{errors}");
    }
    let (code, errors) = check(&["--current", "now.ndjson"]);
    assert!(code == 2 && errors.contains("--baseline"), "{errors}");
    // Nothing that could be compared is not nothing that regressed.
    let (code, _, errors) = compared(&folder, &["--operation", "added"]);
    assert_eq!(code, Some(5), "{errors}");
    let (code, _, errors) = compared(&folder, &["--operation", "same", "--min-samples", "500"]);
    assert_eq!(code, Some(3), "{errors}");
    assert!(errors.contains("nothing could be compared"), "{errors}");
}

#[test]
fn exports_of_the_guide_are_compared_by_its_own_rule() {
    let folder = Folder::new();
    let of = |seconds: f64| {
        format!(
            r#"[{{"operation_name": "detect", "timestamp": "2026-01-31T12:00:00Z", "execution_time": {seconds}, "memory_usage": 100.0, "cpu_usage": 50.0}}]"#
        )
    };
    folder.write("before.ndjson", &of(2.0));
    for (seconds, expected) in [(2.4, 0), (2.41, 1)] {
        fs::write(folder.0.join("now.ndjson"), of(seconds)).unwrap();
        let (code, said, errors) = compared(&folder, &["--format", "guide", "--compat", "guide"]);
        assert_eq!(code, Some(expected), "{said}{errors}");
    }
}

/// A data directory in which 1 s is set as the baseline `good` of durations.
fn with_baseline(folder: &Folder) {
    let now = Now {
        wall: Timestamp::default(),
        steady: Duration::ZERO,
    };
    let mut engine = Engine::new(Settings::default(), now);
    engine.begin_saving();
    let content = WantedContent::Given {
        labels: Labels::default(),
        content: Content::Number {
            value: 1.0,
            sd: None,
        },
    };
    let wanted = Wanted {
        name: "good".to_owned(),
        metric: Metric::Duration,
        content,
    };
    engine.set_baselines(&[wanted], now).unwrap();
    let unread = open_alone(&folder.0.join("data"), 1 << 28).unwrap();
    let now = unread.clock.now();
    let mut alone = unread.alone().unwrap();
    let writes = engine.take_unsaved_baselines().into_iter();
    let writes = writes.map(|baseline| Write {
        kind: Kind::Baseline,
        key: baseline.key,
        as_of: 0,
        body: baseline.body,
    });
    alone
        .write(&Commit {
            sequence: 0,
            now,
            judged: Duration::ZERO,
            admitted: None,
            saved_up_to: Some(0),
            kept_from: Timestamp::default(),
            writes: writes.collect(),
            anew_from: None,
            beside: opwatch::storage::Orders::default(),
        })
        .unwrap();
}

const RULES: &str = "
groups:
  - name: worse
    interval: 1s
    rules:
      - alert: Worse
        regression:
          {metric: duration, stat: mean, window: 20 runs, baseline: {pinned: good}, worse_by: {medium: 20%, critical: 150%}, compat: guide}
";

#[test]
fn a_running_opwatch_and_its_data_directory_are_compared_with_a_baseline_that_was_set() {
    let folder = Folder::new();
    with_baseline(&folder);
    folder.write("rules.yaml", RULES);
    let config = "data_dir: data\nrule_files: [rules.yaml]\n";
    let sidecar = Sidecar::start_in(folder, config);
    let url = format!("http://{}", sidecar.public);
    let check = |more: &[&str]| {
        let arguments = [&["check-regression", "--baseline-name"], more].concat();
        run(&sidecar.folder, &arguments)
    };
    let (code, said, errors) = check(&["good", "--data-dir", "data"]);
    assert_eq!((code, said.as_str()), (Some(3), ""), "{errors}");
    assert!(errors.starts_with("no recent data: "), "{errors}");
    let (code, _, errors) = check(&["good", "--url", &url]);
    assert_eq!(code, Some(3), "{errors}");

    let record = r#"{"operation": "checkout", "duration_seconds": 2.0}"#;
    let reply = sidecar.post("/v1/operations", &[record; 20].join("\n"));
    assert_eq!(reply.status, 200, "{reply:?}");
    for place in [&["--url", url.as_str()], &["--data-dir", "data"]] {
        let (code, said, errors) =
            check(&[&["good", "--stat", "mean", "-o", "csv"], place as &[&str]].concat());
        assert_eq!((code, errors.as_str()), (Some(1), ""), "{said}");
        let row = said.lines().nth(1).unwrap();
        let expected =
            r#""{""operation"":""checkout""}",duration,mean,regressed,critical,1,2,1,,,,0,20,"#;
        assert_eq!(row, expected);
        let (code, ..) = check(&[&["good", "--threshold", "120%"], place as &[&str]].concat());
        assert_eq!(code, Some(0));
        let (code, _, errors) = check(&[&["bad"], place as &[&str]].concat());
        assert_eq!(code, Some(5), "{errors}");
        assert!(errors.contains("no baseline \"bad\" is set"), "{errors}");
    }
    let (code, _, errors) = check(&[
        "good",
        "--url",
        &format!("http://{}", sidecar.ingest),
        "--window",
        "0s",
    ]);
    assert!(code == Some(2) || code == Some(3), "{errors}");

    let rules = wait_for("the rule to fire", || {
        let reply = sidecar.get("/api/v1/regressions").json();
        let rules = reply["data"]["rules"].clone();
        (rules[0]["levels"][0]["state"] == "firing").then_some(rules)
    });
    let levels = &rules[0]["levels"];
    assert_eq!(levels[0]["limit"], 1.2);
    assert_eq!(levels[0]["verdict"], "breached");
    assert_eq!(levels[1]["verdict"], "holds");
    assert_eq!(
        (&rules[0]["value"], &rules[0]["change"]),
        (&2.0.into(), &1.0.into())
    );
    let reply = sidecar.get("/api/v1/regressions?baseline=good&treshold=1");
    assert_eq!(reply.status, 400);
    assert!(
        reply.text().contains("allowed are operation, metric"),
        "{reply:?}"
    );
}

/// A line for each run: its commit, when, and how long one of five repetitions took.
fn runs(operation: &str, seconds: impl Fn(u32) -> f64, count: u32) -> String {
    let mut text = String::new();
    for run in 0..count {
        for repetition in 0..5 {
            let seconds = noisy(run * 5 + repetition, seconds(run));
            writeln!(
                text,
                r#"{{"operation": "{operation}", "version": "c{run:03}", "timestamp": {}, "duration_seconds": {seconds}}}"#,
                1_769_860_800 + run * 3_600 + repetition
            )
            .unwrap();
        }
    }
    text
}

fn looked_back(folder: &Folder, more: &[&str]) -> (Option<i32>, String, String) {
    let arguments = ["check-regression", "--history", "history.ndjson"];
    let metric = ["--metric", "duration"];
    run(folder, &[&arguments[..], &metric, more].concat())
}

/// Status, run that began it, and sizes of the only finding.
fn found(said: &str) -> (String, Value, Vec<u64>) {
    let body: Value = serde_json::from_str(said).unwrap();
    let rows = body["findings"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{said}");
    let sizes = ["baseline_n", "n"].map(|name| rows[0][name].as_u64().unwrap());
    let status = rows[0]["status"].as_str().unwrap().to_owned();
    (status, rows[0]["began"]["run"].clone(), sizes.to_vec())
}

#[test]
fn the_newest_step_of_a_history_is_found_with_the_run_that_began_it() {
    let folder = Folder::new();
    let steps = |run| match run {
        0..12 => 2.0,
        12..30 => 1.0,
        _ => 1.4,
    };
    folder.write("history.ndjson", &runs("train", steps, 40));
    let (code, said, errors) = looked_back(&folder, &["-o", "json"]);
    assert_eq!((code, errors.as_str()), (Some(1), ""), "{said}");
    let (status, began, sizes) = found(&said);
    assert_eq!((status.as_str(), began), ("regressed", "c030".into()));
    assert_eq!(sizes, [18, 10], "{said}");
    let body: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(body["history"]["runs"], 40);
    let row = &body["findings"][0];
    assert_eq!(row["severity"], "warning");
    assert_eq!(row["began"]["at"], "2026-02-01T18:00:00.000Z");
    let interval: Vec<f64> = serde_json::from_value(row["interval"].clone()).unwrap();
    assert!(
        (0.3..0.4).contains(&interval[0]) && (0.4..0.5).contains(&interval[1]),
        "{interval:?}"
    );
    // Each output says which run it was.
    let (_, table, _) = looked_back(&folder, &[]);
    assert!(
        table.starts_with("STATUS   INSTANCE  METRIC           BASELINE  CURRENT  CHANGE")
            && table.contains("  c030   18, 10\n")
            && table.contains("against the one before, 40 runs"),
        "{table}"
    );
    let (_, csv, _) = looked_back(&folder, &["-o", "csv"]);
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].ends_with(",reason,since_run,since_at,evidence"));
    assert!(
        lines[1].contains(",c030,2026-02-01T18:00:00.000Z,"),
        "{csv}"
    );
    let (_, markdown, _) = looked_back(&folder, &["-o", "markdown"]);
    assert!(markdown.contains("| Since |") && markdown.contains("| c030 |"));
    let (_, junit, _) = looked_back(&folder, &["-o", "junit"]);
    assert!(junit.contains("<failure type=\"warning\""), "{junit}");
    assert!(junit.contains(", since c030 (2026-02-01T18:00:00.000Z)"));
    // What has been accepted is usual; so is what is smaller than the threshold.
    let (code, said, _) = looked_back(&folder, &["-o", "json", "--accepted", "c031"]);
    assert_eq!((code, found(&said).0.as_str()), (Some(0), "stable"));
    let (code, ..) = looked_back(&folder, &["--accepted", "c029"]);
    assert_eq!(code, Some(1));
    let (code, ..) = looked_back(&folder, &["--threshold", "60%"]);
    assert_eq!(code, Some(0));
    let (code, _, errors) = looked_back(&folder, &["--accepted", "main"]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("accepted run \"main\" is not in the history"));
}

#[test]
fn a_change_of_a_few_runs_ago_is_found_and_a_better_one_is_none_for_the_worse() {
    let folder = Folder::new();
    let late = |run| if run < 27 { 1.0 } else { 1.5 };
    folder.write("history.ndjson", &runs("train", late, 30));
    let (code, said, _) = looked_back(&folder, &["-o", "json"]);
    assert_eq!((code, found(&said).1), (Some(1), "c027".into()), "{said}");
    let better = |run| if run < 20 { 1.0 } else { 0.6 };
    folder.write("history.ndjson", &runs("train", better, 30));
    let (code, said, _) = looked_back(&folder, &["-o", "json"]);
    let (status, began, _) = found(&said);
    assert_eq!((code, status.as_str()), (Some(0), "improved"));
    assert_eq!(began, "c020");
}

#[test]
fn neither_noise_nor_a_single_odd_run_is_a_change_and_too_few_runs_say_nothing() {
    let folder = Folder::new();
    for odd in [100, 0, 17, 28, 29] {
        let flat = |run| if run == odd { 3.0 } else { 1.0 };
        folder.write("history.ndjson", &runs("train", flat, 30));
        let (code, said, errors) = looked_back(&folder, &["-o", "json"]);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{odd}: {said}");
        let (status, began, _) = found(&said);
        assert_eq!((status.as_str(), began), ("stable", Value::Null), "{odd}");
    }
    // Of two odd ones at the end it is open whether they are a change.
    let two = |run| if run >= 28 { 3.0 } else { 1.0 };
    folder.write("history.ndjson", &runs("train", two, 30));
    let (code, said, _) = looked_back(&folder, &["-o", "json"]);
    assert_eq!((code, found(&said).0.as_str()), (Some(0), "stable"));
    // All alike, as where bytes are counted.
    let line =
        |run: u32| format!(r#"{{"operation": "train", "version": "c{run}", "memory_bytes": 5}}"#);
    let all: Vec<String> = (0..30).map(line).collect();
    folder.write("history.ndjson", &all.join("\n"));
    let metric = ["check-regression", "--history", "history.ndjson"];
    let (code, said, _) = run(&folder, &metric);
    assert_eq!(code, Some(0), "{said}");
    folder.write("history.ndjson", &runs("train", |_| 1.0, 9));
    let (code, said, errors) = looked_back(&folder, &["-o", "json"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(errors.contains("too few runs"), "{errors}");
    assert_eq!(found(&said).0, "insufficient");
    assert!(said.contains("9 runs, at least 10 are needed"), "{said}");
    let (code, _, errors) = looked_back(&folder, &["--operation", "other"]);
    assert_eq!(code, Some(3));
    assert!(errors.contains("no data"), "{errors}");
}

#[test]
fn what_has_begun_to_grow_is_told_by_how_far_it_has_come() {
    let folder = Folder::new();
    let grows = |run: u32| 1.0 + 0.03 * f64::from(run.saturating_sub(24));
    folder.write("history.ndjson", &runs("train", grows, 40));
    let (code, said, errors) = looked_back(&folder, &["-o", "json"]);
    assert_eq!((code, errors.as_str()), (Some(1), ""), "{said}");
    let body: Value = serde_json::from_str(&said).unwrap();
    let row = &body["findings"][0];
    let change = row["change"].as_f64().unwrap();
    assert!((0.38..0.52).contains(&change), "{said}");
    let began = row["began"]["run"].as_str().unwrap();
    assert!(("c020".."c029").contains(&began), "{said}");
}

/// A table such as a script appends a line to after each run, its commit in a label of its own; failures count by themselves.
#[test]
fn a_table_with_a_line_for_each_commit_is_a_history_as_well() {
    let folder = Folder::new();
    let mut table = String::from("operation,timestamp,labels,duration_seconds,quality\n");
    for run in 0..25 {
        let accuracy = if run < 15 { 0.9 } else { 0.6 };
        let time = 1_769_860_800 + run * 60;
        let (seconds, accuracy) = (noisy(run, 1.0), noisy(run * 3, accuracy));
        writeln!(
            table,
            r#"evaluate,{time},"{{""commit"": ""c{run}""}}",{seconds},"{{""accuracy"": {accuracy}}}""#
        )
        .unwrap();
    }
    folder.write("history.csv", &table);
    let arguments = [
        "check-regression",
        "--history",
        "history.csv",
        "--run",
        "commit",
    ];
    let (code, said, errors) = run(&folder, &[&arguments[..], &["-o", "json"]].concat());
    assert_eq!((code, errors.as_str()), (Some(1), ""), "{said}");
    let body: Value = serde_json::from_str(&said).unwrap();
    let rows = body["findings"].as_array().unwrap().iter();
    let words: Vec<_> = rows
        .map(|row| {
            (
                row["metric"].as_str().unwrap(),
                row["status"].as_str().unwrap(),
                row["began"]["run"].clone(),
            )
        })
        .collect();
    assert_eq!(words[0], ("accuracy", "regressed", "c15".into()), "{said}");
    assert!(
        words[1..].iter().all(|(_, status, _)| *status == "stable"),
        "{said}"
    );
}

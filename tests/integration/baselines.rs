//! Baselines: they are set over HTTP or by a command, survive whatever becomes of process and disk, and travel.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::sidecar::{Folder, Reply, Sidecar, request, run, wait_for};

const PATH: &str = "/api/v1/baselines";
const DURABLE: &str = "data_dir: data\n";

/// Measures runs of an operation that take 1.00, 1.01, … seconds.
fn measure(sidecar: &Sidecar, operation: &str, runs: u32) {
    let records: Vec<Value> = (0..runs)
        .map(|n| json!({"operation": operation, "algorithm": "forest", "duration_seconds": 1.0 + f64::from(n) / 100.0}))
        .collect();
    sidecar.measure(&Value::from(records).to_string());
}

fn set(sidecar: &Sidecar, body: &Value) -> Value {
    let reply = sidecar.post(PATH, &body.to_string());
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["data"].take()
}

fn listed(sidecar: &Sidecar, query: &str) -> Vec<Value> {
    let data = sidecar.data(&format!("{PATH}{query}"));
    data["baselines"].as_array().unwrap().clone()
}

fn delete(sidecar: &Sidecar, query: &str) -> Reply {
    request(
        &sidecar.ingest,
        "DELETE",
        &format!("{PATH}{query}"),
        &[],
        b"",
    )
}

/// R8: a baseline is set from what was measured, read, set again and removed.
#[test]
fn a_baseline_is_set_from_what_was_measured() {
    let sidecar = Sidecar::start("", &[]);
    measure(&sidecar, "train", 101);
    measure(&sidecar, "score", 20);
    let data = set(
        &sidecar,
        &json!({"name": "good", "metric": "duration", "select": "{operation=\"train\"}", "window": "1000 runs"}),
    );
    // Kept in memory alone, as configured.
    assert_eq!(data["durable"], false);
    let baseline = &data["baselines"][0];
    assert_eq!(
        baseline["labels"],
        json!({"operation": "train", "algorithm": "forest"})
    );
    for (field, expected) in [
        ("version", 1.0),
        ("n", 101.0),
        ("mean", 1.5),
        ("min", 1.0),
        ("max", 2.0),
        ("median", 1.5),
        ("p95", 1.95),
        ("p99", 1.99),
        ("sd", 0.293_001_706_479_672_2),
    ] {
        let value = baseline[field].as_f64().unwrap();
        assert!((value - expected).abs() < 1e-9, "{field}: {baseline}");
    }
    assert!(baseline["from"].is_string() && baseline["to"].is_string());
    assert!(baseline.get("values").is_none());
    // Of all operations, with the default window; versions count up.
    let data = set(&sidecar, &json!({"name": "good", "metric": "duration"}));
    assert_eq!(data["baselines"].as_array().unwrap().len(), 2);
    let versions = |query: &str| -> Vec<u64> {
        let all = listed(&sidecar, query);
        all.iter().map(|b| b["version"].as_u64().unwrap()).collect()
    };
    assert_eq!(versions(""), [1, 2]);
    assert_eq!(
        versions("?name=good&metric=duration&versions=all"),
        [1, 1, 2]
    );
    assert_eq!(versions("?name=other"), [0; 0]);
    // Numbers, for all and for one.
    let number = json!({"name": "good", "metric": "memory_peak", "value": 5e8, "sd": 1e6, "labels": {"operation": "train"}});
    let data = set(&sidecar, &number);
    assert_eq!(data["baselines"][0]["value"], 5e8);
    assert_eq!(data["baselines"][0]["sd"], 1e6);
    // Some of those selected have no memory: they are named.
    sidecar.measure(r#"{"operation":"train","algorithm":"forest","memory_bytes":1000}"#);
    let data = set(&sidecar, &json!({"name": "memory", "metric": "memory"}));
    assert_eq!(
        data["without_values"],
        json!([{"operation": "score", "algorithm": "forest"}])
    );
    // Removed by name and metric.
    assert_eq!(
        delete(&sidecar, "?name=good&metric=duration").json()["data"]["removed"],
        3
    );
    assert_eq!(delete(&sidecar, "?name=good&metric=duration").status, 404);
    assert_eq!(delete(&sidecar, "").status, 400);
    assert_eq!(versions("?name=good"), [1]);
}

/// R2, R8: what cannot be done is refused with the reason, and changes nothing.
#[test]
fn bad_baselines_are_refused_with_the_reason() {
    let sidecar = Sidecar::start("", &[]);
    measure(&sidecar, "train", 10);
    for (body, status, expected) in [
        (
            r#"{"name":"a","metric":"duration","value":-1}"#,
            400,
            "-1 is no `duration`, allowed: 0 or more",
        ),
        (
            r#"{"name":"a","metric":"duration","value":NaN}"#,
            400,
            "NaN",
        ),
        (
            r#"{"name":"a","metric":"duration","valeu":1}"#,
            400,
            "did you mean `value`?",
        ),
        ("nonsense", 400, "expected"),
        (
            r#"{"name":"a","metric":"duration","select":"{operation=\"none\"}"}"#,
            404,
            r#"nothing that was measured is selected by {operation="none"}"#,
        ),
        (
            r#"{"name":"a","metric":"memory"}"#,
            404,
            r#"no value of `memory` was measured in that window, of {algorithm="forest", operation="train"}"#,
        ),
        (r#"{"name":"a","metric":"auc"}"#, 404, "no value of `auc`"),
        (
            r#"{"name":"a","metric":"duration","until":"-10d"}"#,
            404,
            "no value of `duration`",
        ),
    ] {
        let reply = sidecar.post(PATH, body);
        let answer = reply.json();
        assert_eq!(reply.status, status, "{body}: {answer}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(expected), "{body}: {error}");
    }
    // One bad one of several, and none is set.
    let several = json!({"baselines": [
        {"name": "a", "metric": "duration", "value": 1},
        {"name": "a", "metric": "memory"},
    ]});
    assert_eq!(sidecar.post(PATH, &several.to_string()).status, 404);
    assert_eq!(listed(&sidecar, ""), [] as [Value; 0]);
    // Only where state may be changed.
    let public = request(&sidecar.public, "POST", PATH, &[], b"{}");
    assert_eq!(public.status, 403);
    let put = request(&sidecar.ingest, "PUT", PATH, &[], b"{}");
    assert_eq!(
        (put.status, put.header("allow").as_deref()),
        (405, Some("GET, POST, DELETE"))
    );
    assert_eq!(sidecar.get(&format!("{PATH}?nmae=a")).status, 400);
}

/// R8: a baseline that was measured here can be used elsewhere.
#[test]
fn a_baseline_travels_to_another_machine() {
    let here = Sidecar::start("", &[]);
    measure(&here, "train", 200);
    set(&here, &json!({"name": "good", "metric": "duration"}));
    set(
        &here,
        &json!({"name": "sla", "metric": "duration", "value": 2.5}),
    );
    let whole = here.get(&format!("{PATH}?full=true"));
    let there = Sidecar::start("", &[]);
    // The answer as it is, a list of baselines, or one of them.
    let reply = there.post(PATH, &whole.text());
    assert_eq!(reply.status, 200, "{reply:?}");
    let sent = listed(&here, "?full=true");
    let arrived = listed(&there, "?full=true");
    let without_time = |baselines: &[Value]| -> Vec<Value> {
        let mut baselines = baselines.to_vec();
        for baseline in &mut baselines {
            baseline.as_object_mut().unwrap().remove("set_at");
        }
        baselines
    };
    assert_eq!(without_time(&arrived), without_time(&sent));
    let one = there.post(PATH, &sent[0].to_string());
    assert_eq!(one.json()["data"]["baselines"][0]["version"], 2);
}

/// R3: what was answered is there after a kill.
#[test]
fn baselines_survive_a_kill_right_after_the_answer() {
    let sidecar = Sidecar::start(DURABLE, &[]);
    measure(&sidecar, "train", 100);
    let data = set(&sidecar, &json!({"name": "good", "metric": "duration"}));
    assert_eq!(data["durable"], true);
    let folder = sidecar.kill();
    let sidecar = Sidecar::start_in(folder, DURABLE);
    let before = listed(&sidecar, "?full=true");
    assert_eq!(before.len(), 1);
    assert_eq!(before[0]["n"], 100);
    set(
        &sidecar,
        &json!({"name": "sla", "metric": "duration", "value": 3}),
    );
    assert_eq!(delete(&sidecar, "?name=good").status, 200);
    let folder = sidecar.kill();
    let sidecar = Sidecar::start_in(folder, DURABLE);
    let after = listed(&sidecar, "?versions=all");
    assert_eq!(after.len(), 1, "{after:?}");
    assert_eq!(after[0]["name"], "sla");
}

/// The command line: what it sets, lists and deletes, and how it ends.
#[test]
fn commands_set_list_and_delete_baselines() {
    let sidecar = Sidecar::start("", &[]);
    measure(&sidecar, "train", 101);
    let folder = Folder::new();
    let url = format!("http://{}", sidecar.ingest);
    let opwatch = |arguments: &[&str]| run(&folder, &[arguments, &["--url", &url]].concat());
    let set = |arguments: &[&str]| opwatch(&[&["set-baseline"], arguments].concat());
    let (code, out, error) = set(&[
        "good",
        "--metric",
        "duration",
        "--operation",
        "train",
        "--window",
        "50 runs",
    ]);
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains("good") && out.contains("1.755"), "{out}");
    assert!(out.contains("1 baseline set (in memory alone"), "{out}");
    // The guide's style: seconds, MB, percent of a core.
    let (code, out, error) = set(&[
        "--operation",
        "train",
        "--execution-time",
        "2.5",
        "--memory-usage",
        "100",
        "--cpu-usage",
        "150",
        "-o",
        "json",
    ]);
    assert_eq!(code, Some(0), "{error}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    let numbers: Vec<(&str, f64)> = (answer["baselines"].as_array().unwrap().iter())
        .map(|one| {
            assert_eq!(one["name"], "guide");
            assert_eq!(one["labels"], json!({"operation": "train"}));
            (
                one["metric"].as_str().unwrap(),
                one["value"].as_f64().unwrap(),
            )
        })
        .collect();
    let expected = [("duration", 2.5), ("memory", 104_857_600.0), ("cpu", 1.5)];
    assert_eq!(numbers, expected);
    // Case 25: a negative memory baseline is refused.
    for (arguments, expected_code, expected) in [
        (&["--memory-usage", "-5"][..], 2, "allowed: 0 or more"),
        (&["x"], 2, "--metric"),
        (
            &["x", "--metric", "duration", "--value", "nan"],
            2,
            "a finite number",
        ),
        (
            &["x", "--metric", "duration", "--window", "soon"],
            2,
            "invalid window",
        ),
        (
            &["x", "--metric", "duration", "--select", "{a"],
            2,
            "select",
        ),
        (
            &["x", "--metric", "duration", "--operation", "no\"ne"],
            3,
            "nothing that was measured",
        ),
        (&["x", "--metric", "memory"], 3, "no value of `memory`"),
    ] {
        let (code, _, error) = set(arguments);
        assert_eq!(code, Some(expected_code), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
    let (code, out, _) = opwatch(&["baselines", "-o", "csv"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("name,metric,labels,version,"), "{out}");
    assert_eq!(out.lines().count(), 5, "{out}");
    // Into a file, and from it.
    let (_, out, _) = opwatch(&["baselines", "--name", "good", "--full", "-o", "json"]);
    folder.write("good.json", &out);
    let (code, out, error) = set(&["--file", "good.json", "-o", "csv"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(out.contains(",2,"), "{out}");
    let (code, out, _) = opwatch(&["baselines", "--delete", "good"]);
    assert_eq!((code, out.contains("2 versions deleted")), (Some(0), true));
    assert_eq!(opwatch(&["baselines", "--delete", "good"]).0, Some(3));
    assert_eq!(opwatch(&["baselines", "--name", "good"]).0, Some(3));
    // The listeners of a configuration, and nobody there: the same for each command.
    let config = format!(
        "listen: {{public: '{}', ingest: '{}'}}\n",
        sidecar.public, sidecar.ingest
    );
    folder.write("opwatch.yaml", &config);
    let commands: [&[&str]; 5] = [
        &["baselines"],
        &[
            "set-baseline",
            "sla",
            "--metric",
            "duration",
            "--value",
            "2",
        ],
        &["baselines", "--delete", "sla"],
        &["compare", "train"],
        &["trends"],
    ];
    for command in commands {
        let (code, _, error) = run(&folder, command);
        assert_eq!(code, Some(0), "{command:?}: {error}");
    }
    let public = format!("http://{}", sidecar.public);
    let (code, _, error) = run(&folder, &["explain", "No"]);
    assert_eq!(code, Some(3), "{error}");
    assert!(
        error.starts_with(&format!("{public} answers 404 Not Found: ")),
        "{error}"
    );
    let ingest = format!("http://{}", sidecar.ingest);
    drop(sidecar);
    for command in commands {
        let (code, _, error) = run(&folder, command);
        assert_eq!(code, Some(4), "{command:?}: {error}");
        let changes = command.contains(&"set-baseline") || command.contains(&"--delete");
        let address = if changes { &ingest } else { &public };
        let expected = format!("cannot reach {address}: ");
        assert!(error.starts_with(&expected), "{command:?}: {error}");
    }
}

fn data(folder: &Folder, name: &str) -> PathBuf {
    folder.0.join("data").join(name)
}

/// What a scrape says of baselines that came back from beside the database, and of what was set aside.
fn restored(sidecar: &Sidecar) -> (Option<f64>, Option<f64>) {
    (
        sidecar.metric("opwatch_store_restored_baselines_total"),
        sidecar.metric("opwatch_store_set_aside_total"),
    )
}

/// R2, R3: a database that is damaged, from elsewhere or gone takes no baseline with it.
#[test]
fn baselines_come_back_from_beside_a_database_that_cannot_be_used() {
    let sidecar = Sidecar::start(DURABLE, &[]);
    measure(&sidecar, "train", 100);
    set(&sidecar, &json!({"name": "good", "metric": "duration"}));
    set(&sidecar, &json!({"name": "good", "metric": "duration"}));
    set(
        &sidecar,
        &json!({"name": "sla", "metric": "duration", "value": 3}),
    );
    let before = listed(&sidecar, "?full=true");
    let mut folder = sidecar.kill();
    let database = fs::read(data(&folder, "opwatch.db")).unwrap();
    let mut newer = database.clone();
    // The `user_version` of SQLite's header.
    newer[60..64].copy_from_slice(&999_u32.to_be_bytes());
    let foreign = b"somebody's notes, which are no database ".repeat(200);
    for (what, bytes) in [
        ("foreign", Some(foreign)),
        ("newer", Some(newer)),
        ("torn", Some(database[..database.len() / 2].to_vec())),
        ("gone", None),
    ] {
        for name in ["opwatch.db", "opwatch.db-wal", "opwatch.db-shm"] {
            let _ = fs::remove_file(data(&folder, name));
        }
        if let Some(bytes) = bytes {
            fs::write(data(&folder, "opwatch.db"), bytes).unwrap();
        }
        let sidecar = Sidecar::start_in(folder, DURABLE);
        assert_eq!(listed(&sidecar, "?full=true"), before, "{what}");
        assert_eq!(restored(&sidecar).0, Some(2.0), "{what}: {}", sidecar.log());
        assert!(sidecar.log().contains("took back baselines"), "{what}");
        // And they are in the database again.
        wait_for("everything to be on disk", || {
            (sidecar.metric("opwatch_store_degraded")? == 0.0
                && sidecar.metric("opwatch_store_commits_total")? > 1.0)
                .then_some(())
        });
        folder = sidecar.kill();
        fs::remove_file(data(&folder, "baselines.json")).unwrap();
        let sidecar = Sidecar::start_in(folder, DURABLE);
        assert_eq!(listed(&sidecar, "?full=true"), before, "{what}");
        assert_eq!(restored(&sidecar).0, Some(0.0), "{what}");
        // Written beside it again with the first commit.
        folder = wait_for_file(sidecar);
    }
    // A whole database knows better: what is not in it was removed.
    let kept = fs::read(data(&folder, "baselines.json")).unwrap();
    let sidecar = Sidecar::start_in(folder, DURABLE);
    assert_eq!(delete(&sidecar, "?name=sla").status, 200);
    let folder = sidecar.kill();
    fs::write(data(&folder, "baselines.json"), kept).unwrap();
    let sidecar = Sidecar::start_in(folder, DURABLE);
    assert_eq!(listed(&sidecar, "?name=sla"), [] as [Value; 0]);
}

fn wait_for_file(sidecar: Sidecar) -> Folder {
    let path = data(&sidecar.folder, "baselines.json");
    wait_for("baselines.json", || path.exists().then_some(()));
    sidecar.kill()
}

/// R2: a damaged file beside the database is set aside, what can be read of it is used, and nothing is lost in silence.
#[test]
fn a_damaged_file_of_baselines_is_set_aside() {
    let sidecar = Sidecar::start(DURABLE, &[]);
    for name in ["one", "two"] {
        set(
            &sidecar,
            &json!({"name": name, "metric": "duration", "value": 31415}),
        );
    }
    let folder = sidecar.kill();
    let path = data(&folder, "baselines.json");
    let whole = fs::read_to_string(&path).unwrap();
    // One of two is bad, and the database is gone.
    assert!(whole.contains("31415"), "{whole}");
    fs::write(&path, whole.replacen("31415", "-31415", 1)).unwrap();
    for name in ["opwatch.db", "opwatch.db-wal", "opwatch.db-shm"] {
        let _ = fs::remove_file(data(&folder, name));
    }
    let sidecar = Sidecar::start_in(folder, DURABLE);
    let names: Vec<Value> = (listed(&sidecar, "").iter())
        .map(|one| one["name"].clone())
        .collect();
    assert_eq!(names, ["two"]);
    assert_eq!(restored(&sidecar), (Some(1.0), Some(1.0)));
    assert!(
        sidecar.log().contains("-31415 is no `duration`"),
        "{}",
        sidecar.log()
    );
    let mut folder = wait_for_file(sidecar);
    let entries = |folder: &Folder| {
        let entries = fs::read_dir(folder.0.join("data")).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("damaged-")).count()
    };
    assert_eq!(entries(&folder), 1);
    // Whatever lies there, opwatch starts.
    for (index, text) in [
        "",
        "[]",
        "{\"format\":2,\"baselines\":[]}",
        "\u{0}\u{1}",
        "{",
    ]
    .iter()
    .enumerate()
    {
        fs::write(data(&folder, "baselines.json"), text).unwrap();
        let sidecar = Sidecar::start_in(folder, DURABLE);
        assert_eq!(listed(&sidecar, "").len(), 1, "{text}");
        assert_eq!(restored(&sidecar), (Some(0.0), Some(1.0)), "{text}");
        folder = wait_for_file(sidecar);
        assert_eq!(entries(&folder), (index + 2).min(3), "{text}");
    }
}

/// R3: while the disk fails a baseline is in memory and the answer says so; it is on disk once that works.
#[test]
fn a_baseline_set_while_the_disk_fails_is_saved_later() {
    let sidecar = Sidecar::start(DURABLE, &[]);
    let folder = sidecar.folder.0.clone();
    set(
        &sidecar,
        &json!({"name": "before", "metric": "duration", "value": 1}),
    );
    // Nobody but SQLite's own lock: another holds it.
    let other = rusqlite::Connection::open(folder.join("data/opwatch.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = set(
        &sidecar,
        &json!({"name": "during", "metric": "duration", "value": 2}),
    );
    assert_eq!(answer["durable"], false, "{}", sidecar.log());
    assert_eq!(listed(&sidecar, "").len(), 2);
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    wait_for("the disk to work again", || {
        (sidecar.metric("opwatch_store_degraded")? == 0.0).then_some(())
    });
    let answer = set(
        &sidecar,
        &json!({"name": "after", "metric": "duration", "value": 3}),
    );
    assert_eq!(answer["durable"], true);
    let folder = sidecar.kill();
    let beside = fs::read_to_string(data(&folder, "baselines.json")).unwrap();
    assert!(beside.contains("during") && beside.contains("after"));
    let sidecar = Sidecar::start_in(folder, DURABLE);
    assert_eq!(listed(&sidecar, "").len(), 3);
}

const REGRESSION: &str = r#"
groups:
  - name: train
    interval: 1s
    rules:
      - alert: TrainingSlower
        select: '{operation="train"}'
        regression:
          metric: duration
          stat: median
          window: 50 runs
          baseline: {pinned: good}
          worse_by: {medium: 10%, high: 50%}
        annotations:
          summary: '{{ $metric }} {{ printf "%.2f" $value }} was {{ printf "%.2f" $baseline }}: {{ printf "%+.2f" $change }} ({{ $interval }}), p {{ printf "%.3f" $pvalue }}, over {{ printf "%.2f" $threshold }} since {{ $since }}'
      - alert: TrainingMany
        select: '{operation="train"}'
        threshold: {metric: duration, stat: max, window: 10m, above: 100s, min_samples: 100000}
      - alert: TrainingMissing
        select: '{operation="train"}'
        absence: {expect_every: 24h}
"#;

/// Design 1: a verdict explains itself, to the API, to commands, in the alert and in what it says.
#[test]
fn a_verdict_explains_itself() {
    let config = format!("{DURABLE}rule_files: [rules.yaml]\n");
    let sidecar = Sidecar::start(&config, &[("rules.yaml", REGRESSION)]);
    // In no order: values that follow on each other would tell little.
    let runs = |from: u32, n: u32, seconds: f64| {
        let one = |n| {
            let seconds = seconds + f64::from(n * 7_919 % 101) / 100.0;
            json!({"operation": "train", "algorithm": "forest", "duration_seconds": seconds})
        };
        sidecar.measure(&Value::from((from..from + n).map(one).collect::<Vec<_>>()).to_string());
    };
    runs(0, 202, 1.0);
    let explained = || {
        let mut data = sidecar.data("/api/v1/explain?rule=TrainingSlower");
        data["rules"][0].take()
    };
    let one = wait_for("a verdict without a baseline", || {
        let one = explained().pointer("/instances/0")?.clone();
        one["lacks"].is_string().then_some(one)
    });
    assert_eq!(one["lacks"], "no baseline of that name for this instance");
    assert_eq!(one["levels"][0]["standing"], "insufficient");
    set(&sidecar, &json!({"name": "good", "metric": "duration"}));
    // Three times as slow.
    runs(0, 60, 4.0);
    let alerts = wait_for("the alert", || {
        let alerts = sidecar.data("/api/v1/alerts")["alerts"].take();
        let alerts = alerts.as_array().unwrap().clone();
        let firing = |one: &&Value| one["state"] == "firing";
        (alerts.iter().filter(firing).count() == 2).then_some(alerts)
    });
    let alert = alerts
        .iter()
        .find(|one| one["labels"]["severity"] == "high")
        .unwrap();
    let evidence = &alert["evidence"];
    let baseline = evidence["baseline"].as_f64().unwrap();
    assert!((baseline - 1.5).abs() < 0.01, "{alert}");
    // The value at which the level begins, not the share that it allows.
    let threshold = alert["threshold"].as_f64().unwrap();
    assert!((threshold - 1.5 * baseline).abs() < 1e-9, "{alert}");
    assert_eq!(alert["type"], "degradation");
    let (low, high) = (
        evidence["interval"][0].as_f64().unwrap(),
        evidence["interval"][1].as_f64().unwrap(),
    );
    let change = evidence["change"].as_f64().unwrap();
    assert!(low < change && change < high && low > 0.5, "{alert}");
    assert!(evidence["p_value"].as_f64().unwrap() < 1e-6, "{alert}");
    let summary = alert["annotations"]["summary"].as_str().unwrap();
    let percent = |change: f64| format!("{:+.0} %", change * 100.0);
    let interval = format!("({} to {})", percent(low), percent(high));
    assert!(
        summary.contains(&interval) && summary.starts_with("duration 4."),
        "{summary}"
    );
    // The whole account.
    let rule = explained();
    assert_eq!(rule["condition"]["kind"], "regression");
    assert_eq!(rule["condition"]["against"], "pinned good");
    assert_eq!(rule["condition"]["window"], "50 runs");
    assert!(rule["condition"]["budget"]["block_p"].as_f64().unwrap() > 0.0);
    let one = &rule["instances"][0];
    assert_eq!(one["window"]["n"], 50);
    assert_eq!(one["baseline"]["version"], 1);
    assert_eq!(one["baseline"]["n"], 202);
    assert_eq!(one["improved"], false);
    assert!(one["decision"]["p"].as_f64().unwrap() < 1e-6, "{one}");
    assert_eq!(one["decision"]["is_evident"], true);
    let high = &one["levels"][1];
    assert_eq!(
        (&high["standing"], &high["state"]),
        (&json!("breached"), &json!("firing"))
    );
    assert!(high["since"].is_string());
    // The other kinds of rule.
    let many = sidecar.data("/api/v1/explain?rule=TrainingMany&labels={operation%3D%22train%22}");
    let lacks = many["rules"][0]["instances"][0]["lacks"].as_str().unwrap();
    assert_eq!(
        lacks,
        "too few values in the window: 262, at least 100000 are needed"
    );
    let missing = sidecar.data("/api/v1/explain?rule=TrainingMissing");
    let seen = &missing["rules"][0]["instances"][0]["seen_seconds_ago"];
    assert!(seen.as_f64().is_some(), "{missing}");
    for (query, status) in [
        ("", 400),
        ("?rule=No", 404),
        ("?rule=TrainingMany&labels=x", 400),
        ("?rlue=x", 400),
    ] {
        assert_eq!(
            sidecar.get(&format!("/api/v1/explain{query}")).status,
            status,
            "{query}"
        );
    }
    // In words.
    let folder = Folder::new();
    let url = format!("http://{}", sidecar.public);
    let (code, out, error) = run(&folder, &["explain", "TrainingSlower", "--url", &url]);
    assert_eq!(code, Some(0), "{error}");
    for expected in [
        "regression: p50 of duration of {operation=\"train\"} over 50 runs against pinned good",
        "baseline: good version 1",
        "% interval",
        "decision at the last block",
        "high: breached",
        "firing since",
    ] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    assert_eq!(run(&folder, &["explain", "No", "--url", &url]).0, Some(3));
    // What others were told of it is read back after a kill.
    let fired = one["levels"][1]["fired_at"].clone();
    let folder = sidecar.kill();
    let sidecar = Sidecar::start_in(folder, &config);
    assert!(!sidecar.log().contains("left out"), "{}", sidecar.log());
    wait_for("the alert again", || {
        let data = sidecar.data("/api/v1/explain?rule=TrainingSlower");
        let high = data.pointer("/rules/0/instances/0/levels/1")?;
        (high["standing"] == "breached").then(|| assert_eq!(high["fired_at"], fired))
    });
}

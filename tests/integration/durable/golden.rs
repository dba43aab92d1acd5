//! Data directories of earlier versions, which every later one has to read; and those of others, which it leaves as they are.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::CONFIG;
use super::kill::known;
use crate::faulty::Faulty;
use crate::sidecar::{Folder, Sidecar, run, wait_for};

const RULES: &str = "
groups:
- name: g
  interval: 200ms
  rules:
  - {alert: Slow, threshold: {metric: duration, stat: last, window: 1 run, above: 10s}}
  - {alert: Slows, for: 1h, threshold: {metric: duration, stat: mean, window: 5 runs, above: 10s}}
";

/// With a receiver at that address. The windows of the rules are runs, which do not age: the golden directories do.
fn config(address: &str) -> String {
    format!(
        "data_dir: data\nrule_files: [rules.yaml]\nself_rules: off\n\
         receivers: [{{name: team, webhook_configs: [{{url: 'http://{address}/'}}]}}]\n\
         route: {{receiver: team, group_by: [alertname], group_wait: 0s}}\n"
    )
}

/// Where its rules lie is a part of what they are, so that it has to be the same wherever the test runs.
const THERE: [&str; 3] = ["sh", "-c", r#"exec "$0" --config opwatch.yaml"#];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// The measurements in `store-1`.
fn records() -> Vec<Value> {
    let mut records = Vec::new();
    for n in 0..12 {
        records.push(json!({
            "operation": "train", "algorithm": "forest", "version": "1.2", "labels": {"team": "ä \"b\""},
            "id": format!("train-{n}"), "duration_seconds": 0.25 * f64::from(n), "setup_seconds": 0.5, "cleanup_seconds": 0.25,
            "cpu_cores": 1.5, "memory_bytes": 1_000_000 + n, "memory_peak_bytes": 2_000_000 + n, "samples": 100 * n,
            "dataset_size": 5_000, "quality": {"f1": 0.125 * f64::from(n % 8), "novelty": -1.5}, "quality_samples": 50,
            "trace_id": "abc",
        }));
        records.push(
            json!({"operation": "load", "id": format!("load-{n}"), "duration_seconds": 8 + n}),
        );
    }
    records.push(json!({"operation": "train", "id": "failed", "outcome": "failure", "error_class": "timeout", "duration_seconds": 3}));
    records.push(json!({"operation": "note", "id": "no operation", "memory_bytes": 4_096}));
    records
}

/// What is in a data directory, but its clocks: everything of the measurements, and the alerts.
fn content(sidecar: &Sidecar) -> Value {
    let alerts = wait_for("both alerts", || {
        let alerts = sidecar.data("/api/v1/alerts")["alerts"].take();
        (alerts.as_array()?.len() == 2).then_some(alerts)
    });
    let known: BTreeMap<String, f64> = known(sidecar)
        .into_iter()
        // As of the evaluation, of which there need not have been one yet.
        .filter(|(name, _)| !name.starts_with("opwatch_rule_value"))
        .collect();
    json!({"known": known, "alerts": alerts})
}

/// The measurements in the log. Those past retention may go as soon as opwatch runs.
fn log(folder: &Folder) -> Value {
    let (code, log, errors) = run(folder, &["export", "--data-dir", "data"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    log.lines().collect()
}

/// Writes `store-1`, which has been done once, by the first version that kept anything: it stays as it is. A new directory is
/// due when what is kept changes so that an older version would not read it.
fn write(golden: &Path) {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let config = config(&closed.to_string());
    let folder = Folder::new();
    folder.write("rules.yaml", RULES);
    let mut sidecar = Sidecar::start_under(&THERE, folder, &config);
    // Some of it is in the state and the rest in the log alone.
    let records = records();
    sidecar.measure(&Value::from(records[..10].to_vec()).to_string());
    sidecar.terminate();
    sidecar = Sidecar::start_under(&THERE, sidecar.kill(), &config);
    sidecar.measure(&Value::from(records[10..].to_vec()).to_string());
    let mut content = content(&sidecar);
    let errors = r#"opwatch_notifications_errors_total{integration="webhook",receiver="team"}"#;
    wait_for("an attempt to tell", || {
        sidecar.metric(errors).filter(|errors| *errors > 0.0)
    });
    let folder = sidecar.kill();
    let database = rusqlite::Connection::open(folder.0.join("data/opwatch.db")).unwrap();
    let id: String = database
        .query_row(
            "SELECT key FROM state WHERE kind = 4 AND body IS NOT NULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    content["notification"] = id.into();
    content["log"] = log(&folder);
    // The last to close it moves the log into the database.
    database.close().unwrap();
    fs::create_dir_all(golden).unwrap();
    fs::copy(folder.0.join("data/opwatch.db"), golden.join("opwatch.db")).unwrap();
    fs::write(
        golden.join("content.json"),
        serde_json::to_string_pretty(&content).unwrap() + "\n",
    )
    .unwrap();
}

/// A folder with the database in its data directory.
fn with(database: &[u8]) -> Folder {
    let folder = Folder::new();
    folder.write("rules.yaml", RULES);
    fs::create_dir_all(folder.0.join("data")).unwrap();
    fs::write(folder.0.join("data/opwatch.db"), database).unwrap();
    folder
}

/// The first of what is expected that is not found; a later version may know more.
fn lacking(path: &str, expected: &Value, found: &Value) -> String {
    let within: Vec<(String, &Value, &Value)> = match (expected, found) {
        (Value::Object(expected), Value::Object(_)) => (expected.iter())
            .map(|(key, value)| (format!("{path}/{key}"), value, &found[key]))
            .collect(),
        (Value::Array(expected), Value::Array(others)) if expected.len() == others.len() => {
            let pairs = expected.iter().zip(others).enumerate();
            pairs
                .map(|(n, (one, other))| (format!("{path}/{n}"), one, other))
                .collect()
        }
        _ if expected == found => return String::new(),
        _ => return format!("{path}: {expected}, found {found}"),
    };
    let lacking = within
        .iter()
        .map(|(path, one, other)| lacking(path, one, other));
    lacking
        .into_iter()
        .find(|lacking| !lacking.is_empty())
        .unwrap_or_default()
}

/// R19: what the first version kept is all there, and what it had not told is told.
#[test]
fn the_data_directory_of_the_first_version_is_read() {
    let golden = golden("store-1");
    if std::env::var_os("OPWATCH_WRITE_STORE").is_some() {
        write(&golden);
    }
    let expected = fs::read_to_string(golden.join("content.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let hook = Faulty::start(Vec::new());
    let folder = with(&fs::read(golden.join("opwatch.db")).unwrap());
    for what in ["info", "check"] {
        let (code, text, errors) = run(&folder, &["store", what, "--data-dir", "data"]);
        assert_eq!(code, Some(0), "{text}{errors}");
    }
    assert_eq!(log(&folder), expected["log"]);
    let sidecar = Sidecar::start_under(&THERE, folder, &config(&hook.address()));
    let found = content(&sidecar);
    assert_eq!(lacking("", &expected["known"], &found["known"]), "");
    assert_eq!(
        lacking("", &expected["alerts"], &found["alerts"]),
        "",
        "{}",
        sidecar.log()
    );
    let told = &hook.wait_requests(1)[0];
    assert_eq!(
        told.header("idempotency-key"),
        expected["notification"].as_str()
    );
    assert_eq!(told.json["alerts"][0]["labels"]["alertname"], "Slow");
    // It goes on from there: an id that it knew is known, what is new counts.
    let again = sidecar.post(
        "/v1/operations",
        &json!([{"operation": "load", "duration_seconds": 1}]).to_string(),
    );
    assert_eq!(again.json()["duplicates"], 0);
    let counted = sidecar.metric(r#"opwatch_operations_total{operation="load",outcome="success"}"#);
    assert_eq!(counted, Some(13.0));
    assert_eq!(sidecar.metric("opwatch_store_degraded"), Some(0.0));
    assert_eq!(sidecar.metric("opwatch_store_set_aside_total"), Some(0.0));
}

/// R2: a database of a later version, or of another program, is set aside as it is, and says so; opwatch begins anew.
#[test]
fn a_database_of_a_later_version_or_of_somebody_else_is_kept_as_it_is() {
    let ours = fs::read(golden("store-1").join("opwatch.db")).unwrap();
    // In the header of an SQLite file: the version of the tables, and whose they are.
    for (place, number, said) in [
        (
            60,
            99_u32,
            "it has version 99, and this opwatch knows 1 at most",
        ),
        (68, 0x1234, "it is not a database of opwatch"),
    ] {
        let mut bytes = ours.clone();
        bytes[place..place + 4].copy_from_slice(&number.to_be_bytes());
        let sidecar = Sidecar::start_in(with(&bytes), CONFIG);
        sidecar.measure(r#"{"operation":"new","duration_seconds":1}"#);
        assert!(sidecar.log().contains(said), "{}", sidecar.log());
        assert_eq!(sidecar.metric("opwatch_store_set_aside_total"), Some(1.0));
        assert_eq!(sidecar.metric("opwatch_store_degraded"), Some(0.0));
        let entries = fs::read_dir(sidecar.folder.0.join("data"))
            .unwrap()
            .flatten();
        let aside = entries.map(|entry| entry.path()).find(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("set-aside-")
        });
        assert!(
            fs::read(aside.unwrap().join("opwatch.db")).unwrap() == bytes,
            "{said}"
        );
        let again = Sidecar::start_in(sidecar.kill(), CONFIG);
        let page = again.metrics();
        assert!(page.contains(r#"operation="new""#) && !page.contains(r#"operation="train""#));
        assert_eq!(again.metric("opwatch_store_set_aside_total"), Some(0.0));
    }
}

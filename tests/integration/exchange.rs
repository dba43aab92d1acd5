//! Measurements out and in again: exports and imports, offline and of a running opwatch.

mod guide;
mod history;
mod over_http;
mod refused;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use opwatch::clock::Clock;
use opwatch::engine::time::Timestamp;
use serde_json::{Value, json};

use crate::sidecar::{BINARY, Folder, Sidecar, run};

const FORMATS: [&str; 3] = ["json", "ndjson", "csv"];
const HOUR: u64 = 3_600;

fn ago(seconds: u64) -> Timestamp {
    Clock::start()
        .now()
        .wall
        .before(Duration::from_secs(seconds))
}

/// One line for each hour, the oldest first.
fn hourly(operation: &str, hours: u64) -> String {
    (1..=hours).rev().fold(String::new(), |mut text, hour| {
        let at = ago(hour * HOUR);
        let line =
            json!({"operation": operation, "timestamp": at.to_string(), "duration_seconds": hour});
        let _ = writeln!(text, "{line}");
        text
    })
}

/// Every field, and what is awkward to write in any of the formats.
fn all_fields() -> String {
    let lines = [
        json!({"operation": "detect, \"fast\"", "algorithm": "iforest", "version": "v1;2", "labels": {"zone": "a,b\"c"},
            "timestamp": ago(60).to_string(), "duration_seconds": 2.5, "setup_seconds": 0.1, "cleanup_seconds": 1e-7,
            "cpu_cores": 1.5, "memory_bytes": 1e6, "memory_peak_bytes": 2e20, "samples": 18_446_744_073_709_551_615_u64,
            "dataset_size": 1000, "quality": {"r2": -0.1, "f1": 0.9}, "quality_samples": 50, "id": "a\r\n\"1\"",
            "trace_id": "0af7", "outcome": "success"}),
        json!({"operation": "異常 = 😀", "timestamp": ago(30).to_string(), "outcome": "failure", "error_class": "time, out"}),
        json!({"operation": "report", "timestamp": ago(90_000).to_string(), "quality": {"f1": 0.5}}),
    ];
    lines.map(|line| format!("{line}\n")).concat()
}

fn export(folder: &Folder, directory: &str, format: &str) -> String {
    let arguments = ["export", "--data-dir", directory, "--format", format];
    let (code, text, errors) = run(folder, &arguments);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    text
}

/// Runs an import; exit code, what it said, what it complained of.
fn import(folder: &Folder, file: &str, rest: &[&str]) -> (Option<i32>, String, String) {
    run(folder, &[&["import", file], rest].concat())
}

/// Runs an import that must take everything.
fn import_all(folder: &Folder, file: &str, rest: &[&str]) {
    let (code, said, errors) = import(folder, file, rest);
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{said}");
    assert!(said.contains(" 0 known already, 0 refused"), "{said}");
}

fn url(sidecar: &Sidecar) -> String {
    format!("http://{}", sidecar.ingest)
}

/// Case 45: an unknown format is an error, a table has every field, and a round trip changes nothing.
#[test]
fn what_is_exported_imports_as_the_same_in_every_format() {
    let folder = Folder::new();
    folder.write("first.ndjson", &(all_fields() + &hourly("train", 30)));
    import_all(&folder, "first.ndjson", &["--data-dir", "first"]);
    let exports = FORMATS.map(|format| export(&folder, "first", format));
    let lines: Vec<Value> = (exports[1].lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let first: Value = serde_json::from_str(all_fields().lines().next().unwrap()).unwrap();
    for (field, value) in first.as_object().unwrap() {
        if field != "timestamp" {
            assert_eq!(&lines[0][field], value, "{field}");
        }
        assert!(
            exports[2].lines().next().unwrap().contains(field.as_str()),
            "{field}"
        );
    }
    assert_eq!(lines.len(), 33);
    for (format, text) in FORMATS.iter().zip(&exports) {
        folder.write(format, text);
        for asked in ["auto", *format] {
            let directory = format!("{format}-{asked}");
            import_all(
                &folder,
                format,
                &["--format", asked, "--data-dir", &directory],
            );
            let again = FORMATS.map(|format| export(&folder, &directory, format));
            assert_eq!(again, exports, "{directory}");
        }
        let (code, said, _) = run(
            &folder,
            &["store", "check", "--data-dir", &format!("{format}-auto")],
        );
        assert_eq!(code, Some(0), "{said}");
    }
    let (code, _, errors) = run(
        &folder,
        &["export", "--data-dir", "first", "--format", "xml"],
    );
    assert_eq!(code, Some(2));
    assert!(errors.contains("allowed are json, ndjson, csv"), "{errors}");
}

#[test]
fn what_is_exported_imports_as_the_same_into_a_running_opwatch() {
    let folder = Folder::new();
    let mut text = all_fields();
    // More than fit into one batch.
    for n in 0..2_400 {
        let at = ago(10 + n % 7);
        let _ = writeln!(
            text,
            r#"{{"operation":"detect","timestamp":"{at}","duration_seconds":{n}}}"#
        );
    }
    folder.write("first.ndjson", &text);
    import_all(&folder, "first.ndjson", &["--data-dir", "first"]);
    folder.write("exported.csv", &export(&folder, "first", "csv"));
    let sidecar = Sidecar::start("data_dir: data\n", &[]);
    import_all(&folder, "exported.csv", &["--url", &url(&sidecar)]);
    let count = r#"opwatch_operations_total{operation="detect",outcome="success"}"#;
    assert_eq!(sidecar.metric(count), Some(2_400.0));
    for format in FORMATS {
        assert_eq!(
            export(&sidecar.folder, "data", format),
            export(&folder, "first", format)
        );
    }
    // Ids are known for ten minutes.
    let (code, said, _) = import(&folder, "exported.csv", &["--url", &url(&sidecar)]);
    assert_eq!(code, Some(0));
    assert!(
        said.contains("2403 records: 2402 imported, 1 known already, 0 refused"),
        "{said}"
    );
}

#[test]
fn standard_input_is_read_where_a_dash_is_given() {
    let folder = Folder::new();
    let mut child = Command::new(BINARY)
        .args(["import", "-", "--data-dir", "data"])
        .current_dir(&folder.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = hourly("train", 3);
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("-: 3 records: 3 imported"), "{said}");
    assert_eq!(export(&folder, "data", "ndjson").lines().count(), 3);
}

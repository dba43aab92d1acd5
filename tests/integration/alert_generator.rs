//! The alert-generator suite of `tests/alert_generator`, at thirty times the pace of the published one: a real Prometheus as
//! the oracle, opwatch in its place, and opwatch before a real Alertmanager.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::peers::missing;
use crate::sidecar::{BINARY, Folder};

/// The lines of the checklist; each applies to opwatch.
const LINES: usize = 50;

#[test]
fn every_line_of_the_alert_generator_checklist_holds() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    for program in ["prometheus", "promtool", "prometheus-alertmanager", &python] {
        if let Err(error) = Command::new(program).arg("--version").output() {
            let _: Option<()> = missing(program, &error.to_string());
            return;
        }
    }
    let folder = Folder::new();
    let results = folder.0.join("results.json");
    let output = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/alert_generator/run"))
        .args([
            "--scale",
            "30",
            "--self-test",
            "--opwatch",
            BINARY,
            "--json",
        ])
        .arg(&results)
        .output()
        .unwrap();
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}{}", text[0], text[1]);
    let results: Value = serde_json::from_str(&fs::read_to_string(results).unwrap()).unwrap();
    let lines = results["lines"].as_array().unwrap();
    assert_eq!(lines.len(), LINES);
    for line in lines {
        assert_eq!(line["T4"]["result"], "pass", "{line}");
    }
}

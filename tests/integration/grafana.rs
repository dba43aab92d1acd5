//! Dashboards and the rules for Prometheus: the scripts of `grafana/`, as anybody would run them.

use std::path::Path;
use std::process::Command;

use crate::peers::missing;
use crate::sidecar::BINARY;

/// Runs a script of `grafana/` and fails with what it says; what it says, or `None` where a program it needs is not there.
fn script(name: &str, arguments: &[&str], needs: &[&str]) -> Option<String> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    for program in needs.iter().copied().chain([python.as_str()]) {
        if let Err(error) = Command::new(program).arg("--version").output() {
            return missing(program, &error.to_string());
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana");
    let output = Command::new(python)
        .arg(folder.join(name))
        .args(arguments)
        .output()
        .unwrap();
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}{}", text[0], text[1]);
    Some(text.concat())
}

#[test]
fn dashboards_are_what_their_source_makes() {
    script("build", &["--check"], &[]);
}

#[test]
fn dashboards_and_rules_are_as_they_are_to_be() {
    script("lint", &[], &["promtool", "amtool"]);
}

#[test]
fn each_fault_of_a_dashboard_or_a_rule_is_noticed() {
    script("lint", &["--self-test"], &["promtool"]);
}

#[test]
fn every_query_finds_something_in_a_real_prometheus() {
    script("check", &["--quick", "--opwatch", BINARY], &["prometheus"]);
}

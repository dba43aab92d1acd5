//! Bad input: each is answered with its place, the value and what is allowed; the good beside it is kept.

use std::io::Write;
use std::net::TcpListener;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::sidecar::{Folder, Sidecar, request, run};

/// Posts one good record beside `bad` and returns what was said of the bad one.
fn rejection(sidecar: &Sidecar, bad: &str) -> (String, String) {
    let body = format!(r#"[{{"operation":"good","duration_seconds":1}},{bad}]"#);
    let reply = sidecar.post("/v1/operations", &body);
    assert_eq!(reply.status, 200, "{reply:?}");
    let answer = reply.json();
    assert_eq!(answer["accepted"], 1, "{answer}");
    let rejected = answer["rejected"].as_array().unwrap();
    assert_eq!(rejected.len(), 1, "{answer}");
    assert_eq!(rejected[0]["index"], 1);
    let text = |name: &str| rejected[0][name].as_str().unwrap().to_owned();
    (text("field"), text("reason"))
}

/// R14: what is no number, no time or out of range is refused by itself.
#[test]
fn bad_records_are_named_and_their_good_neighbours_kept() {
    let sidecar = Sidecar::start("external_labels: {cluster: eu-1}\n", &[]);
    let thousand: Vec<String> = (0..1_000).map(|n| format!(r#""l{n}":"v""#)).collect();
    let thousand = format!(r#"{{"operation":"a","labels":{{{}}}}}"#, thousand.join(","));
    let cases: &[(&str, &str, &str)] = &[
        (
            r#"{"operation":"a","duration_seconds":NaN}"#,
            "duration_seconds",
            "NaN",
        ),
        (
            r#"{"operation":"a","duration_seconds":-1}"#,
            "duration_seconds",
            "-1 is not allowed; a finite number of at least 0 is",
        ),
        (
            r#"{"operation":"a","duration_seconds":1e999}"#,
            "duration_seconds",
            "number out of range",
        ),
        (
            r#"{"operation":"a","duration_second":1}"#,
            "duration_second",
            "did you mean `duration_seconds`?",
        ),
        (
            r#"{"operation":"a","timestamp":"2199-01-01T00:00:00Z"}"#,
            "timestamp",
            "at most 10 s is allowed",
        ),
        (
            r#"{"operation":"a","timestamp":86400}"#,
            "timestamp",
            "older than the retention of 720 h",
        ),
        (
            &thousand,
            "labels",
            "1000 labels given; at most 8 are allowed",
        ),
        (r#"{"operation":""}"#, "operation", "1 to 200 characters"),
        (
            r#"{"operation":"a","labels":{"cluster":"x"}}"#,
            "labels.cluster",
            "external labels",
        ),
    ];
    for (bad, field, reason) in cases {
        let (found, why) = rejection(&sidecar, bad);
        assert_eq!(found, *field, "{why}");
        assert!(why.contains(reason), "{why} / {reason}");
    }
    for name in opwatch::engine::series::RESERVED_LABELS {
        let bad = format!(r#"{{"operation":"a","labels":{{"{name}":"x"}}}}"#);
        let (field, why) = rejection(&sidecar, &bad);
        assert_eq!(field, format!("labels.{name}"));
        assert!(why.contains("reserved label name"), "{why}");
    }
    let good = cases.len() + opwatch::engine::series::RESERVED_LABELS.len();
    let total = r#"opwatch_operations_total{operation="good",outcome="success"}"#;
    assert_eq!(sidecar.metric(total), Some(good as f64));
    let rejected = r#"opwatch_ingest_records_total{result="rejected"}"#;
    assert_eq!(sidecar.metric(rejected), Some(good as f64));
}

#[test]
fn a_request_that_cannot_be_read_is_answered_with_the_reason_and_never_with_500() {
    let sidecar = Sidecar::start("", &[]);
    let post = |headers: &[(&str, &str)], body: &[u8]| {
        let reply = request(&sidecar.ingest, "POST", "/v1/operations", headers, body);
        (
            reply.status,
            reply.json()["error"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    const JSON: (&str, &str) = ("Content-Type", "application/json");
    let check = |(status, error): (u16, String), expected: u16, contains: &str| {
        assert_eq!(status, expected, "{error}");
        assert!(error.contains(contains), "{error} / {contains}");
    };
    check(
        post(&[JSON], b"hello"),
        400,
        "not JSON: expected value at line 1 column 1",
    );
    check(post(&[JSON], b""), 400, "empty");
    check(
        post(&[("Content-Type", "text/csv")], b"a,b"),
        415,
        "\"text/csv\" is not supported; use application/json or application/x-ndjson",
    );
    check(post(&[JSON, ("Content-Encoding", "br")], b"x"), 415, "br");
    check(
        post(&[JSON, ("Content-Encoding", "gzip")], b"x"),
        400,
        "gzip",
    );
    check(
        post(&[JSON, ("Opwatch-Batch", "x")], b"{}"),
        400,
        "CLIENT/SEQ",
    );
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..100 {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    check(
        post(&[JSON, ("Content-Encoding", "gzip")], &bomb),
        413,
        "64 MiB",
    );
    let large = vec![b' '; (8 << 20) + 1];
    check(post(&[JSON], &large), 413, "8 MiB");
    sidecar.measure(r#"{"operation":"still-here","duration_seconds":1}"#);
}

#[test]
fn unknown_paths_and_methods_and_changes_on_the_public_listener_are_refused() {
    let sidecar = Sidecar::start("", &[]);
    for (method, path, expected) in [
        ("GET", "/nowhere", 404),
        ("POST", "/metrics", 405),
        ("GET", "/-/reload", 405),
        ("POST", "/v1/operations", 403),
        ("POST", "/-/quit", 403),
        ("HEAD", "/metrics", 200),
    ] {
        let reply = request(&sidecar.public, method, path, &[], b"");
        assert_eq!(reply.status, expected, "{method} {path}: {reply:?}");
    }
    let reply = request(&sidecar.ingest, "GET", "/v1/operations", &[], b"");
    assert_eq!(
        (reply.status, reply.header("allow")),
        (405, Some("POST".into()))
    );
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = Folder::new();
    folder.write(
        "opwatch.yaml",
        &format!("listen: {{public: '{address}', ingest: '127.0.0.1:0'}}\n"),
    );
    let (code, _, errors) = run(&folder, &[]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(
        errors.contains(&address.to_string()) && errors.contains("in use"),
        "{errors}"
    );
}

#[test]
fn an_unreadable_password_file_is_named_with_its_place() {
    let folder = Folder::new();
    folder.write(
        "opwatch.yaml",
        "listen: {public: '127.0.0.1:0', ingest: '127.0.0.1:0'}
smtp: {smarthost: 'localhost:25', from: 'a@example.org', auth_username: u, auth_password_file: /nowhere/secret}
route: {receiver: team}
receivers:
  - {name: team, email_configs: [{to: 'b@example.org'}]}
",
    );
    for arguments in [&["check"][..], &[]] {
        let (code, output, errors) = run(&folder, arguments);
        let said = format!("{output}{errors}");
        assert!(matches!(code, Some(1 | 2)), "{said}");
        assert!(
            said.contains("/nowhere/secret") && said.contains("auth_password_file"),
            "{said}"
        );
    }
}

#[test]
fn an_unknown_key_of_the_configuration_is_named_with_its_place_and_the_likely_one() {
    let folder = Folder::new();
    folder.write(
        "opwatch.yaml",
        "evaluation_intervall: 15s\nlog: {level: info}\n",
    );
    let (code, output, errors) = run(&folder, &[]);
    let said = format!("{output}{errors}");
    assert_eq!(code, Some(2), "{said}");
    for part in [
        "opwatch.yaml:1:1",
        "evaluation_intervall",
        "did you mean `evaluation_interval`",
    ] {
        assert!(said.contains(part), "{part} / {said}");
    }
}

#[test]
fn a_rule_file_with_ten_faults_gets_all_ten_reported_in_one_pass() {
    let folder = Folder::new();
    folder.write("opwatch.yaml", "rule_files: [rules.yaml]\n");
    folder.write("rules.yaml", include_str!("../data/ten_faults.yaml"));
    let (code, output, errors) = run(&folder, &["check"]);
    let said = format!("{output}{errors}");
    assert_eq!(code, Some(1), "{said}");
    let expected = include_str!("../data/ten_faults.txt");
    for line in expected.lines().filter(|line| !line.is_empty()) {
        assert!(said.contains(line), "missing {line:?} in\n{said}");
    }
    assert_eq!(expected.lines().count(), 10);
}

/// R8: a reload with a fault changes nothing.
#[test]
fn a_reload_with_a_fault_keeps_the_old_configuration_and_says_why() {
    let rules = "groups: [{name: g, rules: [{alert: Slow, threshold: {metric: duration, stat: max, window: 5 runs, above: 1s}}]}]\n";
    let sidecar = Sidecar::start(
        "rule_files: [rules.yaml]\nevaluation_interval: 1s\n",
        &[("rules.yaml", rules)],
    );
    sidecar
        .folder
        .write("rules.yaml", &rules.replace("above: 1s", "above: 1MiB"));
    let reply = sidecar.post("/-/reload", "");
    assert_eq!(reply.status, 500);
    assert!(reply.text().contains("rules.yaml:1:"), "{}", reply.text());
    assert_eq!(
        sidecar.metric("opwatch_config_last_reload_successful"),
        Some(0.0)
    );
    let groups = sidecar.data("/api/v1/rules");
    assert_eq!(groups["groups"][0]["rules"][0]["name"], Value::from("Slow"));
    sidecar
        .folder
        .write("rules.yaml", &rules.replace("Slow", "Slower"));
    assert_eq!(sidecar.post("/-/reload", "").status, 200);
    assert_eq!(
        sidecar.metric("opwatch_config_last_reload_successful"),
        Some(1.0)
    );
    let groups = sidecar.data("/api/v1/rules");
    assert_eq!(
        groups["groups"][0]["rules"][0]["name"],
        Value::from("Slower")
    );
}

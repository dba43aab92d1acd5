//! Measuring through the public border: what is sent comes back, whole and counted once.

use std::thread;

use serde_json::{Value, json};

use crate::sidecar::{Sidecar, request};

#[test]
fn case_37_a_record_comes_back_unchanged_whether_timed_here_or_there() {
    let sidecar = Sidecar::start("", &[]);
    sidecar.measure(
        r#"{"operation":"train","algorithm":"iforest","version":"v2","labels":{"zone":"a"},"duration_seconds":2.5,
            "dataset_size":1000,"samples":1000,"cpu_cores":1.5,"memory_bytes":1048576,"memory_peak_bytes":2097152,
            "setup_seconds":0.5,"cleanup_seconds":0.25,"quality":{"f1":0.9},"quality_samples":100,"trace_id":"ab12"}"#,
    );
    let last = &sidecar.data("/api/v1/operations/train")["lastMeasurement"];
    let expected = json!({
        "operation": "train", "algorithm": "iforest", "version": "v2", "labels": {"zone": "a"},
        "timestamp": last["timestamp"], "outcome": "success", "error_class": null,
        "duration_seconds": 2.5, "setup_seconds": 0.5, "cleanup_seconds": 0.25, "cpu_cores": 1.5,
        "memory_bytes": 1_048_576.0, "memory_peak_bytes": 2_097_152.0, "samples": 1000,
        "dataset_size": 1000, "throughput": 400.0, "quality": {"f1": 0.9}, "quality_samples": 100,
        "trace_id": "ab12",
    });
    assert_eq!(*last, expected);

    let pid = sidecar.pid();
    let body =
        format!(r#"{{"operation":"timed","algorithm":"svm","dataset_size":1000,"pid":{pid}}}"#);
    let started = sidecar.post("/v1/operations/start", &body).json();
    let id = started["operation_id"].as_str().unwrap();
    let ended = sidecar.post(&format!("/v1/operations/{id}/end"), r#"{"samples":1000}"#);
    assert_eq!(ended.json()["accepted"], 1);
    let last = &sidecar.data("/api/v1/operations/timed")["lastMeasurement"];
    for (field, expected) in [
        ("operation", json!("timed")),
        ("algorithm", json!("svm")),
        ("dataset_size", json!(1000)),
        ("samples", json!(1000)),
    ] {
        assert_eq!(last[field], expected);
    }
    assert!(last["duration_seconds"].as_f64().unwrap() >= 0.0);
    assert!(last["memory_bytes"].as_f64().unwrap() > 1e6);
    let again = sidecar.post(&format!("/v1/operations/{id}/end"), "");
    assert_eq!(again.status, 404, "{again:?}");
}

#[test]
fn case_38_parallel_senders_lose_nothing() {
    const SENDERS: usize = 8;
    const EACH: usize = 500;
    let sidecar = Sidecar::start("", &[]);
    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    sidecar.measure(r#"{"operation":"burst","duration_seconds":0.01}"#);
                }
            });
        }
    });
    let total = r#"opwatch_operations_total{operation="burst",outcome="success"}"#;
    assert_eq!(sidecar.metric(total), Some((SENDERS * EACH) as f64));

    let at = r#""timestamp":"#;
    let now = opwatch::clock::Clock::start().now().wall.seconds();
    let lines: String = (0..4_000)
        .map(|_| format!("{{\"operation\":\"millisecond\",\"duration_seconds\":0.01,{at}{now}}}\n"))
        .collect();
    let headers = [("Content-Type", "application/x-ndjson")];
    let reply = request(
        &sidecar.ingest,
        "POST",
        "/v1/operations",
        &headers,
        lines.as_bytes(),
    );
    assert_eq!(reply.json()["accepted"], 4_000);
    let count = &sidecar.data("/api/v1/operations/millisecond")["operations"];
    assert_eq!(*count, json!(4_000));
}

#[test]
fn case_39_failures_count_and_stay_out_of_latency() {
    let rules = "groups: [{name: g, rules: [{alert: Failing, threshold: {metric: error_ratio, window: 1m, above: 20%}}]}]\n";
    let sidecar = Sidecar::start(
        "rule_files: [rules.yaml]\nevaluation_interval: 1s\n",
        &[("rules.yaml", rules)],
    );
    let mut records = vec![json!({"operation": "op", "duration_seconds": 1.0}); 6];
    let failed = json!({"operation": "op", "duration_seconds": 90.0, "outcome": "failure", "error_class": "Timeout"});
    records.extend(vec![failed; 4]);
    sidecar.measure(&Value::from(records).to_string());
    for (series, expected) in [
        (
            r#"opwatch_operations_total{operation="op",outcome="failure"}"#,
            4.0,
        ),
        (
            r#"opwatch_operation_errors_total{operation="op",error_class="Timeout"}"#,
            4.0,
        ),
        (
            r#"opwatch_operation_duration_seconds_sum{operation="op",outcome="success"}"#,
            6.0,
        ),
        (
            r#"opwatch_operation_duration_seconds_sum{operation="op",outcome="failure"}"#,
            360.0,
        ),
    ] {
        assert_eq!(
            sidecar.metric(series),
            Some(expected),
            "{series}\n{}",
            sidecar.metrics()
        );
    }
    let detail = sidecar.data("/api/v1/operations/op");
    assert_eq!(detail["metrics"]["duration"]["max"], json!(1.0));
    let alert = crate::sidecar::wait_for("the failure rule to fire", || {
        let alerts = sidecar.data("/api/v1/alerts");
        alerts["alerts"].as_array()?.first().cloned()
    });
    assert_eq!(alert["labels"]["alertname"], "Failing");
    assert_eq!(alert["value"], "4e-01");
}

#[test]
fn case_40_an_operation_gives_its_own_last_measurement() {
    let sidecar = Sidecar::start("", &[]);
    sidecar.measure(
        r#"[{"operation":"x","duration_seconds":1},{"operation":"y","duration_seconds":2}]"#,
    );
    let last = |operation: &str| {
        let detail = sidecar.data(&format!("/api/v1/operations/{operation}"));
        detail["lastMeasurement"]["duration_seconds"].clone()
    };
    assert_eq!((last("x"), last("y")), (json!(1.0), json!(2.0)));
    assert_eq!(sidecar.get("/api/v1/operations/z").status, 404);
}

#[test]
fn a_repeated_batch_is_answered_as_the_first_and_counts_once() {
    let sidecar = Sidecar::start("", &[]);
    let headers = [
        ("Content-Type", "application/json"),
        ("Opwatch-Batch", "worker-1/7"),
    ];
    let body =
        br#"[{"operation":"op","duration_seconds":1},{"operation":"op","duration_seconds":-1}]"#;
    let send = || request(&sidecar.ingest, "POST", "/v1/operations", &headers, body).json();
    let first = send();
    assert_eq!(
        (&first["accepted"], &first["rejected"][0]["index"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(send(), first);
    let total = r#"opwatch_operations_total{operation="op",outcome="success"}"#;
    assert_eq!(sidecar.metric(total), Some(1.0));
}

#[test]
fn pausing_stops_judging_and_status_says_so() {
    let rules = "groups: [{name: g, rules: [{alert: Slow, threshold: {metric: duration, stat: last, window: 1 runs, above: 1s}}]}]\n";
    let sidecar = Sidecar::start(
        "rule_files: [rules.yaml]\nevaluation_interval: 1s\n",
        &[("rules.yaml", rules)],
    );
    assert_eq!(sidecar.post("/-/pause", "").status, 200);
    assert_eq!(sidecar.data("/api/v1/status/runtime")["judging"], "paused");
    let evaluations = || sidecar.metric(r#"opwatch_rule_group_iterations_total{rule_group="g"}"#);
    let before = evaluations();
    sidecar.measure(r#"{"operation":"op","duration_seconds":9}"#);
    thread::sleep(std::time::Duration::from_millis(2_500));
    assert_eq!(evaluations(), before);
    assert_eq!(sidecar.post("/-/resume", "").status, 200);
    crate::sidecar::wait_for("judging to go on", || {
        let alerts = sidecar.data("/api/v1/alerts");
        alerts["alerts"]
            .as_array()
            .filter(|a| !a.is_empty())
            .map(|_| ())
    });
}

#[test]
fn it_ends_gracefully_on_a_signal() {
    let mut sidecar = Sidecar::start("", &[]);
    sidecar.measure(r#"{"operation":"op","duration_seconds":9}"#);
    assert_eq!(sidecar.terminate(), Some(0));
    assert!(sidecar.log().contains("stopped"), "{}", sidecar.log());
}

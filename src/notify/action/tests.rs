//! What is sent, where it may go, and what is made of an answer.

use super::*;
use crate::engine::dispatch::Announced;
use crate::engine::onset::Onset;
use crate::engine::series::Labels;
use crate::engine::time::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

fn order() -> Order {
    let labels: Labels = [
        ("alertname", "Worse"),
        ("operation", "de\"te\nct"),
        ("severity", "high"),
    ]
    .into_iter()
    .collect();
    let alert = Announced {
        fingerprint: labels.fingerprint(),
        labels,
        annotations: [("summary", "worse")].into_iter().collect(),
        starts_at: Timestamp::from_millis(1_000),
        onset: Onset::default(),
        ended: None,
        suppressed: false,
        generator_url: "http://here".into(),
        rule: "Worse".into(),
        alert_type: "degradation",
        metric: "accuracy".into(),
        stat: "mean".into(),
        value: Some(0.6),
        limit: 0.9,
        n: 20,
        evidence: None,
        replaces: None,
        tally: None,
        pace: None,
    };
    Order {
        action: "retrain".into(),
        key: "retrain-1".into(),
        rule: "Worse".into(),
        identity: [("operation", "de\"te\nct")].into_iter().collect(),
        alert: Arc::new(alert),
        since: Timestamp::from_millis(1_000),
        at: Timestamp::from_millis(2_000),
    }
}

fn config(yaml: &str) -> ActionConfig {
    serde_yaml::from_str(yaml).unwrap()
}

#[test]
fn a_request_says_what_is_acted_on_and_where_to_report() {
    let body = body::of(None, &order(), "http://me", "http://me/cb").unwrap();
    for (pointer, expected) in [
        ("/key", json!("retrain-1")),
        ("/action", json!("retrain")),
        ("/rule", json!("Worse")),
        ("/identity", json!({"operation": "de\"te\nct"})),
        ("/callback", json!("http://me/cb")),
        ("/since", json!("1970-01-01T00:00:01.000Z")),
        ("/alert/value", json!(0.6)),
        ("/alert/metric", json!("accuracy")),
    ] {
        assert_eq!(body.pointer(pointer), Some(&expected), "{pointer}");
    }
}

#[test]
fn text_of_labels_changes_nothing_of_the_form_of_a_body() {
    let config = config(
        "{body: {model: '{{ .Identity.operation }}', idempotency: '{{ .Key }}', why: ['{{ .Alert.Metric }} {{ .Alert.Value }}', 7, '{{ .Callback }}']}}",
    );
    let body = body::of(config.body.as_ref(), &order(), "http://me", "http://me/cb").unwrap();
    let expected = json!({
        "model": "de\"te\nct",
        "idempotency": "retrain-1",
        "why": ["accuracy 0.6", 7, "http://me/cb"],
    });
    assert_eq!(body, expected);
}

#[test]
fn the_name_of_a_job_leads_nowhere_else() {
    for (answer, expected) in [
        (r#"{"job": "a-1"}"#, Some("a-1")),
        (r#"{"job_id": 17}"#, Some("17")),
        (r#"{"id": "../../etc"}"#, Some("../../etc")),
        (r#"{"id": ".."}"#, None),
        (r#"{"id": ""}"#, None),
        (r#"{"id": "a\nb"}"#, None),
        (r#"{"id": ["a"]}"#, None),
        (r#"{"url": "http://elsewhere/"}"#, None),
        ("no", None),
    ] {
        assert_eq!(job_of(answer.as_bytes()).as_deref(), expected, "{answer}");
    }
    let long = format!(r#"{{"id": "{}"}}"#, "x".repeat(MOST_JOB + 1));
    assert_eq!(job_of(long.as_bytes()), None);
    let base: Endpoint = "http://u:p@trainer:8080/jobs/?v=1".parse().unwrap();
    for (query, job, expected) in [
        (None, "a-1", "http://trainer:8080/jobs/a-1?v=1"),
        (
            None,
            "../x?y#z",
            "http://trainer:8080/jobs/..%2Fx%3Fy%23z?v=1",
        ),
        (
            None,
            "@evil:1/",
            "http://trainer:8080/jobs/%40evil%3A1%2F?v=1",
        ),
        (
            Some("job"),
            "a&b=c",
            "http://trainer:8080/jobs/?v=1&job=a%26b%3Dc",
        ),
    ] {
        let asked = base.asking(query, job).unwrap();
        assert_eq!(asked.uri().to_string(), expected);
        assert!(asked.credentials().is_some());
    }
}

#[test]
fn wrong_settings_are_told_at_their_places() {
    let config = config(
        "{name: retrain, url: 'http://a', url_file: /nowhere, headers: {Host: x, 'a b': y, X-Team: ml}, body: ['{{ .Oops'], http_config: {basic_auth: {username: a}, authorization: {credentials: b}}}",
    );
    let place = Place::root().key("actions").index(0);
    let made = Caller::new(&config, ("http://me", "http://me"), Clock::start(), &place);
    let faults: Vec<String> = made.unwrap_err().iter().map(ToString::to_string).collect();
    let places: Vec<&str> = faults
        .iter()
        .filter_map(|fault| fault.split(": ").next())
        .collect();
    assert_eq!(
        places,
        [
            "actions[0].url_file",
            "actions[0].body[0]",
            "actions[0].headers.Host",
            "actions[0].headers[\"a b\"]",
            "actions[0].http_config.authorization",
        ],
        "{faults:?}"
    );
    let nothing = Caller::new(
        &ActionConfig::default(),
        ("http://me", "http://me"),
        Clock::start(),
        &place,
    );
    let faults = nothing.unwrap_err();
    assert!(faults[0].message.contains("one of url and url_file"));
}

#[test]
fn reports_are_read_and_what_is_wrong_with_them_is_said() {
    let read = |text: &str| {
        let form: Result<ReportForm, _> = serde_json::from_str(text);
        form.map_err(|error| error.to_string())
            .and_then(ReportForm::report)
    };
    let good = read(
        r#"{"status": "succeeded", "message": "ok", "metrics": {"accuracy": 0.93}, "in_service_since": "2026-01-31T12:00:00Z"}"#,
    );
    let good = good.unwrap();
    assert_eq!(good.metrics["accuracy"], 0.93);
    assert_eq!(good.since, Timestamp::parse("2026-01-31T12:00:00Z"));
    assert!(read(r#"{"status": "queued", "id": 7}"#).is_ok());
    for (text, why) in [
        (r#"{"status": "done"}"#, "unknown variant `done`"),
        (
            r#"{"status": "failed", "metric": {}}"#,
            "unknown field `metric`",
        ),
        (
            r#"{"status": "failed", "in_service_since": "now"}"#,
            "in_service_since: \"now\" is no time",
        ),
        (
            r#"{"status": "failed", "metrics": {"a": null}}"#,
            "invalid type: null",
        ),
        ("{}", "missing field `status`"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(why), "{text}: {error}");
    }
    let long = json!({"status": "failed", "message": "x".repeat(2_001)});
    assert!(
        read(&long.to_string())
            .unwrap_err()
            .starts_with("message: ")
    );
    let many: Value = (0..65).map(|n| (n.to_string(), json!(1.0))).collect();
    let many = json!({"status": "failed", "metrics": many});
    assert!(
        read(&many.to_string())
            .unwrap_err()
            .starts_with("metrics: 65")
    );
}

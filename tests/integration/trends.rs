//! What gets better or worse: over HTTP, on the command line, and as a rule.

use std::fmt::Write as _;

use opwatch::clock::Clock;
use serde_json::Value;

use crate::sidecar::{Folder, Sidecar, run};

const DAY: u64 = 86_400;

/// The middle of today and of the days before, in seconds since 1970, oldest first; today is not over yet.
fn days(number: u64) -> Vec<u64> {
    let now = Clock::start().now().wall.millis().unsigned_abs() / 1_000;
    let today = now / DAY * DAY;
    (1..=number)
        .rev()
        .map(|ago| today - ago * DAY + DAY / 2)
        .collect()
}

/// Accuracy that falls from 0.90 to 0.72 over ten days, and durations that stay.
fn declining(sidecar: &Sidecar) {
    let mut body = String::new();
    for (day, at) in (0u32..).zip(days(10)) {
        let accuracy = 0.90 - 0.02 * f64::from(day);
        let seconds = 2.0 + 0.1 * f64::from(day * 7 % 5);
        writeln!(
            body,
            r#"{{"operation":"detect","algorithm":"iforest","timestamp":{at},"duration_seconds":{seconds},"quality":{{"accuracy":{accuracy}}}}}"#
        )
        .unwrap();
    }
    let reply = sidecar.post("/v1/operations", &body);
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[test]
fn case_31_trends_over_http() {
    let sidecar = Sidecar::start("", &[]);
    declining(&sidecar);
    let query = "/api/v1/trends?operation=detect&metric=accuracy&stat=mean&window=10d&bucket=1d&reaches=0.5";
    let data = sidecar.data(query);
    let trend = &data[0];
    assert_eq!(data.as_array().unwrap().len(), 1);
    let text = |name: &str| trend[name].as_str().unwrap().to_owned();
    assert_eq!(
        (text("operation"), text("algorithm"), text("direction")),
        ("detect".into(), "iforest".into(), "degrading".into())
    );
    assert_eq!(
        (&trend["buckets"], &trend["samples"]),
        (&10.into(), &10.into())
    );
    let near = |value: &Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 1e-6;
    assert!(near(&trend["slopePerDay"], -0.02), "{trend}");
    assert!(
        near(&trend["change"], -0.18) && near(&trend["changeRatio"], -0.2),
        "{trend}"
    );
    assert!(near(&trend["leastSquares"]["rSquared"], 1.0), "{trend}");
    // From 0.72 down to 0.5, which is eleven days after yesterday noon.
    let days = trend["forecast"]["afterSeconds"].as_f64().unwrap() / 86_400.0;
    assert!((9.4..10.6).contains(&days), "{days}");
    let points = trend["points"].as_array().unwrap();
    assert!(
        points
            .iter()
            .all(|point| point["n"] == 1 && point["partial"] == false)
    );
    let durations = sidecar.data("/api/v1/trends?window=10d&bucket=1d");
    assert_eq!(durations[0]["direction"], "stable");
    let short = sidecar.data("/api/v1/trends?window=5d&bucket=1d");
    assert_eq!(short[0]["direction"], "insufficient data");
    assert_eq!(
        sidecar.data("/api/v1/trends?operation=other"),
        Value::Array(Vec::new())
    );
    let bad = sidecar.get("/api/v1/trends?bucket=7m");
    assert_eq!(bad.status, 400);
    assert!(
        bad.text().contains("bucket: a window of 1w has not"),
        "{bad:?}"
    );
}

#[test]
fn trends_on_the_command_line() {
    let sidecar = Sidecar::start("", &[]);
    declining(&sidecar);
    let folder = Folder::new();
    let url = format!("http://{}", sidecar.public);
    let asked = [
        "--metric", "accuracy", "--stat", "mean", "--window", "10d", "--bucket", "1d",
    ];
    let trends = |more: &[&str]| {
        let arguments = [&["trends", "--url", &url], more].concat();
        run(&folder, &arguments)
    };
    let (code, table, _) = trends(&asked);
    assert_eq!(code, Some(0));
    let mut lines = table.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("OPERATION  ALGORITHM  TREND"),
        "{table}"
    );
    let row = lines.next().unwrap();
    for cell in [
        "detect",
        "iforest",
        "degrading",
        "-0.0200",
        "-2.47 %",
        "-0.1800",
        "-20.00 %",
    ] {
        assert!(row.contains(cell), "{cell}: {table}");
    }
    let (_, json, _) = trends(&[&asked[..], &["-o", "json"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["direction"], "degrading");
    let (_, csv, _) = trends(&[&asked[..], &["-o", "csv"]].concat());
    assert!(
        csv.starts_with("operation,algorithm,metric,stat,direction,buckets,"),
        "{csv}"
    );
    assert!(
        csv.contains("\ndetect,iforest,accuracy,mean,degrading,10,10,-0.0"),
        "{csv}"
    );
    assert_eq!(trends(&["--operation", "other"]).0, Some(3));
    let (code, _, said) = trends(&["--bucket", "7m"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("buckets of 7m"), "{said}");
    let (code, ..) = run(&folder, &["trends", "--url", "http://127.0.0.1:1"]);
    assert_eq!(code, Some(4));
}

#[test]
fn a_rule_on_a_trend_fires_and_shows_its_slope() {
    let rules = r"
groups:
  - name: drift
    interval: 1s
    rules:
      - alert: AccuracyDeclines
        trend: {metric: accuracy, stat: mean, window: 10d, bucket: 1d, falling: 0.01 per day, reaches: 0.5 within 30d}
        labels: {severity: high}
        annotations:
          summary: '{{ $labels.operation }} loses {{ $value }} a day, limit {{ $threshold }}, {{ $n }} runs'
";
    let sidecar = Sidecar::start("rule_files: [rules.yaml]", &[("rules.yaml", rules)]);
    declining(&sidecar);
    let alert = crate::sidecar::wait_for("the alert", || {
        let alerts = sidecar.data("/api/v1/alerts");
        alerts["alerts"].as_array()?.first().cloned()
    });
    assert_eq!(alert["labels"]["alertname"], "AccuracyDeclines");
    assert_eq!(alert["state"], "firing", "{alert}");
    let summary = alert["annotations"]["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("detect loses -0.0") && summary.ends_with("10 runs"),
        "{summary}"
    );
    let page = sidecar.metrics();
    let of = |name: &str| -> f64 {
        let mut lines = page.lines().filter(|line| line.starts_with(name));
        let line = lines.find(|line| line.contains("\"AccuracyDeclines\""));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!((of("opwatch_rule_value{") + 0.02).abs() < 1e-9);
    assert!((of("opwatch_rule_limit{") + 0.01).abs() < 1e-9);
}

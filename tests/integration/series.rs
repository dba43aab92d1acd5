//! `/api/v1/series`: a statistic over time, every measurement in exactly one piece.

use opwatch::clock::Clock;
use serde_json::{Value, json};

use crate::sidecar::Sidecar;

/// Unix seconds of now.
fn now() -> u64 {
    let millis = Clock::start().now().wall.millis();
    u64::try_from(millis / 1_000).unwrap()
}

fn record(algorithm: &str, host: &str, at: u64, seconds: f64) -> Value {
    json!({"operation": "detect", "algorithm": algorithm, "labels": {"host": host}, "timestamp": at,
           "duration_seconds": seconds, "samples": 10})
}

type Piece = (String, f64, u64);

/// Of each line, its labels by `name`, and its pieces as start, value and number.
fn lines(data: &Value, name: &str) -> Vec<(String, Vec<Piece>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let lines = data["series"].as_array().unwrap().iter();
    let lines = lines.map(|line| {
        let points = line["points"].as_array().unwrap().iter();
        let points = points.map(|point| {
            let value = point["value"].as_f64().unwrap();
            (text(&point["start"]), value, point["n"].as_u64().unwrap())
        });
        (text(&line["labels"][name]), points.collect())
    });
    lines.collect()
}

#[test]
fn case_35_every_measurement_is_in_exactly_one_piece_and_throughput_is_by_rate() {
    let sidecar = Sidecar::start("", &[]);
    // So far back that all tiers but the coarsest are there.
    const HOURS: u64 = 40;
    let end = now() / 3_600 * 3_600;
    let mut records = Vec::new();
    for hour in 1..=HOURS {
        for minute in [1, 20, 60] {
            let at = end - hour * 3_600 + minute * 60;
            records.push(record("a", "x", at, 1.0));
            records.push(record("b", "x", at, 2.0));
            records.push(record("b", "y", at, 4.0));
        }
    }
    sidecar.measure(&Value::from(records).to_string());
    let from = end - HOURS * 3_600;
    let ask = |rest: &str| {
        let path = format!("/api/v1/series?operation=detect&from={from}&to={end}&step=1h{rest}");
        sidecar.data(&path)
    };

    let data = ask("&metric=duration&stat=max&by=algorithm");
    assert_eq!(
        (&data["stepSeconds"], &data["unit"], &data["stat"]),
        (&json!(3600.0), &json!("seconds"), &json!("max"))
    );
    let found = lines(&data, "algorithm");
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    for (points, value, n) in [(&found[0].1, 1.0, 3), (&found[1].1, 4.0, 6)] {
        assert_eq!(points.len() as u64, HOURS, "{data}");
        for (start, max, number) in points {
            assert_eq!((*max, *number), (value, n), "{start}");
        }
    }

    let each = lines(&ask("&metric=duration&stat=p95&algorithm=b"), "host");
    assert_eq!(each.len(), 2);
    let selected = ask("&metric=duration&select=%7Bhost%3D%22y%22%7D");
    assert_eq!(lines(&selected, "host")[0].1[7].1, 4.0);
    // Three times twenty samples in three times (2 + 4) seconds: a ratio of sums, not a mean of ratios.
    let throughput = lines(&ask("&metric=throughput&algorithm=b&by="), "");
    let (_, value, n) = &throughput[0].1[0];
    assert!((value - 20.0 / 6.0).abs() < 1e-9 && *n == 6, "{value} {n}");
    let rate = lines(&ask("&metric=rate&by="), "");
    assert!((rate[0].1[3].1 - 9.0 / 3_600.0).abs() < 1e-9);

    // Nobody was there: what is known of these hours may not be all.
    let all = data["series"][0]["points"].as_array().unwrap();
    assert!(all.iter().all(|point| point["partial"] == true));
    // Finer than it is stored nothing can be cut, and the answer says so.
    let path = format!("/api/v1/series?metric=duration&by=&from={from}&to={end}&step=10s");
    let data = sidecar.data(&path);
    assert_eq!(data["stepSeconds"], 600.0);
    let total: u64 = lines(&data, "")[0].1.iter().map(|(.., n)| n).sum();
    assert_eq!(total, HOURS * 9);
}

#[test]
fn what_is_asked_wrongly_is_answered_with_what_is_allowed() {
    let sidecar = Sidecar::start("", &[]);
    sidecar.measure(r#"{"operation":"op","duration_seconds":1,"quality":{"f1":0.5}}"#);
    for (query, status, expected) in [
        ("", 400, "metric is missing; allowed are duration, setup"),
        (
            "metric=duration&operatoin=op",
            400,
            "\"operatoin\" is no parameter; allowed are operation, algorithm",
        ),
        (
            "metric=duration&stat=p200",
            400,
            "allowed are mean, median, p50 to p99.9",
        ),
        (
            "metric=duration&from=0&step=1h",
            400,
            "at most 11000 are allowed, so choose a longer step than 1h",
        ),
        (
            "metric=duraton",
            404,
            "\"duraton\" is no metric, and no score of that name has been measured; there are duration",
        ),
        (
            "metric=duration&operation=other",
            404,
            "no operation \"other\" has been measured",
        ),
    ] {
        let reply = sidecar.get(&format!("/api/v1/series?{query}"));
        assert_eq!(reply.status, status, "{query}");
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(expected), "{error}");
    }
    let data = sidecar.data("/api/v1/series?metric=f1&stat=last");
    let point = &data["series"][0]["points"][0];
    assert_eq!((&point["value"], &point["n"]), (&json!(0.5), &json!(1)));
    let none = sidecar.data("/api/v1/series?metric=duration&algorithm=none");
    assert_eq!(none["series"], json!([]));
}

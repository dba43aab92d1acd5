//! Native histograms and exemplars in a real Prometheus, beside one that knows neither.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::exposition::{PROTOBUF, Samples, protobuf, sample, samples};
use crate::peers::{Peer, get, wait_until};
use crate::sidecar::{Sidecar, request};

/// What makes Prometheus ask for protobuf.
pub const FEATURES: &str = "--enable-feature=native-histograms,exemplar-storage";
/// Values per operation: as many as opwatch has exact statistics of.
const VALUES: u32 = 1_000;

/// A Prometheus that scrapes opwatch every second.
pub fn prometheus(sidecar: &Sidecar, flags: &[&str]) -> Option<Peer> {
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: opwatch, static_configs: [{{targets: ['{}']}}]}}]\n",
        sidecar.public
    );
    let flags: Vec<_> = flags.iter().copied().chain(["--log.level=warn"]).collect();
    Peer::prometheus(&config, &flags)
}

/// What an instant query finds.
pub fn query(prometheus: &Peer, expression: &str) -> Vec<Value> {
    let path = format!("/api/v1/query?query={}", escaped(expression));
    let (status, body) = get(prometheus.port, &path).unwrap();
    assert_eq!(status, 200, "{expression}: {body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    answer["data"]["result"].as_array().unwrap().clone()
}

/// The only number that an instant query finds.
fn number(prometheus: &Peer, expression: &str) -> Option<f64> {
    let found = query(prometheus, expression);
    assert!(found.len() <= 1, "{expression}: {found:?}");
    let value = found.first()?["value"][1].as_str()?;
    Some(value.parse().unwrap())
}

fn wait_for_number(prometheus: &Peer, expression: &str, expected: f64) {
    wait_until(&format!("{expression} to be {expected}"), || {
        (number(prometheus, expression) == Some(expected)).then_some(())
    });
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn measure(sidecar: &Sidecar, operation: &str, values: impl IntoIterator<Item = f64>) {
    let records = values
        .into_iter()
        .map(|seconds| json!({"operation": operation, "duration_seconds": seconds}));
    sidecar.measure(&Value::from(records.collect::<Vec<_>>()).to_string());
}

/// Points between 0 and 1 that look like chance and leave no gaps: the additive recurrence of the golden ratio.
fn points() -> impl Iterator<Item = f64> {
    (1..=VALUES).map(|n| (f64::from(n) * 0.618_033_988_749_894_9).fract())
}

/// A normal deviate for a point between 0 and 1, by the Box–Muller transform with a second sequence of points.
fn normal(place: u32, point: f64) -> f64 {
    let other = (f64::from(place + 1) * 0.754_877_666_246_692_8).fract();
    (-2.0 * point.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
}

fn lognormal() -> impl Iterator<Item = f64> {
    (0..)
        .zip(points())
        .map(|(n, p)| 0.4 * (0.5 * normal(n, p)).exp())
}

fn bimodal() -> impl Iterator<Item = f64> {
    (0..).zip(points()).map(|(n, p)| {
        let centre = if n % 10 < 7 { 0.05 } else { 3.0 };
        centre * (0.1 * normal(n, p)).exp()
    })
}

#[test]
fn prometheus_finds_the_quantiles_that_opwatch_does() {
    let sidecar = Sidecar::start("", &[]);
    measure(&sidecar, "lognormal", lognormal());
    measure(&sidecar, "bimodal", bimodal());
    measure(&sidecar, "constant", points().map(|_| 2.0));
    let Some(prometheus) = prometheus(&sidecar, &[FEATURES]) else {
        return;
    };
    for operation in ["lognormal", "bimodal", "constant"] {
        let series = format!("opwatch_operation_duration_seconds{{operation=\"{operation}\"}}");
        wait_for_number(
            &prometheus,
            &format!("histogram_count({series})"),
            f64::from(VALUES),
        );
        let page = sidecar.metrics();
        let labels = format!("{{operation=\"{operation}\",outcome=\"success\"}}");
        let sum = page.lines().find_map(|line| {
            line.strip_prefix("opwatch_operation_duration_seconds_sum")?
                .strip_prefix(&labels)
        });
        let sum: f64 = sum.unwrap().trim().parse().unwrap();
        assert_eq!(
            number(&prometheus, &format!("histogram_sum({series})")),
            Some(sum)
        );
        let path = format!("/api/v1/operations/{operation}");
        let ours = &sidecar.data(&path)["metrics"]["duration"];
        assert_eq!(ours["n"], VALUES, "{ours}");
        for (q, statistic) in [(0.5, "median"), (0.95, "p95"), (0.99, "p99")] {
            let theirs = number(&prometheus, &format!("histogram_quantile({q}, {series})"));
            let (theirs, ours) = (theirs.unwrap(), ours[statistic].as_f64().unwrap());
            let apart = (theirs / ours - 1.0).abs();
            println!(
                "{operation} {statistic}: {ours} here, {theirs} there, {:.2} % apart",
                apart * 100.0
            );
            // One bucket is 2.2 % wide, and Prometheus takes its values to lie evenly in it.
            assert!(
                apart < 0.012,
                "{operation} {q}: {ours} here, {theirs} there"
            );
        }
    }
    // Only protobuf brings native histograms, and with them this version leaves the classic buckets out.
    assert_eq!(
        query(&prometheus, "opwatch_operation_duration_seconds_bucket"),
        Vec::<Value>::new()
    );
}

#[test]
fn the_increase_of_a_native_histogram_is_what_came_in_between() {
    let sidecar = Sidecar::start("", &[]);
    measure(&sidecar, "load", (0..400).map(|_| 0.25));
    let Some(prometheus) = prometheus(&sidecar, &[FEATURES]) else {
        return;
    };
    let histogram = r#"opwatch_operation_duration_seconds{operation="load"}"#;
    let counter = r#"opwatch_operations_total{operation="load",outcome="success"}"#;
    wait_for_number(&prometheus, &format!("histogram_count({histogram})"), 400.0);
    measure(&sidecar, "load", (0..100).map(|_| 4.0));
    wait_for_number(&prometheus, &format!("histogram_count({histogram})"), 500.0);
    // Both come from the same scrapes and are extrapolated alike, so the ratio is exact.
    let ratio = format!(
        "histogram_count(increase({histogram}[1m])) / on(operation) increase({counter}[1m])"
    );
    let ratio = number(&prometheus, &ratio).unwrap();
    assert!((ratio - 1.0).abs() < 1e-9, "{ratio}");
    // What was there before is no part of the increase: all of it is the 4 s.
    let median = number(
        &prometheus,
        &format!("histogram_quantile(0.5, increase({histogram}[1m]))"),
    );
    let median = median.unwrap();
    assert!((3.9..=4.0).contains(&median), "{median}");
}

#[test]
fn exemplars_arrive() {
    let sidecar = Sidecar::start("", &[]);
    sidecar.measure(r#"{"operation":"load","duration_seconds":0.3,"trace_id":"0af7651916cd43dd8448eb211c80319c"}"#);
    // With the feature for protobuf, and without for OpenMetrics.
    for (flag, name) in [
        (FEATURES, "opwatch_operation_duration_seconds"),
        (
            "--enable-feature=exemplar-storage",
            "opwatch_operation_duration_seconds_bucket",
        ),
    ] {
        let Some(prometheus) = prometheus(&sidecar, &[flag]) else {
            return;
        };
        let path = format!("/api/v1/query_exemplars?query={name}&start=0&end=9999999999");
        let found = wait_until("an exemplar", || {
            let (_, body) = get(prometheus.port, &path)?;
            let answer: Value = serde_json::from_str(&body).unwrap();
            answer["data"].as_array()?.first().cloned()
        });
        assert_eq!(found["seriesLabels"]["operation"], "load", "{found}");
        let exemplar = &found["exemplars"][0];
        assert_eq!(
            exemplar["labels"]["trace_id"],
            "0af7651916cd43dd8448eb211c80319c"
        );
        assert_eq!(exemplar["value"], "0.3", "{found}");
    }
}

#[test]
fn prometheus_without_the_feature_finds_the_classic_histogram_of_the_page() {
    let sidecar = Sidecar::start("", &[]);
    measure(&sidecar, "lognormal", lognormal());
    let Some(prometheus) = prometheus(&sidecar, &[]) else {
        return;
    };
    let name = "opwatch_operation_duration_seconds";
    wait_for_number(&prometheus, &format!("{name}_count"), f64::from(VALUES));
    let ours = |mut all: Samples| {
        all.retain(|(family, _), _| family.starts_with(name));
        all
    };
    let page = ours(samples(&sidecar.metrics()));
    let accept = [("Accept", PROTOBUF)];
    let reply = request(&sidecar.public, "GET", "/metrics", &accept, b"");
    assert_eq!(ours(protobuf::read(&reply.body).samples), page);
    let found = query(
        &prometheus,
        &format!("{{__name__=~\"{name}_(bucket|sum|count)\"}}"),
    );
    let mut scraped = BTreeMap::new();
    for one in found {
        let (name, mut labels) = sample(&one["metric"]);
        labels.retain(|name, _| name != "job" && name != "instance");
        let value: f64 = one["value"][1].as_str().unwrap().parse().unwrap();
        scraped.insert((name, labels), value);
    }
    assert_eq!(scraped, page);
}

#[test]
fn a_series_that_comes_back_after_its_time_to_live_goes_on_counting() {
    let sidecar = Sidecar::start("store: {series_ttl: 3s}\n", &[]);
    measure(&sidecar, "rare", (0..100).map(|_| 0.25));
    let Some(prometheus) = prometheus(&sidecar, &[FEATURES]) else {
        return;
    };
    let histogram = r#"opwatch_operation_duration_seconds{operation="rare"}"#;
    let counter = r#"opwatch_operations_total{operation="rare",outcome="success"}"#;
    // It would leave before the first scrape, for which Prometheus takes its time.
    let mut sent = 100;
    wait_until("the series to reach Prometheus", || {
        measure(&sidecar, "rare", [0.25]);
        sent += 1;
        (!query(&prometheus, counter).is_empty()).then_some(())
    });
    wait_until("the series to leave Prometheus", || {
        query(&prometheus, counter).is_empty().then_some(())
    });
    measure(&sidecar, "rare", (0..7).map(|_| 0.25));
    let all = f64::from(sent + 7);
    wait_for_number(&prometheus, counter, all);
    wait_for_number(&prometheus, &format!("histogram_count({histogram})"), all);
    assert_eq!(
        number(&prometheus, &format!("resets({counter}[5m])")),
        Some(0.0)
    );
    // A reset would show as an increase by everything since the beginning.
    for increase in [
        format!("increase({counter}[5m])"),
        format!("histogram_count(increase({histogram}[5m]))"),
    ] {
        let increase = number(&prometheus, &increase).unwrap();
        assert!((7.0..90.0).contains(&increase), "{increase}");
    }
}

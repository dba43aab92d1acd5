//! What has been measured, as three witnesses have it: the metrics page, Prometheus, and the program's own log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use crate::exposition::samples;
use crate::peers;
use crate::sidecar::{Sidecar, wait_for};

/// Name and labels of a series, `le` written as `f64` prints it.
type Identity = (String, BTreeMap<String, String>);
type Series = BTreeMap<Identity, f64>;

/// How far two sums of the same numbers may be apart, relative to the sum.
const ROUNDING: f64 = 1e-9;
/// How far apart times may be, in seconds: opwatch keeps milliseconds.
const MILLISECOND: f64 = 1e-3;

/// Checks that Prometheus has what the metrics page says and that both say what the program has logged; `bounds` are the buckets
/// that each operation is configured to have.
pub fn check(sidecar: &Sidecar, prometheus: u16, records: &[Value], bounds: &[(&str, &[f64])]) {
    let shown = of_opwatch(sidecar);
    let scraped = wait_for("Prometheus to scrape everything", || {
        let total = |series: &Series| -> f64 {
            let named = |of: &&Identity| of.0 == "opwatch_operations_total";
            series.keys().filter(named).map(|of| series[of]).sum()
        };
        Some(of_prometheus(prometheus)).filter(|scraped| total(scraped) >= records.len() as f64)
    });
    assert_eq!(scraped, shown);

    let expected = of_log(records, &shown);
    let names = |series: &mut dyn Iterator<Item = &Identity>| series.cloned().collect();
    let (found, wanted): (BTreeSet<_>, BTreeSet<_>) =
        (names(&mut shown.keys()), names(&mut expected.keys()));
    assert_eq!(found, wanted);
    for (of, (value, tolerance)) in &expected {
        let found = shown[of];
        assert!(
            (found - value).abs() <= *tolerance,
            "{of:?} is {found}, but by the log {value}"
        );
    }
    for (operation, bounds) in bounds {
        let name = "opwatch_operation_duration_seconds_bucket";
        let buckets = shown
            .keys()
            .filter(|(found, labels)| found == name && labels["operation"] == *operation);
        let found: BTreeSet<&str> = buckets.map(|(_, labels)| labels["le"].as_str()).collect();
        let wanted: Vec<String> = bounds.iter().map(f64::to_string).collect();
        let wanted = wanted.iter().map(String::as_str).chain(["inf"]).collect();
        assert_eq!(found, wanted);
    }
}

fn of_opwatch(sidecar: &Sidecar) -> Series {
    let mut series = samples(&sidecar.metrics());
    series.retain(|(name, _), _| name.starts_with("opwatch_operation"));
    series
}

fn of_prometheus(port: u16) -> Series {
    let mut query = String::new();
    for byte in br#"{__name__=~"opwatch_operation.*"}"# {
        write!(query, "%{byte:02X}").unwrap();
    }
    let (status, body) = peers::get(port, &format!("/api/v1/query?query={query}")).unwrap();
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let result = answer["data"]["result"].as_array().unwrap();
    let series = result.iter().map(|sample| {
        let metric = sample["metric"].as_object().unwrap();
        let mut labels: BTreeMap<String, String> = metric
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        // Where it was scraped; not part of what opwatch says.
        for own in ["instance", "job"] {
            labels.remove(own).unwrap();
        }
        if let Some(bound) = labels.get_mut("le") {
            *bound = bound.parse::<f64>().unwrap().to_string();
        }
        let name = labels.remove("__name__").unwrap();
        let value = sample["value"][1].as_str().unwrap().parse().unwrap();
        ((name, labels), value)
    });
    // Prometheus reads OpenMetrics, which has creation times too; the classic page it is compared with has none.
    let classic = series.filter(|((name, _), _)| !name.ends_with("_created"));
    classic.collect()
}

/// What the page should say of these records, and how far off it may be; the bounds of the buckets are those of the page.
fn of_log(records: &[Value], page: &Series) -> BTreeMap<Identity, (f64, f64)> {
    let mut groups: BTreeMap<BTreeMap<String, String>, Vec<&Value>> = BTreeMap::new();
    for record in records {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut labels: BTreeMap<_, _> = ["operation", "algorithm", "version"]
            .into_iter()
            .map(|name| (name.to_owned(), text(&record[name])))
            .collect();
        labels.insert("dataset".to_owned(), text(&record["labels"]["dataset"]));
        assert_eq!(record["outcome"], "success", "{record}");
        groups.entry(labels).or_default().push(record);
    }
    let mut expected = BTreeMap::new();
    for (labels, records) in groups {
        let mut log = Log {
            labels,
            records,
            page,
            expected: &mut expected,
        };
        let seconds = |record: &Value| record["duration_seconds"].as_f64().unwrap();
        let samples = |record: &Value| record["samples"].as_f64().unwrap();
        let number = |name: &'static str| move |record: &Value| record[name].as_f64().unwrap();
        let success = [("outcome", "success")];
        log.put("operations_total", &success, log.count(), 0.0);
        log.put("operations_total", &[("outcome", "failure")], 0.0, 0.0);
        log.histogram("operation_duration_seconds", &success, seconds);
        log.histogram(
            "operation_memory_peak_bytes",
            &[],
            number("memory_peak_bytes"),
        );
        log.histogram("operation_cpu_cores", &[], number("cpu_cores"));
        log.histogram("operation_throughput", &[], |r| samples(r) / seconds(r));
        log.last("operation_memory_bytes", &[], number("memory_bytes"));
        log.last("operation_last_duration_seconds", &[], seconds);
        let at = log.records.last().unwrap()["timestamp"].as_f64().unwrap();
        log.put("operation_last_timestamp_seconds", &[], at, MILLISECOND);
        log.sum("operation_samples_total", samples);
        let cores = number("cpu_cores");
        log.sum("operation_cpu_seconds_total", |r| cores(r) * seconds(r));
        for (score, _) in log.records[0]["quality"].as_object().into_iter().flatten() {
            let of = [("score", score.as_str())];
            log.last("operation_quality", &of, |record| {
                record["quality"][score].as_f64().unwrap()
            });
            // CPU times rest on no samples.
            if log.records[0]["quality_samples"].is_number() {
                log.last("operation_quality_samples", &of, number("quality_samples"));
            }
            let name = "operation_quality_timestamp_seconds";
            log.put(name, &of, at, MILLISECOND);
        }
    }
    expected
}

/// The records of one series and what they lead one to expect.
struct Log<'a> {
    labels: BTreeMap<String, String>,
    records: Vec<&'a Value>,
    page: &'a Series,
    expected: &'a mut BTreeMap<Identity, (f64, f64)>,
}

impl Log<'_> {
    fn count(&self) -> f64 {
        self.records.len() as f64
    }

    fn identity(&self, name: &str, more: &[(&str, &str)]) -> Identity {
        let mut labels = self.labels.clone();
        let more = more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        labels.extend(more);
        (format!("opwatch_{name}"), labels)
    }

    fn put(&mut self, name: &str, more: &[(&str, &str)], value: f64, tolerance: f64) {
        self.expected
            .insert(self.identity(name, more), (value, tolerance));
    }

    fn last(&mut self, name: &str, more: &[(&str, &str)], value: impl Fn(&Value) -> f64) {
        let value = value(self.records.last().unwrap());
        self.put(name, more, value, value.abs() * ROUNDING);
    }

    fn sum(&mut self, name: &str, value: impl Fn(&Value) -> f64) {
        self.sum_of(name, &[], value);
    }

    fn sum_of(&mut self, name: &str, more: &[(&str, &str)], value: impl Fn(&Value) -> f64) {
        let sum: f64 = self.records.iter().map(|record| value(record)).sum();
        self.put(name, more, sum, sum.abs() * ROUNDING);
    }

    fn histogram(&mut self, name: &str, more: &[(&str, &str)], value: impl Fn(&Value) -> f64) {
        self.sum_of(&format!("{name}_sum"), more, &value);
        self.put(&format!("{name}_count"), more, self.count(), 0.0);
        let (buckets, own) = self.identity(&format!("{name}_bucket"), more);
        let bounds = self.page.keys().filter_map(|(found, labels)| {
            let bound = labels.get("le")?;
            let rest = labels.iter().filter(|(label, _)| *label != "le");
            (*found == buckets && rest.eq(&own)).then(|| bound.clone())
        });
        for bound in bounds.collect::<Vec<_>>() {
            let limit: f64 = bound.parse().unwrap();
            let within = self.records.iter().filter(|record| value(record) <= limit);
            let count = within.count() as f64;
            let more = [more, &[("le", bound.as_str())]].concat();
            self.put(&format!("{name}_bucket"), &more, count, 0.0);
        }
    }
}

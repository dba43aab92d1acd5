//! Killed over and over under load, opwatch is in the end what it would be had it run without a break.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::client::{Client, check_all_is_there, sent};
use super::setting;
use crate::exposition::{PROTOBUF, protobuf, samples};
use crate::oracle::Chance;
use crate::sidecar::{Folder, PATIENCE, Sidecar, request, run};

const CONFIG: &str =
    "data_dir: data\nrule_files: [rules.yaml]\nevaluation_interval: 250ms\nself_rules: off\n";
const REFERENCE: &str = "rule_files: [rules.yaml]\nevaluation_interval: 250ms\nself_rules: off\n";
const CLIENTS: u64 = 4;
/// How many rules there are, and the instances of each.
const RULES: usize = 204;
const INSTANCES: usize = 12;

/// A rule for every statistic of some metrics over windows of either kind, so that the value of each is shown.
fn rules() -> String {
    let mut rules = "groups: [{name: windows, rules: [\n".to_owned();
    for metric in ["duration", "setup", "memory_peak", "novelty"] {
        for stat in "count sum min max mean median p95 p99 stddev last".split(' ') {
            for window in ["5m", "10m", "1h", "20 runs", "1000 runs"] {
                let name = format!("{metric}_{stat}_{}", window.replace(' ', "_"));
                writeln!(rules, "{{alert: {name}, threshold: {{metric: {metric}, stat: {stat}, window: {window}, above: 1000000000000}}}},").unwrap();
            }
        }
    }
    for window in ["5m", "10m", "1h", "20 runs"] {
        let name = window.replace(' ', "_");
        writeln!(rules, "{{alert: errors_{name}, threshold: {{metric: error_ratio, window: {window}, above: 99%}}}},").unwrap();
    }
    rules + "]}]\n"
}

/// Everything an opwatch knows of what was measured: the page with its native histograms and exemplars, the values of all
/// rules, and the statistics of the API; but not when it first heard of something.
pub fn known(sidecar: &Sidecar) -> BTreeMap<String, f64> {
    let mut known = BTreeMap::new();
    for ((name, labels), value) in samples(&sidecar.metrics()) {
        let is_of_measurements =
            name.starts_with("opwatch_operation") || name == "opwatch_rule_value";
        if is_of_measurements {
            known.insert(format!("{name} {labels:?}"), value);
        }
    }
    let accept = [("Accept", PROTOBUF)];
    let page = request(&sidecar.public, "GET", "/metrics", &accept, b"");
    let page = protobuf::read(&page.body);
    for ((name, labels), native) in page.native {
        let key = format!("{name} {labels:?} at scale {}", native.schema);
        known.insert(format!("{key}, zero"), native.zeros as f64);
        for (bucket, count) in native.buckets {
            known.insert(format!("{key}, bucket {bucket}"), count as f64);
        }
    }
    for (bound, (trace, value, at)) in page.exemplars {
        known.insert(format!("exemplar {trace} under {bound} at {at}"), value);
    }
    let operations = sidecar.data("/api/v1/operations");
    for operation in operations.as_array().unwrap() {
        let name = operation["operation"].as_str().unwrap();
        flatten(&format!("{name} in list"), operation, &mut known);
        let detail = sidecar.data(&format!("/api/v1/operations/{name}"));
        flatten(&format!("{name} alone"), &detail, &mut known);
    }
    known
}

fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, f64>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object.iter().filter(|(key, _)| *key != "since") {
                flatten(&format!("{path}, {key}"), value, into);
            }
        }
        Value::Array(array) => {
            for (place, value) in array.iter().enumerate() {
                flatten(&format!("{path}, {place}"), value, into);
            }
        }
        Value::Number(number) => {
            into.insert(path.to_owned(), number.as_f64().unwrap());
        }
        other => {
            into.insert(format!("{path} is {other}"), 1.0);
        }
    }
}

/// What differs; of floats only more than rounding may make.
fn differences(one: &BTreeMap<String, f64>, other: &BTreeMap<String, f64>) -> Vec<String> {
    let names = one
        .keys()
        .chain(other.keys().filter(|key| !one.contains_key(*key)));
    let pairs = names.map(|name| (name, one.get(name), other.get(name)));
    let differing = pairs.filter(|(name, one, other)| match (one, other) {
        (Some(one), Some(other)) => {
            // Buckets that are closed keep a rounded spread.
            let share = if name.contains("stddev") { 1e-6 } else { 1e-9 };
            (*one - *other).abs() > share * one.abs()
        }
        _ => true,
    });
    let lines =
        differing.map(|(name, one, other)| format!("{name}: {one:?}, without kills {other:?}"));
    lines.collect()
}

/// R1: what is acknowledged is there after a kill at any moment, nothing counts twice, and every window, run, bucket and
/// rule has the value that it has where nothing was killed.
#[test]
fn killed_over_and_over_it_knows_what_it_would_know_without() {
    let mut clients: Vec<Client> = (0..CLIENTS).map(Client::new).collect();
    let mut folder = Folder::new();
    folder.write("rules.yaml", &rules());
    let rounds = setting("OPWATCH_KILL_ROUNDS", 30);
    // From one run to the next the same moments, but no two alike.
    let mut chance = Chance(7);
    for round in 0..rounds {
        if round % 5 == 4 {
            // Also while it is still reading what there is.
            let starting = Sidecar::spawn_under(&[], folder, CONFIG);
            thread::sleep(Duration::from_millis(chance.below(80) as u64));
            folder = starting.kill();
        }
        let mut sidecar = Sidecar::start_in(folder, CONFIG);
        let stop = AtomicBool::new(false);
        folder = thread::scope(|scope| {
            for client in &mut clients {
                let (address, stop) = (sidecar.ingest.clone(), &stop);
                scope.spawn(move || client.send(&address, stop));
            }
            thread::sleep(Duration::from_millis(20 + chance.below(211) as u64));
            if round % 7 == 6 {
                sidecar.terminate();
            }
            let folder = sidecar.kill();
            stop.store(true, Ordering::Relaxed);
            folder
        });
    }
    let sidecar = Sidecar::start_in(folder, CONFIG);
    check_all_is_there(&sidecar, &mut clients, "after all kills");
    let (count, _) = sent(&clients);
    assert!(count > 5.0 * rounds as f64, "{count}");
    println!("{count} measurements over {rounds} kills");
    assert_eq!(sidecar.metric("opwatch_store_degraded"), Some(0.0));
    let (code, text, errors) = run(&sidecar.folder, &["store", "check", "--data-dir", "data"]);
    assert_eq!(code, Some(0), "{text}{errors}");

    let reference = Sidecar::start(REFERENCE, &[("rules.yaml", &rules())]);
    for client in &clients {
        client.tell_all(&reference);
    }
    // They need not judge at the same moment, so that one may be behind.
    let mut waited = Duration::ZERO;
    loop {
        let (one, other) = (known(&sidecar), known(&reference));
        let differing = differences(&one, &other);
        let is_value = |name: &&String| name.starts_with("opwatch_rule_value");
        let values = one.keys().filter(is_value).count();
        if differing.is_empty() && values == RULES * INSTANCES {
            println!("{} values are the same", one.len());
            return;
        }
        assert!(
            waited < PATIENCE / 4,
            "{values} values of rules, {} differ: {:#?}",
            differing.len(),
            differing.iter().take(40).collect::<Vec<_>>()
        );
        thread::sleep(Duration::from_millis(250));
        waited += Duration::from_millis(250);
    }
}

/// R1: also what has no ids counts once when its batch comes again.
#[test]
fn a_batch_without_ids_that_comes_again_after_a_kill_counts_once() {
    let send = |sidecar: &Sidecar, batch: &str| {
        let headers = [
            ("Content-Type", "application/json"),
            ("Opwatch-Batch", batch),
        ];
        let body =
            br#"[{"operation":"a","duration_seconds":1},{"operation":"","duration_seconds":1}]"#;
        request(&sidecar.ingest, "POST", "/v1/operations", &headers, body).text()
    };
    let mut sidecar = Sidecar::start("data_dir: data\n", &[]);
    let first = send(&sidecar, "client/1");
    for ends_cleanly in [false, true] {
        if ends_cleanly {
            sidecar.terminate();
        }
        sidecar = Sidecar::start_in(sidecar.kill(), "data_dir: data\n");
        // The answer is the same to the letter, with what was refused of the batch.
        assert_eq!(send(&sidecar, "client/1"), first);
        let counted =
            sidecar.metric(r#"opwatch_operations_total{operation="a",outcome="success"}"#);
        assert_eq!(counted, Some(1.0));
    }
    send(&sidecar, "client/2");
    let counted = sidecar.metric(r#"opwatch_operations_total{operation="a",outcome="success"}"#);
    assert_eq!(counted, Some(2.0));
}

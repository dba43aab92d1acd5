//! The same series written by prometheus-client, which knows nothing of ours: both pages have to say the same.

use std::sync::atomic::AtomicU64;

use opwatch::engine::measurement::{Draft, Outcome};
use opwatch::engine::time::Now;
use opwatch::engine::{Engine, Settings};
use opwatch::exposition::{Format, Internals, Snapshot};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{NOON, Samples, put, samples, written};

type Labels = Vec<(String, String)>;

/// Operation, algorithm, place; durations in seconds of what succeeded, and of what failed.
type Measured = (
    &'static str,
    &'static str,
    &'static str,
    &'static [f64],
    &'static [f64],
);

const MEASURED: &[Measured] = &[
    (
        "detect",
        "iforest",
        "eu{1}",
        &[0.25, 0.1, 2.0, 40.0],
        &[9.0],
    ),
    // On bounds, below the first and above the last one, and numbers that no decimal ends. Ours are
    // compensated sums and theirs are not, so both are of values that add up the same either way.
    ("detect", "lof", "", &[0.005, 1.0, 3_600.0], &[]),
    (
        "train",
        "",
        "a,b=\"c\"",
        &[1e-9, 1e-3, 0.25, 0.5],
        &[1e5, 1e300],
    ),
    (
        r#"train "big" in C:\new→größe"#,
        r"\n",
        r"\",
        &[1.0 / 3.0, 0.7],
        &[],
    ),
    ("fails", "", "", &[], &[5.0, 5.0]),
];

/// Upper bounds of durations in seconds, written out a second time.
const BOUNDS: [f64; 20] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    120.0, 300.0, 600.0, 1_800.0, 3_600.0,
];

/// Families by the name that their samples begin with.
const FAMILIES: [&str; 3] = [
    "opwatch_operations_total",
    "opwatch_operation_duration_seconds_",
    "opwatch_operation_last_duration_seconds",
];

#[test]
fn prometheus_client_writes_the_same_samples() {
    let (our_page, their_page) = (our_page(), their_page());
    let mut ours = samples(&our_page);
    ours.retain(|(name, _), _| {
        FAMILIES.iter().any(|family| name.starts_with(family)) && !name.ends_with("_created")
    });
    let theirs = samples(&their_page);
    assert!(theirs.len() > 150, "{}", theirs.len());
    let differing = |here: &Samples, there: &Samples| -> Samples {
        let differ = here
            .iter()
            .filter(|(key, value)| there.get(*key) != Some(*value));
        differ.map(|(key, value)| (key.clone(), *value)).collect()
    };
    assert_eq!(differing(&ours, &theirs), differing(&theirs, &ours));
    let types = |line: &&str| line.starts_with("# TYPE ") || line.starts_with("# UNIT ");
    let theirs: Vec<_> = their_page.lines().filter(types).collect();
    assert_eq!(theirs.len(), 5, "{theirs:?}");
    for line in theirs {
        assert!(our_page.lines().any(|ours| ours == line), "{line}");
    }
}

fn our_page() -> String {
    let noon = Now::invented(NOON);
    let mut engine = Engine::new(Settings::default(), noon);
    for (operation, algorithm, place, successes, failures) in MEASURED {
        let successes = successes.iter().map(|seconds| (Outcome::Success, seconds));
        let failures = failures.iter().map(|seconds| (Outcome::Failure, seconds));
        for (outcome, seconds) in successes.chain(failures) {
            let draft = Draft {
                operation,
                algorithm,
                labels: vec![("place", place)],
                duration_seconds: Some(*seconds),
                outcome: Some(outcome),
                ..Draft::default()
            };
            put(&mut engine, draft, noon);
        }
    }
    let snapshot = Snapshot::take(&engine, noon, Internals::default());
    written(Format::OpenMetrics, &snapshot)
}

fn their_page() -> String {
    let operations = Family::<Labels, Counter>::default();
    let durations = Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(BOUNDS));
    let last = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    for (operation, algorithm, place, successes, failures) in MEASURED {
        let mut labels = Labels::new();
        for (name, value) in [
            ("operation", operation),
            ("algorithm", algorithm),
            ("place", place),
        ] {
            if !value.is_empty() {
                labels.push((name.to_owned(), (*value).to_owned()));
            }
        }
        for (outcome, seconds) in [("success", successes), ("failure", failures)] {
            let mut labels = labels.clone();
            labels.push(("outcome".to_owned(), outcome.to_owned()));
            // Both outcomes are counted from the start; only what has ended has durations.
            operations
                .get_or_create(&labels)
                .inc_by(seconds.len() as u64);
            for seconds in *seconds {
                durations.get_or_create(&labels).observe(*seconds);
            }
        }
        if let Some(seconds) = successes.last() {
            last.get_or_create(&labels).set(*seconds);
        }
    }
    let mut registry = Registry::with_prefix("opwatch");
    registry.register("operations", "Ended", operations);
    registry.register_with_unit("operation_duration", "Took", Unit::Seconds, durations);
    registry.register_with_unit("operation_last_duration", "Last", Unit::Seconds, last);
    let mut page = String::new();
    encode(&mut page, &registry).unwrap();
    page
}

//! How fast a recording is judged: thirty days of ten operations by one rule with two levels, every 15 s.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    reason = "a program that measures; where it cannot go on it says so by failing"
)]

use std::time::Instant;

use opwatch::engine::Settings;
use opwatch::engine::measurement::{Draft, Measurement};
use opwatch::engine::time::Timestamp;
use opwatch::replay::{Recording, Setting, replay};
use opwatch::rulefile::{Surroundings, load};

/// A moment on the grid of 15 s.
const START: i64 = 1_700_000_100_000;
const SECONDS: i64 = 30 * 86_400;
const OPERATIONS: i64 = 10;

fn main() {
    for (name, every) in [
        ("every 15 s", 15),
        ("every minute", 60),
        ("every hour", 3_600),
    ] {
        let recording = recording(every);
        for window in ["10m", "20 runs"] {
            let setting = setting(window);
            let begun = Instant::now();
            let replayed = replay(&recording, &setting).unwrap();
            let took = begun.elapsed().as_secs_f64();
            let judged = OPERATIONS as f64 * replayed.evaluations as f64;
            println!(
                "{OPERATIONS} operations {name}, {window}: {} measurements, {} evaluations of {OPERATIONS} instances in {took:.2} s: {:.2} M instances/s",
                replayed.counts.accepted,
                replayed.evaluations,
                judged / took / 1e6
            );
        }
    }
}

fn recording(every: i64) -> Recording {
    Recording::new((0..SECONDS / every).flat_map(|step| {
        (0..OPERATIONS).map(move |n| {
            let second = step * every + n % every;
            let measurement = Measurement::new(Draft {
                operation: &format!("op{n}"),
                duration_seconds: Some(1.0),
                ..Draft::default()
            });
            let at = Timestamp::from_millis(START + second * 1_000);
            (at, measurement.unwrap())
        })
    }))
}

fn setting(window: &str) -> Setting {
    let rules = format!(
        "groups: [{{name: g, interval: 15s, rules: [{{alert: Slow, threshold: {{metric: duration, stat: p95, window: {window}, above: {{medium: 5s, high: 10s}}}}}}]}}]"
    );
    let loaded = load("rules.yaml", rules, Surroundings::default());
    assert!(
        loaded.findings.faults.is_empty(),
        "{:?}",
        loaded.findings.faults
    );
    Setting {
        engine: Settings {
            groups: loaded.groups,
            ..Settings::default()
        },
        ..Setting::default()
    }
}

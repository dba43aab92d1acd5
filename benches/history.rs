//! What a long run holds, with simulated time: `history OPERATIONS METRICS DAYS`.
//!
//! Every operation is measured every ten seconds, with one to five metrics, for so many simulated days; the clock of
//! the engine is an argument, so that a week takes a minute. Says in one line of JSON what the process and the series
//! take then, and how long it takes to cut seven days into hours and to find the last 1 000 values, all series merged. `benches/peers/run memory` uses it.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program that measures; where it cannot go on it says so by failing"
)]

use std::time::Duration;

use opwatch::clock::Clock;
use opwatch::engine::admission::Batch;
use opwatch::engine::measurement::{Draft, Measurement};
use opwatch::engine::metric::{Column, Stat};
use opwatch::engine::store::{Cut, StoreSettings};
use opwatch::engine::time::{Now, Timestamp};
use opwatch::engine::window::Reach;
use opwatch::engine::{Engine, Settings};

/// Seconds between two measurements of an operation.
const STEP: u64 = 10;

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let [operations, metrics, days] = words.as_slice() else {
        println!("usage: history OPERATIONS METRICS DAYS; see benches/peers/run");
        return;
    };
    let operations: u64 = operations.parse().expect("OPERATIONS is a whole number");
    let metrics: u64 = metrics.parse().expect("METRICS is a whole number");
    let days: f64 = days.parse().expect("DAYS is a number");
    let at = |second| Now::invented(Duration::from_secs(1_769_860_800 + second));
    // As much as the service gives the store by default.
    let max_memory = StoreSettings::default().max_memory / 4 * 3;
    let settings = Settings {
        store: StoreSettings {
            max_memory,
            ..StoreSettings::default()
        },
        ..Settings::default()
    };
    let mut engine = Engine::new(settings, at(0));
    let mut peak = 0;
    for second in (0..(days * 86_400.0) as u64).step_by(STEP as usize) {
        let records = (0..operations)
            .map(|n| record(n, second, metrics))
            .collect();
        let now = at(second);
        let (admitted, _) = engine.admit(
            Batch {
                origin: None,
                records,
            },
            now,
        );
        engine.apply(&admitted, now);
        // What a tick does where nothing is due: time moves on in the store.
        for due in engine.due(now) {
            let answer = engine.answer(due, now);
            engine.evaluate(due, &answer, now);
        }
        peak = peak.max(engine.store().heap_bytes());
    }
    let clock = Clock::start();
    let store = engine.store();
    let ids: Vec<_> = store.series().map(|(id, _)| id).collect();
    let end =
        Timestamp::from_millis(1_769_860_800_000).after(Duration::from_secs_f64(days * 86_400.0));
    let cut = Cut {
        from: end.before(Duration::from_secs(7 * 86_400)),
        to: end,
        step: Duration::from_secs(3_600),
        with_quantiles: true,
    };
    // Seven days in pieces of an hour, all series merged, with and without quantiles.
    let points = |with_quantiles| {
        let began = clock.now().steady;
        let points = store.points(
            &ids,
            Column::Duration,
            Cut {
                with_quantiles,
                ..cut
            },
            end,
        );
        let points = points.finish(engine.watched());
        let stats: f64 = points
            .iter()
            .filter_map(|point| {
                point.window.stat(if with_quantiles {
                    Stat::Quantile(0.95)
                } else {
                    Stat::Mean
                })
            })
            .sum();
        assert!(stats > 0.0);
        (
            points.len(),
            (clock.now().steady - began).as_secs_f64() * 1e3,
        )
    };
    let (pieces, quantiles_ms) = points(true);
    let (_, moments_ms) = points(false);
    let began = clock.now().steady;
    let runs = store.window(&ids, Column::Duration, Reach::Runs(1_000), true, end);
    assert!(runs.stat(Stat::Quantile(0.5)).is_some());
    let runs_ms = (clock.now().steady - began).as_secs_f64() * 1e3;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |name: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.unwrap_or(0.0)
    };
    println!(
        r#"{{"series":{},"store_mib":{},"store_peak_mib":{},"resident_mib":{},"resident_peak_mib":{},"rows_dropped":{},"buckets_dropped":{},"points":{pieces},"points_ms":{moments_ms},"points_with_quantiles_ms":{quantiles_ms},"run_window_ms":{runs_ms}}}"#,
        engine.store().len(),
        engine.store().heap_bytes() as f64 / 1_048_576.0,
        peak as f64 / 1_048_576.0,
        kib("VmRSS:") / 1_024.0,
        kib("VmHWM:") / 1_024.0,
        engine.store().losses.history_rows,
        engine.store().losses.buckets,
    );
}

fn record(
    n: u64,
    second: u64,
    metrics: u64,
) -> Result<Measurement, opwatch::engine::series::FieldFault> {
    let operation = format!("op{n}");
    // A day and a bit of noise, so that sketches have something to hold.
    let noise = (n * 7_919 + second * 104_729) % 1_000;
    let day = (second as f64 / 86_400.0 * std::f64::consts::TAU).sin();
    let seconds = (0.2 + 0.1 * day) * (1.0 + noise as f64 / 1_000.0);
    let value = |place: u64, value: f64| (metrics >= place).then_some(value);
    Measurement::new(Draft {
        operation: &operation,
        duration_seconds: Some(seconds),
        cpu_cores: value(2, seconds * 2.0),
        memory_bytes: value(3, 1e8 * (1.0 + seconds)),
        memory_peak_bytes: value(4, 2e8 * (1.0 + seconds)),
        samples: (metrics >= 5).then_some(1_000 + noise),
        ..Draft::default()
    })
}

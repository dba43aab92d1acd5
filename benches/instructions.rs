//! The hot paths as programs without a clock, so that their instructions can be counted: `benches/profile` does.
//!
//! `instructions WHAT ROUNDS` prepares the same data at every run and then does the work that often; what the
//! preparation costs falls out of the difference between two numbers of rounds.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "a program that cannot go on says so by failing"
)]

use std::env;
use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use opwatch::engine::admission::Batch;
use opwatch::engine::condition::{Comparison, Condition, Level, Threshold};
use opwatch::engine::measurement::{Draft, Measurement};
use opwatch::engine::metric::{Metric, Stat};
use opwatch::engine::rule::{Hold, Mode, OnError, Rule, RuleGroup, Severity};
use opwatch::engine::selector::Selector;
use opwatch::engine::store::{Grids, StoreSettings};
use opwatch::engine::time::Now;
use opwatch::engine::window::Reach;
use opwatch::engine::{Engine, Settings};
use opwatch::exposition::{self, Format, Internals, Snapshot};
use opwatch::ingest::json::{self, Form};

/// Measurements in a batch, rules, operations and series: a thousand of each.
const MANY: u64 = 1_000;

fn main() {
    let words: Vec<String> = env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let [what, rounds] = words.as_slice() else {
        println!(
            "usage: instructions read|ingest|feed|rules|snapshot|text|openmetrics ROUNDS; see benches/profile"
        );
        return;
    };
    let rounds: u64 = rounds.parse().expect("ROUNDS is a whole number");
    // What one round works through, so that a script can divide by it.
    let per_round = match what.as_str() {
        "read" => read(rounds),
        "ingest" => ingest(rounds),
        "feed" => judge(rounds, false),
        "rules" => judge(rounds, true),
        "snapshot" => snapshot(rounds),
        "text" => page(Format::Text, rounds),
        "openmetrics" => page(Format::OpenMetrics, rounds),
        other => panic!("{other:?} is none of the paths"),
    };
    println!("{per_round}");
}

fn at(second: u64) -> Now {
    Now::invented(Duration::from_secs(1_769_860_800 + second))
}

/// A batch as a client sends it: five values each, over 100 series.
fn lines() -> String {
    let mut text = String::new();
    for n in 0..MANY {
        let _ = writeln!(
            text,
            r#"{{"operation":"op{}","algorithm":"iforest","duration_seconds":{},"cpu_cores":0.8,"memory_bytes":104857600,"memory_peak_bytes":209715200,"samples":1000}}"#,
            n % 100,
            seconds(n),
        );
    }
    text
}

fn seconds(n: u64) -> f64 {
    0.01 * f64::from(u32::try_from(n % 97 + 1).unwrap_or(1))
}

fn read(rounds: u64) -> u64 {
    let body = lines();
    for _ in 0..rounds {
        let records = json::read(body.as_bytes(), Form::Lines, &[]);
        assert_eq!(
            black_box(records).map_or(0, |records| records.len()) as u64,
            MANY
        );
    }
    MANY
}

fn ingest(rounds: u64) -> u64 {
    let body = lines();
    let mut engine = Engine::new(Settings::default(), at(0));
    for _ in 0..rounds {
        let records = json::read(body.as_bytes(), Form::Lines, &[]).unwrap_or_default();
        take(&mut engine, records, at(1));
    }
    MANY
}

fn take(
    engine: &mut Engine,
    records: Vec<Result<Measurement, opwatch::engine::series::FieldFault>>,
    now: Now,
) {
    let origin = None;
    let (admitted, answer) = engine.admit(Batch { origin, records }, now);
    engine.apply(&admitted, now);
    assert!(answer.rejected.is_empty());
}

fn rule(number: u64) -> Option<Rule> {
    Some(Rule {
        name: format!("Slow{number}"),
        select: Selector::parse(&format!(r#"{{operation="op{number}"}}"#)).ok()?,
        by: vec!["operation".into(), "algorithm".into()],
        condition: Condition::Threshold(Threshold {
            metric: Metric::Duration,
            stat: Stat::Quantile(0.95),
            reach: Reach::Time(Duration::from_secs(60)),
            comparison: Comparison::Above,
            levels: vec![Level {
                severity: Some(Severity::High),
                limit: 10.0,
                recover: None,
            }],
            min_samples: 1,
            relative: None,
        }),
        hold: Hold::default(),
        mode: Mode::Active,
        on_error: OnError::Keep,
        depends_on: Vec::new(),
        actions: Vec::new(),
        labels: Vec::new(),
        annotations: Vec::new(),
        definition: number,
    })
}

/// Every second one measurement of each operation, and, if wanted, every rule once: all inputs have changed.
fn judge(rounds: u64, judging: bool) -> u64 {
    let group = RuleGroup {
        file: String::new(),
        name: "rules".into(),
        interval: Duration::from_secs(1),
        limit: 0,
        rules: (0..MANY).filter_map(rule).collect(),
    };
    let settings = Settings {
        groups: vec![group],
        ..Settings::default()
    };
    let mut engine = Engine::new(settings, at(0));
    // A minute of data first, so that the windows are full.
    let before = 60;
    for second in 0..before + rounds {
        let records = (0..MANY).map(|n| {
            let operation = format!("op{n}");
            Measurement::new(Draft {
                operation: &operation,
                duration_seconds: Some(seconds(n + second * 13)),
                ..Draft::default()
            })
        });
        let now = at(second);
        take(&mut engine, records.collect(), now);
        if judging && second >= before {
            for due in engine.due(now) {
                let answer = engine.answer(due, now);
                black_box(engine.evaluate(due, &answer, now));
            }
        }
    }
    MANY
}

/// An engine with a thousand series of one histogram with 12 buckets.
fn histograms() -> Engine {
    let grid = [
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
    ];
    let settings = Settings {
        store: StoreSettings {
            grids: Grids {
                duration: Arc::from(grid),
                ..Grids::default()
            },
            ..StoreSettings::default()
        },
        ..Settings::default()
    };
    let mut engine = Engine::new(settings, at(0));
    for round in 0..10 {
        let records = (0..MANY).map(|n| {
            let operation = format!("operation-{:03}", n / 10);
            let host = format!("host-{}", n % 10);
            Measurement::new(Draft {
                operation: &operation,
                algorithm: "iforest",
                labels: vec![("host", &host)],
                duration_seconds: Some(seconds(n + round)),
                ..Draft::default()
            })
        });
        take(&mut engine, records.collect(), at(1));
    }
    engine
}

fn snapshot(rounds: u64) -> u64 {
    let engine = histograms();
    for _ in 0..rounds {
        black_box(Snapshot::take(&engine, at(2), Internals::default()));
    }
    MANY
}

/// A page; what is counted are its lines.
fn page(format: Format, rounds: u64) -> u64 {
    let snapshot = Snapshot::take(&histograms(), at(2), Internals::default());
    let mut page = Vec::new();
    for _ in 0..=rounds {
        page.clear();
        exposition::write(format, black_box(&snapshot), &mut page).expect("a string takes all");
    }
    page.iter().filter(|byte| **byte == b'\n').count() as u64
}

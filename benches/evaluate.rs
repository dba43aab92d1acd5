//! One evaluation of 1 000 threshold rules, each the p95 over a minute of its own operation.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::cell::{Cell, RefCell};
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use opwatch::engine::admission::Batch;
use opwatch::engine::condition::{Comparison, Condition, Level, Threshold};
use opwatch::engine::measurement::{Draft, Measurement};
use opwatch::engine::metric::{Metric, Stat};
use opwatch::engine::rule::{Hold, Mode, OnError, Rule, RuleGroup, Severity};
use opwatch::engine::selector::Selector;
use opwatch::engine::time::Now;
use opwatch::engine::window::Reach;
use opwatch::engine::{Engine, Settings};

const RULES: u64 = 1_000;

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
        on_error: OnError::Keep,
        depends_on: Vec::new(),
        actions: Vec::new(),
        mode: Mode::Active,
        labels: Vec::new(),
        annotations: Vec::new(),
        definition: number,
    })
}

fn bench(c: &mut Criterion) {
    let group = RuleGroup {
        file: String::new(),
        name: "rules".into(),
        interval: Duration::from_secs(1),
        limit: 0,
        rules: (0..RULES).filter_map(rule).collect(),
    };
    let at = |second| Now::invented(Duration::from_secs(1_000_000 + second));
    let mut engine = Engine::new(
        Settings {
            groups: vec![group],
            ..Settings::default()
        },
        at(0),
    );
    for second in 0..60 {
        for _ in 0..2 {
            measure(&mut engine, second, at(second));
        }
    }
    let engine = RefCell::new(engine);
    let second = Cell::new(60);
    let round = |_: ()| {
        second.set(second.get() + 1);
        // The same minute of data at every round: the wall clock stands, the steady one goes on.
        let now = Now {
            wall: at(60).wall,
            steady: at(second.get()).steady,
        };
        let mut engine = engine.borrow_mut();
        for due in engine.due(now) {
            let answer = engine.answer(due, now);
            engine.evaluate(due, &answer, now);
        }
    };
    let mut benches = c.benchmark_group("evaluate");
    benches.throughput(Throughput::Elements(RULES));
    benches.bench_function("1000 p95 rules, every window changed", |b| {
        let change = || measure(&mut engine.borrow_mut(), second.get(), at(60));
        b.iter_batched(change, round, BatchSize::PerIteration);
    });
    benches.bench_function("1000 p95 rules, no window changed", |b| {
        b.iter(|| round(()));
    });
    benches.finish();
}

/// One measurement of each operation.
fn measure(engine: &mut Engine, round: u64, now: Now) {
    let records = (0..RULES).map(|n| {
        let operation = format!("op{n}");
        let seconds = 0.01 * f64::from(u32::try_from((n * 7 + round * 13) % 89).unwrap_or(1));
        Measurement::new(Draft {
            operation: &operation,
            duration_seconds: Some(seconds),
            ..Draft::default()
        })
    });
    let batch = Batch {
        origin: None,
        records: records.collect(),
    };
    let (admitted, _) = engine.admit(batch, now);
    engine.apply(&admitted, now);
}

criterion_group!(benches, bench);
criterion_main!(benches);

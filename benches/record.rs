//! The way in, without the network: JSON to measurements, and measurements into the engine.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::fmt::Write;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use opwatch::engine::admission::Batch;
use opwatch::engine::time::Now;
use opwatch::engine::{Engine, Settings};
use opwatch::ingest::json::{self, Form};

const BATCH: u64 = 1_000;

/// A batch of measurements with five values each, over 100 series.
fn lines() -> String {
    let mut text = String::new();
    for n in 0..BATCH {
        let seconds = 0.01 * (1.0 + f64::from(u32::try_from(n % 97).unwrap_or_default()));
        let _ = writeln!(
            text,
            r#"{{"operation":"op{}","algorithm":"iforest","duration_seconds":{seconds},"cpu_cores":0.8,"memory_bytes":104857600,"memory_peak_bytes":209715200,"samples":1000}}"#,
            n % 100,
        );
    }
    text
}

fn bench(c: &mut Criterion) {
    let body = lines();
    let read = || json::read(body.as_bytes(), Form::Lines, &[]).unwrap_or_default();
    let now = Now::invented(Duration::from_secs(1_000_000));
    let mut group = c.benchmark_group("record");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("read 1000 lines of JSON", |b| b.iter(|| black_box(read())));
    let mut engine = Engine::new(Settings::default(), now);
    group.bench_function("admit and apply 1000 measurements", |b| {
        b.iter_batched(
            || Batch {
                origin: None,
                records: read(),
            },
            |batch| {
                let (admitted, answer) = engine.admit(batch, now);
                engine.apply(&admitted, now);
                answer
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);

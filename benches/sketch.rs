//! The sketch: adding values, merging the buckets of a window, reading a quantile.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opwatch::engine::sketch::Sketch;

/// Lognormal-like values without a random generator: quantiles of a logistic distribution.
fn values(n: u32) -> Vec<f64> {
    (1..=n)
        .map(|i| {
            let u = (f64::from(i.wrapping_mul(2_654_435_761) % 10_007) + 0.5) / 10_007.0;
            (0.3 * (u / (1.0 - u)).ln()).exp()
        })
        .collect()
}

fn sketch(values: &[f64]) -> Sketch {
    let mut sketch = Sketch::default();
    values.iter().for_each(|value| sketch.add(*value));
    sketch
}

fn bench(c: &mut Criterion) {
    let many = values(1_000);
    let mut group = c.benchmark_group("sketch");
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("add 1000 values", |b| b.iter(|| sketch(black_box(&many))));
    let pack = |chunk: &[f64]| {
        let mut bytes = Vec::new();
        sketch(chunk).pack(&mut bytes);
        bytes
    };
    let packed: Vec<_> = many.chunks(100).map(pack).collect();
    group.throughput(Throughput::Elements(10));
    group.bench_function("merge 10 packed buckets of 100 values", |b| {
        b.iter(|| {
            let mut window = Sketch::default();
            for bucket in black_box(&packed) {
                window.merge_packed(bucket);
            }
            window
        });
    });
    let whole = sketch(&many);
    group.throughput(Throughput::Elements(1));
    group.bench_function("p95 of 1000 values", |b| {
        b.iter(|| black_box(&whole).quantile(0.95));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);

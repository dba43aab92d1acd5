//! The detectors: the cost of a point, and the bytes that one series takes.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opwatch::engine::detector::novelty::{self, Novelty};
use opwatch::engine::detector::shift::{Settings, Shift};

/// Points in a day, and of the series.
const DAY: u32 = 288;
const POINTS: u32 = 30 * DAY;

/// A daily season with lognormal-like noise, without a random generator: quantiles of a logistic distribution.
fn series() -> Vec<Option<f64>> {
    let value = |i: u32| {
        let u = (f64::from(i.wrapping_mul(2_654_435_761) % 10_007) + 0.5) / 10_007.0;
        let phase = std::f64::consts::TAU * f64::from(i % DAY) / f64::from(DAY);
        Some((1.0 + 0.3 * phase.sin() + 0.15 * (u / (1.0 - u)).ln()).exp())
    };
    (0..POINTS).map(value).collect()
}

fn bench(c: &mut Criterion) {
    let series = series();
    let mut group = c.benchmark_group("detectors");
    group.throughput(Throughput::Elements(POINTS.into()));
    let day = f64::from(DAY);
    if let Ok(settings) = Settings::new(288, day, 576, 20.0) {
        let mut shift = Shift::new(settings);
        for value in &series {
            shift.push(*value);
        }
        let name = format!("regression, 30 days, {} bytes a series", shift.size());
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut shift = Shift::new(settings);
                for value in black_box(&series) {
                    black_box(shift.push(*value));
                }
            });
        });
    }
    group.bench_function("anomaly, 30 days", |b| {
        b.iter(|| {
            let mut novelty = Novelty::new(&novelty::Settings::new(day));
            for value in black_box(&series) {
                black_box(novelty.push(*value));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);

//! Writing the metrics page: 1 000 and 10 000 series with one histogram of 12 buckets each.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opwatch::engine::admission::Batch;
use opwatch::engine::measurement::{Draft, Measurement};
use opwatch::engine::series::FieldFault;
use opwatch::engine::store::{Grids, StoreSettings};
use opwatch::engine::time::Now;
use opwatch::engine::{Engine, Settings};
use opwatch::exposition::{self, Format, Internals, Snapshot};

fn scrape(criterion: &mut Criterion) {
    for series in [1_000, 10_000] {
        page(criterion, series);
    }
}

fn page(criterion: &mut Criterion, series: usize) {
    let now = Now::invented(Duration::from_secs(1_769_860_800));
    let engine = engine(series, now);
    let take = || Snapshot::take(&engine, now, Internals::default());
    let snapshot = take();
    let mut group = criterion.benchmark_group(format!("scrape of {series} series"));
    group.sample_size(30);
    group.bench_function("snapshot", |bencher| bencher.iter(|| black_box(take())));
    for (name, format) in [
        ("text", Format::Text),
        ("openmetrics", Format::OpenMetrics),
        ("protobuf", Format::Protobuf),
    ] {
        let mut page = Vec::new();
        let written = exposition::write(format, &snapshot, &mut page);
        assert!(written.is_ok());
        group.throughput(Throughput::Bytes(page.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                page.clear();
                exposition::write(format, black_box(&snapshot), &mut page)
            });
        });
    }
    group.finish();
}

/// An engine whose series have ten measurements each.
fn engine(series: usize, now: Now) -> Engine {
    let grid = [
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
    ];
    let settings = Settings {
        store: StoreSettings {
            grids: Grids {
                duration: Arc::from(grid),
                ..Grids::default()
            },
            max_series: series,
            ..StoreSettings::default()
        },
        ..Settings::default()
    };
    let mut engine = Engine::new(settings, now);
    for round in 1..=10u32 {
        let records = (0..series).map(|series| record(series, f64::from(round) * 0.013_7));
        let batch = Batch {
            origin: None,
            records: records.collect(),
        };
        let (admitted, _) = engine.admit(batch, now);
        engine.apply(&admitted, now);
    }
    assert_eq!(engine.store().len(), series);
    engine
}

fn record(series: usize, seconds: f64) -> Result<Measurement, FieldFault> {
    let operation = format!("operation-{:03}", series / 10);
    let host = format!("host-{}", series % 10);
    Measurement::new(Draft {
        operation: &operation,
        algorithm: "iforest",
        labels: vec![("host", &host)],
        duration_seconds: Some(seconds),
        ..Draft::default()
    })
}

criterion_group!(benches, scrape);
criterion_main!(benches);

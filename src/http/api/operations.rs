//! `/api/v1/operations`: what has been measured.

use std::collections::BTreeMap;

use hyper::header::HeaderMap;
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::{Services, unavailable};
use crate::engine::Engine;
use crate::engine::measurement::Measurement;
use crate::engine::metric::{Metric, MetricName, Stat};
use crate::engine::series::SeriesKey;
use crate::engine::store::{SeriesId, Store};
use crate::engine::time::{Now, Timestamp};
use crate::engine::window::Reach;
use crate::http::respond::{self, Body, ErrorType};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OperationSummary {
    operation: String,
    series: usize,
    operations: u64,
    failures: u64,
    since: String,
    last: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OperationDetail {
    #[serde(flatten)]
    summary: OperationSummary,
    labels: Vec<BTreeMap<String, String>>,
    last_measurement: Option<LastMeasurement>,
    /// Over the last measurements that are kept whole.
    metrics: BTreeMap<String, Statistics>,
}

#[derive(Serialize)]
struct Statistics {
    n: u64,
    mean: Option<f64>,
    median: Option<f64>,
    stddev: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
}

/// The latest measurement in the field names of the wire.
#[derive(Serialize)]
struct LastMeasurement {
    operation: String,
    algorithm: String,
    version: String,
    labels: BTreeMap<String, String>,
    timestamp: String,
    outcome: &'static str,
    error_class: Option<String>,
    duration_seconds: Option<f64>,
    setup_seconds: Option<f64>,
    cleanup_seconds: Option<f64>,
    cpu_cores: Option<f64>,
    memory_bytes: Option<f64>,
    memory_peak_bytes: Option<f64>,
    samples: Option<u64>,
    dataset_size: Option<u64>,
    throughput: Option<f64>,
    quality: BTreeMap<String, f64>,
    quality_samples: Option<u64>,
    trace_id: Option<String>,
}

impl LastMeasurement {
    fn new(m: &Measurement, at: Timestamp) -> Self {
        let owned = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        Self {
            operation: m.key.operation().to_owned(),
            algorithm: m.key.algorithm().to_owned(),
            version: m.key.version().to_owned(),
            labels: pairs(m.key.labels()),
            timestamp: at.to_string(),
            outcome: m.outcome.as_str(),
            error_class: owned(&m.error_class),
            duration_seconds: m.duration_seconds,
            setup_seconds: m.setup_seconds,
            cleanup_seconds: m.cleanup_seconds,
            cpu_cores: m.cpu_cores,
            memory_bytes: m.memory_bytes,
            memory_peak_bytes: m.memory_peak_bytes,
            samples: m.samples,
            dataset_size: m.dataset_size,
            throughput: m.throughput(),
            quality: m.quality.iter().map(|(n, v)| (n.to_string(), *v)).collect(),
            quality_samples: m.quality_samples,
            trace_id: owned(&m.trace_id),
        }
    }
}

fn pairs<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    labels.map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

/// Every operation.
pub async fn list(services: &Services, headers: &HeaderMap) -> Response<Body> {
    let operations = services.engine.read(|engine, _| {
        by_operation(engine.store())
            .iter()
            .map(|(operation, ids)| summarise(engine.store(), operation, ids))
            .collect::<Vec<_>>()
    });
    match operations.await {
        Ok(operations) => respond::compress(headers, respond::api_data(&operations)).await,
        Err(refused) => unavailable(refused),
    }
}

/// One operation with its statistics.
pub async fn one(services: &Services, operation: &str, headers: &HeaderMap) -> Response<Body> {
    let name = operation.to_owned();
    let detail = services
        .engine
        .read(move |engine, now| detail(engine, &name, now))
        .await;
    match detail {
        Ok(Some(detail)) => respond::compress(headers, respond::api_data(&detail)).await,
        Ok(None) => {
            let message = format!("no operation {operation:?} has been measured");
            respond::api_error(StatusCode::NOT_FOUND, ErrorType::NotFound, &message)
        }
        Err(refused) => unavailable(refused),
    }
}

fn by_operation(store: &Store) -> BTreeMap<String, Vec<SeriesId>> {
    let mut operations: BTreeMap<String, Vec<SeriesId>> = BTreeMap::new();
    for (id, series) in store.series() {
        let operation = series.key.operation().to_owned();
        operations.entry(operation).or_default().push(id);
    }
    operations
}

fn summarise(store: &Store, operation: &str, ids: &[SeriesId]) -> OperationSummary {
    let totals = || ids.iter().filter_map(|id| Some(&store.get(*id)?.totals));
    let text = |at: Option<Timestamp>| at.unwrap_or_default().to_string();
    OperationSummary {
        operation: operation.to_owned(),
        series: ids.len(),
        operations: totals().map(|t| t.successes + t.failures).sum(),
        failures: totals().map(|t| t.failures).sum(),
        since: text(totals().map(|t| t.created).min()),
        last: text(totals().map(|t| t.last_at).max()),
    }
}

fn detail(engine: &Engine, operation: &str, now: Now) -> Option<OperationDetail> {
    let store = engine.store();
    let ids = by_operation(store).remove(operation)?;
    let keys: Vec<&SeriesKey> = ids
        .iter()
        .filter_map(|id| Some(&store.get(*id)?.key))
        .collect();
    let last = ids
        .iter()
        .filter_map(|id| {
            let totals = &store.get(*id)?.totals;
            Some((totals.last_at, totals.last.as_deref()?))
        })
        .max_by_key(|(at, _)| *at);
    let scores = store.score_names().iter().cloned().map(Metric::Score);
    let metrics = MetricName::ALL
        .iter()
        .map(|(_, metric)| metric.clone())
        .filter(|metric| metric.own_stat().is_none())
        .chain(scores)
        .filter_map(|metric| Some((metric.to_string(), statistics(engine, &ids, &metric, now)?)))
        .collect();
    Some(OperationDetail {
        summary: summarise(store, operation, &ids),
        labels: keys.iter().map(|key| pairs(key.all())).collect(),
        last_measurement: last.map(|(at, m)| LastMeasurement::new(m, at)),
        metrics,
    })
}

fn statistics(engine: &Engine, ids: &[SeriesId], metric: &Metric, now: Now) -> Option<Statistics> {
    let store = engine.store();
    let runs = Reach::Runs(u32::try_from(store.settings().max_history).unwrap_or(u32::MAX));
    let window = store.window(ids, store.column(metric)?, runs, true, now.wall);
    let window = window.of_metric(metric, engine.cpu_limit());
    (window.count() > 0).then(|| Statistics {
        n: window.count(),
        mean: window.stat(Stat::Mean),
        median: window.stat(Stat::Quantile(0.5)),
        stddev: window.stat(Stat::StdDev),
        min: window.stat(Stat::Min),
        max: window.stat(Stat::Max),
        p95: window.stat(Stat::Quantile(0.95)),
        p99: window.stat(Stat::Quantile(0.99)),
    })
}

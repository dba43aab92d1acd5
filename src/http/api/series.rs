//! `/api/v1/series`: a statistic of a metric over time, in pieces of equal length.

mod asked;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use super::{Services, unavailable};
use crate::document::units::Period;
use crate::driver::Refused;
use crate::engine::Engine;
use crate::engine::metric::{Column, MetricName, Stat};
use crate::engine::series::Labels;
use crate::engine::store::{Cut, Point, Points, SeriesId};
use crate::engine::time::Timestamp;
use crate::engine::watched::Watched;
use crate::http::respond::{self, Body, ErrorType};
use asked::Asked;

/// Most pieces of one line, as Prometheus has it.
const MAX_PIECES: u128 = 11_000;
/// Most lines of one answer.
const MAX_LINES: usize = 1_000;
/// Most points of one answer, which is held in memory.
const MAX_POINTS: usize = 100_000;
/// Series that are gone through between two events of the engine: some milliseconds at most.
const AT_A_TIME: usize = 32;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeriesBody {
    metric: String,
    /// Of a metric that is a statistic itself, `null`.
    stat: Option<String>,
    unit: Option<&'static str>,
    from: String,
    to: String,
    step_seconds: f64,
    series: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    labels: BTreeMap<String, String>,
    points: Vec<PointBody>,
}

#[derive(Serialize)]
struct PointBody {
    start: String,
    end: String,
    value: Option<f64>,
    n: u64,
    partial: bool,
}

/// Series with the same labels, as far as these are asked for.
struct Group {
    labels: Labels,
    ids: Vec<SeriesId>,
}

/// What is found at first: which series, and in pieces of which length they can be cut.
struct Found {
    groups: Vec<Group>,
    column: Column,
    step: Duration,
    now: Timestamp,
    watched: Watched,
    cpu_limit: Option<f64>,
}

/// Why there is no answer.
enum Failure {
    Bad(String),
    Missing(String),
    Refused(Refused),
}

/// A statistic of a metric over time.
pub async fn series(services: &Services, request: &Request<Incoming>) -> Response<Body> {
    let now = services.clock.now().wall;
    let query = request.uri().query().unwrap_or_default();
    let answer = match Asked::parse(query, now) {
        Ok(asked) => answer(services, Arc::new(asked)).await,
        Err(message) => Err(Failure::Bad(message)),
    };
    match answer {
        Ok(body) => respond::compress(request.headers(), respond::api_data(&body)).await,
        Err(Failure::Bad(message)) => {
            respond::api_error(StatusCode::BAD_REQUEST, ErrorType::BadData, &message)
        }
        Err(Failure::Missing(message)) => {
            respond::api_error(StatusCode::NOT_FOUND, ErrorType::NotFound, &message)
        }
        Err(Failure::Refused(refused)) => unavailable(refused),
    }
}

/// Asks the engine a few series at a time, so that it goes on with its work in between.
async fn answer(services: &Services, asked: Arc<Asked>) -> Result<SeriesBody, Failure> {
    let wanted = Arc::clone(&asked);
    let found = services
        .engine
        .read(move |engine, now| find(engine, now.wall, &wanted))
        .await
        .map_err(Failure::Refused)??;
    let cut = Cut {
        from: asked.from,
        to: asked.to,
        step: found.step,
        with_quantiles: matches!(asked.stat, Stat::Quantile(_)),
    };
    let mut lines = Vec::with_capacity(found.groups.len());
    let mut total = 0;
    for group in found.groups {
        let mut points = Points::new(cut, found.now);
        for part in group.ids.chunks(AT_A_TIME) {
            let (ids, column) = (part.to_vec(), found.column);
            let read = services.engine.read(move |engine, _| {
                engine.store().add_points(&mut points, &ids, column);
                points
            });
            points = read.await.map_err(Failure::Refused)?;
        }
        let points = points.finish(&found.watched);
        total += points.len();
        if total > MAX_POINTS {
            return Err(Failure::Bad(format!(
                "more than {MAX_POINTS} points are asked for; choose fewer series, or a longer step than {}",
                Period(found.step)
            )));
        }
        lines.push(Line {
            labels: group.labels.as_map().clone(),
            points: (points.into_iter())
                .map(|point| PointBody::of(point, &asked, found.cpu_limit))
                .collect(),
        });
    }
    Ok(SeriesBody {
        stat: (asked.metric.own_stat().is_none()).then(|| asked.stat.to_string()),
        unit: asked.metric.unit().name(),
        metric: asked.metric.to_string(),
        from: asked.from.to_string(),
        to: asked.to.to_string(),
        step_seconds: found.step.as_secs_f64(),
        series: lines,
    })
}

fn find(engine: &Engine, now: Timestamp, asked: &Asked) -> Result<Found, Failure> {
    let store = engine.store();
    let Some(column) = store.column(&asked.metric) else {
        let names = MetricName::ALL.iter().map(|(name, _)| *name);
        let scores = store.score_names().iter().map(AsRef::as_ref).take(20);
        let names: Vec<&str> = names.chain(scores).collect();
        return Err(Failure::Missing(format!(
            "metric: {:?} is no metric, and no score of that name has been measured; there are {}",
            asked.metric.to_string(),
            names.join(", ")
        )));
    };
    let mut groups: BTreeMap<Labels, Vec<SeriesId>> = BTreeMap::new();
    let (mut all, mut has_operation) = (Vec::new(), false);
    for (id, series) in store.series() {
        let has = |wanted: &Option<String>, value: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == value)
        };
        let key = &series.key;
        let is_operation = has(&asked.operation, key.operation());
        has_operation |= is_operation;
        if is_operation
            && has(&asked.algorithm, key.algorithm())
            && has(&asked.version, key.version())
            && asked.select.matches(|name| key.get(name))
        {
            let labels = match &asked.by {
                None => key.all().collect(),
                Some(by) => by
                    .iter()
                    .map(|name| (name.as_str(), key.get(name)))
                    .collect(),
            };
            groups.entry(labels).or_default().push(id);
            all.push(id);
        }
    }
    if let (Some(operation), false) = (&asked.operation, has_operation) {
        let message = format!("no operation {operation:?} has been measured");
        return Err(Failure::Missing(message));
    }
    if groups.len() > MAX_LINES {
        return Err(Failure::Bad(format!(
            "{} series are asked for; at most {MAX_LINES} are allowed, so choose with operation, algorithm, version, select, or merge with by",
            groups.len()
        )));
    }
    let step = store.step(&all, column, asked.from, asked.to, asked.step);
    let pieces = asked.to.since(asked.from).as_millis() / step.as_millis().max(1);
    if pieces > MAX_PIECES {
        return Err(Failure::Bad(format!(
            "from, to and step make {pieces} points a series; at most {MAX_PIECES} are allowed, so choose a longer step than {}",
            Period(step)
        )));
    }
    Ok(Found {
        groups: groups
            .into_iter()
            .map(|(labels, ids)| Group { labels, ids })
            .collect(),
        column,
        step,
        now,
        watched: engine.watched().clone(),
        cpu_limit: engine.cpu_limit(),
    })
}

impl PointBody {
    fn of(point: Point, asked: &Asked, cpu_limit: Option<f64>) -> Self {
        let text = |at: Timestamp| at.to_string();
        let window = point.window.of_metric(&asked.metric, cpu_limit);
        Self {
            start: text(point.start),
            end: text(point.end),
            value: window.stat(asked.stat),
            n: window.count(),
            partial: point.is_partial,
        }
    }
}

//! `/api/v1/trends`: whether what has been measured gets better or worse, and how fast.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use super::{Services, unavailable};
use crate::document::units::{Period, Quantity};
use crate::driver::Refused;
use crate::engine::Engine;
use crate::engine::baseline::Source;
use crate::engine::metric::{Metric, MetricName, Stat};
use crate::engine::series::{OWN_OPERATION, is_label_name};
use crate::engine::store::SeriesId;
use crate::engine::time::Now;
use crate::engine::trend::{self, Fitted, Frame, LEAST_BUCKETS, Point};
use crate::engine::watched::Watched;
use crate::http::request::decode;
use crate::http::respond::{self, Body, ErrorType};
use crate::rulefile::{frame_fault, read_stat};

const DAY: f64 = 86_400.0;
/// Instances that are gathered before others have their turn: some milliseconds.
const AT_ONCE: usize = 32;

/// An operation and an algorithm.
type Names = (String, String);
/// What they were like, by buckets.
type Instance = (Names, Vec<Point>);

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    operation: Option<String>,
    algorithm: Option<String>,
    metric: Metric,
    stat: Stat,
    frame: Frame,
    min_samples: u64,
    reaches: Option<f64>,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, String> {
        let mut given: BTreeMap<String, String> = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            given.insert(decode(name), decode(&value.replace('+', " ")));
        }
        let mut take = |name: &str| given.remove(name).filter(|value| !value.is_empty());
        let period = |name: &str, text: Option<String>, default: u64| {
            let read = text.map(|text| text.parse::<Period>()).transpose();
            let read = read.map_err(|error| format!("{name}: {error}"))?;
            Ok::<_, String>(read.unwrap_or(Period(Duration::from_secs(default))))
        };
        let (operation, algorithm) = (take("operation"), take("algorithm"));
        let name = take("metric").unwrap_or_else(|| "duration".to_owned());
        if !is_label_name(&name) || MetricName::RESERVED.contains(&name.as_str()) {
            return Err(format!(
                "metric: {name:?} is no metric and no name of a quality score"
            ));
        }
        let metric = Metric::named(&name);
        let stat = read_stat(&metric, take("stat").as_deref());
        let stat = stat.map_err(|error| format!("stat: {error}"))?;
        let window = period("window", take("window"), 7 * 24 * 3_600)?;
        let bucket = period("bucket", take("bucket"), 3_600)?;
        let min_samples = match take("min_samples") {
            None => LEAST_BUCKETS,
            Some(text) => (text.parse().ok())
                .filter(|least| *least >= 3)
                .ok_or_else(|| {
                    format!("min_samples: {text:?} is no number of buckets, allowed: 3 or more")
                })?,
        };
        let reaches = take("reaches")
            .map(|text| text.parse::<Quantity>())
            .transpose();
        let reaches = reaches.map_err(|error| format!("reaches: {error}"))?;
        if let Some(other) = given.keys().next() {
            let shown: String = other.chars().take(60).collect();
            return Err(format!(
                "{shown:?} is no parameter; allowed are operation, algorithm, metric, stat, window, bucket, min_samples, reaches"
            ));
        }
        Ok(Self {
            operation,
            algorithm,
            metric,
            stat,
            frame: Frame::new(window.0, bucket.0)
                .map_err(|error| format!("bucket: {}", frame_fault(error, window, bucket)))?,
            min_samples,
            reaches: reaches.map(|quantity| quantity.value),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TrendData {
    operation: String,
    algorithm: String,
    metric: String,
    stat: String,
    window_seconds: f64,
    bucket_seconds: f64,
    direction: &'static str,
    buckets: u64,
    samples: u64,
    #[serde(flatten)]
    line: Option<LineData>,
    points: Vec<PointData>,
}

/// An end of an interval about which nothing is known is `null`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LineData {
    slope_per_day: f64,
    slope_interval: [Option<f64>; 2],
    relative_per_day: Option<f64>,
    change: f64,
    change_ratio: Option<f64>,
    change_ratio_interval: Option<[Option<f64>; 2]>,
    p_value: f64,
    statistic: f64,
    effective_buckets: f64,
    seasonal: bool,
    first: String,
    intercept: f64,
    least_squares: Option<LeastSquares>,
    forecast: Option<ForecastData>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LeastSquares {
    slope_per_day: f64,
    intercept: f64,
    r_squared: Option<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ForecastData {
    reaches: f64,
    after_seconds: f64,
    earliest_seconds: f64,
    latest_seconds: Option<f64>,
}

#[derive(Serialize)]
struct PointData {
    begin: String,
    end: String,
    value: f64,
    n: u64,
    partial: bool,
}

/// The trend of each operation and algorithm that has values.
pub async fn trends(services: &Services, request: &Request<Incoming>) -> Response<Body> {
    let asked = match Asked::parse(request.uri().query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(message) => {
            return respond::api_error(StatusCode::BAD_REQUEST, ErrorType::BadData, &message);
        }
    };
    match gathered(services, &asked).await {
        Ok((instances, now)) => {
            let fitting = move || {
                let instances = instances.into_iter();
                let found = instances.map(|(names, points)| data(names, &asked, &points, now));
                found.collect::<Vec<_>>()
            };
            match tokio::task::spawn_blocking(fitting).await {
                Ok(found) => respond::compress(request.headers(), respond::api_data(&found)).await,
                Err(_) => unavailable(Refused::Stopping),
            }
        }
        Err(refused) => unavailable(refused),
    }
}

/// The buckets of each, gathered a few at a time so that measurements and rules never wait for long.
async fn gathered(services: &Services, asked: &Asked) -> Result<(Vec<Instance>, Now), Refused> {
    let (names, watched, now) = {
        let asked = asked.clone();
        let read =
            move |engine: &Engine, now| (names(engine, &asked), engine.watched().clone(), now);
        services.engine.read(read).await?
    };
    let mut instances = Vec::new();
    for some in names.chunks(AT_ONCE) {
        let (some, asked, watched) = (some.to_vec(), asked.clone(), watched.clone());
        let read = move |engine: &Engine, _| {
            let one = |names: Names| {
                let points = points(engine, &names, &asked, &watched, now)?;
                (!points.is_empty()).then_some((names, points))
            };
            some.into_iter().filter_map(one).collect::<Vec<_>>()
        };
        instances.extend(services.engine.read(read).await?);
    }
    Ok((instances, now))
}

fn names(engine: &Engine, asked: &Asked) -> Vec<Names> {
    let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|one| one == name);
    let keys = engine.store().series().map(|(_, series)| &series.key);
    let names: BTreeSet<Names> = keys
        .map(|key| (key.operation().to_owned(), key.algorithm().to_owned()))
        .filter(|(operation, algorithm)| {
            is(&asked.operation, operation) && is(&asked.algorithm, algorithm)
        })
        .collect();
    names
        .into_iter()
        .filter(|(operation, _)| operation != OWN_OPERATION || asked.operation.is_some())
        .collect()
}

fn points(
    engine: &Engine,
    (operation, algorithm): &Names,
    asked: &Asked,
    watched: &Watched,
    now: Now,
) -> Option<Vec<Point>> {
    let series = engine.store().series_of(operation);
    let series: Vec<SeriesId> = series
        .filter(|(_, series)| series.key.algorithm() == algorithm)
        .map(|(id, _)| id)
        .collect();
    let source = Source {
        store: engine.store(),
        series: &series,
        metric: &asked.metric,
        divisor: match asked.metric {
            Metric::CpuRatio => Some(engine.cpu_limit()?),
            _ => None,
        },
        until: None,
    };
    Some(trend::gather(
        source,
        asked.stat,
        asked.frame,
        watched,
        now.wall,
    ))
}

fn data((operation, algorithm): Names, asked: &Asked, points: &[Point], now: Now) -> TrendData {
    let found = trend::of(points, asked.frame.bucket(), asked.min_samples);
    TrendData {
        operation,
        algorithm,
        metric: asked.metric.to_string(),
        stat: asked.stat.to_string(),
        window_seconds: asked.frame.window().as_secs_f64(),
        bucket_seconds: asked.frame.bucket().as_secs_f64(),
        direction: found.direction.word(asked.metric.worse()),
        buckets: found.buckets,
        samples: found.samples,
        line: found.fitted.map(|fitted| line(&fitted, asked.reaches, now)),
        points: points.iter().map(point).collect(),
    }
}

fn line(fitted: &Fitted, reaches: Option<f64>, now: Now) -> LineData {
    let drift = fitted.drift;
    let ends = |low: f64, high: f64| [low, high].map(|end| Some(end).filter(|end| end.is_finite()));
    let change = fitted.change_ratio();
    LineData {
        slope_per_day: drift.slope.value,
        slope_interval: ends(drift.slope.interval.low, drift.slope.interval.high),
        relative_per_day: fitted.relative(),
        change: fitted.change(),
        change_ratio: change.map(|(change, _)| change),
        change_ratio_interval: change.map(|(_, (low, high))| ends(low, high)),
        // To either side, as no direction was asked about.
        p_value: (2.0 * drift.p_rise.min(drift.p_fall)).min(1.0),
        statistic: drift.z,
        effective_buckets: drift.effective,
        seasonal: drift.is_seasonal,
        first: fitted.first.to_string(),
        intercept: drift.intercept,
        least_squares: fitted.line.map(|line| LeastSquares {
            slope_per_day: line.slope,
            intercept: line.intercept,
            r_squared: line.r_squared,
        }),
        forecast: reaches.and_then(|value| {
            let forecast = fitted.reaches(value, now.wall)?;
            Some(ForecastData {
                reaches: value,
                after_seconds: forecast.after * DAY,
                earliest_seconds: forecast.earliest * DAY,
                latest_seconds: forecast.latest.map(|days| days * DAY),
            })
        }),
    }
}

fn point(point: &Point) -> PointData {
    PointData {
        begin: point.begin.to_string(),
        end: point.end.to_string(),
        value: point.value,
        n: point.n,
        partial: point.is_partial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_from_the_query() {
        let asked = Asked::parse("").unwrap();
        assert_eq!(
            (&asked.metric, asked.stat),
            (&Metric::Duration, Stat::Quantile(0.5))
        );
        assert_eq!((asked.frame.buckets(), asked.min_samples), (168, 10));
        let all = "operation=a%20b&algorithm=x&metric=accuracy&stat=mean&window=10d&bucket=1d&min_samples=5&reaches=50%25";
        let asked = Asked::parse(all).unwrap();
        assert_eq!(asked.operation.as_deref(), Some("a b"));
        assert_eq!((asked.frame.buckets(), asked.reaches), (10, Some(0.5)));
        for (query, expected) in [
            ("metric=outcome", "metric: \"outcome\" is no metric"),
            (
                "stat=average",
                "stat: unknown statistic \"average\", allowed: mean",
            ),
            (
                "metric=rate&stat=mean",
                "stat: metric `rate` is a statistic itself",
            ),
            ("window=week", "window: invalid duration \"week\""),
            (
                "bucket=30m",
                "bucket: of what is 1w old only buckets of 1h are kept",
            ),
            (
                "bucket=2d",
                "bucket: a window of 1w has not 5 to 1000 buckets of 2d",
            ),
            ("min_samples=1", "min_samples: \"1\" is no number"),
            (
                "widnow=1d",
                "\"widnow\" is no parameter; allowed are operation,",
            ),
        ] {
            let error = Asked::parse(query).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}

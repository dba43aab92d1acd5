//! What a request for series asks for.

use std::time::Duration;

use crate::document::units::Period;
use crate::engine::metric::{Metric, MetricName, Stat};
use crate::engine::selector::Selector;
use crate::engine::series::is_label_name;
use crate::engine::time::Timestamp;
use crate::export::moment;
use crate::http::request::pairs;

const ALLOWED: &str = "operation, algorithm, version, select, by, metric, stat, from, to, step";
/// How far back it goes where nothing else is asked for.
const HOUR: Duration = Duration::from_secs(3_600);
/// Into so many pieces time is cut where nothing else is asked for.
const PIECES: u32 = 120;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) operation: Option<String>,
    pub(super) algorithm: Option<String>,
    pub(super) version: Option<String>,
    pub(super) select: Selector,
    /// Labels that are kept, while series that share them are merged; `None` keeps all.
    pub(super) by: Option<Vec<String>>,
    pub(super) metric: Metric,
    pub(super) stat: Stat,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) step: Duration,
}

impl Asked {
    /// Reads a query. Each parameter comes at most once.
    pub(super) fn parse(query: &str, now: Timestamp) -> Result<Self, String> {
        let (mut operation, mut algorithm, mut version) = (None, None, None);
        let (mut select, mut by, mut metric, mut stat) = (None, None, None, None);
        let (mut from, mut to, mut step) = (None, None, None);
        for (name, value) in pairs(query) {
            let place = match name.as_str() {
                "operation" => &mut operation,
                "algorithm" => &mut algorithm,
                "version" => &mut version,
                "select" => &mut select,
                "by" => &mut by,
                "metric" => &mut metric,
                "stat" => &mut stat,
                "from" => &mut from,
                "to" => &mut to,
                "step" => &mut step,
                other => {
                    let shown: String = other.chars().take(60).collect();
                    return Err(format!(
                        "{shown:?} is no parameter; allowed are {ALLOWED}; further labels go into select={{name=\"value\"}}"
                    ));
                }
            };
            if place.replace(value).is_some() {
                return Err(format!("{name}: given twice"));
            }
        }
        let time = |name: &str, value: Option<String>| {
            // An offset such as +01:00 whose plus sign has not been escaped is meant all the same.
            let read = value.map(|value| moment(&value.replace(' ', "+"), now));
            read.transpose().map_err(|error| format!("{name}: {error}"))
        };
        // What lies ahead of the clock is not there yet.
        let to = time("to", to)?.unwrap_or(now).min(now);
        let from = time("from", from)?.unwrap_or(to.before(HOUR));
        if from >= to {
            return Err(format!("from {from} is not before to {to}"));
        }
        let metric = parse_metric(metric.as_deref())?;
        Ok(Self {
            stat: parse_stat(&metric, stat.as_deref())?,
            metric,
            operation,
            algorithm,
            version,
            select: (select.as_deref().map(Selector::parse).transpose())
                .map_err(|error| format!("select: {error}"))?
                .unwrap_or_default(),
            by: by.as_deref().map(parse_by).transpose()?,
            step: match step {
                None => (to.since(from) / PIECES).max(Duration::from_millis(1)),
                Some(step) => parse_step(&step)?,
            },
            from,
            to,
        })
    }
}

fn parse_metric(name: Option<&str>) -> Result<Metric, String> {
    match name {
        Some(name) if is_label_name(name) && !MetricName::RESERVED.contains(&name) => {
            Ok(Metric::named(name))
        }
        _ => {
            let names: Vec<&str> = MetricName::ALL.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            Err(match name {
                None => format!("metric is missing; allowed are {names}, or a quality score"),
                Some(name) => {
                    format!("metric: {name:?} is none; allowed are {names}, or a quality score")
                }
            })
        }
    }
}

fn parse_stat(metric: &Metric, name: Option<&str>) -> Result<Stat, String> {
    match (metric.own_stat(), name) {
        (Some(own), None) => Ok(own),
        (Some(_), Some(_)) => Err(format!(
            "stat: metric `{metric}` is a statistic itself and takes none"
        )),
        (None, None) => Ok(Stat::Mean),
        (None, Some(name)) => Stat::named(name)
            .ok_or_else(|| format!("stat: {name:?} is none; allowed are {}", Stat::ALLOWED)),
    }
}

fn parse_by(names: &str) -> Result<Vec<String>, String> {
    let names = names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names
        .map(|name| match is_label_name(name) {
            true => Ok(name.to_owned()),
            false => Err(format!(
                "by: {name:?} is no label name; allowed are label names with commas between them, or nothing to merge all"
            )),
        })
        .collect()
}

/// A step as in Prometheus: a duration or seconds.
fn parse_step(text: &str) -> Result<Duration, String> {
    let seconds = || {
        let seconds: f64 = text.parse().ok()?;
        Duration::try_from_secs_f64(seconds).ok()
    };
    let step = (text.parse::<Period>().map(Duration::from).ok()).or_else(seconds);
    step.filter(|step| step.as_millis() > 0).ok_or_else(|| {
        format!(
            "step: {text:?} is none; a length of time such as 30s, 5m or 1h, or seconds, is allowed"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Asked, String> {
        Asked::parse(query, Timestamp::parse("2026-01-31T12:00:00Z").unwrap())
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let asked = asked("metric=duration").unwrap();
        assert_eq!((asked.stat, asked.by), (Stat::Mean, None));
        assert_eq!(asked.to.since(asked.from), HOUR);
        assert_eq!(asked.step, Duration::from_secs(30));
    }

    #[test]
    fn what_is_said_is_taken() {
        let asked = asked(
            "operation=a+b&algorithm=x&version=&select=%7Bzone%3D%22eu%22%7D&by=operation,zone&metric=f1&stat=p95\
             &from=-7d&to=-1d&step=1h",
        )
        .unwrap();
        assert_eq!(asked.operation.as_deref(), Some("a b"));
        assert_eq!(asked.version.as_deref(), Some(""));
        assert!(asked.select.matches(|_| "eu") && !asked.select.matches(|_| "us"));
        assert_eq!(asked.by.unwrap(), ["operation", "zone"]);
        assert_eq!(asked.metric.to_string(), "f1");
        assert_eq!(asked.to.since(asked.from), 144 * HOUR);
        assert_eq!(asked.step, HOUR);
    }

    #[test]
    fn what_cannot_be_read_is_said_with_what_is_allowed() {
        for (query, expected) in [
            ("", "metric is missing; allowed are duration, setup"),
            (
                "metric=duration&zone=eu",
                "\"zone\" is no parameter; allowed are operation, algorithm",
            ),
            (
                "metric=outcome",
                "metric: \"outcome\" is none; allowed are duration",
            ),
            (
                "metric=rate&stat=mean",
                "stat: metric `rate` is a statistic itself and takes none",
            ),
            (
                "metric=duration&stat=p101",
                "stat: \"p101\" is none; allowed are mean, median",
            ),
            (
                "metric=duration&step=0",
                "step: \"0\" is none; a length of time such as 30s",
            ),
            ("metric=duration&step=-5", "step: \"-5\" is none"),
            ("metric=duration&step=soon", "step: \"soon\" is none"),
            ("metric=duration&by=a-b", "by: \"a-b\" is no label name"),
            (
                "metric=duration&select=%7Bzone",
                "select: cannot read selector",
            ),
            ("metric=duration&from=soon", "from: \"soon\" is no time"),
            (
                "metric=duration&from=now",
                "from 2026-01-31T12:00:00.000Z is not before to",
            ),
            ("metric=duration&metric=cpu", "metric: given twice"),
        ] {
            let error = asked(query).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}

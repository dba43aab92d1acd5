//! A history of runs, one for each commit say: the newest piece of each series of results against the one before.
//!
//! Which run has made a difference is not asked of two sets but of all runs together: [`segment`] finds the pieces into which a
//! series falls, so that neither a single odd run nor the noise of one beside its neighbour is a change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::set::{Run, Runs, Values};
use super::{Finding, Findings, Level, Question, Status};
use crate::engine::contrast::{self, Contrast, Feature};
use crate::engine::detector::segments::{Model, Part, Settings, segment};
use crate::engine::measurement::count;
use crate::engine::metric::{Metric, Stat, Worse};
use crate::engine::series::Labels;

/// What stands for the runs of a piece.
const MIDDLE: Stat = Stat::Quantile(0.5);

/// Runs from which on a piece is taken for a line: one or two odd runs at the end of a few make a line as well.
const LINE: usize = 10;

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// So many runs.
    pub runs: usize,
}

/// Where the newest piece began.
#[derive(Clone, Debug, PartialEq)]
pub struct Began {
    /// The first run of it.
    pub run: Run,
    /// The evidence for a change there: 0.5, which is none, to 1.
    pub evidence: f64,
}

impl fmt::Display for Began {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.run.name;
        match self.run.at.map(|at| at.to_string()) {
            Some(at) if at != *name => write!(f, "{name} ({at})"),
            _ => f.write_str(name),
        }
    }
}

/// What cannot be asked of a history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The original guide has no rule for it.
    #[error(
        "the original guide compares two sets of measurements; a history is looked at without compat"
    )]
    Guide,
    /// No run is called that.
    #[error("accepted run {0:?} is not in the history; the name of one of its runs is allowed")]
    Unknown(String),
}

/// Looks at a history. A change that began with the `accepted` run, or before it, is what is usual now.
///
/// # Errors
/// When that cannot be asked of it.
pub fn look_back(
    question: &Question,
    runs: &Runs,
    accepted: Option<&str>,
) -> Result<Findings, HistoryError> {
    if question.is_guide {
        return Err(HistoryError::Guide);
    }
    let named = |name: &str| {
        let place = runs.runs.iter().position(|run| run.name == name);
        place.ok_or_else(|| HistoryError::Unknown(name.to_owned()))
    };
    let accepted = accepted.map(named).transpose()?;
    let (mut rows, mut undirected) = (Vec::new(), BTreeSet::new());
    for ((labels, name), values) in &runs.values {
        let metric = Metric::named(name);
        let Some(worse) = question.worse(&metric) else {
            undirected.insert(name.clone());
            continue;
        };
        if question.asks_of(&metric) {
            let asked = Asked {
                question,
                labels,
                metric: &metric,
                worse,
                accepted,
            };
            rows.push(asked.of(&runs.runs, values));
        }
    }
    Ok(Findings {
        history: Some(History {
            runs: runs.runs.len(),
        }),
        ..Findings::new(rows, undirected)
    })
}

/// What is asked of one metric of one instance.
struct Asked<'a> {
    question: &'a Question,
    labels: &'a Labels,
    metric: &'a Metric,
    worse: Worse,
    /// The place of the run up to which everything is usual.
    accepted: Option<usize>,
}

impl Asked<'_> {
    fn of(&self, runs: &[Run], values: &BTreeMap<usize, Values>) -> Finding {
        let stat = self.question.stat_of(self.metric);
        let points = values.iter();
        let points = points.filter_map(|(place, values)| Some((*place, values.stat(stat)?)));
        let (places, points): (Vec<usize>, Vec<f64>) = points.unzip();
        let nothing = |status| Finding {
            labels: self.labels.clone(),
            metric: self.metric.clone(),
            stat: stat.to_string(),
            status,
            baseline: None,
            current: None,
            change: None,
            interval: None,
            p_value: None,
            baseline_n: 0,
            n: u64::try_from(points.len()).unwrap_or(u64::MAX),
            began: None,
        };
        let settings = Settings::default();
        // What is shorter has no pieces, whatever is in it.
        let least = count(self.question.min_samples).max(2.0 * settings.shortest as f64);
        if (points.len() as f64) < least {
            let n = points.len();
            let plural = if n == 1 { "" } else { "s" };
            return nothing(Status::Insufficient(format!(
                "{n} run{plural}, at least {least} are needed to tell a change"
            )));
        }
        let series: Vec<Option<f64>> = points.iter().copied().map(Some).collect();
        let found = segment(&series, &settings);
        let ([.., newest], [.., before, now]) = (found.cuts.as_slice(), found.parts.as_slice())
        else {
            return Finding {
                current: Values::of(self.metric, points.iter().copied()).stat(MIDDLE),
                ..nothing(Status::Stable)
            };
        };
        let of = |part| at_its_end(&points, part, found.is_log);
        let (before, now) = (of(before), of(now));
        let Some(mut contrast) = self.contrast(&before, &now) else {
            return nothing(Status::Stable);
        };
        if let (Model::Linear, Some(change)) = (found.model, contrast.change) {
            // The end of a line is known half as well as its middle.
            let wider = |end: f64| change + 2.0 * (end - change);
            contrast.interval = (contrast.interval).map(|(low, high)| (wider(low), wider(high)));
        }
        let place = places.get(newest.index).copied().unwrap_or_default();
        let is_accepted = self.accepted.is_some_and(|accepted| place <= accepted);
        Finding {
            baseline: Some(contrast.baseline),
            current: Some(contrast.value),
            change: contrast.change.filter(|change| change.is_finite()),
            interval: contrast.interval,
            baseline_n: u64::try_from(before.len()).unwrap_or(u64::MAX),
            n: u64::try_from(now.len()).unwrap_or(u64::MAX),
            began: runs.get(place).map(|run| Began {
                run: run.clone(),
                evidence: newest.score,
            }),
            ..nothing(match is_accepted {
                true => Status::Stable,
                false => self.status(&contrast),
            })
        }
    }

    /// Each run is one value, however many measurements it has: they share whatever was odd about it.
    fn contrast(&self, before: &[f64], now: &[f64]) -> Option<Contrast> {
        let of = |values: &[f64]| Values::of(self.metric, values.iter().copied());
        let before = of(before).cohort(None, None)?;
        let now = of(now).cohort(Some(before.scale), None)?;
        let feature = match self.metric {
            // Mostly nothing fails, and then the middle says nothing.
            Metric::ErrorRatio => Feature::Mean,
            _ => Feature::Median,
        };
        contrast::compare(feature, &now, &before)
    }

    /// That there is a change is known by the pieces; here it is whether it is large enough.
    fn status(&self, contrast: &Contrast) -> Status {
        let is_beyond = |share: f64, sign: f64| match contrast.change {
            // From nothing to something is more than any share of nothing.
            None => sign * (contrast.value - contrast.baseline) > 0.0,
            Some(change) => {
                let is_sure = (contrast.interval)
                    .is_none_or(|(low, high)| low * sign > 0.0 && high * sign > 0.0);
                is_sure && sign * change > share
            }
        };
        let sign = self.worse.sign();
        if is_beyond(self.question.critical, sign) {
            Status::Regressed(Level::Critical)
        } else if is_beyond(self.question.threshold, sign) {
            Status::Regressed(Level::Warning)
        } else if is_beyond(self.question.threshold, -sign) {
            Status::Improved
        } else {
            Status::Stable
        }
    }
}

/// The values of a piece as they would be at its end: where it is a line, it matters how it is now, and how it was before the
/// change.
fn at_its_end(points: &[f64], part: &Part, is_log: bool) -> Vec<f64> {
    let values = points.get(part.first..=part.last).unwrap_or_default();
    if values.len() < LINE {
        return values.to_vec();
    }
    let steps = (values.len().max(2) - 1) as f64;
    let along = |step: f64| match is_log {
        true => part.start * (part.end / part.start).powf(step / steps),
        false => part.start + (part.end - part.start) * step / steps,
    };
    let moved = values.iter().enumerate();
    let moved = moved.map(|(step, value)| match is_log {
        true => value * part.end / along(step as f64),
        false => value + part.end - along(step as f64),
    });
    moved.collect()
}

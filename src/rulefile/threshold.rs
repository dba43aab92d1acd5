//! `threshold:` of a rule.

use std::time::Duration;

use super::findings::{Checker, did_you_mean};
use super::limits::{self, Range};
use super::{relative, window, wire};
use crate::document::Place;
use crate::document::units::{Quantity, Unit};
use crate::engine::condition::{Comparison, Threshold};
use crate::engine::metric::{Metric, MetricName, Stat, Worse};
use crate::engine::series::is_label_name;

/// Scores whose good direction is known; others are allowed, but may be misspelt.
const KNOWN_SCORES: [&str; 4] = ["accuracy", "precision", "recall", "f1"];

/// What the group and the configuration say that a threshold is checked against.
#[derive(Clone, Copy)]
pub(super) struct Surroundings {
    /// Time between evaluations.
    pub interval: Duration,
    /// How long data are kept.
    pub retention: Duration,
    /// Whether something of the rule could not be read.
    pub damaged: bool,
}

/// Reads a threshold; `None` where a fault leaves nothing to judge by.
pub(super) fn read(
    written: &wire::Threshold,
    around: Surroundings,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Threshold> {
    let (metric, stat) = measured(&written.metric, written.stat.as_deref(), place, checker);
    let reach = window::read(&written.window, around, &place.key("window"), checker);
    let min_samples = window::min_samples(written.min_samples, 1, reach, place, checker);
    let comparison = comparison(written, around.damaged, place, checker);
    if let (Some(metric), Some(worse)) = (&metric, written.worse) {
        let comparison = comparison.map(|(_, comparison, _)| comparison);
        check_worse(
            metric,
            comparison,
            worse.into(),
            &place.key("worse"),
            checker,
        );
    }
    let (metric, stat, (key, comparison, limits)) = (metric?, stat?, comparison?);
    let mut range = Range::of(&metric, stat);
    let multiples = relative::Multiples {
        metric: &metric,
        stat,
        comparison,
        limits,
    };
    let (mut levels, relative) = match multiples.are_meant() {
        true => {
            range = range.of_multiples();
            multiples.read(written, reach, around, (place, key), checker)?
        }
        false => {
            if written.of.is_some() {
                checker.fault_at_key(
                    &place.key("of"),
                    "`of` says which baseline limits are multiples of, allowed: with limits such as {baseline: p95, times: 1.5}",
                );
            }
            let levels = limits::levels(limits, comparison, range, &place.key(key), checker);
            (levels, None)
        }
    };
    let is_readable = |recover: &Quantity| relative.is_none() || recover.unit == Unit::Ratio;
    if let Some(recover) = written.recover.filter(is_readable) {
        let place = place.key("recover");
        limits::recover(recover, &mut levels, comparison, range, &place, checker);
    }
    if levels.is_empty() {
        if matches!(limits, wire::Limits::Levels(levels) if levels.is_empty()) && !around.damaged {
            checker.fault_at_key(
                &place.key(key),
                format!("`{key}` has no limit, allowed: a value, or values of low, medium, high and critical"),
            );
        }
        return None;
    }
    Some(Threshold {
        metric,
        stat,
        reach: reach?,
        comparison,
        levels,
        min_samples,
        relative,
    })
}

/// What is judged, each part where it can be read.
pub(super) fn measured(
    name: &str,
    written: Option<&str>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> (Option<Metric>, Option<Stat>) {
    let metric = metric(name, place, checker);
    let stat = (metric.as_ref()).and_then(|metric| stat(metric, written, place, checker));
    (metric, stat)
}

fn metric(name: &str, place: &Place, checker: &mut Checker<'_>) -> Option<Metric> {
    let place = place.key("metric");
    let metric = match read_metric(name) {
        Ok(metric) => metric,
        Err(why) => {
            checker.fault(&place, why);
            return None;
        }
    };
    if matches!(metric, Metric::Score(_)) && !KNOWN_SCORES.contains(&name) {
        let names = MetricName::ALL.iter().map(|(name, _)| *name);
        let hint = did_you_mean(name, names.chain(KNOWN_SCORES));
        if !hint.is_empty() {
            checker.warn(
                &place,
                format!("`{name}` is no metric, so it is read as a quality score;{hint}"),
            );
        }
    }
    Some(metric)
}

/// The metric of that name, which may be a quality score.
///
/// # Errors
/// Why it is none, and what is allowed.
pub fn read_metric(name: &str) -> Result<Metric, String> {
    let names = || MetricName::ALL.iter().map(|(name, _)| *name);
    let allowed = || names().collect::<Vec<_>>().join(", ");
    if MetricName::RESERVED.contains(&name) {
        let allowed = allowed();
        return Err(format!(
            "`{name}` cannot be judged, allowed: {allowed}, or a quality score"
        ));
    }
    if !is_label_name(name) || name.len() > 64 {
        return Err(format!(
            "metric {name:?} is no metric and no name of a quality score, allowed: {}, or a score of letters, digits and _",
            allowed()
        ));
    }
    Ok(Metric::named(name))
}

fn stat(
    metric: &Metric,
    written: Option<&str>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Stat> {
    match (metric.own_stat(), written) {
        (Some(own), None) => Some(own),
        (Some(_), Some(_)) => {
            checker.fault_at_key(
                &place.key("stat"),
                format!("metric `{metric}` is a statistic itself, allowed: no `stat`"),
            );
            None
        }
        (None, None) => {
            checker.fault(
                place,
                format!(
                    "missing field `stat`, which `{metric}` needs, allowed: {}",
                    Stat::ALLOWED
                ),
            );
            None
        }
        (None, Some(name)) => {
            let stat = Stat::named(name);
            if stat.is_none() {
                let names = Stat::ALLOWED.split(", ");
                let hint = did_you_mean(name, names);
                checker.fault(
                    &place.key("stat"),
                    format!(
                        "unknown statistic {name:?},{hint} allowed: {}",
                        Stat::ALLOWED
                    ),
                );
            }
            stat
        }
    }
}

/// The one comparison of the threshold with its key and limits.
fn comparison<'a>(
    written: &'a wire::Threshold,
    damaged: bool,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<(&'static str, Comparison, &'a wire::Limits)> {
    let limits = [
        &written.above,
        &written.below,
        &written.at_least,
        &written.at_most,
        &written.equals,
    ];
    let mut given = Comparison::ALL
        .into_iter()
        .zip(limits)
        .filter_map(|((key, comparison), limits)| Some((key, comparison, limits.as_ref()?)));
    let first = given.next();
    let allowed = "exactly one of above, below, at_least, at_most, equals";
    match (first, given.next()) {
        (None, _) if !damaged => {
            checker.fault(place, format!("no comparison given, allowed: {allowed}"));
        }
        (Some((one, ..)), Some((other, ..))) => {
            checker.fault_at_key(
                &place.key(other),
                format!("both `{one}` and `{other}` given, allowed: {allowed}"),
            );
        }
        _ => {}
    }
    first
}

fn check_worse(
    metric: &Metric,
    comparison: Option<Comparison>,
    worse: Worse,
    place: &Place,
    checker: &mut Checker<'_>,
) {
    let word = match worse {
        Worse::Up => "up",
        Worse::Down => "down",
    };
    let judged = comparison.and_then(Comparison::rising);
    if metric.worse().is_some_and(|known| known != worse) {
        let other = if worse == Worse::Up { "down" } else { "up" };
        checker.fault(
            place,
            format!(
                "`{metric}` does not get worse by going {word}, allowed: {other}, or leave it out"
            ),
        );
    } else if judged.is_some_and(|rising| rising != (worse == Worse::Up)) {
        checker.fault(
            place,
            format!("`worse: {word}` contradicts the comparison, which alerts on the other side"),
        );
    }
}

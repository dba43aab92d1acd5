//! `threshold:` of a rule.

use std::time::Duration;

use super::findings::{Checker, did_you_mean};
use super::limits::{self, Range};
use super::{relative, wire};
use crate::document::Place;
use crate::document::units::{Period, Quantity, Unit};
use crate::engine::condition::{Comparison, Threshold};
use crate::engine::metric::{Metric, MetricName, Stat, Worse};
use crate::engine::series::is_label_name;
use crate::engine::window::Reach;

/// Most runs a window may reach back.
pub const MAX_RUNS: u32 = 10_000;
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
    let reach = window(&written.window, around, &place.key("window"), checker);
    let min_samples = min_samples(written.min_samples, 1, reach, place, checker);
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

pub(super) fn window(
    written: &str,
    around: Surroundings,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Reach> {
    let reach = match read_window(written, around.retention) {
        Ok(reach) => reach,
        Err(why) => {
            checker.fault(place, why);
            return None;
        }
    };
    if reach.span().is_some_and(|span| span < around.interval) {
        let interval = Period(around.interval);
        checker.warn(
            place,
            format!("window {written} is shorter than the {interval} between evaluations, so that some measurements are never looked at"),
        );
    }
    Some(reach)
}

/// A window as it is written: `10m`, `50 runs`, or `1h, at least 30 runs`. Data are kept for `retention`.
///
/// # Errors
/// Why it is none, and what is allowed.
pub fn read_window(written: &str, retention: Duration) -> Result<Reach, String> {
    let (time, runs) = match written.split_once(',') {
        Some((time, rest)) => (
            Some(time.trim_end()),
            rest.trim_start().strip_prefix("at least "),
        ),
        None if written.ends_with('n') || written.ends_with("runs") => (None, Some(written)),
        None => (Some(written), None),
    };
    let invalid = || {
        format!(
            "invalid window {written:?}, allowed: a time such as 10m, 1 to {MAX_RUNS} runs such as `50 runs`, or both such as `1h, at least 30 runs`"
        )
    };
    let count = runs.and_then(|runs| {
        let number = runs
            .strip_suffix("runs")
            .or_else(|| runs.strip_suffix("run"))?;
        let number = number.trim().parse().ok();
        number.filter(|n| (1..=MAX_RUNS).contains(n))
    });
    if count.is_none() && (runs.is_some() || written.contains(',')) {
        return Err(invalid());
    }
    let Some(time) = time else {
        return count.map(Reach::Runs).ok_or_else(invalid);
    };
    let Ok(Period(span)) = time.parse::<Period>() else {
        return Err(invalid());
    };
    if span.is_zero() || span > retention {
        let most = Period(retention);
        return Err(format!(
            "window {written} is out of range, allowed: above 0 and at most {most}, which is how long data are kept"
        ));
    }
    Ok(count.map_or(Reach::Time(span), |runs| Reach::AtLeast(span, runs)))
}

pub(super) fn min_samples(
    written: Option<u64>,
    default: u64,
    reach: Option<Reach>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> u64 {
    let wanted = written.unwrap_or(default);
    let most = match reach {
        Some(Reach::Runs(runs)) => u64::from(runs),
        Some(Reach::Time(_) | Reach::AtLeast(..)) | None => u64::MAX,
    };
    let place = place.key("min_samples");
    if wanted == 0 {
        checker.fault(
            &place,
            "`min_samples` of 0 is not possible, allowed: at least 1",
        );
    } else if wanted > most {
        checker.fault(
            &place,
            format!("`min_samples` of {wanted} can never be reached, allowed: at most the {most} runs of the window"),
        );
    }
    wanted
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

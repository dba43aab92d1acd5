//! Rules with a detector: `anomaly:` of a rule, and `regression:` whose baseline is what was before a change.

use std::time::Duration;

use super::amounts;
use super::findings::Checker;
use super::regression;
use super::threshold;
use super::{window, wire};
use crate::document::Place;
use crate::document::units::Period;
use crate::engine::condition::{Amount, Budget, Detection, Finds, Level};
use crate::engine::detector::{novelty, shift};
use crate::engine::rule::Severity;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Values are taken by blocks of this length, unless the rule says otherwise.
const BLOCK: Duration = Duration::from_secs(300);
/// Blocks before any is judged, unless a season has more.
const MIN_BLOCKS: u64 = 100;
/// A season has at least so many blocks: the shortest windows of the detector are half as long.
const SEASON_BLOCKS: u64 = 24;
/// Seasons may be as long as this.
const MAX_SEASON: Duration = Duration::from_secs(7 * 24 * 3_600);
/// A detector judges every block: one false alarm in so long is accepted, unless the rule says otherwise.
const BUDGET: Budget = Budget {
    alarms: 1.0,
    per: Duration::from_secs(20 * 24 * 3_600),
};

/// Reads an anomaly; `severity` is that of its alerts unless their labels say otherwise. `None` where a fault leaves nothing
/// to judge by.
pub(super) fn anomaly(
    written: &wire::Anomaly,
    severity: Option<Severity>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Detection> {
    let (metric, stat) =
        threshold::measured(&written.metric, written.stat.as_deref(), place, checker);
    let block = block(written.block, place, checker);
    let season = block.and_then(|block| {
        let written = written.season.unwrap_or(Period(DAY.max(block)));
        season(written, block, 1, &place.key("season"), checker)
    });
    let budget = budget(written.false_alarms.as_deref(), place, checker);
    let min_samples = window::min_samples(written.min_samples, MIN_BLOCKS, None, place, checker);
    let (block, season, budget) = (block?, season?, budget?);
    let settings = novelty::Settings {
        days_per_false_alarm: 1.0 / rate(budget),
        ..novelty::Settings::new(per_day(block))
    };
    Some(Detection {
        metric: metric?,
        stat: stat?,
        block,
        finds: Finds::Anomalies(settings),
        towards: written.direction.and_then(Into::into),
        levels: vec![any(severity)],
        budget,
        warm_up: min_samples.max(season),
    })
}

/// Reads a regression beside what was before a change; as [`anomaly`].
pub(super) fn change_point(
    written: &wire::Regression,
    repeats: Period,
    severity: Option<Severity>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Detection> {
    regression::which(&written.baseline, &place.key("baseline"), checker)?;
    let (metric, stat) =
        threshold::measured(&written.metric, written.stat.as_deref(), place, checker);
    for (is_given, key) in [
        (written.window.is_some(), "window"),
        (written.min_samples.is_some(), "min_samples"),
        (written.compat.is_some(), "compat"),
    ] {
        if is_given {
            checker.fault_at_key(
                &place.key(key),
                format!("`{key}` has no meaning beside `change_point`, which looks at blocks of time and at what came before the change, allowed: block"),
            );
        }
    }
    let block = block(written.block, place, checker);
    let season = block.and_then(|block| {
        let place = place.key("baseline").key("change_point");
        season(repeats, block, SEASON_BLOCKS, &place, checker)
    });
    let budget = budget(written.false_alarms.as_deref(), place, checker);
    let worse = (metric.as_ref()).and_then(|metric| {
        regression::worse(metric, written.worse.map(Into::into), place, checker)
    });
    let levels = match &written.worse_by {
        None => Some(vec![any(severity)]),
        Some(worse_by) => match regression::levels(written, worse_by, severity, place, checker)? {
            (Amount::Relative, levels) => Some(levels),
            (Amount::StandardDeviations, _) => {
                checker.fault(
                    &place.key("worse_by"),
                    "`worse_by` of a change is a share of what was before, allowed: an amount such as 10%",
                );
                None
            }
        },
    };
    let (block, season, budget) = (block?, season?, budget?);
    let points = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let warm_up = 2 * season;
    let settings = shift::Settings::new(
        points(season),
        per_day(block),
        points(warm_up.max(shift::MIN_WARM_UP as u64)),
        1.0 / rate(budget),
    );
    let settings = settings.map_err(|error| checker.fault(place, error.to_string()));
    Some(Detection {
        metric: metric?,
        stat: stat?,
        block,
        finds: Finds::Changes(settings.ok()?),
        towards: Some(worse?),
        levels: levels?,
        budget,
        warm_up,
    })
}

/// A level that anything found reaches.
fn any(severity: Option<Severity>) -> Level {
    Level {
        severity,
        limit: 0.0,
        recover: None,
    }
}

fn per_day(block: Duration) -> f64 {
    DAY.as_secs_f64() / block.as_secs_f64()
}

/// False alarms a day.
fn rate(budget: Budget) -> f64 {
    budget.alarms * DAY.as_secs_f64() / budget.per.as_secs_f64()
}

fn budget(written: Option<&str>, place: &Place, checker: &mut Checker<'_>) -> Option<Budget> {
    match written {
        Some(_) => amounts::budget(written, place, checker),
        None => Some(BUDGET),
    }
}

fn block(written: Option<Period>, place: &Place, checker: &mut Checker<'_>) -> Option<Duration> {
    let Period(block) = written.unwrap_or(Period(BLOCK));
    let is_whole = block.as_millis().is_multiple_of(MINUTE.as_millis());
    if is_whole && (MINUTE..=DAY).contains(&block) {
        return Some(block);
    }
    checker.fault(
        &place.key("block"),
        format!(
            "`block` of {} is not possible, allowed: whole minutes from 1m to 1d",
            Period(block)
        ),
    );
    None
}

/// How many blocks a season has.
fn season(
    Period(season): Period,
    block: Duration,
    least: u64,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<u64> {
    let blocks = u64::try_from(season.as_millis() / block.as_millis()).unwrap_or(u64::MAX);
    let is_whole = season.as_millis().is_multiple_of(block.as_millis());
    if is_whole && blocks >= least && season <= MAX_SEASON {
        return Some(blocks);
    }
    let times = u32::try_from(least).unwrap_or(u32::MAX);
    checker.fault(
        place,
        format!(
            "a season of {} is not possible with blocks of {}, allowed: a multiple of that from {} to {}",
            Period(season),
            Period(block),
            Period(block.saturating_mul(times)),
            Period(MAX_SEASON)
        ),
    );
    None
}

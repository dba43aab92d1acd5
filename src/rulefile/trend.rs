//! `trend:` of a rule.

use std::time::Duration;

use super::amounts::{self, Amounts};
use super::findings::Checker;
use super::limits::Range;
use super::threshold::{self, Surroundings};
use super::wire;
use crate::document::Place;
use crate::document::units::{Period, Quantity, Unit};
use crate::engine::condition::{Comparison, Level, Pace, Reaches, Trend};
use crate::engine::metric::{Metric, Stat, Worse};
use crate::engine::rule::Severity;
use crate::engine::trend::{Frame, FrameError, LEAST_BUCKETS};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Reads a trend; `severity` is that of its alerts unless their labels or levels say otherwise. `None` where a fault
/// leaves nothing to judge by.
pub(super) fn read(
    written: &wire::Trend,
    severity: Option<Severity>,
    around: Surroundings,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Trend> {
    let stat = written.stat.as_deref();
    let (metric, stat) = threshold::measured(&written.metric, stat, place, checker);
    let frame = frame(written, around, place, checker);
    let min_samples = min_samples(written.min_samples, frame, place, checker);
    let recover = amounts::recover(
        written.recover,
        "a trend is a share of its slope",
        place,
        checker,
    );
    let budget = amounts::budget(written.false_alarms.as_deref(), place, checker);
    let (metric, stat) = (metric?, stat?);
    let range = Range::of(&metric, stat);
    let way = way(written, &metric, around, place, checker);
    let reaches = match (written.reaches.as_deref(), way) {
        (Some(text), Some((towards, _))) => {
            reaches_of(text, towards, range, &place.key("reaches"), checker).map(Some)
        }
        _ => Some(None),
    };
    let (towards, amounts) = way?;
    let slopes = match amounts {
        Some((key, amounts)) => {
            let reader = Amounts {
                severity,
                recover,
                none: "no slope is given, allowed: a slope such as `3% per day`, or slopes of low, medium, high and critical",
                mixed: "the slopes of one rule are of one kind, allowed: all in %, or all in the unit of the metric",
            };
            let read = |text: &str, place: &Place, checker: &mut Checker<'_>| {
                pace_of(text, range, place, checker)
            };
            let slopes = reader.levels(amounts, &place.key(key), checker, read);
            slopes.map(|(pace, levels)| (pace, signed(levels, towards.sign())))
        }
        // Any slope will do that reaches the value in time.
        None => {
            let any = Level {
                severity,
                limit: 0.0,
                recover: None,
            };
            Some((Pace::Absolute, vec![any]))
        }
    };
    let (pace, levels) = slopes?;
    Some(Trend {
        metric,
        stat,
        frame: frame?,
        towards,
        levels,
        pace,
        reaches: reaches?,
        recover,
        budget: budget?,
        min_samples,
    })
}

fn frame(
    written: &wire::Trend,
    around: Surroundings,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Frame> {
    let (window, bucket) = (written.window, written.bucket);
    if window.0.is_zero() || window.0 > around.retention {
        let most = Period(around.retention);
        checker.fault(
            &place.key("window"),
            format!("window {window} is out of range, allowed: above 0 and at most {most}, which is how long data are kept"),
        );
        return None;
    }
    let frame = Frame::new(window.0, bucket.0);
    if let Err(error) = frame {
        checker.fault(&place.key("bucket"), frame_fault(error, window, bucket));
    }
    frame.ok()
}

/// Why a window has no buckets of that length, in words.
pub fn frame_fault(error: FrameError, window: Period, bucket: Period) -> String {
    match error {
        FrameError::Number(least, most) => format!(
            "a window of {window} has not {least} to {most} buckets of {bucket}, allowed: {} to {}",
            // To the second, upwards: shorter ones would be one too many.
            Period(Duration::from_secs(
                window.0.as_secs().div_ceil(most).max(1)
            )),
            Period(Duration::from_secs(window.0.as_secs() / least)),
        ),
        FrameError::Finer(step) => {
            let step = Period(step);
            format!(
                "of what is {window} old only buckets of {step} are kept, which do not make up ones of {bucket}, allowed: a multiple of {step}"
            )
        }
    }
}

fn min_samples(
    written: Option<u64>,
    frame: Option<Frame>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> u64 {
    let wanted = written.unwrap_or(LEAST_BUCKETS);
    let most = frame.map_or(u64::MAX, |frame| frame.buckets());
    if wanted < 3 || wanted > most {
        let place = match written {
            Some(_) => place.key("min_samples"),
            None => place.key("bucket"),
        };
        let most = match most {
            u64::MAX => String::new(),
            most => format!(" to the {most} of the window"),
        };
        checker.fault(
            &place,
            format!("`min_samples` of {wanted} buckets is not possible, allowed: 3{most}"),
        );
    }
    wanted
}

type Slopes<'a> = Option<(&'static str, &'a wire::Amounts)>;

/// Which way is alerted on, and the slopes.
fn way<'a>(
    written: &'a wire::Trend,
    metric: &Metric,
    around: Surroundings,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<(Worse, Slopes<'a>)> {
    match (&written.rising, &written.falling) {
        (Some(amounts), None) => Some((Worse::Up, Some(("rising", amounts)))),
        (None, Some(amounts)) => Some((Worse::Down, Some(("falling", amounts)))),
        (Some(_), Some(_)) => {
            checker.fault_at_key(
                &place.key("falling"),
                "both `rising` and `falling` given, allowed: one of them; the other is a rule of its own",
            );
            None
        }
        (None, None) if written.reaches.is_none() => {
            if !around.damaged {
                checker.fault(
                    place,
                    "no slope given, allowed: rising or falling, reaches, or one of the former with the latter",
                );
            }
            None
        }
        (None, None) => match metric.worse() {
            Some(worse) => Some((worse, None)),
            None => {
                checker.fault_at_key(
                    &place.key("reaches"),
                    format!("which way score `{metric}` gets worse is not known, allowed: `reaches` beside rising or falling"),
                );
                None
            }
        },
    }
}

/// `3% per day`, `50ms per hour`: per day.
fn slope(text: &str) -> Option<Quantity> {
    let (amount, time) = text.split_once(" per ")?;
    let amount: Quantity = amount.trim().parse().ok()?;
    let time = match time.trim() {
        "hour" => Duration::from_secs(3_600),
        "day" => DAY,
        "week" => DAY * 7,
        time => time.parse::<Period>().ok()?.0,
    };
    let value = amount.value * (DAY.as_secs_f64() / time.as_secs_f64());
    (value.is_finite() && value > 0.0).then_some(Quantity { value, ..amount })
}

/// One slope: whether it is a share of the level, and how much it is per day.
fn pace_of(
    text: &str,
    range: Range<'_>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<(Pace, f64)> {
    let Some(quantity) = slope(text) else {
        checker.fault(
            place,
            format!("{text:?} is no slope, allowed: an amount above 0 per time, such as `3% per day` (of the level), `50ms per hour` or `0.01 per week`"),
        );
        return None;
    };
    if quantity.unit == Unit::Ratio {
        return Some((Pace::Relative, quantity.value));
    }
    (range.check_unit(quantity, place, checker)).then_some((Pace::Absolute, quantity.value))
}

/// The same levels for slopes that go that way.
fn signed(mut levels: Vec<Level>, sign: f64) -> Vec<Level> {
    for level in &mut levels {
        level.limit *= sign;
        level.recover = level.recover.map(|recover| sign * recover);
    }
    levels
}

/// `10s within 14d`.
fn reaches_of(
    text: &str,
    towards: Worse,
    range: Range<'_>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Reaches> {
    let parts = text.split_once(" within ");
    let read = parts.and_then(|(value, within)| {
        let value: Quantity = value.trim().parse().ok()?;
        let Period(within) = within.trim().parse().ok()?;
        (!within.is_zero()).then_some((value, within))
    });
    let Some((value, within)) = read else {
        checker.fault(
            place,
            format!(
                "invalid `reaches` {text:?}, allowed: a value and a time such as `10s within 14d`"
            ),
        );
        return None;
    };
    if !range.check_unit(value, place, checker) {
        return None;
    }
    let comparison = match towards {
        Worse::Up => Comparison::AtLeast,
        Worse::Down => Comparison::AtMost,
    };
    range.check_reachable(comparison, value.value, place, checker);
    Some(Reaches {
        value: value.value,
        within,
    })
}

/// The statistic and the metric of such names, or why there are none.
pub fn read_stat(metric: &Metric, name: Option<&str>) -> Result<Stat, String> {
    match (metric.own_stat(), name) {
        (Some(own), None) => Ok(own),
        (Some(_), Some(_)) => Err(format!(
            "metric `{metric}` is a statistic itself, allowed: no `stat`"
        )),
        (None, None) => Ok(Stat::Quantile(0.5)),
        (None, Some(name)) => Stat::named(name)
            .ok_or_else(|| format!("unknown statistic {name:?}, allowed: {}", Stat::ALLOWED)),
    }
}

//! `regression:` of a rule.

use super::amounts::{self, Amounts};
use super::findings::Checker;
use super::threshold::{self, Surroundings};
use super::{window, wire};
use crate::document::Place;
use crate::document::units::{Period, Quantity, Unit};
use crate::engine::condition::{Against, Amount, Level, Regression};
use crate::engine::contrast::Feature;
use crate::engine::metric::{Metric, Stat, Worse};
use crate::engine::rule::Severity;
use crate::engine::series::check_text;
use crate::engine::window::Reach;

/// Independent values that are judged at least, unless the rule says otherwise.
const MIN_SAMPLES: u64 = 10;

/// Reads a regression; `severity` is that of its alerts unless their labels or levels say otherwise. `None` where a fault
/// leaves nothing to judge by.
pub(super) fn read(
    written: &wire::Regression,
    severity: Option<Severity>,
    around: Surroundings,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Regression> {
    let stat = written.stat.as_deref();
    let (metric, stat) = threshold::measured(&written.metric, stat, place, checker);
    let feature = (metric.as_ref().zip(stat))
        .and_then(|(metric, stat)| feature(metric, stat, place, checker));
    let missing = |name: &str, checker: &mut Checker<'_>| {
        checker.fault(
            place,
            format!("missing field `{name}`, which every baseline but `change_point` needs"),
        );
    };
    let reach = match &written.window {
        Some(window) => window::read(window, around, &place.key("window"), checker),
        None => {
            missing("window", checker);
            None
        }
    };
    if written.block.is_some() {
        checker.fault_at_key(
            &place.key("block"),
            "`block` goes with the baseline `change_point`, allowed: leave it out",
        );
    }
    let is_guide = written.compat.is_some();
    let least = if is_guide { 1 } else { MIN_SAMPLES };
    let min_samples = window::min_samples(written.min_samples, least, reach, place, checker);
    let against = against(
        &written.baseline,
        reach,
        around,
        &place.key("baseline"),
        checker,
    );
    let amounts = match &written.worse_by {
        Some(worse_by) => levels(written, worse_by, severity, place, checker),
        None => {
            missing("worse_by", checker);
            None
        }
    };
    let budget = amounts::budget(written.false_alarms.as_deref(), place, checker);
    let worse = (metric.as_ref())
        .and_then(|metric| worse(metric, written.worse.map(Into::into), place, checker));
    if is_guide && written.false_alarms.is_some() {
        checker.fault_at_key(
            &place.key("false_alarms"),
            "`compat: guide` weighs no evidence and keeps no budget of false alarms, allowed: one of the two",
        );
    }
    let (amount, levels) = amounts?;
    Some(Regression {
        metric: metric?,
        stat: stat?,
        feature: feature?,
        reach: reach?,
        against: against?,
        worse: worse?,
        levels,
        amount,
        budget: budget?,
        min_samples,
        weighs_evidence: !is_guide,
    })
}

/// `worse_by` as levels.
pub(super) fn levels(
    written: &wire::Regression,
    worse_by: &wire::Amounts,
    severity: Option<Severity>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<(Amount, Vec<Level>)> {
    let recover = amounts::recover(
        written.recover,
        "a regression is a share of `worse_by`",
        place,
        checker,
    );
    let amounts = Amounts {
        severity,
        recover,
        none: "`worse_by` has no amount, allowed: an amount, or amounts of low, medium, high and critical",
        mixed: "the amounts of one rule are of one kind, allowed: all in %, or all in sd",
    };
    amounts.levels(worse_by, &place.key("worse_by"), checker, amount)
}

fn feature(
    metric: &Metric,
    stat: Stat,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Feature> {
    match (metric, stat) {
        (Metric::ErrorRatio, _) => Some(Feature::Share),
        (_, Stat::Mean) => Some(Feature::Mean),
        (_, Stat::Quantile(0.5)) => Some(Feature::Median),
        (_, Stat::Quantile(q)) => Some(Feature::Quantile(q)),
        (Metric::Rate | Metric::Errors, _) => {
            checker.fault(
                &place.key("metric"),
                format!("`{metric}` has no values that could be compared one by one, allowed: error_ratio, or a metric that each operation has; a change of `{metric}` is found by a threshold"),
            );
            None
        }
        _ => {
            checker.fault(
                &place.key("stat"),
                format!("`{stat}` cannot be compared with a baseline, allowed: mean, median, p50 to p99.9"),
            );
            None
        }
    }
}

pub(super) fn worse(
    metric: &Metric,
    written: Option<Worse>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Worse> {
    match (metric.worse(), written) {
        (Some(known), Some(written)) if known != written => {
            checker.fault(
                &place.key("worse"),
                format!("`{metric}` does not get worse that way, allowed: the other one, or leave it out"),
            );
            None
        }
        (None, None) => {
            checker.fault(
                place,
                format!("missing field `worse`: which way score `{metric}` gets worse is not known, allowed: up or down"),
            );
            None
        }
        (known, written) => known.or(written),
    }
}

/// Which baseline is written, if it is exactly one of those that are possible here.
pub(super) fn which(
    written: &wire::Against,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<&'static str> {
    let given = [
        (written.pinned.is_some(), "pinned"),
        (written.rolling.is_some(), "rolling"),
        (written.offset.is_some(), "offset"),
        (written.seasonal.is_some(), "seasonal"),
        (written.version.is_some(), "version"),
        (written.change_point.is_some(), "change_point"),
    ];
    let given: Vec<&str> = given
        .into_iter()
        .filter_map(|(is, name)| is.then_some(name))
        .collect();
    let allowed = "exactly one of pinned, rolling, offset, seasonal, version, change_point";
    match given.as_slice() {
        [one] => return Some(one),
        [] => checker.fault(place, format!("no baseline given, allowed: {allowed}")),
        [one, other, ..] => checker.fault_at_key(
            &place.key(other),
            format!("both `{one}` and `{other}` given, allowed: {allowed}"),
        ),
    }
    None
}

pub(super) fn against(
    written: &wire::Against,
    reach: Option<Reach>,
    around: Surroundings,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Against> {
    if which(written, place, checker)? == "change_point" {
        checker.fault_at_key(
            &place.key("change_point"),
            "`change_point` is a baseline of regressions only, allowed: pinned, rolling, offset, seasonal, version",
        );
        return None;
    }
    let mut check = |period: Period, name: &str, needs_time: bool| {
        let place = place.key(name);
        if period.0.is_zero() || period.0 > around.retention {
            let most = Period(around.retention);
            checker.fault(
                &place,
                format!("`{name}` of {period} is out of range, allowed: above 0 and at most {most}, which is how long data are kept"),
            );
            return None;
        }
        match reach {
            Some(Reach::Runs(_)) if needs_time => {
                checker.fault_at_key(
                    &place,
                    format!("`{name}` needs a window of time, because runs have no time of day, allowed: a window such as 1h"),
                );
                None
            }
            Some(Reach::Time(span) | Reach::AtLeast(span, _)) if needs_time && span > period.0 => {
                checker.fault(
                    &place,
                    format!("`{name}` of {period} is shorter than the window, which would be compared with itself, allowed: at least {}", Period(span)),
                );
                None
            }
            _ => Some(period.0),
        }
    };
    if let Some(name) = &written.pinned {
        let fault = check_text("pinned", name).err().map(|fault| fault.reason);
        if fault.is_some() || name.is_empty() {
            let reason = fault.unwrap_or_else(|| "is empty".to_owned());
            checker.fault(
                &place.key("pinned"),
                format!("baseline name {reason}, allowed: 1 to 200 characters without control characters"),
            );
            return None;
        }
        return Some(Against::Pinned(name.clone()));
    }
    if let Some(rolling) = written.rolling {
        return check(rolling, "rolling", false).map(Against::Rolling);
    }
    if let Some(offset) = written.offset {
        return check(offset, "offset", true).map(Against::Offset);
    }
    if let Some(seasonal) = written.seasonal {
        return check(seasonal, "seasonal", true).map(Against::Seasonal);
    }
    written
        .version
        .map(|wire::Version::Previous| Against::PreviousVersion)
}

/// One amount: a share of the baseline, or standard deviations.
fn amount(text: &str, place: &Place, checker: &mut Checker<'_>) -> Option<(Amount, f64)> {
    let amount = read_amount(text);
    if amount.is_none() {
        checker.fault(
            place,
            format!("{text:?} is no amount by which something gets worse, allowed: a share such as 10%, or standard deviations such as `3 sd`"),
        );
    }
    amount
}

fn read_amount(text: &str) -> Option<(Amount, f64)> {
    if let Some(sds) = text.trim().strip_suffix("sd") {
        let sds: f64 = sds.trim().parse().ok()?;
        return (sds.is_finite() && sds > 0.0).then_some((Amount::StandardDeviations, sds));
    }
    let quantity: Quantity = text.trim().parse().ok()?;
    let good = quantity.unit == Unit::Ratio && quantity.value > 0.0;
    good.then_some((Amount::Relative, quantity.value))
}

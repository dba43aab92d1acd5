//! Two cohorts compared: how far the one lies from the other, and how sure that is.
//!
//! **Evidence.** For means and medians the difference of the means of clipped, standardised values (see [`Scale`]) over
//! its standard error, as a *t* statistic (B. L. Welch, *The generalization of Student's problem*, Biometrika 34, 1947),
//! where values that depend on their neighbours count as fewer. For quantiles and shares: how many values lie beyond a
//! value of the reference, of which the exact distribution is known whatever they are distributed like ([`exceedance`]).
//!
//! **Size.** The shift of E. J. Lehmann and J. L. Hodges (*Estimates of location based on rank tests*, 1963) for medians,
//! on the logarithmic scale a factor; the ratio of means or quantiles else.
//!
//! [`Scale`]: super::cohort::Scale

mod dependence;

use std::cmp::Ordering;

use super::cohort::Cohort;
use super::measurement::count;
use super::stats::{Counted, Interval, exceedance, normal, rank, robust, student};
use dependence::{Apart, Dependence, apart, mean};

/// Values of the reference whose variance counts with those of the window.
const BORROWED: f64 = 20.0;
/// A shift of fewer standard errors than this is as exactly told by the clipped means, in a tenth of the time.
const CLEAR: f64 = 2.0;
/// Of the interval that is given with a size.
const LEVEL: f64 = 0.95;

/// Which statistic of two cohorts is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Feature {
    /// The mean.
    Mean,
    /// The middle: the Hodges–Lehmann shift.
    Median,
    /// A quantile other than the median, 0 to 1.
    Quantile(f64),
    /// The share of values that are not zero.
    Share,
}

/// How the window stands to the reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contrast {
    /// The statistic of the window.
    pub value: f64,
    /// The statistic of the reference.
    pub baseline: f64,
    /// The relative change, 0.2 for 20 % more; `None` where the reference is 0.
    pub change: Option<f64>,
    /// The interval in which the change lies with 95 % confidence.
    pub interval: Option<(f64, f64)>,
    /// The difference in standard deviations of the reference; `None` where that has none.
    pub sds: Option<f64>,
    /// That standard deviation.
    pub baseline_sd: Option<f64>,
    /// The probability of at least such a rise where nothing has changed.
    pub p_rise: f64,
    /// The probability of at least such a fall where nothing has changed.
    pub p_fall: f64,
    /// What these follow from: the difference in standard errors; positive for a rise.
    pub statistic: f64,
    /// As many independent values tell as much as those of the window.
    pub effective: f64,
    /// The same of the reference.
    pub baseline_effective: f64,
}

/// Compares a window with its reference, on the scale of which the window has to be.
pub fn compare(feature: Feature, window: &Cohort, reference: &Cohort) -> Option<Contrast> {
    let d = Dependence::of(window, reference);
    let apart = apart(reference, d);
    let (value, baseline) = (of(feature, window)?, of(feature, reference)?);
    let (statistic, p_rise, p_fall) = match feature {
        Feature::Mean | Feature::Median => location(window, reference, d, apart)?,
        Feature::Quantile(_) => exceedances(window, reference, baseline, d.and(apart)),
        Feature::Share => exceedances(window, reference, 0.0, d.and(apart)),
    };
    let (effective, baseline_effective) = (d.effective(window), d.effective(reference));
    let size = if feature == Feature::Median && statistic.abs() < CLEAR {
        middle_size(window, reference, baseline, statistic)
    } else {
        size(feature, window, reference, (effective, baseline_effective))
    };
    Some(Contrast {
        value,
        baseline,
        change: size.map(|(change, _)| change),
        interval: size.and_then(|(_, interval)| interval),
        sds: (reference.summary.sd)
            .filter(|sd| *sd > 0.0)
            .map(|sd| (value - baseline) / sd),
        baseline_sd: reference.summary.sd,
        p_rise,
        p_fall,
        statistic,
        effective,
        baseline_effective,
    })
}

/// A statistic of a window beside a number. How sure that is is not known, so that there is no evidence in it.
pub fn beside(value: f64, number: f64, sd: Option<f64>) -> Contrast {
    Contrast {
        value,
        baseline: number,
        change: relative(value, number),
        interval: None,
        sds: sd.filter(|sd| *sd > 0.0).map(|sd| (value - number) / sd),
        baseline_sd: sd,
        p_rise: 1.0,
        p_fall: 1.0,
        statistic: 0.0,
        effective: 0.0,
        baseline_effective: 0.0,
    }
}

/// The relative change; `None` where it is from nothing to something.
fn relative(value: f64, baseline: f64) -> Option<f64> {
    if baseline == 0.0 {
        (value == 0.0).then_some(0.0)
    } else {
        Some((value - baseline) / baseline.abs())
    }
}

/// The statistic of a cohort.
pub fn of(feature: Feature, cohort: &Cohort) -> Option<f64> {
    match feature {
        Feature::Mean => Some(cohort.summary.mean),
        Feature::Median => cohort.quantile(0.5),
        Feature::Quantile(q) => cohort.quantile(q),
        Feature::Share => Some(count(cohort.above(0.0)) / count(cohort.summary.n.max(1))),
    }
}

/// The evidence for a shift: the *t* statistic and its two one-sided probabilities.
fn location(
    window: &Cohort,
    reference: &Cohort,
    d: Dependence,
    apart: Option<Apart>,
) -> Option<(f64, f64, f64)> {
    let difference = mean(&window.blocks) - mean(&reference.blocks);
    let (n, m) = (d.effective(window), d.effective(reference));
    let before = reference.variance;
    // The variance of few values is itself uncertain: it is taken together with some of the reference.
    let own = count(window.summary.n) - 1.0;
    let now = (own * window.variance + BORROWED * before) / (own + BORROWED);
    let parts = (now / n, before / m);
    // The window is of a day of its own, the reference of several.
    let days = apart.map_or(0.0, |apart| apart.excess * before / m * (apart.k + 1.0));
    let error = (parts.0 + parts.1 + days).sqrt();
    if error <= 0.0 {
        // Both cohorts are constant. Under no change all orders are equally likely, and only one puts all values of the
        // window on this side.
        let p = (-exceedance::ln_choose(n + m, n)).exp();
        return Some(match difference.total_cmp(&0.0) {
            Ordering::Equal => (0.0, 0.5, 0.5),
            Ordering::Greater => (f64::MAX.sqrt(), p, 1.0 - p),
            Ordering::Less => (-f64::MAX.sqrt(), 1.0 - p, p),
        });
    }
    let t = difference / error;
    let squares = parts.0.powi(2) / ((own + BORROWED) / d.factor)
        + parts.1.powi(2) / ((count(reference.summary.n) - 1.0) / d.factor).max(1.0)
        + apart.map_or(0.0, |apart| days.powi(2) / (apart.k - 1.0));
    let values = error.powi(4) / squares;
    let freedom = d
        .blocks
        .map_or(values, |blocks| values.min(blocks - 1.0))
        .max(1.0);
    Some((
        t,
        student::survival(t, freedom)?,
        student::survival(-t, freedom)?,
    ))
}

/// The evidence that more or fewer values lie beyond `edge`.
fn exceedances(window: &Cohort, reference: &Cohort, edge: f64, d: Dependence) -> (f64, f64, f64) {
    let (n, m) = (count(window.summary.n), count(reference.summary.n));
    let (above, expected) = (count(window.above(edge)), count(reference.above(edge)));
    let by = d.factor;
    let p_rise = exceedance::beyond(above / by, n / by, expected / by, m / by);
    let p_fall = exceedance::beyond((n - above) / by, n / by, (m - expected) / by, m / by);
    let share = (above + expected) / (n + m);
    let error = (share * (1.0 - share) * (by / n + by / m)).sqrt();
    let statistic = (above / n - expected / m) / error.max(f64::MIN_POSITIVE);
    (
        if above / n == expected / m {
            0.0
        } else {
            statistic
        },
        p_rise,
        p_fall,
    )
}

/// The relative change of the middle with its interval, by the difference of clipped means and its standard error.
fn middle_size(
    window: &Cohort,
    reference: &Cohort,
    baseline: f64,
    statistic: f64,
) -> Option<(f64, Option<(f64, f64)>)> {
    let scale = reference.scale;
    if statistic == 0.0 {
        return Some((0.0, None));
    }
    let difference = (mean(&window.blocks) - mean(&reference.blocks)) * scale.spread;
    let reach = normal::quantile(f64::midpoint(1.0, LEVEL))? * (difference / statistic).abs();
    let change = |shift: f64| {
        if scale.is_log {
            Some(shift.exp_m1())
        } else {
            (baseline != 0.0).then(|| shift / baseline.abs())
        }
    };
    let interval = change(difference - reach).zip(change(difference + reach));
    Some((change(difference)?, interval))
}

/// The relative change with its interval.
fn size(
    feature: Feature,
    window: &Cohort,
    reference: &Cohort,
    effective: (f64, f64),
) -> Option<(f64, Option<(f64, f64)>)> {
    let (value, baseline) = (of(feature, window)?, of(feature, reference)?);
    let relative = |value: f64| (value - baseline) / baseline.abs();
    if baseline == 0.0 {
        return (value == 0.0).then_some((0.0, None));
    }
    let z = normal::quantile(f64::midpoint(1.0, LEVEL))?;
    Some(match feature {
        Feature::Median => {
            let level = |cohort: &Cohort| {
                let values = cohort.values.pairs().iter();
                Counted::from_pairs(values.map(|(v, n)| (reference.scale.level(*v), *n)))
            };
            let shift = rank::hodges_lehmann(&level(window)?, &level(reference)?, LEVEL)?;
            let change = |shift: f64| {
                if reference.scale.is_log {
                    shift.exp_m1()
                } else {
                    shift / baseline.abs()
                }
            };
            let (n, m) = (count(window.summary.n), count(reference.summary.n));
            let widening = (1.0 / effective.0 + 1.0 / effective.1) / (1.0 / n + 1.0 / m);
            let interval = widened(shift.value, shift.interval, widening);
            let interval = interval.map(|(low, high)| (change(low), change(high)));
            (change(shift.value), interval)
        }
        Feature::Mean | Feature::Share => {
            let error = |cohort: &Cohort, n: f64| cohort.summary.sd.map_or(0.0, |sd| sd / n.sqrt());
            let (one, other) = (error(window, effective.0), error(reference, effective.1));
            // The variance of a ratio of means by the delta method.
            let spread = (one.powi(2) + (value / baseline * other).powi(2)).sqrt() * z;
            (
                relative(value),
                Some((relative(value - spread), relative(value + spread))),
            )
        }
        Feature::Quantile(q) => {
            let side = |cohort: &Cohort, n: f64| {
                let found = robust::quantile_interval(&cohort.values, q, LEVEL)?;
                widened(found.value, found.interval, count(cohort.summary.n) / n)
            };
            let interval = side(window, effective.0).zip(side(reference, effective.1));
            let interval = interval.map(|((low, high), (least, most))| {
                // Each end in quadrature, as for independent errors.
                let down = (value - low).hypot(value / baseline * (most - baseline));
                let up = (high - value).hypot(value / baseline * (baseline - least));
                (relative(value - down), relative(value + up))
            });
            (relative(value), interval)
        }
    })
}

/// An interval made wider because the variance is larger by that factor; `None` where it has no end.
fn widened(value: f64, interval: Interval, variance: f64) -> Option<(f64, f64)> {
    let end = |end: f64| value + (end - value) * variance.sqrt();
    let (low, high) = (end(interval.low), end(interval.high));
    (low.is_finite() && high.is_finite()).then_some((low, high))
}

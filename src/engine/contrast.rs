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

use std::cmp::Ordering;

use super::cohort::{Block, Cohort};
use super::measurement::count;
use super::stats::{Counted, Interval, exceedance, normal, rank, robust, student};

/// Blocks from which dependence is estimated; with fewer in the reference those of the window are taken with them.
const ENOUGH_BLOCKS: usize = 50;
/// Values of the reference whose variance counts with those of the window.
const BORROWED: f64 = 20.0;
/// Batches that the variance of batch means is taken from.
const LEAST_BATCHES: usize = 12;
/// So many standard errors are more than chance: one case in forty.
const SURELY: f64 = 2.0;
/// Of so few values dependence is estimated so badly that less than [`SURELY`] has to count, in proportion.
const FEW: f64 = 150.0;
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

/// By how much less several values tell than as many independent ones.
#[derive(Clone, Copy, Debug)]
struct Dependence {
    /// The variance of a mean of values is so many times that of as many independent ones.
    factor: f64,
    /// On how many independent blocks that rests; `None` where nothing speaks against independence.
    blocks: Option<f64>,
}

impl Dependence {
    fn of(window: &Cohort, reference: &Cohort) -> Self {
        // The window may hold the change that is looked for, which would pass for dependence.
        if reference.blocks.len() >= ENOUGH_BLOCKS {
            let each = values_per_block(reference);
            let length = (count(window.summary.n) / each).round();
            return Self::within(&[&reference.blocks], reference.variance, length);
        }
        // How alike neighbours are depends on how many values a block holds: it has to be the same on both sides.
        let each = values_per_block(window).max(values_per_block(reference));
        let alike = |cohort: &Cohort| Block::together(&cohort.blocks, each);
        let (one, other) = (alike(window), alike(reference));
        let (n, m) = (count(window.summary.n), count(reference.summary.n));
        let single = (window.variance * n + reference.variance * m) / (n + m);
        let length = count(one.len() as u64);
        let both = Self::within(&[&other, &one], single, length);
        if each <= values_per_block(window) {
            return both;
        }
        // What neighbours have in common is no longer to be seen in the long blocks of a few hours long ago. The window
        // itself has it, at the price that a change within it passes for dependence until it fills the window.
        let length = count(window.blocks.len() as u64);
        let own = Self::within(&[&window.blocks], window.variance, length);
        if own.factor > both.factor { own } else { both }
    }

    /// Of blocks in which a single value has that variance, for a mean of so many blocks.
    fn within(stretches: &[&[Block]], single: f64, length: f64) -> Self {
        let deviations: Vec<f64> = stretches
            .iter()
            .flat_map(|blocks| deviations(blocks))
            .collect();
        let m = count(deviations.len() as u64);
        let each = stretches
            .iter()
            .copied()
            .flatten()
            .map(|block| block.n)
            .sum::<f64>()
            / m;
        let squares: f64 = deviations.iter().map(|d| d * d).sum();
        if m < 3.0 || squares <= 0.0 {
            return Self {
                factor: 1.0,
                blocks: None,
            };
        }
        // Values may be alike within a block as well. What chance does is not counted.
        let ratio = squares / (m - count(stretches.len() as u64)) / single;
        let within = if each > 1.0 && ratio > 1.0 + SURELY * (2.0 / m).sqrt() {
            ratio
        } else {
            1.0
        };
        let between = inflation(&deviations, length);
        Self {
            factor: within * between,
            blocks: (within > 1.0 || between > 1.0).then_some(m / between),
        }
    }

    /// The same where the means of stretches differ as well.
    fn and(self, apart: Option<Apart>) -> Self {
        Self {
            factor: self.factor * apart.map_or(1.0, |apart| 1.0 + apart.excess),
            ..self
        }
    }

    /// The number of independent values that tell as much as those of a cohort.
    fn effective(&self, cohort: &Cohort) -> f64 {
        count(cohort.summary.n) / self.factor
    }
}

fn values_per_block(cohort: &Cohort) -> f64 {
    count(cohort.summary.n) / count(cohort.blocks.len().max(1) as u64)
}

fn mean(blocks: &[Block]) -> f64 {
    let n: f64 = blocks.iter().map(|block| block.n).sum();
    blocks.iter().map(|block| block.mean * block.n).sum::<f64>() / n
}

/// The deviations of block means from their mean, each of the variance of a single value where values are independent.
fn deviations(blocks: &[Block]) -> Vec<f64> {
    let mean = mean(blocks);
    (blocks.iter())
        .map(|block| (block.mean - mean) * block.n.sqrt())
        .collect()
}

/// By which factor the variance of a mean of `length` consecutive values is larger than that of independent ones; at
/// least 1. `deviations` are such values in their order, with mean 0.
///
/// Two estimates, of which the larger counts: that of a first-order autoregression, (1 + ρ) ÷ (1 − ρ), with the small-sample
/// correction of ρ by F. H. C. Marriott and J. A. Pope (*Bias in the estimation of autocorrelations*, 1954); and the
/// variance of the means of batches up to the window's own length, which also sees slow waves such as a daily one. Either
/// counts only where it is more than chance makes of independent values.
fn inflation(deviations: &[f64], length: f64) -> f64 {
    let m = count(deviations.len() as u64);
    let squares: f64 = deviations.iter().map(|d| d * d).sum();
    let pairs = deviations.iter().zip(deviations.iter().skip(1));
    let rho = pairs.map(|(one, next)| one * next).sum::<f64>() / squares;
    let mut most = if rho > SURELY / m.sqrt() * (m / FEW).min(1.0) {
        // And a standard error more: a rule looks again and again, and would speak when the estimate happens to be small.
        let error = ((1.0 - rho * rho) / m).max(0.0).sqrt();
        let rho = (rho + (1.0 + 3.0 * rho) / m + error).min(0.99);
        (1.0 + rho) / (1.0 - rho)
    } else {
        1.0
    };
    let mut batch = 2_usize;
    while count(batch as u64) <= length.max(2.0) && deviations.len() / batch >= LEAST_BATCHES {
        let batches = deviations.chunks_exact(batch);
        let k = count(batches.len() as u64);
        let sums = batches
            .map(|batch| batch.iter().sum::<f64>().powi(2))
            .sum::<f64>();
        let ratio = sums / (k * count(batch as u64)) * (m / squares) * (k / (k - 1.0));
        if ratio > most * (1.0 + SURELY * (2.0 / k).sqrt()) {
            most = ratio;
        }
        batch *= 2;
    }
    most
}

/// How much more the means of stretches that lie apart differ than their values explain: that of one day from that of
/// another.
#[derive(Clone, Copy, Debug)]
struct Apart {
    /// The variance of their means over that of means of as many values that depend on each other as these do, less 1.
    excess: f64,
    /// Stretches.
    k: f64,
}

/// The components of variance of stretches and of values within them (one-way random effects; S. R. Searle, G. Casella, C.
/// E. McCulloch, *Variance Components*, 1992, 3.5).
fn apart(reference: &Cohort, d: Dependence) -> Option<Apart> {
    let k = count(reference.apart.len() as u64);
    if k < 2.0 {
        return None;
    }
    let squares: f64 = deviations(&reference.apart).iter().map(|d| d * d).sum();
    let ratio = squares / (k - 1.0) / (reference.variance * d.factor);
    Some(Apart {
        excess: (ratio - 1.0).max(0.0),
        k,
    })
    .filter(|apart| apart.excess.is_finite())
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

//! Location and spread that a few odd values do not move, and intervals of quantiles that assume no distribution.

use crate::engine::measurement::count;

use super::counted::Counted;
use super::interval::{Estimate, Interval, tail};
use super::{ascending, finite, linear, size};

/// 1 / Φ⁻¹(3/4): what makes the median absolute deviation of normal values their standard deviation.
const NORMAL: f64 = 1.482_602_218_505_602;

/// The median and the median absolute deviation from it, scaled to the standard deviation of normal values, in the unit of
/// the values (F. R. Hampel, 1974; SciPy's `median_abs_deviation` with the scale `normal`).
///
/// The deviation is 0 where more than half of the values are the same. `None` without values, and where it leaves the
/// range of a float.
pub fn median_and_deviation(values: &[f64]) -> Option<(f64, f64)> {
    let median = linear(&ascending(values)?, 0.5)?;
    let deviations: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
    let deviation = NORMAL * linear(&ascending(&deviations)?, 0.5)?;
    finite(&[median, deviation]).then_some((median, deviation))
}

/// A location with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Location {
    /// The centre of the values, in their unit.
    pub value: f64,
    /// Its standard error for independent values; `None` under two values, and where more than half of the values are the
    /// same and others are not.
    pub standard_error: Option<f64>,
}

/// Rounds of [`huber`]: each brings the result nearer by a fixed share, of which this many leave nothing.
const ROUNDS: usize = 500;

/// Huber's location: the value that is the mean once all values further than `k` (above 0; 1.5 is usual) scaled median
/// absolute deviations from it are drawn in to that distance. At 1.5 it needs 4 % more normal values than the mean does.
///
/// P. J. Huber, *Robust Statistics*, 1981, 5 and 6.7: as `huber` of R's MASS, found by winsorising until nothing moves. The
/// standard error is s √(Σψ² / (n (n − 1))) / m, with ψ the distances after winsorising, in s, and m the share of values
/// that are not drawn in. Where the deviation is 0 it is the median.
pub fn huber(values: &[f64], k: f64) -> Option<Location> {
    let (median, deviation) = median_and_deviation(values)?;
    if k.is_nan() || k <= 0.0 {
        return None;
    }
    let n = size(values.len());
    let limit = k * deviation;
    if deviation <= 0.0 {
        let constant = values.iter().all(|value| *value == median);
        return Some(Location {
            value: median,
            standard_error: (constant && n > 1.0).then_some(0.0),
        });
    }
    let drawn = |centre: f64| {
        values
            .iter()
            .map(move |value| (value - centre).clamp(-limit, limit))
    };
    let mut centre = median;
    for _ in 0..ROUNDS {
        let step = drawn(centre).sum::<f64>() / n;
        centre += step;
        if step.abs() <= 1e-14 * deviation {
            break;
        }
    }
    let squares: f64 = drawn(centre).map(|distance| distance * distance).sum();
    let inside = values.iter().filter(|v| (**v - centre).abs() <= limit);
    let share = size(inside.count()) / n;
    let spread = (squares / (n * (n - 1.0))).sqrt();
    let error = (n > 1.0 && share > 0.0).then(|| spread / share);
    centre.is_finite().then(|| Location {
        value: centre,
        standard_error: error.filter(|error| error.is_finite()),
    })
}

/// The `q`-quantile (0 to 1, both excluded) with its interval at `level`, for independent values of any distribution.
///
/// The ends are order statistics whose ranks are quantiles of the binomial distribution with n and q (W. J. Conover,
/// *Practical Nonparametric Statistics*, 1999, 3.2; SciPy's `quantile_test`): coverage is at least the level. An end for which
/// there are too few values is infinite, as the upper one of a p99 under 368 values at 95 %.
/// Binned values give the ends to the resolution of the bins. `None` without values.
pub fn quantile_interval(values: &Counted, q: f64, level: f64) -> Option<Estimate> {
    let tail = tail(level)?;
    let value = values.quantile(q)?;
    if !(q > 0.0 && q < 1.0) {
        return None;
    }
    let n = values.count();
    // From below: the first count that is no longer improbably small, less one for a rank from 0. From above the same of
    // the values beyond the quantile.
    let below = binomial_quantile(n, q, tail)?;
    let above = binomial_quantile(n, 1.0 - q, tail)?;
    let at = |rank: Option<u64>| rank.and_then(|rank| values.at(rank));
    Some(Estimate {
        value,
        interval: Interval {
            low: at(below.checked_sub(1)).unwrap_or(f64::NEG_INFINITY),
            high: at(above.checked_sub(1).map(|rank| n - 1 - rank)).unwrap_or(f64::INFINITY),
        },
    })
}

/// The median with its interval at `level`: [`quantile_interval`] of one half.
pub fn median_interval(values: &Counted, level: f64) -> Option<Estimate> {
    quantile_interval(values, 0.5, level)
}

/// The smallest number of successes out of `n` that is reached with a probability of at least `p`, at the chance `q`.
///
/// Probabilities are summed relative to that of the mode, from which they fall off: nothing overflows, and only as many
/// terms count as the spread is wide.
fn binomial_quantile(n: u64, q: f64, p: f64) -> Option<u64> {
    const NEGLIGIBLE: f64 = 1e-25;
    let odds = q / (1.0 - q);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and n + 1"
    )]
    let mode = ((count(n + 1) * q).floor() as u64).min(n);
    let mut terms = vec![(mode, 1.0)];
    let mut relative = 1.0;
    for k in (1..=mode).rev() {
        relative *= count(k) / (count(n - k + 1) * odds);
        if relative < NEGLIGIBLE {
            break;
        }
        terms.push((k - 1, relative));
    }
    terms.reverse();
    relative = 1.0;
    for k in mode..n {
        relative *= count(n - k) * odds / count(k + 1);
        if relative < NEGLIGIBLE {
            break;
        }
        terms.push((k + 1, relative));
    }
    let wanted = p * terms.iter().map(|(_, term)| term).sum::<f64>();
    let mut sum = 0.0;
    terms.iter().find_map(|(k, term)| {
        sum += term;
        (sum >= wanted).then_some(*k)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn deviations_are_scaled_to_the_normal_distribution() {
        let values = [1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0];
        assert_eq!(median_and_deviation(&values), Some((2.0, NORMAL)));
        assert_eq!(median_and_deviation(&[5.0]), Some((5.0, 0.0)));
        assert_eq!(median_and_deviation(&[]), None);
        assert_eq!(median_and_deviation(&[1.0, f64::NAN]), None);
    }

    #[test]
    fn huber_of_the_copper_in_flour() {
        // `huber(chem)` of MASS, whose help page has it: mu 3.206724, s 0.526323.
        let chem = [
            2.2, 2.2, 2.4, 2.4, 2.5, 2.7, 2.8, 2.9, 3.03, 3.03, 3.1, 3.37, 3.4, 3.4, 3.4, 3.5, 3.6,
            3.7, 3.7, 3.7, 3.7, 3.77, 5.28, 28.95,
        ];
        let location = huber(&chem, 1.5).unwrap();
        assert!((location.value - 3.206_724).abs() < 5e-7, "{location:?}");
        let error = location.standard_error.unwrap();
        assert!(error > 0.1 && error < 0.2, "{error}");
    }

    #[test]
    fn locations_without_spread_say_so() {
        let location = |values: &[f64]| huber(values, 1.5).map(|l| (l.value, l.standard_error));
        assert_eq!(location(&[]), None);
        assert_eq!(location(&[3.0]), Some((3.0, None)));
        assert_eq!(location(&[3.0, 3.0]), Some((3.0, Some(0.0))));
        assert_eq!(location(&[3.0, 3.0, 3.0, 9.0]), Some((3.0, None)));
        assert_eq!(huber(&[1.0, 2.0], 0.0), None);
    }

    #[test]
    fn a_median_interval_of_the_textbook() {
        // Ranks at 95 % for 10, 25 and 100 values (Conover, table of the binomial distribution).
        for (n, low, high) in [(10, 2.0, 9.0), (25, 8.0, 18.0), (100, 40.0, 61.0)] {
            let values: Vec<f64> = (1..=n).map(f64::from).collect();
            let median = median_interval(&Counted::of(&values).unwrap(), 0.95).unwrap();
            assert_eq!(median.interval, Interval { low, high }, "{n}");
        }
    }

    #[test]
    fn an_end_beyond_the_sample_is_infinite() {
        let p99 = |n: i32| {
            let values: Vec<f64> = (1..=n).map(f64::from).collect();
            quantile_interval(&Counted::of(&values).unwrap(), 0.99, 0.95).unwrap()
        };
        // A single value is below the p99 in 99 % of cases.
        assert_eq!(p99(1).interval.low, 1.0);
        let (few, enough) = (p99(367).interval, p99(368).interval);
        assert!(few.low.is_finite() && few.high.is_infinite(), "{few:?}");
        assert!(enough.high.is_finite(), "{enough:?}");
        assert_eq!(quantile_interval(&Counted::default(), 0.5, 0.95), None);
        let one = Counted::of(&[1.0]).unwrap();
        let unknown = median_interval(&one, 0.95).unwrap();
        assert_eq!(
            (unknown.value, unknown.interval),
            (1.0, Interval::UNBOUNDED)
        );
        for (q, level) in [(0.0, 0.9), (1.0, 0.9), (0.5, 1.0), (f64::NAN, 0.9)] {
            assert_eq!(quantile_interval(&one, q, level), None, "{q} {level}");
        }
    }

    proptest! {
        #[test]
        fn locations_follow_shift_and_scale(
            values in prop::collection::vec(-100.0..100.0f64, 3..40),
            shift in -50.0..50.0f64,
            scale in 0.1..10.0f64,
        ) {
            let moved: Vec<f64> = values.iter().map(|v| v * scale + shift).collect();
            let (one, other) = (huber(&values, 1.5).unwrap(), huber(&moved, 1.5).unwrap());
            prop_assert!((one.value * scale + shift - other.value).abs() < 1e-8);
        }
    }
}

//! Whether values rise or fall over time, and how fast. Times may be irregular: a bucket without a value is left out.

use super::dependence::{MOST_PERSISTENT, autocorrelation, mean_and_deviations};
use super::interval::{Estimate, Interval, reach};
use super::rank::midranks;
use super::{ascending, finite, linear, normal, size};

/// What the test of Mann and Kendall says about a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannKendall {
    /// Pairs of values that rise less those that fall.
    pub s: f64,
    /// The variance of `s` without a trend, ties and dependence included.
    pub variance: f64,
    /// By how much dependence inflates the variance: at least 1, and 1 where it was not asked for.
    pub inflation: f64,
    /// Standard deviations from no trend, with a correction for continuity; above 0 where values rise.
    pub z: f64,
    /// The probability of a trend at least so clear, to either side, where there is none.
    pub p: f64,
    /// Kendall's τ-b, −1 (all fall) to 1 (all rise); `None` for constants.
    pub tau: Option<f64>,
}

/// The Mann-Kendall test for a trend of values in the order of time; steps between them need not be equal.
///
/// S = Σ sign(xⱼ − xᵢ), variance (n (n − 1) (2n + 5) − Σ t (t − 1) (2t + 5)) / 18 with t values tied in each group (M. G. Kendall,
/// *Rank Correlation Methods*, 1975; H. B. Mann, 1945). For values that do not depend on each other but for the trend.
/// Costs n² / 2 comparisons. Constants have `z` 0 and `p` 1; `None` under two values.
pub fn mann_kendall(values: &[f64]) -> Option<MannKendall> {
    mann_kendall_inflated(values, 1.0)
}

/// Which autocorrelations of the ranks the variance is corrected for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// Those of a first-order autoregression, ρ(k) = ρᵏ, with the correlation ρ of neighbours plus (1 + 3 ρ) / n for its bias
    /// (F. H. C. Marriott, J. A. Pope, Biometrika 41, 1954). The one to use.
    FirstOrder,
    /// As published: those of so many lags at most that are significant, beyond ±1.96 / √n. With all n − 1 lags it is
    /// `hamed_rao_modification_test` of pymannkendall.
    Significant(usize),
}

/// The same with the variance of dependent values by K. H. Hamed and A. R. Rao, *A Modified Mann-Kendall Trend Test for
/// Autocorrelated Data*, Journal of Hydrology 204, 1998, at strictly ascending `times`.
///
/// The inflation is 1 + 2 / (n (n − 1) (n − 2)) · Σ (n − k) (n − k − 1) (n − k − 2) ρ(k) over lags k, with autocorrelations ρ(k) of
/// the ranks once the slope of Theil and Sen is taken off. One under 1 is left at 1, against the paper: it would make a
/// trend of chance alternation. Lags count values, not time: gaps count as if they were not there.
///
/// Series without a trend, 400 simulated of each kind, in which a trend was found at p < 0.05:
///
/// | persistence | n | without | first order | significant, all lags | significant, 3 lags |
/// |---|---|---|---|---|---|
/// | 0 | 50 | 5 % | 5 % | 5 % | 5 % |
/// | 0.6 | 20 | 32 % | 13 % | 28 % | 27 % |
/// | 0.6 | 50 | 25 % | 6 % | 15 % | 11 % |
/// | 0.6 | 150 | 34 % | 7 % | 18 % | 10 % |
/// | 0.8 | 50 | 49 % | 13 % | 27 % | 20 % |
/// | 0.8 | 150 | 50 % | 8 % | 24 % | 14 % |
pub fn mann_kendall_dependent(
    times: &[f64],
    values: &[f64],
    correction: Correction,
) -> Option<MannKendall> {
    if values.len() < 3 {
        return mann_kendall(values).filter(|_| ascend(times, values));
    }
    let slope = theil_sen(times, values, 0.95, 1.0)?.slope.value;
    let rests = times.iter().zip(values);
    let rests: Vec<f64> = rests.map(|(time, value)| value - slope * time).collect();
    if !finite(&rests) {
        return None;
    }
    let correlations = autocorrelations(&midranks(&rests), correction);
    mann_kendall_inflated(values, inflation(&correlations, size(values.len())))
}

/// The same with the variance multiplied by `inflation`.
pub(super) fn mann_kendall_inflated(values: &[f64], inflation: f64) -> Option<MannKendall> {
    let sorted = ascending(values).filter(|sorted| sorted.len() > 1)?;
    let mut rest = values;
    let mut s = 0i64;
    while let Some((value, later)) = rest.split_first() {
        let signs = later.iter();
        s += signs
            .map(|v| i64::from(v > value) - i64::from(v < value))
            .sum::<i64>();
        rest = later;
    }
    let s = s as f64;
    let n = size(values.len());
    let variance = inflation * untied(&sorted);
    let z = if variance > 0.0 {
        (s.abs() - 1.0).max(0.0).copysign(s) / variance.sqrt()
    } else {
        0.0
    };
    let pairs = n * (n - 1.0) / 2.0;
    let tied: f64 = groups(&sorted).map(|t| t * (t - 1.0) / 2.0).sum();
    Some(MannKendall {
        s,
        variance,
        inflation,
        z,
        p: normal::two_sided(z)?,
        tau: (tied < pairs).then(|| s / (pairs * (pairs - tied)).sqrt()),
    })
}

/// How many values are equal, for each group of equal ones of an ascending slice.
fn groups(sorted: &[f64]) -> impl Iterator<Item = f64> {
    sorted
        .chunk_by(|a, b| a >= b)
        .map(|group| size(group.len()))
}

/// The variance of Kendall's S of independent values, with ties.
fn untied(sorted: &[f64]) -> f64 {
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    (term(size(sorted.len())) - groups(sorted).map(term).sum::<f64>()) / 18.0
}

/// The autocorrelations from lag 1 on that count.
fn autocorrelations(ranks: &[f64], correction: Correction) -> Vec<f64> {
    let n = size(ranks.len());
    match correction {
        Correction::FirstOrder => {
            // Ranks that are all the same have none.
            let Some(raw) = autocorrelation(ranks, 1) else {
                return Vec::new();
            };
            let first = (raw + (1.0 + 3.0 * raw) / n).clamp(0.0, MOST_PERSISTENT);
            let powers = std::iter::successors(Some(first), |power| Some(power * first));
            powers.take(ranks.len() - 1).collect()
        }
        Correction::Significant(lags) => {
            let limit = SIGNIFICANT / n.sqrt();
            let found = (1..ranks.len()).take(lags);
            let found = found.map_while(|lag| autocorrelation(ranks, lag));
            found
                .map(|r| if r.abs() > limit { r } else { 0.0 })
                .collect()
        }
    }
}

/// Hamed and Rao's factor, kept at 1 or above.
pub(super) fn inflation(autocorrelations: &[f64], n: f64) -> f64 {
    let terms = autocorrelations.iter().zip(1..).map(|(correlation, lag)| {
        let left = n - size(lag);
        left * (left - 1.0) * (left - 2.0) * correlation
    });
    (1.0 + 2.0 / (n * (n - 1.0) * (n - 2.0)) * terms.sum::<f64>()).max(1.0)
}

/// Standard deviations beyond which an autocorrelation is significant at 5 %.
const SIGNIFICANT: f64 = 1.959_963_984_540_054;

/// Whether there is a finite time for each value, each later than the one before.
fn ascend(times: &[f64], values: &[f64]) -> bool {
    times.len() == values.len() && finite(times) && times.windows(2).all(|w| w.first() < w.last())
}

/// A line through a series that odd values do not move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TheilSen {
    /// Change per unit of time, with its interval.
    pub slope: Estimate,
    /// The value at time 0.
    pub intercept: f64,
}

/// The slope of Theil and Sen, the median of all slopes between two values, with Sen's interval at `level` (0 to 1).
///
/// H. Theil, 1950; P. K. Sen, *Estimates of the Regression Coefficient Based on Kendall's Tau*, JASA 63, 1968: the interval is
/// of the slopes of the ranks (N ± z σ) / 2, N their number and σ² the variance of Kendall's S, here times `inflation` (1 for
/// independent values, else that of [`mann_kendall_dependent`]). The intercept is the median of values less the slope times
/// that of times. SciPy's `theilslopes`, which cuts to the outermost slopes an interval that is unbounded here.
///
/// Lists n² / 2 slopes: for up to about 1000 values. `None` under two values, where `times` do not ascend strictly, or
/// slopes leave the range of a float.
pub fn theil_sen(times: &[f64], values: &[f64], level: f64, inflation: f64) -> Option<TheilSen> {
    let z = reach(level)?;
    let sorted = ascending(values).filter(|sorted| sorted.len() > 1)?;
    if !ascend(times, values) || !inflation.is_finite() || inflation < 0.0 {
        return None;
    }
    let mut slopes = slopes(times, values);
    if !finite(&slopes) {
        return None;
    }
    let number = size(slopes.len());
    let half = z * (inflation * untied(&sorted)).sqrt();
    let value = f64::midpoint(
        nth(&mut slopes, ((number - 1.0) / 2.0).floor())?,
        nth(&mut slopes, ((number - 1.0) / 2.0).ceil())?,
    );
    let low = nth(&mut slopes, ((number - half) / 2.0).round_ties_even() - 1.0);
    let high = nth(&mut slopes, ((number + half) / 2.0).round_ties_even());
    let interval = match (low, high) {
        (Some(low), Some(high)) => Interval { low, high },
        _ => Interval::UNBOUNDED,
    };
    let intercept = linear(&sorted, 0.5)? - value * linear(times, 0.5)?;
    intercept.is_finite().then_some(TheilSen {
        slope: Estimate { value, interval },
        intercept,
    })
}

/// The slopes between all pairs of points.
fn slopes(times: &[f64], values: &[f64]) -> Vec<f64> {
    let n = times.len();
    let mut slopes = Vec::with_capacity(n * n.saturating_sub(1) / 2);
    for (place, (time, value)) in times.iter().zip(values).enumerate() {
        let later = times.iter().zip(values).skip(place + 1);
        slopes.extend(later.map(|(t, v)| (v - value) / (t - time)));
    }
    slopes
}

/// The value of that rank, from 0, if there is one. The order of the others changes.
fn nth(values: &mut [f64], rank: f64) -> Option<f64> {
    if rank < 0.0 || rank >= size(values.len()) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank of the values"
    )]
    let (_, found, _) = values.select_nth_unstable_by(rank as usize, f64::total_cmp);
    Some(*found)
}

/// The line of least squares through a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Change per unit of time.
    pub slope: f64,
    /// The value at time 0.
    pub intercept: f64,
    /// The share of the variance of values that the line explains, 0 to 1; `None` for constants.
    pub r_squared: Option<f64>,
    /// The standard error of the slope, for independent values around the line; `None` under three.
    pub slope_error: Option<f64>,
}

/// The line of least squares: slope Sxy / Sxx, R² = Sxy² / (Sxx Syy), standard error √((1 − R²) Syy / Sxx / (n − 2)) (N. R. Draper, H.
/// Smith, *Applied Regression Analysis*, 1998, 1; SciPy's `linregress`).
///
/// `None` under two values, where times or values are not finite, and where all times are the same. Times may come in any
/// order.
pub fn line(times: &[f64], values: &[f64]) -> Option<Line> {
    if times.len() != values.len() || values.len() < 2 {
        return None;
    }
    let (mean_x, x) = mean_and_deviations(times)?;
    let (mean_y, y) = mean_and_deviations(values)?;
    let products = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (xx, xy, yy) = (products(&x, &x), products(&x, &y), products(&y, &y));
    let n = size(values.len());
    let slope = xy / xx;
    let intercept = mean_y - slope * mean_x;
    if !(xx > 0.0
        && xx.is_finite()
        && yy.is_finite()
        && xy.is_finite()
        && slope.is_finite()
        && intercept.is_finite())
    {
        return None;
    }
    // Two factors, as the product of squares could leave the range of a float.
    let share = slope * (xy / yy);
    let r_squared = (yy > 0.0 && share.is_finite()).then(|| share.clamp(0.0, 1.0));
    let unexplained = (1.0 - r_squared.unwrap_or(0.0)) * yy;
    Some(Line {
        slope,
        intercept,
        r_squared,
        slope_error: (n > 2.0).then(|| (unexplained / xx / (n - 2.0)).sqrt()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn steps(n: usize) -> Vec<f64> {
        (0..n).map(size).collect()
    }

    #[test]
    fn mann_kendall_counts_rises_less_falls() {
        let values = [10.0, 22.0, 21.0, 30.0, 22.0, 30.0, 40.0, 40.0, 10.0];
        let test = mann_kendall(&values).unwrap();
        assert_eq!(test.s, 14.0);
        // Four pairs of equal values: (9 · 8 · 23 − 4 · 2 · 1 · 9) / 18.
        assert!((test.variance - 88.0).abs() < 1e-12, "{test:?}");
    }

    #[test]
    fn a_straight_line_rises_in_every_pair() {
        let test = mann_kendall(&steps(10)).unwrap();
        assert_eq!((test.s, test.variance, test.tau), (45.0, 125.0, Some(1.0)));
        assert!((test.z - 44.0 / 125f64.sqrt()).abs() < 1e-12);
        for correction in [Correction::FirstOrder, Correction::Significant(9)] {
            let dependent = mann_kendall_dependent(&steps(10), &steps(10), correction).unwrap();
            assert_eq!(dependent, test);
        }
    }

    #[test]
    fn constants_have_no_trend_and_too_few_values_no_test() {
        let test = mann_kendall(&[4.0; 12]).unwrap();
        assert_eq!((test.z, test.p, test.tau), (0.0, 1.0, None));
        assert_eq!(mann_kendall(&[1.0]), None);
        assert_eq!(mann_kendall(&[1.0, f64::NAN]), None);
        let two = mann_kendall_dependent(&[0.0, 1.0], &[1.0, 2.0], Correction::FirstOrder);
        assert_eq!(two.unwrap().p, 1.0);
        let reversed = mann_kendall_dependent(&[1.0, 0.0], &[1.0, 2.0], Correction::FirstOrder);
        assert_eq!(reversed, None);
    }

    #[test]
    fn theil_sen_of_an_example_by_hand() {
        let line = theil_sen(&[0.0, 1.0, 2.0, 4.0], &[0.0, 1.0, 2.0, 40.0], 0.5, 1.0).unwrap();
        // Slopes 1, 1, 1, 10, 13, 19.
        assert_eq!((line.slope.value, line.intercept), (5.5, 1.5 - 5.5 * 1.5));
        assert!(line.slope.interval.contains(5.5));
        let two = theil_sen(&[0.0, 2.0], &[1.0, 2.0], 0.95, 1.0).unwrap();
        assert_eq!(
            (two.slope.value, two.slope.interval),
            (0.5, Interval::UNBOUNDED)
        );
        assert_eq!(theil_sen(&[0.0], &[1.0], 0.95, 1.0), None);
        assert_eq!(theil_sen(&[0.0, 0.0], &[1.0, 2.0], 0.95, 1.0), None);
    }

    #[test]
    fn dependence_widens_the_interval_of_a_slope() {
        let values: Vec<f64> = (0..30u32).map(|i| f64::from(i * 7 % 11)).collect();
        let width = |inflation| {
            let slope = theil_sen(&steps(30), &values, 0.95, inflation)
                .unwrap()
                .slope;
            slope.interval.high - slope.interval.low
        };
        assert!(width(4.0) > width(1.0));
    }

    #[test]
    fn a_line_of_least_squares_by_hand() {
        let found = line(&[1.0, 2.0, 3.0, 4.0], &[6.0, 5.0, 7.0, 10.0]).unwrap();
        assert!((found.slope - 1.4).abs() < 1e-12 && (found.intercept - 3.5).abs() < 1e-12);
        assert!((found.r_squared.unwrap() - 0.7).abs() < 1e-12);
        assert!((found.slope_error.unwrap() - 0.42f64.sqrt()).abs() < 1e-12);
        let flat = line(&[1.0, 2.0, 3.0], &[0.1; 3]).unwrap();
        assert_eq!(
            (flat.slope, flat.r_squared, flat.slope_error),
            (0.0, None, Some(0.0))
        );
        assert_eq!(line(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(line(&[1.0], &[1.0]), None);
        assert_eq!(line(&[1.0, 2.0], &[1.0, f64::NAN]), None);
    }

    proptest! {
        #[test]
        fn a_mirrored_series_has_the_mirrored_trend(
            values in prop::collection::vec(-1000i16..1000, 3..40),
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let mirrored: Vec<f64> = values.iter().map(|v| -v).collect();
            let times = steps(values.len());
            let (one, other) = (mann_kendall(&values).unwrap(), mann_kendall(&mirrored).unwrap());
            prop_assert_eq!((one.s, one.p), (0.0 - other.s, other.p));
            let slope = |values: &[f64]| theil_sen(&times, values, 0.9, 1.0).unwrap().slope;
            let (one, other) = (slope(&values), slope(&mirrored));
            prop_assert_eq!(one.value, 0.0 - other.value);
            prop_assert!(one.interval.contains(one.value));
        }

        #[test]
        fn units_of_time_and_value_do_not_matter_to_the_test(
            values in prop::collection::vec(-1000i16..1000, 4..40),
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let scaled: Vec<f64> = values.iter().map(|v| v * 4.0).collect();
            let times = steps(values.len());
            let later: Vec<f64> = times.iter().map(|t| t * 64.0).collect();
            prop_assert_eq!(
                mann_kendall_dependent(&times, &values, Correction::FirstOrder),
                mann_kendall_dependent(&later, &scaled, Correction::FirstOrder)
            );
        }
    }
}

//! Exact statistics of a few values: quantiles by linear interpolation, and spread.

use statrs::statistics::Statistics;

use crate::engine::measurement::count;

/// The `q`-quantile (0 to 1) of ascending values by linear interpolation between order statistics at
/// rank `q · (n − 1)`: type 7 of R. J. Hyndman and Y. Fan, *Sample Quantiles in Statistical Packages*,
/// 1996; the default of NumPy and R.
pub fn linear(sorted: &[f64], q: f64) -> Option<f64> {
    let last = u64::try_from(sorted.len().checked_sub(1)?).ok()?;
    let (low, high, fraction) = ranks(q, last);
    let at = |rank: u64| sorted.get(usize::try_from(rank).ok()?).copied();
    Some(between(at(low)?, at(high)?, fraction))
}

/// The two ranks around `q · last` and how far between them it lies.
pub(crate) fn ranks(q: f64, last: u64) -> (u64, u64, f64) {
    let rank = q.clamp(0.0, 1.0) * count(last);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and last"
    )]
    let low = (rank.floor() as u64).min(last);
    (low, (low + 1).min(last), rank - count(low))
}

/// The point `fraction` of the way from `low` to `high`.
pub(crate) fn between(low: f64, high: f64, fraction: f64) -> f64 {
    // Equal ends give exactly that value, without rounding.
    if fraction <= 0.0 || low.to_bits() == high.to_bits() {
        low
    } else {
        low + (high - low) * fraction
    }
}

/// Sample standard deviation (n − 1) of the values; `None` under two.
pub fn std_dev(values: &[f64]) -> Option<f64> {
    (values.len() > 1).then(|| values.std_dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_43_percentiles_interpolate_linearly() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        for (percent, expected) in [
            (0.0, 1.0),
            (25.0, 3.25),
            (50.0, 5.5),
            (75.0, 7.75),
            (100.0, 10.0),
        ] {
            assert_eq!(
                linear(&values, percent / 100.0),
                Some(expected),
                "p{percent}"
            );
        }
        assert_eq!(linear(&[], 0.5), None);
        assert_eq!(linear(&[3.0], 0.99), Some(3.0));
    }

    #[test]
    fn the_spread_of_too_few_values_is_undefined() {
        assert_eq!((std_dev(&[]), std_dev(&[1.0])), (None, None));
        assert_eq!(std_dev(&[1.0, 3.0]), Some(2f64.sqrt()));
    }
}

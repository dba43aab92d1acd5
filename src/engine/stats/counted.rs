//! Values with how often each occurs: what rank statistics need of a sample, be it exact or binned.

use crate::engine::measurement::count;

use super::{between, ranks};

/// Distinct finite values in ascending order, each with how often it occurs.
///
/// Statistics that use nothing but order and ties cost by the number of distinct values, so that a window of 100 000
/// values in 60 bins of a sketch costs what 60 values cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    pairs: Vec<(f64, u64)>,
    total: u64,
}

impl Counted {
    /// The most values there can be: the number of pairs of two samples has to fit.
    pub const MAX: u64 = u32::MAX as u64;

    /// The values, each once; `None` where one is not finite.
    pub fn of(values: &[f64]) -> Option<Self> {
        Self::from_pairs(values.iter().map(|value| (*value, 1)))
    }

    /// Values with their counts, in any order; equal values are joined and those without a count left out. `None` where a
    /// value is not finite or there are more than [`Counted::MAX`] in all.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (f64, u64)>) -> Option<Self> {
        // Adding zero makes the negative zero the other one.
        let pairs = pairs.into_iter().map(|(value, n)| (value + 0.0, n));
        let mut pairs: Vec<(f64, u64)> = pairs.filter(|(_, n)| *n > 0).collect();
        if pairs.iter().any(|(value, _)| !value.is_finite()) {
            return None;
        }
        let total = pairs.iter().map(|(_, n)| *n);
        let total = total.fold(0, u64::saturating_add);
        if total > Self::MAX {
            return None;
        }
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        pairs.dedup_by(|later, first| {
            let same = later.0.to_bits() == first.0.to_bits();
            first.1 += if same { later.1 } else { 0 };
            same
        });
        Some(Self { pairs, total })
    }

    /// Distinct values, ascending, with their counts, none of which is 0.
    pub fn pairs(&self) -> &[(f64, u64)] {
        &self.pairs
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The value of that rank, from 0.
    pub fn at(&self, rank: u64) -> Option<f64> {
        let mut seen = 0;
        self.pairs.iter().find_map(|(value, n)| {
            seen += n;
            (seen > rank).then_some(*value)
        })
    }

    /// The `q`-quantile (0 to 1), interpolated as [`super::linear`] does it; `None` where that leaves
    /// the range of a float.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if q.is_nan() {
            return None;
        }
        let (low, high, fraction) = ranks(q, self.total.checked_sub(1)?);
        let value = between(self.at(low)?, self.at(high)?, fraction);
        value.is_finite().then_some(value)
    }

    /// The arithmetic mean; `None` where the sum leaves the range of a float.
    pub fn mean(&self) -> Option<f64> {
        let sum: f64 = self.pairs.iter().map(|(v, n)| v * count(*n)).sum();
        (self.total > 0 && sum.is_finite()).then(|| sum / count(self.total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stats::linear;
    use proptest::prelude::*;

    #[test]
    fn equal_values_are_joined_and_odd_ones_refused() {
        let counted = Counted::from_pairs([(2.0, 3), (0.0, 1), (-0.0, 2), (1.0, 0)]).unwrap();
        assert_eq!(counted.pairs(), [(0.0, 3), (2.0, 3)]);
        assert_eq!((counted.count(), counted.mean()), (6, Some(1.0)));
        for value in [f64::NAN, f64::INFINITY] {
            assert_eq!(Counted::of(&[1.0, value]), None);
        }
        assert_eq!(Counted::from_pairs([(1.0, u64::MAX), (1.0, 1)]), None);
    }

    #[test]
    fn nothing_has_no_quantile_and_one_value_is_all_of_them() {
        let none = Counted::default();
        assert_eq!((none.quantile(0.5), none.mean()), (None, None));
        assert_eq!(Counted::of(&[7.0]).unwrap().quantile(0.9), Some(7.0));
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_values(
            values in prop::collection::vec(-5i8..5, 1..60),
            q in 0.0..=1.0f64,
        ) {
            let mut values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let counted = Counted::of(&values).unwrap();
            values.sort_by(f64::total_cmp);
            prop_assert_eq!(counted.quantile(q), linear(&values, q));
        }
    }
}

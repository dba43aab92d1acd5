//! Count, sum, spread and extremes of values, mergeable without loss of accuracy.

use crate::engine::measurement::count;
use crate::engine::packing::{put, put_float, put_signed, take, take_float, take_signed};

/// A sum with Neumaier's compensation: its error does not grow with the number of terms.
///
/// A. Neumaier, *Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen*, ZAMM 54 (1974).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    value: f64,
    compensation: f64,
}

impl Sum {
    fn of(value: f64) -> Self {
        Self {
            value,
            compensation: 0.0,
        }
    }

    /// The sum so far and what its rounding has left, from which [`Sum::from_parts`] makes it again.
    pub(in crate::engine) fn parts(&self) -> [f64; 2] {
        [self.value, self.compensation]
    }

    /// The sum of these parts.
    pub(in crate::engine) fn from_parts([value, compensation]: [f64; 2]) -> Self {
        Self {
            value,
            compensation,
        }
    }

    /// Adds one term.
    pub fn add(&mut self, term: f64) {
        // Without a branch on which is larger (D. E. Knuth, *The Art of Computer Programming* 2, 4.2.2, TwoSum).
        let total = self.value + term;
        let rest = total - self.value;
        self.compensation += (self.value - (total - rest)) + (term - rest);
        self.value = total;
    }

    /// Adds all terms of another sum.
    pub fn merge(&mut self, other: &Self) {
        self.add(other.value);
        self.compensation += other.compensation;
    }

    /// The sum so far. Beyond the range of a float it is an infinity, as in Prometheus.
    pub fn get(&self) -> f64 {
        if self.value.is_finite() {
            self.value + self.compensation
        } else {
            self.value
        }
    }
}

/// Moments of weighted values.
///
/// The spread is kept as the sum of squared deviations from the mean, which Chan's formula merges
/// without the cancellation that a plain sum of squares suffers (T. F. Chan, G. H. Golub,
/// R. J. LeVeque, *Updating Formulae and a Pairwise Algorithm for Computing Sample Variances*, 1979).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    count: u64,
    sum: Sum,
    squared_deviations: f64,
    weight: Sum,
    weighted: Sum,
    min: f64,
    max: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self {
            count: 0,
            sum: Sum::default(),
            squared_deviations: 0.0,
            weight: Sum::default(),
            weighted: Sum::default(),
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Moments {
    /// Adds a value with a weight of at least 0 (1 where nothing better is known).
    pub fn add(&mut self, value: f64, weight: f64) {
        if self.count > 0 {
            let before = self.sum.get() / count(self.count);
            let n = count(self.count + 1);
            let delta = value - before;
            self.squared_deviations += delta * delta * (n - 1.0) / n;
        }
        self.count += 1;
        self.sum.add(value);
        self.weight.add(weight);
        self.weighted.add(value * weight);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// The moments of values with their weights; without weights each is 1.
    pub fn of(values: &[f64], weights: &[f64]) -> Self {
        let mut moments = Self::default();
        for value in values {
            moments.sum.add(*value);
            // Not by `f64::min`, which looks for NaN as well: it would take longer than the sum.
            if *value < moments.min {
                moments.min = *value;
            }
            if *value > moments.max {
                moments.max = *value;
            }
        }
        let n = values.len() as u64;
        moments.count = n;
        if n > 1 {
            let mean = moments.sum.get() / count(n);
            moments.squared_deviations = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        }
        if weights.is_empty() {
            moments.weight.add(count(n));
            moments.weighted = moments.sum;
        }
        for (value, weight) in values.iter().zip(weights) {
            moments.weight.add(*weight);
            moments.weighted.add(value * weight);
        }
        moments
    }

    /// Adds everything another set of moments holds.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count > 0 {
            let (a, b) = (count(self.count), count(other.count));
            let delta = other.sum.get() / b - self.sum.get() / a;
            self.squared_deviations += other.squared_deviations + delta * delta * a * b / (a + b);
        } else {
            self.squared_deviations = other.squared_deviations;
        }
        self.count += other.count;
        self.sum.merge(&other.sum);
        self.weight.merge(&other.weight);
        self.weighted.merge(&other.weighted);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Whether any weight is not 1.
    pub fn is_weighted(&self) -> bool {
        self.weight.get().to_bits() != count(self.count).to_bits()
            || self.weighted.get().to_bits() != self.sum.get().to_bits()
    }

    /// Its sums with what their rounding has left, which [`Moments::pack`] leaves out.
    pub(in crate::engine) fn sums(&self) -> [Sum; 3] {
        [self.sum, self.weight, self.weighted]
    }

    /// Takes sums with what their rounding had left.
    pub(in crate::engine) fn set_sums(&mut self, [sum, weight, weighted]: [Sum; 3]) {
        self.sum = sum;
        self.weight = weight;
        self.weighted = weighted;
    }

    /// Appends them and the latest value as bytes: exactly, but for what the rounding of sums had left, and for the
    /// spread, which keeps seven digits.
    pub(in crate::engine) fn pack(&self, latest: f64, bytes: &mut Vec<u8>) {
        let sum = self.sum.get();
        let mut flags = 0;
        let mut set = |flag, is: bool| flags |= if is { flag } else { 0 };
        let constant = self.min.to_bits() == self.max.to_bits();
        set(CONSTANT, constant);
        set(WEIGHTED, self.is_weighted());
        let whole = [sum, self.min, self.max, latest].map(as_whole);
        set(WHOLE, whole.iter().all(Option::is_some));
        // A spread beyond the range of a short float keeps its long form.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whether it fits is seen next"
        )]
        let short = self.squared_deviations as f32;
        set(SHORT, short.is_normal() || self.squared_deviations == 0.0);
        put(bytes, self.count << FLAG_BITS | flags);
        let values = [
            (sum, true),
            (self.min, true),
            (self.max, !constant),
            (latest, !constant),
        ];
        for ((value, wanted), whole) in values.into_iter().zip(whole) {
            match whole {
                _ if !wanted => {}
                Some(whole) if flags & WHOLE != 0 => put_signed(bytes, whole),
                _ => put_float(bytes, value),
            }
        }
        if !constant {
            if flags & SHORT != 0 {
                bytes.extend_from_slice(&short.to_le_bytes());
            } else {
                put_float(bytes, self.squared_deviations);
            }
        }
        if self.is_weighted() {
            put_float(bytes, self.weight.get());
            put_float(bytes, self.weighted.get());
        }
    }

    /// Takes what [`Moments::pack`] has appended off the front: the moments and the latest value.
    pub(in crate::engine) fn unpack(bytes: &mut &[u8]) -> Option<(Self, f64)> {
        let first = take(bytes)?;
        let (n, has) = (first >> FLAG_BITS, |flag| first & flag != 0);
        let value = |bytes: &mut &[u8]| {
            if has(WHOLE) {
                take_signed(bytes).map(|whole| whole as f64)
            } else {
                take_float(bytes)
            }
        };
        let sum = Sum::of(value(bytes)?);
        let min = value(bytes)?;
        let (mut max, mut latest, mut squared_deviations) = (min, min, 0.0);
        if !has(CONSTANT) {
            (max, latest) = (value(bytes)?, value(bytes)?);
            squared_deviations = if has(SHORT) {
                let (short, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                f64::from(f32::from_le_bytes(*short))
            } else {
                take_float(bytes)?
            };
        }
        let (weight, weighted) = if has(WEIGHTED) {
            (Sum::of(take_float(bytes)?), Sum::of(take_float(bytes)?))
        } else {
            (Sum::of(count(n)), sum)
        };
        let moments = Self {
            count: n,
            sum,
            squared_deviations,
            weight,
            weighted,
            min,
            max,
        };
        Some((moments, latest))
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The sum of values, unweighted, with what its rounding left.
    pub fn total(&self) -> &Sum {
        &self.sum
    }

    /// Sum of values, unweighted.
    pub fn sum(&self) -> f64 {
        self.sum.get()
    }

    /// Weighted mean; the plain one where all weights are 1 or no weight is above 0.
    pub fn mean(&self) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let weight = self.weight.get();
        Some(if weight > 0.0 {
            self.weighted.get() / weight
        } else {
            self.sum.get() / count(self.count)
        })
    }

    /// Sample standard deviation (n − 1) of the values, unweighted; `None` under two values.
    pub fn std_dev(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squared_deviations / count(self.count - 1)).sqrt())
    }

    /// Smallest value.
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// Largest value.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }
}

/// How packed moments are written, beside their count.
const CONSTANT: u64 = 1;
const WEIGHTED: u64 = 1 << 1;
/// All values are whole numbers.
const WHOLE: u64 = 1 << 2;
/// The spread is a short float.
const SHORT: u64 = 1 << 3;
const FLAG_BITS: u32 = 4;

/// A value as a whole number, if it is one that comes back as it was.
fn as_whole(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let is_whole = value.fract() == 0.0 && value.abs() < EXACT;
    #[expect(clippy::cast_possible_truncation, reason = "whole and small enough")]
    (is_whole && (value != 0.0 || value.is_sign_positive())).then_some(value as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moments(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|v| moments.add(*v, 1.0));
        moments
    }

    #[test]
    fn a_sum_of_many_small_terms_on_a_large_one_is_exact() {
        let mut sum = Sum::default();
        sum.add(1e16);
        (0..10_000).for_each(|_| sum.add(1.0));
        sum.add(-1e16);
        assert_eq!(sum.get(), 10_000.0);
    }

    #[test]
    fn weights_move_the_mean_only() {
        let mut throughput = Moments::default();
        // 100 samples in 1 s and 100 samples in 3 s are 50 samples per second, not 66.7.
        throughput.add(100.0, 1.0);
        throughput.add(100.0 / 3.0, 3.0);
        assert!((throughput.mean().unwrap() - 50.0).abs() < 1e-9);
        assert_eq!(throughput.count(), 2);
    }

    #[test]
    fn too_few_values_have_no_spread_and_none_have_nothing() {
        assert_eq!(moments(&[1.0]).std_dev(), None);
        let empty = moments(&[]);
        assert_eq!((empty.mean(), empty.min(), empty.max()), (None, None, None));
    }

    proptest! {
        #[test]
        fn merged_moments_equal_those_of_all_values(
            a in prop::collection::vec(-1e6..1e6f64, 0..50),
            b in prop::collection::vec(-1e6..1e6f64, 0..50),
        ) {
            let mut merged = moments(&a);
            merged.merge(&moments(&b));
            let all: Vec<f64> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(merged.count(), all.len() as u64);
            let close = |x: f64, y: f64| (x - y).abs() <= 1e-9 * (1.0 + x.abs().max(y.abs()));
            prop_assert!(close(merged.sum(), all.iter().sum()));
            if all.len() > 1 {
                let mean = all.iter().sum::<f64>() / all.len() as f64;
                let ss: f64 = all.iter().map(|v| (v - mean).powi(2)).sum();
                prop_assert!(close(merged.std_dev().unwrap(), (ss / (all.len() - 1) as f64).sqrt()));
            }
        }
    }
}

//! A mergeable sketch of a distribution: a base-2 exponential histogram.
//!
//! Bucket `i` at scale `s` holds the values in (2^((i−1)/2^s), 2^(i/2^s)], the indexing of Prometheus
//! native histograms; OTLP's index is one less. At scale 5 neighbouring bounds are 2.2 % apart, so an
//! estimate in the middle is at most 1.1 % off (C. Masson, J. E. Rim, H. K. Lee, *DDSketch*, VLDB 2019).

mod bins;

use std::sync::LazyLock;

use super::packing::{put, put_signed, take, take_signed};
use super::stats;
use bins::Bins;

/// The scale of fine buckets: relative error at most 1.1 %.
pub const FINE: i8 = 5;
/// The scale of coarse tiers: relative error at most 4.4 %.
pub const COARSE: i8 = 3;

/// The lowest scale that Prometheus knows: a bucket spans sixteen binary orders, so that every float lies in
/// one of 131 buckets.
pub const LOWEST: i8 = -4;

/// Larger than any bucket index of a float at scale 5 (1 074 binary orders × 32), so that one signed
/// number orders negative values, zero and positive values as the values themselves.
const OFFSET: i32 = 40_000;

/// A sparse histogram of any finite values, sorted by value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sketch {
    scale: i8,
    bins: Bins,
}

impl Default for Sketch {
    fn default() -> Self {
        Self {
            scale: FINE,
            bins: Bins::default(),
        }
    }
}

/// In a packed sketch: the distance to the bucket before and the count do not fit into one byte.
const FAR: u8 = 0x80;

impl Sketch {
    /// Counts one finite value.
    pub fn add(&mut self, value: f64) {
        self.bins.add(at_scale(key_of(value), self.scale), 1);
    }

    /// Counts the values of which these are the keys.
    pub fn add_keys(&mut self, keys: &Keys) {
        let (low, high) = (
            at_scale(keys.low, self.scale),
            at_scale(keys.high, self.scale),
        );
        if low == high {
            self.bins.add(low, keys.count as u64);
            return;
        }
        // At once, and not once a key; where it is not worth it each finds its place.
        self.bins.reach(low, high);
        for key in &keys.each {
            self.bins.add(at_scale(*key, self.scale), 1);
        }
    }

    /// Makes room for so many buckets, where there is none yet.
    pub fn make_room(&mut self, buckets: usize) {
        self.bins.make_room(buckets);
    }

    /// Adds everything another sketch counted; the result has the coarser scale of the two.
    pub fn merge(&mut self, other: &Self) {
        self.coarsen(other.scale);
        let target = self.scale;
        let bins = other.bins.iter();
        let bins = bins.map(|(key, n)| (rescale(key, other.scale, target), n));
        self.bins.add_ascending(bins, other.bins.len());
    }

    /// Lowers the resolution to `scale`; a scale that is not lower changes nothing.
    pub fn coarsen(&mut self, scale: i8) {
        if scale >= self.scale {
            return;
        }
        let fine = std::mem::take(&mut self.bins);
        for (key, n) in fine.iter() {
            self.bins.add(rescale(key, self.scale, scale), n);
        }
        self.scale = scale;
    }

    /// Number of values counted.
    pub fn count(&self) -> u64 {
        self.bins.total()
    }

    /// Number of buckets that hold anything.
    pub fn buckets(&self) -> usize {
        self.bins.len()
    }

    /// Number of values that are zero.
    pub fn zeros(&self) -> u64 {
        self.bins.get(0)
    }

    /// Index and count of the buckets that hold positive values, ascending.
    pub fn positive(&self) -> impl Iterator<Item = (i32, u64)> {
        let positive = self.bins.iter().filter(|(key, _)| *key > 0);
        positive.map(|(key, n)| (key - OFFSET, n))
    }

    /// The estimate of the values of each bucket and their number, ascending.
    pub fn counted(&self) -> impl Iterator<Item = (f64, u64)> {
        let scale = self.scale;
        self.bins
            .iter()
            .map(move |(key, n)| (estimate(key, scale), n))
    }

    /// The resolution.
    pub fn scale(&self) -> i8 {
        self.scale
    }

    /// The `q`-quantile (0 to 1), interpolated linearly between the estimates of the two order
    /// statistics around rank `q · (n − 1)`; each estimate is within the scale's relative error.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let last = self.count().checked_sub(1)?;
        let (low, high, fraction) = stats::ranks(q, last);
        let at_low = self.at_rank(low)?;
        let at_high = if high == low {
            at_low
        } else {
            self.at_rank(high)?
        };
        Some(stats::between(at_low, at_high, fraction))
    }

    fn at_rank(&self, rank: u64) -> Option<f64> {
        let key = self.bins.at_rank(rank)?;
        Some(estimate(key, self.scale))
    }

    /// Appends the sketch as bytes: its scale, then for each bucket the distance to the one before and its count. A
    /// bucket takes one byte where both are small, and two in most other cases.
    pub fn pack(&self, bytes: &mut Vec<u8>) {
        bytes.push(self.scale.cast_unsigned());
        let mut previous = 0i64;
        for (key, n) in self.bins.iter() {
            let distance = i64::from(key) - previous;
            match (u8::try_from(distance), u8::try_from(n)) {
                (Ok(distance @ 1..=8), Ok(n @ 1..=16)) => bytes.push((distance - 1) << 4 | (n - 1)),
                (Ok(distance @ 1..FAR), _) => {
                    bytes.push(FAR | distance);
                    put(bytes, n);
                }
                _ => {
                    bytes.push(FAR);
                    put_signed(bytes, distance);
                    put(bytes, n);
                }
            }
            previous = i64::from(key);
        }
    }

    /// Adds what a sketch counted that was packed into these bytes.
    pub fn merge_packed(&mut self, bytes: &[u8]) {
        let Some((scale, mut rest)) = bytes.split_first() else {
            return;
        };
        let scale = scale.cast_signed();
        if self.bins.is_empty() {
            self.scale = scale.min(self.scale);
        }
        self.coarsen(scale);
        let target = self.scale;
        let expected = rest.len();
        let mut key = 0i64;
        let bins = std::iter::from_fn(|| {
            let (first, after) = rest.split_first()?;
            rest = after;
            let (distance, n) = match *first {
                near @ 0..FAR => (i64::from(near >> 4) + 1, u64::from(near & 0xf) + 1),
                FAR => (take_signed(&mut rest)?, take(&mut rest)?),
                far => (i64::from(far & !FAR), take(&mut rest)?),
            };
            key = key.checked_add(distance)?;
            Some((i32::try_from(key).ok()?, n))
        });
        let bins = bins.map(|(key, n)| (rescale(key, scale, target), n));
        self.bins.add_ascending(bins, expected);
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.bins.heap_bytes()
    }
}

/// The keys of some values: found once, for all sketches that count them.
#[derive(Debug, Default)]
pub struct Keys {
    /// One a value, in their order; empty where all are the same.
    each: Vec<i32>,
    count: usize,
    low: i32,
    high: i32,
}

impl Keys {
    /// Takes the keys of finite values; those of before are gone.
    pub fn fill(&mut self, values: &[f64]) {
        self.each.clear();
        self.count = values.len();
        let first = values.first().copied().unwrap_or_default();
        if values
            .iter()
            .all(|value| value.to_bits() == first.to_bits())
        {
            self.low = key_of(first);
            self.high = self.low;
            return;
        }
        self.each.extend(values.iter().map(|value| key_of(*value)));
        self.low = self.each.iter().copied().min().unwrap_or_default();
        self.high = self.each.iter().copied().max().unwrap_or_default();
    }
}

/// For each 64th of a binary order the bucket of its values up to the one bound in it (the mantissa bits of
/// 2^(j/32)), and that bound; without a bound in it the greatest mantissa.
static CELLS: LazyLock<[(u8, u64); 64]> = LazyLock::new(|| {
    let bounds = (1u8..32).map(|j| (f64::from(j) / 32.0).exp2().to_bits() & MANTISSA);
    let bounds: Vec<u64> = bounds.collect();
    let mut cells = [(0, MANTISSA); 64];
    for (cell, slot) in (0u64..).zip(&mut cells) {
        let (start, end) = (cell << 46, (cell + 1) << 46);
        let below = bounds.iter().filter(|bound| **bound < start).count();
        let inside = bounds.iter().find(|bound| (start..end).contains(*bound));
        let bucket = u8::try_from(below + 1).unwrap_or(u8::MAX);
        *slot = (bucket, inside.copied().unwrap_or(MANTISSA));
    }
    cells
});

const MANTISSA: u64 = (1 << 52) - 1;

/// The key of a value at scale 5: its bucket index shifted above zero, mirrored for negative values.
fn key_of(value: f64) -> i32 {
    let magnitude = value.abs();
    if magnitude == 0.0 {
        return 0;
    }
    // Subnormal numbers have no implicit leading bit; scaling by 2^54 makes them normal.
    let (normal, shift) = if magnitude < f64::MIN_POSITIVE {
        (magnitude * (1u64 << 54) as f64, 54)
    } else {
        (magnitude, 0)
    };
    let bits = normal.to_bits();
    let exponent = i32::try_from(bits >> 52).unwrap_or_default() - 1023 - shift;
    let mantissa = bits & MANTISSA;
    let within = if mantissa == 0 {
        0
    } else {
        // Bounds are more than a 64th apart, so that at most one lies in each 64th of a binary order.
        let cell = usize::try_from(mantissa >> 46).unwrap_or_default();
        let (below, bound) = CELLS.get(cell).copied().unwrap_or_default();
        usize::from(below) + usize::from(bound < mantissa)
    };
    let index = exponent * 32 + i32::try_from(within).unwrap_or_default();
    if value < 0.0 {
        -(index + OFFSET)
    } else {
        index + OFFSET
    }
}

fn at_scale(key: i32, scale: i8) -> i32 {
    rescale(key, FINE, scale)
}

/// The bucket that holds bucket `key` at a lower scale: the index divided by 2^(difference), upwards,
/// because a bucket is named by its upper bound.
fn rescale(key: i32, from: i8, to: i8) -> i32 {
    if key == 0 || to >= from {
        return key;
    }
    let shift = from - to;
    let index = key.abs() - OFFSET;
    let coarse = (index + (1 << shift) - 1) >> shift;
    (coarse + OFFSET) * key.signum()
}

/// The value whose distance to either bound of the bucket is the same share of that bound.
fn estimate(key: i32, scale: i8) -> f64 {
    if key == 0 {
        return 0.0;
    }
    let per_octave = f64::from(scale).exp2();
    let upper = (f64::from(key.abs() - OFFSET) / per_octave).exp2();
    let growth = (1.0 / per_octave).exp2();
    // Divided first: doubling the topmost bound would overflow.
    (upper / (growth + 1.0)) * 2.0 * f64::from(key.signum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|v| sketch.add(*v));
        sketch
    }

    /// The index of the bucket as Prometheus numbers it.
    fn index(value: f64) -> i32 {
        key_of(value) - OFFSET
    }

    #[test]
    fn buckets_are_indexed_as_in_prometheus_native_histograms() {
        // Powers of two are upper bounds: index 32 per octave at schema 5.
        for (value, expected) in [
            (1.0, 0),
            (2.0, 32),
            (0.5, -32),
            (1.000_000_1, 1),
            (2f64.powf(1.0 / 32.0), 1),
            (3.0, 51),
            (f64::MAX, 1024 * 32),
            (f64::MIN_POSITIVE, -1022 * 32),
            (5e-324, -1074 * 32),
        ] {
            assert_eq!(index(value), expected, "{value:e}");
        }
    }

    proptest! {
        #[test]
        fn every_value_lies_in_its_bucket(magnitude in -300.0..300.0f64) {
            let value = 10f64.powf(magnitude);
            let upper = (f64::from(index(value)) / 32.0).exp2();
            let lower = (f64::from(index(value) - 1) / 32.0).exp2();
            prop_assert!(value <= upper * (1.0 + 1e-12) && value > lower * (1.0 - 1e-12));
        }

        #[test]
        fn quantiles_are_within_the_stated_error(
            mut values in prop::collection::vec(-1e3..1e6f64, 1..200),
            q in 0.0..=1.0f64,
        ) {
            let estimate = sketch(&values).quantile(q).unwrap();
            values.sort_by(f64::total_cmp);
            let (low, high, fraction) = stats::ranks(q, values.len() as u64 - 1);
            let at = |rank| values[usize::try_from(rank).unwrap()];
            let (low, high) = (at(low), at(high));
            let allowed = 0.011 * (low.abs() * (1.0 - fraction) + high.abs() * fraction) + 1e-12;
            let exact = stats::between(low, high, fraction);
            prop_assert!((estimate - exact).abs() <= allowed, "{estimate} {exact}");
        }

        #[test]
        fn merging_equals_counting_all_and_packing_loses_nothing(
            a in prop::collection::vec(-1e3..1e6f64, 0..100),
            b in prop::collection::vec(-1e3..1e6f64, 0..100),
            coarse in any::<bool>(),
        ) {
            let all: Vec<f64> = a.iter().chain(&b).copied().collect();
            let mut expected = sketch(&all);
            let (mut left, mut right) = (sketch(&a), sketch(&b));
            if coarse {
                expected.coarsen(COARSE);
                right.coarsen(COARSE);
            }
            let mut bytes = Vec::new();
            right.pack(&mut bytes);
            let mut unpacked = Sketch::default();
            unpacked.merge_packed(&bytes);
            prop_assert_eq!(&unpacked, &right);
            let mut packed = left.clone();
            packed.merge_packed(&bytes);
            left.merge(&right);
            prop_assert_eq!(&packed, &left);
            prop_assert_eq!(left, expected);
        }
    }

    #[test]
    fn negative_values_zero_and_positive_values_keep_their_order() {
        let sketch = sketch(&[-8.0, -1.0, 0.0, 0.0, 4.0]);
        let quantile = |q| sketch.quantile(q).unwrap();
        assert!((quantile(0.0) + 8.0).abs() < 0.09 && (quantile(1.0) - 4.0).abs() < 0.05);
        assert_eq!(quantile(0.5), 0.0);
        let counted: Vec<(f64, u64)> = sketch.counted().collect();
        assert!(counted.is_sorted_by(|a, b| a.0 < b.0) && counted.len() == 4);
        assert!(counted.contains(&(0.0, 2)));
        assert_eq!(Sketch::default().quantile(0.5), None);
    }

    #[test]
    fn a_coarse_bucket_holds_the_fine_ones_below_its_bound() {
        for value in [1.0, 1.01, 1.09, 2.0, 0.3, -5.0] {
            let mut coarse = sketch(&[value]);
            coarse.coarsen(COARSE);
            let estimate = coarse.quantile(0.5).unwrap();
            assert!(
                ((estimate - value) / value).abs() < 0.044,
                "{value} {estimate}"
            );
        }
    }
}

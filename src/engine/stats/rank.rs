//! Two samples compared by the order of their values: whether they differ (Mann-Whitney) and by how much
//! (Hodges-Lehmann).

use crate::engine::measurement::count;

use super::counted::Counted;
use super::interval::{Estimate, Interval, reach};
use super::{normal, size};

/// What the test of Mann and Whitney says about two samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// Pairs in which the first sample has the larger value; ties count one half. 0 to n · m.
    pub u: f64,
    /// The chance that a value of the first sample is the larger one, ties as one half: 0 to 1, 0.5 without a difference.
    pub superiority: f64,
    /// How many standard deviations `u` is from its mean under no difference; above 0 where the first is larger.
    pub z: f64,
    /// The probability of a difference at least so large, to either side, where there is none.
    pub p: f64,
}

/// The Mann-Whitney U test, by its normal approximation with corrections for ties and for continuity.
///
/// Variance n m / 12 · (N + 1 − Σ(t³ − t) / (N (N − 1))) with N = n + m and t values tied in each group (E. L. Lehmann,
/// *Nonparametrics*, 1975, 1.2; H. B. Mann, D. R. Whitney, 1947); SciPy's `mannwhitneyu` with the method `asymptotic`.
/// For independent values. Where all values are the same, `z` is 0 and `p` 1; `None` where a sample is empty.
pub fn mann_whitney(a: &Counted, b: &Counted) -> Option<MannWhitney> {
    let pairs = pairs(a, b)?;
    let (twice, ties) = twice_u_and_ties(a.pairs(), b.pairs());
    let u = twice / 2.0;
    let n = count(a.count() + b.count());
    let variance = pairs / 12.0 * ((n + 1.0) - ties / (n * (n - 1.0)));
    let off = u - pairs / 2.0;
    let z = if variance > 0.0 {
        (off.abs() - 0.5).max(0.0).copysign(off) / variance.sqrt()
    } else {
        0.0
    };
    Some(MannWhitney {
        u,
        superiority: u / pairs,
        z,
        p: normal::two_sided(z)?,
    })
}

/// The number of pairs of a value of each, if there are any.
fn pairs(a: &Counted, b: &Counted) -> Option<f64> {
    let pairs = a.count() * b.count();
    (pairs > 0).then(|| count(pairs))
}

/// Twice the pairs with a larger first value, ties once; and Σ(t³ − t) over groups of equal values.
fn twice_u_and_ties(a: &[(f64, u64)], b: &[(f64, u64)]) -> (f64, f64) {
    let (mut a, mut b) = (a, b);
    let (mut twice, mut ties, mut below) = (0u128, 0.0, 0u64);
    // One step for each distinct value of the two together.
    while let Some(value) = smallest(a, b) {
        let (of_a, of_b) = (take_equal(&mut a, value), take_equal(&mut b, value));
        twice += u128::from(of_a) * u128::from(2 * below + of_b);
        below += of_b;
        let tied = count(of_a + of_b);
        ties += tied * (tied - 1.0) * (tied + 1.0);
    }
    (twice as f64, ties)
}

fn smallest(a: &[(f64, u64)], b: &[(f64, u64)]) -> Option<f64> {
    match (a.first(), b.first()) {
        (Some(a), Some(b)) => Some(a.0.min(b.0)),
        (one, other) => one.or(other).map(|(value, _)| *value),
    }
}

/// Takes the first pair off if it has that value; how often it occurs.
fn take_equal(pairs: &mut &[(f64, u64)], value: f64) -> u64 {
    match pairs.split_first() {
        Some(((first, n), rest)) if *first <= value => {
            *pairs = rest;
            *n
        }
        _ => 0,
    }
}

/// By how much the values of `a` are larger than those of `b`: the median of all differences, with the interval of Moses
/// at `level` (0 to 1), in the unit of the values.
///
/// J. L. Hodges, E. L. Lehmann, 1963. The interval goes from the C-th smallest to the C-th largest difference, C the
/// largest integer up to n m / 2 − z √(n m (n + m + 1) / 12) (M. Hollander, D. A. Wolfe, *Nonparametric Statistical
/// Methods*, 1999, 4.3): with ties it is wider than it need be. Where C is below 1 the samples are too small for the level
/// and the interval is unbounded. For independent values.
///
/// Differences are selected, not listed: O((n + m) log) for n and m distinct values. `None` where a sample is empty or
/// differences leave the range of a float.
pub fn hodges_lehmann(a: &Counted, b: &Counted, level: f64) -> Option<Estimate> {
    let number = pairs(a, b)?;
    let half = reach(level)? * (number * (count(a.count() + b.count()) + 1.0) / 12.0).sqrt();
    let differences = Differences::of(a, b)?;
    let last = a.count() * b.count() - 1;
    let (low, high) = (last / 2, last.div_ceil(2));
    let at_low = differences.at(low);
    let at_high = if high == low {
        at_low
    } else {
        differences.at(high)
    };
    let rank = (number / 2.0 - half).floor();
    let interval = if rank >= 1.0 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at least 1 and at most half of the pairs"
        )]
        let below = rank as u64 - 1;
        Interval {
            low: differences.at(below),
            high: differences.at(last - below),
        }
    } else {
        Interval::UNBOUNDED
    };
    Some(Estimate {
        // Halved first: the sum of both could leave the range of a float.
        value: at_low + (at_high - at_low) / 2.0,
        interval,
    })
}

/// All differences between a value of one sample and one of another, not listed.
struct Differences<'a> {
    a: &'a [(f64, u64)],
    b: &'a [(f64, u64)],
    of_b: u64,
    least: f64,
    greatest: f64,
}

impl<'a> Differences<'a> {
    fn of(a: &'a Counted, b: &'a Counted) -> Option<Self> {
        let (of_b, a, b) = (b.count(), a.pairs(), b.pairs());
        let least = a.first()?.0 - b.last()?.0;
        let greatest = a.last()?.0 - b.first()?.0;
        (least.is_finite() && greatest.is_finite()).then_some(Self {
            a,
            b,
            of_b,
            least,
            greatest,
        })
    }

    /// The difference of that rank, from 0: a binary search over the floats themselves, so that the result is one of the
    /// differences exactly.
    fn at(&self, rank: u64) -> f64 {
        let (mut low, mut high) = (order(self.least), order(self.greatest));
        while low < high {
            let middle = low.midpoint(high);
            if self.up_to(value(middle)) > rank {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        value(low) + 0.0
    }

    /// How many differences are at most `limit`. Rounding keeps the order of differences, so that for growing values of
    /// one sample those of the other only leave.
    fn up_to(&self, limit: f64) -> u64 {
        let (mut rest, mut within, mut total) = (self.b, self.of_b, 0);
        for (a, n) in self.a {
            while let Some(((b, gone), after)) = rest.split_first() {
                if a - b <= limit {
                    break;
                }
                within -= gone;
                rest = after;
            }
            total += n * within;
        }
        total
    }
}

const SIGN: u64 = 1 << 63;

/// A number that is ordered as the float is.
fn order(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

/// The float of that order.
fn value(order: u64) -> f64 {
    f64::from_bits(if order & SIGN == 0 {
        !order
    } else {
        order & !SIGN
    })
}

/// The rank of each value from 1, the mean of their ranks for equal ones. NaN must not be among them.
pub(super) fn midranks(values: &[f64]) -> Vec<f64> {
    let mut places: Vec<(f64, usize)> = values.iter().copied().zip(0..).collect();
    places.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for group in places.chunk_by(|a, b| a.0 >= b.0) {
        let rank = size(below) + (size(group.len()) + 1.0) / 2.0;
        for (_, place) in group {
            if let Some(slot) = ranks.get_mut(*place) {
                *slot = rank;
            }
        }
        below += group.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(values: &[f64]) -> Counted {
        Counted::of(values).unwrap()
    }

    #[test]
    fn mann_whitney_of_the_manual_of_scipy() {
        // Age at diagnosis of type II diabetes, from the documentation of `mannwhitneyu`.
        let test = mann_whitney(
            &counted(&[19.0, 22.0, 16.0, 29.0, 24.0]),
            &counted(&[20.0, 11.0, 17.0, 12.0]),
        );
        let test = test.unwrap();
        assert_eq!(test.u, 17.0);
        assert!((test.p - 0.111_346_888_348_321_93).abs() < 1e-7, "{test:?}");
    }

    #[test]
    fn hodges_lehmann_of_the_textbook() {
        // Permeability of the membrane, Hollander and Wolfe, example 4.1: a shift of 0.305 (term over 12 to 26 weeks).
        let term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
        let early = [1.15, 0.88, 0.90, 0.74, 1.21];
        let shift = hodges_lehmann(&counted(&term), &counted(&early), 0.92).unwrap();
        assert!((shift.value - 0.305).abs() < 1e-12, "{shift:?}");
    }

    #[test]
    fn equal_constants_do_not_differ() {
        let same = counted(&[3.0; 20]);
        let test = mann_whitney(&same, &same).unwrap();
        assert_eq!((test.superiority, test.z, test.p), (0.5, 0.0, 1.0));
        let shift = hodges_lehmann(&same, &same, 0.95).unwrap();
        assert_eq!(
            (shift.value, shift.interval),
            (0.0, Interval::around(0.0, 0.0))
        );
    }

    #[test]
    fn few_values_have_no_bounds_and_none_have_nothing() {
        let (one, two) = (counted(&[1.0]), counted(&[2.0, 4.0]));
        let shift = hodges_lehmann(&two, &one, 0.95).unwrap();
        assert_eq!((shift.value, shift.interval), (2.0, Interval::UNBOUNDED));
        assert_eq!(mann_whitney(&one, &one).unwrap().p, 1.0);
        let none = Counted::default();
        assert_eq!(mann_whitney(&none, &one), None);
        assert_eq!(hodges_lehmann(&one, &none, 0.95), None);
        assert_eq!(hodges_lehmann(&one, &one, 1.0), None);
        let (least, most) = (counted(&[f64::MIN]), counted(&[f64::MAX]));
        assert_eq!(hodges_lehmann(&most, &least, 0.95), None);
    }

    #[test]
    fn ranks_of_ties_are_shared() {
        assert_eq!(
            midranks(&[2.0, -0.0, 2.0, 0.0, 5.0]),
            [3.5, 1.5, 3.5, 1.5, 5.0]
        );
    }

    proptest! {
        #[test]
        fn a_selected_difference_is_the_sorted_one(
            a in prop::collection::vec(-20i8..20, 1..15),
            b in prop::collection::vec(-20i8..20, 1..15),
        ) {
            let a: Vec<f64> = a.into_iter().map(|v| f64::from(v) / 8.0).collect();
            let b: Vec<f64> = b.into_iter().map(f64::from).collect();
            let mut all: Vec<f64> = a.iter().flat_map(|a| b.iter().map(move |b| a - b)).collect();
            all.sort_by(f64::total_cmp);
            let (a, b) = (counted(&a), counted(&b));
            let differences = Differences::of(&a, &b).unwrap();
            for (rank, expected) in (0..).zip(&all) {
                prop_assert_eq!(differences.at(rank), *expected + 0.0);
            }
        }

        #[test]
        fn exchanging_the_samples_mirrors_the_results(
            a in prop::collection::vec(-1e6..1e6f64, 1..30),
            b in prop::collection::vec(-1e6..1e6f64, 1..30),
        ) {
            let (a, b) = (counted(&a), counted(&b));
            let (one, other) = (mann_whitney(&a, &b).unwrap(), mann_whitney(&b, &a).unwrap());
            prop_assert_eq!((one.z, one.p), (0.0 - other.z, other.p));
            let one = hodges_lehmann(&a, &b, 0.9).unwrap();
            let other = hodges_lehmann(&b, &a, 0.9).unwrap();
            prop_assert!((one.value + other.value).abs() <= 1e-9 * (1.0 + one.value.abs()));
            prop_assert_eq!(one.interval.low, -other.interval.high);
            prop_assert!(one.interval.contains(one.value));
        }

        #[test]
        fn counts_stand_for_repeated_values(
            a in prop::collection::vec((-9i8..9, 1u64..4), 1..10),
            b in prop::collection::vec((-9i8..9, 1u64..4), 1..10),
        ) {
            let pairs = |pairs: &[(i8, u64)]| -> Vec<(f64, u64)> {
                pairs.iter().map(|(value, n)| (f64::from(*value), *n)).collect()
            };
            let repeated = |pairs: &[(i8, u64)]| {
                let values = pairs.iter().flat_map(|(value, n)| (0..*n).map(|_| f64::from(*value)));
                counted(&values.collect::<Vec<_>>())
            };
            let binned = [&a, &b].map(|p| Counted::from_pairs(pairs(p)).unwrap());
            let listed = [&a, &b].map(|p| repeated(p));
            prop_assert_eq!(&binned, &listed);
            prop_assert!(mann_whitney(&binned[0], &listed[1]).is_some());
        }
    }
}

//! Shares of a whole, such as the error ratio, with honest intervals.

use super::interval::{Estimate, Interval, reach};
use crate::engine::measurement::count;

/// How often something happened out of how many times it could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proportion {
    /// Times it happened, at most `n`.
    pub successes: u64,
    /// Times it could have.
    pub n: u64,
}

/// The share (0 to 1) with the interval of Wilson at `level` (0 to 1), without a correction for continuity.
///
/// E. B. Wilson, *Probable Inference, the Law of Succession, and Statistical Inference*, JASA 22, 1927; SciPy's
/// `proportion_ci(method="wilson")`. It is within 0 to 1 and of use for few cases and shares near the ends. For
/// independent cases. `None` for none, or for more successes than cases.
pub fn wilson(of: Proportion, level: f64) -> Option<Estimate> {
    let z = reach(level)?;
    if of.n == 0 || of.successes > of.n {
        return None;
    }
    let (n, hits, misses) = (count(of.n), count(of.successes), count(of.n - of.successes));
    let square = z * z;
    let whole = 2.0 * (n + square);
    let root = z * (square + 4.0 * hits * misses / n).sqrt();
    // Each end as a share that is not the difference of two: from the other end of the complement where it is small.
    let low = if of.successes == 0 {
        0.0
    } else {
        2.0 * hits * hits / n / (2.0 * hits + square + root)
    };
    let missed = if of.successes == of.n {
        0.0
    } else {
        2.0 * misses * misses / n / (2.0 * misses + square + root)
    };
    let high = if hits < misses {
        (2.0 * hits + square + root) / whole
    } else {
        1.0 - missed
    };
    Some(Estimate {
        value: hits / n,
        interval: Interval { low, high },
    })
}

/// The first share less the second one (−1 to 1), with the interval of Newcombe at `level` (0 to 1).
///
/// R. G. Newcombe, *Interval Estimation for the Difference Between Independent Proportions*, Statistics in Medicine 17,
/// 1998, method 10: the ends of both Wilson intervals, without a correction for continuity. `None` as in [`wilson`].
pub fn newcombe(a: Proportion, b: Proportion, level: f64) -> Option<Estimate> {
    let (a, b) = (wilson(a, level)?, wilson(b, level)?);
    let value = a.value - b.value;
    let down = (a.value - a.interval.low).hypot(b.interval.high - b.value);
    let up = (a.interval.high - a.value).hypot(b.value - b.interval.low);
    Some(Estimate {
        value,
        interval: Interval {
            low: (value - down).max(-1.0),
            high: (value + up).min(1.0),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(successes: u64, n: u64) -> Proportion {
        Proportion { successes, n }
    }

    /// The ends to four digits, as papers print them.
    fn rounded(estimate: Estimate) -> [f64; 2] {
        [estimate.interval.low, estimate.interval.high].map(|end| (end * 1e4).round() / 1e4)
    }

    #[test]
    fn intervals_are_those_of_newcombe_s_papers() {
        for (successes, n, expected) in [
            (81, 263, [0.2553, 0.3662]),
            (15, 148, [0.0624, 0.1605]),
            (0, 20, [0.0, 0.1611]),
            (1, 29, [0.0061, 0.1718]),
        ] {
            let found = wilson(of(successes, n), 0.95).unwrap();
            assert_eq!(rounded(found), expected, "{successes}/{n}");
        }
        for (a, b, expected) in [
            (of(56, 70), of(48, 80), [0.0524, 0.3339]),
            (of(9, 10), of(3, 10), [0.1705, 0.8090]),
            (of(10, 10), of(0, 20), [0.6791, 1.0]),
        ] {
            let found = newcombe(a, b, 0.95).unwrap();
            assert_eq!(rounded(found), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn the_ends_of_the_scale_are_reached() {
        assert_eq!(wilson(of(0, 1), 0.95).unwrap().interval.low, 0.0);
        assert_eq!(wilson(of(1, 1), 0.95).unwrap().interval.high, 1.0);
        assert_eq!(wilson(of(0, 0), 0.95), None);
        assert_eq!(wilson(of(2, 1), 0.95), None);
        assert_eq!(newcombe(of(0, 0), of(1, 1), 0.95), None);
    }

    proptest! {
        #[test]
        fn failures_mirror_successes(n in 1u64..100_000, part in 0..u64::MAX) {
            let successes = part % (n + 1);
            let one = wilson(of(successes, n), 0.95).unwrap().interval;
            let other = wilson(of(n - successes, n), 0.95).unwrap().interval;
            prop_assert!((one.low + other.high - 1.0).abs() < 1e-12);
            prop_assert!(one.low >= 0.0 && one.high <= 1.0 && one.low < one.high);
        }
    }
}

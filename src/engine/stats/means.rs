//! Two means compared: their difference by Welch's test, and their ratio.

use crate::engine::measurement::count;

use super::interval::{Estimate, Interval, tail};
use super::moments::Moments;
use super::student;

/// What the comparison of means has to know of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The number of values, at least 2; that of independent ones they are worth where they depend on each other.
    pub n: f64,
    /// Their mean, finite.
    pub mean: f64,
    /// Their sample standard deviation (n − 1), at least 0, in the unit of the mean.
    pub std_dev: f64,
}

impl Mean {
    /// Of moments, unweighted; `None` under two values.
    pub fn of(moments: &Moments) -> Option<Self> {
        let n = count(moments.count());
        let std_dev = moments.std_dev()?;
        // The mean of equal values is rounded, and the rest would be a spread by which any difference is certain.
        let constant = moments.min() == moments.max();
        Some(Self {
            n,
            mean: moments.sum() / n,
            std_dev: if constant { 0.0 } else { std_dev },
        })
    }

    fn is_defined(&self) -> bool {
        self.n >= 2.0
            && self.n.is_finite()
            && self.mean.is_finite()
            && self.std_dev.is_finite()
            && self.std_dev >= 0.0
    }

    /// The variance of the mean, in units of `scale`.
    fn variance(&self, scale: f64) -> f64 {
        (self.std_dev / scale).powi(2) / self.n
    }
}

/// What Welch's test says about two means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Welch {
    /// The first mean less the second one, with its interval, in their unit.
    pub difference: Estimate,
    /// The difference in standard errors.
    pub t: f64,
    /// Degrees of freedom, from the smaller n − 1 up to the sum of both.
    pub freedom: f64,
    /// The probability of a difference at least so large, to either side, where there is none.
    pub p: f64,
}

/// Welch's t-test of two means whose variances may differ, and the interval of their difference at `level` (0 to 1).
///
/// B. L. Welch, *The Generalization of "Student's" Problem*, Biometrika 34, 1947, with the degrees of freedom of F. E.
/// Satterthwaite, 1946: (v₁ + v₂)² / (v₁² / (n₁ − 1) + v₂² / (n₂ − 1)), v = s² / n; SciPy's `ttest_ind` with `equal_var=False`. For
/// independent values. `None` for two constants, of which there is nothing to test, and for what is not a [`Mean`].
pub fn welch(a: &Mean, b: &Mean, level: f64) -> Option<Welch> {
    if !(a.is_defined() && b.is_defined()) {
        return None;
    }
    // Relative to the larger spread, whose square could leave the range of a float.
    let scale = a.std_dev.max(b.std_dev);
    if scale <= 0.0 {
        return None;
    }
    let (of_a, of_b) = (a.variance(scale), b.variance(scale));
    let freedom = satterthwaite(of_a, a.n, of_b, b.n);
    let error = scale * (of_a + of_b).sqrt();
    let value = a.mean - b.mean;
    let t = value / error;
    let reach = -student::quantile(tail(level)?, freedom)? * error;
    (t.is_finite() && reach.is_finite()).then_some(())?;
    Some(Welch {
        difference: Estimate {
            value,
            interval: Interval::around(value, reach),
        },
        t,
        freedom,
        p: student::two_sided(t, freedom)?,
    })
}

/// Degrees of freedom of the sum of two variances, one of which at least is above 0.
fn satterthwaite(of_a: f64, n_a: f64, of_b: f64, n_b: f64) -> f64 {
    // As shares of the sum: its square could be below the range of a float.
    let share = of_a / (of_a + of_b);
    let other = 1.0 - share;
    1.0 / (share * share / (n_a - 1.0) + other * other / (n_b - 1.0))
}

/// The ratio of the first mean to the second one, with its interval at `level` (0 to 1): 1.2 is 20 % more.
///
/// The logarithm of the ratio has, by the delta method, the variance s₁² / (n₁ m₁²) + s₂² / (n₂ m₂²) (G. Casella, R. L. Berger,
/// *Statistical Inference*, 2002, 5.5.4), and the degrees of freedom of Welch's test on that scale. It is good where each
/// standard error is well below its mean: at a tenth or less. For independent values. `None` where a mean is not above 0.
pub fn ratio(a: &Mean, b: &Mean, level: f64) -> Option<Estimate> {
    let tail = tail(level)?;
    if !(a.is_defined() && b.is_defined() && a.mean > 0.0 && b.mean > 0.0) {
        return None;
    }
    let (of_a, of_b) = (a.variance(a.mean), b.variance(b.mean));
    let value = a.mean / b.mean;
    let error = (of_a + of_b).sqrt();
    let reach = if error > 0.0 {
        let freedom = satterthwaite(of_a, a.n, of_b, b.n);
        -student::quantile(tail, freedom)? * error
    } else {
        0.0
    };
    (value.is_finite() && value > 0.0 && reach.is_finite()).then(|| Estimate {
        value,
        interval: Interval {
            low: value * (-reach).exp(),
            high: value * reach.exp(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mean(values: &[f64]) -> Mean {
        Mean::of(&Moments::of(values, &[])).unwrap()
    }

    #[test]
    fn welch_of_sleep() {
        // Student's sleep data, as in the help of R's `t.test(extra ~ group)`.
        let first = mean(&[0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]);
        let second = mean(&[1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]);
        let test = welch(&first, &second, 0.95).unwrap();
        assert!((test.t + 1.860_813).abs() < 1e-6, "{test:?}");
        assert!((test.freedom - 17.776_473).abs() < 1e-6, "{test:?}");
        assert!((test.p - 0.079_394_14).abs() < 1e-8, "{test:?}");
        let interval = test.difference.interval;
        assert!((interval.low + 3.365_483_2).abs() < 1e-6, "{test:?}");
        assert!((interval.high - 0.205_483_2).abs() < 1e-6, "{test:?}");
    }

    #[test]
    fn one_constant_is_enough_spread_and_two_are_none() {
        let (constant, varied) = (mean(&[0.1; 13]), mean(&[1.0, 2.0, 3.0, 4.0]));
        assert_eq!(welch(&constant, &constant, 0.95), None);
        assert_eq!(welch(&varied, &constant, 0.95).unwrap().freedom, 3.0);
        let same = ratio(&constant, &constant, 0.95).unwrap();
        assert_eq!(
            (same.value, same.interval),
            (1.0, Interval::around(1.0, 0.0))
        );
    }

    #[test]
    fn what_is_no_mean_is_refused() {
        assert_eq!(Mean::of(&Moments::of(&[1.0], &[])), None);
        assert_eq!(Mean::of(&Moments::default()), None);
        let good = mean(&[1.0, 2.0]);
        let odd = [
            Mean { n: 1.0, ..good },
            Mean {
                n: f64::NAN,
                ..good
            },
            Mean {
                mean: f64::INFINITY,
                ..good
            },
            Mean {
                std_dev: -1.0,
                ..good
            },
        ];
        for odd in odd {
            assert_eq!(welch(&good, &odd, 0.95), None, "{odd:?}");
            assert_eq!(ratio(&odd, &good, 0.95), None, "{odd:?}");
        }
        assert_eq!(ratio(&Mean { mean: 0.0, ..good }, &good, 0.95), None);
        assert_eq!(welch(&good, &good, 1.0), None);
    }

    proptest! {
        #[test]
        fn exchanging_the_samples_inverts_the_results(
            a in prop::collection::vec(1.0..100.0f64, 2..20),
            b in prop::collection::vec(1.0..100.0f64, 2..20),
        ) {
            let (a, b) = (mean(&a), mean(&b));
            let (one, other) = (welch(&a, &b, 0.9).unwrap(), welch(&b, &a, 0.9).unwrap());
            prop_assert!((one.t + other.t).abs() < 1e-9 && (one.p - other.p).abs() < 1e-12);
            let (one, other) = (ratio(&a, &b, 0.9).unwrap(), ratio(&b, &a, 0.9).unwrap());
            prop_assert!((one.interval.low * other.interval.high - 1.0).abs() < 1e-9);
        }
    }
}

//! The standard normal distribution.
//!
//! All of it goes through the complementary error function, Φ(z) = erfc(−z / √2) / 2, of which statrs has the rational
//! approximations of Boost (J. Maddock, *Boost.Math: Error Functions*). Probabilities are exact to about 1e-10 of the result
//! (seen: 1.01e-10 near z = 0.74), far tails included, which 1 − Φ(z) is not; quantiles to 1e-15.

use std::f64::consts::SQRT_2;

use statrs::function::erf::{erfc, erfc_inv};

/// The probability of a value up to `z`, 0 to 1; `None` for NaN.
pub fn cdf(z: f64) -> Option<f64> {
    survival(-z)
}

/// The probability of a value above `z`, 0 to 1; `None` for NaN.
///
/// ```
/// let p = opwatch::engine::stats::normal::survival(10.0).unwrap();
/// assert!((p / 7.619_853_024_160_526e-24 - 1.0).abs() < 1e-10);
/// ```
pub fn survival(z: f64) -> Option<f64> {
    (!z.is_nan()).then(|| 0.5 * erfc(z / SQRT_2))
}

/// The probability of a value at least as far from 0 as `z`, to either side; `None` for NaN.
pub fn two_sided(z: f64) -> Option<f64> {
    (!z.is_nan()).then(|| erfc(z.abs() / SQRT_2))
}

/// The value with probability `p` (0 to 1, both excluded) up to it.
pub fn quantile(p: f64) -> Option<f64> {
    (p > 0.0 && p < 1.0).then(|| -SQRT_2 * erfc_inv(2.0 * p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn probabilities_are_those_of_the_tables() {
        for (z, expected) in [
            (0.0, 0.5),
            (1.0, 0.158_655_253_931_457_05),
            (1.959_963_984_540_054, 0.025),
            (-1.0, 0.841_344_746_068_542_9),
            (6.0, 9.865_876_450_376_946e-10),
            (20.0, 2.753_624_118_606_233_7e-89),
            (37.0, 5.725_571_222_524_577e-300),
            (f64::INFINITY, 0.0),
            (f64::NEG_INFINITY, 1.0),
        ] {
            let p = survival(z).unwrap();
            assert!((p - expected).abs() <= 1e-10 * expected, "{z}: {p}");
            assert_eq!(cdf(-z), Some(p));
        }
        assert_eq!(two_sided(0.0), Some(1.0));
    }

    #[test]
    fn what_is_no_number_or_no_probability_has_no_answer() {
        assert_eq!((cdf(f64::NAN), two_sided(f64::NAN)), (None, None));
        for p in [0.0, 1.0, -0.1, 1.1, f64::NAN] {
            assert_eq!(quantile(p), None, "{p}");
        }
    }

    proptest! {
        #[test]
        fn a_quantile_has_its_probability(exponent in -300.0..-0.31f64) {
            let p = 10f64.powf(exponent);
            let z = quantile(p).unwrap();
            prop_assert!((cdf(z).unwrap() / p - 1.0).abs() < 2e-10, "{}", z);
        }
    }
}

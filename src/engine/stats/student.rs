//! Student's t distribution, with any number of degrees of freedom above 0.

use statrs::function::beta::checked_beta_reg;
use statrs::function::gamma::ln_gamma;

use super::normal;

/// From so many degrees of freedom on Hill's expansion is exact to 1e-11 or better.
const MANY: f64 = 300.0;

/// The probability of a value above `t`, 0 to 1; `None` for a `t` of NaN or degrees of freedom not above 0.
///
/// It is I(ν / (ν + t²); ν/2, 1/2) / 2 with the regularised incomplete beta function (M. Abramowitz, I. A. Stegun,
/// *Handbook of Mathematical Functions*, 26.7.1). Many degrees of freedom are brought to the normal distribution (G. W.
/// Hill, *Algorithm 395: Student's t-Distribution*, CACM 13, 1970): the beta function loses digits to them.
pub fn survival(t: f64, freedom: f64) -> Option<f64> {
    if t.is_nan() || freedom.is_nan() || freedom <= 0.0 {
        return None;
    }
    if t < 0.0 {
        return Some(1.0 - survival(-t, freedom)?);
    }
    if freedom >= MANY || t.is_infinite() {
        return normal::survival(as_normal(t, freedom));
    }
    let square = t * t;
    if square < 1.0 {
        // Near the middle the other side of the beta function keeps the digits of a small t.
        let inside = checked_beta_reg(0.5, freedom / 2.0, square / (freedom + square)).ok()?;
        return Some(0.5 - 0.5 * inside);
    }
    let outside = checked_beta_reg(freedom / 2.0, 0.5, freedom / (freedom + square)).ok()?;
    Some(0.5 * outside)
}

/// The probability of a value at least as far from 0 as `t`, to either side.
pub fn two_sided(t: f64, freedom: f64) -> Option<f64> {
    Some(2.0 * survival(t.abs(), freedom)?)
}

/// The normal deviate with the same probability above it, for a `t` of at least 0.
fn as_normal(t: f64, freedom: f64) -> f64 {
    if t.is_infinite() || freedom.is_infinite() {
        return t;
    }
    let a = freedom - 0.5;
    let b = 48.0 * a * a;
    let z = (a * (t * t / freedom).ln_1p()).sqrt();
    let z2 = z * z;
    let second = (((4.0 * z2 + 33.0) * z2 + 240.0) * z2 + 855.0) * z;
    z + (z2 + 3.0) * z / b - second / (10.0 * b * (b + 0.8 * z2 * z2 + 100.0))
}

/// The logarithm of the density at `t`.
fn ln_density(t: f64, freedom: f64) -> f64 {
    let gammas = if freedom < MANY {
        ln_gamma((freedom + 1.0) / 2.0) - ln_gamma(freedom / 2.0)
    } else {
        // The difference of two large logarithms, by its series.
        0.5 * (freedom / 2.0).ln() - 0.25 / freedom
    };
    let scale = 0.5 * (freedom * std::f64::consts::PI).ln();
    gammas - scale - (freedom + 1.0) / 2.0 * (t * t / freedom).ln_1p()
}

/// The value with probability `p` (0 to 1, both excluded) up to it; `None` for degrees of freedom not above 0, and where
/// the value is beyond 1e150, whose square is near the end of what a float holds.
///
/// Newton's method on the logarithms of value and probability, in which tails are nearly straight, kept within a bracket.
pub fn quantile(p: f64, freedom: f64) -> Option<f64> {
    if !(p > 0.0 && p < 1.0 && freedom > 0.0) {
        return None;
    }
    if freedom.is_infinite() {
        return normal::quantile(p);
    }
    if p > 0.5 {
        return upper(1.0 - p, freedom);
    }
    Some(-upper(p, freedom)?)
}

const MOST: f64 = 1e150;

/// The value with probability `p`, at most 1/2, above it.
fn upper(p: f64, freedom: f64) -> Option<f64> {
    if p >= 0.5 {
        return Some(0.0);
    }
    let (mut low, mut high) = (0.0, 1.0);
    while survival(high, freedom)? > p {
        low = high;
        high *= 2.0;
        if high > MOST {
            return None;
        }
    }
    let mut t = high;
    for _ in 0..200 {
        let above = survival(t, freedom)?;
        if above > p {
            low = t;
        } else {
            high = t;
        }
        let slope = t * ln_density(t, freedom).exp() / above;
        let step = ((above / p).ln() / slope).exp();
        let next = t * step;
        let next = if next > low && next < high {
            next
        } else {
            0.5 * (low + high)
        };
        if (next - t).abs() <= 1e-15 * t || high - low <= 1e-15 * high {
            return Some(next);
        }
        t = next;
    }
    Some(t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (p, freedom, expected) in [
            (0.975, 1.0, 12.706_204_736_432_095),
            (0.975, 2.0, 4.302_652_729_911_275),
            (0.95, 10.0, 1.812_461_122_811_676_4),
            (0.975, 30.0, 2.042_272_456_301_238),
            (0.995, 120.0, 2.617_421_145_106_864),
            (0.025, 1000.0, -1.962_339_080_828_506),
            (0.5, 3.0, 0.0),
            (0.975, f64::INFINITY, 1.959_963_984_540_054),
        ] {
            let t = quantile(p, freedom).unwrap();
            assert!((t - expected).abs() < 1e-9, "{p} {freedom}: {t}");
        }
    }

    #[test]
    fn one_degree_of_freedom_is_the_cauchy_distribution() {
        for t in [0.0, 1e-6, 0.5, 1.0, 3.0, 1e6, -2.0] {
            let expected = 0.5 - f64::atan(t) / std::f64::consts::PI;
            let p = survival(t, 1.0).unwrap();
            assert!((p - expected).abs() <= 1e-10 * p.max(1e-4), "{t}: {p}");
        }
    }

    #[test]
    fn what_is_undefined_has_no_answer() {
        for (t, freedom) in [(f64::NAN, 1.0), (1.0, 0.0), (1.0, -1.0), (1.0, f64::NAN)] {
            assert_eq!(survival(t, freedom), None, "{t} {freedom}");
        }
        for (p, freedom) in [
            (0.0, 1.0),
            (1.0, 1.0),
            (f64::NAN, 1.0),
            (0.5, 0.0),
            (1e-200, 0.5),
        ] {
            assert_eq!(quantile(p, freedom), None, "{p} {freedom}");
        }
        assert_eq!(survival(f64::INFINITY, 3.0), Some(0.0));
        assert_eq!(survival(f64::NEG_INFINITY, 3.0), Some(1.0));
    }

    proptest! {
        #[test]
        fn a_quantile_has_its_probability(exponent in -12.0..-0.31f64, freedom in 0.5..2000.0f64) {
            let p = 10f64.powf(exponent);
            let t = quantile(p, freedom).unwrap();
            prop_assert!((survival(-t, freedom).unwrap() / p - 1.0).abs() < 1e-10, "{}", t);
        }
    }
}

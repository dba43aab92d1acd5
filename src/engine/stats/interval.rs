//! Intervals of confidence, and estimates with theirs.

use super::normal;

/// A range of values, both ends included.
///
/// An end about which so few values can say nothing at the wanted level is infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end, at least the lower one.
    pub high: f64,
}

impl Interval {
    /// Nothing is known.
    pub const UNBOUNDED: Self = Self {
        low: f64::NEG_INFINITY,
        high: f64::INFINITY,
    };

    /// The interval that reaches `reach` (at least 0) to both sides of `centre`.
    pub fn around(centre: f64, reach: f64) -> Self {
        Self {
            low: centre - reach,
            high: centre + reach,
        }
    }

    /// Whether the value lies within.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// A value with its interval of confidence, in the same unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The value that fits best.
    pub value: f64,
    /// Where the true value lies at the level that was asked for.
    pub interval: Interval,
}

/// The probability beyond each end of a two-sided interval at a confidence level (0 to 1, both excluded).
pub(super) fn tail(level: f64) -> Option<f64> {
    (level > 0.0 && level < 1.0).then_some((1.0 - level) / 2.0)
}

/// How many standard deviations a two-sided normal interval of that level reaches.
pub(super) fn reach(level: f64) -> Option<f64> {
    Some(-normal::quantile(tail(level)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_between_nothing_and_certainty() {
        for level in [0.0, 1.0, -1.0, f64::NAN] {
            assert_eq!(reach(level), None, "{level}");
        }
        assert!((reach(0.95).unwrap() - 1.959_963_984_540_054).abs() < 1e-12);
    }

    #[test]
    fn both_ends_belong_to_an_interval() {
        let interval = Interval::around(2.0, 1.0);
        for (value, within) in [(0.9, false), (1.0, true), (3.0, true), (f64::NAN, false)] {
            assert_eq!(interval.contains(value), within, "{value}");
        }
        assert!(Interval::UNBOUNDED.contains(1e300));
    }
}

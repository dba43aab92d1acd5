//! A statistic of a window compared with fixed limits.

use super::{Standing, Verdict};
use crate::engine::metric::{Metric, Stat};
use crate::engine::rule::Severity;
use crate::engine::window::{Reach, Reading};

/// How a value is compared with a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Breached by more than the limit.
    Above,
    /// Breached by less than the limit.
    Below,
    /// Breached by the limit or more.
    AtLeast,
    /// Breached by the limit or less.
    AtMost,
    /// Breached by exactly the limit.
    Equals,
}

impl Comparison {
    /// All, with their names in rule files.
    pub const ALL: [(&'static str, Self); 5] = [
        ("above", Self::Above),
        ("below", Self::Below),
        ("at_least", Self::AtLeast),
        ("at_most", Self::AtMost),
        ("equals", Self::Equals),
    ];

    /// Whether `value` breaches `limit`.
    pub fn breached(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Above => value > limit,
            Self::Below => value < limit,
            Self::AtLeast => value >= limit,
            Self::AtMost => value <= limit,
            #[expect(
                clippy::float_cmp,
                reason = "`equals` means exactly equal, as `==` in PromQL"
            )]
            Self::Equals => value == limit,
        }
    }

    /// The operator of PromQL.
    pub fn operator(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::Below => "<",
            Self::AtLeast => ">=",
            Self::AtMost => "<=",
            Self::Equals => "==",
        }
    }

    /// Whether larger values are the worse ones; `None` for `equals`.
    pub fn rising(self) -> Option<bool> {
        match self {
            Self::Above | Self::AtLeast => Some(true),
            Self::Below | Self::AtMost => Some(false),
            Self::Equals => None,
        }
    }
}

/// One limit of a rule, with its severity where levels are given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Sets the `severity` label; `None` leaves it to the rule's labels.
    pub severity: Option<Severity>,
    /// The limit.
    pub limit: f64,
    /// A firing alert holds until the value has come back past this one.
    pub recover: Option<f64>,
}

/// A statistic of a window compared with fixed limits.
#[derive(Clone, Debug)]
pub struct Threshold {
    /// What is measured.
    pub metric: Metric,
    /// Which statistic of it.
    pub stat: Stat,
    /// Over which window.
    pub reach: Reach,
    /// How it is compared.
    pub comparison: Comparison,
    /// The limits, mildest first.
    pub levels: Vec<Level>,
    /// Fewer values than this are too few to judge.
    pub min_samples: u64,
}

impl Threshold {
    /// Judges a reading of [`Threshold::stat`] against one level; `firing` says whether that level's alert fires now,
    /// which decides whether its limit or its recovery counts.
    pub fn judge(&self, level: &Level, reading: Reading, firing: bool, gained: bool) -> Verdict {
        let Reading { value, n } = reading;
        let standing = match value {
            None if n == 0 => Standing::NoData,
            None => Standing::Insufficient,
            Some(_) if n < self.min_samples => Standing::Insufficient,
            Some(value) if self.comparison.breached(value, level.limit) => Standing::Breached,
            Some(value) if firing && !self.recovered(level, value) => Standing::Breached,
            Some(_) => Standing::Holds,
        };
        Verdict {
            standing,
            value,
            limit: level.limit,
            n,
            gained,
        }
    }

    /// Whether a value that no longer breaches the limit is also past the recovery value.
    fn recovered(&self, level: &Level, value: f64) -> bool {
        match (level.recover, self.comparison.rising()) {
            (Some(recover), Some(true)) => value < recover,
            (Some(recover), Some(false)) => value > recover,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stats::Moments;
    use crate::engine::window::Window;

    fn reading(values: &[f64]) -> Reading {
        let window = Window {
            moments: Moments::of(values, &[]),
            ..Window::default()
        };
        window.read(Stat::Mean)
    }

    fn threshold(comparison: Comparison, limit: f64) -> Threshold {
        Threshold {
            metric: Metric::Duration,
            stat: Stat::Mean,
            reach: Reach::Runs(10),
            comparison,
            levels: vec![Level {
                severity: None,
                limit,
                recover: None,
            }],
            min_samples: 1,
        }
    }

    fn standing(threshold: &Threshold, values: &[f64], firing: bool) -> Standing {
        threshold
            .judge(&threshold.levels[0], reading(values), firing, true)
            .standing
    }

    #[test]
    fn case_3_each_comparison_fires_on_its_side_of_the_limit() {
        use Comparison::{Above, AtLeast, AtMost, Below, Equals};
        for (comparison, fires, quiet) in [
            (Above, 150.0, 50.0),
            (Below, 50.0, 150.0),
            (AtLeast, 100.0, 99.0),
            (AtMost, 100.0, 101.0),
            (Equals, 100.0, 99.0),
        ] {
            let threshold = threshold(comparison, 100.0);
            assert_eq!(standing(&threshold, &[fires], false), Standing::Breached);
            assert_eq!(standing(&threshold, &[quiet], false), Standing::Holds);
        }
    }

    #[test]
    fn case_1_the_limit_itself_is_not_above_it() {
        let threshold = threshold(Comparison::Above, 30.0);
        assert_eq!(standing(&threshold, &[30.0], false), Standing::Holds);
        let verdict = threshold.judge(&threshold.levels[0], reading(&[30.01]), false, true);
        assert_eq!(
            (verdict.standing, verdict.value, verdict.limit, verdict.n),
            (Standing::Breached, Some(30.01), 30.0, 1)
        );
    }

    #[test]
    fn too_few_values_are_insufficient_and_none_are_no_data() {
        let mut threshold = threshold(Comparison::Above, 1.0);
        threshold.min_samples = 3;
        assert_eq!(standing(&threshold, &[], true), Standing::NoData);
        assert_eq!(
            standing(&threshold, &[9.0, 9.0], true),
            Standing::Insufficient
        );
        assert_eq!(standing(&threshold, &[9.0; 3], true), Standing::Breached);
    }

    #[test]
    fn recovery_holds_a_firing_alert_only() {
        let mut above = threshold(Comparison::Above, 10.0);
        above.levels[0].recover = Some(8.0);
        let mut below = threshold(Comparison::Below, 10.0);
        below.levels[0].recover = Some(12.0);
        for (threshold, value, firing, expected) in [
            (&above, 9.0, false, Standing::Holds),
            (&above, 9.0, true, Standing::Breached),
            (&above, 8.0, true, Standing::Breached),
            (&above, 7.9, true, Standing::Holds),
            (&below, 11.0, false, Standing::Holds),
            (&below, 11.0, true, Standing::Breached),
            (&below, 12.1, true, Standing::Holds),
        ] {
            assert_eq!(standing(threshold, &[value], firing), expected, "{value}");
        }
    }
}

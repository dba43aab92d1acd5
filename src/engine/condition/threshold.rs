//! A statistic of a window compared with fixed limits.

use super::{Against, Evidence, Standing, Verdict, doubt};
use crate::engine::metric::{Metric, Stat};
use crate::engine::rule::Severity;
use crate::engine::watched::Coverage;
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
    /// What limits are multiples of; without it they are values.
    pub relative: Option<Relative>,
}

/// What the limits of a threshold are multiples of: a statistic of each instance's own baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Relative {
    /// Which statistic.
    pub stat: Stat,
    /// Of which baseline.
    pub against: Against,
}

/// What that statistic is for an instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// The statistic.
    pub value: f64,
    /// On how many values it rests; 0 for a number that somebody gave.
    pub n: u64,
}

impl Level {
    /// The level with its limit in the unit of an instance.
    fn times(&self, unit: f64) -> Self {
        Self {
            severity: self.severity,
            limit: self.limit * unit,
            recover: self.recover.map(|recover| recover * unit),
        }
    }
}

impl Threshold {
    /// Judges a reading of [`Threshold::stat`] against one level; `firing` says whether that level's alert fires now,
    /// which decides whether its limit or its recovery counts. Where not all of the window was lived through, as
    /// `coverage` says, only what is certain all the same is said.
    pub fn judge(
        &self,
        level: &Level,
        reading: Reading,
        coverage: Coverage,
        firing: bool,
        gained: bool,
    ) -> Verdict {
        let Reading { value, n, .. } = reading;
        let standing = match doubt::range(&self.metric, self.stat, reading, coverage) {
            None if n == 0 => Standing::NoData,
            None => Standing::Insufficient,
            Some(_) if n < self.min_samples => Standing::Insufficient,
            Some(range) => {
                let standing = self.standing(level, range, firing);
                // Before the start of service there was no good news to miss.
                let is_new = !coverage.is_mixed && coverage.missed.is_zero();
                match (standing, value) {
                    (Standing::NoData, Some(value)) if is_new => {
                        match self.standing(level, (value, value), firing) {
                            Standing::Breached => Standing::NoData,
                            good => good,
                        }
                    }
                    _ => standing,
                }
            }
        };
        Verdict {
            standing,
            value,
            limit: level.limit,
            n,
            gained,
            evidence: None,
        }
    }

    /// The same where limits are multiples of `unit`. Without one there is nothing to judge by, and beside a negative one
    /// more and less change places.
    pub fn judge_relative(
        &self,
        level: &Level,
        unit: Option<Unit>,
        reading: Reading,
        coverage: Coverage,
        firing: bool,
        gained: bool,
    ) -> Verdict {
        match unit.filter(|unit| unit.value >= 0.0) {
            Some(unit) => Verdict {
                evidence: Some(Evidence {
                    baseline: Some(unit.value),
                    baseline_n: unit.n,
                    ..Evidence::default()
                }),
                ..self.judge(&level.times(unit.value), reading, coverage, firing, gained)
            },
            None => Verdict {
                standing: match reading.n {
                    0 => Standing::NoData,
                    _ => Standing::Insufficient,
                },
                value: reading.value,
                limit: f64::NAN,
                n: reading.n,
                gained,
                evidence: None,
            },
        }
    }

    /// How a value in this range stands to a level; no data where that depends on which value it is.
    fn standing(&self, level: &Level, (low, high): (f64, f64), firing: bool) -> Standing {
        let is_bad = |value| {
            self.comparison.breached(value, level.limit)
                || (firing && !self.recovered(level, value))
        };
        let is_open = match self.comparison {
            // Between two values that differ from the limit there may be the limit.
            Comparison::Equals => low < high && low <= level.limit && level.limit <= high,
            // What is bad on both sides is bad in between.
            _ => is_bad(low) != is_bad(high),
        };
        match (is_open, is_bad(low)) {
            (true, _) => Standing::NoData,
            (false, true) => Standing::Breached,
            (false, false) => Standing::Holds,
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
    use std::time::Duration;

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
            relative: None,
        }
    }

    fn standing(threshold: &Threshold, values: &[f64], firing: bool) -> Standing {
        threshold
            .judge(
                &threshold.levels[0],
                reading(values),
                Coverage::default(),
                firing,
                true,
            )
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
        let (level, seen) = (&threshold.levels[0], reading(&[30.01]));
        let verdict = threshold.judge(level, seen, Coverage::default(), false, true);
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

    /// R13: what was missed can make no breach and no recovery.
    #[test]
    fn of_a_window_that_was_not_lived_through_only_what_is_certain_is_said() {
        use Comparison::{Above, AtLeast, AtMost, Below, Equals};
        use Standing::{Breached, Holds, NoData};
        let partly = Coverage {
            span: Duration::from_secs(100),
            missed: Duration::from_secs(10),
            ..Coverage::default()
        };
        let mixed = Coverage {
            is_mixed: true,
            ..partly
        };
        for (stat, comparison, more, less) in [
            (Stat::Count, Above, Breached, NoData),
            (Stat::Count, AtLeast, Breached, NoData),
            (Stat::Count, Below, Holds, NoData),
            (Stat::Count, AtMost, Holds, NoData),
            (Stat::Count, Equals, Holds, NoData),
            (Stat::PerSecond, Below, Holds, NoData),
            (Stat::Max, Above, Breached, NoData),
            (Stat::Max, Below, Holds, NoData),
            (Stat::Min, Above, NoData, Holds),
            (Stat::Min, Below, NoData, Breached),
            (Stat::Mean, Above, Breached, Holds),
            (Stat::Quantile(0.5), Below, Holds, Breached),
        ] {
            let mut threshold = threshold(comparison, 10.0);
            threshold.stat = stat;
            let judge = |value, coverage| {
                let reading = Reading {
                    value: Some(value),
                    n: 5,
                    has_negative: false,
                };
                let level = &threshold.levels[0];
                let verdict = threshold.judge(level, reading, coverage, false, true);
                verdict.standing
            };
            let seen = (judge(11.0, partly), judge(9.0, partly));
            assert_eq!(seen, (more, less), "{stat} {comparison:?}");
            assert_eq!(judge(11.0, mixed), NoData, "{stat} {comparison:?}");
            assert_eq!(judge(9.0, mixed), NoData, "{stat} {comparison:?}");
        }
        let mut recovering = threshold(Above, 10.0);
        recovering.stat = Stat::Count;
        recovering.levels[0].recover = Some(8.0);
        let reading = Reading {
            value: Some(7.0),
            n: 7,
            has_negative: false,
        };
        let level = &recovering.levels[0];
        let end = |coverage| recovering.judge(level, reading, coverage, true, true);
        assert_eq!(end(partly).standing, NoData);
        assert_eq!(end(Coverage::default()).standing, Holds);
    }
}

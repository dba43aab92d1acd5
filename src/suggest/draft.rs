//! One rule on its way: what it asks, what that rests on, and what came of it when it was replayed.

use std::time::Duration;

use super::limit::{Limit, limit};
use super::split::Matched;
use crate::engine::metric::{Metric, Stat};
use crate::engine::window::Reach;

/// Multiples of what is usual, one after the other.
const TIMES: [f64; 12] = [
    1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0,
];
/// By how many percent something gets worse, one after the other.
const WORSE_BY: [u32; 4] = [20, 30, 50, 100];
/// The deadline of an absence is doubled so often at most.
const LONGEST_SILENCE: Duration = Duration::from_secs(180 * 86_400);

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The name of its alerts, of which there is no other.
    pub alert: String,
    /// The operation that it is about.
    pub operation: String,
    /// Which of its series, beside that.
    pub labels: Vec<(String, Matched)>,
    /// What makes an instance.
    pub by: Vec<String>,
    /// What it asks.
    pub kind: Kind,
    /// What that rests on, for people.
    pub basis: String,
    /// What it asked first, and how many alarms that would have raised, where that was too many.
    pub loosened: Option<(String, u64)>,
    /// What came of it.
    pub tried: Option<Tried>,
}

/// What a rule asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A limit.
    Threshold {
        /// Of which metric.
        metric: Metric,
        /// Which statistic of a window.
        stat: Stat,
        /// How far back.
        reach: Reach,
        /// What is usual.
        usual: f64,
        /// How many times that.
        times: f64,
        /// Which is this.
        limit: Limit,
        /// Fewer values are too few to judge.
        min_samples: u32,
    },
    /// Worse than in the seven days before.
    Regression {
        /// Of which metric the median.
        metric: Metric,
        /// How far back.
        reach: Reach,
        /// By more than so many percent.
        worse_by: u32,
    },
    /// Nothing is heard for too long.
    Absence {
        /// The longest silence that was seen.
        every: Duration,
        /// Half as much again.
        grace: Duration,
    },
}

/// What came of a rule in a replay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tried {
    /// Alerts that fired.
    pub alarms: u64,
    /// Alerts a week; `None` of less than a day.
    pub per_week: Option<f64>,
    /// The highest and the lowest value that was judged.
    pub values: Option<(f64, f64)>,
}

impl Kind {
    /// An absence with that longest silence.
    pub fn absence(every: Duration) -> Self {
        Self::Absence {
            every,
            grace: every / 2,
        }
    }

    /// The same with the next looser limit; `None` where there is none.
    pub fn loosened(&self) -> Option<Self> {
        match self {
            Self::Threshold {
                metric,
                usual,
                times,
                limit: current,
                ..
            } => {
                let next = TIMES.into_iter().filter(|next| next > times);
                let mut looser = next.filter_map(|next| Some((next, limit(metric, *usual, next)?)));
                // Where the least limit holds, a larger multiple may change nothing.
                let (next, next_limit) = looser.find(|(_, next)| next.value != current.value)?;
                let mut kind = self.clone();
                if let Self::Threshold { times, limit, .. } = &mut kind {
                    (*times, *limit) = (next, next_limit);
                }
                Some(kind)
            }
            Self::Regression {
                metric,
                reach,
                worse_by,
            } => {
                let next = WORSE_BY.into_iter().find(|next| next > worse_by)?;
                Some(Self::Regression {
                    metric: metric.clone(),
                    reach: *reach,
                    worse_by: next,
                })
            }
            Self::Absence { every, .. } => {
                (*every * 2 <= LONGEST_SILENCE).then(|| Self::absence(*every * 2))
            }
        }
    }

    /// What it asks first where it is on a regression, in percent.
    pub const fn first_worse_by() -> u32 {
        WORSE_BY[0]
    }

    /// Its limit in a few words.
    pub fn words(&self) -> String {
        match self {
            Self::Threshold { times, limit, .. } => format!("× {times} ({})", limit.text),
            Self::Regression { worse_by, .. } => format!("{worse_by}% worse"),
            Self::Absence { every, .. } => {
                format!("every {}", crate::shown::amount::span(*every))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(metric: &str, usual: f64, times: f64) -> Kind {
        let metric = Metric::named(metric);
        Kind::Threshold {
            limit: limit(&metric, usual, times).unwrap(),
            metric,
            stat: Stat::Mean,
            reach: Reach::Runs(20),
            usual,
            times,
            min_samples: 20,
        }
    }

    #[test]
    fn a_rule_is_loosened_step_by_step_until_there_is_no_further_step() {
        let words = |mut kind: Kind| {
            let mut words = vec![kind.words()];
            while let Some(next) = kind.loosened() {
                kind = next;
                words.push(kind.words());
            }
            words
        };
        let found = words(threshold("duration", 0.1, 1.5));
        assert_eq!(
            found[..3],
            ["× 1.5 (150ms)", "× 2 (200ms)", "× 2.5 (250ms)"]
        );
        assert_eq!(found.last().unwrap(), "× 20 (2s)");
        // The least limit holds until the multiple is beyond it, and a share ends at 1.
        let found = words(threshold("error_ratio", 0.02, 1.5));
        assert_eq!(found[..2], ["× 1.5 (5%)", "× 3 (6%)"]);
        assert_eq!(
            words(threshold("accuracy", 0.6, 1.5)),
            ["× 1.5 (0.4)", "× 2 (0.2)"]
        );
        let regression = Kind::Regression {
            metric: Metric::Duration,
            reach: Reach::Runs(50),
            worse_by: Kind::first_worse_by(),
        };
        assert_eq!(
            words(regression),
            ["20% worse", "30% worse", "50% worse", "100% worse"]
        );
        let absence = Kind::absence(Duration::from_secs(60 * 86_400));
        assert_eq!(words(absence).len(), 2);
    }
}

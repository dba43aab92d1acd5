//! Nothing has been heard of an operation for too long.

use std::time::Duration;

use super::{Level, Standing, Verdict};
use crate::engine::series::Labels;

/// An operation is expected at least every so often.
///
/// Seen is an operation that has ended, well or not: a job that ran and failed did run, and its failure is the matter of
/// another rule. A report alone (scores that come later, a reading of memory) is not: it says nothing of the job.
///
/// The verdict depends on the passing of time alone, so it must be asked for at every evaluation, also when no data came.
#[derive(Clone, Debug)]
pub struct Absence {
    /// Time between two operations.
    pub expect_every: Duration,
    /// How much later one may come.
    pub grace: Duration,
    /// What has not been seen for this long is forgotten, unless it is expected.
    pub remember: Duration,
    /// Instances that are missed also if they have never been seen; each a part of the labels of an instance.
    pub expect: Vec<Labels>,
    /// One level: the seconds after which something is missed.
    pub levels: [Level; 1],
}

impl Absence {
    /// The time after which something is missed.
    pub fn limit(&self) -> Duration {
        self.expect_every + self.grace
    }

    /// Judges an instance by how long it has not been seen, or by how long it has been expected in vain where it
    /// never was. `None`: it is neither known nor expected.
    ///
    /// `is_hidden` says that it may have come unseen, because there was a break since: then it is not missed yet. What
    /// is missed already stays so until it is seen, so that the answer for it is never to be hidden.
    pub fn judge(&self, absent_for: Option<Duration>, was_seen: bool, is_hidden: bool) -> Verdict {
        let limit = self.limit();
        Verdict {
            standing: match absent_for {
                Some(absent) if absent <= limit => Standing::Holds,
                Some(_) if !is_hidden => Standing::Breached,
                Some(_) | None => Standing::NoData,
            },
            value: absent_for.map(|absent| absent.as_secs_f64()),
            limit: limit.as_secs_f64(),
            n: u64::from(was_seen),
            gained: false,
            evidence: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_missed_once_it_is_later_than_its_grace() {
        let seconds = Duration::from_secs;
        let absence = Absence {
            expect_every: seconds(100),
            grace: seconds(20),
            remember: seconds(1_000),
            expect: Vec::new(),
            levels: [Level {
                severity: None,
                limit: 120.0,
                recover: None,
            }],
        };
        for (absent, expected) in [
            (None, Standing::NoData),
            (Some(0), Standing::Holds),
            (Some(120), Standing::Holds),
            (Some(121), Standing::Breached),
        ] {
            let verdict = absence.judge(absent.map(seconds), true, false);
            assert_eq!(verdict.standing, expected, "{absent:?}");
            assert_eq!(verdict.limit, 120.0);
        }
        let hidden = |absent| absence.judge(Some(seconds(absent)), true, true).standing;
        assert_eq!(
            (hidden(120), hidden(121)),
            (Standing::Holds, Standing::NoData)
        );
    }
}

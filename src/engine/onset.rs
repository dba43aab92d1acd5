//! When what an alert tells of began, as closely as that is known.

use std::time::Duration;

use super::condition::{Condition, Evidence};
use super::time::Timestamp;

/// A moment that lies between two others, and the best guess of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Onset {
    /// Not before.
    pub earliest: Timestamp,
    /// The best guess.
    pub at: Timestamp,
    /// Not after.
    pub latest: Timestamp,
}

impl Onset {
    /// When what made an alert active at `active_at` began, as closely as its rule can tell.
    ///
    /// A detector dates what it finds: a drift to an interval, all else to a block. Any other condition was breached by what came into its window since the
    /// evaluation before, or by what has been in it for a while: at the latest when it was breached, at the earliest a
    /// window and an `interval` before that. How long a window of runs is depends on the runs, so nothing is added for it.
    pub fn of(
        condition: &Condition,
        evidence: Option<Evidence>,
        active_at: Timestamp,
        interval: Duration,
    ) -> Self {
        if let (Condition::Detection(detection), Some(evidence)) = (condition, evidence)
            && let Some(began) = evidence.began
        {
            // A drift has no moment at which it is there.
            let within = evidence.within.filter(|_| evidence.per_day.is_some());
            let (earliest, latest) = within.unwrap_or((began, began));
            return Self {
                earliest: earliest.before(detection.block),
                at: began,
                latest: latest.after(detection.block),
            };
        }
        let reach = match condition {
            Condition::Absence(absence) => absence.limit(),
            Condition::Detection(detection) => detection.block,
            Condition::Threshold(_) | Condition::Regression(_) | Condition::Trend(_) => condition
                .need()
                .and_then(|need| need.reach.span())
                .unwrap_or_default(),
        };
        Self {
            earliest: active_at.before(reach + interval),
            at: active_at,
            latest: active_at,
        }
    }

    /// How far apart the two moments are at least.
    pub fn apart(&self, other: &Self) -> Duration {
        let gap = |early: &Self, late: &Self| late.earliest.since(early.latest);
        gap(self, other).max(gap(other, self))
    }

    /// The moment as it is known by both, where they may be the same; else as it was.
    pub fn narrowed(self, other: &Self) -> Self {
        let (earliest, latest) = (
            self.earliest.max(other.earliest),
            self.latest.min(other.latest),
        );
        if earliest > latest {
            return self;
        }
        Self {
            earliest,
            at: self.at.clamp(earliest, latest),
            latest,
        }
    }

    /// How closely it is known.
    pub fn width(&self) -> Duration {
        self.latest.since(self.earliest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn onset(earliest: i64, at: i64, latest: i64) -> Onset {
        let moment = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        Onset {
            earliest: moment(earliest),
            at: moment(at),
            latest: moment(latest),
        }
    }

    #[test]
    fn moments_that_may_be_the_same_are_not_apart_and_narrow_each_other() {
        for (a, b, apart, narrowed) in [
            (onset(0, 60, 60), onset(30, 90, 90), 0, onset(30, 60, 60)),
            (onset(30, 90, 90), onset(0, 60, 60), 0, onset(30, 60, 60)),
            (onset(0, 50, 100), onset(20, 30, 40), 0, onset(20, 40, 40)),
            (onset(0, 60, 60), onset(60, 61, 61), 0, onset(60, 60, 60)),
            (onset(0, 10, 10), onset(40, 50, 50), 30, onset(0, 10, 10)),
            (onset(40, 50, 50), onset(0, 10, 10), 30, onset(40, 50, 50)),
        ] {
            assert_eq!(a.apart(&b), Duration::from_secs(apart), "{a:?} {b:?}");
            assert_eq!(a.narrowed(&b), narrowed, "{a:?} {b:?}");
        }
    }
}

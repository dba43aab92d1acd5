//! A statistic that gets worse from bucket to bucket: how fast, and how sure that is.
//!
//! An alert needs a slope beyond its limit *and* evidence that it is no chance. What is found changes only when a bucket
//! closes (or a late value changes a closed one), so that there is one decision a bucket. Each is made at the probability
//! with which the budget of false alarms would be spent if all of them were independent, and at 0.001 at most. As windows
//! of neighbouring decisions are nearly the same, alarms come in clusters and more rarely than that. An alert that fires
//! holds as long as the slope does.

use std::time::Duration;

use super::{Budget, Evidence, Level, Standing, Verdict};
use crate::engine::measurement::count;
use crate::engine::metric::{Metric, Stat, Worse};
use crate::engine::time::Timestamp;
use crate::engine::trend::{self, Fitted, Frame};

/// What the slope is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// A share of the level a day.
    Relative,
    /// The metric's own unit a day.
    Absolute,
}

/// A value that is reached too soon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reaches {
    /// The value.
    pub value: f64,
    /// Too soon is within this.
    pub within: Duration,
}

/// A rule on a trend.
#[derive(Clone, Debug)]
pub struct Trend {
    /// What is measured.
    pub metric: Metric,
    /// Which statistic of each bucket.
    pub stat: Stat,
    /// Which buckets.
    pub frame: Frame,
    /// Which way is alerted on.
    pub towards: Worse,
    /// The slopes a day beyond which there is an alert, mildest first; below 0 for falling ones.
    pub levels: Vec<Level>,
    /// What they are measured in.
    pub pace: Pace,
    /// A value that the line must also reach, where one is given.
    pub reaches: Option<Reaches>,
    /// Of the slope that reaches it in time, a firing alert holds down to this part.
    pub recover: f64,
    /// How many false alarms are accepted.
    pub budget: Budget,
    /// Fewer independent buckets than this are too few to judge.
    pub min_samples: u64,
}

/// What is found of one instance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Charted {
    /// Its trend.
    pub trend: trend::Trend,
    /// Values in all buckets, also partial ones.
    pub n: u64,
    /// Whether a break in time leaves open what the values are of.
    pub is_mixed: bool,
}

impl Trend {
    /// The probability of chance at which a decision is made.
    fn p_limit(&self) -> f64 {
        self.budget.in_a(self.frame.bucket()).min(trend::EVIDENCE)
    }

    /// The probability of going so clearly the rule's way by chance.
    fn p_of(&self, fitted: &Fitted) -> f64 {
        match self.towards {
            Worse::Up => fitted.drift.p_rise,
            Worse::Down => fitted.drift.p_fall,
        }
    }

    /// A slope of the metric's unit in that of the limits.
    fn paced(&self, slope: f64, fitted: &Fitted) -> Option<f64> {
        let paced = match self.pace {
            Pace::Absolute => slope,
            Pace::Relative => slope / fitted.level.abs(),
        };
        paced.is_finite().then_some(paced)
    }

    /// The slope that a level asks for: its own, and that with which the value is reached in time.
    fn limit(&self, own: f64, fitted: &Fitted, now: Timestamp) -> f64 {
        let needed = self.reaches.and_then(|reaches| {
            let slope = fitted.slope_to(reaches.value, now.after(reaches.within))?;
            self.paced(slope, fitted)
        });
        let sign = self.towards.sign();
        needed.map_or(own, |needed| sign * (sign * own).max(sign * needed))
    }

    /// Judges what was found against one level; `is_firing` says whether that level's alert fires now.
    pub fn judge(
        &self,
        level: &Level,
        charted: &Charted,
        is_firing: bool,
        gained: bool,
        now: Timestamp,
    ) -> Verdict {
        // Between two decisions nothing changes, so that time counts from the last one.
        let now = self.frame.open(now);
        let trend = &charted.trend;
        let fitted = trend.fitted.filter(|_| !charted.is_mixed);
        let slope = fitted.and_then(|one| Some((self.paced(one.drift.slope.value, &one)?, one)));
        let own = |slope| slope * self.towards.sign();
        let limit = fitted.map_or(level.limit, |one| self.limit(level.limit, &one, now));
        let stands = |is_breached| match is_breached {
            true => Standing::Breached,
            false => Standing::Holds,
        };
        let standing = match slope {
            _ if charted.is_mixed || charted.n == 0 => Standing::NoData,
            // What began within the window bends the line, and so takes of the evidence that there was.
            Some((slope, _)) if is_firing && trend.buckets >= self.min_samples => {
                stands(own(slope) > own(self.recovered(level, limit)))
            }
            Some((slope, fitted)) if self.is_enough(charted) => {
                stands(own(slope) > own(limit) && self.p_of(&fitted) <= self.p_limit())
            }
            _ => Standing::Insufficient,
        };
        Verdict {
            standing,
            value: slope.map(|(slope, _)| slope),
            limit,
            n: trend.samples,
            gained,
            evidence: fitted.map(|fitted| self.evidence(&fitted)),
        }
    }

    /// The slope down to which a firing alert holds.
    fn recovered(&self, level: &Level, limit: f64) -> f64 {
        let part = match level.recover {
            Some(recover) if level.limit != 0.0 => recover / level.limit,
            _ => self.recover,
        };
        // A value that is reached already asks for no rise at all.
        if limit * self.towards.sign() > 0.0 {
            limit * part
        } else {
            limit
        }
    }

    fn is_enough(&self, charted: &Charted) -> bool {
        let trend = &charted.trend;
        let effective = trend.fitted.map_or(0.0, |fitted| fitted.drift.effective);
        trend.buckets >= self.min_samples && effective >= count(self.min_samples)
    }

    fn evidence(&self, fitted: &Fitted) -> Evidence {
        let change = fitted.change_ratio();
        Evidence {
            change: change.map(|(change, _)| change),
            interval: change.map(|(_, interval)| interval),
            p_value: Some(self.p_of(fitted)),
            statistic: Some(fitted.drift.z),
            effective_n: Some(fitted.drift.effective),
            ..Evidence::default()
        }
    }
}

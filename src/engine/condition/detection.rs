//! Rules on what a detector finds in the blocks of a stream: what it has never been like, and what it no longer is like.

use std::time::Duration;

use super::{Budget, Evidence, Level, Standing, Verdict};
use crate::engine::detector::{novelty, shift};
use crate::engine::metric::{Metric, Stat, Worse};
use crate::engine::time::Timestamp;

/// What a detector looks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finds {
    /// Blocks that are like none before them: spikes, and shapes that are new.
    Anomalies(novelty::Settings),
    /// A lasting change of the level, of the spread or of the upper tail.
    Changes(shift::Settings),
}

/// A rule on what a detector finds.
#[derive(Clone, Debug)]
pub struct Detection {
    /// What is measured.
    pub metric: Metric,
    /// Which statistic of each block.
    pub stat: Stat,
    /// How long a block is.
    pub block: Duration,
    /// What is looked for.
    pub finds: Finds,
    /// Which way is alerted on; `None` for either.
    pub towards: Option<Worse>,
    /// How large a change is, as a share, before it is alerted on, mildest first; 0 for any.
    pub levels: Vec<Level>,
    /// How many false alarms are accepted; the detector's settings follow from it.
    pub budget: Budget,
    /// So many blocks are learned from before any is judged.
    pub warm_up: u64,
}

/// What has changed, or is unlike all before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// The value of a block.
    Value,
    /// How the values of some blocks follow on each other.
    Shape,
    /// What is usual at this time of the day.
    Season,
    /// The level.
    Level,
    /// The level, bit by bit.
    Drift,
    /// How far values lie apart.
    Spread,
    /// How far the upper tenth reaches.
    Tail,
}

impl Feature {
    const ALL: [Self; 7] = [
        Self::Value,
        Self::Shape,
        Self::Season,
        Self::Level,
        Self::Drift,
        Self::Spread,
        Self::Tail,
    ];

    /// The feature that is written like this.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// In one word, as it is written in labels and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Shape => "shape",
            Self::Season => "season",
            Self::Level => "level",
            Self::Drift => "drift",
            Self::Spread => "spread",
            Self::Tail => "tail",
        }
    }
}

/// What a detector has found by the last block that it has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Detected {
    /// Blocks that had a value.
    pub blocks: u64,
    /// Blocks that are missing until the first is judged.
    pub left: u64,
    /// The value of the last block, where it had one.
    pub value: Option<f64>,
    /// What is usual in its place.
    pub usual: Option<f64>,
    /// How rare what is seen is: from 1 on it is as rare as the budget asks for.
    pub score: f64,
    /// Whether what was found still goes on.
    pub is_on: bool,
    /// What is found.
    pub found: Option<Change>,
    /// Whether neighbouring blocks are so alike that there are more false alarms than are accepted.
    pub is_too_slow: bool,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// What has changed.
    pub feature: Feature,
    /// When that began: the best estimate.
    pub began: Timestamp,
    /// The interval in which it began with 95 % confidence, where it is dated.
    pub within: Option<(Timestamp, Timestamp)>,
    /// The relative change, 0.2 for 20 % more, where it has a size; of a drift, what it has come to by now.
    pub size: Option<f64>,
    /// The interval in which that lies with 95 % confidence.
    pub interval: Option<(f64, f64)>,
    /// What a drift adds each day, as a share of what was usual, and the interval in which that lies with 95 % confidence.
    pub per_day: Option<(f64, (f64, f64))>,
    /// Whether it is upwards.
    pub is_rise: bool,
}

impl Detection {
    /// Whether something found goes the way that is alerted on.
    pub fn concerns(&self, found: &Change) -> bool {
        match self.towards {
            None => true,
            Some(Worse::Up) => found.is_rise,
            // That values scatter more is worse whichever way they get worse.
            Some(Worse::Down) => match found.feature {
                Feature::Spread | Feature::Tail => found.is_rise,
                _ => !found.is_rise,
            },
        }
    }

    /// Judges what was found against one level; `is_firing` says whether that level's alert fires now.
    pub fn judge(
        &self,
        level: &Level,
        detected: &Detected,
        is_firing: bool,
        gained: bool,
    ) -> Verdict {
        let needed = if is_firing {
            level.recover.unwrap_or(level.limit)
        } else {
            level.limit
        };
        let found = detected.found.filter(|found| self.concerns(found));
        let is_large =
            |found: Change| found.size.is_none_or(|size| size.abs() >= needed) || needed <= 0.0;
        let standing = if detected.blocks == 0 {
            Standing::NoData
        } else if detected.left > 0 {
            Standing::Insufficient
        } else if detected.value.is_none() {
            Standing::NoData
        } else if detected.is_on && found.is_some_and(is_large) {
            Standing::Breached
        } else {
            Standing::Holds
        };
        Verdict {
            standing,
            value: detected.value,
            limit: detected.usual.unwrap_or(f64::NAN),
            n: detected.blocks,
            gained,
            evidence: Some(Evidence {
                baseline: detected.usual,
                baseline_n: detected.blocks,
                change: found.and_then(|found| found.size),
                interval: found.and_then(|found| found.interval),
                statistic: Some(detected.score),
                feature: found.map(|found| found.feature),
                began: found.map(|found| found.began),
                within: found.and_then(|found| found.within),
                per_day: found.and_then(|found| found.per_day),
                ..Evidence::default()
            }),
        }
    }
}

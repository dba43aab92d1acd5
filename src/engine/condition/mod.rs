//! Conditions: what a rule asks of its data, and the verdict it gets.

mod threshold;

use super::metric::{Metric, Stat};
use super::window::{Reach, Window};
pub use threshold::{Comparison, Level, Threshold};

/// What a rule asks of its data.
#[derive(Clone, Debug)]
pub enum Condition {
    /// A statistic compared with fixed limits.
    Threshold(Threshold),
}

/// The data that a condition needs of each instance.
#[derive(Clone, Debug)]
pub struct Need {
    /// Of which metric.
    pub metric: Metric,
    /// How far back.
    pub reach: Reach,
    /// Which statistic; a quantile needs more to be gathered.
    pub stat: Stat,
}

/// How the data stands to the condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is no data.
    NoData,
    /// There is too little data to judge.
    Insufficient,
    /// All is well.
    Holds,
    /// The condition is breached.
    Breached,
}

/// The judgement of one level of one instance, with what it rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// How the data stands to the condition.
    pub standing: Standing,
    /// The statistic, where it is defined.
    pub value: Option<f64>,
    /// What it was compared with.
    pub limit: f64,
    /// On how many values it rests.
    pub n: u64,
    /// Whether the window gained data since the last evaluation.
    pub gained: bool,
}

impl Condition {
    /// The data it needs.
    pub fn need(&self) -> Need {
        match self {
            Self::Threshold(threshold) => Need {
                metric: threshold.metric.clone(),
                reach: threshold.reach,
                stat: threshold.stat,
            },
        }
    }

    /// Its levels, mildest first.
    pub fn levels(&self) -> &[Level] {
        match self {
            Self::Threshold(threshold) => &threshold.levels,
        }
    }

    /// Judges a window against one level; `firing` says whether that level's alert fires now, which
    /// decides whether its limit or its recovery counts.
    pub fn judge(&self, level: &Level, window: &Window, firing: bool, gained: bool) -> Verdict {
        match self {
            Self::Threshold(threshold) => threshold.judge(level, window, firing, gained),
        }
    }

    /// The kind of alert it raises, as design and webhooks name it.
    pub fn alert_type(&self) -> &'static str {
        match self {
            Self::Threshold(_) => "threshold_exceeded",
        }
    }
}

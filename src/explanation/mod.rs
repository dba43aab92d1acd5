//! What a verdict rests on: the answer of `/api/v1/explain`, and the same in words.
//!
//! A kind of condition adds a variant to [`Condition`], and what its instances are judged by to [`Instance`].

mod gathered;
mod words;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use gathered::rule;
pub use words::text;

/// The rules of a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// They.
    pub rules: Vec<Rule>,
}

/// A rule with what each of its instances is judged by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// The file of that.
    pub file: String,
    /// `active`, `shadow` or `off`.
    pub mode: String,
    /// When it was last evaluated.
    pub evaluated_at: Option<String>,
    /// Why that failed, if it did.
    pub error: Option<String>,
    /// What it asks.
    pub condition: Condition,
    /// Who is judged by it, as far as asked for.
    pub instances: Vec<Instance>,
    /// How many more there are.
    pub omitted: usize,
}

/// What a rule asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Condition {
    /// A statistic is compared with limits.
    Threshold {
        /// Of which series.
        select: String,
        /// What is measured.
        metric: String,
        /// Which statistic of it.
        stat: String,
        /// How far back.
        window: String,
        /// How it is compared, as PromQL does.
        comparison: String,
        /// Fewer values are too few.
        min_samples: u64,
    },
    /// A statistic is compared with a baseline.
    Regression {
        /// Of which series.
        select: String,
        /// What is measured.
        metric: String,
        /// Which statistic of it.
        stat: String,
        /// How far back.
        window: String,
        /// With what it is compared.
        against: String,
        /// `up` or `down`.
        worse: String,
        /// Fewer values, independent ones where evidence is weighed, are too few.
        min_samples: u64,
        /// Whether an alert needs evidence.
        weighs_evidence: bool,
        /// How often it may be wrong, and what that means for its decisions.
        budget: Budget,
    },
    /// A statistic goes up or down from bucket to bucket.
    Trend {
        /// Of which series.
        select: String,
        /// What is measured.
        metric: String,
        /// Which statistic of each bucket.
        stat: String,
        /// How far back.
        window: String,
        /// How long a bucket is.
        bucket: String,
        /// `up` or `down`: which way is alerted on.
        towards: String,
        /// Fewer independent buckets are too few.
        min_samples: u64,
    },
    /// A detector looks at closed blocks.
    Detection {
        /// Of which series.
        select: String,
        /// What is measured.
        metric: String,
        /// Which statistic of each block.
        stat: String,
        /// How long a block is.
        block: String,
        /// `anomalies` or `changes`.
        finds: String,
        /// `up`, `down` or `both`: which way is alerted on.
        towards: String,
        /// So many blocks are learned from before any is judged.
        warm_up: u64,
        /// How often it may be wrong: so many times,
        alarms: f64,
        /// in so many seconds.
        per_seconds: f64,
    },
    /// An operation is expected every so often.
    Absence {
        /// Of which series.
        select: String,
        /// How often.
        expect_every_seconds: f64,
        /// How much later it may come.
        grace_seconds: f64,
    },
}

/// How many false alarms are accepted of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// So many,
    pub alarms: f64,
    /// in so long.
    pub per_seconds: f64,
    /// Decisions at closed blocks are at least so far apart,
    pub block_seconds: f64,
    /// and each needs a probability as small as this.
    pub block_p: f64,
}

/// Series that are judged together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Their labels.
    pub labels: BTreeMap<String, String>,
    /// How many they are.
    pub series: usize,
    /// What its window holds.
    pub window: Window,
    /// What it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// How it stands to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// The decision at the last closed block, which stands until the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// What its detector has learned from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned: Option<Learned>,
    /// Why it cannot be judged, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacks: Option<String>,
    /// Whether it has become better by as much as would be worse enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub improved: Option<bool>,
    /// How long ago it was last seen, where that is what is judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_seconds_ago: Option<f64>,
    /// Its alerts, mildest first.
    pub levels: Vec<Level>,
}

/// What a detector has learned from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// When the first block began.
    pub since: String,
    /// Blocks with a value so far.
    pub blocks: u64,
    /// When the last block ended that comes from the log, where the rule is newer than what was measured.
    pub log_until: Option<String>,
    /// Blocks with a value from the log.
    pub log_blocks: u64,
}

/// What is known of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Values in it.
    pub n: u64,
    /// As many independent values tell as much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_n: Option<f64>,
    /// How much time it covers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covered_seconds: Option<f64>,
    /// Values that have ever come.
    pub arrivals: u64,
}

/// What an instance is compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Its name, or how it is learned.
    pub name: String,
    /// Its version, where it was set.
    pub version: Option<u32>,
    /// When it was set or learned.
    pub at: String,
    /// The end of the first measurement in it, where it was set.
    pub from: Option<String>,
    /// The end of the last.
    pub to: Option<String>,
    /// On how many values it rests; 0 for a number.
    pub n: u64,
    /// The statistic that is compared.
    pub value: Option<f64>,
    /// Whether it is a number that somebody gave: then the comparison is a plain one.
    pub is_number: bool,
}

/// How a window stands to its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The same statistic of the baseline.
    pub baseline: Option<f64>,
    /// On how many values that rests.
    pub baseline_n: u64,
    /// The relative change, 0.2 for 20 % more.
    pub change: Option<f64>,
    /// Where it lies with 95 % confidence.
    pub interval: Option<(f64, f64)>,
    /// The probability of what was seen where nothing had become worse.
    pub p_value: Option<f64>,
    /// What that follows from, in standard errors.
    pub statistic: Option<f64>,
    /// As many independent values tell as much as those of the window.
    pub effective_n: Option<f64>,
    /// What a detector found to be different: `value`, `shape`, `season`, `level`, `drift`, `spread` or `tail`.
    #[serde(default)]
    pub feature: Option<String>,
    /// When that began.
    #[serde(default)]
    pub began: Option<String>,
    /// The interval in which it began with 95 % confidence.
    #[serde(default)]
    pub began_within: Option<(String, String)>,
    /// What a drift adds each day, as a share; the change is what it has come to.
    #[serde(default)]
    pub per_day: Option<f64>,
    /// Where that lies with 95 % confidence.
    #[serde(default)]
    pub per_day_interval: Option<(f64, f64)>,
}

impl From<crate::engine::condition::Evidence> for Evidence {
    fn from(evidence: crate::engine::condition::Evidence) -> Self {
        Self {
            baseline: evidence.baseline,
            baseline_n: evidence.baseline_n,
            change: evidence.change,
            interval: evidence.interval,
            p_value: evidence.p_value,
            statistic: evidence.statistic,
            effective_n: evidence.effective_n,
            feature: evidence.feature.map(|feature| feature.as_str().to_owned()),
            began: evidence.began.map(|at| at.to_string()),
            began_within: (evidence.within)
                .map(|(earliest, latest)| (earliest.to_string(), latest.to_string())),
            per_day: evidence.per_day.map(|(best, _)| best),
            per_day_interval: evidence.per_day.map(|(_, interval)| interval),
        }
    }
}

/// A decision at a closed block.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// How long ago, without time in which judging was paused.
    pub seconds_ago: f64,
    /// The probability then.
    pub p: f64,
    /// Whether that is evidence.
    pub is_evident: bool,
    /// The next may be made after so long, once half of the window is new.
    pub next_seconds: f64,
}

/// One level of an instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Its severity, where it has one.
    pub severity: Option<String>,
    /// `no_data`, `insufficient`, `holds` or `breached`; nothing before the first evaluation.
    pub standing: Option<String>,
    /// The statistic.
    pub value: Option<f64>,
    /// What it is compared with.
    pub limit: Option<f64>,
    /// A firing alert ends on the other side of this one; a share of the change for a regression.
    pub recover: Option<f64>,
    /// `inactive`, `pending` or `firing`.
    pub state: String,
    /// Since when it is active.
    pub since: Option<String>,
    /// Since when it fires.
    pub fired_at: Option<String>,
    /// The incident that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// What its operation spends has only moved: siblings have become better, and the whole has not become worse.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cost_shift: bool,
}

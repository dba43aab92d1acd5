//! Two sets of measurements compared once: what has become worse, what better, what is new and what is missing.
//!
//! This is the question of a build that is about to be merged, and of a person who looks. It is decided once, so that it
//! needs no budget of false alarms as a rule does that looks every few seconds: the evidence must be such that chance
//! makes it in one comparison of a thousand, and the change larger than the threshold.
//!
//! | Part | What is there |
//! |---|---|
//! | [`Question`] | what counts as worse |
//! | [`Set`] | the values of measurements, by operation and metric |
//! | [`compare()`] | one set against another |
//! | [`judge`] | one metric of one instance |
//! | [`look_back`] | the newest piece of a history of [`Runs`] against the one before |
//! | [`Findings`] | what came of it, and [`show`] how it is written |

mod compare;
mod history;
mod judge;
mod option;
mod set;
pub mod show;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::engine::metric::{Metric, Stat, Worse};
use crate::engine::series::Labels;
pub use compare::{compare, compare_with_pinned};
pub use history::{Began, History, HistoryError, look_back};
pub use judge::{Reference, judge};
pub use option::OptionError;
pub(crate) use set::for_each_value;
pub use set::{Run, Runs, Set, Values};
pub use wire::Body;

/// Values that tell too little are fewer independent ones than this, unless the question says otherwise.
const MIN_SAMPLES: u64 = 10;

/// What is compared, and what counts as worse.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Labels that make an instance.
    pub by: Vec<String>,
    /// Only these operations; empty for all.
    pub operations: Vec<String>,
    /// Only these metrics; empty for all that there are.
    pub metrics: Vec<Metric>,
    /// Which way a score gets worse of which that is not known.
    pub worse: BTreeMap<String, Worse>,
    /// Which statistic.
    pub stat: Stat,
    /// A change for the worse by more than this share is a regression.
    pub threshold: f64,
    /// By more than this it is a critical one.
    pub critical: f64,
    /// Fewer independent values than this on either side tell too little.
    pub min_samples: u64,
    /// The rule of the original guide: means are compared, one value is enough, and nothing is asked of chance.
    pub is_guide: bool,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            by: vec!["operation".to_owned(), "algorithm".to_owned()],
            operations: Vec::new(),
            metrics: Vec::new(),
            worse: BTreeMap::new(),
            stat: Stat::Quantile(0.5),
            threshold: 0.2,
            critical: 0.5,
            min_samples: MIN_SAMPLES,
            is_guide: false,
        }
    }
}

/// A question that cannot be answered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum QuestionError {
    /// The levels are in the wrong order.
    #[error(
        "critical at {critical}% is not beyond the threshold of {threshold}%; more than the threshold is allowed"
    )]
    Levels {
        /// In percent.
        threshold: f64,
        /// In percent.
        critical: f64,
    },
    /// A statistic of which nothing says how sure it is.
    #[error("`{0}` cannot be compared; mean, median, p50 to p99.9 are allowed")]
    Stat(Stat),
    /// The guide compares means.
    #[error("the original guide compares means; mean is allowed with it, not `{0}`")]
    GuideStat(Stat),
    /// A metric that no single operation has.
    #[error(
        "`{0}` has no values that could be compared one by one; error_ratio, or a metric that each operation has is allowed"
    )]
    Metric(Metric),
    /// A score of which it is not known which way it gets worse.
    #[error("which way score `{0}` gets worse is not known; {0}=up or {0}=down says so")]
    Direction(Metric),
    /// A metric of which it is known.
    #[error("`{0}` does not get worse that way; the other one is allowed, or to leave it out")]
    Contradiction(Metric),
}

impl Question {
    /// Checks it as a whole.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self) -> Result<(), QuestionError> {
        if self.critical <= self.threshold {
            return Err(QuestionError::Levels {
                threshold: self.threshold * 100.0,
                critical: self.critical * 100.0,
            });
        }
        match self.stat {
            Stat::Mean => {}
            stat if self.is_guide => return Err(QuestionError::GuideStat(stat)),
            Stat::Quantile(_) => {}
            stat => return Err(QuestionError::Stat(stat)),
        }
        for (name, worse) in &self.worse {
            let metric = Metric::named(name);
            if metric.worse().is_some_and(|known| known != *worse) {
                return Err(QuestionError::Contradiction(metric));
            }
        }
        for metric in &self.metrics {
            if matches!(metric, Metric::Rate | Metric::Errors | Metric::CpuRatio) {
                return Err(QuestionError::Metric(metric.clone()));
            }
            if self.worse(metric).is_none() {
                return Err(QuestionError::Direction(metric.clone()));
            }
        }
        Ok(())
    }

    /// Which way a metric gets worse, where it is known.
    pub fn worse(&self, metric: &Metric) -> Option<Worse> {
        metric
            .worse()
            .or_else(|| self.worse.get(&metric.to_string()).copied())
    }

    /// Whether it asks for this operation.
    pub fn asks_for(&self, operation: &str) -> bool {
        self.operations.is_empty() || self.operations.iter().any(|asked| asked == operation)
    }

    /// Whether it asks for this metric. How many samples are processed says how much work there was, and is no virtue
    /// of its own.
    pub fn asks_of(&self, metric: &Metric) -> bool {
        match self.metrics.is_empty() {
            true => *metric != Metric::Samples && self.worse(metric).is_some(),
            false => self.metrics.contains(metric),
        }
    }

    /// Which statistic of a metric is compared.
    pub fn stat_of(&self, metric: &Metric) -> Stat {
        metric.own_stat().unwrap_or(self.stat)
    }
}

/// How bad a regression is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Beyond the threshold.
    Warning,
    /// Beyond the one for critical.
    Critical,
}

impl Level {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What became of a metric.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It has become worse.
    Regressed(Level),
    /// It is not there any more.
    Missing,
    /// There is too little to tell; why.
    Insufficient(String),
    /// It has become better.
    Improved,
    /// It was not there before.
    New,
    /// No difference that counts.
    Stable,
}

impl Status {
    /// In a word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Regressed(_) => "regressed",
            Self::Missing => "missing",
            Self::Insufficient(_) => "insufficient",
            Self::Improved => "improved",
            Self::New => "new",
            Self::Stable => "stable",
        }
    }

    /// Whether both sides were compared.
    pub fn is_compared(&self) -> bool {
        matches!(self, Self::Regressed(_) | Self::Improved | Self::Stable)
    }
}

/// What was found of one metric of one instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The labels of the instance.
    pub labels: Labels,
    /// The metric.
    pub metric: Metric,
    /// The statistic, as it is written.
    pub stat: String,
    /// What became of it.
    pub status: Status,
    /// The statistic of the baseline.
    pub baseline: Option<f64>,
    /// The same of now.
    pub current: Option<f64>,
    /// The relative change, 0.2 for 20 % more.
    pub change: Option<f64>,
    /// The interval in which the change lies with 95 % confidence.
    pub interval: Option<(f64, f64)>,
    /// The probability of at least such a change to that side where nothing has changed.
    pub p_value: Option<f64>,
    /// On how many values the baseline rests.
    pub baseline_n: u64,
    /// On how many values the current statistic rests.
    pub n: u64,
    /// The run that began it, where a history was looked at and has changed.
    pub began: Option<Began>,
}

impl Finding {
    /// Its instance in a few words: the values of its labels.
    pub fn instance(&self) -> String {
        let values = self.labels.iter().map(|(_, value)| value);
        let text = values.collect::<Vec<_>>().join(" ");
        match text.is_empty() {
            true => "all".to_owned(),
            false => text,
        }
    }

    /// Its metric with its statistic, `p95 of duration`.
    pub fn measured(&self) -> String {
        match self.metric.own_stat() {
            Some(_) => self.metric.to_string(),
            None => format!("{} of {}", self.stat, self.metric),
        }
    }
}

impl fmt::Display for Finding {
    /// As one sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stat = &self.stat;
        let amount = |value: f64| crate::shown::amount::of(&self.metric, stat, value);
        let word = match &self.status {
            Status::Regressed(level) => format!("regressed ({})", level.as_str()),
            Status::Insufficient(why) => format!("insufficient: {why}"),
            status => status.as_str().to_owned(),
        };
        write!(f, "{} of {}: {word}", self.measured(), self.instance())?;
        if let (Some(baseline), Some(current)) = (self.baseline, self.current) {
            write!(f, "; {} before, {} now", amount(baseline), amount(current))?;
        }
        if let Some(change) = self.change {
            write!(f, ", {}", show::percent(change))?;
        }
        if let Some((low, high)) = self.interval {
            let (low, high) = (show::percent(low), show::percent(high));
            write!(f, " (95% between {low} and {high})")?;
        }
        if let Some(began) = &self.began {
            write!(f, ", since {began}")?;
        }
        Ok(())
    }
}

/// What came of a comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// One for each instance and metric, regressions first.
    pub rows: Vec<Finding>,
    /// Scores that were left out because it is not known which way they get worse.
    pub undirected: Vec<String>,
    /// The history that was looked at; `None` where two sets were compared.
    pub history: Option<History>,
}

impl Findings {
    /// Puts findings in order: what matters most first, then by name.
    pub fn new(mut rows: Vec<Finding>, undirected: BTreeSet<String>) -> Self {
        let rank = |status: &Status| match status {
            Status::Regressed(Level::Critical) => 0,
            Status::Regressed(Level::Warning) => 1,
            Status::Missing => 2,
            Status::Insufficient(_) => 3,
            Status::Improved => 4,
            Status::New => 5,
            Status::Stable => 6,
        };
        rows.sort_by_key(|row| {
            (
                rank(&row.status),
                row.labels.clone(),
                row.metric.to_string(),
            )
        });
        Self {
            rows,
            undirected: undirected.into_iter().collect(),
            history: None,
        }
    }

    /// How many there are of that status, by its word.
    pub fn count(&self, word: &str) -> usize {
        let rows = self.rows.iter();
        rows.filter(|row| row.status.as_str() == word).count()
    }

    /// Whether anything has become worse.
    pub fn has_regressed(&self) -> bool {
        self.count("regressed") > 0
    }

    /// Whether anything could be compared.
    pub fn has_compared(&self) -> bool {
        self.rows.iter().any(|row| row.status.is_compared())
    }
}

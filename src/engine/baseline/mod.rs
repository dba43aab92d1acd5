//! Baselines: what a metric was like when all was well, and what it is judged against.

mod gather;
mod registry;

use std::sync::Arc;

pub use gather::{Gathered, Source, gather};
pub use registry::{Baselines, MAX_VERSIONS, SetError};

use super::cohort::Cohort;
use super::contrast::{self, Feature};
use super::metric::{Metric, Stat};
use super::series::Labels;
use super::time::Timestamp;

/// A learned baseline rests on at least this many values.
pub const LEAST_LEARNED: u64 = 50;

/// A baseline that was set.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// Its name, by which rules refer to it.
    pub name: String,
    /// Of which metric.
    pub metric: Metric,
    /// Of whom: it holds for every instance that has all of these labels.
    pub labels: Labels,
    /// Counts up from 1 whenever it is set again under the same name for the same metric and labels.
    pub version: u32,
    /// When it was set.
    pub set_at: Timestamp,
    /// What it says.
    pub content: Content,
}

/// What a baseline says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A number that somebody gave. A comparison with it is a plain one, because how sure the number is is not known.
    Number {
        /// The number, of whichever statistic it is compared with.
        value: f64,
        /// The standard deviation that goes with it.
        sd: Option<f64>,
    },
    /// What was measured in a stretch of time.
    Measured {
        /// The values.
        cohort: Arc<Cohort>,
        /// The end of the first measurement among them.
        from: Timestamp,
        /// The end of the last; what came up to then is not judged against it.
        to: Timestamp,
    },
}

impl Baseline {
    /// A statistic of it; a number is the statistic of whatever it is asked for.
    pub fn stat(&self, stat: Stat) -> Option<f64> {
        match &self.content {
            Content::Number { value, .. } => Some(*value),
            Content::Measured { cohort, .. } => stat_of(cohort, stat),
        }
    }

    /// On how many values it rests; none for a number.
    pub fn samples(&self) -> u64 {
        match &self.content {
            Content::Number { .. } => 0,
            Content::Measured { cohort, .. } => cohort.summary.n,
        }
    }
}

/// A statistic of a cohort; `None` where it has none of that kind.
pub fn stat_of(cohort: &Cohort, stat: Stat) -> Option<f64> {
    match stat {
        Stat::Mean => contrast::of(Feature::Mean, cohort),
        Stat::Quantile(q) => cohort.quantile(q),
        Stat::Min => Some(cohort.summary.min),
        Stat::Max => Some(cohort.summary.max),
        Stat::StdDev => cohort.summary.sd,
        Stat::Last | Stat::Sum | Stat::Count | Stat::PerSecond => None,
    }
}

/// Whether values of a metric are compared by factors: those that are positive by nature.
pub fn is_by_factors(metric: &Metric) -> bool {
    !matches!(
        metric,
        Metric::Score(_) | Metric::ErrorRatio | Metric::Errors | Metric::Rate
    )
}

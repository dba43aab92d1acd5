//! Rules over recorded measurements, through the same engine as live: what would have fired.
//!
//! [`replay`] is pure: a [`Recording`] and a [`Setting`] in, a [`Replayed`] out, and nothing is sent to anyone. A recording
//! can be replayed any number of times, each time under other rules.
//!
//! | Part | What is there |
//! |---|---|
//! | [`Recording`] | measurements in the order of their time |
//! | [`Setting`] | rules and bounds, and which stretch of time is judged |
//! | [`Replayed`] | the alerts that fired, and a summary of each rule |
//! | [`replay_budgets`] | the same under other budgets of false alarms |
//! | [`show`] | a replay as a table, JSON or CSV |
//!
//! Each measurement comes in at its own time. Groups are judged at the multiples of their interval on the wall clock, as
//! live, after what came until then. Service begins with the first measurement, unless the setting says when: what a
//! window of time would show from before is not known, and rules judge it as they do after a first start. Time in which
//! nobody measured because nobody was there looks like time in which nothing happened.

mod alerts;
mod budgets;
mod run;
pub mod show;
mod summary;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Settings;
use crate::engine::admission::IngestCounts;
use crate::engine::baseline::Baselines;
use crate::engine::dispatch::Maintenance;
use crate::engine::measurement::Measurement;
use crate::engine::time::Timestamp;
pub use alerts::Alert;
pub use budgets::replay_budgets;
pub use run::replay;
pub use summary::RuleSummary;

/// Most evaluations of groups in one replay: half a year of one group a second, or seven years of one every 15 s.
pub const MAX_EVALUATIONS: u64 = 16_000_000;

/// Measurements in the order of their time; those of the same time in the order in which they were given.
#[derive(Clone, Debug, Default)]
pub struct Recording(Vec<Measurement>);

impl Recording {
    /// A recording of measurements, each with the time for which it counts.
    pub fn new(timed: impl IntoIterator<Item = (Timestamp, Measurement)>) -> Self {
        let timed = timed.into_iter().map(|(at, measurement)| Measurement {
            at: Some(at),
            ..measurement
        });
        let mut measurements: Vec<_> = timed.collect();
        // Stable, so that what came at the same time stays in its order.
        measurements.sort_by_key(|measurement| measurement.at);
        Self(measurements)
    }

    /// Those of one operation.
    #[must_use]
    pub fn of(&self, operation: &str) -> Self {
        let is_of = |one: &&Measurement| one.key.operation() == operation;
        Self(self.0.iter().filter(is_of).cloned().collect())
    }

    /// The measurements, the earliest first.
    pub fn measurements(&self) -> &[Measurement] {
        &self.0
    }

    /// When the first and the last measurement were; `None` where there is none.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.0.first()?.at?, self.0.last()?.at?))
    }
}

/// How a recording is replayed.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// Rules and bounds. Of the route, what is to be sent is decided and counted, but not sent.
    pub engine: Settings,
    /// Cores that `cpu_ratio` is a share of; without it a rule on it has no data.
    pub cpu_limit: Option<f64>,
    /// The baselines that were set, as they are now.
    pub baselines: Arc<Baselines>,
    /// The maintenance that was started.
    pub maintenance: Arc<Maintenance>,
    /// When service begins; with the first measurement where it is not said or is later than that.
    pub from: Option<Timestamp>,
    /// Until when rules are judged, inclusive; by default until every group has been judged once after the last
    /// measurement. Later, rules find that nothing comes any more.
    pub until: Option<Timestamp>,
}

/// Why nothing is replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// There is nothing to replay.
    #[error("there are no measurements to replay")]
    Empty,
    /// It would take too long.
    #[error(
        "from {from} until {until} groups would be evaluated {evaluations} times; at most {MAX_EVALUATIONS} times are allowed, \
         in a shorter stretch of time or at longer intervals"
    )]
    TooLong {
        /// When it would begin.
        from: Timestamp,
        /// When it would end.
        until: Timestamp,
        /// Evaluations of groups in between.
        evaluations: u64,
    },
}

/// What came of a replay.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// When service began.
    pub from: Timestamp,
    /// Until when rules were judged.
    pub until: Timestamp,
    /// The alerts that fired, in the order in which they did.
    pub alerts: Vec<Alert>,
    /// Of each rule that is not off, in the order of the groups.
    pub rules: Vec<RuleSummary>,
    /// What became of the measurements.
    pub counts: IngestCounts,
    /// Those that were left out because memory was full, as live would have made their senders wait.
    pub unable: u64,
    /// Evaluations of rules.
    pub evaluations: u64,
}

impl Replayed {
    /// How long it was judged.
    pub fn span(&self) -> Duration {
        self.until.since(self.from)
    }

    /// Measurements that were not taken.
    pub fn refused(&self) -> u64 {
        self.counts.invalid + self.counts.too_old + self.counts.future + self.unable
    }
}

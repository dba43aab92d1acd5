//! Judging: rules over the instances of their data, and the alerts that come of it.

mod absence;
mod backfill;
mod by;
mod by_hand;
mod charted;
mod compared;
mod data;
mod detecting;
mod group;
mod instance;
mod learned;
mod relative;
mod rule;
pub(in crate::engine) mod shift;
mod tracked;
mod wording;

use std::sync::Arc;
use std::time::Duration;

use super::alert::Change;
use super::baseline::Baselines;
use super::dispatch::interval::Stretch;
use super::dispatch::{Announced, Maintenance};
use super::rule::{External, Rule};
use super::selector::Matcher;
use super::series::Labels;
use super::time::{Now, Timestamp};
use super::watched::{Coverage, Watched};
pub(in crate::engine) use backfill::Open;
pub use by::By;
pub use charted::{Chart, Charting};
pub use compared::Compared;
pub use data::{Answer, Datum};
pub use detecting::{BackFill, Detecting};
pub(in crate::engine) use detecting::{Detector, GRACE};
pub use group::GroupState;
pub use instance::Instance;
pub use learned::Learned;
pub use rule::RuleState;
pub use tracked::{Subject, Told, Tracked};

/// Whether a rule's last evaluation went well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It has not been evaluated.
    #[default]
    Unknown,
    /// It went well.
    Good,
    /// It failed, and why.
    Failed(String),
}

/// What an evaluation needs to know beside its data.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The clocks, without time in which judging was paused.
    pub now: Now,
    /// Which stretches of the wall clock were lived through.
    pub watched: Watched,
    /// What all alerts share.
    pub external: Arc<External>,
    /// Time between evaluations of the rule's group.
    pub interval: Duration,
    /// How often Alertmanagers are told again.
    pub resend_delay: Duration,
    /// How long they are told again of an alert that has ended.
    pub resolved_retention: Duration,
    /// Announce every firing level instead of the highest only.
    pub send_levels: bool,
    /// Cores that `cpu_ratio` is a share of, where known.
    pub cpu_limit: Option<f64>,
    /// The baselines that were set.
    pub baselines: Arc<Baselines>,
    /// When nothing is learned of what.
    pub maintenance: Arc<Maintenance>,
    /// Instances for which a rule that this one depends on fires.
    pub blockers: Vec<Labels>,
    /// What is known of the wholes that its instances are parts of.
    pub wholes: shift::Wholes,
}

impl Scope {
    /// Between these moments, when nothing is learned from an instance that has these alerts.
    pub(super) fn not_learned(
        &self,
        alerts: &[Tracked],
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<Stretch> {
        if !self.maintenance.stops_learning() {
            return Vec::new();
        }
        // Rules may learn before an alert has ever gone out: by the labels that it would have then.
        let any_matches = |matchers: &[Matcher]| {
            alerts.iter().any(|alert| {
                let value_of = |name: &str| match alert.labels.get(name) {
                    "" => self.external.labels.get(name),
                    value => value,
                };
                (matchers.iter()).all(|matcher| matcher.matches(value_of(matcher.name())))
            })
        };
        self.maintenance.not_learned(any_matches, from, to)
    }

    /// What of the window of a rule was lived through; of one that is no stretch of time nothing is missing.
    fn coverage(&self, rule: &Rule) -> Coverage {
        match rule.condition.need().and_then(|need| need.reach.span()) {
            Some(span) => self.watched.coverage(span, self.now.wall),
            None => Coverage::default(),
        }
    }

    /// Whether an alert that the rule depends on fires for the same instance: all labels that both have are equal.
    pub(super) fn suppresses(&self, instance: &Labels) -> bool {
        self.blockers.iter().any(|blocker| {
            let mut shared = (blocker.iter()).filter(|(name, _)| !instance.get(name).is_empty());
            shared.all(|(name, value)| instance.get(name) == value)
        })
    }
}

/// A change of one alert, for history and logs.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertChange {
    /// The alert's labels.
    pub labels: Labels,
    /// What changed.
    pub change: Change,
    /// When.
    pub at: Timestamp,
    /// The value that decided it.
    pub value: Option<f64>,
    /// Whether its rule is in shadow, so that nobody is told.
    pub is_shadow: bool,
    /// Where it began to fire, whether a lower level of the same condition fired already.
    pub is_raised: bool,
    /// Who did it and what they say, or by which escalation; else empty.
    pub note: String,
}

/// What evaluations brought about.
#[derive(Debug, Default)]
pub struct Effects {
    /// Changes of alerts.
    pub changes: Vec<AlertChange>,
    /// The latest word on alerts that fire or have just ended, in the order they are to be told.
    pub announced: Vec<Arc<Announced>>,
    /// Those that Alertmanagers are to be told of now, with the time until which a firing one is valid.
    pub to_alertmanager: Vec<(Arc<Announced>, Timestamp)>,
}

impl Effects {
    /// Adds what came after.
    pub(in crate::engine) fn append(&mut self, later: Self) {
        self.changes.extend(later.changes);
        self.announced.extend(later.announced);
        self.to_alertmanager.extend(later.to_alertmanager);
    }

    /// Adds alerts that have ended; whether that is news decides if others than Alertmanagers hear of it.
    fn end(&mut self, ended: Vec<(Arc<Announced>, bool)>) {
        for (announced, news) in ended {
            let at = announced
                .ended
                .map_or_else(Timestamp::default, |(at, _)| at);
            self.to_alertmanager.push((announced.clone(), at));
            if news {
                self.announced.push(announced);
            }
        }
    }
}

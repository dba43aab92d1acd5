//! Actions: calls to others that an alert brings about, above all to train a model anew, and what comes of them.
//!
//! **When.** An alert that fires, that others are told of and that nothing mutes, of a rule that names the action, or that
//! the action's own matchers take where no rule names it. Once for each time that the alert begins to fire, no more often
//! than the cooldown allows, and never while one for the same identity is under way.
//!
//! **What then** is a [`Case`]: requested, running, succeeded or failed, and after a success under probation: what has been
//! measured since the new model came into service is compared with what the rule was judged against before. Only what
//! passes becomes the new reference; until then, and else, the old one stays.
//!
//! Whoever sends the requests is not here: [`Work`] is what is to be sent, and what came of it is told to the engine.

mod case;
mod failure;
mod proof;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub use case::{Case, Outcome, Past, Report, ReportError, Reported, Run, Stage};
pub(in crate::engine) use failure::Failure;
pub use failure::{ALERT, ALERT_TYPE};
pub(in crate::engine) use proof::{Bar, Proof, degradation, least, metric, worse};

use super::dispatch::Announced;
use super::selector::Selector;
use super::series::{Fnv1a, Labels};
use super::time::Timestamp;

/// Cases that are remembered; of those over which nothing is under way the one that acted longest ago goes first.
pub const MOST_CASES: usize = 1_000;
/// Labels that say where an alert was seen and not what it is about: they are no part of the identity of what is acted on.
const WHERE_SEEN: [&str; 4] = ["pod", "instance", "node", "severity"];

/// An action as it is configured.
#[derive(Clone, Debug)]
pub struct Action {
    /// By what rules name it.
    pub name: String,
    /// Of which alerts: by their labels, `alert_type`, `metric`, `stat` and `rule`.
    pub matchers: Selector,
    /// By how much what was measured has to be worse at least, as a share.
    pub min_degradation: Option<f64>,
    /// How long the alert has to fire first.
    pub delay: Duration,
    /// From one request to the next for the same identity.
    pub cooldown: Duration,
    /// Without an end after so long it has failed.
    pub timeout: Duration,
    /// How it is known what came of it.
    pub ends_by: EndsBy,
    /// What becomes of the baseline after a success; `None` leaves it as it is.
    pub probation: Option<Probation>,
    /// Whether a failure is an alert.
    pub alerts: bool,
}

/// How it is known what came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndsBy {
    /// Whoever was asked reports it.
    Callback,
    /// It is asked for, and may be reported as well.
    Poll,
    /// By the answer alone: with it all is done.
    Answer,
}

/// What has to be measured before something new is taken for what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probation {
    /// What is measured in so much time.
    Time(Duration),
    /// So many runs.
    Runs(u32),
}

/// Something that is to be sent.
#[derive(Clone, Debug)]
pub enum Work {
    /// The request itself, until it is answered.
    Request(Arc<Order>),
    /// The question what has become of it, until that is known.
    Poll {
        /// The name of the action.
        action: String,
        /// By what the request is known.
        key: String,
        /// By what whoever was asked knows it.
        job: String,
    },
}

impl Work {
    /// By what the request is known that it is about.
    pub fn key(&self) -> &str {
        match self {
            Self::Request(order) => &order.key,
            Self::Poll { key, .. } => key,
        }
    }
}

/// What a request says.
#[derive(Clone, Debug)]
pub struct Order {
    /// The name of the action.
    pub action: String,
    /// The same at every attempt.
    pub key: String,
    /// The rule.
    pub rule: String,
    /// What is acted on.
    pub identity: Labels,
    /// The alert as it was when it was decided to act.
    pub alert: Arc<Announced>,
    /// When the alert began to fire.
    pub since: Timestamp,
    /// When it was decided to act.
    pub at: Timestamp,
}

/// What came of actions since the start of the process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Cases that ended, by their outcome.
    pub ended: [u64; Outcome::ALL.len()],
    /// From request to end, of all together.
    pub seconds: f64,
    /// Attempts to request or to ask that failed.
    pub failed_attempts: u64,
}

/// All actions, and what is known of those that were taken.
#[derive(Debug, Default)]
pub struct Actions {
    configured: BTreeMap<String, Arc<Action>>,
    /// Those that a rule names.
    named: BTreeSet<String>,
    pub(in crate::engine) cases: BTreeMap<CaseKey, Case>,
    counts: BTreeMap<String, Counts>,
    /// Keys of what is saved of cases that there are not any more.
    pub(in crate::engine) gone: BTreeSet<CaseKey>,
    /// Requests that could not be made because too many are under way.
    pub turned_away: u64,
}

/// By what a case is found: action, rule and identity.
pub(in crate::engine) type CaseKey = (String, String, Labels);

impl Actions {
    /// Takes what is configured. Gives the cases of actions that there are not any more.
    pub(in crate::engine) fn configure(
        &mut self,
        actions: Vec<Action>,
        named: BTreeSet<String>,
    ) -> Vec<Case> {
        self.configured = (actions.into_iter())
            .map(|action| (action.name.clone(), Arc::new(action)))
            .collect();
        self.named = named;
        for name in self.configured.keys() {
            self.counts.entry(name.clone()).or_default();
        }
        let orphans: Vec<CaseKey> = (self.cases.keys())
            .filter(|key| !self.configured.contains_key(&key.0))
            .cloned()
            .collect();
        let cases = orphans.iter().filter_map(|key| self.forget(key));
        cases.collect()
    }

    /// The actions that are configured, by their names.
    pub fn configured(&self) -> impl Iterator<Item = &Arc<Action>> {
        self.configured.values()
    }

    /// The action of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Action>> {
        self.configured.get(name)
    }

    /// What is known of those that were taken.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        self.cases.values()
    }

    /// What came of each since the start of the process, by name.
    pub fn counts(&self) -> impl Iterator<Item = (&str, &Counts)> {
        let counts = self.counts.iter();
        counts.map(|(name, counts)| (name.as_str(), counts))
    }

    /// How many of an action are under way.
    pub fn in_flight(&self, action: &str) -> usize {
        let cases = self.cases.values();
        cases
            .filter(|case| case.action == action && case.stage.is_in_flight())
            .count()
    }

    /// Whether there is nothing to do and nothing to look after.
    pub(in crate::engine) fn is_idle(&self) -> bool {
        self.configured.is_empty() && self.cases.is_empty()
    }

    /// The actions for alerts of a rule that names these.
    pub(in crate::engine) fn of_rule(&self, names: &[String]) -> Vec<Arc<Action>> {
        let wanted = |action: &&Arc<Action>| match self.named.contains(&action.name) {
            true => names.contains(&action.name),
            false => !action.matchers.matchers().is_empty(),
        };
        self.configured().filter(wanted).cloned().collect()
    }

    /// Why none can be requested for an identity now, though it has an alert; `None` where it can.
    pub(in crate::engine) fn holds_back(
        &self,
        action: &Action,
        identity: &Labels,
        steady: Duration,
    ) -> Option<&'static str> {
        let mut same = (self.cases.values())
            .filter(|case| case.action == action.name && case.identity == *identity);
        if same.clone().any(|case| case.stage.is_in_flight()) {
            return Some("one is under way");
        }
        let cooling = |acted: Duration| steady.saturating_sub(acted) < action.cooldown;
        (same.any(|case| case.acted.is_some_and(cooling))).then_some("the cooldown is not over")
    }

    pub(in crate::engine) fn count(&mut self, action: &str) -> &mut Counts {
        self.counts.entry(action.to_owned()).or_default()
    }

    /// The case that a request belongs to, now or before.
    pub(in crate::engine) fn find(&mut self, key: &str) -> Option<&mut Case> {
        let mut cases = self.cases.values_mut();
        cases.find(|case| case.has(key))
    }

    /// Makes room for one more; whether there is any.
    pub(in crate::engine) fn make_room(&mut self) -> bool {
        if self.cases.len() < MOST_CASES {
            return true;
        }
        let idle = (self.cases.iter()).filter(|(_, case)| case.is_forgettable());
        let oldest = idle.min_by_key(|(_, case)| case.acted);
        let Some(key) = oldest.map(|(key, _)| key.clone()) else {
            self.turned_away += 1;
            return false;
        };
        self.forget(&key);
        true
    }

    pub(in crate::engine) fn forget(&mut self, key: &CaseKey) -> Option<Case> {
        let case = self.cases.remove(key)?;
        if case.saved.is_some() {
            self.gone.insert(key.clone());
        }
        Some(case)
    }
}

/// Whether an alert is one of those that an action is for.
pub(in crate::engine) fn takes(action: &Action, alert: &Announced) -> bool {
    action.matchers.matches(|name| match name {
        "alert_type" => alert.alert_type,
        "metric" => &alert.metric,
        "stat" => &alert.stat,
        "rule" => &alert.rule,
        name => alert.labels.get(name),
    })
}

/// What is acted on: an instance with what all alerts share, without where it was seen.
pub(in crate::engine) fn identity(instance: &Labels, external: &Labels) -> Labels {
    let both = external.iter().chain(instance.iter());
    both.filter(|(name, _)| !WHERE_SEEN.contains(name))
        .collect()
}

/// By what a request is known, the same however often it is sent: of action, rule, identity and when the alert began to
/// fire, and which attempt it is where somebody has asked for another one.
pub(in crate::engine) fn key(
    (action, rule, identity): &CaseKey,
    since: Timestamp,
    attempt: u32,
) -> String {
    let mut hash = Fnv1a::new();
    let (since, identity) = (since.millis().to_string(), identity.to_string());
    for part in [action, rule, &identity, &since] {
        hash.add(part.as_bytes());
        hash.add(&[0xff]);
    }
    let key = format!("{action}-{:016x}", hash.finish());
    match attempt {
        0 | 1 => key,
        attempt => format!("{key}-{attempt}"),
    }
}

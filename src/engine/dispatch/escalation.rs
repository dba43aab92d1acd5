//! Escalation: who else is told when an alert fires for too long or too often, or nobody looks after it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::look::identify;
use super::{
    Announced, Dispatcher, Escalated, News, Notification, NotifyReason, Remark, Route, Routing,
};
use crate::engine::selector::Selector;
use crate::engine::series::Labels;
use crate::engine::time::{Now, Timestamp};

/// Firings that are counted at most, so that `more_than` can be no more.
pub const MOST_TIMES: u32 = 1_000;

/// One step of escalation.
#[derive(Clone, Debug)]
pub struct Stage {
    /// By what it is known.
    pub name: String,
    /// Which alerts it takes.
    pub matchers: Selector,
    /// It takes those that have fired for this long.
    pub after: Option<Duration>,
    /// It takes those that have fired more often than this.
    pub more_than: Option<Often>,
    /// It leaves those alone that somebody looks after.
    pub unless_acknowledged: bool,
    /// Who is told.
    pub receiver: String,
    /// Between notifications in which nothing is new; `None` where it is told once.
    pub repeat_interval: Option<Duration>,
}

/// How often is too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Often {
    /// More often than this,
    pub times: u32,
    /// within this.
    pub within: Duration,
}

/// Why an alert is escalated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It has fired for too long.
    Age {
        /// For how long.
        fired_for: Duration,
        /// What is too long.
        after: Duration,
    },
    /// It has fired too often.
    Often {
        /// How often, in that time.
        times: u32,
        /// What is too often.
        limit: Often,
    },
}

/// What is known of the firings of an alert, on the steady clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine) struct Seen {
    /// When it began, by the wall clock: another time it fires it is another one.
    pub(in crate::engine) starts_at: Timestamp,
    /// Since when it fires.
    pub(in crate::engine) since: Option<Duration>,
    /// When it began to fire, the last times.
    pub(in crate::engine) fired: VecDeque<Duration>,
}

/// What a stage has told of one group.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct Open {
    /// What its alerts are grouped by.
    pub(in crate::engine) labels: Labels,
    /// Those that were told and still fire.
    pub(in crate::engine) firing: BTreeSet<u64>,
    /// Those that were told and have ended since.
    pub(in crate::engine) ended: BTreeMap<u64, Arc<Announced>>,
    /// Why.
    pub(in crate::engine) escalated: Escalated,
    /// When something was last told.
    pub(in crate::engine) at: Duration,
}

/// By the name of a stage and the key of a group.
pub(in crate::engine) type OpenId = (String, String);

/// What has been escalated.
#[derive(Debug, Default)]
pub(in crate::engine) struct Escalations {
    pub(in crate::engine) seen: BTreeMap<u64, Seen>,
    pub(in crate::engine) open: BTreeMap<OpenId, Open>,
    /// When a stage last took an alert because it had fired too often.
    pub(in crate::engine) often: BTreeMap<(String, u64), Duration>,
    /// How many alerts each stage has taken since the start.
    counts: BTreeMap<String, u64>,
}

impl Escalations {
    /// Takes the latest word on an alert.
    pub(super) fn follow(&mut self, alert: &Arc<Announced>, now: Now) {
        let fingerprint = alert.fingerprint;
        if !alert.is_firing() {
            if let Some(seen) = self.seen.get_mut(&fingerprint) {
                seen.since = None;
            }
            for open in self.open.values_mut() {
                if open.firing.remove(&fingerprint) {
                    open.ended.insert(fingerprint, alert.clone());
                }
            }
            return;
        }
        // One level lower has been breached for as long as the one above it.
        let higher = alert.replaces.filter(|one| !one.is_raised);
        let higher = higher.and_then(|one| self.seen.get(&one.fingerprint)?.since);
        let seen = self.seen.entry(fingerprint).or_default();
        if seen.since.is_none() || seen.starts_at != alert.starts_at {
            seen.since = Some(higher.map_or(now.steady, |since| since.min(now.steady)));
            seen.starts_at = alert.starts_at;
            seen.fired.push_back(now.steady);
            while seen.fired.len() > MOST_TIMES as usize + 1 {
                seen.fired.pop_front();
            }
        }
    }

    /// Forgets what no stage asks for any more; whether there was anything.
    fn forget(&mut self, stages: &[Stage], now: Duration) -> bool {
        let within = stages
            .iter()
            .filter_map(|stage| Some(stage.more_than?.within));
        let within = within.max().unwrap_or_default();
        let before = (self.seen.len(), self.open.len(), self.often.len());
        let is_new = |at: &Duration| now.saturating_sub(*at) <= within;
        for seen in self.seen.values_mut() {
            while seen.fired.front().is_some_and(|at| !is_new(at)) {
                seen.fired.pop_front();
            }
        }
        self.seen
            .retain(|_, seen| seen.since.is_some() || !seen.fired.is_empty());
        self.often.retain(|_, at| is_new(at));
        self.open
            .retain(|(name, _), _| stages.iter().any(|stage| stage.name == *name));
        before != (self.seen.len(), self.open.len(), self.often.len())
    }

    /// Why a stage takes an alert now, if it does.
    fn cause(&self, stage: &Stage, fingerprint: u64, now: Duration) -> Option<Cause> {
        let seen = self.seen.get(&fingerprint)?;
        let fired_for = now.saturating_sub(seen.since?);
        if let Some(after) = stage.after.filter(|after| fired_for >= *after) {
            return Some(Cause::Age { fired_for, after });
        }
        let limit = stage.more_than?;
        let taken = self.often.get(&(stage.name.clone(), fingerprint));
        let counts = |at: &&Duration| {
            now.saturating_sub(**at) <= limit.within && taken.is_none_or(|taken| **at > *taken)
        };
        let times = u32::try_from(seen.fired.iter().filter(counts).count()).unwrap_or(u32::MAX);
        (times > limit.times).then_some(Cause::Often { times, limit })
    }
}

impl Dispatcher {
    /// Tells those to whom alerts are escalated: of what has fired for too long or too often, and of its end. What is
    /// silenced, inhibited, or mute on all its routes is not escalated while it is.
    pub fn escalate(&mut self, now: Now) -> Vec<Notification> {
        let stages = std::mem::take(&mut self.routing.escalations);
        self.touched |= self.escalations.forget(&stages, now.steady);
        let mut notifications = Vec::new();
        for stage in &stages {
            let found = self.found(stage, now);
            let fresh = found.iter().map(|(alert, _)| alert.fingerprint).collect();
            self.take_up(stage, found, now);
            notifications.extend(self.tell(stage, &fresh, now));
        }
        self.routing.escalations = stages;
        self.touched |= !notifications.is_empty();
        notifications
    }

    /// How many alerts each stage has taken since the start.
    pub fn escalated(&self) -> impl Iterator<Item = (&str, u64)> {
        let counts = &self.escalations.counts;
        (self.routing.escalations.iter()).map(|stage| {
            let count = counts.get(&stage.name).copied().unwrap_or_default();
            (stage.name.as_str(), count)
        })
    }

    /// The alerts that a stage takes now and has not taken before, each with why.
    fn found(&mut self, stage: &Stage, now: Now) -> Vec<(Arc<Announced>, Cause)> {
        let is_open = |fingerprint: u64| {
            let mut open = self.escalations.open.iter();
            open.any(|((name, _), open)| *name == stage.name && open.firing.contains(&fingerprint))
        };
        let mut found: Vec<(Arc<Announced>, Cause)> = Vec::new();
        for (fingerprint, alert) in &self.alerts {
            let takes = || stage.matchers.matches(|name| alert.labels.get(name));
            let is_left_alone =
                || stage.unless_acknowledged && self.acknowledgements.of(alert, now.wall).is_some();
            if let Some(cause) = self.escalations.cause(stage, *fingerprint, now.steady)
                && takes()
                && !alert.suppressed
                && !is_open(*fingerprint)
                && !is_left_alone()
            {
                found.push((alert.clone(), cause));
            }
        }
        if !found.is_empty() {
            let muter = self.muter(now);
            found.retain(|(alert, _)| !muter.is_quiet(alert));
        }
        found
    }

    fn take_up(&mut self, stage: &Stage, found: Vec<(Arc<Announced>, Cause)>, now: Now) {
        for (alert, cause) in found {
            let labels = group_labels(&self.routing, &alert);
            let key = format!("escalation{{name={:?}}}:{labels}", stage.name);
            let escalations = &mut self.escalations;
            *escalations.counts.entry(stage.name.clone()).or_default() += 1;
            if matches!(cause, Cause::Often { .. }) {
                let key = (stage.name.clone(), alert.fingerprint);
                escalations.often.insert(key, now.steady);
            }
            let escalated = Escalated {
                name: stage.name.clone(),
                cause,
                is_unacknowledged: self.acknowledgements.of(&alert, now.wall).is_none(),
            };
            let open = escalations.open.entry((stage.name.clone(), key));
            let open = open.or_insert_with(|| Open {
                labels,
                firing: BTreeSet::new(),
                ended: BTreeMap::new(),
                escalated: escalated.clone(),
                at: now.steady,
            });
            open.escalated = escalated;
            open.ended.remove(&alert.fingerprint);
            // Told below, with all of its group.
            open.firing.insert(alert.fingerprint);
        }
    }

    /// What there is to tell of the groups of a stage that has just taken up `fresh` ones.
    fn tell(&mut self, stage: &Stage, fresh: &BTreeSet<u64>, now: Now) -> Vec<Notification> {
        let is_new = |fingerprint: u64| fresh.contains(&fingerprint);
        let receiver = (self.routing.receivers.iter()).find(|one| one.name == stage.receiver);
        let means: Vec<bool> = receiver.map_or_else(Vec::new, |receiver| {
            let integrations = receiver.integrations.iter();
            integrations.map(|one| one.send_resolved).collect()
        });
        let mut notifications = Vec::new();
        let acknowledgements = &self.acknowledgements;
        let alerts = &self.alerts;
        let sequence = &mut self.sequence;
        let open = self.escalations.open.iter_mut();
        for ((_, key), open) in open.filter(|((name, _), _)| *name == stage.name) {
            let firing = open.firing.iter().filter_map(|one| alerts.get(one));
            let firing: Vec<Arc<Announced>> = firing.cloned().collect();
            let is_looked_after =
                |one: &Arc<Announced>| acknowledgements.of(one, now.wall).is_some();
            let is_time = stage
                .repeat_interval
                .is_some_and(|interval| now.steady.saturating_sub(open.at) >= interval);
            let reason = if firing.iter().any(|one| is_new(one.fingerprint)) {
                NotifyReason::Escalated
            } else if !open.ended.is_empty() {
                match firing.is_empty() {
                    true => NotifyReason::AllResolved,
                    false => NotifyReason::NewResolved,
                }
            } else if is_time && !firing.iter().all(is_looked_after) {
                NotifyReason::Repeat
            } else {
                continue;
            };
            open.at = now.steady;
            let ended = std::mem::take(&mut open.ended);
            let remarks: BTreeMap<u64, Remark> = (firing.iter())
                .map(|alert| {
                    let news = match is_new(alert.fingerprint) {
                        true => News::Escalated,
                        false => News::Repeat,
                    };
                    let acknowledged = acknowledgements.of(alert, now.wall).cloned();
                    let remark = Remark {
                        acknowledged,
                        ..Remark::of(news)
                    };
                    (alert.fingerprint, remark)
                })
                .collect();
            for (integration, send_resolved) in means.iter().enumerate() {
                let mut told = firing.clone();
                if *send_resolved {
                    told.extend(ended.values().cloned());
                }
                let is_end = matches!(
                    reason,
                    NotifyReason::AllResolved | NotifyReason::NewResolved
                );
                if told.is_empty() || (is_end && !send_resolved) {
                    continue;
                }
                *sequence = sequence.wrapping_add(1);
                notifications.push(Notification {
                    id: identify(key, &stage.receiver, integration, *sequence, now),
                    receiver: stage.receiver.clone(),
                    integration,
                    group_key: key.clone(),
                    group_labels: open.labels.clone(),
                    alerts: told,
                    incidents: Vec::new(),
                    courses: Vec::new(),
                    reason,
                    remarks: remarks.clone(),
                    escalation: Some(open.escalated.clone()),
                    at: now.wall,
                });
            }
        }
        self.escalations
            .open
            .retain(|(name, _), open| *name != stage.name || !open.firing.is_empty());
        notifications
    }
}

/// By which an escalated alert is grouped: as the first of its routes does.
fn group_labels(routing: &Routing, alert: &Announced) -> Labels {
    let routes =
        (routing.root.as_ref()).map_or_else(Vec::new, |root: &Route| root.matching(&alert.labels));
    match routes.first() {
        Some(route) => route.group_by.group_labels(&alert.labels),
        None => alert.labels.clone(),
    }
}

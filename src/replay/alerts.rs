//! The alerts that fire: each from its first breach to its end.

use std::collections::HashMap;
use std::time::Duration;

use crate::engine::alert::{AlertState, Change, EndReason};
use crate::engine::judge::{AlertChange, RuleState};
use crate::engine::series::Labels;
use crate::engine::time::Timestamp;

/// An alert that fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Of which rule, by its place in [`super::Replayed::rules`].
    pub rule: usize,
    /// The labels of its instance.
    pub instance: Labels,
    /// Its own labels, as people are told.
    pub labels: Labels,
    /// `threshold_exceeded`, `absence`, `no_data`, …
    pub alert_type: &'static str,
    /// When its condition was first breached.
    pub pending_since: Timestamp,
    /// When it began to fire.
    pub fired_at: Timestamp,
    /// When and why it ended; `None` where it still fired when the replay did.
    pub ended: Option<(Timestamp, EndReason)>,
    /// The value when it began to fire.
    pub value: Option<f64>,
    /// What it was compared with.
    pub limit: f64,
}

impl Alert {
    /// How long it fired, in a replay until `until`.
    pub fn duration(&self, until: Timestamp) -> Duration {
        let end = self.ended.map_or(until, |(at, _)| at);
        end.since(self.fired_at)
    }
}

/// Gathers alerts from their changes.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) alerts: Vec<Alert>,
    /// The places of those that fire, by rule and labels.
    firing: HashMap<(usize, Labels), usize>,
}

impl Gathered {
    /// Takes a change of an alert of a rule that has just been judged; whether it began to fire.
    pub(super) fn take(&mut self, rule: usize, change: &AlertChange, state: &RuleState) -> bool {
        let key = (rule, change.labels.clone());
        match change.change {
            Change::Fired => {
                let fired = fired(rule, change, state);
                self.firing.insert(key, self.alerts.len());
                self.alerts.push(fired);
                true
            }
            Change::Resolved(reason) => {
                let place = self.firing.remove(&key);
                if let Some(alert) = place.and_then(|place| self.alerts.get_mut(place)) {
                    alert.ended = Some((change.at, reason));
                }
                false
            }
            Change::Started
            | Change::Dropped
            | Change::Acknowledged
            | Change::Unacknowledged
            | Change::Escalated => false,
        }
    }
}

fn fired(rule: usize, change: &AlertChange, state: &RuleState) -> Alert {
    let instances = state.instances.values().chain(&state.departed);
    let of_instances = instances.flat_map(|one| one.tracked().map(|alert| (&one.labels, alert)));
    let nobody = Labels::default();
    let trouble = state.trouble.iter().map(|alert| (&nobody, alert));
    let mut all = of_instances.chain(trouble);
    let found = all.find(|(_, alert)| alert.labels == change.labels);
    let alert = found.map(|(_, alert)| alert);
    let pending_since = alert.and_then(|alert| match alert.state {
        AlertState::Resolved { active_at, .. } => Some(active_at),
        state => state.active_at(),
    });
    Alert {
        rule,
        instance: found.map(|(labels, _)| labels.clone()).unwrap_or_default(),
        labels: change.labels.clone(),
        alert_type: alert.map_or("", |alert| alert.subject.alert_type(&state.rule)),
        pending_since: pending_since.unwrap_or(change.at),
        fired_at: change.at,
        ended: None,
        value: change.value,
        limit: alert
            .and_then(|alert| alert.verdict)
            .map_or(0.0, |verdict| verdict.limit),
    }
}

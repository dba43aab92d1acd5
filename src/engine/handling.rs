//! What people do about alerts: they look after one, say that one is over, or clear those of a kind.

use std::sync::Arc;

use super::Engine;
use super::alert::{AlertState, Change};
use super::dispatch::acknowledgement::Wish;
use super::dispatch::{Acknowledgement, Announced, HandlingError, Notification};
use super::judge::{AlertChange, Effects, RuleState, Tracked};
use super::rule::Mode;
use super::series::Labels;
use super::time::{Now, Timestamp};

impl Engine {
    /// Notes that somebody looks after the alert of a fingerprint. Where `started` is given, it must be the one that began
    /// then.
    ///
    /// # Errors
    /// When there is no such alert of which others are told, or what is wished cannot be.
    pub fn acknowledge(
        &mut self,
        fingerprint: u64,
        started: Option<Timestamp>,
        wish: Wish,
        now: Now,
    ) -> Result<(Arc<Acknowledgement>, Effects), HandlingError> {
        let alert = self.told(fingerprint)?;
        if started.is_some_and(|started| started != alert.starts_at) {
            return Err(HandlingError::Another(fingerprint, alert.starts_at));
        }
        let acknowledgements = &mut self.dispatcher.acknowledgements;
        let set = acknowledgements.set(&alert, wish, now.wall)?;
        let effects = self.handled(&alert, Change::Acknowledged, note(&set), now);
        Ok((set, effects))
    }

    /// Notes that nobody looks after the alert of a fingerprint any more; who did.
    ///
    /// # Errors
    /// When there is no such alert, or nobody did.
    pub fn unacknowledge(
        &mut self,
        fingerprint: u64,
        now: Now,
    ) -> Result<(Arc<Acknowledgement>, Effects), HandlingError> {
        let alert = self.told(fingerprint)?;
        let acknowledgements = &mut self.dispatcher.acknowledgements;
        if acknowledgements.of(&alert, now.wall).is_none() {
            return Err(HandlingError::NotAcknowledged(fingerprint));
        }
        let Some(before) = acknowledgements.remove(fingerprint) else {
            return Err(HandlingError::NotAcknowledged(fingerprint));
        };
        let effects = self.handled(&alert, Change::Unacknowledged, note(&before), now);
        Ok((before, effects))
    }

    /// Ends the alert of a fingerprint now, with the levels below it, until its condition has stopped holding and next
    /// holds; the labels of what ended, the alert itself last.
    ///
    /// # Errors
    /// When there is no such alert that fires: none at all, or it is pending, or has ended.
    pub fn resolve(
        &mut self,
        fingerprint: u64,
        now: Now,
    ) -> Result<(Vec<Labels>, Effects), HandlingError> {
        let mut effects = Effects::default();
        if !self.end_by_hand(fingerprint, now, &mut effects) {
            return Err(self.why_not(fingerprint));
        }
        self.note(&effects, now);
        Ok((ended(&effects), effects))
    }

    /// Ends every alert that fires now, of one type or of all; the labels of those that ended.
    pub fn clear(&mut self, alert_type: Option<&str>, now: Now) -> (Vec<Labels>, Effects) {
        let is_wanted = |of: &str| alert_type.is_none_or(|wanted| wanted == of);
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let rules = rules.filter(|rule| rule.rule.mode == Mode::Active);
        let firing = rules.flat_map(|rule| {
            let alerts = rule.alerts().filter(|alert| alert.state.is_firing());
            alerts
                .filter(|alert| is_wanted(alert.subject.alert_type(&rule.rule)))
                .map(|alert| alert.fingerprint)
        });
        let failures = self.failures().filter(|alert| alert.is_firing());
        let failures = failures.filter(|alert| is_wanted(alert.alert_type));
        let firing = firing.chain(failures.map(|alert| alert.fingerprint));
        let mut effects = Effects::default();
        // The highest level of an instance takes those below it with it.
        let firing: Vec<u64> = firing.collect();
        for fingerprint in firing.into_iter().rev() {
            self.end_by_hand(fingerprint, now, &mut effects);
        }
        self.note(&effects, now);
        (ended(&effects), effects)
    }

    fn end_by_hand(&mut self, fingerprint: u64, now: Now, effects: &mut Effects) -> bool {
        let intervals = self.groups.iter().map(|group| group.interval);
        let scopes: Vec<_> = intervals.map(|one| self.scope(now, one)).collect();
        let is_found = (self.groups.iter_mut().zip(&scopes)).any(|(group, scope)| {
            let mut rules = group.rules.iter_mut();
            rules.any(|rule| {
                rule.rule.mode == Mode::Active && rule.resolve(fingerprint, scope, effects)
            })
        });
        is_found || self.end_failure(fingerprint, now, effects)
    }

    /// The alert of a fingerprint as others are told of it while it fires.
    fn told(&self, fingerprint: u64) -> Result<Arc<Announced>, HandlingError> {
        match self.dispatcher.firing(fingerprint) {
            Some(alert) => Ok(alert.clone()),
            None => Err(self.why_not(fingerprint)),
        }
    }

    /// Why nothing can be done about the alert of a fingerprint.
    fn why_not(&self, fingerprint: u64) -> HandlingError {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let rules = rules.filter(|rule| rule.rule.mode == Mode::Active);
        let alerts = rules.flat_map(RuleState::alerts);
        let states = alerts.filter(|alert: &&Tracked| alert.fingerprint == fingerprint);
        let mut of_rules = states.filter_map(|alert| match alert.state {
            AlertState::Inactive => None,
            AlertState::Pending { .. } => Some(HandlingError::Pending(fingerprint)),
            AlertState::Firing { .. } => Some(HandlingError::NotTold(fingerprint)),
            AlertState::Resolved { resolved_at, .. } => {
                Some(HandlingError::Ended(fingerprint, resolved_at))
            }
        });
        let of_actions = || {
            let mut failures = self.failures();
            let failure = failures.find(|alert| alert.fingerprint == fingerprint)?;
            let (at, _) = failure.ended?;
            Some(HandlingError::Ended(fingerprint, at))
        };
        (of_rules.next().or_else(of_actions)).unwrap_or(HandlingError::NotFound(fingerprint))
    }

    fn handled(&mut self, alert: &Announced, change: Change, note: String, now: Now) -> Effects {
        let effects = Effects {
            changes: vec![handled(alert, change, note, now)],
            ..Effects::default()
        };
        self.note(&effects, now);
        effects
    }

    /// Notes in the history which alerts were escalated.
    pub(super) fn note_escalated(&mut self, notifications: &[Notification], now: Now) {
        use super::dispatch::News;
        // The first means of a receiver stands for all of them.
        let first = notifications.iter().filter(|one| one.integration == 0);
        let changes = first.flat_map(|one| {
            let alerts = one.alerts.iter();
            let new = alerts.filter(|alert| one.news_of(alert) == News::Escalated);
            let name = one.escalation.as_ref().map_or("", |stage| &stage.name);
            new.map(|alert| handled(alert, Change::Escalated, name.to_owned(), now))
        });
        let effects = Effects {
            changes: changes.collect(),
            ..Effects::default()
        };
        self.note(&effects, now);
    }
}

fn handled(alert: &Announced, change: Change, note: String, now: Now) -> AlertChange {
    AlertChange {
        labels: alert.labels.clone(),
        change,
        at: now.wall,
        value: alert.value,
        is_shadow: false,
        is_raised: false,
        note,
    }
}

/// Who did it, and what they say.
fn note(one: &Acknowledgement) -> String {
    match one.comment.is_empty() {
        true => one.by.clone(),
        false => format!("{}: {}", one.by, one.comment),
    }
}

/// The labels of the alerts that have ended.
fn ended(effects: &Effects) -> Vec<Labels> {
    let changes = effects.changes.iter();
    changes
        .filter(|change| matches!(change.change, Change::Resolved(_)))
        .map(|change| change.labels.clone())
        .collect()
}

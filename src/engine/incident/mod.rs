//! Incidents: alerts of several metrics, operations and severities that began together are one, and are told as one.
//!
//! **What belongs together.** Of every alert it is known when what it tells of began: not before, not after ([`Onset`]).
//! An alert that begins to fire joins an open incident
//!
//! - if another level of the same instance of its rule is in it, whenever that was; or
//! - if the moment at which the incident began and its own may be the same, or lie no further apart than the time that is
//!   allowed between them, *and* it is of an operation that the incident is of, or both moments are known within
//!   [`VAGUE`]. An alert without an operation is of all of them.
//!
//! Else it opens one. Each alert that joins narrows the moment, so that all of an incident may have begun at one moment, and
//! none drifts on from alert to alert. Two incidents are never made one: their ids are known to others.
//!
//! **What is risked.** That two operations that have nothing to do with each other begin to be worse in the same minutes by
//! chance: with an alert a week of each, windows of 10 minutes and 5 minutes allowed, once in 300 alerts or so. They are
//! then told in one message, in which each is listed; nothing is lost by it.

mod order;
mod telling;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::dispatch::Announced;
use super::judge::Tracked;
use super::onset::Onset;
use super::series::{Fnv1a, Labels};
use super::time::Timestamp;

/// A moment that is known no closer than this tells nothing of what alerts of other operations have to do with it.
pub const VAGUE: Duration = Duration::from_secs(3_600);
/// How far the starts of alerts may lie apart by default: what one thing leads to takes its time to show.
pub const MERGE: Duration = Duration::from_secs(300);
/// So many incidents that are over are remembered, as long as they have no more alerts together than that.
const MOST_ENDED: usize = 100;
const MOST_ENDED_ALERTS: usize = 10_000;

/// Alerts that began together.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// By what it is known, also after a restart.
    pub id: u64,
    /// When it began, as closely as all its alerts together tell.
    pub onset: Onset,
    /// The earliest of the best guesses of its alerts.
    pub since: Timestamp,
    /// When the last of its alerts ended; `None` while one fires.
    pub ended_at: Option<Timestamp>,
    /// Its alerts by their fingerprints, each with the latest word on it.
    pub(in crate::engine) members: BTreeMap<u64, Arc<Announced>>,
    /// The operations that they are of.
    pub operations: BTreeSet<String>,
    /// The receivers that have been told of it.
    pub(in crate::engine) told_to: BTreeSet<String>,
    /// How many of them fire.
    firing: usize,
    /// The hash of what is saved of it.
    pub(in crate::engine) saved: Option<u64>,
    /// Whether that may have changed.
    pub(in crate::engine) touched: bool,
}

/// What a notification says of an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tale {
    /// Which incident.
    pub id: u64,
    /// When it began.
    pub since: Timestamp,
    /// When it ended; `None` while one of its alerts fires.
    pub ended_at: Option<Timestamp>,
    /// Instances of rules that have an alert in it, levels counted once, also those that others are told of.
    pub alerts: usize,
    /// Of them, those with an alert that fires.
    pub firing: usize,
    /// Operations that they are of.
    pub operations: usize,
    /// The fingerprints of its alerts in the notification, the most explanatory first.
    pub members: Vec<u64>,
}

/// All incidents: those that are open and the last that are over.
#[derive(Debug, Default)]
pub struct Incidents {
    /// How far the starts of alerts may lie apart; `None` where there are no incidents.
    merge: Option<Duration>,
    /// Integrations that are told of each group by itself.
    told_by_group: BTreeSet<(String, usize)>,
    all: BTreeMap<u64, Incident>,
    /// The last incident of each alert, by its fingerprint.
    of: HashMap<u64, u64>,
    /// The last incident of each instance of a rule.
    of_instance: HashMap<u64, u64>,
    /// Those that are over, in that order.
    ended: BTreeSet<(Timestamp, u64)>,
    /// Incidents that have opened since the start of the process.
    pub opened: u64,
    /// Notifications that were told within another one of the same incident since then.
    pub merged: u64,
    /// Those that are not remembered any more but are saved.
    pub(in crate::engine) gone: BTreeSet<u64>,
}

impl Incident {
    fn new(word: &Announced) -> Self {
        let mut hash = Fnv1a::new();
        hash.add(&word.fingerprint.to_le_bytes());
        hash.add(&word.starts_at.millis().to_le_bytes());
        Self {
            id: hash.finish(),
            onset: word.onset,
            since: word.onset.at,
            ended_at: None,
            members: BTreeMap::new(),
            operations: BTreeSet::new(),
            told_to: BTreeSet::new(),
            firing: 0,
            saved: None,
            touched: true,
        }
    }

    /// Whether one of its alerts fires.
    pub fn is_open(&self) -> bool {
        self.ended_at.is_none()
    }

    /// Its alerts, the most explanatory first.
    pub fn members(&self) -> Vec<&Arc<Announced>> {
        let mut members: Vec<_> = self.members.values().collect();
        order::arrange(&mut members);
        members
    }

    /// Takes the latest word on one of its alerts.
    fn take(&mut self, word: &Arc<Announced>) {
        self.touched = true;
        let before = self.members.insert(word.fingerprint, word.clone());
        self.firing -= usize::from(before.is_some_and(|before| before.is_firing()));
        self.firing += usize::from(word.is_firing());
        let operation = word.labels.get("operation");
        if !operation.is_empty() && !self.operations.contains(operation) {
            self.operations.insert(operation.to_owned());
        }
    }

    /// Whether an alert is of one of its operations; one without any is of all.
    fn shares_operation(&self, word: &Announced) -> bool {
        let operation = word.labels.get("operation");
        operation.is_empty() || self.operations.is_empty() || self.operations.contains(operation)
    }

    /// Whether an alert began with it; if so, whether they are of the same operation.
    fn began_with(&self, word: &Announced, merge: Duration) -> Option<bool> {
        let same_operation = self.shares_operation(word);
        let is_close = self.onset.apart(&word.onset) <= merge;
        let is_known = self.onset.width() <= VAGUE && word.onset.width() <= VAGUE;
        (is_close && (same_operation || is_known)).then_some(same_operation)
    }

    /// What is said of it in a notification with these of its alerts.
    fn tale(&self, members: Vec<u64>) -> Tale {
        let instances = |only_firing: bool| {
            let words = self.members.values();
            let words = words.filter(|word| !only_firing || word.is_firing());
            let instances: BTreeSet<u64> = words.map(|word| instance(&word.labels)).collect();
            instances.len()
        };
        Tale {
            id: self.id,
            since: self.since,
            ended_at: self.ended_at,
            alerts: instances(false),
            firing: instances(true),
            operations: self.operations.len(),
            members,
        }
    }
}

/// By what the levels of one instance of a rule are known to be of it: their labels but the severity.
fn instance(labels: &Labels) -> u64 {
    let mut hash = Fnv1a::new();
    for (name, value) in labels.iter().filter(|(name, _)| *name != "severity") {
        for part in [name, value] {
            hash.add(part.as_bytes());
            hash.add(&[0xff]);
        }
    }
    hash.finish()
}

impl Incidents {
    /// Takes how far the starts of alerts may lie apart, with `None` there are no incidents; and the integrations that are
    /// told of each group by itself.
    pub(in crate::engine) fn configure(
        &mut self,
        merge: Option<Duration>,
        told_by_group: BTreeSet<(String, usize)>,
    ) {
        (self.merge, self.told_by_group) = (merge, told_by_group);
        if merge.is_none() {
            self.gone.extend(std::mem::take(&mut self.all).into_keys());
            self.of.clear();
            self.of_instance.clear();
            self.ended.clear();
        }
    }

    /// Whether there are incidents at all.
    pub fn is_on(&self) -> bool {
        self.merge.is_some()
    }

    /// All that are open, and the last that are over.
    pub fn all(&self) -> impl Iterator<Item = &Incident> {
        self.all.values()
    }

    /// Those that may have to be saved again.
    pub(in crate::engine) fn all_mut(&mut self) -> impl Iterator<Item = &mut Incident> {
        self.all.values_mut()
    }

    /// The number of those that are open.
    pub fn open_count(&self) -> usize {
        self.all.len().saturating_sub(self.ended.len())
    }

    /// The last incident of an alert.
    pub fn of(&self, fingerprint: u64) -> Option<&Incident> {
        self.all.get(self.of.get(&fingerprint)?)
    }

    /// The incident of an alert that fires and that others are told of.
    pub fn of_firing(&self, alert: &Tracked) -> Option<&Incident> {
        let incident = self.of(alert.fingerprint).filter(|one| one.is_open())?;
        let word = incident.members.get(&alert.fingerprint)?;
        (alert.state.is_firing() && word.is_firing()).then_some(incident)
    }

    fn open_of(&self, map: &HashMap<u64, u64>, key: u64) -> Option<u64> {
        let id = map.get(&key)?;
        self.all
            .get(id)
            .filter(|one| one.is_open())
            .map(|one| one.id)
    }

    /// Takes the latest word on an alert: it joins an incident, opens one, or ends in its own.
    pub(in crate::engine) fn take(&mut self, word: &Arc<Announced>) {
        let Some(merge) = self.merge else { return };
        let id = match self.open_of(&self.of, word.fingerprint) {
            Some(id) => id,
            None if word.is_firing() => self.join(word, merge),
            None => return,
        };
        let Some(incident) = self.all.get_mut(&id) else {
            return;
        };
        incident.take(word);
        self.of.insert(word.fingerprint, id);
        self.of_instance.insert(instance(&word.labels), id);
        if incident.firing == 0 {
            let at = word.ended.map_or(word.starts_at, |(at, _)| at);
            incident.ended_at = Some(at);
            self.ended.insert((at, id));
            self.forget();
        }
    }

    /// The incident that an alert which begins to fire belongs to.
    fn join(&mut self, word: &Arc<Announced>, merge: Duration) -> u64 {
        if let Some(id) = self.open_of(&self.of_instance, instance(&word.labels)) {
            return id;
        }
        let open = self.all.values_mut().filter(|one| one.is_open());
        let together = open.filter_map(|one| Some((one.began_with(word, merge)?, one)));
        let best =
            together.max_by_key(|(same_operation, one)| (*same_operation, one.since, one.id));
        if let Some((_, incident)) = best {
            incident.onset = incident.onset.narrowed(&word.onset);
            incident.since = incident.since.min(word.onset.at);
            return incident.id;
        }
        let mut incident = Incident::new(word);
        // One that is over may have begun with the same alert at the same millisecond.
        while self.all.contains_key(&incident.id) {
            incident.id = incident.id.wrapping_add(1);
        }
        let id = incident.id;
        self.opened += 1;
        self.gone.remove(&id);
        self.all.insert(id, incident);
        id
    }

    /// Forgets those that were over first, where there are too many.
    fn forget(&mut self) {
        let sizes = self.ended.iter().filter_map(|(_, id)| self.all.get(id));
        let mut alerts: usize = sizes.map(|one| one.members.len()).sum();
        while self.ended.len() > MOST_ENDED || alerts > MOST_ENDED_ALERTS && self.ended.len() > 1 {
            let Some((_, id)) = self.ended.pop_first() else {
                return;
            };
            if let Some(incident) = self.all.remove(&id) {
                alerts -= incident.members.len();
                if incident.saved.is_some() {
                    self.gone.insert(id);
                }
            }
            self.of.retain(|_, of| *of != id);
            self.of_instance.retain(|_, of| *of != id);
        }
    }

    /// Ends the alerts that no rule knows to fire any more: what was saved of their rule could not be kept or read.
    pub(in crate::engine) fn unknown(&self, known: impl Fn(u64) -> bool) -> Vec<Arc<Announced>> {
        let members = self.all.values().flat_map(|one| one.members.values());
        members
            .filter(|word| word.is_firing() && !known(word.fingerprint))
            .cloned()
            .collect()
    }

    /// Puts one back that was saved.
    pub(in crate::engine) fn restore(
        &mut self,
        id: u64,
        onset: Onset,
        since: Timestamp,
        members: impl Iterator<Item = Arc<Announced>>,
    ) -> Option<&mut Incident> {
        let mut incident: Option<Incident> = None;
        for word in members {
            incident
                .get_or_insert_with(|| Incident::new(&word))
                .take(&word);
        }
        let mut incident = incident.filter(|_| self.is_on())?;
        (incident.id, incident.onset, incident.since) = (id, onset, since);
        self.ended.retain(|(_, other)| *other != id);
        if incident.firing == 0 {
            let ends = incident.members.values().filter_map(|word| word.ended);
            let at = ends.map(|(at, _)| at).max().unwrap_or(since);
            incident.ended_at = Some(at);
            self.ended.insert((at, id));
        }
        for word in incident.members.values() {
            for (map, key) in [
                (&mut self.of, word.fingerprint),
                (&mut self.of_instance, instance(&word.labels)),
            ] {
                // The later one is the last of an alert, and one that is open is later than all that are over.
                let is_later = map.get(&key).and_then(|other| self.all.get(other));
                let order = |one: &Incident| (one.is_open(), one.since, one.id);
                if is_later.is_none_or(|other| order(other) < order(&incident)) {
                    map.insert(key, id);
                }
            }
        }
        self.all.insert(id, incident);
        self.forget();
        self.all.get_mut(&id)
    }
}

#[cfg(test)]
pub(in crate::engine) mod tests;

//! Rules on absence: what they have seen, what they expect, and what they forget.
//!
//! All on the clock of judging, which stands still while opwatch is down or judging is paused: what could not be seen
//! then is not missed. A series that the store has given up is remembered all the same. Once the cap on series is
//! reached, new series share an overflow series, and what is seen there counts for every instance that it may belong
//! to: a job that runs is then never missed, at the price of one that may be missed too late.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Effects, Instance, RuleState, Scope};
use crate::engine::alert::EndReason;
use crate::engine::condition::Absence;
use crate::engine::rule::Rule;
use crate::engine::series::{Labels, SeriesKey};
use crate::engine::store::{SeriesId, Store};

impl RuleState {
    /// Brings up to date when each instance was last seen, and makes instances of what is expected and was never seen.
    pub(super) fn look_for_absent(&mut self, absence: &Absence, store: &Store, scope: &Scope) {
        let (rule, now) = (self.rule.clone(), scope.now.steady);
        let is_new = self.began.is_none();
        let began = *self.began.get_or_insert(now);
        let look = |instance: &mut Instance, overflow: &Overflow| {
            let shared = shared(overflow, &instance.labels, &rule);
            let series: Vec<SeriesId> = instance.series.iter().copied().chain(shared).collect();
            let seen = store.last_seen(&series);
            // Seen so long ago that it has been forgotten is not seen anew.
            let seen = seen.filter(|seen| now.saturating_sub(*seen) <= absence.remember);
            // What is overdue when it is first heard of is history that was sent later: it is waited for from now on.
            // A rule that is new itself has heard of nothing yet, and to what is expected history makes no difference.
            let is_history = |seen: &Duration| {
                let is_overdue = now.saturating_sub(*seen) > absence.expect_every + absence.grace;
                let is_expected = || absence.expect.iter().any(|e| has_all(&instance.labels, e));
                !is_new && instance.seen.is_none() && is_overdue && !is_expected()
            };
            let seen = seen.map(|seen| if is_history(&seen) { now } else { seen });
            instance.seen = instance.seen.max(seen);
        };
        for instance in self.instances.values_mut() {
            look(instance, &self.overflow);
        }
        for expected in &absence.expect {
            let freshest = self.known(expected).filter_map(|(_, one)| one.seen).max();
            match (freshest, self.instances.get_mut(expected)) {
                // What it stands for has come: it ends as recovered, and then makes room.
                (Some(seen), Some(instance)) if instance.stands_in => instance.seen = Some(seen),
                (Some(_), _) | (None, Some(_)) => {}
                (None, None) => {
                    let mut instance = Instance::new(&rule, expected, &scope.external);
                    instance.stands_in = true;
                    look(&mut instance, &self.overflow);
                    self.instances.insert(expected.clone(), instance);
                }
            }
            if let Some(instance) = self.instances.get_mut(expected) {
                instance.expected_since = freshest.is_none().then_some(began);
            }
        }
        self.give_up(absence, store.settings().max_series * 2);
    }

    /// Ends what has not been seen for as long as the rule remembers, and drops what nothing is left of.
    pub(super) fn forget_absent(
        &mut self,
        absence: &Absence,
        scope: &Scope,
        effects: &mut Effects,
    ) {
        let (rule, now) = (self.rule.clone(), scope.now.steady);
        let kept = self.expected(absence);
        for (labels, mut instance) in std::mem::take(&mut self.instances) {
            let is_kept = kept.contains(&labels);
            let is_old = |seen| now.saturating_sub(seen) > absence.remember;
            if !is_kept && instance.seen.is_some_and(is_old) {
                instance.depart(&rule, EndReason::Forgotten, scope, effects);
                instance.seen = None;
            }
            // Those that the store holds can be seen again at any time.
            let is_idle = instance.series.is_empty() && !instance.is_active();
            if is_idle && !is_kept && (instance.seen.is_none() || instance.stands_in) {
                self.departed.push(instance);
            } else {
                self.instances.insert(labels, instance);
            }
        }
    }

    /// Instances of their own that have been seen and have all labels of `expected`.
    fn known(&self, expected: &Labels) -> impl Iterator<Item = (&Labels, &Instance)> {
        self.instances.iter().filter(move |(labels, instance)| {
            has_all(labels, expected) && instance.seen.is_some() && !instance.stands_in
        })
    }

    /// The instances that are never forgotten: of those that meet an expectation the one seen last, else its stand-in.
    fn expected(&self, absence: &Absence) -> BTreeSet<Labels> {
        let one = |expected: &Labels| {
            (self.known(expected).max_by_key(|(_, one)| one.seen))
                .map_or_else(|| expected.clone(), |(labels, _)| labels.clone())
        };
        absence.expect.iter().map(one).collect()
    }

    /// Keeps to the cap on instances: what has not been seen for longest goes first, but nothing that is pending or
    /// firing and nothing that is expected; where no other is left, the newest go.
    fn give_up(&mut self, absence: &Absence, cap: usize) {
        let excess = self
            .instances
            .len()
            .saturating_sub(cap.max(absence.expect.len()));
        if excess == 0 {
            return;
        }
        let kept = self.expected(absence);
        let mut idle: Vec<(bool, Option<Duration>, Labels)> = (self.instances.iter())
            .filter(|(labels, instance)| !instance.is_active() && !kept.contains(labels))
            .map(|(labels, one)| (!one.series.is_empty(), one.seen, labels.clone()))
            .collect();
        idle.sort_unstable();
        for (_, _, labels) in idle.into_iter().take(excess) {
            self.instances.remove(&labels);
            self.given_up += 1;
        }
    }
}

/// Whether an instance has all labels of what is expected.
fn has_all(instance: &Labels, expected: &Labels) -> bool {
    (expected.iter()).all(|(name, value)| instance.get(name) == value)
}

/// Overflow series by their operation.
pub(super) type Overflow = BTreeMap<String, Vec<(SeriesId, SeriesKey)>>;

/// The overflow series that may have taken measurements of an instance.
fn shared(overflow: &Overflow, instance: &Labels, rule: &Rule) -> Vec<SeriesId> {
    let by_operation = rule.by.iter().any(|name| name == "operation");
    let fits = |operation: &str| !by_operation || operation == instance.get("operation");
    (overflow.iter())
        .filter(|(operation, _)| fits(operation))
        .flat_map(|(_, series)| series)
        .filter(|(_, key)| may_hold(key, instance, rule))
        .map(|(id, _)| *id)
        .collect()
}

/// Whether an overflow series may have taken measurements of an instance: what it still says of itself agrees.
fn may_hold(key: &SeriesKey, instance: &Labels, rule: &Rule) -> bool {
    let says = |name: &str| Some(key.get(name)).filter(|value| !value.is_empty());
    let agrees = |name: &String| says(name).is_none_or(|value| instance.get(name) == value);
    rule.by.iter().all(agrees)
        && (rule.select.matchers().iter())
            .all(|matcher| says(matcher.name()).is_none_or(|value| matcher.matches(value)))
}

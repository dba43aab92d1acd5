//! Alerts that people end, or whatever they have do it: as over, or as what is usual from now on.

use super::detecting::Detecting;
use super::{By, Effects, Instance, RuleState, Scope, Tracked};
use crate::engine::alert::EndReason;
use crate::engine::condition::Condition;
use crate::engine::rule::Rule;
use crate::engine::time::Timestamp;

impl Instance {
    /// Ends the alert of a fingerprint because somebody says so, with the levels below it, which say less of the same;
    /// whether it was one of its that fires.
    pub(super) fn resolve(
        &mut self,
        fingerprint: u64,
        rule: &Rule,
        scope: &Scope,
        effects: &mut Effects,
    ) -> bool {
        let is_it = |one: &Tracked| one.fingerprint == fingerprint && one.state.is_firing();
        let levels = match self.levels.iter().position(is_it) {
            Some(place) => self.levels.iter_mut().take(place + 1),
            None => self.levels.iter_mut().take(0),
        };
        let missing = self.missing.iter_mut().filter(|one| is_it(one));
        let mut found = false;
        for tracked in levels.chain(missing).filter(|one| one.state.is_firing()) {
            tracked.abandon(rule, EndReason::ResolvedByHand, scope, effects);
            found = true;
        }
        found
    }

    /// Ends its alerts as accepted and learns what is usual anew, from when the change began on; when that was. `None` where
    /// it has no alert.
    pub(super) fn accept(
        &mut self,
        rule: &Rule,
        scope: &Scope,
        effects: &mut Effects,
    ) -> Option<Timestamp> {
        let active = self.levels.iter().filter_map(|one| one.state.active_at());
        let active_at = active.min()?;
        let found = self.by.detecting().and_then(|one| one.detected.found);
        let since = found.map_or(active_at, |change| change.began);
        self.learn_anew(rule, since, scope, effects);
        Some(since)
    }

    /// Ends its alerts as accepted and learns what is usual anew, from what came since then.
    pub(super) fn learn_anew(
        &mut self,
        rule: &Rule,
        since: Timestamp,
        scope: &Scope,
        effects: &mut Effects,
    ) {
        for tracked in &mut self.levels {
            tracked.abandon(rule, EndReason::Accepted, scope, effects);
        }
        self.basis = None;
        match (&rule.condition, &mut self.by) {
            (Condition::Detection(detection), By::Detector(detecting)) => {
                **detecting = Detecting::from(detection, since);
            }
            (_, By::Baseline(compared)) => {
                compared.accept(since);
                self.has_learned_saved = false;
            }
            _ => {}
        }
    }
}

impl RuleState {
    /// Ends the alert of a fingerprint because somebody says so; whether it was one of its that fires.
    pub(in crate::engine) fn resolve(
        &mut self,
        fingerprint: u64,
        scope: &Scope,
        effects: &mut Effects,
    ) -> bool {
        let rule = self.rule.clone();
        let instances = self.instances.values_mut();
        let mut found = instances.filter_map(|one| {
            one.resolve(fingerprint, &rule, scope, effects)
                .then_some(one)
        });
        let found = found.next();
        let is_trouble =
            |one: &&mut Tracked| one.fingerprint == fingerprint && one.state.is_firing();
        let is_found = match (found, self.trouble.as_mut().filter(is_trouble)) {
            (Some(instance), _) => {
                instance.announce(&rule, scope, effects);
                true
            }
            (None, Some(trouble)) => {
                trouble.abandon(&rule, EndReason::ResolvedByHand, scope, effects);
                let mut ended = Vec::new();
                trouble.announce(false, false, &rule, scope, effects, &mut ended);
                effects.end(ended);
                true
            }
            (None, None) => false,
        };
        self.touched |= is_found;
        is_found
    }
}

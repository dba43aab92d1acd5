//! Alerts that people end.

use super::{Effects, Instance, RuleState, Scope, Tracked};
use crate::engine::alert::EndReason;
use crate::engine::rule::Rule;

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

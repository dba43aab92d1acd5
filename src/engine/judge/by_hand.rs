//! Alerts that people end.

use super::{Effects, Instance, Scope, Tracked};
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

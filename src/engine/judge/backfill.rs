//! How the detectors of a rule learn from the log: in an engine of their own, and what is taken over from there.

use super::rule::candidates;
use super::{Detecting, RuleState, Scope};
use crate::engine::condition::Condition;
use crate::engine::series::Labels;
use crate::engine::store::Store;

impl RuleState {
    /// Whether the log may teach a detector of it something: an instance has not been looked for there yet.
    pub(in crate::engine) fn is_open(&self, store: &Store) -> bool {
        if !matches!(self.rule.condition, Condition::Detection(_)) {
            return false;
        }
        if self.instances.is_empty() && self.evaluations == 0 {
            // Its instances are found at its first evaluation.
            return candidates(&self.rule, store)
                .any(|(_, series)| self.rule.select.matches(|name| series.key.get(name)));
        }
        let mut detecting = self
            .instances
            .values()
            .filter_map(|one| one.detecting.as_ref());
        detecting.any(|one| one.is_open())
    }

    /// Has its detectors take what has closed, without any judgement.
    pub(in crate::engine) fn learn(&mut self, store: &Store, scope: &Scope) {
        if self.selection != Some(store.generation()) {
            self.select(store, scope);
        }
        let rule = self.rule.clone();
        let Condition::Detection(detection) = &rule.condition else {
            return;
        };
        for instance in self.instances.values_mut() {
            let Some(detecting) = &mut instance.detecting else {
                continue;
            };
            if let Some(closed) =
                detecting.look(detection, &instance.series, &instance.levels, store, scope)
            {
                detecting.take(detection, &closed);
            }
        }
    }

    /// What its detectors have learned.
    pub(in crate::engine) fn into_learned(self) -> impl Iterator<Item = (Labels, Detecting)> {
        let instances = self.instances.into_iter();
        instances.filter_map(|(labels, one)| Some((labels, *one.detecting?)))
    }

    /// Gives each instance that has not been looked for in the log the detector that has learned there, if any; how many
    /// take one over, and how many blocks with values these know.
    pub(in crate::engine) fn adopt(
        &mut self,
        mut learned_of: impl FnMut(&Labels) -> Option<Detecting>,
        store: &Store,
        scope: &Scope,
    ) -> (u64, u64) {
        if self.selection != Some(store.generation()) {
            self.select(store, scope);
        }
        let (mut adopted, mut blocks) = (0, 0);
        for (labels, instance) in &mut self.instances {
            if !instance.detecting.as_ref().is_some_and(|one| one.is_open()) {
                continue;
            }
            if instance.adopt(learned_of(labels)) {
                adopted += 1;
                blocks += (instance.detecting.as_ref()).map_or(0, |one| one.detected.blocks);
            }
        }
        self.touched |= adopted > 0;
        (adopted, blocks)
    }
}

//! How the detectors of a rule learn from the log: in an engine of their own, and what is taken over from there.

use std::collections::HashSet;

use super::rule::{candidates, instance_labels};
use super::{By, Detecting, Instance, RuleState, Scope};
use crate::engine::condition::Condition;
use crate::engine::rule::Rule;
use crate::engine::series::{Labels, SeriesKey};
use crate::engine::store::Store;

/// Instances of a rule that have not been looked for in the log yet.
#[derive(Clone, Debug)]
pub(in crate::engine) enum Open {
    /// All that there are.
    All,
    /// Those with these labels.
    These(HashSet<Labels>),
}

impl Open {
    /// Whether a series that the rule selects is of one of them.
    pub(in crate::engine) fn has(&self, key: &SeriesKey, rule: &Rule) -> bool {
        match self {
            Self::All => true,
            Self::These(open) => open.contains(&instance_labels(key, &rule.by)),
        }
    }
}

impl RuleState {
    /// Of which instances the log may teach a detector something, because they have not been looked for there yet; `None`
    /// where it has nothing to teach.
    pub(in crate::engine) fn open(&self, store: &Store) -> Option<Open> {
        if !matches!(self.rule.condition, Condition::Detection(_)) {
            return None;
        }
        if self.instances.is_empty() && self.evaluations == 0 {
            // Its instances are found at its first evaluation.
            let mut candidates = candidates(&self.rule, store);
            return candidates
                .any(|(_, series)| self.rule.select.matches(|name| series.key.get(name)))
                .then_some(Open::All);
        }
        let is_open = |one: &&Instance| one.by.detecting().is_some_and(Detecting::is_open);
        let instances = self.instances.values().filter(is_open);
        let open: HashSet<Labels> = instances.map(|one| one.labels.clone()).collect();
        (!open.is_empty()).then_some(Open::These(open))
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
            let Some(detecting) = instance.by.detecting_mut() else {
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
        instances.filter_map(|(labels, one)| match one.by {
            By::Detector(detecting) => Some((labels, *detecting)),
            By::Window | By::Baseline(_) | By::Trend(_) => None,
        })
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
            if !instance.by.detecting().is_some_and(Detecting::is_open) {
                continue;
            }
            if instance.adopt(learned_of(labels)) {
                adopted += 1;
                blocks += (instance.by.detecting()).map_or(0, |one| one.detected.blocks);
            }
        }
        self.touched |= adopted > 0;
        (adopted, blocks)
    }
}

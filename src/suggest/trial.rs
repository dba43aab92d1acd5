//! Rules replayed over the history that they are from, and loosened where they would have raised too many alarms.

use std::collections::BTreeMap;
use std::time::Duration;

use super::SuggestError;
use super::draft::{Draft, Tried};
use super::write::file;
use crate::engine::rule::RuleGroup;
use crate::replay::{Recording, Replayed, Setting, replay};
use crate::rulefile::{Surroundings, load};

/// What rules are replayed over.
pub(super) struct Trial<'a> {
    pub(super) recording: &'a Recording,
    pub(super) setting: &'a Setting,
    pub(super) around: Surroundings,
    pub(super) interval: Duration,
    /// Alarms that a rule may raise.
    pub(super) allowed: u64,
}

impl Trial<'_> {
    /// Those that raise no more alarms than they may, as they are or loosened, each with what came of it. The others are
    /// named in `left_out`.
    pub(super) fn run(
        &self,
        drafts: Vec<Draft>,
        left_out: &mut Vec<String>,
    ) -> Result<Vec<Draft>, SuggestError> {
        let mut drafts: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
        let mut open: Vec<usize> = (0..drafts.len()).collect();
        let mut rounds = 0;
        // Each round makes each rule that is open looser, so that this ends.
        while !open.is_empty() {
            rounds += 1;
            let these = open.iter().filter_map(|place| drafts.get(*place)?.clone());
            let mut tried = self.attempt(&these.collect::<Vec<_>>())?;
            let mut still = Vec::new();
            for place in open {
                let Some(slot) = drafts.get_mut(place) else {
                    continue;
                };
                let Some(draft) = slot else { continue };
                let Some(found) = tried.remove(&draft.alert) else {
                    continue;
                };
                draft.tried = Some(found);
                if found.alarms <= self.allowed {
                    continue;
                }
                let first = draft.kind.words();
                draft.loosened.get_or_insert((first, found.alarms));
                if let Some(kind) = draft.kind.loosened() {
                    draft.kind = kind;
                    still.push(place);
                } else {
                    left_out.push(format!(
                        "{}: also {} would have raised {} alarms",
                        draft.alert,
                        draft.kind.words(),
                        found.alarms
                    ));
                    *slot = None;
                }
            }
            open = still;
        }
        let mut rules: Vec<Draft> = drafts.into_iter().flatten().collect();
        if rounds > 1 && !rules.is_empty() {
            // Together, as they stand in the file: what is said of them is what a replay of the file says.
            let mut tried = self.attempt(&rules)?;
            for rule in &mut rules {
                rule.tried = tried.remove(&rule.alert).or(rule.tried);
            }
        }
        Ok(rules)
    }

    /// Replays these rules alone; what came of each, by the name of its alerts.
    fn attempt(&self, drafts: &[Draft]) -> Result<BTreeMap<String, Tried>, SuggestError> {
        let mut setting = self.setting.clone();
        setting.engine.groups = self.read(file(drafts, None, self.interval))?;
        let Replayed { rules, .. } = replay(self.recording, &setting)?;
        let tried = rules.into_iter().map(|rule| {
            let tried = Tried {
                alarms: rule.alerts,
                per_week: rule.alerts_per_week,
                values: rule.values,
            };
            (rule.rule, tried)
        });
        Ok(tried.collect())
    }

    /// Reads a rule file as every other one is read.
    pub(super) fn read(&self, text: String) -> Result<Vec<RuleGroup>, SuggestError> {
        let loaded = load("suggested.yaml", text, self.around);
        match loaded.findings.faults.first() {
            None => Ok(loaded.groups),
            Some(fault) => Err(SuggestError::Unwritable(fault.brief())),
        }
    }
}

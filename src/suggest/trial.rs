//! Rules replayed over the history that they are from, and loosened where they would have raised too many alarms.

use std::collections::BTreeMap;
use std::iter;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::SuggestError;
use super::draft::{Draft, Kind, Tried};
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

/// The rules of one operation on their way, and what was left out of them.
#[derive(Default)]
struct Tries {
    drafts: Vec<Draft>,
    left_out: Vec<String>,
}

impl Trial<'_> {
    /// Those that raise no more alarms than they may, as they are or loosened, each with what came of it. The others are
    /// named in `left_out`.
    ///
    /// A rule is about one operation, so that those of each are tried over its measurements alone, of several operations at
    /// the same time, with the same outcome as all together.
    pub(super) fn run(
        &self,
        drafts: Vec<Draft>,
        left_out: &mut Vec<String>,
    ) -> Result<Vec<Draft>, SuggestError> {
        let mut operations: Vec<Vec<Draft>> = Vec::new();
        for draft in drafts {
            match operations.last_mut() {
                Some(last)
                    if last
                        .first()
                        .is_some_and(|one| one.operation == draft.operation) =>
                {
                    last.push(draft);
                }
                _ => operations.push(vec![draft]),
            }
        }
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(drafts) = operations.get(place) else {
                    return done;
                };
                done.push((place, self.try_all(drafts.clone())));
            }
        };
        let mut done = thread::scope(|scope| {
            let workers = workers.min(operations.len()).max(1);
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let done = workers.into_iter().map(|worker| match worker.join() {
                Ok(done) => done,
                Err(panic) => resume_unwind(panic),
            });
            done.flatten().collect::<Vec<_>>()
        });
        done.sort_by_key(|(place, _)| *place);
        let mut rules = Vec::new();
        for (_, tries) in done {
            let tries = tries?;
            rules.extend(tries.drafts);
            left_out.extend(tries.left_out);
        }
        Ok(rules)
    }

    /// Tries the rules of one operation.
    fn try_all(&self, mut drafts: Vec<Draft>) -> Result<Tries, SuggestError> {
        let Some(operation) = drafts.first().map(|draft| draft.operation.clone()) else {
            return Ok(Tries::default());
        };
        let own = self.recording.of(&operation);
        let mut tried = self.attempt(&own, &drafts)?;
        // All that a rule could be loosened to is tried at once: each replay goes through the whole history.
        let mut looser: Vec<Draft> = Vec::new();
        for draft in &mut drafts {
            draft.tried = tried.remove(&draft.alert);
            if alarms(draft) > self.allowed {
                let kinds = iter::successors(draft.kind.loosened(), Kind::loosened);
                looser.extend((0..).zip(kinds).map(|(step, kind)| Draft {
                    alert: step_of(&draft.alert, step),
                    kind,
                    ..draft.clone()
                }));
            }
        }
        if looser.is_empty() {
            return Ok(Tries {
                drafts,
                ..Tries::default()
            });
        }
        let tried = self.attempt(&own, &looser)?;
        let mut tries = Tries::default();
        for mut draft in drafts {
            let first = (draft.kind.words(), alarms(&draft));
            for step in 0.. {
                let name = step_of(&draft.alert, step);
                let next = looser.iter().find(|one| one.alert == name);
                let (true, Some(next)) = (alarms(&draft) > self.allowed, next) else {
                    break;
                };
                draft.kind = next.kind.clone();
                draft.tried = tried.get(&name).copied();
                draft.loosened.get_or_insert_with(|| first.clone());
            }
            if alarms(&draft) > self.allowed {
                tries.left_out.push(format!(
                    "{}: also {} would have raised {} alarms",
                    draft.alert,
                    draft.kind.words(),
                    alarms(&draft)
                ));
            } else {
                tries.drafts.push(draft);
            }
        }
        Ok(tries)
    }

    /// Replays these rules over the measurements of their operation, for as long as there are any at all; what came of each,
    /// by the name of its alerts.
    fn attempt(
        &self,
        own: &Recording,
        drafts: &[Draft],
    ) -> Result<BTreeMap<String, Tried>, SuggestError> {
        let mut setting = self.setting.clone();
        setting.engine.groups = self.read(file(drafts, None, self.interval))?;
        if let Some((first, last)) = self.recording.span() {
            setting.from = Some(first);
            setting.until = Some(last.after(self.interval));
        }
        let Replayed { rules, .. } = replay(own, &setting)?;
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

fn alarms(draft: &Draft) -> u64 {
    draft.tried.map_or(0, |tried| tried.alarms)
}

/// By what name a rule is tried that was loosened by so many steps more than one.
fn step_of(alert: &str, step: u32) -> String {
    format!("{alert} {step}")
}

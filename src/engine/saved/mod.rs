//! What is saved of the engine, as bytes: protobuf messages private to this module, so that a later version can add
//! fields which an earlier one skips, and an earlier one's are read with defaults for what it did not know.
//!
//! Nothing here does I/O. Whoever keeps the bytes also guards them by a checksum; a message that cannot be read all the
//! same is [`Damaged`], and what it would have said is left out.
//!
//! The steady clock goes on over a restart, from the last reading that was saved, so that its readings are saved as they
//! are. A new engine is given back the clocks first, then the dispatcher, then measurements are applied again, then come the
//! history, the incidents and the rules, before anything else happens.

mod action;
mod alerts;
mod announced;
mod baseline;
mod batch;
mod clocks;
mod course;
mod dispatch;
mod history;
mod incident;
mod learned;
mod maintenance;
mod rule;
mod seen;
mod silence;
mod state;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use super::judge::RuleState;
use super::series::{Fnv1a, Labels};
pub use alerts::SavedRule;
pub use announced::{notification_from_bytes, notification_to_bytes};
pub use baseline::SavedBaseline;
pub use batch::{SavedBatch, SavedMeasurement, admitted_from_bytes, admitted_to_bytes};

/// Why saved bytes cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the saved {what}: {why}")]
pub struct Damaged {
    /// What they were to be.
    pub what: &'static str,
    /// What is wrong with them.
    pub why: String,
}

impl Damaged {
    fn new(what: &'static str, why: impl Into<String>) -> Self {
        Self {
            what,
            why: why.into(),
        }
    }
}

/// Since when something has to be saved again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsaved {
    /// The first group of measurements that its saved form lacks.
    pub(super) sequence: u64,
    /// When that came, on the steady clock.
    pub(super) since: Duration,
}

/// What the engine remembers of what has been saved of it.
#[derive(Debug, Default)]
pub(super) struct Saving {
    /// How far measurements have come.
    pub(super) progress: Progress,
    /// Since when the ids and answers that are remembered have to be saved again.
    pub(super) seen: Option<Unsaved>,
    /// Changes of alerts that have been saved, of all there ever were.
    changes: u64,
    /// Keys of rules whose saved state is to be deleted.
    gone: BTreeSet<String>,
    /// Keys that have been deleted: few, as each is of a rule that once had something to save. Whoever has to write
    /// everything again deletes them again.
    deleted: BTreeSet<String>,
    /// Group and place of each rule by the hash of its key.
    places: HashMap<u64, (usize, usize)>,
    /// Baselines that were set, or removed, and have not been saved yet, by their keys.
    baselines: BTreeMap<String, Option<Vec<u8>>>,
    /// The same of silences, by their ids.
    silences: BTreeMap<String, Option<Vec<u8>>>,
    /// The same of maintenance.
    maintenance: BTreeMap<String, Option<Vec<u8>>>,
    /// The hash of the dispatcher's saved state.
    dispatch: Option<u64>,
    /// The time paused that was saved with it, and since when judging is.
    clock: (Duration, Option<Duration>),
    /// How often the clocks had changed when they were saved.
    clocks: Option<u64>,
}

/// How many measurements came with which group, so that it is known how many would have to be applied again.
#[derive(Debug, Default)]
pub(super) struct Progress {
    measurements: u64,
    /// Numbers of groups, and of measurements up to them, oldest first.
    marks: VecDeque<(u64, u64)>,
}

impl Progress {
    /// Between two marks.
    const STEP: u64 = 25_000;
    const MOST_MARKS: usize = 64;

    pub(super) fn note(&mut self, sequence: u64, measurements: usize) {
        self.measurements += measurements as u64;
        let last = self.marks.back().map_or(0, |(_, up_to)| *up_to);
        if self.measurements >= last + Self::STEP {
            self.marks.push_back((sequence, self.measurements));
            if self.marks.len() > Self::MOST_MARKS {
                self.marks.pop_front();
            }
        }
    }

    /// The last group since which at least that many measurements have come; 0 where it is not known any more.
    pub(super) fn before(&self, measurements: u64) -> u64 {
        let Some(up_to) = self.measurements.checked_sub(measurements) else {
            return 0;
        };
        let known = self.marks.partition_point(|(_, mark)| *mark <= up_to);
        let mark = known.checked_sub(1).and_then(|last| self.marks.get(last));
        mark.map_or(0, |(sequence, _)| *sequence)
    }
}

impl Saving {
    /// Notes that a rule is gone and what is saved of it is to go as well.
    pub(super) fn drop_rule(&mut self, rule: &mut RuleState) {
        for instance in rule.instances.values().chain(&rule.departed) {
            if instance.has_learned_saved {
                self.gone.insert(learned_key(&rule.key, &instance.labels));
            }
        }
        if rule.saved.take().is_some() {
            self.gone.insert(std::mem::take(&mut rule.key));
        }
    }
}

/// Between the key of a rule and the labels of an instance that has learned something.
const LEARNED: &str = "\u{1f}learned\u{1f}";

/// By what it is found again what an instance of a rule has learned.
fn learned_key(rule: &str, instance: &Labels) -> String {
    format!("{rule}{LEARNED}{instance}")
}

/// Reads a message.
fn decode<M: prost::Message + Default>(what: &'static str, bytes: &[u8]) -> Result<M, Damaged> {
    M::decode(bytes).map_err(|error| Damaged::new(what, error.to_string()))
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hash = Fnv1a::new();
    hash.add(bytes);
    hash.finish()
}

/// The variant of a closed set by its name.
fn named<T: Copy>(
    what: &'static str,
    all: &[T],
    name_of: fn(T) -> &'static str,
    name: &str,
) -> Result<T, Damaged> {
    (all.iter().copied())
        .find(|one| name_of(*one) == name)
        .ok_or_else(|| Damaged::new(what, format!("{name:?} is unknown")))
}

/// Pairs of name and value.
type Pairs = BTreeMap<String, String>;

fn labels(pairs: Pairs) -> Labels {
    pairs.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_knows_since_which_group_so_many_measurements_have_come() {
        let mut progress = Progress::default();
        assert_eq!(progress.before(1), 0);
        for sequence in 1..=1_000 {
            progress.note(sequence, 1_000);
        }
        // A group too far back at most by one step, never too far forward.
        let before = progress.before(400_000);
        assert!((575..=600).contains(&before), "{before}");
        assert_eq!(progress.before(1_000_001), 0);
        for sequence in 1_001..=100_000 {
            progress.note(sequence, 1_000);
        }
        assert!(progress.marks.len() <= Progress::MOST_MARKS);
        assert!((99_575..=99_600).contains(&progress.before(400_000)));
    }
}

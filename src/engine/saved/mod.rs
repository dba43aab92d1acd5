//! What is saved of the engine, as bytes: protobuf messages private to this module, so that a later version can add
//! fields which an earlier one skips, and an earlier one's are read with defaults for what it did not know.
//!
//! Nothing here does I/O. Whoever keeps the bytes also guards them by a checksum; a message that cannot be read all the
//! same is [`Damaged`], and what it would have said is left out.
//!
//! The steady clock goes on over a restart, from the last reading that was saved, so that its readings are saved as they
//! are. A new engine is given back the clocks
//! first, then the dispatcher, then measurements are applied again, then come the rules, before anything else happens.

mod alerts;
mod announced;
mod clocks;
mod dispatch;
mod history;
mod rule;
mod state;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::judge::RuleState;
use super::series::{Fnv1a, Labels};
pub use alerts::SavedRule;
pub use announced::{notification_from_bytes, notification_to_bytes};
pub use history::{change_from_bytes, change_to_bytes};

mod batch;

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

/// What the engine remembers of what has been saved of it.
#[derive(Debug, Default)]
pub(super) struct Saving {
    /// Keys of rules whose saved state is to be deleted.
    gone: BTreeSet<String>,
    /// Keys that have been deleted: few, as each is of a rule that once had something to save. Whoever has to write
    /// everything again deletes them again.
    deleted: BTreeSet<String>,
    /// Group and place of each rule by the hash of its key.
    places: HashMap<u64, (usize, usize)>,
    /// The hash of the dispatcher's saved state.
    dispatch: Option<u64>,
    /// The time paused that was saved with it, and since when judging is.
    clock: (Duration, Option<Duration>),
    /// How often the clocks had changed when they were saved.
    clocks: Option<u64>,
}

impl Saving {
    /// Notes that a rule is gone and what is saved of it is to go as well.
    pub(super) fn drop_rule(&mut self, rule: &mut RuleState) {
        if rule.saved.take().is_some() {
            self.gone.insert(std::mem::take(&mut rule.key));
        }
    }
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

/// A reading of the steady clock in nanoseconds, which are enough for five centuries.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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
type Pairs = std::collections::BTreeMap<String, String>;

fn labels(pairs: Pairs) -> Labels {
    pairs.into_iter().collect()
}

//! Acknowledgements: somebody looks after an alert, so that it is neither repeated nor escalated for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Announced;
use crate::engine::time::Timestamp;

/// Acknowledgements at most.
pub const MOST: usize = 1_000;
/// Bytes of name and comment together at most.
pub const MOST_BYTES: usize = 4 << 10;
/// The longest time that one may be asked for.
pub const LONGEST: Duration = Duration::from_secs(366 * 24 * 3_600);

/// That somebody looks after an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The alert's fingerprint.
    pub fingerprint: u64,
    /// When the alert began to fire: another time it fires is another alert.
    pub starts_at: Timestamp,
    /// Who.
    pub by: String,
    /// What they say.
    pub comment: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when; `None` until the alert ends.
    pub expires_at: Option<Timestamp>,
}

impl Acknowledgement {
    /// Whether it holds.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// Who wants to look after an alert, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Who.
    pub by: String,
    /// What they say.
    pub comment: String,
    /// For how long; `None` until the alert ends.
    pub expires_after: Option<Duration>,
}

/// Why nothing is done about an alert.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandlingError {
    /// There is none of that fingerprint.
    #[error(
        "there is no alert with the fingerprint {0:016x} that fires, allowed: those that `opwatch alerts` shows as firing"
    )]
    NotFound(u64),
    /// It has not begun to fire.
    #[error("alert {0:016x} is pending, allowed: one that fires")]
    Pending(u64),
    /// It fires, but others are told of another one instead, or of none.
    #[error(
        "nobody is told of alert {0:016x}, allowed: the one of the highest level, of which people are told"
    )]
    NotTold(u64),
    /// It has ended.
    #[error("alert {0:016x} has ended already, at {1}")]
    Ended(u64, Timestamp),
    /// Somebody means an alert that began another time.
    #[error("alert {0:016x} has ended and begun anew, at {1}")]
    Another(u64, Timestamp),
    /// Nobody has acknowledged it.
    #[error("alert {0:016x} is not acknowledged")]
    NotAcknowledged(u64),
    /// Nobody is named.
    #[error("by: is empty, allowed: who looks after the alert")]
    Nobody,
    /// It says too much.
    #[error("by and comment have {0} bytes, allowed: at most {MOST_BYTES}")]
    TooLong(usize),
    /// It does not hold at all, or for ever.
    #[error("expires_after: {0:?}, allowed: 1s to 366d, or none until the alert ends")]
    Time(Duration),
    /// There are too many.
    #[error("there are {MOST} acknowledgements, allowed: no more, until one ends")]
    TooMany,
}

/// All that hold, or have just expired.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Acknowledgements {
    all: BTreeMap<u64, Arc<Acknowledgement>>,
    /// Those that are to be saved again, or whose saved form is to go.
    unsaved: BTreeSet<u64>,
}

impl Acknowledgements {
    /// The one of an alert, where it holds.
    pub fn of(&self, alert: &Announced, now: Timestamp) -> Option<&Arc<Acknowledgement>> {
        let one = self.all.get(&alert.fingerprint)?;
        (one.starts_at == alert.starts_at && one.holds(now)).then_some(one)
    }

    /// How many hold.
    pub fn count(&self, now: Timestamp) -> usize {
        self.all.values().filter(|one| one.holds(now)).count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Takes one, in the place of another of the same alert.
    ///
    /// # Errors
    /// What is wrong with what is wished; then nothing has changed.
    pub fn set(
        &mut self,
        alert: &Announced,
        wish: Wish,
        now: Timestamp,
    ) -> Result<Arc<Acknowledgement>, HandlingError> {
        if wish.by.trim().is_empty() {
            return Err(HandlingError::Nobody);
        }
        let bytes = wish.by.len() + wish.comment.len();
        if bytes > MOST_BYTES {
            return Err(HandlingError::TooLong(bytes));
        }
        if let Some(time) = wish.expires_after
            && (time < Duration::from_secs(1) || time > LONGEST)
        {
            return Err(HandlingError::Time(time));
        }
        self.expire(now);
        if self.all.len() >= MOST && !self.all.contains_key(&alert.fingerprint) {
            return Err(HandlingError::TooMany);
        }
        let one = Acknowledgement {
            fingerprint: alert.fingerprint,
            starts_at: alert.starts_at,
            by: wish.by,
            comment: wish.comment,
            at: now,
            expires_at: wish.expires_after.map(|time| now.after(time)),
        };
        Ok(self.put(one))
    }

    /// Takes one back that was saved.
    pub fn take_back(&mut self, one: Acknowledgement) {
        self.all.insert(one.fingerprint, Arc::new(one));
    }

    fn put(&mut self, one: Acknowledgement) -> Arc<Acknowledgement> {
        let one = Arc::new(one);
        self.unsaved.insert(one.fingerprint);
        self.all.insert(one.fingerprint, one.clone());
        one
    }

    /// Takes the one of this alert away; which it was.
    pub fn remove(&mut self, fingerprint: u64) -> Option<Arc<Acknowledgement>> {
        let one = self.all.remove(&fingerprint)?;
        self.unsaved.insert(fingerprint);
        Some(one)
    }

    /// Takes those away that have expired.
    pub(in crate::engine) fn expire(&mut self, now: Timestamp) {
        let over = self.all.values().filter(|one| !one.holds(now));
        let over: Vec<u64> = over.map(|one| one.fingerprint).collect();
        for fingerprint in over {
            self.remove(fingerprint);
        }
    }

    /// Takes the latest word on an alert: with its end its acknowledgement ends, and with a rise of the severity; when the
    /// severity falls it stays with the alert that goes on. `is_new` says that this is the first word of the alert.
    pub(super) fn follow(&mut self, alert: &Announced, is_new: bool, now: Timestamp) {
        if self.all.is_empty() {
            return;
        }
        if let (Some(replaced), true) = (alert.replaces, is_new && alert.is_firing())
            && let Some(before) = self.all.get(&replaced.fingerprint).cloned()
        {
            self.remove(replaced.fingerprint);
            if !replaced.is_raised && before.holds(now) {
                self.put(Acknowledgement {
                    fingerprint: alert.fingerprint,
                    starts_at: alert.starts_at,
                    ..Acknowledgement::clone(&before)
                });
            }
        }
        let is_over =
            |one: &Arc<Acknowledgement>| !alert.is_firing() || one.starts_at != alert.starts_at;
        if self.all.get(&alert.fingerprint).is_some_and(is_over) {
            self.remove(alert.fingerprint);
        }
    }

    /// Those to be saved, or with nothing those whose saved form is to go, since this was last asked.
    pub(in crate::engine) fn take_unsaved(&mut self) -> Vec<(u64, Option<Arc<Acknowledgement>>)> {
        let unsaved = std::mem::take(&mut self.unsaved).into_iter();
        unsaved
            .map(|fingerprint| (fingerprint, self.all.get(&fingerprint).cloned()))
            .collect()
    }

    /// Has all saved again, because what was saved could not be kept.
    pub(in crate::engine) fn forget_saved(&mut self) {
        self.unsaved.extend(self.all.keys().copied());
    }
}

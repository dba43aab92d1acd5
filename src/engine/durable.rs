//! How the engine outlives its process: what of it is to be saved, and how it goes on from what was.
//!
//! Measurements are applied in groups, which are numbered. A series is saved now and then as of some group; at the start
//! each is restored, and the groups that came after that are applied again to it, and to it alone. So series need not be
//! saved together, and none is counted twice. The steady clock goes on from its last saved reading: time in which there
//! was no process counts for nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::saved::{self, Damaged, SavedBatch, SavedMeasurement, admitted_from_bytes};
use super::series::{OWN_OPERATION, SeriesKey};
use super::store::{Admitted, AdmittedBatch, Place, SavedSeries};
use super::time::{Now, Timestamp};

/// A series that changes is saved this often.
const SAVE_EVERY: Duration = Duration::from_secs(300);
/// As soon as this many measurements would have to be applied again, the series that need most of them are saved. A start
/// applies some three million a second.
const MOST_MEASUREMENTS: u64 = 400_000;

/// What is to be saved of what was measured.
#[derive(Debug, Default)]
pub struct Unsaved {
    /// Series.
    pub series: Vec<SavedSeries>,
    /// The ids and answers that are remembered; `None` where they need not be saved now.
    pub seen: Option<Vec<u8>>,
}

impl Unsaved {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.seen.is_none()
    }
}

/// As of which group each series that has been restored was saved, or was known to have gone.
#[derive(Debug, Default)]
pub struct Restored(HashMap<SeriesKey, u64>);

impl Restored {
    /// Notes that a series is saved as of that group.
    pub fn note(&mut self, key: &str, sequence: u64) {
        if let Some(key) = SeriesKey::from_text(key) {
            self.0.insert(key, sequence);
        }
    }

    fn has(&self, series: &SeriesKey, sequence: u64) -> bool {
        self.0.get(series).is_some_and(|saved| *saved >= sequence)
    }
}

impl Engine {
    /// The number of the last group of measurements that was applied.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Goes on counting groups after that one.
    pub fn resume_sequence(&mut self, sequence: u64) {
        self.sequence = self.sequence.max(sequence);
    }

    /// Has the engine note what is to be deleted of what is saved.
    pub fn begin_saving(&mut self) {
        self.store.begin_saving();
    }

    /// The series that are to be saved now as of [`Engine::sequence`], about `most_bytes` at once.
    pub fn take_unsaved(&mut self, now: Now, most_bytes: usize) -> Unsaved {
        let before = now.steady.checked_sub(SAVE_EVERY).unwrap_or_default();
        let up_to = self.saving.progress.before(MOST_MEASUREMENTS);
        self.take_unsaved_of(before, up_to, most_bytes)
    }

    /// Everything measured that has changed since it was saved, about `most_bytes` at once.
    pub fn take_all_unsaved(&mut self, most_bytes: usize) -> Unsaved {
        self.take_unsaved_of(Duration::MAX, u64::MAX, most_bytes)
    }

    fn take_unsaved_of(&mut self, before: Duration, up_to: u64, most_bytes: usize) -> Unsaved {
        let mut series = self.store.take_unsaved(before, up_to, most_bytes);
        // The groups of opwatch's own series are not logged: they are saved by time alone.
        series.extend(self.own.store.take_unsaved(before, 0, most_bytes));
        let is_due = |since: saved::Unsaved| since.since <= before || since.sequence <= up_to;
        let seen = self.saving.seen.take_if(|since| is_due(*since));
        Unsaved {
            series,
            seen: seen.map(|_| self.seen_to_bytes()),
        }
    }

    /// Whether so much is unsaved that it should not wait until it is time.
    pub fn is_behind(&self) -> bool {
        let first = self.store.first_unsaved();
        first.is_some_and(|first| first <= self.saving.progress.before(MOST_MEASUREMENTS))
    }

    /// The last group of measurements with which everything is saved: those up to it need not be applied again.
    pub fn saved_up_to(&self) -> u64 {
        let seen = self.saving.seen.map(|since| since.sequence);
        let first = self.store.first_unsaved().into_iter().chain(seen).min();
        first.map_or(self.sequence, |first| first.saturating_sub(1))
    }

    /// Notes that ids or answers have come with a group.
    pub(super) fn note_seen(&mut self, sequence: u64, now: Now) {
        self.saving.seen.get_or_insert(saved::Unsaved {
            sequence,
            since: now.steady,
        });
    }

    /// Has everything saved anew, because what was saved after the group `saved_up_to` may be lost. Returns the number from
    /// which on rows are anew.
    pub fn forget_saved(&mut self, saved_up_to: u64) -> u64 {
        let first = saved_up_to + 1;
        self.store.forget_saved(first);
        self.own.store.forget_saved(first);
        self.saving.seen = Some(saved::Unsaved {
            sequence: first,
            since: Duration::ZERO,
        });
        self.forget_saved_alerts();
        // A number that no row can have yet.
        self.sequence += 1;
        self.sequence
    }

    /// Whether everything measured has been returned to be saved since that was last called for.
    pub fn is_saved_anew(&self) -> bool {
        let seen = self.saving.seen.map(|since| since.since);
        seen != Some(Duration::ZERO)
            && !self.store.has_forgotten()
            && !self.own.store.has_forgotten()
    }

    /// Forgets what of what is saved is to be deleted, because everything is saved anew later.
    pub fn forget_gone(&mut self) {
        self.store.forget_gone();
        self.own.store.forget_gone();
    }

    /// Measurements that ended before are not kept.
    pub fn kept_from(&self, now: Now) -> Timestamp {
        let kept = self.clocks.hold.wall(now, super::clocks::HOLD_RETENTION);
        kept.before(self.store.settings().retention)
    }

    /// Takes word that a series that was restored has gone.
    pub fn drop_series(&mut self, key: &str) {
        if let Some(key) = SeriesKey::from_text(key) {
            self.store.drop_restored(&key);
        }
    }

    /// Takes a series from its bytes.
    ///
    /// # Errors
    /// When they are not those of a series; then there is none.
    pub fn restore_series(&mut self, key: &str, body: &[u8], now: Now) -> Result<(), Damaged> {
        let of_own = SeriesKey::from_text(key).is_some_and(|key| key.operation() == OWN_OPERATION);
        let store = if of_own {
            &mut self.own.store
        } else {
            &mut self.store
        };
        store.restore(key, body, now)
    }

    /// Applies a group of measurements again to those series that were saved before it, and remembers what is needed to
    /// know its records and requests if they come again. Returns how many measurements were applied.
    ///
    /// # Errors
    /// When the bytes cannot be read; then nothing of it is applied.
    pub fn replay(
        &mut self,
        sequence: u64,
        body: &[u8],
        at: Now,
        judged: Duration,
        restored: &Restored,
    ) -> Result<usize, Damaged> {
        let mut admitted = Admitted::default();
        let seen = self.admission.additions;
        for batch in admitted_from_bytes(body)? {
            admitted.append(self.replay_batch(sequence, batch, at, restored));
        }
        if self.admission.additions != seen {
            self.note_seen(sequence, at);
        }
        self.resume_sequence(sequence);
        self.store.move_on(at);
        self.record(&admitted, at, judged, sequence);
        self.saving.progress.note(sequence, admitted.len());
        Ok(admitted.len())
    }

    fn replay_batch(
        &mut self,
        sequence: u64,
        batch: SavedBatch,
        at: Now,
        restored: &Restored,
    ) -> Admitted {
        if let Some((origin, answer)) = batch.answered {
            self.admission.remember(origin, Arc::new(answer));
        }
        let mut again = AdmittedBatch::default();
        for taken in batch.taken {
            let SavedMeasurement {
                mut measurement,
                series,
                at: ended,
                late,
            } = taken;
            if let Some(id) = &measurement.id {
                self.admission.note_id(id, at);
            }
            if restored.has(&series, sequence) {
                continue;
            }
            let place = self.store.place_at(&series, at);
            self.store.keep_known_scores(&mut measurement);
            again.places.push(Place {
                record: again.records.len(),
                series: place,
                at: ended,
                late,
                overflow: None,
            });
            again.records.push(Ok(measurement));
        }
        Admitted::new(again)
    }
}

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
use super::saved::{Damaged, SavedBatch, SavedMeasurement, admitted_from_bytes};
use super::series::{OWN_OPERATION, SeriesKey};
use super::store::{Admitted, AdmittedBatch, Place, SavedSeries};
use super::time::Now;

/// A series that changes is saved this often.
const SAVE_EVERY: Duration = Duration::from_secs(300);
/// As soon as this many groups would have to be applied again, those that need most of them are saved.
const MOST_GROUPS: u64 = 2_000;

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
    pub fn take_unsaved(&mut self, now: Now, most_bytes: usize) -> Vec<SavedSeries> {
        let before = now.steady.checked_sub(SAVE_EVERY);
        let up_to = self.sequence.saturating_sub(MOST_GROUPS);
        let mut saved = self
            .store
            .take_unsaved(before.unwrap_or_default(), up_to, most_bytes);
        saved.extend(
            self.own
                .store
                .take_unsaved(before.unwrap_or_default(), 0, most_bytes),
        );
        saved
    }

    /// All series that have changed since they were saved, about `most_bytes` at once.
    pub fn take_all_unsaved(&mut self, most_bytes: usize) -> Vec<SavedSeries> {
        let mut saved = self.store.take_unsaved(Duration::MAX, u64::MAX, most_bytes);
        saved.extend(
            self.own
                .store
                .take_unsaved(Duration::MAX, u64::MAX, most_bytes),
        );
        saved
    }

    /// The last group of measurements that every series is saved with: those up to it need not be applied again.
    pub fn saved_up_to(&self) -> u64 {
        let first = self.store.first_unsaved();
        first.map_or(self.sequence, |first| first.saturating_sub(1))
    }

    /// Has everything saved anew, because what was saved is lost.
    pub fn forget_saved(&mut self) {
        self.store.forget_saved();
        self.own.store.forget_saved();
        self.forget_saved_alerts();
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
        for batch in admitted_from_bytes(body)? {
            admitted.append(self.replay_batch(sequence, batch, at, restored));
        }
        self.resume_sequence(sequence);
        self.store.move_on(at);
        self.record(&admitted, at, judged, sequence);
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

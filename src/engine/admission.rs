//! What is taken in and what is refused, decided before anything is stored.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::measurement::Measurement;
use super::series::{FieldFault, Fnv1a};
use super::store::{Admitted, AdmittedBatch, Overflow, Place, SeriesId, Store};
use super::time::Now;

/// A measurement may be this far ahead of the clock.
pub const MAX_AHEAD: Duration = Duration::from_secs(10);
/// Older than this it is late: it counts, but is no recent run.
pub const LATE_AFTER: Duration = Duration::from_secs(3_600);

/// How long a repeated id is known, and how many ids are.
const ID_MEMORY: Duration = Duration::from_secs(600);
const MAX_IDS: usize = 200_000;
/// Answers kept for repeated batches: per client, and clients.
const BATCHES_PER_CLIENT: usize = 16;
const MAX_CLIENTS: usize = 1_024;
/// Rejections kept in all of these answers; beyond it an answer is kept with its numbers alone.
const MAX_FAULTS: usize = 20_000;

/// Records of one request.
#[derive(Debug, Default)]
pub struct Batch {
    /// Who sends it and which of its batches it is, where the client says so.
    pub origin: Option<Origin>,
    /// The records, each already checked; a bad one keeps its place.
    pub records: Vec<Result<Measurement, FieldFault>>,
}

/// `Opwatch-Batch: CLIENT/SEQ`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The client's own name.
    pub client: String,
    /// Which of its batches it is.
    pub sequence: u64,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Records taken, duplicates included.
    pub accepted: u64,
    /// Of them, records that had been taken before.
    pub duplicates: u64,
    /// Records refused: their place in the batch and why.
    pub rejected: Vec<(usize, FieldFault)>,
}

/// Counts of what came in.
#[derive(Clone, Copy, Debug, Default)]
pub struct IngestCounts {
    /// Records received.
    pub received: u64,
    /// Records taken, without duplicates.
    pub accepted: u64,
    /// Records taken before.
    pub duplicates: u64,
    /// Records refused because a field is bad.
    pub invalid: u64,
    /// Records refused because they are older than the retention.
    pub too_old: u64,
    /// Records refused because they are ahead of the clock.
    pub future: u64,
    /// Records taken late.
    pub late: u64,
    /// Records put into an overflow series.
    pub overflow: u64,
    /// Ids forgotten before their time because there were too many.
    pub ids_evicted: u64,
    /// Batches that were sent again.
    pub repeated_batches: u64,
}

/// Decides what is taken in.
#[derive(Debug, Default)]
pub struct Admission {
    ids: HashMap<u64, Duration, RandomState>,
    id_order: VecDeque<(u64, Duration)>,
    answers: HashMap<String, VecDeque<(u64, Arc<Answer>)>>,
    clients: VecDeque<String>,
    /// Rejections in `answers`.
    faults: usize,
    /// How often an id or an answer has been added.
    pub(super) additions: u64,
    /// What came in.
    pub counts: IngestCounts,
}

impl Admission {
    /// Decides over a batch. A repeated batch is answered as the first was and admits nothing.
    pub fn admit(
        &mut self,
        mut batch: Batch,
        store: &mut Store,
        now: Now,
    ) -> (Admitted, Arc<Answer>) {
        if let Some(answer) = batch
            .origin
            .as_ref()
            .and_then(|origin| self.answered(origin))
        {
            self.counts.repeated_batches += 1;
            return (Admitted::default(), answer);
        }
        let mut answer = Answer::default();
        let mut places = Vec::with_capacity(batch.records.len());
        self.forget_ids(now);
        for (index, record) in batch.records.iter_mut().enumerate() {
            self.counts.received += 1;
            let taken = match record {
                Ok(measurement) => self.admit_one(index, measurement, store, now),
                Err(fault) => {
                    self.counts.invalid += 1;
                    Err(fault.clone())
                }
            };
            match taken {
                Ok(taken) => {
                    answer.accepted += 1;
                    match taken {
                        Some(place) => places.push(place),
                        None => answer.duplicates += 1,
                    }
                }
                Err(fault) => answer.rejected.push((index, fault)),
            }
        }
        self.counts.accepted += answer.accepted - answer.duplicates;
        self.counts.duplicates += answer.duplicates;
        let answer = Arc::new(answer);
        if let Some(origin) = batch.origin.clone() {
            self.remember(origin, answer.clone());
        }
        let admitted = Admitted::new(AdmittedBatch {
            records: batch.records,
            places,
            answered: batch.origin.map(|origin| (origin, answer.clone())),
        });
        (admitted, answer)
    }

    /// Takes one measurement; `None` when it is a duplicate.
    fn admit_one(
        &mut self,
        record: usize,
        measurement: &mut Measurement,
        store: &mut Store,
        now: Now,
    ) -> Result<Option<Place>, FieldFault> {
        let at = measurement.at.unwrap_or(now.wall);
        if at > now.wall.after(MAX_AHEAD) {
            self.counts.future += 1;
            return Err(FieldFault::new(
                "timestamp",
                format!(
                    "{at} is {:.0} s ahead of the clock; at most {} s is allowed",
                    at.since(now.wall).as_secs_f64(),
                    MAX_AHEAD.as_secs()
                ),
            ));
        }
        if !store.keeps(at) {
            self.counts.too_old += 1;
            return Err(FieldFault::new(
                "timestamp",
                format!(
                    "{at} is older than the retention of {} h",
                    store.settings().retention.as_secs() / 3_600
                ),
            ));
        }
        // Only a record that is taken uses up its id.
        if let Some(id) = &measurement.id
            && !self.is_new(hash(id), now.steady)
        {
            return Ok(None);
        }
        let late = at < now.wall.before(LATE_AFTER);
        self.counts.late += u64::from(late);
        let (series, overflow): (SeriesId, Option<Overflow>) = store.place(&measurement.key, now);
        self.counts.overflow += u64::from(overflow.is_some());
        store.keep_known_scores(measurement);
        Ok(Some(Place {
            record,
            series,
            at,
            late,
            overflow: overflow.and_then(|_| store.get(series).map(|series| series.key.clone())),
        }))
    }

    /// Notes an id of a measurement that was taken before.
    pub(super) fn note_id(&mut self, id: &str, now: Now) {
        self.forget_ids(now);
        self.is_new(hash(id), now.steady);
    }

    /// Ids seen of late and when, on the steady clock, oldest first.
    pub(super) fn recent_ids(&self) -> impl Iterator<Item = (u64, Duration)> {
        self.id_order.iter().copied()
    }

    /// Answers kept: whose batches, which of them, and how each was answered.
    pub(super) fn recent_answers(&self) -> impl Iterator<Item = (&str, u64, &Answer)> {
        self.clients.iter().flat_map(|client| {
            let answers = self.answers.get(client).into_iter().flatten();
            answers.map(|(sequence, answer)| (client.as_str(), *sequence, &**answer))
        })
    }

    /// Whether an id, here by its hash, has not been seen of late; from now on it has.
    pub(super) fn is_new(&mut self, id: u64, at: Duration) -> bool {
        if self.ids.contains_key(&id) {
            return false;
        }
        if self.ids.len() >= MAX_IDS
            && let Some((oldest, _)) = self.id_order.pop_front()
        {
            self.ids.remove(&oldest);
            self.counts.ids_evicted += 1;
        }
        self.additions += 1;
        self.ids.insert(id, at);
        self.id_order.push_back((id, at));
        true
    }

    fn forget_ids(&mut self, now: Now) {
        while let Some((id, seen)) = self.id_order.front()
            && now.steady.saturating_sub(*seen) > ID_MEMORY
        {
            self.ids.remove(id);
            self.id_order.pop_front();
        }
    }

    fn answered(&self, origin: &Origin) -> Option<Arc<Answer>> {
        self.answers
            .get(&origin.client)?
            .iter()
            .find_map(|(sequence, answer)| (*sequence == origin.sequence).then(|| answer.clone()))
    }

    /// Keeps the answer to a batch, so that it is answered the same if it comes again.
    pub(super) fn remember(&mut self, origin: Origin, answer: Arc<Answer>) {
        if self.answered(&origin).is_some() {
            return;
        }
        if !self.answers.contains_key(&origin.client) {
            if self.clients.len() >= MAX_CLIENTS
                && let Some(oldest) = self.clients.pop_front()
            {
                for (_, answer) in self.answers.remove(&oldest).iter().flatten() {
                    self.faults -= answer.rejected.len();
                }
            }
            self.clients.push_back(origin.client.clone());
        }
        let answers = self.answers.entry(origin.client).or_default();
        if answers.len() >= BATCHES_PER_CLIENT
            && let Some((_, oldest)) = answers.pop_front()
        {
            self.faults -= oldest.rejected.len();
        }
        // What matters is that the batch does not count again; whoever sends that much nonsense has been told once.
        let kept = if self.faults + answer.rejected.len() <= MAX_FAULTS {
            answer
        } else {
            Arc::new(Answer {
                rejected: Vec::new(),
                ..*answer
            })
        };
        self.faults += kept.rejected.len();
        self.additions += 1;
        answers.push_back((origin.sequence, kept));
    }
}

/// Ids are known by 64 bits: over as many as are remembered, one in 10⁹ processes takes two for the same.
fn hash(id: &str) -> u64 {
    let mut hash = Fnv1a::new();
    hash.add(id.as_bytes());
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::store::StoreSettings;

    #[test]
    fn answers_kept_for_repeats_are_bounded_and_still_keep_a_batch_from_counting_twice() {
        let mut store = Store::new(StoreSettings::default());
        let mut admission = Admission::default();
        let now = Now::invented(Duration::from_secs(1_000_000));
        let batch = |client: &str, sequence| Batch {
            origin: Some(Origin {
                client: client.to_owned(),
                sequence,
            }),
            records: vec![Err(FieldFault::new("samples", "is wrong")); MAX_FAULTS / 4],
        };
        let clients = ["a", "b"];
        for sequence in 0..40 {
            for client in clients {
                let (_, answer) = admission.admit(batch(client, sequence), &mut store, now);
                assert_eq!(answer.rejected.len(), MAX_FAULTS / 4);
            }
            assert!(admission.faults <= MAX_FAULTS);
        }
        let counted = admission.counts.invalid;
        let (_, again) = admission.admit(batch("a", 39), &mut store, now);
        assert_eq!((again.accepted, again.duplicates), (0, 0));
        assert_eq!(admission.counts.invalid, counted);
        assert_eq!(admission.counts.repeated_batches, 1);
        let kept = admission.answers.values().flatten();
        let kept: usize = kept.map(|(_, answer)| answer.rejected.len()).sum();
        assert_eq!(kept, admission.faults);
    }
}

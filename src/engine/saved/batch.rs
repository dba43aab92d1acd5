//! Admitted measurements as bytes, column by column: most of them share their series and lack the same fields.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use prost::Message;

use super::Damaged;
use crate::engine::admission::{Answer, Origin};
use crate::engine::measurement::{Measurement, Outcome};
use crate::engine::series::{FieldFault, SeriesKey};
use crate::engine::store::{Admitted, AdmittedBatch};
use crate::engine::time::Timestamp;

/// One request as it is saved.
#[derive(Debug, Default, PartialEq)]
pub struct SavedBatch {
    /// Whose batch it is and how it was answered, where it may come again.
    pub answered: Option<(Origin, Answer)>,
    /// What was taken of it, in order.
    pub taken: Vec<SavedMeasurement>,
}

/// A measurement that was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedMeasurement {
    /// The measurement.
    pub measurement: Measurement,
    /// The series that it counts in: its own, or one that it shares because there were too many.
    pub series: SeriesKey,
    /// When it ended.
    pub at: Timestamp,
    /// Whether that was so long ago that it is no recent run.
    pub late: bool,
}

#[derive(Clone, PartialEq, Message)]
struct GroupMessage {
    #[prost(message, repeated, tag = "1")]
    batches: Vec<BatchMessage>,
    /// Keys of series, by which the batches name them.
    #[prost(string, repeated, tag = "2")]
    keys: Vec<String>,
    /// Names of scores, by which the batches name them.
    #[prost(string, repeated, tag = "3")]
    scores: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct BatchMessage {
    #[prost(message, optional, tag = "1")]
    answered: Option<AnswerMessage>,
    /// For each measurement its key, and that of the series it shares plus 1 (0 where it has its own).
    #[prost(uint32, repeated, tag = "2")]
    key: Vec<u32>,
    #[prost(uint32, repeated, tag = "3")]
    shared: Vec<u32>,
    /// Milliseconds, each as the distance to the one before.
    #[prost(sint64, repeated, tag = "4")]
    at: Vec<i64>,
    /// Which fields each has; see the constants.
    #[prost(uint32, repeated, tag = "5")]
    flags: Vec<u32>,
    /// The fields that are there, one measurement after the other, each kind in the order of the flags.
    #[prost(double, repeated, tag = "6")]
    numbers: Vec<f64>,
    #[prost(uint64, repeated, tag = "7")]
    wholes: Vec<u64>,
    #[prost(string, repeated, tag = "8")]
    texts: Vec<String>,
    /// Name and value of each score; how many a measurement has is among `wholes`.
    #[prost(uint32, repeated, tag = "9")]
    score: Vec<u32>,
    #[prost(double, repeated, tag = "10")]
    score_value: Vec<f64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct AnswerMessage {
    #[prost(string, tag = "1")]
    client: String,
    #[prost(uint64, tag = "2")]
    sequence: u64,
    #[prost(uint64, tag = "3")]
    accepted: u64,
    #[prost(uint64, tag = "4")]
    duplicates: u64,
    #[prost(message, repeated, tag = "5")]
    rejected: Vec<RejectedMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct RejectedMessage {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(string, tag = "2")]
    field: String,
    #[prost(string, tag = "3")]
    reason: String,
}

/// What a measurement is, and from bit 4 on which of its fields are there.
const OPERATION: u32 = 1;
const FAILURE: u32 = 1 << 1;
const LATE: u32 = 1 << 2;
const SCORES: u32 = 1 << 3;
const FIRST_NUMBER: u32 = 4;
const FIRST_WHOLE: u32 = 10;
const FIRST_TEXT: u32 = 13;
/// Bits of a measurement of this version; a later one with further fields must be read with care for their order.
const KNOWN: u32 = (1 << 16) - 1;

fn numbers(m: &Measurement) -> [Option<f64>; 6] {
    [
        m.duration_seconds,
        m.setup_seconds,
        m.cleanup_seconds,
        m.cpu_cores,
        m.memory_bytes,
        m.memory_peak_bytes,
    ]
}

fn wholes(m: &Measurement) -> [Option<u64>; 3] {
    [m.samples, m.dataset_size, m.quality_samples]
}

fn texts(m: &Measurement) -> [Option<&str>; 3] {
    [
        m.id.as_deref(),
        m.trace_id.as_deref(),
        m.error_class.as_deref(),
    ]
}

/// Numbers texts in the order in which they first come.
#[derive(Default)]
struct Dictionary<'a> {
    numbers: HashMap<&'a str, u32, RandomState>,
    texts: Vec<String>,
}

impl<'a> Dictionary<'a> {
    fn number(&mut self, text: &'a str) -> u32 {
        *self.numbers.entry(text).or_insert_with(|| {
            self.texts.push(text.to_owned());
            u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

/// What was admitted, as bytes.
pub fn admitted_to_bytes(admitted: &Admitted) -> Vec<u8> {
    let (mut keys, mut scores) = (Dictionary::default(), Dictionary::default());
    let batches = admitted.batches().iter();
    let batches = batches.map(|batch| batch_message(batch, &mut keys, &mut scores));
    let mut message = GroupMessage {
        batches: batches.collect(),
        ..GroupMessage::default()
    };
    message.keys = keys.texts;
    message.scores = scores.texts;
    message.encode_to_vec()
}

fn batch_message<'a>(
    batch: &'a AdmittedBatch,
    keys: &mut Dictionary<'a>,
    scores: &mut Dictionary<'a>,
) -> BatchMessage {
    let mut message = BatchMessage {
        answered: (batch.answered.as_ref())
            .map(|(origin, answer)| AnswerMessage::of(&origin.client, origin.sequence, answer)),
        ..BatchMessage::default()
    };
    let any_shared = batch.places.iter().any(|place| place.overflow.is_some());
    let mut previous = 0;
    for place in &batch.places {
        let Some(Ok(m)) = batch.records.get(place.record) else {
            continue;
        };
        message.key.push(keys.number(m.key.as_text()));
        if any_shared {
            let shared = place.overflow.as_ref();
            let number = shared.map_or(0, |key| keys.number(key.as_text()).saturating_add(1));
            message.shared.push(number);
        }
        message.at.push(place.at.millis().wrapping_sub(previous));
        previous = place.at.millis();
        let mut flags = 0;
        let mut set = |bit: u32, is: bool| flags |= u32::from(is) << bit;
        for (bit, number) in (FIRST_NUMBER..).zip(numbers(m)) {
            set(bit, number.is_some());
            message.numbers.extend(number);
        }
        for (bit, whole) in (FIRST_WHOLE..).zip(wholes(m)) {
            set(bit, whole.is_some());
            message.wholes.extend(whole);
        }
        for (bit, text) in (FIRST_TEXT..).zip(texts(m)) {
            set(bit, text.is_some());
            message.texts.extend(text.map(str::to_owned));
        }
        for (flag, is) in [
            (OPERATION, m.is_operation),
            (FAILURE, m.outcome == Outcome::Failure),
            (LATE, place.late),
            (SCORES, !m.quality.is_empty()),
        ] {
            flags |= if is { flag } else { 0 };
        }
        message.flags.push(flags);
        if !m.quality.is_empty() {
            message.wholes.push(m.quality.len() as u64);
        }
        for (name, value) in &m.quality {
            message.score.push(scores.number(name));
            message.score_value.push(*value);
        }
    }
    message
}

fn rejected_message((index, fault): &(usize, FieldFault)) -> RejectedMessage {
    RejectedMessage {
        index: *index as u64,
        field: fault.field.clone(),
        reason: fault.reason.clone(),
    }
}

/// What was admitted, from its bytes.
///
/// # Errors
/// When they are none, or of a later version that says more of a measurement.
pub fn admitted_from_bytes(bytes: &[u8]) -> Result<Vec<SavedBatch>, Damaged> {
    let damaged = |why: String| Damaged {
        what: "measurements",
        why,
    };
    let message = GroupMessage::decode(bytes).map_err(|error| damaged(error.to_string()))?;
    let keys = message.keys.iter().map(|text| SeriesKey::from_text(text));
    let keys: Option<Vec<SeriesKey>> = keys.collect();
    let keys = keys.ok_or_else(|| damaged("a series has no name".to_owned()))?;
    let batches = message.batches.into_iter();
    let batches = batches.map(|batch| read_batch(batch, &keys, &message.scores));
    let batches: Option<Vec<SavedBatch>> = batches.collect();
    batches.ok_or_else(|| damaged("fields are missing or not known".to_owned()))
}

fn read_batch(message: BatchMessage, keys: &[SeriesKey], scores: &[String]) -> Option<SavedBatch> {
    let key = |number: u32| keys.get(usize::try_from(number).ok()?).cloned();
    let mut numbers = message.numbers.into_iter();
    let mut wholes = message.wholes.into_iter();
    let mut texts = message.texts.into_iter();
    let mut values = message.score.into_iter().zip(message.score_value);
    let mut shared = message.shared.into_iter();
    if message.at.len() != message.key.len() || message.flags.len() != message.key.len() {
        return None;
    }
    let mut at = 0i64;
    let mut taken = Vec::with_capacity(message.key.len());
    let rows = message.key.into_iter().zip(message.at).zip(message.flags);
    for ((own, distance), flags) in rows {
        if flags & !KNOWN != 0 {
            return None;
        }
        at = at.wrapping_add(distance);
        let has = |bit: u32| flags & (1 << bit) != 0;
        // A field that is to be there and is not ends the reading: what follows would be shifted.
        macro_rules! field {
            ($bit:expr, $from:expr) => {
                if has($bit) { Some($from.next()?) } else { None }
            };
        }
        let own = key(own)?;
        let series = match shared.next().unwrap_or(0) {
            0 => own.clone(),
            number => key(number - 1)?,
        };
        let mut measurement = Measurement {
            key: own,
            at: Some(Timestamp::from_millis(at)),
            is_operation: flags & OPERATION != 0,
            outcome: if flags & FAILURE == 0 {
                Outcome::Success
            } else {
                Outcome::Failure
            },
            duration_seconds: field!(FIRST_NUMBER, numbers),
            setup_seconds: field!(FIRST_NUMBER + 1, numbers),
            cleanup_seconds: field!(FIRST_NUMBER + 2, numbers),
            cpu_cores: field!(FIRST_NUMBER + 3, numbers),
            memory_bytes: field!(FIRST_NUMBER + 4, numbers),
            memory_peak_bytes: field!(FIRST_NUMBER + 5, numbers),
            samples: field!(FIRST_WHOLE, wholes),
            dataset_size: field!(FIRST_WHOLE + 1, wholes),
            quality_samples: field!(FIRST_WHOLE + 2, wholes),
            id: field!(FIRST_TEXT, texts).map(Into::into),
            trace_id: field!(FIRST_TEXT + 1, texts).map(Into::into),
            error_class: field!(FIRST_TEXT + 2, texts).map(Into::into),
            quality: Vec::new(),
        };
        if flags & SCORES != 0 {
            for _ in 0..wholes.next()? {
                let (name, value) = values.next()?;
                let name = scores.get(usize::try_from(name).ok()?)?;
                measurement.quality.push((name.as_str().into(), value));
            }
        }
        taken.push(SavedMeasurement {
            measurement,
            series,
            at: Timestamp::from_millis(at),
            late: flags & LATE != 0,
        });
    }
    Some(SavedBatch {
        answered: message.answered.map(AnswerMessage::read),
        taken,
    })
}

impl AnswerMessage {
    pub(super) fn of(client: &str, sequence: u64, answer: &Answer) -> Self {
        Self {
            client: client.to_owned(),
            sequence,
            accepted: answer.accepted,
            duplicates: answer.duplicates,
            rejected: answer.rejected.iter().map(rejected_message).collect(),
        }
    }

    pub(super) fn read(self) -> (Origin, Answer) {
        let rejected = self.rejected.into_iter().map(|rejected| {
            let fault = FieldFault::new(rejected.field, rejected.reason);
            (usize::try_from(rejected.index).unwrap_or(usize::MAX), fault)
        });
        let answer = Answer {
            accepted: self.accepted,
            duplicates: self.duplicates,
            rejected: rejected.collect(),
        };
        let origin = Origin {
            client: self.client,
            sequence: self.sequence,
        };
        (origin, answer)
    }
}

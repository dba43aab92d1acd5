//! What has been taken in and waits to be committed.

use std::sync::Arc;

use super::SeriesId;
use crate::engine::admission::{Answer, Origin};
use crate::engine::measurement::Measurement;
use crate::engine::series::{FieldFault, SeriesKey};
use crate::engine::time::Timestamp;

/// Measurements that have been taken, each with its place. They stay where their request was read to: there are many,
/// and they are large.
#[derive(Debug, Default)]
pub struct Admitted {
    batches: Vec<Batch>,
}

/// The records of one request, bad ones among them, and the places of those that were taken.
#[derive(Debug, Default)]
pub(in crate::engine) struct Batch {
    pub(in crate::engine) records: Vec<Result<Measurement, FieldFault>>,
    pub(in crate::engine) places: Vec<Place>,
    /// Whose batch it is and how it was answered, where it may come again.
    pub(in crate::engine) answered: Option<(Origin, Arc<Answer>)>,
}

/// Where one record of a batch goes.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Place {
    /// Which record of the batch.
    pub(in crate::engine) record: usize,
    /// Its series.
    pub(in crate::engine) series: SeriesId,
    /// When it ended.
    pub(in crate::engine) at: Timestamp,
    /// Whether that is so long ago that it is no recent run.
    pub(in crate::engine) late: bool,
    /// The series, where it is another than the measurement names.
    pub(in crate::engine) overflow: Option<SeriesKey>,
}

/// One measurement that has been taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken<'a> {
    pub(super) measurement: &'a Measurement,
    pub(super) at: Timestamp,
}

impl Admitted {
    /// Those of a batch that have got a place.
    pub(in crate::engine) fn new(batch: Batch) -> Self {
        Self {
            batches: vec![batch],
        }
    }

    /// The requests, in their order.
    pub(in crate::engine) fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// Adds others after these.
    pub fn append(&mut self, mut others: Self) {
        self.batches.append(&mut others.batches);
    }

    /// Number of measurements.
    pub fn len(&self) -> usize {
        self.batches.iter().map(|batch| batch.places.len()).sum()
    }

    /// Whether nothing of it has to be kept: neither a measurement nor an answer.
    pub fn leaves_no_trace(&self) -> bool {
        self.is_empty() && self.batches.iter().all(|batch| batch.answered.is_none())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.batches.iter().all(|batch| batch.places.is_empty())
    }

    /// All of them by series, each series with its late ones apart; within, in the order in which they came.
    pub(super) fn by_series(&self) -> BySeries<'_> {
        let len = self.len();
        let (mut order, mut places) = (Vec::with_capacity(len), Vec::with_capacity(len));
        for batch in &self.batches {
            for place in &batch.places {
                order.push(Order::of(place, places.len()));
                places.push((batch, place));
            }
        }
        order.sort_unstable();
        BySeries { order, places }
    }
}

/// Where a measurement stands: its series, whether it is late, and its number; in one, because that sorts fastest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order(u64);

impl Order {
    /// Far more numbers than there is memory for measurements.
    const NUMBER_BITS: u32 = 31;
    const NUMBER: u64 = (1 << Self::NUMBER_BITS) - 1;

    fn of(place: &Place, number: usize) -> Self {
        let (series, late) = (u64::from(place.series.0), u64::from(place.late));
        let number = number as u64 & Self::NUMBER;
        Self(series << 32 | late << Self::NUMBER_BITS | number)
    }

    /// The same for all of one series that are late, or are not.
    fn group(self) -> u64 {
        self.0 >> Self::NUMBER_BITS
    }

    fn number(self) -> usize {
        usize::try_from(self.0 & Self::NUMBER).unwrap_or(usize::MAX)
    }
}

/// Admitted measurements, sorted.
pub(super) struct BySeries<'a> {
    order: Vec<Order>,
    places: Vec<(&'a Batch, &'a Place)>,
}

impl<'a> BySeries<'a> {
    /// The measurements of one series after those of another; whether they are late, and how many.
    pub(super) fn groups(
        &self,
    ) -> impl Iterator<Item = (SeriesId, bool, impl Iterator<Item = Taken<'a>> + Clone)> {
        let groups = self.order.chunk_by(|a, b| a.group() == b.group());
        groups.filter_map(|group| {
            let (_, first) = self.places.get(group.first()?.number())?;
            let taken = group.iter().filter_map(|order| self.get(*order));
            Some((first.series, first.late, taken))
        })
    }

    fn get(&self, order: Order) -> Option<Taken<'a>> {
        let (batch, place) = self.places.get(order.number())?;
        let record = batch.records.get(place.record)?;
        Some(Taken {
            measurement: record.as_ref().ok()?,
            at: place.at,
        })
    }
}

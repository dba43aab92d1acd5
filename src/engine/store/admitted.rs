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
        let mut order = Vec::with_capacity(self.len());
        for (number, batch) in (0u32..).zip(&self.batches) {
            let places = (0u32..).zip(&batch.places);
            order.extend(places.map(|(place, taken)| Order {
                series: taken.series,
                late: taken.late,
                batch: number,
                place,
            }));
        }
        order.sort_unstable();
        BySeries {
            admitted: self,
            order,
        }
    }

    fn get(&self, order: &Order) -> Option<Taken<'_>> {
        let batch = self.batches.get(order.batch as usize)?;
        let place = batch.places.get(order.place as usize)?;
        let record = batch.records.get(place.record)?;
        Some(Taken {
            measurement: record.as_ref().ok()?,
            at: place.at,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    series: SeriesId,
    late: bool,
    batch: u32,
    place: u32,
}

/// Admitted measurements, sorted.
pub(super) struct BySeries<'a> {
    admitted: &'a Admitted,
    order: Vec<Order>,
}

impl<'a> BySeries<'a> {
    /// The measurements of one series after those of another; whether they are late, and how many.
    pub(super) fn groups(
        &self,
    ) -> impl Iterator<Item = (SeriesId, bool, impl Iterator<Item = Taken<'a>> + Clone)> {
        let groups = self
            .order
            .chunk_by(|a, b| (a.series, a.late) == (b.series, b.late));
        groups.filter_map(|group| {
            let first = group.first()?;
            let taken = group.iter().filter_map(|order| self.admitted.get(order));
            Some((first.series, first.late, taken))
        })
    }
}

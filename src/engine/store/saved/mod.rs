//! A series as bytes: everything of it, exactly, so that it goes on as if there had been no end of the process.

mod tiers;
mod totals;

use std::sync::Arc;
use std::time::Duration;

use prost::Message;

use super::buckets::{Buckets, steps};
use super::series::Series;
use super::{Admitted, AdmittedBatch, Place, SeriesId, Store};
use crate::engine::measurement::Measurement;
use crate::engine::metric::Column;
use crate::engine::saved::{Damaged, Unsaved, admitted_from_bytes, admitted_to_bytes};
use crate::engine::series::SeriesKey;
use crate::engine::time::{Now, Timestamp, nanos};
use tiers::{pack_tier, unpack_tier};
use totals::{TotalsMessage, read_totals, totals_message};

/// A series to be saved in the place of what is saved of it; nothing where it is gone.
#[derive(Clone, Debug)]
pub struct SavedSeries {
    /// The text of its key.
    pub key: String,
    /// The series.
    pub body: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct SeriesMessage {
    #[prost(message, optional, tag = "1")]
    totals: Option<TotalsMessage>,
    /// Readings of clocks in nanoseconds.
    #[prost(uint64, tag = "2")]
    touched: u64,
    #[prost(uint64, optional, tag = "3")]
    seen: Option<u64>,
    /// Times of recent runs in milliseconds, each as the distance to the one before.
    #[prost(sint64, repeated, tag = "4")]
    times: Vec<i64>,
    #[prost(message, repeated, tag = "5")]
    columns: Vec<ColumnMessage>,
    /// The latest measurement, as a group in the log has its measurements.
    #[prost(bytes = "vec", tag = "6")]
    last: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ColumnMessage {
    /// Number of a fixed column plus 1; 0 for a score.
    #[prost(uint32, tag = "1")]
    fixed: u32,
    #[prost(string, tag = "2")]
    score: String,
    /// A value for each recent run, NaN where there is none; empty where no recent run has one.
    #[prost(double, repeated, tag = "3")]
    recent: Vec<f64>,
    #[prost(uint64, tag = "4")]
    arrivals: u64,
    /// The buckets of each tier, packed.
    #[prost(bytes = "vec", repeated, tag = "5")]
    tiers: Vec<Vec<u8>>,
}

/// Columns by the number under which they are saved; to be added to at the end only.
const COLUMNS: [Column; 10] = [
    Column::Outcome,
    Column::Duration,
    Column::Setup,
    Column::Cleanup,
    Column::Cpu,
    Column::Memory,
    Column::MemoryPeak,
    Column::Samples,
    Column::Throughput,
    Column::ScoreSamples,
];

impl Store {
    /// The series that are to be saved again: those that have waited since before `before` on the steady clock or whose
    /// first unsaved group is at most `up_to`, those that have waited longest first, until `most_bytes` are passed; and
    /// all that have gone.
    pub fn take_unsaved(
        &mut self,
        before: Duration,
        up_to: u64,
        most_bytes: usize,
    ) -> Vec<SavedSeries> {
        let mut saved = Vec::new();
        for key in std::mem::take(&mut self.gone) {
            let key_text = key.as_text().to_owned();
            // One that has come again meanwhile: that it has gone must not stand for what came since.
            let again = self
                .index
                .get(&key)
                .and_then(|id| self.series.get_mut(id.0 as usize));
            let body = again.and_then(Option::as_mut).map(|series| {
                series.unsaved = None;
                series_message(series, &self.score_names).encode_to_vec()
            });
            saved.push(SavedSeries {
                key: key_text,
                body,
            });
        }
        let mut waiting: Vec<(u64, usize)> = (self.series.iter().enumerate())
            .filter_map(|(place, series)| {
                let unsaved = series.as_ref()?.unsaved?;
                let due = unsaved.since <= before || unsaved.sequence <= up_to;
                due.then_some((unsaved.sequence, place))
            })
            .collect();
        waiting.sort_unstable();
        let mut bytes = 0;
        for (_, place) in waiting {
            if bytes >= most_bytes {
                break;
            }
            if let Some(Some(series)) = self.series.get_mut(place) {
                series.unsaved = None;
                let body = series_message(series, &self.score_names).encode_to_vec();
                bytes += body.len();
                saved.push(SavedSeries {
                    key: series.key.as_text().to_owned(),
                    body: Some(body),
                });
            }
        }
        saved
    }

    /// Has the store note which series go, for those who save it.
    pub fn begin_saving(&mut self) {
        self.is_saved = true;
    }

    /// The first group of measurements that the saved form of any series lacks.
    pub fn first_unsaved(&self) -> Option<u64> {
        let series = self.series.iter().flatten();
        series
            .filter_map(|series| Some(series.unsaved?.sequence))
            .min()
    }

    /// Has every series saved again, as if the group `first` had been the first that its saved form lacks.
    pub fn forget_saved(&mut self, first: u64) {
        for series in self.series.iter_mut().flatten() {
            series.unsaved = Some(Unsaved {
                sequence: first,
                since: Duration::ZERO,
            });
        }
    }

    /// Whether any series still waits since then.
    pub fn has_forgotten(&self) -> bool {
        let unsaved = self
            .series
            .iter()
            .flatten()
            .filter_map(|series| series.unsaved);
        unsaved.into_iter().any(|unsaved| unsaved.since.is_zero())
    }

    /// Forgets which series have gone.
    pub fn forget_gone(&mut self) {
        self.gone.clear();
    }

    /// Removes a series that was restored and of which it turns out that it had gone.
    pub fn drop_restored(&mut self, key: &SeriesKey) {
        if let Some(id) = self.index.get(key).copied() {
            self.remove(id);
        }
    }

    /// Takes a series from its bytes; one of that key that is there goes.
    ///
    /// # Errors
    /// When they are not those of a series.
    pub fn restore(&mut self, key: &str, body: &[u8], now: Now) -> Result<(), Damaged> {
        let damaged = |why: &str| Damaged {
            what: "series",
            why: why.to_owned(),
        };
        let key = SeriesKey::from_text(key).ok_or_else(|| damaged("its name is none"))?;
        let message = SeriesMessage::decode(body).map_err(|error| damaged(&error.to_string()))?;
        let history = self.settings.max_history.max(self.needed_history);
        let mut series = Series::new(key.clone(), history, now);
        self.fill(&mut series, message)
            .ok_or_else(|| damaged("its parts do not fit together"))?;
        let id = match self.index.get(&key) {
            Some(id) => *id,
            None => self.create(key, now),
        };
        self.generation += 1;
        if let Some(slot) = self.series.get_mut(id.0 as usize) {
            *slot = Some(Box::new(series));
        }
        Ok(())
    }

    fn fill(&mut self, series: &mut Series, message: SeriesMessage) -> Option<()> {
        let operation = series.key.operation().to_owned();
        let mut totals = read_totals(
            message.totals.unwrap_or_default(),
            &operation,
            &self.settings.grids,
        );
        if !message.last.is_empty() {
            let batches = admitted_from_bytes(&message.last).ok()?.into_iter();
            let mut taken = batches.flat_map(|batch| batch.taken);
            totals.last = taken.next().map(|taken| Box::new(taken.measurement));
        }
        series.totals = Arc::new(totals);
        series.touched = Duration::from_nanos(message.touched);
        series.seen = message.seen.map(Duration::from_nanos);
        let mut at = 0i64;
        series.recent.times = (message.times.into_iter())
            .map(|distance| {
                at = at.wrapping_add(distance);
                Timestamp::from_millis(at)
            })
            .collect();
        for saved in message.columns {
            let column = match saved.fixed {
                0 => self.score_column_of(&saved.score)?,
                number => *COLUMNS.get(usize::try_from(number).ok()? - 1)?,
            };
            if !saved.recent.is_empty() {
                if saved.recent.len() != series.recent.times.len() {
                    return None;
                }
                series.recent.columns.push((column, saved.recent.into()));
            }
            let mut buckets = Buckets {
                arrivals: saved.arrivals,
                ..Buckets::default()
            };
            for ((tier, packed), step) in buckets.tiers.iter_mut().zip(&saved.tiers).zip(steps()) {
                *tier = unpack_tier(packed, step)?;
                buckets.held += tier.content_bytes();
            }
            if !saved.tiers.is_empty() {
                series.columns.push((column, buckets));
            }
        }
        series.recent.shrink(series.history);
        Some(())
    }

    fn score_column_of(&mut self, name: &str) -> Option<Column> {
        if super::score_column(&self.score_names, name).is_none() {
            if self.score_names.len() >= super::MAX_SCORE_NAMES {
                return None;
            }
            self.score_names.push(name.into());
        }
        super::score_column(&self.score_names, name)
    }
}

/// A measurement as the log would have it; the series does not matter, it is its own.
fn last_to_bytes(measurement: &Measurement, at: Timestamp) -> Vec<u8> {
    let place = Place {
        record: 0,
        series: SeriesId(0),
        at,
        late: false,
        overflow: None,
    };
    admitted_to_bytes(&Admitted::new(AdmittedBatch {
        records: vec![Ok(measurement.clone())],
        places: vec![place],
        answered: None,
    }))
}

fn series_message(series: &Series, score_names: &[Arc<str>]) -> SeriesMessage {
    let mut previous = 0;
    let distance = |at: &Timestamp| {
        let distance = at.millis().wrapping_sub(previous);
        previous = at.millis();
        distance
    };
    let mut columns: Vec<ColumnMessage> = Vec::new();
    let mut named: Vec<Column> = Vec::new();
    let buckets = series.columns.iter().map(|(column, _)| *column);
    let recent = series.recent.columns.iter().map(|(column, _)| *column);
    for column in buckets.chain(recent) {
        if named.contains(&column) {
            continue;
        }
        named.push(column);
        let (fixed, score) = match column {
            Column::Score(number) => {
                let name = score_names.get(usize::from(number));
                (0, name.map(ToString::to_string).unwrap_or_default())
            }
            fixed => {
                let place = COLUMNS.iter().position(|known| *known == fixed);
                let number = place.and_then(|place| u32::try_from(place + 1).ok());
                (number.unwrap_or(u32::MAX), String::new())
            }
        };
        let recent = series.recent.columns.iter().find(|(c, _)| *c == column);
        let buckets = series.columns.iter().find(|(c, _)| *c == column);
        columns.push(ColumnMessage {
            fixed,
            score,
            recent: recent.map_or_else(Vec::new, |(_, values)| values.iter().copied().collect()),
            arrivals: buckets.map_or(0, |(_, buckets)| buckets.arrivals),
            tiers: buckets.map_or_else(Vec::new, |(_, b)| b.tiers.iter().map(pack_tier).collect()),
        });
    }
    SeriesMessage {
        totals: Some(totals_message(&series.totals)),
        touched: nanos(series.touched),
        seen: series.seen.map(nanos),
        times: series.recent.times.iter().map(distance).collect(),
        columns,
        last: (series.totals.last.as_deref())
            .map_or_else(Vec::new, |last| last_to_bytes(last, series.totals.last_at)),
    }
}

//! One series: its last runs, its buckets and its totals.

use std::sync::Arc;
use std::time::Duration;

use super::admitted::Taken;
use super::buckets::{Buckets, Frontiers};
use super::chunk::{Chunk, Rows};
use super::recent::Recent;
use super::{Grids, Totals};
use crate::engine::metric::Column;
use crate::engine::saved::Unsaved;
use crate::engine::series::SeriesKey;
use crate::engine::time::{Now, Timestamp};

/// One series.
#[derive(Debug)]
pub struct Series {
    /// Whose it is.
    pub key: SeriesKey,
    /// What the exposition shows; shared with the snapshots that readers hold.
    pub totals: Arc<Totals>,
    /// How often anything of it has changed that a window may hold.
    pub(super) changes: u64,
    pub(super) recent: Recent,
    pub(super) columns: Vec<(Column, Buckets)>,
    /// Rows that `recent` may hold; lower than the setting once memory was short.
    pub(super) history: usize,
    /// Admitted measurements that have not been applied yet.
    pub(super) in_flight: u32,
    /// When the last measurement was applied, on the steady clock.
    pub(super) touched: Duration,
    /// When its last operation ended, on the clock of judging.
    pub(super) seen: Option<Duration>,
    /// The first group of measurements that its saved form lacks, and when it came.
    pub(super) unsaved: Option<Unsaved>,
}

impl Series {
    pub(super) fn new(key: SeriesKey, history: usize, now: Now) -> Self {
        Self {
            key,
            totals: Arc::new(Totals {
                created: now.wall,
                ..Totals::default()
            }),
            changes: 0,
            recent: Recent::default(),
            columns: Vec::new(),
            history,
            in_flight: 0,
            touched: now.steady,
            seen: None,
            unsaved: None,
        }
    }

    /// Adds rows to its buckets and histograms, a column at a time; `chunk` is kept for its capacity.
    pub(super) fn add(
        &mut self,
        rows: &Rows,
        chunk: &mut Chunk,
        frontiers: &Frontiers,
        grids: &Grids,
    ) {
        let totals = Arc::make_mut(&mut self.totals);
        for (column, values) in rows.columns() {
            chunk.fill(column, values, rows);
            totals.observe(column, chunk, self.key.operation(), grids);
            buckets_of(&mut self.columns, column).add(column, chunk, frontiers);
        }
    }

    /// Notes that measurements which were on their way have come.
    pub(super) fn touch(&mut self, measurements: usize, now: Now, sequence: u64) {
        let measurements = u32::try_from(measurements).unwrap_or(u32::MAX);
        self.in_flight = self.in_flight.saturating_sub(measurements);
        self.touched = now.steady;
        self.changes += 1;
        self.unsaved.get_or_insert(Unsaved {
            sequence,
            since: now.steady,
        });
    }

    /// Counts in its totals what is in no column, and notes when an operation was last seen.
    pub(super) fn count<'m>(
        &mut self,
        taken: impl Iterator<Item = Taken<'m>>,
        now: Timestamp,
        judged: Duration,
        grids: &Grids,
    ) {
        let totals = Arc::make_mut(&mut self.totals);
        let mut last = None;
        for Taken { measurement, at } in taken {
            if totals.record(measurement, at, now, grids) {
                last = Some(measurement);
            }
            if measurement.is_operation {
                let ended = judged.saturating_sub(now.since(at));
                self.seen = self.seen.max(Some(ended));
            }
        }
        if let Some(last) = last {
            match &mut totals.last {
                Some(before) => (**before).clone_from(last),
                None => totals.last = Some(Box::new(last.clone())),
            }
        }
    }

    /// Whether it has had no measurement for longer than `ttl`.
    pub fn is_idle(&self, ttl: Duration, now: Now) -> bool {
        now.steady.saturating_sub(self.touched) > ttl
    }

    /// Columns that hold values.
    pub fn columns(&self) -> impl Iterator<Item = Column> {
        self.columns.iter().map(|(column, _)| *column)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>()
            + self.key.heap_bytes()
            + self.totals.heap_bytes()
            + self.recent.heap_bytes()
            + self
                .columns
                .iter()
                .map(|(_, b)| size_of::<(Column, Buckets)>() + b.heap_bytes())
                .sum::<usize>()
    }
}

fn buckets_of(columns: &mut Vec<(Column, Buckets)>, column: Column) -> &mut Buckets {
    let place = match columns.iter().position(|(c, _)| *c == column) {
        Some(place) => place,
        None => {
            columns.push((column, Buckets::default()));
            columns.len() - 1
        }
    };
    #[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
    &mut columns[place].1
}

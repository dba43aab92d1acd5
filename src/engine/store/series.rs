//! One series: its last runs, its buckets and its totals.

use std::sync::Arc;
use std::time::Duration;

use super::Totals;
use super::buckets::Buckets;
use super::recent::Recent;
use crate::engine::metric::Column;
use crate::engine::series::SeriesKey;
use crate::engine::time::Now;

/// One series.
#[derive(Debug)]
pub struct Series {
    /// Whose it is.
    pub key: SeriesKey,
    /// What the exposition shows; shared with the snapshots that readers hold.
    pub totals: Arc<Totals>,
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
}

impl Series {
    pub(super) fn new(key: SeriesKey, history: usize, now: Now) -> Self {
        Self {
            key,
            totals: Arc::new(Totals {
                created: now.wall,
                ..Totals::default()
            }),
            recent: Recent::default(),
            columns: Vec::new(),
            history,
            in_flight: 0,
            touched: now.steady,
            seen: None,
        }
    }

    pub(super) fn buckets(&mut self, column: Column) -> &mut Buckets {
        let place = match self.columns.iter().position(|(c, _)| *c == column) {
            Some(place) => place,
            None => {
                self.columns.push((column, Buckets::default()));
                self.columns.len() - 1
            }
        };
        #[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
        &mut self.columns[place].1
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
            + self.key.heap_bytes() * 2
            + self.totals.heap_bytes()
            + self.recent.heap_bytes()
            + self
                .columns
                .iter()
                .map(|(_, b)| size_of::<(Column, Buckets)>() + b.heap_bytes())
                .sum::<usize>()
    }
}

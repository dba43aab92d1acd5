//! Everything measured, bounded: per series the last runs, buckets by time, and totals.

mod admitted;
mod buckets;
mod chunk;
mod closed;
mod histogram;
mod packed;
mod placement;
mod points;
mod pressure;
mod recent;
mod runs;
mod saved;
mod series;
mod summary;
mod tier;
mod totals;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::clocks::Hold;
use super::measurement::{Measurement, Outcome};
use super::metric::{Column, Metric};
use super::series::SeriesKey;
use super::time::{Now, Timestamp};
use super::window::{Reach, Window};
pub use admitted::Admitted;
pub(super) use admitted::{Batch as AdmittedBatch, Place};
pub use buckets::Frontiers;
use buckets::effective_start;
pub use buckets::{kept_in, step_at};
use chunk::Scratch;
pub use histogram::{Exemplar, Grid, Grids, Histogram};
pub use placement::Overflow;
pub use points::{Cut, Point, Points};
pub use saved::SavedSeries;
pub use series::Series;
pub use totals::{Score, Totals};

/// Most different score names kept over all series.
const MAX_SCORE_NAMES: usize = 1_000;
/// Between two looks at the memory held, at most this many measurements are taken.
const SWEEP_EVERY: usize = 4_096;

/// The bounds of the store.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Bytes that everything kept may take.
    pub max_memory: usize,
    /// Whole measurements kept per series.
    pub max_history: usize,
    /// Series kept apart; further ones share overflow series.
    pub max_series: usize,
    /// A series without measurements for this long leaves the exposition.
    pub series_ttl: Duration,
    /// Nothing older is kept.
    pub retention: Duration,
    /// Bucket bounds of the classic histograms.
    pub grids: Grids,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            max_memory: 96 << 20,
            max_history: 1_000,
            max_series: 2_000,
            series_ttl: Duration::from_secs(3_600),
            retention: Duration::from_secs(30 * 24 * 3_600),
            grids: Grids::default(),
        }
    }
}

/// Number of a series; reused only after the series is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(u32);

/// What the store has had to give up; each a counter of the exposition.
#[derive(Clone, Copy, Debug, Default)]
pub struct Losses {
    /// Score values not kept because there were too many score names.
    pub scores: u64,
    /// Rows of run windows given up for the memory cap.
    pub history_rows: u64,
    /// Buckets of coarse tiers given up for the memory cap.
    pub buckets: u64,
    /// Idle series removed to make room for new ones.
    pub evicted_series: u64,
}

/// The store of all series.
#[derive(Debug)]
pub struct Store {
    settings: StoreSettings,
    series: Vec<Option<Box<Series>>>,
    index: HashMap<SeriesKey, SeriesId, RandomState>,
    free: Vec<SeriesId>,
    /// The series of each operation, so that a rule about one does not look at all.
    operations: HashMap<Box<str>, Vec<SeriesId>, RandomState>,
    score_names: Vec<Arc<str>>,
    frontiers: Frontiers,
    /// The frontiers have moved, but nothing has been rolled up to them yet.
    is_behind: bool,
    /// What the clock that retention goes by makes of jumps.
    pub(super) hold: Hold,
    overflow_series: usize,
    /// Until then, on the steady clock, no series can have become idle that could make room.
    crowded_until: Duration,
    /// Rows the longest run window of any rule needs; memory pressure never goes below it.
    needed_history: usize,
    generation: u64,
    since_sweep: usize,
    heap_bytes: usize,
    scratch: Box<Scratch>,
    /// Series that have gone and whose saved form is to go as well.
    gone: Vec<SeriesKey>,
    is_saved: bool,
    /// What was given up.
    pub losses: Losses,
}

impl Store {
    /// An empty store.
    pub fn new(settings: StoreSettings) -> Self {
        Self {
            settings,
            series: Vec::new(),
            index: HashMap::default(),
            free: Vec::new(),
            operations: HashMap::default(),
            score_names: Vec::new(),
            frontiers: Frontiers::default(),
            is_behind: false,
            hold: Hold::default(),
            overflow_series: 0,
            crowded_until: Duration::ZERO,
            needed_history: 0,
            generation: 0,
            since_sweep: 0,
            heap_bytes: 0,
            scratch: Box::default(),
            gone: Vec::new(),
            is_saved: false,
            losses: Losses::default(),
        }
    }

    /// The bounds it keeps to.
    pub fn settings(&self) -> &StoreSettings {
        &self.settings
    }

    /// Takes new bounds; they hold from now on.
    pub fn set_settings(&mut self, settings: StoreSettings) {
        for series in self.series.iter_mut().flatten() {
            series.history = settings.max_history.max(self.needed_history);
        }
        self.settings = settings;
        self.crowded_until = Duration::ZERO;
    }

    /// Keeps at least `rows` measurements per series, for the longest run window of the rules.
    pub fn need_history(&mut self, rows: usize) {
        self.needed_history = rows;
        for series in self.series.iter_mut().flatten() {
            series.history = series.history.max(rows);
        }
    }

    /// Changes whenever a series appears or goes, so that selections can be kept until then.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// All series with their numbers.
    pub fn series(&self) -> impl Iterator<Item = (SeriesId, &Series)> {
        (0u32..)
            .zip(&self.series)
            .filter_map(|(id, slot)| Some((SeriesId(id), slot.as_deref()?)))
    }

    /// One series.
    pub fn get(&self, id: SeriesId) -> Option<&Series> {
        self.series.get(id.0 as usize)?.as_deref()
    }

    fn get_mut(&mut self, id: SeriesId) -> Option<&mut Series> {
        self.series.get_mut(id.0 as usize)?.as_deref_mut()
    }

    /// Number of series held.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether no series is held.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Heap bytes of all series, as of the last sweep.
    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// Whether a value of that time is still within retention.
    pub fn keeps(&self, at: Timestamp) -> bool {
        self.frontiers.keeps(at)
    }

    /// Takes admitted measurements, in their order. A late one (over an hour old) counts in totals and buckets but is
    /// no recent run. `seen` places its end on the clock of judging, `sequence` is the number of this group of
    /// measurements.
    pub fn record(
        &mut self,
        admitted: &Admitted,
        now: Now,
        seen: &dyn Fn(Timestamp) -> Duration,
        sequence: u64,
    ) {
        // By series, so that what is kept of one is gone through once, however many come together.
        let Scratch { rows, chunk } = &mut *self.scratch;
        for (id, late, taken) in admitted.by_series().groups() {
            let names = &self.score_names;
            rows.fill(taken.clone(), |name| score_column(names, name));
            let Some(Some(series)) = self.series.get_mut(id.0 as usize) else {
                continue;
            };
            series.touch(rows.times.len(), now, sequence);
            let grids = &self.settings.grids;
            series.add(rows, chunk, &self.frontiers, grids);
            if !late {
                series.recent.extend(rows, series.history);
            }
            series.count(taken, now.wall, seen, grids);
        }
        self.since_sweep += admitted.len();
        if self.since_sweep >= SWEEP_EVERY {
            self.bound_memory();
        }
    }

    /// Drops the scores of a measurement for whose names there is no room, and counts them.
    pub(super) fn keep_known_scores(&mut self, m: &mut Measurement) {
        if m.outcome == Outcome::Failure {
            return;
        }
        m.quality.retain(|(name, _)| {
            let known = score_column(&self.score_names, name).is_some();
            let has_room = self.score_names.len() < MAX_SCORE_NAMES;
            match (known, has_room) {
                (true, _) => {}
                (false, true) => self.score_names.push(name.as_ref().into()),
                (false, false) => self.losses.scores += 1,
            }
            known || has_room
        });
    }

    /// How often anything of these series has changed that a window may hold. While it is the same, and until
    /// [`Window::until`], a window of them has the same content.
    pub fn changes(&self, ids: &[SeriesId]) -> u64 {
        let series = ids.iter().filter_map(|id| self.get(*id));
        series.map(|series| series.changes).sum()
    }

    /// All series of an operation.
    pub fn series_of(&self, operation: &str) -> impl Iterator<Item = (SeriesId, &Series)> {
        let ids = self.operations.get(operation).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.get(*id)?)))
    }

    /// The column that holds a metric's values; `None` for a score that never came.
    pub fn column(&self, metric: &Metric) -> Option<Column> {
        Some(match metric {
            Metric::Duration => Column::Duration,
            Metric::Setup => Column::Setup,
            Metric::Cleanup => Column::Cleanup,
            Metric::Cpu | Metric::CpuRatio => Column::Cpu,
            Metric::Memory => Column::Memory,
            Metric::MemoryPeak => Column::MemoryPeak,
            Metric::Samples => Column::Samples,
            Metric::Throughput => Column::Throughput,
            Metric::Rate | Metric::Errors | Metric::ErrorRatio => Column::Outcome,
            Metric::Score(name) => score_column(&self.score_names, name)?,
        })
    }

    /// When an operation of any of these series last ended, on the clock of judging.
    pub fn last_seen(&self, ids: &[SeriesId]) -> Option<Duration> {
        ids.iter().filter_map(|id| self.get(*id)?.seen).max()
    }

    /// Names of all scores that ever came.
    pub fn score_names(&self) -> &[Arc<str>] {
        &self.score_names
    }

    /// The values of `column` over several series, merged, as far back from `now` as `reach` says.
    /// Quantiles are gathered only where `with_quantiles` asks for them.
    pub fn window(
        &self,
        ids: &[SeriesId],
        column: Column,
        reach: Reach,
        with_quantiles: bool,
        now: Timestamp,
    ) -> Window {
        let series = ids.iter().filter_map(|id| self.get(*id));
        match reach {
            Reach::Time(span) => self.time_window(series, column, span, with_quantiles, now),
            Reach::Runs(runs) => runs::window(series, column, runs as usize, now),
            Reach::AtLeast(span, runs) => {
                let window = self.time_window(series.clone(), column, span, with_quantiles, now);
                if window.count() < u64::from(runs) {
                    runs::window(series, column, runs as usize, now)
                } else {
                    window
                }
            }
        }
    }

    fn time_window<'a>(
        &self,
        series: impl Iterator<Item = &'a Series>,
        column: Column,
        span: Duration,
        with_quantiles: bool,
        now: Timestamp,
    ) -> Window {
        let start = now.before(span);
        let mut window = Window {
            covered: now.since(effective_start(start, &self.frontiers)),
            ..Window::default()
        };
        for series in series {
            if let Some((_, buckets)) = series.columns.iter().find(|(c, _)| *c == column) {
                window.arrivals += buckets.arrivals();
                buckets.gather(start, now, &mut window, with_quantiles);
            }
        }
        window
    }

    /// Whether the cap on memory is passed even after everything that may go has gone.
    pub fn is_full(&self) -> bool {
        self.heap_bytes > self.settings.max_memory
    }
}

/// The column of a score, by its place among the names.
fn score_column(names: &[Arc<str>], name: &str) -> Option<Column> {
    let number = names.iter().position(|known| **known == *name)?;
    u16::try_from(number).ok().map(Column::Score)
}

#[cfg(test)]
mod tests;

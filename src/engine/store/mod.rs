//! Everything measured, bounded: per series the last runs, buckets by time, and totals.

mod buckets;
mod placement;
mod pressure;
mod recent;
mod series;
mod summary;
mod totals;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::distribution::Distribution;
use super::measurement::{Measurement, Outcome, count};
use super::metric::{Column, Metric};
use super::sample::Sample;
use super::series::SeriesKey;
use super::stats::Moments;
use super::time::{Now, Timestamp};
use super::window::{Reach, Window};
pub use buckets::Frontiers;
use buckets::effective_start;
pub use placement::Overflow;
pub use series::Series;
pub use totals::{Grid, Grids, Histogram, Score, Totals};

/// Most different score names kept over all series.
const MAX_SCORE_NAMES: usize = 1_000;
/// Between two looks at the memory held, at most this many measurements are taken.
const SWEEP_EVERY: u64 = 4_096;

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
    index: HashMap<SeriesKey, SeriesId>,
    free: Vec<SeriesId>,
    /// How many series each operation has.
    operations: HashMap<Box<str>, usize>,
    score_names: Vec<Arc<str>>,
    frontiers: Frontiers,
    overflow_series: usize,
    /// Until then, on the steady clock, no series can have become idle that could make room.
    crowded_until: Duration,
    /// Rows the longest run window of any rule needs; memory pressure never goes below it.
    needed_history: usize,
    generation: u64,
    since_sweep: u64,
    heap_bytes: usize,
    /// What was given up.
    pub losses: Losses,
}

impl Store {
    /// An empty store.
    pub fn new(settings: StoreSettings) -> Self {
        Self {
            settings,
            series: Vec::new(),
            index: HashMap::new(),
            free: Vec::new(),
            operations: HashMap::new(),
            score_names: Vec::new(),
            frontiers: Frontiers::default(),
            overflow_series: 0,
            crowded_until: Duration::ZERO,
            needed_history: 0,
            generation: 0,
            since_sweep: 0,
            heap_bytes: 0,
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

    /// Takes an admitted measurement that ended `at` into series `id`. A `late` one (over an hour old)
    /// counts in totals and buckets but is no recent run.
    pub fn record(
        &mut self,
        id: SeriesId,
        mut m: Measurement,
        at: Timestamp,
        late: bool,
        now: Now,
    ) {
        let mut row: Vec<(Column, f64)> = Vec::with_capacity(8 + m.quality.len());
        self.columns_of(&mut m, &mut row);
        let frontiers = self.frontiers;
        let Some(series) = self
            .series
            .get_mut(id.0 as usize)
            .and_then(Option::as_deref_mut)
        else {
            return;
        };
        series.in_flight = series.in_flight.saturating_sub(1);
        series.touched = now.steady;
        let weight_of = |column: Column| {
            let wanted = column.weights()?;
            row.iter()
                .find_map(|(c, value)| (*c == wanted).then_some(*value))
        };
        for (column, value) in &row {
            let reading = Sample {
                at,
                value: *value,
                weight: weight_of(*column).unwrap_or(1.0),
            };
            series.buckets(*column).add(*column, reading, &frontiers);
        }
        if !late {
            series.recent.push(at, &row, series.history);
        }
        Arc::make_mut(&mut series.totals).record(m, at, now.wall, &self.settings.grids);
        self.since_sweep += 1;
        if self.since_sweep >= SWEEP_EVERY {
            self.bound_memory();
        }
    }

    /// The values of a measurement by column; scores that have none leave the measurement.
    fn columns_of(&mut self, m: &mut Measurement, row: &mut Vec<(Column, f64)>) {
        let failed = m.outcome == Outcome::Failure;
        let succeeded = |value: Option<f64>| value.filter(|_| !failed);
        row.extend(
            [
                (
                    Column::Outcome,
                    m.is_operation.then_some(f64::from(u8::from(failed))),
                ),
                (Column::Duration, succeeded(m.duration_seconds)),
                (Column::Setup, succeeded(m.setup_seconds)),
                (Column::Cleanup, succeeded(m.cleanup_seconds)),
                (Column::Cpu, m.cpu_cores),
                (Column::Memory, m.memory_bytes),
                (Column::MemoryPeak, m.memory_peak_bytes),
                (Column::Samples, m.samples.map(count)),
                (Column::Throughput, succeeded(m.throughput())),
            ]
            .into_iter()
            .filter_map(|(column, value)| Some((column, value?))),
        );
        if failed || m.quality.is_empty() {
            return;
        }
        if let Some(samples) = m.quality_samples {
            row.push((Column::ScoreSamples, count(samples)));
        }
        m.quality.retain(|(name, value)| {
            let column = self.score_column(name);
            match column {
                Some(column) => row.push((column, *value)),
                None => self.losses.scores += 1,
            }
            column.is_some()
        });
    }

    fn score_column(&mut self, name: &str) -> Option<Column> {
        let number = match self.score_names.iter().position(|n| **n == *name) {
            Some(number) => number,
            None if self.score_names.len() < MAX_SCORE_NAMES => {
                self.score_names.push(name.into());
                self.score_names.len() - 1
            }
            None => return None,
        };
        u16::try_from(number).ok().map(Column::Score)
    }

    /// The column that holds a metric's values; `None` for a score that never came.
    pub fn column(&self, metric: &Metric) -> Option<Column> {
        Some(match metric {
            Metric::Duration => Column::Duration,
            Metric::Setup => Column::Setup,
            Metric::Cleanup => Column::Cleanup,
            Metric::Cpu => Column::Cpu,
            Metric::Memory => Column::Memory,
            Metric::MemoryPeak => Column::MemoryPeak,
            Metric::Samples => Column::Samples,
            Metric::Throughput => Column::Throughput,
            Metric::Rate | Metric::Errors | Metric::ErrorRatio => Column::Outcome,
            Metric::Score(name) => {
                let number = self.score_names.iter().position(|n| n == name)?;
                Column::Score(u16::try_from(number).ok()?)
            }
        })
    }

    /// Notes that an operation of series `id` ended at `when` on the clock of judging.
    pub fn sight(&mut self, id: SeriesId, when: Duration) {
        if let Some(series) = self.get_mut(id) {
            series.seen = series.seen.max(Some(when));
        }
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
            Reach::Runs(runs) => run_window(series, column, runs as usize, now),
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
                let wanted = with_quantiles.then_some(&mut window.distribution);
                buckets.gather(start, now, &mut window.moments, &mut window.last, wanted);
            }
        }
        window
    }

    /// Whether the cap on memory is passed even after everything that may go has gone.
    pub fn is_full(&self) -> bool {
        self.heap_bytes > self.settings.max_memory
    }
}

/// The last `runs` values over several series, exact.
fn run_window<'a>(
    series: impl Iterator<Item = &'a Series>,
    column: Column,
    runs: usize,
    now: Timestamp,
) -> Window {
    let mut window = Window::default();
    let mut readings: Vec<Sample> = Vec::new();
    let mut merged = 0;
    for series in series {
        let buckets = series.columns.iter().find(|(c, _)| *c == column);
        window.arrivals += buckets.map_or(0, |(_, buckets)| buckets.arrivals());
        readings.extend(series.recent.latest_first(column).take(runs));
        merged += 1;
    }
    if merged > 1 {
        readings.sort_by_key(|reading| std::cmp::Reverse(reading.at));
        readings.truncate(runs);
    }
    let mut moments = Moments::default();
    let mut distribution = Distribution::default();
    // Oldest first, so that sums do not depend on how the series were merged.
    for reading in readings.iter().rev() {
        moments.add(reading.value, reading.weight);
        distribution.add(reading.value);
    }
    let oldest = readings.iter().map(|reading| reading.at).min();
    // The last of equal times, and records of one batch often share theirs, is the one that came last.
    window.last = readings.iter().rev().copied().max_by_key(|r| r.at);
    window.covered = oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
    window.moments = moments;
    window.distribution = distribution;
    window
}

#[cfg(test)]
mod tests;

//! The last values, whole and exact, whenever they came.

use std::time::Duration;

use super::buckets::step_at;
use super::series::Series;
use super::totals::AHEAD;
use super::{SeriesId, Store};
use crate::engine::distribution::Distribution;
use crate::engine::metric::Column;
use crate::engine::sample::Sample;
use crate::engine::stats::Moments;
use crate::engine::time::Timestamp;
use crate::engine::window::Window;

/// So many times what is wanted is gathered before it is cut, so that a thousand series take neither the memory nor the
/// time of a thousand histories.
const AHEAD_OF_CUT: usize = 4;

impl Store {
    /// The last `runs` values of `column` over several series, merged, oldest first: those of which a run window is made.
    /// Of equal times the one that came last stands last.
    pub fn recent_values(
        &self,
        ids: &[SeriesId],
        column: Column,
        runs: usize,
        now: Timestamp,
    ) -> Vec<Sample> {
        let series = ids.iter().filter_map(|id| self.get(*id));
        let (mut latest, _) = latest_first(series, column, runs, now);
        latest.reverse();
        latest.sort_by_key(|sample| rank(sample, now));
        latest
    }

    /// All values of `column` over several series, merged, that came in (start, end], oldest first and exact, where there are
    /// `most` at most and the last runs that are held reach back to all of them.
    pub fn values_between(
        &self,
        ids: &[SeriesId],
        column: Column,
        (start, end): (Timestamp, Timestamp),
        most: usize,
    ) -> Option<Vec<Sample>> {
        let step = step_at(end.since(start)) - Duration::from_millis(1);
        let mut values = Vec::new();
        let mut in_buckets = Window::default();
        for series in ids.iter().filter_map(|id| self.get(*id)) {
            let latest = series.recent.latest_first(column);
            values.extend(latest.filter(|value| start < value.at && value.at <= end));
            // Those of the buckets that lie whole between the two times: they hold all that ever came.
            if let Some((_, buckets)) = series.columns.iter().find(|(c, _)| *c == column) {
                buckets.gather(start.after(step), end.before(step), &mut in_buckets, false);
            }
            if values.len() > most {
                return None;
            }
        }
        let held = u64::try_from(values.len()).unwrap_or(u64::MAX);
        (held >= in_buckets.count()).then(|| {
            values.reverse();
            values.sort_by_key(|value| value.at);
            values
        })
    }
}

/// The last `runs` values over several series, exact.
pub(super) fn window<'a>(
    series: impl Iterator<Item = &'a Series>,
    column: Column,
    runs: usize,
    now: Timestamp,
) -> Window {
    let (latest, arrivals) = latest_first(series, column, runs, now);
    let mut moments = Moments::default();
    let mut distribution = Distribution::default();
    // Oldest first, so that sums do not depend on how the series were merged.
    for reading in latest.iter().rev() {
        moments.add(reading.value, reading.weight);
        distribution.add(reading.value);
    }
    let oldest = latest.iter().map(|reading| reading.at).min();
    Window {
        moments,
        // The last of equal times, and records of one batch often share theirs, is the one that came last.
        last: (latest.iter().rev().copied()).max_by_key(|reading| rank(reading, now)),
        distribution,
        covered: oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)),
        arrivals,
        ..Window::default()
    }
}

/// The last `runs` values, and how many ever came. Those of one series stand as they came, the last one first.
fn latest_first<'a>(
    series: impl Iterator<Item = &'a Series>,
    column: Column,
    runs: usize,
    now: Timestamp,
) -> (Vec<Sample>, u64) {
    let mut readings: Vec<Sample> = Vec::new();
    let (mut merged, mut arrivals) = (0, 0);
    // Once there are enough, only what is later than the last of them can still count.
    let mut enough = None;
    for series in series {
        let buckets = series.columns.iter().find(|(c, _)| *c == column);
        arrivals += buckets.map_or(0, |(_, buckets)| buckets.arrivals());
        let latest = series.recent.latest_first(column).take(runs);
        let counts = |reading: &Sample| enough.is_none_or(|enough| rank(reading, now) > enough);
        readings.extend(latest.filter(counts));
        merged += 1;
        if readings.len() >= runs.saturating_mul(AHEAD_OF_CUT) {
            cut(&mut readings, runs, now);
            enough = readings.last().map(|reading| rank(reading, now));
        }
    }
    if merged > 1 {
        cut(&mut readings, runs, now);
    }
    (readings, arrivals)
}

/// Keeps the latest, in order; of equal times those of the series that came first.
fn cut(readings: &mut Vec<Sample>, runs: usize, now: Timestamp) {
    readings.sort_by_key(|reading| std::cmp::Reverse(rank(reading, now)));
    readings.truncate(runs);
}

/// What lies ahead came before the clock was set back: it is older than all that came since.
fn rank(reading: &Sample, now: Timestamp) -> (bool, Timestamp) {
    (reading.at <= now.after(AHEAD), reading.at)
}

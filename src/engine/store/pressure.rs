//! Keeping within bounds: time moves on, what is old goes, and memory stays under its cap.

use super::{Losses, Series, SeriesId, Store};
use crate::engine::clocks::{HOLD_BUCKETS, HOLD_RETENTION};
use crate::engine::time::Now;

impl Store {
    /// Moves time on as far as taking measurements in depends on it: to which buckets they go.
    pub fn move_on(&mut self, now: Now) {
        self.is_behind |= self.advance(now);
    }

    /// Whether any frontier moved.
    fn advance(&mut self, now: Now) -> bool {
        let merged = self.hold.wall(now, HOLD_BUCKETS);
        let kept = self.hold.wall(now, HOLD_RETENTION);
        self.frontiers
            .advance(merged, kept, self.settings.retention)
    }

    /// Moves time on: rolls buckets up, forgets what has passed retention, keeps to the memory cap.
    pub fn sweep(&mut self, now: Now) {
        if self.advance(now) | std::mem::take(&mut self.is_behind) {
            for series in self.series.iter_mut().flatten() {
                let columns = series.columns.iter_mut();
                let moved = columns.filter_map(|(column, buckets)| {
                    buckets.roll_up(*column, &self.frontiers).then_some(())
                });
                series.changes += moved.count() as u64;
            }
            self.forget(now);
            self.bound_memory();
        }
    }

    /// Removes series that have had nothing for the whole retention.
    fn forget(&mut self, now: Now) {
        let gone: Vec<SeriesId> = self
            .series()
            .filter(|(_, series)| {
                series.in_flight == 0
                    && now.steady.saturating_sub(series.touched) > self.settings.retention
            })
            .map(|(id, _)| id)
            .collect();
        for id in gone {
            self.remove(id);
        }
    }

    /// Keeps the heap under the cap: run windows of the busiest series are halved first, then the
    /// oldest coarse buckets go.
    pub(super) fn bound_memory(&mut self) {
        self.since_sweep = 0;
        let cap = self.settings.max_memory;
        let mut sizes: Vec<(usize, usize)> = self
            .series
            .iter()
            .enumerate()
            .filter_map(|(place, series)| Some((series.as_ref()?.heap_bytes(), place)))
            .collect();
        let mut held: usize = sizes.iter().map(|(bytes, _)| bytes).sum();
        if held > cap {
            sizes.sort_unstable_by(|a, b| b.cmp(a));
            let floor = self.needed_history.max(1);
            // Every round gives up a share of what is left, so the number of rounds is small.
            for step in [Self::halve_history, Self::drop_coarse] {
                let mut progress = true;
                while held > cap && std::mem::take(&mut progress) {
                    for (bytes, place) in &mut sizes {
                        if held <= cap {
                            break;
                        }
                        if let Some(Some(series)) = self.series.get_mut(*place)
                            && step(series, floor, &mut self.losses)
                        {
                            series.changes += 1;
                            let now = series.heap_bytes();
                            held = (held + now).saturating_sub(*bytes);
                            *bytes = now;
                            progress = true;
                        }
                    }
                }
            }
        }
        self.heap_bytes = held;
    }

    /// Gives up half of a series' recent runs, but none that a rule needs; whether there were any.
    fn halve_history(series: &mut Series, floor: usize, losses: &mut Losses) -> bool {
        let rows = series.recent.rows();
        series.history = (rows / 2).max(floor);
        series.recent.shrink(series.history);
        series.recent.release();
        let dropped = rows - series.recent.rows();
        losses.history_rows += dropped as u64;
        dropped > 0
    }

    /// Gives up the oldest coarse buckets of a series; whether there were any.
    fn drop_coarse(series: &mut Series, _floor: usize, losses: &mut Losses) -> bool {
        let dropped: usize = (series.columns.iter_mut())
            .map(|(_, buckets)| buckets.drop_oldest())
            .sum();
        losses.buckets += dropped as u64;
        dropped > 0
    }
}

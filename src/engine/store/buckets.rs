//! Values of one column rolled up by time: fine buckets for the last minutes, coarser ones for longer.
//!
//! A bucket covers (start, end], as a window does, so that a window whose length is a multiple of the
//! step and whose end lies on the grid holds exactly what a Prometheus range holds.

use std::ops::ControlFlow;
use std::time::Duration;

use super::chunk::Chunk;
use super::summary::Summary;
use super::tier::{Resolution, Tier};
use crate::engine::metric::Column;
use crate::engine::sketch::{COARSE, FINE};
use crate::engine::time::{Timestamp, millis};
use crate::engine::window::Window;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Each step divides the next, so that a bucket rolls up into exactly one.
const TIERS: [Resolution; 4] = [
    Resolution {
        step: 10 * SECOND,
        reach: 15 * MINUTE,
        scale: FINE,
        // Rules look at these all the time.
        loose: usize::MAX,
    },
    Resolution {
        step: MINUTE,
        reach: 3 * HOUR,
        scale: FINE,
        loose: 4,
    },
    Resolution {
        step: 10 * MINUTE,
        reach: 2 * DAY,
        scale: COARSE,
        loose: 2,
    },
    Resolution {
        step: HOUR,
        reach: i64::MAX,
        scale: COARSE,
        loose: 2,
    },
];

/// The step of each tier in milliseconds, finest first.
pub(super) fn steps() -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator {
    TIERS.iter().map(|tier| tier.step)
}

/// How long the buckets are in which values of that age are kept.
pub fn step_at(age: Duration) -> Duration {
    let fine = TIERS.iter().find(|tier| millis(age) <= tier.reach);
    let step = fine.map_or(HOUR, |tier| tier.step);
    Duration::from_millis(step.unsigned_abs())
}

/// How long values are in buckets that make up pieces of that length; `None` where they never are.
pub fn kept_in(piece: Duration) -> Option<Duration> {
    let fits = |tier: &&Resolution| millis(piece) % tier.step == 0;
    let reach = TIERS.iter().take_while(fits).last()?.reach;
    Some(Duration::from_millis(reach.unsigned_abs()))
}

/// The times up to which each tier has been rolled into the next; the last is the end of retention.
///
/// They follow the clock, also back: after a clock that ran ahead has been set right, records of the true
/// time must be taken again. A record always finds one tier that takes it, and a window looks at all.
#[derive(Clone, Copy, Debug)]
pub struct Frontiers([i64; 4]);

impl Default for Frontiers {
    fn default() -> Self {
        Self([i64::MIN; 4])
    }
}

impl Frontiers {
    /// Moves the frontiers to what `retention` asks for; whether any moved. `now` is the time by which buckets merge
    /// into coarser ones, `kept` that by which they go: after a jump forward of the clock they wait, the latter longer.
    pub fn advance(&mut self, now: Timestamp, kept: Timestamp, retention: Duration) -> bool {
        let before = self.0;
        let kept_from = kept.millis().saturating_sub(millis(retention));
        for (index, (frontier, tier)) in self.0.iter_mut().zip(TIERS).enumerate() {
            let next_step = TIERS.get(index + 1).map_or(tier.step, |next| next.step);
            let left = now.millis().saturating_sub(tier.reach).max(kept_from);
            *frontier = left.div_euclid(next_step).saturating_mul(next_step);
        }
        self.0 != before
    }

    /// The finest tier that takes a value of that time, and the number of its bucket there.
    fn place(&self, at: Timestamp) -> Option<(usize, i64)> {
        let tiers = TIERS.iter().zip(self.0).enumerate();
        tiers.into_iter().find_map(|(tier, (settings, frontier))| {
            (at.millis() > frontier).then(|| (tier, slot(at.millis(), settings.step)))
        })
    }

    /// Whether a value of that time is still within retention.
    pub fn keeps(&self, at: Timestamp) -> bool {
        at.millis() > self.0[3]
    }
}

/// The buckets of one column of one series.
#[derive(Clone, Debug, Default)]
pub struct Buckets {
    pub(super) tiers: [Tier; 4],
    pub(super) arrivals: u64,
    /// Heap bytes of what is in the tiers, kept up to date because there may be very many buckets.
    pub(super) held: usize,
}

/// The number of the bucket of `step` milliseconds that holds `at`.
pub(super) fn slot(at: i64, step: i64) -> i64 {
    at.saturating_sub(1).div_euclid(step)
}

impl Buckets {
    /// Adds values, each into the finest tier that its time has not left.
    pub fn add(&mut self, column: Column, chunk: &Chunk, frontiers: &Frontiers) {
        let mut rest = chunk.times.as_slice();
        let mut start = 0;
        while let Some(first) = rest.first() {
            let place = frontiers.place(*first);
            let is_same = |at: &&Timestamp| *at == first || frontiers.place(**at) == place;
            let same = rest.iter().take_while(is_same).count();
            if let Some((tier, number)) = place
                && let (Some(buckets), Some(resolution)) =
                    (self.tiers.get_mut(tier), TIERS.get(tier))
            {
                self.arrivals += same as u64;
                // Nearly always all of them belong into the same bucket.
                let part = (same != chunk.times.len()).then(|| chunk.part(start..start + same));
                let part = part.as_ref().unwrap_or(chunk);
                let grown = buckets.put(number, *resolution, |existing| match existing {
                    Some(existing) => {
                        existing.add_chunk(column, part);
                        None
                    }
                    None => Summary::of(column, part),
                });
                self.held = self.held.saturating_add_signed(grown);
            }
            start += same;
            rest = rest.get(same..).unwrap_or_default();
        }
    }

    /// How many values were ever added.
    pub fn arrivals(&self) -> u64 {
        self.arrivals
    }

    /// Merges what has passed a frontier into the next tier and drops what has passed the last one; whether there was
    /// any.
    pub fn roll_up(&mut self, column: Column, frontiers: &Frontiers) -> bool {
        let mut moved = false;
        for index in 0..TIERS.len() {
            let (Some(tier), Some(frontier)) = (TIERS.get(index), frontiers.0.get(index)) else {
                continue;
            };
            // The first bucket that does not end by then.
            let end = frontier.div_euclid(tier.step);
            while let Some(buckets) = self.tiers.get_mut(index)
                && let Some(popped) = buckets.pop_before(end, tier.step)
            {
                moved = true;
                self.held = self.held.saturating_add_signed(popped.grown);
                if let (Some(next), Some(coarser)) =
                    (self.tiers.get_mut(index + 1), TIERS.get(index + 1))
                {
                    let mut summary = popped.summary;
                    summary.coarsen(column, coarser.scale);
                    let parent = (popped.number * tier.step).div_euclid(coarser.step);
                    let grown = next.put(parent, *coarser, |existing| match existing {
                        Some(existing) => {
                            existing.merge(column, &summary);
                            None
                        }
                        None => Some(summary),
                    });
                    self.held = self.held.saturating_add_signed(grown);
                }
            }
        }
        moved
    }

    /// Drops the oldest eighth of the coarsest tier that holds anything; how many buckets that was.
    pub fn drop_oldest(&mut self) -> usize {
        let coarse = self.tiers.iter_mut().zip(TIERS).skip(1).rev();
        let Some((tier, resolution)) = coarse.into_iter().find(|(tier, _)| !tier.is_empty()) else {
            return 0;
        };
        let dropped = tier.len().div_ceil(8);
        for _ in 0..dropped {
            if let Some(popped) = tier.pop_before(i64::MAX, resolution.step) {
                self.held = self.held.saturating_add_signed(popped.grown);
            }
        }
        dropped
    }

    /// Gathers what lies in (start, end], whole buckets: those that end after `start` and begin before `end`.
    pub fn gather(&self, start: Timestamp, end: Timestamp, window: &mut Window, quantiles: bool) {
        let span = end.millis().saturating_sub(start.millis());
        for (buckets, tier) in self.tiers.iter().zip(TIERS).rev() {
            // The first bucket that ends after `start`.
            let from = start.millis().div_euclid(tier.step);
            let mut is_first = true;
            // Whether it came to the end or not is all the same here.
            let _ = buckets.each_from(from, tier.step, |number, bucket| {
                if std::mem::take(&mut is_first) {
                    window.changes_at((number + 1) * tier.step + span);
                }
                if number * tier.step >= end.millis() {
                    window.changes_at(number * tier.step + 1);
                    return ControlFlow::Break(());
                }
                bucket.gather(window, quantiles);
                ControlFlow::Continue(())
            });
        }
    }

    /// Heap bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.held + self.tiers.iter().map(Tier::place_bytes).sum::<usize>()
    }
}

/// Where the buckets that hold (start, …] really begin: the start of the bucket around `start`.
pub fn effective_start(start: Timestamp, frontiers: &Frontiers) -> Timestamp {
    let at = start.millis();
    let tier = TIERS
        .iter()
        .zip(frontiers.0)
        .find_map(|(tier, frontier)| (at >= frontier).then_some(tier));
    let step = tier.map_or(HOUR, |tier| tier.step);
    Timestamp::from_millis(slot(at.saturating_add(1), step).saturating_mul(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn reading(seconds: i64, value: f64) -> Chunk {
        let chunk = Chunk {
            times: vec![at(seconds)],
            values: vec![value],
            ..Chunk::default()
        };
        chunk.part(0..1)
    }

    fn gather(buckets: &Buckets, start: i64, end: i64) -> (u64, f64) {
        let mut window = Window::default();
        buckets.gather(at(start), at(end), &mut window, false);
        (window.count(), window.moments.sum())
    }

    #[test]
    fn a_window_on_the_grid_holds_what_a_prometheus_range_holds() {
        let mut buckets = Buckets::default();
        for (seconds, value) in [(100, 1.0), (101, 2.0), (110, 4.0), (111, 8.0), (120, 16.0)] {
            buckets.add(
                Column::Duration,
                &reading(seconds, value),
                &Frontiers::default(),
            );
        }
        assert_eq!(gather(&buckets, 100, 120), (4, 30.0));
        assert_eq!(gather(&buckets, 110, 120), (2, 24.0));
        // Off the grid it takes the whole bucket around its start.
        assert_eq!(gather(&buckets, 105, 120), (4, 30.0));
        assert_eq!(effective_start(at(105), &Frontiers::default()), at(100));
        assert_eq!(effective_start(at(110), &Frontiers::default()), at(110));
    }

    #[test]
    fn a_window_says_when_it_changes_without_new_data() {
        let mut buckets = Buckets::default();
        let frontiers = Frontiers::default();
        for seconds in [95, 105, 125] {
            buckets.add(Column::Duration, &reading(seconds, 1.0), &frontiers);
        }
        let look = |now: i64| {
            let mut window = Window::default();
            buckets.gather(at(now - 60), at(now), &mut window, false);
            (window.count(), window.until)
        };
        let second =
            |seconds: i64, millis: i64| Some(Timestamp::from_millis(seconds * 1_000 + millis));
        // What lies ahead of the clock comes in, and what is old goes out, a bucket at a time.
        assert_eq!(look(110), (2, second(120, 1)));
        assert_eq!(look(120), (2, second(120, 1)));
        assert_eq!(look(121), (3, second(160, 0)));
        assert_eq!(look(159), (3, second(160, 0)));
        assert_eq!(look(160), (2, second(170, 0)));
        assert_eq!(look(189), (1, second(190, 0)));
        assert_eq!(look(190), (0, None));
    }

    #[test]
    fn rolling_up_loses_nothing_until_retention() {
        let mut buckets = Buckets::default();
        let mut frontiers = Frontiers::default();
        let retention = Duration::from_secs(10 * 24 * 3600);
        let mut total = 0;
        for minute in 0..(3 * 24 * 60) {
            let now = minute * 60 + 30;
            buckets.add(Column::Duration, &reading(now, 1.0), &frontiers);
            total += 1;
            if frontiers.advance(at(now), at(now), retention) {
                buckets.roll_up(Column::Duration, &frontiers);
            }
        }
        let end = 3 * 24 * 3600;
        assert_eq!(gather(&buckets, 0, end).0, total);
        let held: Vec<usize> = buckets.tiers.iter().map(Tier::len).collect();
        assert!(
            held[0] <= 17 && held[1] <= 180 && held[2] <= 290 && held[3] <= 25,
            "{held:?}"
        );
        frontiers.advance(at(end), at(end), Duration::from_secs(24 * 3600));
        buckets.roll_up(Column::Duration, &frontiers);
        assert_eq!(gather(&buckets, 0, end).0, 24 * 60);
    }

    #[test]
    fn a_clock_that_ran_ahead_and_was_set_right_leaves_no_hole() {
        let (mut buckets, mut frontiers) = (Buckets::default(), Frontiers::default());
        let day = Duration::from_secs(24 * 3600);
        let add = |buckets: &mut Buckets, frontiers: &Frontiers, seconds| {
            buckets.add(Column::Duration, &reading(seconds, 1.0), frontiers);
        };
        frontiers.advance(at(1_000_000), at(1_000_000), day);
        add(&mut buckets, &frontiers, 999_999);
        frontiers.advance(at(1_010_000), at(1_010_000), day);
        buckets.roll_up(Column::Duration, &frontiers);
        frontiers.advance(at(9_000_000_000), at(9_000_000_000), day);
        frontiers.advance(at(1_000_010), at(1_000_010), day);
        assert!(frontiers.keeps(at(1_000_005)));
        add(&mut buckets, &frontiers, 1_000_005);
        assert_eq!(gather(&buckets, 999_900, 1_000_010).0, 2);
        frontiers.advance(at(1_010_000), at(1_010_000), day);
        buckets.roll_up(Column::Duration, &frontiers);
        assert_eq!(gather(&buckets, 999_000, 1_010_000).0, 2);
    }

    #[test]
    fn a_late_value_goes_to_the_finest_tier_that_still_takes_its_time() {
        let (mut buckets, mut frontiers) = (Buckets::default(), Frontiers::default());
        frontiers.advance(at(100_000), at(100_000), Duration::from_secs(90_000));
        for (seconds, tier) in [(99_999, 0), (98_000, 1), (80_000, 2)] {
            buckets.add(Column::Duration, &reading(seconds, 1.0), &frontiers);
            assert_eq!(buckets.tiers[tier].len(), 1, "{seconds}");
        }
        assert!(frontiers.keeps(at(13_000)) && !frontiers.keeps(at(7_000)));
    }
}

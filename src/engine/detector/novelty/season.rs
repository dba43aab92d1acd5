//! What is odd for its time of day, as a peak that does not come: nothing new for the experts, since such values are known.
//!
//! A day is cut into slots. The mean of a slot is compared with those of the days before at the same time, a slot earlier
//! and a slot later; the nearest of them counts, so that a Sunday is known after the first. How far away it is says nothing before it
//! is rare for this series and stands out of what its slots differ by anyway.

use super::tail::Tail;

/// Slots of a day at most, and points in each at least: the mean of fewer is as restless as a point, of which the experts
/// know.
const SLOTS: f64 = 12.0;
const POINTS: f64 = 3.0;
/// With fewer slots a day has no course.
const LEAST_SLOTS: usize = 6;
/// Days that are remembered: two of each weekday. And how many of them have to be known.
const DAYS: usize = 14;
const LEAST_DAYS: usize = 3;
/// Slots over which typical differences are averaged, and how many there are before the first score.
const MEMORY: f64 = 2_000.0;
const START: u64 = 20;
/// From that slot on a difference counts as at most so many typical ones.
const BOUND: f64 = 8.0;
/// The share of the typical size that a typical difference is at least, and what keeps it above 0.
const RESOLUTION: f64 = 1e-2;
const LEAST: f64 = 1e-12;
/// The mean deviations of all slots that a slot has to be away from what is known.
const EFFECT: f64 = 2.0;
/// Nobody has to agree, so that it has to be ten times rarer.
const ALONE: f64 = 1.0;
/// Distances are far from those of single points.
const BINS: usize = 40;
const FARTHEST: f64 = 1e9;

/// What there is to say at the end of a slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Oddness {
    /// As that of a verdict.
    pub(super) score: f64,
    /// The distance from the nearest mean of the days before, in typical ones.
    pub(super) distance: f64,
    /// That mean.
    pub(super) nearest: f64,
    /// The mean of the slot.
    pub(super) mean: f64,
}

/// The course of the days so far.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Season {
    pub(super) points_per_day: f64,
    pub(super) slots: usize,
    /// Points so far, with a value or without.
    pub(super) rows: u64,
    /// Values of the open slot.
    pub(super) sum: f64,
    pub(super) values: u64,
    /// Means of slots, day by day in a ring, in their order; NaN where there is none.
    pub(super) means: Vec<f32>,
    /// Slots that were compared.
    pub(super) compared: u64,
    /// The typical distance from the nearest mean, and the typical size.
    pub(super) step: f64,
    pub(super) size: f64,
    /// The typical level of slots, and how far they are from it.
    pub(super) level: f64,
    pub(super) spread: f64,
    pub(super) tail: Tail<BINS>,
}

impl Season {
    /// Nothing yet. A day of too few points has none.
    pub(super) fn new(points_per_day: f64) -> Self {
        let slots = (points_per_day / POINTS).clamp(0.0, SLOTS);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is from 0 to 12"
        )]
        let slots = Some(slots as usize).filter(|slots| *slots >= LEAST_SLOTS);
        let slots = slots.unwrap_or(0);
        Self {
            points_per_day,
            slots,
            rows: 0,
            sum: 0.0,
            values: 0,
            means: vec![f32::NAN; slots * DAYS],
            compared: 0,
            step: 0.0,
            size: 0.0,
            level: 0.0,
            spread: 0.0,
            tail: Tail::new(),
        }
    }

    /// Takes the next point; at the end of a slot it may be odd.
    pub(super) fn push(&mut self, value: Option<f64>) -> Option<Oddness> {
        if self.slots == 0 {
            return None;
        }
        if let Some(value) = value {
            self.sum += value;
            self.values += 1;
        }
        let open = self.slot();
        self.rows += 1;
        if self.slot() == open {
            return None;
        }
        let (day, slot) = ((open / self.slots) % DAYS, open % self.slots);
        let mean = (self.values > 0).then(|| self.sum / self.values as f64);
        (self.sum, self.values) = (0.0, 0);
        let nearest = mean.and_then(|mean| self.nearest(day, slot, mean));
        if let Some(known) = self.means.get_mut(day * self.slots + slot) {
            #[expect(clippy::cast_possible_truncation, reason = "seven digits will do")]
            let mean = mean.map_or(f32::NAN, |mean| mean as f32);
            *known = mean;
        }
        self.judge(mean?, nearest?)
    }

    /// The number of the slot that the next point belongs to.
    fn slot(&self) -> usize {
        let slot = self.rows as f64 * self.slots as f64 / self.points_per_day;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is the whole part that is wanted, and that is not negative"
        )]
        let slot = slot as usize;
        slot
    }

    /// The nearest mean of other days at that time, where enough of them are known.
    fn nearest(&self, today: usize, slot: usize, mean: f64) -> Option<f64> {
        let times = [slot + self.slots - 1, slot, slot + 1].map(|slot| slot % self.slots);
        let mut best: Option<f64> = None;
        let mut days = 0;
        for (_, means) in self
            .means
            .chunks_exact(self.slots)
            .enumerate()
            .filter(|(day, _)| *day != today)
        {
            let known = times.iter().filter_map(|slot| means.get(*slot));
            let known = known.map(|mean| f64::from(*mean));
            let mut is_known = false;
            for known in known.filter(|known| known.is_finite()) {
                is_known = true;
                if best.is_none_or(|best| (known - mean).abs() < (best - mean).abs()) {
                    best = Some(known);
                }
            }
            days += usize::from(is_known);
        }
        best.filter(|_| days >= LEAST_DAYS)
    }

    fn judge(&mut self, mean: f64, nearest: f64) -> Option<Oddness> {
        let distance = (mean - nearest).abs();
        let scale = self.step + RESOLUTION * self.size + LEAST;
        let effect = EFFECT * self.spread;
        self.compared += 1;
        let mut step = distance;
        if self.compared > START {
            step = step.min(BOUND * self.step + LEAST);
        }
        let share = (1.0 / self.compared as f64).max(1.0 / MEMORY);
        self.step += share * (step - self.step);
        self.size += share * (mean.abs() - self.size);
        self.level += share * (mean - self.level);
        self.spread += share * ((mean - self.level).abs() - self.spread);
        if self.compared < START {
            return None;
        }
        let surprise = (self.tail).rank((distance / scale).min(FARTHEST), f64::INFINITY);
        let score = 1.0 + surprise - (self.slots as f64).log10() - ALONE;
        (distance >= effect && score > 0.0).then_some(Oddness {
            score,
            distance: distance / scale,
            nearest,
            mean,
        })
    }
}

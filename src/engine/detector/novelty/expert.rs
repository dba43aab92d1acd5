//! One aspect of a series: how far its newest pattern is from all before, and how surprising that is.

use super::dictionary::{Dictionary, Patterns};
use super::tail::Tail;

/// Points before the first score.
const START: u64 = 60;
/// Points over which the typical step is averaged.
const MEMORY: f64 = 2_000.0;
/// From this many points on, a step counts as at most so many typical ones: a jump is no measure of the noise.
const BOUND_FROM: u64 = 20;
const BOUND: f64 = 8.0;
/// The share of the typical size that a typical step is at least, and what keeps it above 0.
const RESOLUTION: f64 = 1e-4;
const LEAST: f64 = 1e-12;
/// Distances in typical steps end here.
const FARTHEST: f64 = 1e9;
/// As far back as a pattern that is learned may reach: three points ago, over three.
pub(super) const HISTORY: usize = 6;
/// Points between the newest pattern and the one that is learned, at most.
pub(super) const LAST: usize = 3;

/// What an expert says of the newest point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Said {
    /// -log10 of how often the series has been that far from what it knew; 0 as long as there is too little.
    pub(super) surprise: f64,
    /// The distance from the nearest known pattern in typical steps.
    pub(super) distance: f64,
}

impl Said {
    const NOTHING: Self = Self {
        surprise: 0.0,
        distance: 0.0,
    };
}

/// What an expert has seen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expert<P> {
    /// A pattern is learned once so many points have come after it, when it shares none with the newest.
    pub(super) gap: usize,
    /// How far the last patterns were from what was known when they came, newest first.
    pub(super) asked: [f64; LAST],
    /// Points since the dictionary last changed, or since all this was read back, without the distances.
    pub(super) unchanged: u64,
    /// The last means, newest first; before the start the first one.
    pub(super) means: [f64; HISTORY],
    pub(super) dictionary: Dictionary<P>,
    pub(super) tail: Tail,
    /// The typical difference of two means in a row, and their typical size.
    pub(super) step: f64,
    pub(super) size: f64,
    pub(super) points: u64,
}

impl<P: Patterns> Expert<P> {
    pub(super) fn new(gap: usize, entries: usize) -> Self {
        Self {
            gap,
            asked: [f64::INFINITY; LAST],
            unchanged: 0,
            means: [0.0; HISTORY],
            dictionary: Dictionary::new(entries),
            tail: Tail::new(),
            step: 0.0,
            size: 0.0,
            points: 0,
        }
    }

    /// Takes the next mean. A surprise of `odd` and more would alert alone; without, it is too early to say anything.
    pub(super) fn push(&mut self, mean: f64, odd: Option<f64>) -> Said {
        let scale = self.step + RESOLUTION * self.size + LEAST;
        self.remember(mean);
        self.learn();
        let Some(newest) = P::pattern(&self.means) else {
            return Said::NOTHING;
        };
        let distance = self.dictionary.patterns.distance(&newest);
        self.asked.rotate_right(1);
        if let Some(asked) = self.asked.first_mut() {
            *asked = distance;
        }
        let ready = self.points > START && distance.is_finite();
        let Some(odd) = odd.filter(|_| ready) else {
            return Said::NOTHING;
        };
        let beyond = (distance - self.dictionary.radius).max(0.0) / scale;
        Said {
            surprise: self.tail.rank(beyond.min(FARTHEST), odd),
            distance: distance / scale,
        }
    }

    /// Learns the pattern that has just come to share no point with the newest one.
    fn learn(&mut self) {
        self.unchanged += 1;
        let pattern = self.means.get(self.gap..).and_then(P::pattern);
        let Some(pattern) = pattern.filter(|_| self.points > self.gap as u64) else {
            return;
        };
        // It was looked up when it came, and mostly nothing has been learned since.
        let asked = self.gap.checked_sub(1).and_then(|at| self.asked.get(at));
        let asked = asked.filter(|_| self.unchanged > self.gap as u64);
        let distance = asked.copied();
        let distance = distance.unwrap_or_else(|| self.dictionary.patterns.distance(&pattern));
        if self.dictionary.learn(pattern, distance) {
            self.unchanged = 0;
        }
    }

    fn remember(&mut self, mean: f64) {
        if self.points == 0 {
            self.means = [mean; HISTORY];
        }
        let [before, ..] = self.means;
        self.means.rotate_right(1);
        if let Some(newest) = self.means.first_mut() {
            *newest = mean;
        }
        self.points += 1;
        let mut step = (mean - before).abs();
        if self.points > BOUND_FROM {
            step = step.min(BOUND * self.step + LEAST);
        }
        let share = (1.0 / self.points as f64).max(1.0 / MEMORY);
        self.step += share * (step - self.step);
        self.size += share * (mean.abs() - self.size);
    }

    /// The known pattern nearest to the newest one.
    pub(super) fn nearest(&self) -> Option<P::Pattern> {
        self.dictionary.patterns.nearest(&P::pattern(&self.means)?)
    }
}

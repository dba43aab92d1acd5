//! How much means of blocks vary when nothing changes: what slow noise costs.

use super::channels::{Channels, zip};
use super::days::Days;
use super::weekdays::Corrected;

/// Points of a short and of a long block.
const SHORT: u64 = 24;
const LONG: u64 = 96;
/// White noise counts as so many short blocks.
const PRIOR: f64 = 20.0;
/// The least that the means vary, as a share of white noise.
const LEAST: [f64; 2] = [0.8, 0.7];
/// The least variance of single points.
const FLOOR: Channels = [0.1, 0.03, 0.003];
/// One block counts at most so many times as much as those before it; more in the warm-up, where there are none before.
const CAP: f64 = 9.0;
const WARM_UP_CAP: f64 = 36.0;

/// Means of blocks of one length.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Blocks {
    /// Σ (length · squared distance from the mean of all).
    pub squares: Channels,
    pub count: f64,
}

/// The variance of a mean of n points is one of these, divided by n.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Noise {
    /// Variance of single points in the warm-up.
    pub single: Channels,
    pub short: Blocks,
    pub long: Blocks,
    /// Variance of a mean of 24 points, times 24.
    pub of_short: Channels,
    /// Variance of a mean of 96 points, times 96.
    pub of_long: Channels,
}

impl Noise {
    /// Learns from the values of the warm-up.
    pub fn learn(values: &[Channels]) -> Self {
        let n = values.len().max(1) as f64;
        let sum = |of: &dyn Fn(&Channels) -> Channels| {
            let all = values.iter().map(of);
            all.fold([0.0; 3], |sum, value| zip(sum, value, |a, b| a + b))
        };
        let mean = sum(&|value| *value).map(|sum| sum / n);
        let squares = sum(&|value| zip(*value, mean, |value, mean| (value - mean).powi(2)));
        let single = zip(squares, FLOOR, |squares, floor| (squares / n).max(floor));
        let blocks = |length: u64| {
            let mut blocks = Blocks {
                squares: [0.0; 3],
                count: 0.0,
            };
            let length_f = length as f64;
            for block in values.chunks_exact(usize::try_from(length).unwrap_or(usize::MAX)) {
                let sum = block
                    .iter()
                    .fold([0.0; 3], |sum, value| zip(sum, *value, |a, b| a + b));
                let off = zip(sum, mean, |sum, mean| {
                    (sum / length_f - mean).powi(2) * length_f
                });
                let capped = zip(off, single, |off, single| off.min(WARM_UP_CAP * single));
                blocks.squares = zip(blocks.squares, capped, |a, b| a + b);
                blocks.count += 1.0;
            }
            blocks
        };
        let mut noise = Self {
            single,
            short: blocks(SHORT),
            long: blocks(LONG),
            of_short: single,
            of_long: single,
        };
        noise.update();
        noise
    }

    /// Takes in the block that ends now, if one does and nothing is going on.
    pub fn follow(&mut self, sums: Corrected<'_>, is_quiet: bool) {
        let (points, now) = (sums.n(), sums.now());
        if !is_quiet || !points.is_multiple_of(SHORT) {
            return;
        }
        let n = points as f64;
        let add = |length: u64, blocks: &mut Blocks| {
            let length_f = length as f64;
            let before = sums.at_block(points - length);
            let off = zip(now, before, |now, then| (now - then) / length_f);
            let off = zip(off, now, |mean, sum| (mean - sum / n).powi(2) * length_f);
            let others = (blocks.count - 1.0).max(1.0);
            let most = zip(blocks.squares, self.single, |squares, single| {
                CAP * single.max(squares / others)
            });
            let capped = zip(off, most, f64::min);
            blocks.squares = zip(blocks.squares, capped, |a, b| a + b);
            blocks.count += 1.0;
        };
        add(SHORT, &mut self.short);
        if points.is_multiple_of(LONG) {
            add(LONG, &mut self.long);
        }
        self.update();
    }

    /// The variance of a mean of a day or more, times its points. Spread and tail are the noisier for the days as far as days
    /// differ in their level: where they do not, days say too little of such rare events.
    pub fn of_days(&self, days: &Days) -> Channels {
        let mut seen = zip(self.of_long, days.seen(), |long, day| days.noise(long, day));
        let [long, long_spread, long_tail] = self.of_long;
        let [level, spread, tail] = &mut seen;
        let share = 1.0 - long / *level;
        *spread = long_spread + share * (*spread - long_spread);
        *tail = long_tail + share * (*tail - long_tail);
        seen
    }

    fn update(&mut self) {
        let [least_short, least_long] = LEAST;
        let short = self.short;
        let mean = zip(self.single, short.squares, |single, squares| {
            (PRIOR * single + squares) / (PRIOR + short.count - 1.0)
        });
        self.of_short = zip(mean, self.single, |mean, single| {
            mean.max(least_short * single)
        });
        let (prior, long) = (PRIOR / 2.0, self.long);
        let mean = zip(self.of_short, long.squares, |short, squares| {
            (prior * short + squares) / (prior + long.count - 1.0)
        });
        self.of_long = zip(mean, self.single, |mean, single| {
            mean.max(least_long * single)
        });
    }
}

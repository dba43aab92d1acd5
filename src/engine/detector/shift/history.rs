//! What the level has been: means of blocks, the older the longer, over some weeks.
//!
//! The sums of the channels are of clipped values and go back by 768 points: enough to tell that a change is there, not how
//! it came about. Here a value is clipped beside its neighbours, so that the level may go anywhere.

use super::channels::LEVEL_CLIP;
use super::fit::CLIP;

/// Points of a block, from the newest to the oldest: each four of the ones before.
const LENGTHS: [u64; 3] = [12, 48, 192];
/// Blocks of each length that are remembered.
const KEPT: usize = 48;
const OF_LONGER: u64 = 4;
/// Older points count as no more than the longest blocks together.
const MOST_OLDER: f64 = (KEPT as u64 * 192) as f64;
/// Points whose median is where the next one is expected: a few odd ones in a row do not move it, and a step has moved it
/// after half of them.
const NEAR: usize = 9;

/// Means of the level, on the scale of the values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct History {
    /// The sum of the block that is open.
    pub open: f64,
    /// The means of the last blocks of each length, each in a ring by the number of the block.
    pub means: [Ring; 3],
    /// How many points there were before all blocks, at most [`MOST_OLDER`], and their mean.
    pub older: (f64, f64),
    /// The last values, the newest anywhere.
    pub near: [f64; NEAR],
    /// The last value, as far as it is believed.
    pub last: f64,
    /// The point from which on it is of use: what came before belongs to changes that have been told of.
    pub from: u64,
}

/// Means of blocks of one length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ring(pub [f32; KEPT]);

impl Default for Ring {
    fn default() -> Self {
        Self([0.0; KEPT])
    }
}

impl Ring {
    fn slot(&mut self, block: u64) -> Option<&mut f32> {
        self.0.get_mut(place(block, KEPT))
    }

    fn at(&self, block: u64) -> f64 {
        self.0
            .get(place(block, KEPT))
            .copied()
            .unwrap_or_default()
            .into()
    }
}

/// A stretch of time with its mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Block {
    /// Points before it.
    pub begin: u64,
    /// Points before its end.
    pub end: u64,
    pub mean: f64,
}

impl Block {
    /// Its points.
    pub fn points(&self) -> f64 {
        (self.end - self.begin) as f64
    }

    /// The points before its middle.
    pub fn middle(&self) -> f64 {
        f64::midpoint(self.begin as f64, self.end as f64)
    }
}

impl History {
    /// Adds the point before which there were `n`: how far it lies from the profile, if it has a value, where the noise of
    /// what is new in a point is `noise` and neighbours correlate by `phi`.
    pub fn add(&mut self, n: u64, residual: Option<f64>, noise: f64, phi: f64) {
        let centre = median(self.near);
        self.open += match residual {
            None => {
                self.last = centre;
                centre
            }
            Some(residual) => {
                let expected = centre + phi * (self.last - centre);
                let new = (residual - expected) / noise;
                self.last = expected + new.clamp(-CLIP, CLIP) * noise;
                if let Some(near) = self.near.get_mut(place(n, NEAR)) {
                    *near = residual;
                }
                // What is new, as the level that would make it.
                centre + new.clamp(-LEVEL_CLIP, LEVEL_CLIP) * noise / (1.0 - phi)
            }
        };
        self.close(n + 1);
    }

    /// Closes the blocks that end there.
    fn close(&mut self, n: u64) {
        let [shortest, _, longest] = LENGTHS;
        if !n.is_multiple_of(shortest) {
            return;
        }
        let mut mean = self.open / shortest as f64;
        self.open = 0.0;
        let mut shorter: Option<Ring> = None;
        for (ring, length) in self.means.iter_mut().zip(LENGTHS) {
            if !n.is_multiple_of(length) {
                return;
            }
            let block = n / length - 1;
            if let Some(shorter) = shorter {
                let first = block * OF_LONGER;
                let parts = (first..first + OF_LONGER).map(|part| shorter.at(part));
                mean = parts.sum::<f64>() / OF_LONGER as f64;
            }
            if length == longest && block >= KEPT as u64 {
                let (count, older) = &mut self.older;
                let more = longest as f64;
                if (block - KEPT as u64) * longest < self.from {
                    (*count, *older) = (0.0, 0.0);
                } else {
                    *older += (ring.at(block) - *older) * more / (*count + more);
                    *count = (*count + more).min(MOST_OLDER);
                }
            }
            if let Some(kept) = ring.slot(block) {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "seven digits of a mean are enough"
                )]
                let rounded = mean as f32;
                *kept = rounded;
            }
            shorter = Some(*ring);
        }
    }

    /// The blocks when there are `n` points, the oldest first, the one that has only begun among them; what is older than all of
    /// them is the first one, as long as it counts.
    pub fn blocks(&self, n: u64) -> Vec<Block> {
        let mut blocks = Vec::with_capacity(3 * KEPT + 1);
        let [shortest, ..] = LENGTHS;
        let begun = n % shortest;
        if begun > 0 {
            blocks.push(Block {
                begin: n - begun,
                end: n,
                mean: self.open / begun as f64,
            });
        }
        let mut end = None;
        // From the newest on: each length takes over where a block of the next one ends.
        for (at, (ring, length)) in self.means.iter().zip(LENGTHS).enumerate() {
            let last = end.unwrap_or(n / length * length) / length;
            let oldest = (n / length).saturating_sub(KEPT as u64);
            let to = match LENGTHS.get(at + 1) {
                Some(longer) => (oldest * length).div_ceil(*longer) * longer / length,
                None => oldest,
            };
            for block in (to..last).rev() {
                blocks.push(Block {
                    begin: block * length,
                    end: (block + 1) * length,
                    mean: ring.at(block),
                });
            }
            end = Some(to * length);
        }
        let (count, mean) = self.older;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most some thousand"
        )]
        let count = count as u64;
        if let Some(begin) = blocks.last().map(|block| block.begin)
            && count > 0
        {
            blocks.push(Block {
                begin: begin.saturating_sub(count),
                end: begin,
                mean,
            });
        }
        blocks.retain(|block| block.begin >= self.from);
        blocks.reverse();
        blocks
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "below the length of a small array"
)]
fn place(number: u64, length: usize) -> usize {
    (number % length as u64) as usize
}

fn median(mut values: [f64; NEAR]) -> f64 {
    let (_, middle, _) = values.select_nth_unstable_by(NEAR / 2, f64::total_cmp);
    *middle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_follow_on_each_other_and_hold_what_has_come() {
        let mut history = History::default();
        // A line: the mean of any stretch is its value in the middle.
        for n in 0..30_000_u64 {
            history.add(n, Some(n as f64), 100.0, 0.0);
            let n = n + 1;
            if n % 1_117 != 0 || n < 200 {
                continue;
            }
            let blocks = history.blocks(n);
            assert_eq!(blocks.last().unwrap().end, n);
            assert!(n > 9_000 || blocks[0].begin == 0, "{n} {:?}", blocks[0]);
            for pair in blocks.windows(2) {
                assert_eq!(pair[0].end, pair[1].begin, "{n}");
            }
            for block in blocks.iter().skip(1) {
                let error = block.mean - (block.middle() - 0.5);
                assert!(error.abs() < 0.01, "{n} {block:?}");
            }
        }
        history.from = 29_000;
        assert!(
            history
                .blocks(30_000)
                .iter()
                .all(|block| block.begin >= 29_000)
        );
    }

    #[test]
    fn a_step_of_any_size_is_in_the_blocks_after_it_and_odd_values_are_not() {
        let mut history = History::default();
        for n in 0..600_u64 {
            let odd = if n % 97 < 2 { 1e6 } else { 0.0 };
            let step = if n >= 300 { 1_000.0 } else { 0.0 };
            history.add(n, Some(step + odd), 1.0, 0.5);
        }
        for block in history.blocks(600) {
            let expected = if block.begin >= 312 { 1_000.0 } else { 0.0 };
            let is_step = block.begin < 312 && block.end > 300;
            assert!(is_step || (block.mean - expected).abs() < 1.0, "{block:?}");
        }
    }
}

//! Running sums of the channels, and what they were at the points that windows begin at.

use super::channels::{Channels, zip};

/// Points of a block; windows longer than the reach of the fine sums begin where a block does.
pub(super) const BLOCK: u64 = 12;
/// Blocks that are remembered: the longest window is 60 of them.
pub(super) const BLOCKS: usize = 64;
/// Points that are remembered one by one: a third of the longest window is 243 of them.
pub(super) const FINE: usize = 256;
/// Steps of 2⁻²⁵: a block of twelve points sums up to less than 64, and the rounding of 1.5e-8 is lost in any mean.
const STEPS: f64 = 33_554_432.0;

/// Sums of the channels over all points so far.
///
/// The sums at the last 63 ends of blocks are kept whole, those at the last 255 points as what was added since the end of
/// their block: in four bytes instead of eight without loss that matters.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sums {
    /// Points so far.
    pub n: u64,
    /// The sums now.
    pub now: Channels,
    pub blocks: [Channels; BLOCKS],
    pub offsets: [[i32; 3]; FINE],
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            n: 0,
            now: [0.0; 3],
            blocks: [[0.0; 3]; BLOCKS],
            offsets: [[0; 3]; FINE],
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "below the length of a small array"
)]
fn slot(index: u64, length: usize) -> usize {
    (index % length as u64) as usize
}

impl Sums {
    /// Adds a point.
    pub fn add(&mut self, values: Channels) {
        self.n += 1;
        self.now = zip(self.now, values, |sum, value| sum + value);
        if self.n.is_multiple_of(BLOCK)
            && let Some(block) = self.blocks.get_mut(slot(self.n / BLOCK, BLOCKS))
        {
            *block = self.now;
        }
        let offset = zip(self.now, self.at_block(self.n), |now, then| {
            fixed(now - then)
        });
        if let Some(kept) = self.offsets.get_mut(slot(self.n, FINE)) {
            *kept = offset;
        }
    }

    /// The sums when there were `n` points: at most 255 ago.
    pub fn at(&self, n: u64) -> Channels {
        let offset = self.offsets.get(slot(n, FINE)).copied().unwrap_or_default();
        zip(self.at_block(n), offset, |sum, offset| {
            sum + f64::from(offset) / STEPS
        })
    }

    /// The sums at the end of the last block that was full when there were `n` points: at most 63 blocks ago.
    pub fn at_block(&self, n: u64) -> Channels {
        let block = self.blocks.get(slot(n / BLOCK, BLOCKS)).copied();
        block.unwrap_or_default()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates, and what is added in a block is below 64"
)]
fn fixed(value: f64) -> i32 {
    (value * STEPS).round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_what_they_were_at_each_point_that_is_remembered() {
        let mut sums = Sums::default();
        let mut all = vec![[0.0; 3]];
        for i in 0..2_000 {
            let x = f64::from(i * 7_919 % 1_009) / 1_009.0;
            let values = [5.0 * x - 2.5, 3.0 * x, 2.0 * x * x];
            sums.add(values);
            all.push(zip(*all.last().unwrap(), values, |a, b| a + b));
            let n = sums.n;
            for ago in (0..244).filter(|ago| *ago <= n) {
                let then = all[usize::try_from(n - ago).unwrap()];
                for error in zip(sums.at(n - ago), then, |a, b| (a - b).abs()) {
                    assert!(error < 3e-8, "{n} {ago}: {error}");
                }
            }
            for blocks in (0..61).filter(|blocks| *blocks <= n / BLOCK) {
                let at = (n / BLOCK - blocks) * BLOCK;
                assert_eq!(sums.at_block(at), all[usize::try_from(at).unwrap()]);
            }
        }
    }
}

//! Patterns of three values, in order of age, laid out so that distances to several are computed at once.

use super::dictionary::Patterns;

/// Patterns side by side.
const LANES: usize = 4;

/// The first values of so many patterns, then their second and their third ones. Where there is no pattern yet, infinity.
pub(super) type Block = [[f64; LANES]; 3];

/// Patterns in order of age.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Triples {
    pub(super) blocks: Vec<Block>,
    pub(super) len: usize,
}

/// The sums of the squared differences to the patterns of a block.
fn squares(block: &Block, from: &[f64; 3]) -> [f64; LANES] {
    let [first, second, third] = block;
    let mut sums = [0.0; LANES];
    let columns = sums.iter_mut().zip(first).zip(second).zip(third);
    for (((sum, first), second), third) in columns {
        let [a, b, c] = [first - from[0], second - from[1], third - from[2]];
        *sum = a * a + c * c + b * b;
    }
    sums
}

impl Triples {
    /// The smallest sum of squared differences.
    fn least(&self, from: &[f64; 3]) -> f64 {
        let mut least = [f64::INFINITY; LANES];
        for block in &self.blocks {
            for (least, square) in least.iter_mut().zip(squares(block, from)) {
                *least = if square < *least { square } else { *least };
            }
        }
        least.into_iter().fold(f64::INFINITY, f64::min)
    }

    fn put(&mut self, place: usize, pattern: [f64; 3]) {
        let block = self.blocks.get_mut(place / LANES);
        for (column, value) in block.into_iter().flatten().zip(pattern) {
            if let Some(slot) = column.get_mut(place % LANES) {
                *slot = value;
            }
        }
    }

    fn get(&self, place: usize) -> Option<[f64; 3]> {
        let [first, second, third] = self.blocks.get(place / LANES)?;
        let lane = place % LANES;
        Some([*first.get(lane)?, *second.get(lane)?, *third.get(lane)?])
    }
}

impl Patterns for Triples {
    type Pattern = [f64; 3];

    fn with_capacity(capacity: usize) -> Self {
        Self {
            blocks: Vec::with_capacity(capacity.div_ceil(LANES)),
            len: 0,
        }
    }

    fn pattern(means: &[f64]) -> Option<[f64; 3]> {
        means.first_chunk().copied()
    }

    fn len(&self) -> usize {
        self.len
    }

    fn by_age(&self) -> impl Iterator<Item = [f64; 3]> {
        let all = self.blocks.iter().flat_map(|[first, second, third]| {
            let columns = first.iter().zip(second).zip(third);
            columns.map(|((first, second), third)| [*first, *second, *third])
        });
        all.take(self.len)
    }

    fn distance(&self, from: &[f64; 3]) -> f64 {
        (self.least(from) / 3.0).sqrt()
    }

    fn nearest(&self, to: &[f64; 3]) -> Option<[f64; 3]> {
        let least = self.least(to);
        let squares = self.blocks.iter().flat_map(|block| squares(block, to));
        let mut patterns = self.by_age().zip(squares);
        let nearest = patterns.find(|(_, square)| *square <= least);
        nearest.map(|(pattern, _)| pattern)
    }

    fn closest(&self) -> f64 {
        let mut least = f64::INFINITY;
        for (place, pattern) in self.by_age().enumerate() {
            let squares = self
                .blocks
                .iter()
                .flat_map(|block| squares(block, &pattern));
            least = squares.skip(place + 1).fold(least, f64::min);
        }
        (least / 3.0).sqrt()
    }

    fn push(&mut self, pattern: [f64; 3]) {
        if self.len.is_multiple_of(LANES) {
            self.blocks.push([[f64::INFINITY; LANES]; 3]);
        }
        self.put(self.len, pattern);
        self.len += 1;
    }

    fn thin(&mut self, radius: f64) {
        let before = std::mem::take(&mut self.len);
        for place in 0..before {
            let Some(pattern) = self.get(place) else {
                continue;
            };
            // Those kept so far have moved to the front, so that what is still to be looked at stays as it was.
            let kept = self.by_age();
            let mut squares = kept.map(|[a, b, c]| {
                let [a, b, c] = [a - pattern[0], b - pattern[1], c - pattern[2]];
                a * a + c * c + b * b
            });
            if squares.all(|square| (square / 3.0).sqrt() > radius) {
                drop(squares);
                self.put(self.len, pattern);
                self.len += 1;
            }
        }
        for place in self.len..before {
            self.put(place, [f64::INFINITY; 3]);
        }
        self.blocks.truncate(self.len.div_ceil(LANES));
    }
}

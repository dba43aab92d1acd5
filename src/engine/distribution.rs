//! The values of a window, as far as quantiles need them.

use super::sketch::Sketch;
use super::stats::{self, Counted};

/// Beyond this many values the exact ones go into the sketch.
const EXACT: usize = 1_000;

/// Bins for which there is room made at first.
const MERGED: usize = 64;

/// The values of a window as far as quantiles need them: exact while they are few.
#[derive(Clone, Debug, Default)]
pub struct Distribution {
    exact: Vec<f64>,
    sketch: Sketch,
}

impl Distribution {
    /// Adds one value.
    pub fn add(&mut self, value: f64) {
        if self.exact.len() >= EXACT {
            for value in self.exact.drain(..) {
                self.sketch.add(value);
            }
        }
        self.exact.push(value);
    }

    /// Adds all values of a sketch.
    pub fn merge(&mut self, sketch: &Sketch) {
        self.sketch.merge(sketch);
    }

    /// Adds all values of a packed sketch.
    pub(super) fn merge_packed(&mut self, packed: &[u8]) {
        // Merged one after the other it grows for a while, and each growth is a copy.
        self.sketch.make_room(MERGED);
        self.sketch.merge_packed(packed);
    }

    /// All values, where none of them came from a sketch.
    pub fn exact(&self) -> Option<&[f64]> {
        (self.sketch.count() == 0).then_some(&self.exact)
    }

    /// All values with their counts: those from a sketch as its estimates of them. `None` where there are too many.
    pub fn counted(&self) -> Option<Counted> {
        let exact = self.exact.iter().map(|value| (*value, 1));
        Counted::from_pairs(exact.chain(self.sketch.counted()))
    }

    /// The `q`-quantile: exact as long as no value came from a sketch.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if let Some(values) = self.exact() {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            return stats::linear(&sorted, q);
        }
        if self.exact.is_empty() {
            return self.sketch.quantile(q);
        }
        let mut sketch = self.sketch.clone();
        self.exact.iter().for_each(|value| sketch.add(*value));
        sketch.quantile(q)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_values_and_those_of_a_sketch_are_counted_together() {
        let mut distribution = Distribution::default();
        let mut sketch = Sketch::default();
        for value in [0.0, 8.0, 8.0] {
            sketch.add(value);
        }
        for value in [0.0, 3.0] {
            distribution.add(value);
        }
        let exact = Counted::of(&[0.0, 3.0]);
        assert_eq!(distribution.counted(), exact);
        distribution.merge(&sketch);
        let counted = distribution.counted().unwrap();
        let counts: Vec<u64> = counted.pairs().iter().map(|(_, n)| *n).collect();
        assert_eq!(counts, [2, 1, 2]);
    }
}

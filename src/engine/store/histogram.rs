//! A cumulative histogram in both forms that Prometheus knows: classic, with bounds given beforehand, and
//! native, with exponential buckets wherever there are values.

use std::sync::Arc;

use super::chunk::Chunk;
use crate::engine::sketch::{LOWEST, Sketch};
use crate::engine::stats::Sum;
use crate::engine::time::Timestamp;

/// Upper bounds of a classic histogram's buckets, ascending, without the last one, which is +Inf.
pub type Grid = Arc<[f64]>;

/// Most buckets of a native histogram; above it the resolution is halved, as Prometheus' own clients do.
const MAX_NATIVE_BUCKETS: usize = 160;

/// Grids up to this length are gone through.
const SHORT_GRID: usize = 24;

/// A value that stands for others of its bucket, with the trace that it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// The trace, in hex.
    pub trace_id: Box<str>,
    /// The value.
    pub value: f64,
    /// When it was measured.
    pub at: Timestamp,
}

/// A cumulative histogram.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// The bounds of the classic form.
    pub grid: Grid,
    pub(super) counts: Box<[u64]>,
    pub(super) count: u64,
    pub(super) sum: Sum,
    pub(super) native: Sketch,
    /// The latest exemplar of each classic bucket, that of +Inf last; empty until there is one.
    pub(super) exemplars: Box<[Option<Exemplar>]>,
}

impl Histogram {
    /// An empty histogram.
    pub fn new(grid: Grid) -> Self {
        let counts = vec![0; grid.len()].into_boxed_slice();
        Self {
            grid,
            counts,
            count: 0,
            sum: Sum::default(),
            native: Sketch::default(),
            exemplars: Box::default(),
        }
    }

    /// Counts the values of a chunk, in the classic form in the first bucket whose bound is not below them.
    pub(super) fn observe(&mut self, chunk: &Chunk) {
        // Equal values have one bucket, and are common: what a series takes of the machine hardly changes.
        let runs = chunk.values.chunk_by(|a, b| a.to_bits() == b.to_bits());
        for run in runs {
            let bucket = run.first().map_or(usize::MAX, |value| self.bucket(*value));
            if let Some(count) = self.counts.get_mut(bucket) {
                *count += run.len() as u64;
            }
        }
        self.count += chunk.moments.count();
        self.sum.merge(chunk.moments.total());
        self.native.add_keys(&chunk.keys);
        while self.native.buckets() > MAX_NATIVE_BUCKETS && self.native.scale() > LOWEST {
            self.native.coarsen(self.native.scale() - 1);
        }
    }

    /// Counts one value.
    pub(super) fn observe_one(&mut self, value: f64) {
        self.observe(&Chunk::of_one(value));
    }

    /// Has a value, counted before, stand for its classic bucket until a later one does.
    pub fn exemplify(&mut self, exemplar: Exemplar) {
        let bucket = self.bucket(exemplar.value);
        if self.exemplars.is_empty() {
            self.exemplars = vec![None; self.grid.len() + 1].into_boxed_slice();
        }
        if let Some(slot) = self.exemplars.get_mut(bucket)
            && slot.as_ref().is_none_or(|before| before.at <= exemplar.at)
        {
            *slot = Some(exemplar);
        }
    }

    fn bucket(&self, value: f64) -> usize {
        if self.grid.len() > SHORT_GRID {
            return self.grid.partition_point(|bound| *bound < value);
        }
        // All of them, without a branch: of few bounds that takes less time than finding the right one.
        self.grid.iter().filter(|bound| **bound < value).count()
    }

    /// Values per classic bucket, not cumulative; what is in none of them is above the last bound.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of values.
    pub fn sum(&self) -> f64 {
        self.sum.get()
    }

    /// The native form.
    pub fn native(&self) -> &Sketch {
        &self.native
    }

    /// The latest exemplar of each classic bucket, that of +Inf last; empty where there is none at all.
    pub fn exemplars(&self) -> &[Option<Exemplar>] {
        &self.exemplars
    }

    /// Heap bytes held, without the grid, which is shared.
    pub fn heap_bytes(&self) -> usize {
        let exemplars = size_of_val(&*self.exemplars) + self.exemplars.len() * 32;
        size_of_val(&*self.counts) + self.native.heap_bytes() + exemplars
    }
}

/// The bucket bounds of each histogram.
#[derive(Clone, Debug)]
pub struct Grids {
    /// Durations in seconds, where an operation has no grid of its own.
    pub duration: Grid,
    /// Durations in seconds by operation.
    pub by_operation: std::collections::BTreeMap<String, Grid>,
    /// Bytes.
    pub memory: Grid,
    /// Cores.
    pub cores: Grid,
    /// Samples per second.
    pub throughput: Grid,
}

impl Default for Grids {
    fn default() -> Self {
        Self {
            duration: Arc::from([
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
                60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0,
            ]),
            by_operation: std::collections::BTreeMap::new(),
            // 1 MiB to 1 TiB by factors of four.
            memory: (20..=40).step_by(2).map(|power| 2f64.powi(power)).collect(),
            cores: Arc::from([
                0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0,
                256.0,
            ]),
            throughput: Arc::from([
                0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6,
                3e6, 1e7,
            ]),
        }
    }
}

impl Grids {
    pub(super) fn durations_of(&self, operation: &str) -> &Grid {
        self.by_operation.get(operation).unwrap_or(&self.duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut histogram = Histogram::new(Arc::from([1.0, 2.0]));
        for value in [0.5, 1.0, 1.5, 2.0, 2.5] {
            histogram.observe_one(value);
        }
        assert_eq!(histogram.counts(), [2, 2]);
        assert_eq!((histogram.count(), histogram.sum()), (5, 7.5));
    }

    #[test]
    fn the_native_form_gives_up_resolution_and_no_value() {
        let mut histogram = Histogram::new(Arc::from([1.0]));
        histogram.observe_one(0.0);
        for n in 0..2_000 {
            histogram.observe_one(1.02f64.powi(n - 1_000));
        }
        let native = histogram.native();
        assert!(native.buckets() <= MAX_NATIVE_BUCKETS, "{native:?}");
        assert!(native.scale() < 5 && native.scale() > LOWEST, "{native:?}");
        let counted: u64 = native.positive().map(|(_, n)| n).sum();
        assert_eq!((native.zeros(), counted), (1, 2_000));
        histogram.observe_one(f64::MIN_POSITIVE);
        histogram.observe_one(f64::MAX);
        assert_eq!(histogram.native().count(), 2_003);
    }

    #[test]
    fn the_latest_exemplar_of_a_bucket_stands() {
        let mut histogram = Histogram::new(Arc::from([1.0, 2.0]));
        let exemplar = |trace: &str, value, at| Exemplar {
            trace_id: trace.into(),
            value,
            at: Timestamp::from_millis(at),
        };
        assert!(histogram.exemplars().is_empty());
        for one in [
            exemplar("a", 0.5, 2),
            exemplar("b", 0.7, 1),
            exemplar("c", 9.0, 1),
            exemplar("d", 1.0, 2),
        ] {
            histogram.observe_one(one.value);
            histogram.exemplify(one);
        }
        let traces = histogram
            .exemplars()
            .iter()
            .map(|e| Some(&*e.as_ref()?.trace_id));
        assert_eq!(traces.collect::<Vec<_>>(), [Some("d"), None, Some("c")]);
    }
}

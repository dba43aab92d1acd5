//! The patterns of a series in bounded space.

use std::fmt::Debug;

/// By how much the radius grows when a dictionary is full.
const GROWTH: f64 = 1.3;

/// A set of patterns in which the nearest one is found fast. Its patterns know which is older.
pub(super) trait Patterns: Clone + Debug {
    type Pattern: Copy + Debug + Default + PartialEq + AsRef<[f64]> + AsMut<[f64]>;

    /// None yet, with room for so many.
    fn with_capacity(capacity: usize) -> Self;

    /// The pattern that ends with the first of these means, newest first.
    fn pattern(means: &[f64]) -> Option<Self::Pattern>;

    fn len(&self) -> usize;

    /// All of them, the oldest first.
    fn by_age(&self) -> impl Iterator<Item = Self::Pattern>;

    /// The distance to the nearest pattern, as the root of the mean square over its values; infinite where there is none.
    fn distance(&self, from: &Self::Pattern) -> f64;

    /// The nearest pattern, the oldest of equally near ones.
    fn nearest(&self, to: &Self::Pattern) -> Option<Self::Pattern>;

    /// The distance of the two that are nearest to each other.
    fn closest(&self) -> f64;

    fn push(&mut self, pattern: Self::Pattern);

    /// Keeps, from the oldest on, each that is farther than the radius from all kept so far.
    fn thin(&mut self, radius: f64);
}

/// At most so many patterns, no two of which are nearer than a radius. Once it is full the radius grows, and of patterns
/// that are then too near the older one stays. The radius never shrinks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dictionary<P> {
    pub(super) patterns: P,
    pub(super) capacity: usize,
    pub(super) radius: f64,
}

impl<P: Patterns> Dictionary<P> {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(8, 255);
        Self {
            patterns: P::with_capacity(capacity),
            capacity,
            radius: 0.0,
        }
    }

    /// Learns a pattern that is so far from the nearest one, unless it is known; whether it was not.
    pub(super) fn learn(&mut self, pattern: P::Pattern, distance: f64) -> bool {
        if distance <= self.radius {
            return false;
        }
        while self.patterns.len() >= self.capacity {
            self.merge();
        }
        self.patterns.push(pattern);
        true
    }

    fn merge(&mut self) {
        if self.radius <= 0.0 {
            self.radius = self.patterns.closest();
        }
        // The smallest floats do not grow by rounding.
        self.radius = (self.radius * GROWTH).max(f64::MIN_POSITIVE);
        self.patterns.thin(self.radius);
    }
}

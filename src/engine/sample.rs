//! One stored point.

use super::time::Timestamp;

/// A value with its time and its weight in a mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When the operation ended.
    pub at: Timestamp,
    /// The value.
    pub value: f64,
    /// Its weight; 1 where nothing better is known.
    pub weight: f64,
}

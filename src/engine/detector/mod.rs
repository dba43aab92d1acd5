//! Detectors: each watches one series on its own, without rules about its metric.
//!
//! [`novelty`] and [`shift`] keep a small state and are fed one point at a time, in order. A point is the value of one closed
//! block of time, or `None` where there is none. They use nothing later than the point they judge, so their verdicts are
//! the same live and over recorded data. [`segments`] looks at a series as a whole.

pub mod novelty;

pub mod segments;

pub mod shift;

#[cfg(test)]
pub(in crate::engine) mod noise;

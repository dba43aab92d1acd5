//! Detectors: each watches one series on its own, point by point or as a whole, without rules about its metric.

pub mod novelty;

pub mod segments;

#[cfg(test)]
mod noise;

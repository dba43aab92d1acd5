//! The ways in: whatever comes, it becomes checked measurements.

pub mod budget;
pub mod json;
pub mod sampler;
pub mod tracking;
mod wire;

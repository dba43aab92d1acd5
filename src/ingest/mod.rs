//! The ways in: whatever comes, it becomes checked measurements.

pub mod json;
pub mod procfs;
pub mod sampler;
pub mod target;
pub mod tracking;
mod wire;

//! The ways in: whatever comes, it becomes checked measurements.

pub mod json;
mod keys;
mod plain;
pub mod sampler;
pub mod tracking;
mod wire;

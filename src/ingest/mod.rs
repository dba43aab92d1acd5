//! The ways in: whatever comes, it becomes checked measurements.

pub mod budget;
pub mod json;
mod keys;
mod plain;
pub mod procfs;
pub mod sampler;
pub mod target;
pub mod tracking;
pub(crate) mod wire;

//! The ways in: whatever comes, it becomes checked measurements.

pub mod budget;
pub mod json;
mod keys;
mod plain;
pub mod procfs;
mod room;
pub mod sampler;
pub mod target;
pub mod tracking;
pub(crate) mod wire;

/// The atomics of what many threads share; `tests/interleavings.rs` puts those of loom in their place.
mod atomic {
    pub use std::sync::atomic::{AtomicUsize, Ordering};
}

//! What is saved of the engine, as bytes: protobuf messages private to this module, so that a later version can add
//! fields which an earlier one skips, and an earlier one's are read with defaults for what it did not know.
//!
//! Nothing here does I/O. Whoever keeps the bytes also guards them by a checksum; a message that cannot be read all the
//! same is [`Damaged`], and what it would have said is left out.

mod batch;

pub use batch::{SavedBatch, SavedMeasurement, admitted_from_bytes, admitted_to_bytes};

/// Why saved bytes cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the saved {what}: {why}")]
pub struct Damaged {
    /// What they were to be.
    pub what: &'static str,
    /// What is wrong with them.
    pub why: String,
}

//! What became of what was to be kept, for the exposition and for opwatch's rules about itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;

/// Counts of the storage, shared with those who show them.
#[derive(Debug, Default)]
pub struct StoreStats {
    /// Transactions that reached the disk.
    pub commits: Counter,
    /// Seconds that they took, together.
    pub commit_seconds: Counter<f64, AtomicU64>,
    /// Transactions that failed or took too long.
    pub failures: Counter,
    /// Measurements that were taken and are in memory alone.
    pub uncommitted: Counter,
    /// Rows, or whole databases, that could not be read and were set aside.
    pub set_aside: Counter,
    /// Events that went before the end of retention, for want of room.
    pub dropped_events: Counter,
    /// Baselines that came back from the file beside the database, because they were not in it.
    pub restored_baselines: Counter,
    /// The same of silences.
    pub restored_silences: Counter,
    /// The same of maintenance that was started.
    pub restored_maintenance: Counter,
    degraded: AtomicBool,
    bytes: AtomicU64,
}

impl StoreStats {
    /// Whether what is taken in is in memory alone although it should be on disk.
    pub fn is_degraded(&self) -> bool {
        self.degraded.load(Ordering::Relaxed)
    }

    pub(super) fn set_degraded(&self, degraded: bool) {
        self.degraded.store(degraded, Ordering::Relaxed);
    }

    /// Bytes of the database that hold something.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn set_bytes(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

//! What the edges tell about themselves: plain numbers, filled in when a snapshot is taken.

use super::ExpositionConfig;
use crate::engine::time::Timestamp;

/// Everything on the page that does not come from the engine.
#[derive(Clone, Debug, Default)]
pub struct Internals {
    /// What the user wants to see.
    pub config: ExpositionConfig,
    /// Which build this is.
    pub build: Build,
    /// When the process started.
    pub started_at: Option<Timestamp>,
    /// What the process uses; `None` where the kernel does not tell.
    pub process: Option<ProcessUsage>,
    /// The HTTP listeners.
    pub listeners: Vec<ListenerUsage>,
    /// The queue of batches on their way in.
    pub queue: QueueUsage,
    /// Those who tell others, by receiver and integration.
    pub notifiers: Vec<NotifierUsage>,
    /// How reading the configuration went; `None` before the first time.
    pub reload: Option<ReloadState>,
    /// The watched processes.
    pub targets: Vec<TargetUsage>,
    /// Readings of processes that failed.
    pub target_failures: TargetFailures,
    /// What is kept on disk; `None` where nothing is to be.
    pub storage: Option<StorageUsage>,
    /// Cores that `cpu_ratio` is a share of, where known.
    pub target_cpu_limit: Option<f64>,
    /// What new rules have learned from the log.
    pub back_fill: BackFillUsage,
}

/// Which build this is.
#[derive(Clone, Debug)]
pub struct Build {
    /// Version of the package.
    pub version: &'static str,
    /// Commit it was built from, where known.
    pub revision: Option<&'static str>,
}

impl Default for Build {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            revision: option_env!("OPWATCH_REVISION"),
        }
    }
}

/// What the process that opwatch is uses of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessUsage {
    /// CPU time so far.
    pub cpu_seconds: f64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Threads.
    pub threads: u64,
    /// Files and connections that are open, where that may be counted.
    pub open_files: Option<u64>,
    /// How many may be; `None` for no limit.
    pub max_open_files: Option<u64>,
}

/// One HTTP listener.
#[derive(Clone, Debug, Default)]
pub struct ListenerUsage {
    /// `public` or `ingest`.
    pub name: String,
    /// Connections being served now.
    pub open: u64,
    /// Connections accepted, refused ones among them.
    pub accepted: u64,
    /// Connections refused because all others were busy.
    pub refused: u64,
    /// Idle connections closed in favour of new ones.
    pub evicted: u64,
    /// Clients given up on because they were too slow.
    pub timeouts: u64,
    /// Times that the system could not accept a connection.
    pub accept_errors: u64,
    /// Handlers that panicked.
    pub panics: u64,
}

/// What new rules with a detector have learned from the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct BackFillUsage {
    /// Times that it was read for them.
    pub runs: u64,
    /// Of them, those that came to nothing.
    pub failures: u64,
    /// Detectors that go on with what was learned.
    pub detectors: u64,
    /// Blocks with a value that these have learned.
    pub blocks: u64,
}

/// The queue of batches on their way in.
#[derive(Clone, Copy, Debug, Default)]
pub struct QueueUsage {
    /// Batches waiting now.
    pub length: u64,
    /// Batches it may hold.
    pub capacity: u64,
    /// Requests refused because it was full.
    pub refused: u64,
    /// Requests refused because memory was short.
    pub refused_for_memory: u64,
    /// Requests refused because all requests in flight together held too much.
    pub refused_in_flight: u64,
    /// Bytes that requests in flight hold.
    pub in_flight_bytes: u64,
    /// Bytes that they may hold.
    pub in_flight_capacity_bytes: u64,
}

/// One way of telling others. Several of the same receiver and integration are shown as one.
#[derive(Clone, Debug, Default)]
pub struct NotifierUsage {
    /// The receiver's name.
    pub receiver: String,
    /// `email` or `webhook`; `alertmanager`, whose address is then its receiver.
    pub integration: String,
    /// Notifications delivered.
    pub sent: u64,
    /// Attempts that failed.
    pub errors: u64,
    /// Notifications given up.
    pub dropped: u64,
    /// Attempts that ended, well or not.
    pub attempts: u64,
    /// Seconds they took together.
    pub attempt_seconds: f64,
    /// Notifications waiting now.
    pub queue_length: u64,
    /// Notifications that may wait.
    pub queue_capacity: u64,
}

impl NotifierUsage {
    /// Adds another one of the same receiver and integration.
    pub(super) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.errors += other.errors;
        self.dropped += other.dropped;
        self.attempts += other.attempts;
        self.attempt_seconds += other.attempt_seconds;
        self.queue_length += other.queue_length;
        self.queue_capacity += other.queue_capacity;
    }
}

/// How reading the configuration went.
#[derive(Clone, Copy, Debug)]
pub struct ReloadState {
    /// Whether the last attempt was good.
    pub successful: bool,
    /// When the configuration in use was read.
    pub succeeded_at: Timestamp,
}

/// Readings of processes that failed, by reason.
#[derive(Clone, Copy, Debug, Default)]
pub struct TargetFailures {
    /// There was no such process.
    pub not_found: u64,
    /// It may not be looked at.
    pub unreadable: u64,
}

/// What is kept on disk, and what became of what should be.
#[derive(Clone, Copy, Debug, Default)]
pub struct StorageUsage {
    /// Whether what is taken in is in memory alone although it should be on disk.
    pub degraded: bool,
    /// Bytes of the database that hold something.
    pub bytes: u64,
    /// Transactions that reached the disk.
    pub commits: u64,
    /// Seconds that they took together.
    pub commit_seconds: f64,
    /// Transactions that failed or took too long.
    pub failures: u64,
    /// Measurements that were taken and are in memory alone.
    pub uncommitted: u64,
    /// Rows, or whole databases, that could not be read and were set aside.
    pub set_aside: u64,
    /// Baselines that came back from the file beside the database.
    pub restored_baselines: u64,
    /// The same of silences.
    pub restored_silences: u64,
    /// The same of maintenance that was started.
    pub restored_maintenance: u64,
    /// Events dropped before the end of retention.
    pub dropped_events: u64,
}

/// What is watched: one process, or all of one name together.
#[derive(Clone, Debug, Default)]
pub struct TargetUsage {
    /// The name that was configured, else what it is called.
    pub process: String,
    /// CPU seconds used under this name; never goes down.
    pub cpu_seconds: f64,
    /// Resident bytes.
    pub memory_bytes: u64,
    /// Most resident bytes of any reading under this name.
    pub memory_peak_bytes: u64,
    /// Threads, where the system says so.
    pub threads: Option<u64>,
}

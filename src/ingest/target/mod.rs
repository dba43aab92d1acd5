//! The watched target: one process or several together, found, read and summed up.

mod choice;
mod ledger;
mod watcher;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::sampler::Usage;
pub use choice::{Choice, ProcessId};
pub use watcher::Watcher;

/// What is watched.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Which processes; `None` watches none.
    pub choice: Option<Choice>,
    /// Time between readings. Default 1s.
    pub interval: Duration,
    /// Cores that `cpu_ratio` is a share of; by default what control groups allow the target, else opwatch itself.
    pub cpu_limit: Option<f64>,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            choice: None,
            interval: Duration::from_secs(1),
            cpu_limit: None,
        }
    }
}

/// What was read, for those who compare two readings: only readings of the same thing can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// What was read.
    pub of: Subject,
    /// CPU time used so far.
    pub cpu: Duration,
    /// Resident bytes.
    pub memory_bytes: u64,
}

/// What a reading is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One process.
    Process(ProcessId),
    /// All processes of the name that was configured, by the number of the configuration.
    Named(u64),
}

impl From<&Usage> for Seen {
    fn from(usage: &Usage) -> Self {
        Self {
            of: Subject::Process((usage.pid, usage.started)),
            cpu: usage.cpu,
            memory_bytes: usage.memory_bytes,
        }
    }
}

/// The target at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The name that was configured, else that of the process.
    pub name: String,
    /// How many processes it is.
    pub processes: usize,
    /// CPU time of all processes that were watched under this name; never goes down.
    pub cpu: Duration,
    /// Resident bytes of all of them.
    pub memory_bytes: u64,
    /// Most of it in any reading under this name.
    pub memory_peak_bytes: u64,
    /// Threads of all of them, where the system says so.
    pub threads: Option<u64>,
    /// What two readings are compared by.
    pub seen: Seen,
}

/// Readings that failed, of the target or of a process that an operation named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// There was no such process.
    pub not_found: u64,
    /// It may not be looked at.
    pub unreadable: u64,
}

/// The watcher for everyone who needs it.
#[derive(Debug)]
pub struct SharedTarget {
    watcher: Mutex<Watcher>,
    /// Told when the configuration has changed.
    pub changed: Notify,
}

impl SharedTarget {
    /// Shares a watcher.
    pub fn new(watcher: Watcher) -> Self {
        Self {
            watcher: Mutex::new(watcher),
            changed: Notify::new(),
        }
    }

    /// The watcher, for as long as no one else has it; also where a holder has panicked.
    pub fn lock(&self) -> MutexGuard<'_, Watcher> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

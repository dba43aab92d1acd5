//! What the exposition shows of everything but the engine, read where it is kept.

use std::sync::{Arc, Mutex, PoisonError};

use super::backfill::BackFillStats;
use super::process;
use crate::driver::EngineHandle;
use crate::engine::time::Timestamp;
use crate::exposition::{
    BackFillUsage, Build, ExpositionConfig, Internals, ListenerUsage, NotifierUsage, QueueUsage,
    ReloadState, StorageUsage, TargetFailures, TargetUsage,
};
use crate::http::listener::ListenerStats;
use crate::ingest::budget::Budget;
use crate::ingest::target::{Reading, SharedTarget};
use crate::notify::Notifiers;
use crate::storage::StoreStats;

/// Locks even where a holder has panicked: what is kept behind these locks is whole at every moment.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How reading the configuration went.
#[derive(Clone, Copy, Debug)]
pub struct LastReload {
    /// Whether the last attempt was good.
    pub successful: bool,
    /// When the configuration in use was read.
    pub succeeded_at: Timestamp,
}

/// Where the parts keep their numbers.
pub struct Vitals {
    /// When the process started.
    pub started_at: Timestamp,
    /// How the exposition looks.
    pub exposition: ExpositionConfig,
    /// The listeners by name.
    pub listeners: [(&'static str, Arc<ListenerStats>); 2],
    /// What is watched.
    pub target: Arc<SharedTarget>,
    /// Those who are told.
    pub notifiers: Arc<Notifiers>,
    /// How reading the configuration went.
    pub reload: Mutex<LastReload>,
    /// The way to the engine.
    pub engine: EngineHandle,
    /// What is kept on disk; `None` where nothing is to be.
    pub storage: Option<Arc<StoreStats>>,
    /// What has come of learning from the log.
    pub(super) back_fill: Arc<BackFillStats>,
    /// Memory for requests in flight.
    pub budget: Arc<Budget>,
}

impl Vitals {
    /// All numbers at this moment.
    pub fn read(&self) -> Internals {
        let last = *locked(&self.reload);
        let (targets, target_failures, target_cpu_limit) = {
            let watcher = self.target.lock();
            let failures = watcher.failures();
            let failures = TargetFailures {
                not_found: failures.not_found,
                unreadable: failures.unreadable,
            };
            let targets = watcher.latest().map(target).into_iter().collect();
            (targets, failures, watcher.cpu_limit().cores)
        };
        Internals {
            config: self.exposition,
            build: Build::default(),
            started_at: Some(self.started_at),
            process: process::usage(),
            listeners: self.listeners.iter().map(listener).collect(),
            queue: self.queue(),
            notifiers: self.notifiers(),
            reload: Some(ReloadState {
                successful: last.successful,
                succeeded_at: last.succeeded_at,
            }),
            targets,
            target_failures,
            storage: self.storage.as_deref().map(storage),
            target_cpu_limit: Some(target_cpu_limit),
            back_fill: BackFillUsage {
                runs: self.back_fill.runs.get(),
                failures: self.back_fill.failures.get(),
                detectors: self.back_fill.detectors.get(),
                blocks: self.back_fill.blocks.get(),
            },
        }
    }

    fn queue(&self) -> QueueUsage {
        let (length, capacity) = self.engine.queue();
        let refused = self.engine.refused();
        QueueUsage {
            length: length as u64,
            capacity: capacity as u64,
            refused: refused.queue_full.get(),
            refused_for_memory: refused.memory_full.get(),
            refused_in_flight: refused.in_flight.get(),
            in_flight_bytes: self.budget.used() as u64,
            in_flight_capacity_bytes: self.budget.capacity() as u64,
        }
    }

    fn notifiers(&self) -> Vec<NotifierUsage> {
        let stats = self.notifiers.stats();
        let integrations = stats.integrations.into_iter().map(|one| NotifierUsage {
            receiver: one.receiver,
            integration: one.kind.to_owned(),
            sent: one.deliveries.delivered,
            errors: one.deliveries.failed_attempts,
            dropped: one.deliveries.dead_letters,
            attempts: one.deliveries.attempts,
            attempt_seconds: one.deliveries.attempt_seconds,
            queue_length: one.queue_length as u64,
            queue_capacity: one.queue_capacity as u64,
        });
        let alertmanagers = stats.alertmanagers.into_iter().map(|one| NotifierUsage {
            receiver: one.url,
            integration: "alertmanager".to_owned(),
            sent: one.sent,
            errors: one.errors,
            dropped: one.dropped,
            attempts: one.requests,
            attempt_seconds: one.request_seconds,
            queue_length: one.waiting as u64,
            queue_capacity: one.capacity as u64,
        });
        integrations.chain(alertmanagers).collect()
    }
}

fn storage(stats: &StoreStats) -> StorageUsage {
    StorageUsage {
        degraded: stats.is_degraded(),
        bytes: stats.bytes(),
        commits: stats.commits.get(),
        commit_seconds: stats.commit_seconds.get(),
        failures: stats.failures.get(),
        uncommitted: stats.uncommitted.get(),
        set_aside: stats.set_aside.get(),
        restored_baselines: stats.restored_baselines.get(),
        restored_silences: stats.restored_silences.get(),
        restored_maintenance: stats.restored_maintenance.get(),
        dropped_events: stats.dropped_events.get(),
    }
}

fn listener((name, stats): &(&'static str, Arc<ListenerStats>)) -> ListenerUsage {
    ListenerUsage {
        name: (*name).to_owned(),
        open: u64::try_from(stats.open.get()).unwrap_or_default(),
        accepted: stats.accepted.get(),
        refused: stats.refused.get(),
        evicted: stats.evicted.get(),
        timeouts: stats.timeouts.get(),
        accept_errors: stats.accept_errors.get(),
        panics: stats.panics.get(),
    }
}

fn target(reading: &Reading) -> TargetUsage {
    TargetUsage {
        process: reading.name.clone(),
        cpu_seconds: reading.cpu.as_secs_f64(),
        memory_bytes: reading.memory_bytes,
        memory_peak_bytes: reading.memory_peak_bytes,
        threads: reading.threads,
    }
}

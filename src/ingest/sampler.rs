//! The watched process: CPU seconds, memory and its peak, from the operating system.

use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a process has used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Its process id.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// CPU seconds since it started.
    pub cpu_seconds: f64,
    /// Resident bytes.
    pub memory_bytes: u64,
    /// Threads, where the system says so.
    pub threads: Option<u64>,
}

/// Processes that a reader may remember; it never hears of most of their ends.
const MAX_KNOWN: usize = 1_024;

/// Reads single processes.
#[derive(Debug)]
pub struct Sampler {
    /// `None` where the operating system does not let processes be read at all.
    system: Option<System>,
}

impl Default for Sampler {
    fn default() -> Self {
        Self {
            system: System::new().ok(),
        }
    }
}

impl Sampler {
    /// What the process uses now; `None` when there is no such process or it may not be read.
    pub fn read(&mut self, pid: u32) -> Option<Usage> {
        if self.known() > MAX_KNOWN {
            *self = Self::default();
        }
        let system = self.system.as_mut()?;
        let id = Pid::from_u32(pid);
        let kind = ProcessRefreshKind::nothing()
            .with_cpu()
            .with_memory()
            .without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[id]), true, kind);
        let process = system.process(id)?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "below 2^53 for any real process"
        )]
        Some(Usage {
            pid,
            name: process.name().to_string_lossy().into_owned(),
            cpu_seconds: process.accumulated_cpu_time() as f64 / 1e3,
            memory_bytes: process.memory(),
            threads: threads(pid),
        })
    }
}

impl Sampler {
    /// Processes remembered. Nothing depends on them: what is read is counted since a process began.
    fn known(&self) -> usize {
        self.system
            .as_ref()
            .map_or(0, |system| system.processes().len())
    }
}

/// The number of entries of the kernel's task directory; cheap, unlike reading every task.
fn threads(pid: u32) -> Option<u64> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    u64::try_from(tasks.count()).ok()
}

/// The latest reading of the target with the highest memory seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// The latest reading; `None` while the process cannot be read.
    pub usage: Option<Usage>,
    /// Most resident bytes seen in any reading.
    pub memory_peak_bytes: u64,
    /// Readings that failed.
    pub failures: u64,
}

/// Reads the process every `interval` until shutdown; the receiver always has the latest reading.
pub fn watch(pid: u32, interval: Duration, shutdown: CancellationToken) -> watch::Receiver<Target> {
    let (sender, receiver) = watch::channel(Target::default());
    tokio::spawn(async move {
        let mut sampler = Sampler::default();
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let usage = sampler.read(pid);
            sender.send_modify(|target| {
                match &usage {
                    Some(usage) => {
                        target.memory_peak_bytes = target.memory_peak_bytes.max(usage.memory_bytes);
                    }
                    None => {
                        if target.failures == 0 {
                            tracing::warn!(pid, "cannot read the target process");
                        }
                        target.failures += 1;
                    }
                }
                target.usage = usage;
            });
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_read_and_uses_something() {
        let usage = Sampler::default().read(std::process::id()).unwrap();
        assert!(usage.memory_bytes > 100_000 && usage.threads.unwrap() >= 1);
        assert!(usage.cpu_seconds >= 0.0 && !usage.name.is_empty());
    }

    #[test]
    fn a_process_that_does_not_exist_is_none() {
        assert_eq!(Sampler::default().read(u32::MAX - 1), None);
    }
}

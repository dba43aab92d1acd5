//! What single processes use: CPU time and memory, from the operating system.

use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::procfs::{Stat, Unread};

/// What a process has used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Its process id.
    pub pid: u32,
    /// When it started, in ticks: a process that got the pid of another one differs in it.
    pub started: u64,
    /// Its name, of a title such as `gunicorn: worker` what stands before the colon.
    pub name: String,
    /// CPU time since it started.
    pub cpu: Duration,
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
    /// What the process uses now.
    ///
    /// # Errors
    /// When there is no such process, or it may not be looked at.
    pub fn read(&mut self, pid: u32) -> Result<Usage, Unread> {
        if self.known() > MAX_KNOWN {
            *self = Self::default();
        }
        let stat = if cfg!(target_os = "linux") {
            Some(Stat::read(pid)?)
        } else {
            None
        };
        // What has ended has no memory any more; that is no measurement.
        if stat.as_ref().is_some_and(|stat| stat.is_zombie) {
            return Err(Unread::NotFound);
        }
        let system = self.system.as_mut().ok_or(Unread::Unreadable)?;
        let id = Pid::from_u32(pid);
        let kind = ProcessRefreshKind::nothing()
            .with_cpu()
            .with_memory()
            .without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[id]), true, kind);
        let process = system.process(id).ok_or(Unread::NotFound)?;
        let name = match &stat {
            Some(stat) => stat.title().to_owned(),
            None => process.name().to_string_lossy().into_owned(),
        };
        Ok(Usage {
            pid,
            started: stat.as_ref().map_or(process.start_time(), |s| s.started),
            name,
            cpu: Duration::from_millis(process.accumulated_cpu_time()),
            memory_bytes: process.memory(),
            threads: stat.map(|stat| stat.threads),
        })
    }

    /// Processes remembered. Nothing depends on them: what is read is counted since a process began.
    fn known(&self) -> usize {
        self.system
            .as_ref()
            .map_or(0, |system| system.processes().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn this_process_can_be_read_and_uses_something() {
        let usage = Sampler::default().read(std::process::id()).unwrap();
        assert!(usage.memory_bytes > 100_000 && usage.threads.unwrap() >= 1);
        assert!(usage.cpu < Duration::from_secs(1_000_000) && !usage.name.is_empty());
    }

    #[test]
    fn a_process_that_does_not_exist_is_not_found() {
        let read = Sampler::default().read(u32::MAX - 1);
        assert_eq!(read, Err(Unread::NotFound));
    }

    #[test]
    fn a_process_that_has_ended_is_not_found_whether_or_not_its_parent_noticed() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let mut sampler = Sampler::default();
        let usage = sampler.read(child.id()).unwrap();
        assert!(usage.memory_bytes > 0 && usage.started > 0);
        child.kill().unwrap();
        // It is a zombie until it is waited for; the kernel takes a moment to end it.
        while sampler.read(child.id()).is_ok() {}
        assert_eq!(sampler.read(child.id()), Err(Unread::NotFound));
        child.wait().unwrap();
        assert_eq!(sampler.read(child.id()), Err(Unread::NotFound));
    }
}

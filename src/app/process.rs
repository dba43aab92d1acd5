//! What the kernel says of this process.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use crate::exposition::ProcessUsage;
use crate::ingest::procfs::Stat;

/// CPU, memory, threads and open files of this process; `None` where the kernel does not tell.
pub(super) fn usage() -> Option<ProcessUsage> {
    let stat = Stat::read(std::process::id()).ok()?;
    let open = fs::read_dir("/proc/self/fd").map(Iterator::count).ok();
    #[expect(
        clippy::cast_precision_loss,
        reason = "ticks of a hundredth of a second stay far below 2^53"
    )]
    let cpu_seconds = stat.cpu_ticks as f64 / clock_ticks_per_second().max(1) as f64;
    Some(ProcessUsage {
        cpu_seconds,
        resident_bytes: stat.pages.saturating_mul(page_size() as u64),
        threads: stat.threads,
        // The directory that is being read is open as well.
        open_files: open.map(|open| open.saturating_sub(1) as u64),
        max_open_files: getrlimit(Resource::Nofile).current,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_threads_and_open_files() {
        let before = usage().unwrap();
        assert!(before.resident_bytes > 1 << 20, "{before:?}");
        assert!(before.threads >= 1, "{before:?}");
        let held = fs::File::open("/proc/self/stat").unwrap();
        // Other tests open and close files at the same time.
        assert!(usage().unwrap().open_files >= Some(3), "{before:?}");
        drop(held);
        let mut spun = 0_u64;
        while usage().unwrap().cpu_seconds < before.cpu_seconds + 0.02 {
            spun = spun.wrapping_add(1);
        }
        assert!(spun > 0);
    }
}

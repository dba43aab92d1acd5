//! What control groups (version 2) allow a process: memory and CPU.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// How much CPU a process may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuLimit {
    /// In cores.
    pub cores: f64,
    /// Who says so.
    pub source: CpuLimitSource,
}

/// Who says how much CPU a process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuLimitSource {
    /// The configuration.
    Setting,
    /// `cpu.max` of a control group on the way from the process to the root, the lowest.
    ControlGroup,
    /// No control group limits it: the CPUs that it may run on.
    Cpus,
    /// Its control group belongs to another container and may not be read: the CPUs that it may run on.
    CpusOfHidden,
}

/// The memory limit of this process in bytes: the lowest on the way from its control group to the root.
pub fn memory_limit() -> Option<u64> {
    System::default().memory_limit()
}

/// The CPU limit of a process, else of this one.
///
/// A process of another container in a shared process namespace has its group outside of what is mounted here; it is
/// looked for in that container's own mount, which takes the same user (or the right to trace processes).
pub fn cpu_limit(pid: Option<u32>) -> CpuLimit {
    let process = pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    System::default().cpu_limit(&process)
}

/// Where the kernel tells of processes and groups.
struct System {
    processes: PathBuf,
    groups: PathBuf,
}

impl Default for System {
    fn default() -> Self {
        Self {
            processes: PathBuf::from("/proc"),
            groups: PathBuf::from("/sys/fs/cgroup"),
        }
    }
}

/// A group that may not be looked at.
struct Hidden;

impl System {
    fn memory_limit(&self) -> Option<u64> {
        let own = self.group_of("self")?;
        // `max` is no limit.
        let limits = way_up(&self.groups, &own, "memory.max");
        limits.filter_map(|text| text.trim().parse().ok()).min()
    }

    fn cpu_limit(&self, process: &str) -> CpuLimit {
        let limit = |cores, source| CpuLimit { cores, source };
        match self.quota(process) {
            Ok(Some(cores)) => limit(cores, CpuLimitSource::ControlGroup),
            Ok(None) => limit(self.cpus(process), CpuLimitSource::Cpus),
            Err(Hidden) => limit(self.cpus(process), CpuLimitSource::CpusOfHidden),
        }
    }

    /// The lowest `cpu.max` on the way from the group of the process to the root.
    fn quota(&self, process: &str) -> Result<Option<f64>, Hidden> {
        let Some(group) = self.group_of(process) else {
            return Ok(None);
        };
        let outside = |part| part == Component::ParentDir;
        if !group.components().any(outside) {
            let quotas = way_up(&self.groups, &group, "cpu.max");
            return Ok(quotas
                .filter_map(|text| cores(&text))
                .min_by(f64::total_cmp));
        }
        let theirs = self.processes.join(process).join("root/sys/fs/cgroup");
        match fs::read_to_string(theirs.join("cpu.max")) {
            Ok(text) => Ok(cores(&text)),
            Err(error) if error.kind() == ErrorKind::NotFound && theirs.exists() => Ok(None),
            Err(_) => Err(Hidden),
        }
    }

    /// The path of the group of a process, seen from the root of the groups that are mounted here.
    fn group_of(&self, process: &str) -> Option<PathBuf> {
        let text = fs::read_to_string(self.processes.join(process).join("cgroup")).ok()?;
        let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
        Some(PathBuf::from(path))
    }

    /// The CPUs that a process may run on. Not `available_parallelism`: that counts our own quota in.
    fn cpus(&self, process: &str) -> f64 {
        let allowed = |process: &str| {
            let status = fs::read_to_string(self.processes.join(process).join("status")).ok()?;
            let mut lines = status.lines();
            count_of_list(lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?)
        };
        let cpus = allowed(process).or_else(|| allowed("self"));
        let cpus = cpus.or_else(|| {
            let all = std::thread::available_parallelism().ok()?;
            u32::try_from(all.get()).ok()
        });
        f64::from(cpus.unwrap_or(1))
    }
}

/// The contents of a file of every group from `group` up to the root, as far as they can be read.
fn way_up<'a>(root: &'a Path, group: &'a Path, file: &'a str) -> impl Iterator<Item = String> {
    let ways = group.ancestors();
    ways.filter_map(move |way| fs::read_to_string(root.join(way).join(file)).ok())
}

/// Cores of a `cpu.max`: microseconds of CPU in a period of microseconds; `max` is no limit.
fn cores(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace();
    let quota: f64 = words.next()?.parse().ok()?;
    let period: f64 = words.next()?.parse().ok()?;
    Some(quota / period).filter(|cores| cores.is_finite() && *cores > 0.0)
}

/// The length of a list of numbers and ranges, such as `0-3,8`.
fn count_of_list(text: &str) -> Option<u32> {
    let mut count: u32 = 0;
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up `/proc` and `/sys/fs/cgroup`.
    struct Fake(PathBuf);

    impl Fake {
        fn new(name: &str) -> Self {
            let folder = format!("opwatch-cgroup-{}-{name}", std::process::id());
            Self(std::env::temp_dir().join(folder))
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn system(&self) -> System {
            System {
                processes: self.0.join("proc"),
                groups: self.0.join("groups"),
            }
        }

        fn cpu(&self, process: &str) -> (f64, CpuLimitSource) {
            let limit = self.system().cpu_limit(process);
            (limit.cores, limit.source)
        }
    }

    impl Drop for Fake {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_lowest_memory_limit_on_the_way_to_the_root_counts() {
        let fake = Fake::new("memory");
        let limit = || fake.system().memory_limit();
        assert_eq!(limit(), None);
        fake.write("proc/self/cgroup", "0::/pods/one\n");
        assert_eq!(limit(), None);
        fake.write("groups/pods/one/memory.max", "max\n");
        assert_eq!(limit(), None);
        fake.write("groups/pods/memory.max", "67108864\n");
        assert_eq!(limit(), Some(64 << 20));
        fake.write("groups/pods/one/memory.max", "33554432\n");
        assert_eq!(limit(), Some(32 << 20));
        // Inside of a container the group is the root of what is to be seen.
        fake.write("proc/self/cgroup", "0::/\n");
        fake.write("groups/memory.max", "1048576\n");
        assert_eq!(limit(), Some(1 << 20));
    }

    #[test]
    fn the_lowest_cpu_limit_on_the_way_to_the_root_counts() {
        use CpuLimitSource::{ControlGroup, Cpus};
        let fake = Fake::new("cpu");
        fake.write("proc/7/cgroup", "4:memory:/x\n0::/pods/one\n");
        fake.write("proc/7/status", "Name:\tx\nCpus_allowed_list:\t0-2,5\n");
        assert_eq!(fake.cpu("7"), (4.0, Cpus));
        fake.write("groups/pods/one/cpu.max", "max 100000\n");
        assert_eq!(fake.cpu("7"), (4.0, Cpus));
        fake.write("groups/pods/cpu.max", "150000 100000\n");
        assert_eq!(fake.cpu("7"), (1.5, ControlGroup));
        fake.write("groups/pods/one/cpu.max", "20000 100000\n");
        assert_eq!(fake.cpu("7"), (0.2, ControlGroup));
        fake.write("groups/pods/one/cpu.max", "200000 100000\n");
        assert_eq!(fake.cpu("7"), (1.5, ControlGroup));
    }

    #[test]
    fn the_limit_of_another_container_is_found_there_or_hidden() {
        use CpuLimitSource::{ControlGroup, Cpus, CpusOfHidden};
        let fake = Fake::new("container");
        // Our own limit is another container's business: it may not count for that one.
        fake.write("groups/cpu.max", "10000 100000\n");
        fake.write("proc/self/cgroup", "0::/\n");
        fake.write("proc/self/status", "Cpus_allowed_list:\t0-1\n");
        fake.write("proc/7/cgroup", "0::/../other.scope\n");
        assert_eq!(fake.cpu("self"), (0.1, ControlGroup));
        assert_eq!(fake.cpu("7"), (2.0, CpusOfHidden));
        fs::create_dir_all(fake.0.join("proc/7/root/sys/fs/cgroup")).unwrap();
        assert_eq!(fake.cpu("7"), (2.0, Cpus));
        fake.write("proc/7/root/sys/fs/cgroup/cpu.max", "50000 100000\n");
        assert_eq!(fake.cpu("7"), (0.5, ControlGroup));
    }

    #[test]
    fn lists_and_quotas_that_make_no_sense_are_none() {
        for (text, expected) in [("0", Some(1)), ("0-3,8,10-11\n", Some(7)), ("", None)] {
            assert_eq!(count_of_list(text), expected, "{text}");
        }
        for text in ["3-1", "a", "0-4294967295,1"] {
            assert_eq!(count_of_list(text), None, "{text}");
        }
        for text in ["", "max", "max 100000", "1", "0 100000", "5 0", "x y"] {
            assert_eq!(cores(text), None, "{text}");
        }
    }

    #[test]
    fn this_process_may_use_something() {
        assert!(cpu_limit(None).cores > 0.0);
    }
}

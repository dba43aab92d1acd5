//! How much memory opwatch may take when nobody says.

use std::fs;
use std::path::Path;

/// The most that is taken without being asked to.
const MOST: u64 = 96 << 20;

/// The lower of 75 % of the limit that the control group sets, and 96 MiB.
pub(super) fn default_max_memory() -> u64 {
    let limit = cgroup_limit(Path::new("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"));
    share(limit)
}

fn share(limit: Option<u64>) -> u64 {
    limit.map_or(MOST, |limit| (limit / 4 * 3).min(MOST))
}

/// The memory limit of the control group (version 2) of this process: the lowest on the way from its own to the root.
fn cgroup_limit(own: &Path, root: &Path) -> Option<u64> {
    let own = fs::read_to_string(own).ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let ways = Path::new(path).ancestors();
    let limits = ways.filter_map(|way| {
        let text = fs::read_to_string(root.join(way).join("memory.max")).ok()?;
        // `max` is no limit.
        text.trim().parse().ok()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_on_the_way_to_the_root_counts() {
        let folder = std::env::temp_dir().join(format!("opwatch-cgroup-{}", std::process::id()));
        fs::create_dir_all(folder.join("pods/one")).unwrap();
        let own = folder.join("own");
        let write = |path: &str, text: &str| fs::write(folder.join(path), text).unwrap();
        write("own", "0::/pods/one\n");
        assert_eq!(cgroup_limit(&own, &folder), None);
        write("pods/one/memory.max", "max\n");
        assert_eq!(cgroup_limit(&own, &folder), None);
        write("pods/memory.max", "67108864\n");
        assert_eq!(cgroup_limit(&own, &folder), Some(64 << 20));
        write("pods/one/memory.max", "33554432\n");
        assert_eq!(cgroup_limit(&own, &folder), Some(32 << 20));
        // Inside of a container the group is the root of what is to be seen.
        write("own", "0::/\n");
        write("memory.max", "1048576\n");
        assert_eq!(cgroup_limit(&own, &folder), Some(1 << 20));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn three_quarters_of_the_limit_are_taken_but_not_more_than_needed() {
        assert_eq!(share(None), 96 << 20);
        assert_eq!(share(Some(64 << 20)), 48 << 20);
        assert_eq!(share(Some(1 << 40)), 96 << 20);
    }
}

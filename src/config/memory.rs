//! How much memory opwatch may take when nobody says.

use crate::cgroup;

/// The most that is taken without being asked to.
const MOST: u64 = 96 << 20;

/// The lower of 75 % of the limit that the control group sets, and 96 MiB.
pub(super) fn default_max_memory() -> u64 {
    share(cgroup::memory_limit())
}

fn share(limit: Option<u64>) -> u64 {
    limit.map_or(MOST, |limit| (limit / 4 * 3).min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_quarters_of_the_limit_are_taken_but_not_more_than_needed() {
        assert_eq!(share(None), 96 << 20);
        assert_eq!(share(Some(64 << 20)), 48 << 20);
        assert_eq!(share(Some(1 << 40)), 96 << 20);
    }
}

//! How much memory opwatch may take when nobody says.

use crate::cgroup;

/// The most that is taken without being asked to.
const MOST: u64 = 96 << 20;
/// With less than this nothing can be judged.
const LEAST: u64 = 8 << 20;
/// What lies outside of the store, measured under load: the program, its threads, connections, the page being written.
const BESIDE: u64 = 36 << 20;

/// Four fifths of what the limit of the control group leaves beside the program itself, between 8 MiB and 96 MiB. Requests in
/// flight, a quarter of the store by default, are the rest.
pub(super) fn default_max_memory() -> u64 {
    share(cgroup::memory_limit())
}

fn share(limit: Option<u64>) -> u64 {
    limit.map_or(MOST, |limit| {
        (limit.saturating_sub(BESIDE) / 5 * 4).clamp(LEAST, MOST)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_leaves_room_for_what_is_not_in_the_store() {
        assert_eq!(share(None), 96 << 20);
        assert_eq!(share(Some(96 << 20)), 48 << 20);
        assert_eq!(share(Some(32 << 20)), 8 << 20);
        assert_eq!(share(Some(1 << 40)), 96 << 20);
        for mebibytes in [64, 96, 128, 160, 256] {
            let (limit, store) = (mebibytes << 20, share(Some(mebibytes << 20)));
            assert!(store + store / 4 + BESIDE <= limit, "{mebibytes} MiB");
        }
    }
}

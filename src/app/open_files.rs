//! How many files the process may have open: every connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are open beside connections: listeners, rule files, those of the runtime.
const BESIDE: u64 = 64;

/// Raises the limit of this process as far as the system lets it, as Go programs do by themselves: the usual soft
/// limit of 1 024 is less than the connections of two listeners. Says so where it stays below `connections`.
pub fn raise(connections: u64) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "cannot raise the limit on open files");
    }
    // No limit at all is `None`.
    if let Some(allowed) = getrlimit(Resource::Nofile).current
        && allowed < connections + BESIDE
    {
        tracing::warn!(
            allowed,
            needed = connections + BESIDE,
            "the limit on open files is lower than `limits.connections` needs; connections beyond it wait"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_what_the_system_allows() {
        let before = getrlimit(Resource::Nofile);
        raise(1);
        let after = getrlimit(Resource::Nofile);
        assert_eq!(after.current, before.maximum);
        assert_eq!(after.maximum, before.maximum);
    }
}

//! One arena of glibc's allocator for all threads.
//!
//! By default each thread has an arena of its own, and what one has freed serves no other. Measurements are read by some
//! threads, kept by another and forgotten hours later, so that each arena ends up with holes between what lives long: after half
//! an hour in which operations come and go, 24 MiB in use were 43 MiB of the system's, and growing; with one arena they are 30
//! MiB and stay so (`benches/soak/run`). It costs nothing that can be measured but for a flood of large compressed bodies.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What glibc reads at the start of a process. Whoever has set it, or the other one for `arena_max`, has decided.
const VARIABLE: &str = "MALLOC_ARENA_MAX";
const TUNABLES: &str = "GLIBC_TUNABLES";

/// Begins this process anew with one arena, unless it has been begun so. The allocator can be told at its start alone, or by a
/// call that needs unsafe code. Where that fails everything goes on with as many as there are.
pub fn share_one() {
    let has_been_decided = env::var_os(VARIABLE).is_some()
        || env::var(TUNABLES).is_ok_and(|tunables| tunables.contains("glibc.malloc.arena_max"));
    if !cfg!(target_env = "gnu") || has_been_decided {
        return;
    }
    // By its path and not by `/proc/self/exe`, so that it keeps its name.
    let Ok(path) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let mut again = Command::new(path);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // It returns only where it has failed.
    let _ = again.args(arguments).env(VARIABLE, "1").exec();
}

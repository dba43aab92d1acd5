//! The task that looks at the target again and again, and tells the engine what its CPU limit is.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::driver::EngineHandle;
use crate::ingest::procfs::Listing;
use crate::ingest::target::{SharedTarget, Watcher};

/// Where the target turns out to have ended, the next one is looked for at once.
const LOOKS: u32 = 2;

/// Looks once, before anything runs: operations that start at once find their target.
pub(super) fn look_first(watcher: &mut Watcher, now: Duration) {
    let listing = watcher.wants_listing(now).then(Listing::read);
    watcher.observe(listing.as_ref(), now);
}

/// Looks at the target until shutdown.
pub(super) async fn watch(
    target: Arc<SharedTarget>,
    clock: Clock,
    engine: EngineHandle,
    quit: CancellationToken,
) {
    let mut told = target.lock().cpu_limit().cores;
    loop {
        let interval = target.lock().interval();
        tokio::select! {
            () = quit.cancelled() => return,
            () = target.changed.notified() => {}
            () = tokio::time::sleep(interval) => {}
        }
        let now = clock.now().steady;
        for _ in 0..LOOKS {
            let wants_listing = target.lock().wants_listing(now);
            let listing = if wants_listing {
                // With many processes it takes milliseconds, in which others are not to wait.
                tokio::task::spawn_blocking(Listing::read).await.ok()
            } else {
                None
            };
            let mut watcher = target.lock();
            watcher.observe(listing.as_ref(), now);
            if !watcher.wants_listing(now) {
                break;
            }
        }
        let limit = target.lock().cpu_limit().cores;
        if limit.to_bits() != told.to_bits() && engine.set_cpu_limit(limit).await.is_ok() {
            told = limit;
        }
    }
}

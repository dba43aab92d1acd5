//! `opwatch`: serves.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::{UNUSABLE, complain, configuration};
use crate::app::{App, arena, open_files};
use crate::logging;

/// Serves until a signal or `/-/quit` ends it.
pub(super) fn run(named: Option<PathBuf>) -> ExitCode {
    arena::share_one();
    let file = configuration::file(named);
    let (config, warnings) = match configuration::load(file.as_deref()) {
        Ok(loaded) => loaded,
        Err(faults) => return complain(UNUSABLE, &faults),
    };
    logging::start(&config.log);
    for warning in warnings {
        tracing::warn!("{}", warning.brief());
    }
    // Of each of the two listeners.
    open_files::raise(2 * config.limits.connections as u64);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Threads for what blocks are needed at each scrape and each look at the files: they end in between, so that what
        // they hold is given back.
        .thread_keep_alive(Duration::from_secs(2))
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return complain(UNUSABLE, &format!("start the runtime: {error}")),
    };
    let reload = move || configuration::load(file.as_deref()).map(|(config, _)| config);
    let outcome = runtime.block_on(async { App::build(config, reload)?.run().await });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(UNUSABLE, &error.to_string()),
    }
}

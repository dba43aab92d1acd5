//! `opwatch`: serves.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{UNUSABLE, complain};
use crate::app::App;
use crate::config::Source;
use crate::logging;

/// Serves with the configuration given, or with `opwatch.yaml` where there is one, or with defaults.
pub(super) fn run(config: Option<PathBuf>) -> ExitCode {
    let source = Source::find(config);
    let config = match source.load() {
        Ok(config) => config,
        Err(faults) => return complain(UNUSABLE, &faults),
    };
    logging::start(&config.log);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return complain(UNUSABLE, &format!("start the runtime: {error}")),
    };
    let outcome = runtime.block_on(async { App::build(config, source)?.run().await });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(UNUSABLE, &error.to_string()),
    }
}

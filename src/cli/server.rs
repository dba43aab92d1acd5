//! Which running opwatch a command asks.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{NO_DATA, UNREACHABLE, UNUSABLE, complain, configuration};
use crate::app::remote::{Remote, RemoteError};

/// A running opwatch.
#[derive(Debug, clap::Args)]
pub(super) struct Server {
    /// Where it is; without this option the ingest listener of the configuration.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl Server {
    /// The way to it; complains where there is none.
    pub(super) fn remote(&self, config: Option<PathBuf>) -> Result<Remote, ExitCode> {
        let remote = match &self.url {
            Some(url) => Remote::new(url),
            None => {
                let file = configuration::file(config);
                let (config, _) = configuration::load(file.as_deref())
                    .map_err(|faults| complain(UNUSABLE, &faults))?;
                Remote::of(&config)
            }
        };
        remote.map_err(|error| refused(&error))
    }
}

/// Says why there is no answer, and gives the exit code.
pub(super) fn refused(error: &RemoteError) -> ExitCode {
    let code = match error {
        RemoteError::Unreachable(_) | RemoteError::Unavailable { .. } => UNREACHABLE,
        RemoteError::NotFound(_) => NO_DATA,
        RemoteError::Address(_)
        | RemoteError::Listen(_)
        | RemoteError::Socket(_)
        | RemoteError::Tls(_)
        | RemoteError::System(_)
        | RemoteError::Refused(_)
        | RemoteError::Foreign { .. } => UNUSABLE,
    };
    complain(code, &error.to_string())
}

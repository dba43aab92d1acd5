//! Which running opwatch a command asks.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{NO_DATA, UNREACHABLE, UNUSABLE, complain, configuration, say};
use crate::app::remote::{Purpose, Remote, RemoteError};

/// A running opwatch.
#[derive(Debug, clap::Args)]
pub(super) struct Server {
    /// Where it is; without this option where the configuration has it listen.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl Server {
    /// The way to it; complains where there is none.
    pub(super) fn remote(
        &self,
        config: Option<PathBuf>,
        purpose: Purpose,
    ) -> Result<Remote, ExitCode> {
        let Some(url) = &self.url else {
            let file = configuration::file(config);
            let (config, _) = configuration::load(file.as_deref())
                .map_err(|faults| complain(UNUSABLE, &faults))?;
            return Remote::of(&config.listen, purpose).map_err(|error| refused(&error));
        };
        at(url)
    }

    /// Does something with each of several; says what came of it. The exit code is that of the last that failed.
    pub(super) fn each(
        &self,
        config: Option<PathBuf>,
        all: &[String],
        act: impl Fn(&Remote, &str) -> Result<String, Failed>,
    ) -> ExitCode {
        let remote = match self.remote(config, Purpose::Change) {
            Ok(remote) => remote,
            Err(code) => return code,
        };
        let mut worst = ExitCode::SUCCESS;
        for one in all {
            match act(&remote, one) {
                Ok(done) => say(&done),
                Err(Failed::Unusable(why)) => worst = complain(UNUSABLE, &why),
                Err(Failed::Refused(error)) => worst = refused(&error),
            }
        }
        worst
    }
}

/// Why nothing could be done with one of several.
pub(super) enum Failed {
    /// It is none that could be asked for, and why.
    Unusable(String),
    /// It was asked for, and there is no good answer.
    Refused(RemoteError),
}

impl From<RemoteError> for Failed {
    fn from(error: RemoteError) -> Self {
        Self::Refused(error)
    }
}

/// The way to the opwatch at `url`; complains where there is none.
pub(super) fn at(url: &str) -> Result<Remote, ExitCode> {
    Remote::new(url).map_err(|error| refused(&error))
}

/// Says why there is no answer, and gives the exit code.
pub(super) fn refused(error: &RemoteError) -> ExitCode {
    complain(code(error), &error.to_string())
}

/// The exit code where there is no answer.
pub(super) fn code(error: &RemoteError) -> u8 {
    match error {
        RemoteError::Unreachable(_) | RemoteError::Unavailable(_) => UNREACHABLE,
        RemoteError::NotFound(_) => NO_DATA,
        RemoteError::Address(_)
        | RemoteError::Listen(_)
        | RemoteError::Socket(_)
        | RemoteError::Tls(_)
        | RemoteError::System(_)
        | RemoteError::Refused(_)
        | RemoteError::Foreign { .. } => UNUSABLE,
    }
}

//! `opwatch healthcheck`: whether the opwatch of this machine is ready; a probe for images without a shell.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Method, StatusCode};

use super::server::{at, refused};
use super::{UNREACHABLE, complain, configuration, say};
use crate::app::remote::{Purpose, Remote, clean};
use crate::config::listen_of;

/// Where a running opwatch says whether it is ready.
const PATH: &str = "/-/ready";
/// For the answer. A probe that takes longer than this has failed in every orchestrator's eyes.
const TIMEOUT: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  opwatch healthcheck
  opwatch healthcheck --url http://127.0.0.1:9776

Of the configuration only `listen` is read: a fault elsewhere, as after an edit that a running opwatch has refused, \
is no reason to call it unhealthy.

Exit codes: 0 ready; 2 wrong use; 4 not reachable or not ready.";

/// Whom to ask.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Healthcheck {
    /// Where it is; without this option where the configuration has its public listener.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl Healthcheck {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        let remote = match &self.url {
            Some(url) => at(url),
            None => {
                let file = configuration::file(config);
                let listen = listen_of(file.as_deref(), configuration::ENVIRONMENT);
                Remote::of(&listen, Purpose::Read).map_err(|error| refused(&error))
            }
        };
        let remote = match remote {
            Ok(remote) => remote.answering_within(TIMEOUT),
            Err(code) => return code,
        };
        match remote.send(Method::GET, PATH, &[], Bytes::new()) {
            Ok(reply) if reply.status == StatusCode::OK => {
                say(&clean(&reply.excerpt()));
                ExitCode::SUCCESS
            }
            Ok(reply) => {
                let message = format!(
                    "{} is not ready: it answers {}: {}",
                    remote.address(),
                    reply.status,
                    clean(&reply.excerpt())
                );
                complain(UNREACHABLE, &message)
            }
            Err(error) => refused(&error),
        }
    }
}

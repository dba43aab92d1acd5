//! `opwatch incidents`: which alerts began together, as a running opwatch sees it.

use std::path::PathBuf;
use std::process::ExitCode;

use super::server::Server;
use super::shown::Form;
use crate::app::remote::Purpose;
use crate::forms::incidents::text;

/// Where a running opwatch tells of incidents.
const PATH: &str = "/api/v1/incidents";

const EXAMPLES: &str = "\
Examples:
  opwatch incidents
  opwatch incidents -o json

Exit codes: 0 good; 2 wrong use; 4 opwatch cannot be reached.";

/// Of which opwatch.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct List {
    /// How it is shown.
    #[arg(long, short, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: Server,
}

impl List {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        let remote = match self.server.remote(config, Purpose::Read) {
            Ok(remote) => remote,
            Err(code) => return code,
        };
        self.output.show(&remote, PATH, text)
    }
}

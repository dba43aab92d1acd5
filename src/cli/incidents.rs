//! `opwatch incidents`: which alerts began together, as a running opwatch sees it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::Value;

use super::server::{Server, refused};
use super::{UNUSABLE, complain, say};
use crate::app::remote::{Purpose, clean};
use crate::incidents::{Told, text};

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
    output: Output,
    #[command(flatten)]
    server: Server,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Text,
    /// As the API gives it.
    Json,
}

impl List {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        let remote = match self.server.remote(config, Purpose::Read) {
            Ok(remote) => remote,
            Err(code) => return code,
        };
        let shown = match self.output {
            Output::Text => remote.get::<Told>(PATH).map(|told| clean(&text(&told))),
            Output::Json => match remote.get::<Value>(PATH) {
                Ok(value) => match serde_json::to_string_pretty(&value) {
                    Ok(text) => Ok(text),
                    Err(error) => return complain(UNUSABLE, &error.to_string()),
                },
                Err(error) => Err(error),
            },
        };
        match shown {
            Ok(text) => {
                say(&text);
                ExitCode::SUCCESS
            }
            Err(error) => refused(&error),
        }
    }
}

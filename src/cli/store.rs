//! `opwatch store`: what is kept, and whether all of it can be read.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{FOUND, UNUSABLE, complain, data, say};
use crate::storage::inspect;

/// What to do with the store.
#[derive(Debug, clap::Args)]
pub(super) struct Store {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say what is kept, since when, and how large it is.
    Info(data::Directory),
    /// Read everything and report what cannot be read; changes nothing.
    Check(data::Directory),
}

impl Store {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        match self.what {
            What::Info(directory) => match directory.open(config) {
                Ok(database) => match inspect::info(&database) {
                    Ok(info) => {
                        say(&info.to_string());
                        ExitCode::SUCCESS
                    }
                    Err(error) => complain(UNUSABLE, &error.to_string()),
                },
                Err(code) => code,
            },
            What::Check(directory) => match directory.open(config) {
                Ok(database) => {
                    let checked = inspect::check(&database);
                    if checked.faults.is_empty() {
                        say(&checked.to_string());
                        ExitCode::SUCCESS
                    } else {
                        complain(FOUND, &checked.to_string())
                    }
                }
                Err(code) => code,
            },
        }
    }
}

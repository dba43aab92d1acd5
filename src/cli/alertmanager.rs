//! `opwatch alertmanager`: the way to a real Alertmanager.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::{UNUSABLE, complain, configuration, say};
use crate::config::to_alertmanager;

/// What is wanted for an Alertmanager.
#[derive(Debug, clap::Args)]
pub(super) struct Alertmanager {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write routes, receivers, inhibit rules and time intervals of the configuration as an alertmanager.yml. What
    /// Alertmanager 0.25 does not know is left out, and comments say so; passwords that are not in files are hidden.
    Export,
}

impl Alertmanager {
    pub(super) fn run(&self, config: Option<PathBuf>) -> ExitCode {
        match self.action {
            Action::Export => {
                let file = configuration::file(config);
                match configuration::load(file.as_deref()) {
                    Ok((config, _)) => {
                        say(&to_alertmanager(&config));
                        ExitCode::SUCCESS
                    }
                    Err(faults) => complain(UNUSABLE, &faults),
                }
            }
        }
    }
}

//! `opwatch check`: every fault of the configuration and of every rule file, in one pass.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{FOUND, coloured, complain, say};
use crate::config;

/// What to check.
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// Rule files; without any, the configuration and the rule files that it names.
    #[arg(value_name = "RULES")]
    rules: Vec<PathBuf>,
}

impl Check {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        let report = if self.rules.is_empty() {
            config::check(&config::Source::find(config))
        } else {
            config::check_rules(&self.rules)
        };
        if report.is_good() {
            say(&report.render(coloured()));
            ExitCode::SUCCESS
        } else {
            complain(FOUND, &report.render(coloured()))
        }
    }
}

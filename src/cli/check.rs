//! `opwatch check`: every fault of the configuration and of every rule file, in one pass.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{FOUND, coloured, complain, configuration, say};
use crate::config::check_rules;

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
            let file = configuration::file(config);
            let Some(report) = configuration::examine(file.as_deref()) else {
                say("no configuration file: the defaults hold, and they are good");
                return ExitCode::SUCCESS;
            };
            report
        } else {
            check_rules(&self.rules)
        };
        if report.is_good() {
            say(&report.render(coloured()));
            ExitCode::SUCCESS
        } else {
            complain(FOUND, &report.render(coloured()))
        }
    }
}

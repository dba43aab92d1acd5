//! `opwatch test`: rule unit tests, in virtual time.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{FOUND, coloured, complain, say};
use crate::rulefile::unittest;

/// Which tests to run.
#[derive(Debug, clap::Args)]
pub(super) struct Test {
    /// Test files, in the shape of `promtool test rules`, with `measurements:` beside `input_series:`.
    #[arg(required = true, value_name = "TESTS")]
    files: Vec<PathBuf>,
}

impl Test {
    pub(super) fn run(self) -> ExitCode {
        let report = unittest::run(&self.files);
        if report.is_good() {
            say(&report.render(coloured()));
            ExitCode::SUCCESS
        } else {
            complain(FOUND, &report.render(coloured()))
        }
    }
}

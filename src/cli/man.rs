//! `opwatch man`: the manual page, or all of them as files.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_mangen::Man as Page;

use super::{Cli, UNUSABLE, complain, say};

const EXAMPLES: &str = "\
Examples:
  opwatch man | man -l -
  opwatch man --out /usr/local/share/man/man1

Exit codes: 0 good; 2 the folder cannot be written to.";

/// Where the pages go.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Man {
    /// Write the pages of opwatch and of each of its commands into this folder, which has to exist.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self) -> ExitCode {
        // As it will be when the command line is read: with `--help` on each command, and global options.
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        let Some(folder) = self.out else {
            let mut page = Vec::new();
            if let Err(error) = Page::new(command).render(&mut page) {
                return complain(UNUSABLE, &format!("cannot write the manual page: {error}"));
            }
            say(&String::from_utf8_lossy(&page));
            return ExitCode::SUCCESS;
        };
        match clap_mangen::generate_to(command, &folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(
                UNUSABLE,
                &format!(
                    "cannot write manual pages into {}: {error}",
                    folder.display()
                ),
            ),
        }
    }
}

//! `opwatch completions`: a script that completes the command line in a shell.

use std::process::ExitCode;

use clap::{CommandFactory, ValueEnum};
use clap_complete::Generator;
use clap_complete::shells;

use super::{Cli, say};

const EXAMPLES: &str = "\
Examples:
  opwatch completions bash > /etc/bash_completion.d/opwatch
  opwatch completions zsh > \"${fpath[1]}/_opwatch\"
  opwatch completions fish > ~/.config/fish/completions/opwatch.fish";

/// For which shell.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Completions {
    /// The shell.
    shell: Shell,
}

/// The shells that can be completed in.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Completions {
    pub(super) fn run(&self) -> ExitCode {
        say(&match self.shell {
            Shell::Bash => script(shells::Bash),
            Shell::Zsh => script(shells::Zsh),
            Shell::Fish => script(shells::Fish),
        });
        ExitCode::SUCCESS
    }
}

fn script(shell: impl Generator) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "opwatch", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

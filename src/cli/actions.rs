//! `opwatch actions`: what alerts have brought about, as a running opwatch sees it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;

use super::server::{Server, refused};
use super::shown::Form;
use super::{UNUSABLE, complain, say};
use crate::app::remote::{Purpose, with_query};
use crate::forms::actions::{Told, text};

/// Where a running opwatch tells of actions.
const PATH: &str = "/api/v1/actions";

const EXAMPLES: &str = "\
Examples:
  opwatch actions
  opwatch actions history
  opwatch actions list -o json
  opwatch actions run retrain AccuracyDegraded

Exit codes: 0 good; 2 wrong use; 3 no such action or alert; 4 opwatch cannot be reached.";

/// What to do.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Actions {
    #[command(flatten)]
    shown: Shown,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the actions with what is under way and what came of the last one; without a command this is done.
    List(Shown),
    /// List the actions with what came of all that are remembered.
    History(Shown),
    /// Run an action for an alert that fires, whatever the cooldown says.
    Run(Run),
}

#[derive(Debug, clap::Args)]
struct Shown {
    /// How it is shown.
    #[arg(long, short, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
struct Run {
    /// The name of the action.
    name: String,
    /// The fingerprint of the alert, or the name of its rule where one alert of it fires.
    alert: String,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, serde::Deserialize)]
struct Begun {
    key: String,
}

impl Actions {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        match self.what {
            None => self.shown.run(config, false),
            Some(What::List(shown)) => shown.run(config, false),
            Some(What::History(shown)) => shown.run(config, true),
            Some(What::Run(run)) => run.run(config),
        }
    }
}

impl Shown {
    fn run(self, config: Option<PathBuf>, history: bool) -> ExitCode {
        let remote = match self.server.remote(config, Purpose::Read) {
            Ok(remote) => remote,
            Err(code) => return code,
        };
        self.output
            .show(&remote, PATH, |told: &Told| text(told, history))
    }
}

impl Run {
    fn run(self, config: Option<PathBuf>) -> ExitCode {
        let remote = match self.server.remote(config, Purpose::Change) {
            Ok(remote) => remote,
            Err(code) => return code,
        };
        let name = &self.name;
        // As names are checked where they are configured; nothing else could stand in a path as it is.
        if !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        {
            let allowed = "allowed: letters, digits, _, - and .";
            return complain(
                UNUSABLE,
                &format!("{name:?} is no name of an action, {allowed}"),
            );
        }
        let path = with_query(&format!("{PATH}/{name}/run"), [("alert", &self.alert)]);
        match remote.ask::<Begun>(Method::POST, &path, None) {
            Ok(begun) => {
                say(&format!("requested as {}", begun.key));
                ExitCode::SUCCESS
            }
            Err(error) => refused(&error),
        }
    }
}

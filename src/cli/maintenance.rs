//! `opwatch maintenance`: what is worked on, so that nobody is told of it, started and ended by a job.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use serde::Deserialize;

use super::baselines::not_durable;
use super::server::{Failed, Server, refused};
use super::{NO_DATA, UNUSABLE, complain, say};
use crate::app::remote::{Purpose, clean};
use crate::clock::Clock;
use crate::document::units::Period;
use crate::engine::url::percent_encoded;
use crate::export::moment;
use crate::forms::maintenance::{Told, Wanted};
use crate::shown::columns;
use crate::shown::output::Output;

const PATH: &str = "/api/v1/maintenance";

const EXAMPLES: &str = "\
Examples:
  id=$(opwatch maintenance start --for 2h --stop-learning operation=training)
  ./train.sh
  opwatch maintenance end \"$id\"
  opwatch maintenance list

Exit codes: 0 good; 2 wrong use; 3 there is none; 4 opwatch cannot be reached.";

/// Starts maintenance, ends it and shows it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Maintenance {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// From now on tell nobody of alerts with these labels; prints the id by which it is ended.
    Start(Start),
    /// End what was started, by its id or by its name.
    End(End),
    /// Show what recurs and what was started, with its state.
    List(List),
}

#[derive(Debug, clap::Args)]
struct Start {
    /// What labels must match, all of them: name=value, name!=value, name=~regex or name!~regex.
    #[arg(value_name = "MATCHER", required = true)]
    matchers: Vec<String>,
    /// For how long at most, such as 30m, 2h or 1d12h: should nobody end it, it ends by itself.
    #[arg(long = "for", value_name = "TIME", required_unless_present = "until")]
    duration: Option<Period>,
    /// Until when at most, in place of that: RFC 3339 or Unix seconds.
    #[arg(long, value_name = "TIME", conflicts_with = "duration")]
    until: Option<String>,
    /// What it is called, for example in `opwatch alerts`; without one it is called by its matchers.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Learn nothing from what is measured meanwhile: neither baselines nor detectors.
    #[arg(long)]
    stop_learning: bool,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
    /// Who wants it.
    #[arg(long, short, value_name = "NAME", env = "USER", default_value = "")]
    author: String,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
struct End {
    /// Their ids or names.
    #[arg(value_name = "ID|NAME", required = true)]
    which: Vec<String>,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Also what has ended.
    #[arg(long)]
    expired: bool,
    /// How it is shown.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    server: Server,
}

#[derive(Deserialize)]
struct Started {
    id: String,
    durable: bool,
}

#[derive(Deserialize)]
struct Ended {
    ended: Vec<String>,
    durable: bool,
}

impl Maintenance {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        match self.action {
            Action::Start(start) => start.run(config),
            Action::End(end) => end.run(config),
            Action::List(list) => list.run(config),
        }
    }
}

impl Start {
    fn run(self, config: Option<PathBuf>) -> ExitCode {
        let now = Clock::start().now().wall;
        let until = (self.until.as_deref()).map(|text| moment(text, now));
        let ends_at = match until.transpose() {
            Ok(until) => until.map(|at| at.to_string()),
            Err(error) => return complain(UNUSABLE, &format!("--until: {error}")),
        };
        let wanted = Wanted {
            name: self.name,
            matchers: self.matchers,
            duration: self.duration.map(|duration| duration.to_string()),
            ends_at,
            stop_learning: self.stop_learning,
            created_by: self.author,
            comment: self.comment,
        };
        if let Err(why) = wanted.read(now) {
            return complain(UNUSABLE, &why);
        }
        let body = match serde_json::to_string(&wanted) {
            Ok(body) => body,
            Err(error) => return complain(UNUSABLE, &error.to_string()),
        };
        let remote = match self.server.remote(config, Purpose::Change) {
            Ok(remote) => remote,
            Err(code) => return code,
        };
        match remote.ask::<Started>(Method::POST, PATH, Some(body)) {
            Ok(started) => {
                // Alone on standard output, so that a script can keep it.
                say(&clean(&started.id));
                let note = not_durable(started.durable);
                match note.is_empty() {
                    true => ExitCode::SUCCESS,
                    false => complain(0, note),
                }
            }
            Err(error) => refused(&error),
        }
    }
}

impl End {
    fn run(self, config: Option<PathBuf>) -> ExitCode {
        self.server.each(config, &self.which, |remote, which| {
            if which.is_empty() {
                let why = "\"\" is neither an id nor a name";
                return Err(Failed::Unusable(why.to_owned()));
            }
            let path = format!("{PATH}/{}", percent_encoded(which));
            let ended: Ended = remote.ask(Method::DELETE, &path, None)?;
            let note = not_durable(ended.durable);
            let lines = ended.ended.iter();
            let lines = lines.map(|id| format!("{} has ended{note}", clean(id)));
            Ok(lines.collect::<Vec<_>>().join("\n"))
        })
    }
}

impl List {
    fn run(self, config: Option<PathBuf>) -> ExitCode {
        let remote = match self.server.remote(config, Purpose::Read) {
            Ok(remote) => remote,
            Err(code) => return code,
        };
        let mut told = match remote.get::<Told>(PATH) {
            Ok(told) => told,
            Err(error) => return refused(&error),
        };
        let all = &mut told.maintenance;
        all.retain(|one| self.expired || one.state != "expired");
        let is_empty = all.is_empty();
        if self.output == Output::Json {
            match serde_json::to_string_pretty(&told) {
                Ok(text) => say(&text),
                Err(error) => return complain(UNUSABLE, &error.to_string()),
            }
        } else if is_empty {
            return complain(NO_DATA, "there is no maintenance");
        } else {
            say(&shown(&told, self.output));
        }
        ExitCode::from(if is_empty { NO_DATA } else { 0 })
    }
}

fn shown(told: &Told, output: Output) -> String {
    let names = [
        "id",
        "name",
        "kind",
        "state",
        "starts_at",
        "ends_at",
        "stop_learning",
        "matchers",
        "created_by",
        "comment",
    ];
    let rows = told.maintenance.iter().map(|one| {
        [
            one.id.as_deref().unwrap_or_default(),
            &one.name,
            &one.kind,
            &one.state,
            one.starts_at.as_deref().unwrap_or_default(),
            one.ends_at.as_deref().unwrap_or_default(),
            if one.stop_learning { "yes" } else { "no" },
            &one.matchers.join(","),
            &one.created_by,
            &one.comment,
        ]
        .map(clean)
    });
    match output {
        Output::Csv => columns::csv(names, rows.collect()),
        _ => columns::table(names, rows.collect()),
    }
}

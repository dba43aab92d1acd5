//! `opwatch silence`: what is not to be told for a while, because somebody knows of it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;

use super::baselines::not_durable;
use super::server::{Failed, Server, refused};
use super::{NO_DATA, UNUSABLE, complain, say};
use crate::app::remote::{Purpose, Remote, RemoteError, clean, with_query};
use crate::clock::Clock;
use crate::document::units::Period;
use crate::engine::dispatch::matching;
use crate::engine::selector::Matcher;
use crate::engine::time::Timestamp;
use crate::export::moment;
use crate::forms::silences::{Form, MatcherForm};
use crate::shown::columns;
use crate::shown::output::Output;

const PATH: &str = "/api/v2/silences";

const EXAMPLES: &str = "\
Examples:
  opwatch silence add alertname=DetectionSlow 'host=~\"a|b\"' --duration 2h --comment 'new index'
  opwatch silence query --expired
  opwatch silence expire 00c3f3e5-…

Exit codes: 0 good; 2 wrong use; 3 there is none; 4 opwatch cannot be reached.";

/// Sets silences, shows them and calls them off.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Silence {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Tell nobody of alerts with these labels for a while; prints the id of the silence.
    Add(Add),
    /// Show the silences that are active or pending.
    Query(Query),
    /// End silences now.
    Expire(Expire),
}

#[derive(Debug, clap::Args)]
struct Add {
    /// What labels must match, all of them: name=value, name!=value, name=~regex or name!~regex.
    #[arg(value_name = "MATCHER", required = true)]
    matchers: Vec<String>,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
    /// Who wants it.
    #[arg(long, short, value_name = "NAME", env = "USER", default_value = "")]
    author: String,
    /// For how long, such as 30m, 2h or 1d12h.
    #[arg(long, short, value_name = "TIME", default_value = "1h")]
    duration: Period,
    /// From when on: RFC 3339 or Unix seconds; without, from now on.
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// Until when, in place of a duration.
    #[arg(long, value_name = "TIME", conflicts_with = "duration")]
    end: Option<String>,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
struct Query {
    /// Only silences that have all of these matchers.
    #[arg(value_name = "MATCHER")]
    matchers: Vec<String>,
    /// Also those that have expired.
    #[arg(long)]
    expired: bool,
    /// How they are shown.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Args)]
struct Expire {
    /// Their ids.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    server: Server,
}

#[derive(Deserialize)]
struct Set {
    #[serde(rename = "silenceID")]
    id: String,
    durable: bool,
}

impl Silence {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        match self.action {
            Action::Add(add) => add.run(config),
            Action::Query(query) => query.run(config),
            Action::Expire(expire) => expire.run(config),
        }
    }
}

/// Reads the matchers of all arguments; complains of the first that is none.
fn read(texts: &[String]) -> Result<Vec<Matcher>, ExitCode> {
    let mut matchers = Vec::new();
    for text in texts {
        let read = matching::parse(text);
        matchers.extend(read.map_err(|error| complain(UNUSABLE, &error.to_string()))?);
    }
    Ok(matchers)
}

impl Add {
    fn run(self, config: Option<PathBuf>) -> ExitCode {
        let form = match self.form(Clock::start().now().wall) {
            Ok(form) => form,
            Err(code) => return code,
        };
        let sent =
            serde_json::to_string(&form).map_err(|error| complain(UNUSABLE, &error.to_string()));
        let (remote, body) = match (self.server.remote(config, Purpose::Change), sent) {
            (Ok(remote), Ok(body)) => (remote, body),
            (Err(code), _) | (_, Err(code)) => return code,
        };
        let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let reply = remote.send(Method::POST, PATH, &json, Bytes::from(body));
        match reply.and_then(|reply| remote.read::<Set>(&reply)) {
            Ok(set) => {
                let note = not_durable(set.durable);
                say(&format!("{}{note}", clean(&set.id)));
                ExitCode::SUCCESS
            }
            Err(error) => refused(&error),
        }
    }

    fn form(&self, now: Timestamp) -> Result<Form, ExitCode> {
        let time = |name: &str, text: &Option<String>| {
            let read = text.as_deref().map(|text| moment(text, now)).transpose();
            read.map_err(|error| complain(UNUSABLE, &format!("--{name}: {error}")))
        };
        let start = time("start", &self.start)?.unwrap_or(now);
        let end = time("end", &self.end)?.unwrap_or_else(|| start.after(self.duration.into()));
        let matchers = read(&self.matchers)?.into_iter().map(|one| MatcherForm {
            name: one.name().to_owned(),
            value: one.value().to_owned(),
            is_regex: one.is_regex(),
            is_equal: one.is_equal(),
        });
        Ok(Form {
            comment: self.comment.clone(),
            created_by: self.author.clone(),
            starts_at: start.to_string(),
            ends_at: end.to_string(),
            matchers: matchers.collect(),
            ..Form::default()
        })
    }
}

/// What a path answers to a question.
fn get(remote: &Remote, path: &str) -> Result<Vec<Form>, RemoteError> {
    let reply = remote.send(Method::GET, path, &[], Bytes::new())?;
    remote.read(&reply)
}

impl Query {
    fn run(self, config: Option<PathBuf>) -> ExitCode {
        let remote = match self.server.remote(config, Purpose::Read) {
            Ok(remote) => remote,
            Err(code) => return code,
        };
        let matchers = match read(&self.matchers) {
            Ok(matchers) => matchers,
            Err(code) => return code,
        };
        let filters = matchers.iter().map(|one| ("filter", one.to_string()));
        let mut found = match get(&remote, &with_query(PATH, filters)) {
            Ok(found) => found,
            Err(error) => return refused(&error),
        };
        let is_over = |form: &Form| state(form) == "expired";
        found.retain(|form| self.expired || !is_over(form));
        if self.output == Output::Json {
            match serde_json::to_string_pretty(&found) {
                Ok(text) => say(&text),
                Err(error) => return complain(UNUSABLE, &error.to_string()),
            }
        } else if !found.is_empty() {
            say(&shown(&found, self.output));
        }
        match found.is_empty() {
            true if self.output == Output::Json => ExitCode::from(NO_DATA),
            true => complain(NO_DATA, "there is no silence that is asked for"),
            false => ExitCode::SUCCESS,
        }
    }
}

fn state(form: &Form) -> &str {
    form.status.as_ref().map_or("", |status| &status.state)
}

fn shown(silences: &[Form], output: Output) -> String {
    let row = |form: &Form| {
        let matchers = form.silence().map(|silence| {
            let all: Vec<String> = silence.matchers.iter().map(ToString::to_string).collect();
            all.join(",")
        });
        [
            clean(form.id.as_deref().unwrap_or_default()),
            clean(state(form)),
            clean(&matchers.unwrap_or_default()),
            clean(&form.starts_at),
            clean(&form.ends_at),
            clean(&form.created_by),
            clean(&form.comment),
        ]
    };
    let rows = silences.iter().map(row).collect();
    let names = [
        "id",
        "state",
        "matchers",
        "starts_at",
        "ends_at",
        "created_by",
        "comment",
    ];
    match output {
        Output::Csv => columns::csv(names, rows),
        _ => columns::table(names, rows),
    }
}

impl Expire {
    fn run(self, config: Option<PathBuf>) -> ExitCode {
        self.server.each(config, &self.ids, |remote, id| {
            // A path: what could lead elsewhere is no id.
            if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                return Err(Failed::Unusable(format!(
                    "{id:?} is no id, allowed: one that `opwatch silence query` shows"
                )));
            }
            let path = format!("/api/v2/silence/{id}");
            let reply = remote.send(Method::DELETE, &path, &[], Bytes::new())?;
            if !reply.status.is_success() {
                remote.read::<serde_json::Value>(&reply)?;
            }
            Ok(format!("{id} has expired"))
        })
    }
}

//! `opwatch baselines`: those that were set.

use std::path::PathBuf;
use std::process::ExitCode;

use hyper::Method;
use serde::Deserialize;
use serde_json::Value;

use super::server::{Server, refused};
use super::{NO_DATA, UNUSABLE, complain, say};
use crate::app::remote::{Purpose, clean, with_query};
use crate::forms::baselines::Form;
use crate::shown::amount;
use crate::shown::columns;
use crate::shown::output::Output;

/// Where they are.
pub(super) const PATH: &str = "/api/v1/baselines";

const EXAMPLES: &str = "\
Examples:
  opwatch baselines
  opwatch baselines --name nightly --full -o json > nightly.json
  opwatch baselines --delete nightly

Exit codes: 0 good; 2 wrong use; 3 there is none; 4 opwatch cannot be reached.";

/// Which of them, and how they are shown.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct List {
    /// Only those of this name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only those of this metric.
    #[arg(long, value_name = "METRIC")]
    metric: Option<String>,
    /// Earlier versions as well.
    #[arg(long)]
    all_versions: bool,
    /// With all their values, so that they can be set elsewhere; for -o json.
    #[arg(long)]
    full: bool,
    /// Delete all versions of the baselines of this name.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["name", "full", "all_versions"])]
    delete: Option<String>,
    /// How they are shown.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    server: Server,
}

#[derive(Deserialize)]
struct Listed {
    baselines: Vec<Form>,
}

#[derive(Deserialize)]
struct Removed {
    removed: u64,
    durable: bool,
}

impl List {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        let purpose = match self.delete {
            Some(_) => Purpose::Change,
            None => Purpose::Read,
        };
        let remote = match self.server.remote(config, purpose) {
            Ok(remote) => remote,
            Err(code) => return code,
        };
        let mut query: Vec<(&str, &str)> = Vec::new();
        let name = self.delete.as_deref().or(self.name.as_deref());
        query.extend(name.map(|name| ("name", name)));
        query.extend(self.metric.as_deref().map(|metric| ("metric", metric)));
        if self.delete.is_some() {
            let path = with_query(PATH, query);
            return match remote.ask::<Removed>(Method::DELETE, &path, None) {
                Ok(removed) => {
                    let note = not_durable(removed.durable);
                    say(&format!("{} versions deleted{note}", removed.removed));
                    ExitCode::SUCCESS
                }
                Err(error) => refused(&error),
            };
        }
        query.extend(self.all_versions.then_some(("versions", "all")));
        query.extend(self.full.then_some(("full", "true")));
        let path = with_query(PATH, query);
        if self.output == Output::Json {
            return match remote.get::<Value>(&path) {
                Ok(data) => show_json(&data),
                Err(error) => refused(&error),
            };
        }
        match remote.get::<Listed>(&path) {
            Ok(Listed { baselines }) if baselines.is_empty() => {
                complain(NO_DATA, "no baseline was set that was asked for")
            }
            Ok(Listed { baselines }) => {
                say(&shown(&baselines, self.output));
                ExitCode::SUCCESS
            }
            Err(error) => refused(&error),
        }
    }
}

fn show_json(data: &Value) -> ExitCode {
    match serde_json::to_string_pretty(data) {
        Ok(text) => {
            say(&text);
            let none = data.pointer("/baselines/0").is_none();
            ExitCode::from(if none { NO_DATA } else { 0 })
        }
        Err(error) => complain(UNUSABLE, &error.to_string()),
    }
}

/// What is to be said where something is in memory alone.
pub(super) fn not_durable(durable: bool) -> &'static str {
    if durable {
        ""
    } else {
        " (in memory alone: there is no data directory, or the disk fails)"
    }
}

/// Nothing where there is none.
fn digits(value: Option<f64>) -> String {
    value
        .map(|value| amount::digits(value, 6))
        .unwrap_or_default()
}

/// Baselines as a table or as CSV.
pub(super) fn shown(baselines: &[Form], output: Output) -> String {
    let labels = |form: &Form| {
        let pairs: Vec<String> = (form.labels.iter())
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        clean(&pairs.join(","))
    };
    let row = |form: &Form| {
        [
            clean(&form.name),
            clean(&form.metric),
            labels(form),
            form.version.map(|v| v.to_string()).unwrap_or_default(),
            clean(form.set_at.as_deref().unwrap_or_default()),
            form.n.map(|n| n.to_string()).unwrap_or_default(),
            digits(form.value.or(form.mean)),
            digits(form.sd),
            digits(form.median),
            digits(form.p95),
            digits(form.p99),
        ]
    };
    let rows = baselines.iter().map(row);
    let names = [
        "name", "metric", "labels", "version", "set_at", "n", "mean", "sd", "median", "p95", "p99",
    ];
    match output {
        Output::Csv => columns::csv(names, rows.collect()),
        _ => columns::table(names, rows.collect()),
    }
}

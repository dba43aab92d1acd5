//! `opwatch accept`: says that what a rule has found is usual from now on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use hyper::Method;
use serde::Deserialize;
use serde_json::Value;

use super::baselines::not_durable;
use super::say;
use super::server::{Server, refused};
use crate::app::remote::{Purpose, clean, with_query};
use crate::shown::columns;
use crate::shown::output::Output;

const PATH: &str = "/api/v1/baselines/accept";

const EXAMPLES: &str = "\
Examples:
  opwatch accept DetectionSlower
  opwatch accept DetectionSlower --select '{operation=\"detect\"}'

The rule's alerts that are pending or fire end as accepted, and it learns what is usual anew, only from what was \
measured since they began. It is for rules whose baseline is rolling, offset, seasonal or a change point; a baseline that \
was set is set anew by `opwatch set-baseline`.

Exit codes: 0 good; 2 wrong use; 3 there is no such rule, or nothing to accept; 4 opwatch cannot be reached.";

/// Of which rule, and of whom.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Accept {
    /// The name of the rule.
    #[arg(value_name = "RULE")]
    rule: String,
    /// Only for the instances that this selects, such as '{operation="train"}'.
    #[arg(long, value_name = "SELECTOR")]
    select: Option<String>,
    /// How what was accepted is shown.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    server: Server,
}

#[derive(Deserialize)]
struct Answer {
    durable: bool,
    accepted: Vec<Instance>,
}

#[derive(Deserialize)]
struct Instance {
    labels: BTreeMap<String, String>,
    since: String,
}

impl Accept {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        let remote = match self.server.remote(config, Purpose::Change) {
            Ok(remote) => remote,
            Err(code) => return code,
        };
        let mut query = vec![("rule", self.rule.as_str())];
        query.extend(self.select.as_deref().map(|select| ("select", select)));
        let answer = match remote.ask::<Value>(Method::POST, &with_query(PATH, query), None) {
            Ok(answer) => answer,
            Err(error) => return refused(&error),
        };
        if self.output == Output::Json {
            say(&format!("{answer:#}"));
            return ExitCode::SUCCESS;
        }
        match Answer::deserialize(&answer) {
            Ok(Answer { durable, accepted }) => {
                let row = |one: &Instance| [labels(&one.labels), clean(&one.since)];
                let (names, rows) = (["labels", "learns_since"], accepted.iter().map(row));
                say(&match self.output {
                    Output::Csv => columns::csv(names, rows.collect()),
                    _ => columns::table(names, rows.collect()) + not_durable(durable),
                });
                ExitCode::SUCCESS
            }
            Err(error) => refused(&remote.foreign(error)),
        }
    }
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = (labels.iter())
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    clean(&pairs.join(","))
}

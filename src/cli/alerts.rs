//! `opwatch alerts`: those that are pending or firing, and what has become of others.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Deserialize;
use serde_json::Value;

use super::server::{Server, refused};
use super::{NO_DATA, UNUSABLE, complain, say};
use crate::amount;
use crate::app::remote::{Purpose, clean};
use crate::columns;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  opwatch alerts
  opwatch alerts history -o csv

Exit codes: 0 good; 2 wrong use; 3 there is none; 4 opwatch cannot be reached.";

/// Which alerts are shown, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Alerts {
    /// Those that are active now, or past changes.
    #[arg(value_enum, default_value_t)]
    which: Which,
    /// How they are shown.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    server: Server,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Pending and firing ones.
    #[default]
    Active,
    /// What alerts began and ended, newest first.
    History,
}

#[derive(Deserialize)]
struct Answer {
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: BTreeMap<String, String>,
    state: String,
    active_at: String,
    value: String,
    #[serde(default)]
    suppressed: bool,
    /// An older opwatch says nothing of it.
    tally: Option<Tally>,
    status: Option<Status>,
    flap_score: Option<f64>,
    #[serde(default)]
    flapping: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tally {
    evaluations: u64,
    values: u64,
    last_seen: String,
    worst: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    silenced_by: Vec<String>,
    inhibited_by: Vec<String>,
    muted_by: Vec<String>,
    #[serde(default)]
    maintained_by: Vec<String>,
    #[serde(default)]
    collected_by: Vec<String>,
}

#[derive(Deserialize)]
struct Changed {
    labels: BTreeMap<String, String>,
    change: String,
    reason: Option<String>,
    at: String,
    value: Option<f64>,
}

impl Alerts {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        let remote = match self.server.remote(config, Purpose::Read) {
            Ok(remote) => remote,
            Err(code) => return code,
        };
        let path = match self.which {
            Which::Active => "/api/v1/alerts",
            Which::History => "/api/v1/alerts/history",
        };
        let answer: Value = match remote.get(path) {
            Ok(answer) => answer,
            Err(error) => return refused(&error),
        };
        let (text, is_empty) = match self.shown(answer) {
            Ok(shown) => shown,
            Err(error) => return refused(&remote.foreign(error)),
        };
        if is_empty && self.output != Output::Json {
            return complain(NO_DATA, "there are no such alerts");
        }
        match text {
            Ok(text) => say(&text),
            Err(error) => return complain(UNUSABLE, &error.to_string()),
        }
        ExitCode::from(if is_empty { NO_DATA } else { 0 })
    }

    /// The answer as text, and whether nothing is in it.
    fn shown(&self, answer: Value) -> serde_json::Result<(serde_json::Result<String>, bool)> {
        let text = serde_json::to_string_pretty(&answer);
        let (shown, is_empty) = match self.which {
            Which::Active => {
                let Answer { alerts } = serde_json::from_value(answer)?;
                (self.active(&alerts), alerts.is_empty())
            }
            Which::History => {
                let changes: Vec<Changed> = serde_json::from_value(answer)?;
                (self.history(&changes), changes.is_empty())
            }
        };
        Ok(match self.output {
            Output::Json => (text, is_empty),
            Output::Table | Output::Csv => (Ok(shown), is_empty),
        })
    }

    fn active(&self, alerts: &[Alert]) -> String {
        let row = |alert: &Alert| {
            let tally = alert.tally.as_ref();
            let of = |say: fn(&Tally) -> String| tally.map(say).unwrap_or_default();
            [
                clean(&alert.state),
                labels(&alert.labels),
                clean(&alert.active_at),
                clean(&alert.value),
                of(|tally| {
                    let worst = tally.worst.map(|value| amount::digits(value, 6));
                    worst.unwrap_or_default()
                }),
                of(|tally| tally.evaluations.to_string()),
                of(|tally| tally.values.to_string()),
                of(|tally| clean(&tally.last_seen)),
                score(alert.flap_score),
                clean(&held_back(alert)),
            ]
        };
        let names = [
            "state",
            "labels",
            "active_at",
            "value",
            "worst",
            "found",
            "values",
            "last_seen",
            "flap_score",
            "not_told_because",
        ];
        self.lay_out(names, alerts.iter().map(row).collect())
    }

    fn history(&self, changes: &[Changed]) -> String {
        let row = |change: &Changed| {
            [
                clean(&change.at),
                clean(&change.change),
                clean(change.reason.as_deref().unwrap_or_default()),
                labels(&change.labels),
                change
                    .value
                    .map(|value| amount::digits(value, 6))
                    .unwrap_or_default(),
            ]
        };
        let names = ["at", "change", "reason", "labels", "value"];
        self.lay_out(names, changes.iter().map(row).collect())
    }

    fn lay_out<const N: usize>(&self, names: [&str; N], rows: Vec<[String; N]>) -> String {
        match self.output {
            Output::Csv => columns::csv(names, rows),
            Output::Table | Output::Json => columns::table(names, rows),
        }
    }
}

/// To two decimals: more would only be other at every look.
fn score(score: Option<f64>) -> String {
    score.map_or_else(String::new, |score| format!("{score:.2}"))
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    let pairs = labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"));
    clean(&pairs.collect::<Vec<_>>().join(","))
}

/// Everything that keeps an alert from being told.
fn held_back(alert: &Alert) -> String {
    let mut reasons = Vec::new();
    if let Some(status) = &alert.status {
        reasons.extend(status.silenced_by.iter().map(|id| format!("silence {id}")));
        reasons.extend(
            status
                .inhibited_by
                .iter()
                .map(|fp| format!("inhibited by {fp}")),
        );
        reasons.extend(
            status
                .muted_by
                .iter()
                .map(|name| format!("time interval {name}")),
        );
        let maintenance = status.maintained_by.iter();
        reasons.extend(maintenance.map(|name| format!("maintenance {name}")));
        let digests = status.collected_by.iter();
        reasons.extend(digests.map(|name| format!("digest {name}")));
    }
    if alert.flapping {
        reasons.push("it flaps: told at growing distances".to_owned());
    }
    if alert.suppressed {
        reasons.push("an alert that its rule depends on".to_owned());
    }
    reasons.join(", ")
}

//! `opwatch alerts`: those that are pending or firing, what has become of others, and what people do about them.

mod handle;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::Value;

use super::server::{Server, refused};
use super::{NO_DATA, UNUSABLE, complain, say};
use crate::app::remote::{Purpose, clean};
use crate::shown::amount;
use crate::shown::columns;
use crate::shown::output::Output;

const EXAMPLES: &str = "\
Examples:
  opwatch alerts
  opwatch alerts history -o csv
  opwatch alerts ack 8f2b6c1d0e9a7534 --by ann --for 4h --comment 'new index'
  opwatch alerts resolve 8f2b6c1d0e9a7534
  opwatch alerts clear --type threshold_exceeded

An alert that is looked after is neither repeated nor escalated, until it ends, its severity rises, or the time is over. One \
that is resolved or cleared ends now and stays quiet until its condition has stopped holding and next holds.

Exit codes: 0 good; 2 wrong use; 3 there is none; 4 opwatch cannot be reached.";

/// Shows alerts, looks after them and ends them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Alerts {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    shown: Shown,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show those that are pending or firing, as without a command.
    Active(Shown),
    /// Show what alerts began and ended and what was done about them, newest first.
    History(Shown),
    /// Say that you look after alerts: they are neither repeated nor escalated.
    Ack(handle::Ack),
    /// Say that nobody looks after alerts any more.
    Unack(handle::Which),
    /// End alerts now, until their condition has stopped holding and next holds.
    Resolve(handle::Which),
    /// End all alerts, or those of one type.
    Clear(handle::Clear),
}

/// How alerts are shown, and whose.
#[derive(Debug, clap::Args)]
struct Shown {
    /// How they are shown.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    server: Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Active,
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
    #[serde(default)]
    fingerprint: String,
    acknowledgement: Option<Acknowledgement>,
    /// An older opwatch says nothing of it.
    tally: Option<Tally>,
    status: Option<Status>,
    flap_score: Option<f64>,
    #[serde(default)]
    flapping: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Acknowledgement {
    by: String,
    expires_at: Option<String>,
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
    #[serde(default)]
    note: String,
}

impl Alerts {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        match self.action {
            None => self.shown.run(Which::Active, config),
            Some(Action::Active(shown)) => shown.run(Which::Active, config),
            Some(Action::History(shown)) => shown.run(Which::History, config),
            Some(Action::Ack(ack)) => ack.run(config),
            Some(Action::Unack(which)) => which.unacknowledge(config),
            Some(Action::Resolve(which)) => which.resolve(config),
            Some(Action::Clear(clear)) => clear.run(config),
        }
    }
}

/// A number as people write it, of one as Prometheus' API writes it.
fn readable(value: &str) -> String {
    let number = value
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite());
    number.map_or_else(|| clean(value), |number| amount::digits(number, 6))
}

impl Shown {
    fn run(self, which: Which, config: Option<PathBuf>) -> ExitCode {
        let remote = match self.server.remote(config, Purpose::Read) {
            Ok(remote) => remote,
            Err(code) => return code,
        };
        let path = match which {
            Which::Active => "/api/v1/alerts",
            Which::History => "/api/v1/alerts/history",
        };
        let answer: Value = match remote.get(path) {
            Ok(answer) => answer,
            Err(error) => return refused(&error),
        };
        let (text, is_empty) = match self.shown(which, answer) {
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
    fn shown(
        &self,
        which: Which,
        answer: Value,
    ) -> serde_json::Result<(serde_json::Result<String>, bool)> {
        let text = serde_json::to_string_pretty(&answer);
        let (shown, is_empty) = match which {
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
                readable(&alert.value),
                of(|tally| {
                    let worst = tally.worst.map(|value| amount::digits(value, 6));
                    worst.unwrap_or_default()
                }),
                of(|tally| tally.evaluations.to_string()),
                of(|tally| tally.values.to_string()),
                of(|tally| clean(&tally.last_seen)),
                score(alert.flap_score),
                clean(&held_back(alert)),
                clean(&looked_after(alert)),
                clean(&alert.fingerprint),
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
            "acknowledged_by",
            "fingerprint",
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
                clean(&change.note),
            ]
        };
        let names = ["at", "change", "reason", "labels", "value", "note"];
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

/// Who looks after an alert, and until when.
fn looked_after(alert: &Alert) -> String {
    (alert.acknowledgement.as_ref()).map_or_else(String::new, |one| match &one.expires_at {
        Some(end) => format!("{} until {end}", one.by),
        None => one.by.clone(),
    })
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

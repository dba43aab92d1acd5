//! `opwatch alerts ack`, `unack`, `resolve` and `clear`: what people do about alerts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use hyper::Method;
use serde::Deserialize;
use serde_json::json;

use super::labels;
use crate::app::remote::{Purpose, Remote, RemoteError, clean, with_query};
use crate::cli::baselines::not_durable;
use crate::cli::server::{Failed, Server, code};
use crate::cli::{NO_DATA, complain, say};
use crate::document::units::Period;

/// Looks after alerts.
#[derive(Debug, clap::Args)]
pub(super) struct Ack {
    #[command(flatten)]
    which: Which,
    /// Who looks after them.
    #[arg(long, short, value_name = "NAME", env = "USER")]
    by: String,
    /// For how long, such as 30m, 4h or 1d; without, until they end.
    #[arg(long = "for", value_name = "TIME")]
    time: Option<Period>,
    /// What you say to it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
}

/// The alerts that are meant.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// Their fingerprints, as `opwatch alerts` shows them.
    #[arg(value_name = "FINGERPRINT", required = true)]
    fingerprints: Vec<String>,
    #[command(flatten)]
    server: Server,
}

/// Ends all alerts.
#[derive(Debug, clap::Args)]
pub(super) struct Clear {
    /// Only those of this type, such as threshold_exceeded.
    #[arg(long = "type", value_name = "TYPE")]
    alert_type: Option<String>,
    #[command(flatten)]
    server: Server,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Acknowledgement {
    by: String,
    expires_at: Option<String>,
}

#[derive(Deserialize)]
struct Acknowledged {
    durable: bool,
    acknowledgement: Acknowledgement,
}

#[derive(Deserialize)]
struct Resolved {
    durable: bool,
    resolved: Vec<BTreeMap<String, String>>,
}

impl Ack {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        let expires_after = self.time.map(|time| time.to_string());
        let body = json!({"by": self.by, "comment": self.comment, "expires_after": expires_after});
        let body = body.to_string();
        self.which.each(config, |remote, fingerprint| {
            let path = format!("/api/v1/alerts/{fingerprint}/ack");
            let Acknowledged {
                durable,
                acknowledgement: one,
            } = remote.ask(Method::POST, &path, Some(body.clone()))?;
            let until = one
                .expires_at
                .map_or("until it ends".to_owned(), |at| format!("until {at}"));
            let (by, until) = (clean(&one.by), clean(&until));
            let note = not_durable(durable);
            Ok(format!(
                "{fingerprint} is looked after by {by} {until}{note}"
            ))
        })
    }
}

impl Which {
    pub(super) fn unacknowledge(self, config: Option<PathBuf>) -> ExitCode {
        self.each(config, |remote, fingerprint| {
            let path = format!("/api/v1/alerts/{fingerprint}/ack");
            let before: Acknowledged = remote.ask(Method::DELETE, &path, None)?;
            let by = clean(&before.acknowledgement.by);
            let note = not_durable(before.durable);
            Ok(format!(
                "{fingerprint} is not looked after by {by} any more{note}"
            ))
        })
    }

    pub(super) fn resolve(self, config: Option<PathBuf>) -> ExitCode {
        self.each(config, |remote, fingerprint| {
            let path = format!("/api/v1/alerts/{fingerprint}/resolve");
            let ended: Resolved = remote.ask(Method::POST, &path, None)?;
            let note = not_durable(ended.durable);
            Ok(format!("{fingerprint} has ended{note}"))
        })
    }

    fn each(
        &self,
        config: Option<PathBuf>,
        act: impl Fn(&Remote, &str) -> Result<String, RemoteError>,
    ) -> ExitCode {
        self.server.each(config, &self.fingerprints, |remote, one| {
            // A path: what could lead elsewhere is no fingerprint.
            if one.is_empty() || !one.bytes().all(|c| c.is_ascii_hexdigit()) {
                return Err(Failed::Unusable(format!(
                    "{one:?} is no fingerprint, allowed: one that `opwatch alerts` shows"
                )));
            }
            Ok(act(remote, one)?)
        })
    }
}

impl Clear {
    pub(super) fn run(self, config: Option<PathBuf>) -> ExitCode {
        let remote = match self.server.remote(config, Purpose::Change) {
            Ok(remote) => remote,
            Err(code) => return code,
        };
        let query = self
            .alert_type
            .iter()
            .map(|one| ("alert_type", one.clone()));
        let path = with_query("/api/v1/alerts", query);
        match remote.ask::<Resolved>(Method::DELETE, &path, None) {
            Ok(ended) if ended.resolved.is_empty() => complain(NO_DATA, "no such alert fires"),
            Ok(ended) => {
                let lines = ended.resolved.iter().map(|one| labels(one) + " has ended");
                let lines: Vec<String> = lines.collect();
                say(&(lines.join("\n") + not_durable(ended.durable)));
                ExitCode::SUCCESS
            }
            Err(error) => complain(code(&error), &error.to_string()),
        }
    }
}

//! `opwatch.yaml` → [`Config`]: sections joined, defaults filled in, and everything checked in one pass.
//!
//! Every key has a default and an empty file is a working one. Relative paths are taken from the file's folder, `${NAME}`
//! is replaced by an environment variable. The rule files that it names belong to it: what is wrong in any of them is
//! told together with what is wrong here.

mod actions;
mod alertmanager;
mod check;
mod digest;
mod files;
mod flapping;
mod incidents;
mod inhibit;
mod interval;
mod listen;
mod maintenance;
mod matchers;
mod memory;
mod paths;
mod read;
mod route;
mod sections;
mod target;
mod wire;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use crate::rulefile::Warning;
pub use alertmanager::to_alertmanager;
pub use check::{Report, check, check_rules, load_rules};
pub use files::{Content, Files};
pub use listen::{Listen, listen_of};

use crate::document::Fault;
use crate::engine::Settings;
use crate::engine::action::Action;
use crate::engine::dispatch::maintenance::Window;
use crate::engine::dispatch::{Digest, FlapSettings, InhibitRule, Route, TimeIntervals};
use crate::engine::rule::{External, RuleGroup};
use crate::engine::series::Labels;
use crate::engine::store::StoreSettings;
use crate::exposition::ExpositionConfig;
pub use crate::ingest::target::{Choice, Target};
use crate::notify::{NotifySettings, ReceiverConfig};

/// Looks up an environment variable.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The whole configuration, ready to be used.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file that it was read from, if any.
    pub file: Option<PathBuf>,
    /// Where to listen.
    pub listen: Listen,
    /// Address of this opwatch as others reach it, without a slash at its end. Default: host name and port of
    /// `listen.public`.
    pub external_url: String,
    /// Folder for what is to outlive the process; `None` keeps everything in memory. Default `opwatch-data`.
    pub data_dir: Option<PathBuf>,
    /// `rule_files` as written: patterns of names, taken from the folder of `file`.
    pub rule_patterns: Vec<String>,
    /// The rule files found by these patterns, in their order.
    pub rule_files: Vec<PathBuf>,
    /// The groups of all rule files, and after them what is built in: with `guide_rules: on` (default off) the default
    /// thresholds of the guide, and unless `self_rules: off` what opwatch says of itself. A rule of a file takes the place
    /// of a built-in one of the same name.
    pub groups: Vec<RuleGroup>,
    /// Time between evaluations of groups that do not say. Default 15s.
    pub evaluation_interval: Duration,
    /// Labels added to alerts that leave, where the alert has none of that name.
    pub external_labels: Labels,
    /// What is logged.
    pub log: Log,
    /// The process or processes whose CPU and memory are watched; none by default.
    pub target: Target,
    /// Bounds of the store, with the bucket bounds of `buckets`.
    pub store: StoreSettings,
    /// Bytes that the store may take on disk. Default 256MiB.
    pub max_disk: u64,
    /// Bounds of what clients may send.
    pub limits: Limits,
    /// What `/metrics` shows beside the usual.
    pub exposition: ExpositionConfig,
    /// Who can be told, and by which means.
    pub notify: NotifySettings,
    /// How often Alertmanagers are told again. Default 1m.
    pub resend_delay: Duration,
    /// How long Alertmanagers are told again of an alert that has ended, so that one that was away hears of it too. Default 15m.
    pub resolved_retention: Duration,
    /// Which of an instance's firing levels are told. Default `highest`.
    pub send_levels: SendLevels,
    /// How far the starts of alerts may lie apart that are one incident and are told as one; `None` with `incidents: off`.
    /// Default 5m.
    pub incidents: Option<Duration>,
    /// When alerts flap, so that they are told of at growing distances; `None` with `flapping: off`. Default from a score of 4
    /// on, with a half-life of 1h.
    pub flapping: Option<FlapSettings>,
    /// Who hears of which alert; `None` when opwatch itself tells nobody.
    pub route: Option<Route>,
    /// How long requests in flight and undelivered notifications have together when opwatch ends. Default 10s.
    pub drain_timeout: Duration,
    /// Which alerts keep others from being told.
    pub inhibit_rules: Vec<InhibitRule>,
    /// The intervals that routes name.
    pub time_intervals: TimeIntervals,
    /// What alerts bring about.
    pub actions: Vec<Action>,
    /// When nobody is told of which alerts, and perhaps nothing is learned.
    pub maintenance: Vec<Window>,
    /// Which alerts are collected for whom, and when they are told.
    pub digests: Vec<Digest>,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A level, or levels by module with commas between: `info,opwatch::notify=debug`. Default `info`.
    pub level: String,
    /// How lines look. Default `text`.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Bounds of what clients may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request body as sent. Default 8MiB.
    pub body_bytes: usize,
    /// Bytes of a request body after decompression. Default 64MiB.
    pub decompressed_bytes: usize,
    /// Bytes that all requests together may hold on their way in; a part of `store.max_memory`. Default a quarter of it.
    pub in_flight_bytes: usize,
    /// Connections open at once. Default 512.
    pub connections: usize,
    /// Batches that wait for the engine. Default 64.
    pub queue: usize,
}

/// Which of an instance's firing levels are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendLevels {
    /// The highest only.
    #[default]
    Highest,
    /// Each, for users of an inhibit rule.
    All,
}

impl Config {
    /// Reads a configuration file and the rule files that it names.
    ///
    /// # Errors
    /// Every fault of every file.
    pub fn load(path: &Path, lookup: Lookup<'_>) -> Result<(Self, Vec<Warning>), Vec<Fault>> {
        Self::judge(read::file(path, lookup))
    }

    /// The configuration of an empty file: what holds when there is none.
    ///
    /// # Errors
    /// None for an empty file; the type is that of [`Config::load`].
    pub fn without_file() -> Result<(Self, Vec<Warning>), Vec<Fault>> {
        let text = String::new();
        Self::judge(read::text("opwatch.yaml", text, Path::new(""), &|_| None))
    }

    fn judge(read: read::Read) -> Result<(Self, Vec<Warning>), Vec<Fault>> {
        match read.config {
            Some(config) if read.findings.faults.is_empty() => Ok((config, read.findings.warnings)),
            _ => Err(read.findings.faults),
        }
    }

    /// The files to look at to see whether it has changed; none without a file.
    pub fn files(&self) -> Option<Files> {
        self.file.clone().map(|config| Files {
            config,
            patterns: self.rule_patterns.clone(),
        })
    }

    /// What the engine needs of it.
    pub fn engine_settings(&self) -> Settings {
        let receivers = self.notify.receivers.iter();
        // One cap for both: the store has what requests in flight may not take.
        let max_memory = self.store.max_memory - self.limits.in_flight_bytes;
        Settings {
            store: StoreSettings {
                max_memory,
                ..self.store.clone()
            },
            groups: self.groups.clone(),
            route: self.route.clone(),
            receivers: receivers.map(ReceiverConfig::receiver).collect(),
            inhibit_rules: self.inhibit_rules.clone(),
            time_intervals: self.time_intervals.clone(),
            maintenance: self.maintenance.clone(),
            external: External {
                labels: self.external_labels.clone(),
                url: self.external_url.clone(),
            },
            resend_delay: self.resend_delay,
            resolved_retention: self.resolved_retention,
            send_levels: self.send_levels == SendLevels::All,
            incidents: self.incidents,
            flapping: self.flapping,
            digests: self.digests.clone(),
            told_by_group: (self.notify.receivers.iter())
                .flat_map(ReceiverConfig::told_by_group)
                .collect(),
            actions: self.actions.clone(),
        }
    }
}

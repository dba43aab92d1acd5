//! The keys of `opwatch.yaml`, as they are written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::digest::Digest;
use super::flapping::Flapping;
use super::incidents::Incidents;
use super::maintenance::Maintenance;
use super::{LogFormat, SendLevels};
use crate::document::switched::Switched;
use crate::document::units::{ByteSize, Cores, Period, Quantity};
use crate::exposition::ExpositionConfig;
use crate::notify::ReceiverConfig;
use crate::notify::action::ActionConfig;
use crate::notify::alertmanager::AlertmanagerConfig;
use crate::notify::email::SmtpConfig;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub listen: Listen,
    pub external_url: Option<String>,
    pub data_dir: Option<String>,
    #[serde(default)]
    pub rule_files: Vec<String>,
    pub guide_rules: Option<Switch>,
    pub self_rules: Option<Switch>,
    pub evaluation_interval: Option<Period>,
    #[serde(default)]
    pub external_labels: BTreeMap<String, String>,
    #[serde(default)]
    pub log: Log,
    pub target: Option<Target>,
    #[serde(default)]
    pub store: Store,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub buckets: BTreeMap<String, Vec<Quantity>>,
    #[serde(default)]
    pub alertmanagers: Vec<AlertmanagerConfig>,
    pub resend_delay: Option<Period>,
    pub resolved_retention: Option<Period>,
    pub drain_timeout: Option<Period>,
    pub send_levels: Option<SendLevels>,
    #[serde(default)]
    pub incidents: Switched<Incidents>,
    #[serde(default)]
    pub flapping: Switched<Flapping>,
    pub smtp: Option<SmtpConfig>,
    pub route: Option<Route>,
    #[serde(default)]
    pub receivers: Vec<ReceiverConfig>,
    #[serde(default)]
    pub exposition: ExpositionConfig,
    #[serde(default)]
    pub inhibit_rules: Vec<InhibitRule>,
    #[serde(default)]
    pub time_intervals: Vec<NamedIntervals>,
    #[serde(default)]
    pub mute_time_intervals: Vec<NamedIntervals>,
    #[serde(default)]
    pub maintenance: Vec<Maintenance>,
    #[serde(default)]
    pub digest: Vec<Digest>,
    // Of the design, but not available yet.
    pub escalations: Option<IgnoredAny>,
    #[serde(default)]
    pub actions: Vec<ActionConfig>,
    pub mute: Option<IgnoredAny>,
    pub tls: Option<IgnoredAny>,
    pub web: Option<IgnoredAny>,
}

/// `on` or `off`; `true` and `false` mean the same, because some tools write YAML 1.1 that way.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Switch {
    #[serde(alias = "true")]
    On,
    #[serde(alias = "false")]
    Off,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listen {
    pub public: Option<String>,
    pub ingest: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    pub level: Option<String>,
    pub format: Option<LogFormat>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    pub process: Option<String>,
    pub pid: Option<u32>,
    pub name: Option<String>,
    pub interval: Option<Period>,
    pub cpu_limit: Option<Cores>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub max_memory: Option<ByteSize>,
    pub max_history: Option<u32>,
    pub max_series: Option<u32>,
    pub series_ttl: Option<Period>,
    pub retention: Option<Period>,
    pub max_disk: Option<ByteSize>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    pub body: Option<ByteSize>,
    pub decompressed: Option<ByteSize>,
    pub in_flight: Option<ByteSize>,
    pub connections: Option<u32>,
    pub queue: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    pub receiver: Option<String>,
    pub group_by: Option<Vec<String>>,
    pub matchers: Option<Vec<String>>,
    #[serde(rename = "match")]
    pub equal: Option<BTreeMap<String, String>>,
    pub match_re: Option<BTreeMap<String, String>>,
    #[serde(rename = "continue")]
    pub go_on: Option<bool>,
    pub group_wait: Option<Period>,
    pub group_interval: Option<Period>,
    pub repeat_interval: Option<Period>,
    #[serde(default)]
    pub mute_time_intervals: Vec<String>,
    #[serde(default)]
    pub active_time_intervals: Vec<String>,
    #[serde(default)]
    pub routes: Vec<Route>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InhibitRule {
    pub source_matchers: Option<Vec<String>>,
    pub target_matchers: Option<Vec<String>>,
    pub source_match: Option<BTreeMap<String, String>>,
    pub source_match_re: Option<BTreeMap<String, String>>,
    pub target_match: Option<BTreeMap<String, String>>,
    pub target_match_re: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub equal: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedIntervals {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub time_intervals: Vec<TimeInterval>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimeInterval {
    pub times: Option<Vec<TimeRange>>,
    pub weekdays: Option<Vec<String>>,
    pub days_of_month: Option<Vec<String>>,
    pub months: Option<Vec<String>>,
    pub years: Option<Vec<String>>,
    pub location: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimeRange {
    pub start_time: String,
    pub end_time: String,
}

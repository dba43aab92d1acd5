//! The keys of a rule test file: promtool's, and `measurements`, `baselines`, `exp_pending` and `send_levels` beside them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::document::units::{Cores, Period};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub rule_files: Vec<String>,
    pub evaluation_interval: Option<Period>,
    #[serde(default)]
    pub group_eval_order: Vec<String>,
    #[serde(default)]
    pub tests: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    pub name: Option<String>,
    pub interval: Option<Period>,
    #[serde(default)]
    pub measurements: Vec<Measurements>,
    #[serde(default)]
    pub input_series: Vec<InputSeries>,
    #[serde(default)]
    pub baselines: Vec<Baseline>,
    #[serde(default)]
    pub alert_rule_test: Vec<AlertTest>,
    pub promql_expr_test: Option<IgnoredAny>,
    #[serde(default)]
    pub external_labels: BTreeMap<String, String>,
    pub external_url: Option<String>,
    pub send_levels: Option<SendLevels>,
    pub cpu_limit: Option<Cores>,
}

/// One source of measurements; each field of the wire format as values over time.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Measurements {
    pub operation: String,
    #[serde(default)]
    pub algorithm: String,
    #[serde(default)]
    pub version: String,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    pub outcome: Option<Outcome>,
    #[serde(default)]
    pub error_class: String,
    pub duration_seconds: Option<String>,
    pub setup_seconds: Option<String>,
    pub cleanup_seconds: Option<String>,
    pub cpu_cores: Option<String>,
    pub memory_bytes: Option<String>,
    pub memory_peak_bytes: Option<String>,
    pub samples: Option<String>,
    pub quality_samples: Option<String>,
    #[serde(default)]
    pub quality: BTreeMap<String, String>,
}

/// A baseline that is set in the course of a test, in the fields of `POST /api/v1/baselines`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Baseline {
    /// When; at the start without it.
    pub at: Option<Period>,
    pub name: String,
    pub metric: String,
    pub value: Option<f64>,
    pub sd: Option<f64>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    pub select: Option<String>,
    pub by: Option<Vec<String>>,
    pub window: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Success,
    Failure,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InputSeries {
    pub series: String,
    pub values: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertTest {
    pub eval_time: Period,
    pub alertname: String,
    #[serde(default)]
    pub exp_alerts: Vec<Expected>,
    pub exp_pending: Option<Vec<ExpectedPending>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    #[serde(default)]
    pub exp_labels: BTreeMap<String, String>,
    #[serde(default)]
    pub exp_annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedPending {
    #[serde(default)]
    pub exp_labels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SendLevels {
    #[default]
    Highest,
    All,
}

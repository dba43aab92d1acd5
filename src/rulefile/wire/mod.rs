//! The keys of a rule file, as they are written.

mod amounts;
mod limits;

use std::collections::BTreeMap;

pub(super) use amounts::Amounts;
pub(super) use limits::{Limit, Limits};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::document::units::{Period, Quantity};
use crate::engine::metric::Worse;
use crate::engine::rule::{Mode, NoData, OnError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub name: String,
    pub interval: Option<Period>,
    pub query_offset: Option<IgnoredAny>,
    pub limit: Option<u32>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub alert: Option<String>,
    pub record: Option<IgnoredAny>,
    pub select: Option<String>,
    pub by: Option<Vec<String>>,
    pub threshold: Option<Threshold>,
    pub regression: Option<Regression>,
    pub trend: Option<Trend>,
    pub anomaly: Option<Anomaly>,
    pub absence: Option<Absence>,
    pub expr: Option<IgnoredAny>,
    #[serde(rename = "for")]
    pub hold: Option<Period>,
    pub for_samples: Option<String>,
    pub keep_firing_for: Option<Period>,
    pub no_data: Option<WhenNoData>,
    pub stale_after: Option<Period>,
    pub on_error: Option<WhenError>,
    pub mode: Option<RuleMode>,
    #[serde(default)]
    pub depends_on: Vec<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    #[serde(default)]
    pub actions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Threshold {
    pub metric: String,
    pub stat: Option<String>,
    pub window: String,
    pub above: Option<Limits>,
    pub below: Option<Limits>,
    pub at_least: Option<Limits>,
    pub at_most: Option<Limits>,
    pub equals: Option<Limits>,
    pub recover: Option<Quantity>,
    pub min_samples: Option<u64>,
    pub worse: Option<Direction>,
    /// Of which baseline limits are multiples, where they are.
    pub of: Option<Against>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Regression {
    pub metric: String,
    pub stat: Option<String>,
    pub window: Option<String>,
    pub block: Option<Period>,
    pub baseline: Against,
    pub worse_by: Option<Amounts>,
    pub recover: Option<Quantity>,
    pub false_alarms: Option<String>,
    pub min_samples: Option<u64>,
    pub worse: Option<Direction>,
    pub compat: Option<Compat>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trend {
    pub metric: String,
    pub stat: Option<String>,
    pub window: Period,
    pub bucket: Period,
    pub rising: Option<Amounts>,
    pub falling: Option<Amounts>,
    pub reaches: Option<String>,
    pub recover: Option<Quantity>,
    pub false_alarms: Option<String>,
    pub min_samples: Option<u64>,
}

/// What a window is compared with: one of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Against {
    pub pinned: Option<String>,
    pub rolling: Option<Period>,
    pub offset: Option<Period>,
    pub seasonal: Option<Period>,
    pub version: Option<Version>,
    pub change_point: Option<Period>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Version {
    Previous,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Compat {
    Guide,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Anomaly {
    pub metric: String,
    pub stat: Option<String>,
    pub block: Option<Period>,
    pub season: Option<Period>,
    pub direction: Option<Way>,
    pub false_alarms: Option<String>,
    pub min_samples: Option<u64>,
}

/// Which way is alerted on.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    Up,
    Down,
    Both,
}

impl From<Way> for Option<Worse> {
    fn from(written: Way) -> Self {
        match written {
            Way::Up => Some(Worse::Up),
            Way::Down => Some(Worse::Down),
            Way::Both => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Absence {
    pub expect_every: Period,
    pub grace: Option<Period>,
    pub remember: Option<Period>,
    #[serde(default)]
    pub expect: Vec<BTreeMap<String, String>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WhenError {
    Keep,
    Alert,
}

impl From<WhenError> for OnError {
    fn from(written: WhenError) -> Self {
        match written {
            WhenError::Keep => Self::Keep,
            WhenError::Alert => Self::Alert,
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WhenNoData {
    Keep,
    Resolve,
    Alert,
}

impl From<WhenNoData> for NoData {
    fn from(written: WhenNoData) -> Self {
        match written {
            WhenNoData::Keep => Self::Keep,
            WhenNoData::Resolve => Self::Resolve,
            WhenNoData::Alert => Self::Alert,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RuleMode {
    Active,
    Shadow,
    Off,
}

impl From<RuleMode> for Mode {
    fn from(written: RuleMode) -> Self {
        match written {
            RuleMode::Active => Self::Active,
            RuleMode::Shadow => Self::Shadow,
            RuleMode::Off => Self::Off,
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Direction {
    Up,
    Down,
}

impl From<Direction> for Worse {
    fn from(written: Direction) -> Self {
        match written {
            Direction::Up => Self::Up,
            Direction::Down => Self::Down,
        }
    }
}

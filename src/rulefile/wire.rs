//! The keys of a rule file, as they are written.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::document::units::{Period, Quantity};
use crate::engine::metric::Worse;
use crate::engine::rule::{Mode, NoData, OnError, Severity};

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
    pub actions: Option<IgnoredAny>,
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

/// By how much worse something has to be.
pub(super) enum Amounts {
    /// For one alert.
    One(String),
    /// For each severity, in the order of severities.
    Levels(BTreeMap<Severity, String>),
}

/// A key of a mapping of amounts.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SeverityKey {
    Low,
    Medium,
    High,
    Critical,
}

impl From<SeverityKey> for Severity {
    fn from(key: SeverityKey) -> Self {
        match key {
            SeverityKey::Low => Self::Low,
            SeverityKey::Medium => Self::Medium,
            SeverityKey::High => Self::High,
            SeverityKey::Critical => Self::Critical,
        }
    }
}

impl<'de> Deserialize<'de> for Amounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountsVisitor)
    }
}

struct AmountsVisitor;

impl<'de> Visitor<'de> for AmountsVisitor {
    type Value = Amounts;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "an amount such as 10% or `3 sd`, or one for each severity such as {medium: 10%, high: 50%}",
        )
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Amounts, E> {
        Ok(Amounts::One(text.to_owned()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Amounts, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Amounts, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Amounts, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Amounts, A::Error> {
        let mut levels = BTreeMap::new();
        while let Some(key) = map.next_key::<SeverityKey>()? {
            levels.insert(key.into(), map.next_value()?);
        }
        Ok(Amounts::Levels(levels))
    }
}

/// What a comparison is made with.
pub(super) enum Limits {
    /// One limit.
    One(Limit),
    /// A limit for each severity, in the order of severities.
    Levels(BTreeMap<Severity, Limit>),
}

/// One limit.
pub(super) enum Limit {
    /// A value.
    Value(Quantity),
    /// A multiple of a statistic of the baseline.
    Relative(Multiple),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Multiple {
    pub baseline: String,
    pub times: f64,
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LimitVisitor)
    }
}

struct LimitVisitor;

impl<'de> Visitor<'de> for LimitVisitor {
    type Value = Limit;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .write_str("a value such as 5s, 512MiB, 80% or 0.9, or {baseline: p95, times: 1.5}")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Limit, E> {
        text.parse().map(Limit::Value).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Limit, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Limit, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Limit, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Limit, A::Error> {
        Multiple::deserialize(MapAccessDeserializer::new(map)).map(Limit::Relative)
    }
}

/// A key of a mapping of limits.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum LimitKey {
    Low,
    Medium,
    High,
    Critical,
    Baseline,
    Times,
}

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LimitsVisitor)
    }
}

struct LimitsVisitor;

impl<'de> Visitor<'de> for LimitsVisitor {
    type Value = Limits;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(
            "a value such as 5s, 512MiB, 80% or 0.9, {baseline: p95, times: 1.5}, or one for each severity such as {medium: 5s, high: 10s}",
        )
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Limits, E> {
        LimitVisitor.visit_str(text).map(Limits::One)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Limits, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Limits, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Limits, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Limits, A::Error> {
        let mut levels = BTreeMap::new();
        let (mut baseline, mut times) = (None, None);
        while let Some(key) = map.next_key()? {
            let severity = match key {
                LimitKey::Low => Severity::Low,
                LimitKey::Medium => Severity::Medium,
                LimitKey::High => Severity::High,
                LimitKey::Critical => Severity::Critical,
                LimitKey::Baseline => {
                    baseline = Some(map.next_value()?);
                    continue;
                }
                LimitKey::Times => {
                    times = Some(map.next_value()?);
                    continue;
                }
            };
            levels.insert(severity, map.next_value()?);
        }
        let both = "`baseline` and `times` go together, without severities beside them";
        match (baseline, times) {
            (None, None) => Ok(Limits::Levels(levels)),
            (Some(baseline), Some(times)) if levels.is_empty() => {
                Ok(Limits::One(Limit::Relative(Multiple { baseline, times })))
            }
            _ => Err(serde::de::Error::custom(both)),
        }
    }
}

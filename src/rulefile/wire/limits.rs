//! Limits as they are written: a value or a multiple of a baseline, or one for each severity.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::document::units::Quantity;
use crate::engine::rule::Severity;

/// What a comparison is made with.
pub(in crate::rulefile) enum Limits {
    /// One limit.
    One(Limit),
    /// A limit for each severity, in the order of severities.
    Levels(BTreeMap<Severity, Limit>),
}

/// One limit.
pub(in crate::rulefile) enum Limit {
    /// A value.
    Value(Quantity),
    /// A multiple of a statistic of the baseline.
    Relative(Multiple),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::rulefile) struct Multiple {
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

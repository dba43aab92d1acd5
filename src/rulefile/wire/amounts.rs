//! Amounts as they are written: one, or one for each severity.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::engine::rule::Severity;

/// By how much worse something has to be.
pub(in crate::rulefile) enum Amounts {
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

//! `incidents:`: whether alerts that began together are told as one, and how far apart they may have begun.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::document::units::Period;
use crate::engine::incident::MERGE;

/// As it is written.
pub(super) struct Incidents(Option<Duration>);

impl Incidents {
    /// How far apart the starts of the alerts of one incident may lie; `None` where there are none.
    pub(super) fn merge(&self) -> Option<Duration> {
        self.0
    }
}

impl Default for Incidents {
    fn default() -> Self {
        Self(Some(MERGE))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    merge: Option<Period>,
}

impl<'de> Deserialize<'de> for Incidents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IncidentsVisitor)
    }
}

struct IncidentsVisitor;

impl<'de> Visitor<'de> for IncidentsVisitor {
    type Value = Incidents;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("on, off, or {merge: 5m}")
    }

    fn visit_bool<E: serde::de::Error>(self, is_on: bool) -> Result<Incidents, E> {
        Ok(Incidents(is_on.then_some(MERGE)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Incidents, E> {
        match text {
            "on" | "true" => self.visit_bool(true),
            "off" | "false" => self.visit_bool(false),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Incidents, A::Error> {
        let settings = Settings::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Incidents(Some(
            settings.merge.map_or(MERGE, |merge| merge.0),
        )))
    }
}

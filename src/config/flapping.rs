//! `flapping:`: whether alerts that begin and end again and again are told of at growing distances, and which do.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::document::Place;
use crate::document::units::Period;
use crate::engine::dispatch::FlapSettings;
use crate::engine::dispatch::flapping::MOST;
use crate::rulefile::Checker;

/// As it is written.
pub(super) enum Flapping {
    Off,
    On(Settings),
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    score: Option<f64>,
    half_life: Option<Period>,
}

impl Default for Flapping {
    fn default() -> Self {
        Self::On(Settings::default())
    }
}

impl Flapping {
    /// When alerts flap; `None` where that is not looked at.
    pub(super) fn read(&self, checker: &mut Checker<'_>) -> Option<FlapSettings> {
        let Self::On(written) = self else {
            return None;
        };
        let default = FlapSettings::default();
        let read = FlapSettings {
            score: written.score.unwrap_or(default.score),
            half_life: written.half_life.map_or(default.half_life, |one| one.0),
        };
        let place = Place::root().key("flapping");
        let most = u32::try_from(MOST / 2).map_or(f64::MAX, f64::from);
        if !(2.0..=most).contains(&read.score) {
            checker.fault(
                &place.key("score"),
                format!(
                    "`score` of {} is out of range, allowed: 2 to {most}",
                    read.score
                ),
            );
        }
        if read.half_life.is_zero() {
            checker.fault(
                &place.key("half_life"),
                "a half-life of 0 is not possible, allowed: above 0",
            );
        }
        Some(read)
    }
}

impl<'de> Deserialize<'de> for Flapping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlappingVisitor)
    }
}

struct FlappingVisitor;

impl<'de> Visitor<'de> for FlappingVisitor {
    type Value = Flapping;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("on, off, or {score: 4, half_life: 1h}")
    }

    fn visit_bool<E: serde::de::Error>(self, is_on: bool) -> Result<Flapping, E> {
        Ok(match is_on {
            true => Flapping::default(),
            false => Flapping::Off,
        })
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Flapping, E> {
        match text {
            "on" | "true" => self.visit_bool(true),
            "off" | "false" => self.visit_bool(false),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Flapping, A::Error> {
        Settings::deserialize(MapAccessDeserializer::new(map)).map(Flapping::On)
    }
}

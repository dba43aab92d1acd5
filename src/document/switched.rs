//! Settings that are on or off, or on with something to say of it: `on`, `off`, `{key: value}`.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Unexpected, Visitor};

/// What more is said where something is on; without any of it everything is as usual.
pub trait Details: Default {
    /// What may stand there, as an error says it.
    const ALLOWED: &'static str;
}

/// Something that is off, or on in some way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Switched<T> {
    /// Not at all.
    Off,
    /// As it says.
    On(T),
}

impl<T> Switched<T> {
    /// How it is on; `None` where it is off.
    pub fn details(&self) -> Option<&T> {
        match self {
            Self::Off => None,
            Self::On(details) => Some(details),
        }
    }
}

impl<T: Default> Default for Switched<T> {
    fn default() -> Self {
        Self::On(T::default())
    }
}

impl<'de, T: Details + Deserialize<'de>> Deserialize<'de> for Switched<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SwitchedVisitor(PhantomData))
    }
}

struct SwitchedVisitor<T>(PhantomData<T>);

impl<'de, T: Details + Deserialize<'de>> Visitor<'de> for SwitchedVisitor<T> {
    type Value = Switched<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(T::ALLOWED)
    }

    fn visit_bool<E: Error>(self, is_on: bool) -> Result<Switched<T>, E> {
        Ok(match is_on {
            true => Switched::default(),
            false => Switched::Off,
        })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Switched<T>, E> {
        match text {
            "on" | "true" => self.visit_bool(true),
            "off" | "false" => self.visit_bool(false),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Switched<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Switched::On)
    }
}

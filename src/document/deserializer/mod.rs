//! Serde over located nodes: what `yaml_serde` does for its values, with errors that keep their place and their parts.
//!
//! `yaml_serde` reduces an error to a sentence, forgets how a number was written (`version: 1.10`) and wants enums with data as
//! tags (`!pinned x`); here they are what people write, mappings with one key (`{pinned: x}`).

mod access;
mod error;

use serde::de::{Deserializer, Error as _, Expected, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use self::access::{Choice, Elements, Entries};
pub(super) use self::error::{Error, Reason};
use super::node::{Content, Meaning, Node};

impl Node {
    fn wrong_type<T>(&self, expected: &dyn Expected) -> Result<T, Error> {
        let found = match &self.content {
            Content::Sequence(_) => Unexpected::Seq,
            Content::Mapping(_) => Unexpected::Map,
            Content::Assumed => Unexpected::Unit,
            Content::Scalar(scalar) => match scalar.meaning() {
                Meaning::Nothing => Unexpected::Unit,
                Meaning::Bool(value) => Unexpected::Bool(value),
                Meaning::Number(_) => Unexpected::Other(&scalar.text),
                Meaning::Text(text) => Unexpected::Str(text),
            },
        };
        Err(Error::invalid_type(found, expected))
    }

    fn visit_assumed_number<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Error> {
        match &self.content {
            Content::Assumed => visitor.visit_u64(0),
            _ => visit_scalar(self, visitor),
        }
    }
}

/// Visits with what a scalar means.
fn visit_scalar<'de, V: Visitor<'de>>(node: &Node, visitor: V) -> Result<V::Value, Error> {
    let Content::Scalar(scalar) = &node.content else {
        return node.wrong_type(&visitor);
    };
    match scalar.meaning() {
        Meaning::Nothing => visitor.visit_unit(),
        Meaning::Bool(value) => visitor.visit_bool(value),
        Meaning::Text(text) => visitor.visit_str(text),
        Meaning::Number(number) => {
            if let Some(value) = number.as_u64() {
                visitor.visit_u64(value)
            } else if let Some(value) = number.as_i64() {
                visitor.visit_i64(value)
            } else {
                visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN))
            }
        }
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.visit_assumed_number(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.content {
            Content::Scalar(_) => visit_scalar(self, visitor),
            Content::Sequence(_) => self.deserialize_seq(visitor),
            Content::Mapping(_) => self.deserialize_map(visitor),
            Content::Assumed => visitor.visit_unit(),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_f32 deserialize_f64
    }

    /// Also takes the `yes`, `no`, `on` and `off` of YAML 1.1 where true or false is wanted, as Prometheus' YAML library does.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.content {
            Content::Assumed => visitor.visit_bool(false),
            Content::Scalar(scalar) if scalar.plain => match scalar.text.as_str() {
                "yes" | "Yes" | "YES" | "on" | "On" | "ON" => visitor.visit_bool(true),
                "no" | "No" | "NO" | "off" | "Off" | "OFF" => visitor.visit_bool(false),
                _ => visit_scalar(self, visitor),
            },
            _ => visit_scalar(self, visitor),
        }
    }

    /// Gives any scalar as it is written, so that `version: 1.10` keeps its zero; only nothing is not text.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.content {
            // Every unit of measure and the most checks of text take this one.
            Content::Assumed => visitor.visit_str("0"),
            Content::Scalar(scalar) if !self.is_nothing() => visitor.visit_str(&scalar.text),
            _ => self.wrong_type(&visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_nothing() || matches!(self.content, Content::Assumed) {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// Takes nothing (`rules:` with nothing after it) as an empty list.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let elements = match &self.content {
            Content::Sequence(elements) => elements.as_slice(),
            Content::Assumed => &[],
            _ if self.is_nothing() => &[],
            _ => return self.wrong_type(&visitor),
        };
        let mut access = Elements::new(elements);
        let value = visitor.visit_seq(&mut access)?;
        let taken = access.taken();
        if taken < elements.len() {
            let allowed = format!("{taken} values");
            return Err(Error::invalid_length(elements.len(), &allowed.as_str()));
        }
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let value = self.deserialize_seq(visitor);
        value.map_err(Error::leaving_tuple)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let value = self.deserialize_seq(visitor);
        value.map_err(Error::leaving_tuple)
    }

    /// Takes nothing as an empty mapping.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let entries = match &self.content {
            Content::Mapping(entries) => entries.as_slice(),
            Content::Assumed => &[],
            _ if self.is_nothing() => &[],
            _ => return self.wrong_type(&visitor),
        };
        visitor.visit_map(Entries::new(entries))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    /// Takes `name` or, for a variant with data, a mapping with one key, `{name: data}`.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.content {
            Content::Scalar(_) if !self.is_nothing() => {
                visitor.visit_enum(Choice::Written(self, None))
            }
            Content::Assumed => {
                let first = variants.first().copied().unwrap_or_default();
                visitor.visit_enum(Choice::Assumed(first, self))
            }
            Content::Mapping(entries) => {
                if let [entry] = entries.as_slice() {
                    return visitor.visit_enum(Choice::Written(&entry.key, Some(&entry.value)));
                }
                let one = format!("exactly one key out of {}", variants.join(", "));
                let found = format!("a mapping with {} keys", entries.len());
                Err(Error::invalid_type(
                    Unexpected::Other(&found),
                    &one.as_str(),
                ))
            }
            _ => self.wrong_type(&variants.join(", ").as_str()),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { bytes byte_buf unit unit_struct }
}

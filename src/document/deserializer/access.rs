//! The children of lists, mappings and enums, each adding its step to an error on the way up.

use std::slice;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess,
    Visitor, value::StrDeserializer,
};

use super::Error;
use crate::document::node::{Entry, Node};
use crate::document::place::Step;

/// The elements of a list, one after another.
pub(super) struct Elements<'de> {
    elements: slice::Iter<'de, Node>,
    taken: usize,
}

impl<'de> Elements<'de> {
    pub(super) fn new(elements: &'de [Node]) -> Self {
        Self {
            elements: elements.iter(),
            taken: 0,
        }
    }

    /// How many were asked for.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(element) = self.elements.next() else {
            return Ok(None);
        };
        let index = self.taken;
        self.taken += 1;
        let value = seed.deserialize(element);
        value
            .map(Some)
            .map_err(|error| error.within(Step::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.elements.len())
    }
}

/// The entries of a mapping, one after another.
pub(super) struct Entries<'de> {
    entries: slice::Iter<'de, Entry>,
    current: Option<&'de Entry>,
}

impl<'de> Entries<'de> {
    pub(super) fn new(entries: &'de [Entry]) -> Self {
        Self {
            entries: entries.iter(),
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.current = self.entries.next();
        let Some(entry) = self.current else {
            return Ok(None);
        };
        let key = seed.deserialize(&entry.key);
        key.map(Some).map_err(|error| error.at_key(entry.name()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some(entry) = self.current else {
            return Err(Error::custom("value asked for before its key"));
        };
        let value = seed.deserialize(&entry.value);
        value.map_err(|error| error.within(Step::Key(entry.name().to_owned())))
    }
}

/// A variant of an enum with what belongs to it.
pub(super) enum Choice<'de> {
    /// `name`, or the key and value of `{name: data}`.
    Written(&'de Node, Option<&'de Node>),
    /// A variant for a value that is missing in the document.
    Assumed(&'static str, &'de Node),
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Error;
    type Variant = Data<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Data<'de>), Error> {
        match self {
            Self::Assumed(name, node) => {
                let variant = seed.deserialize(StrDeserializer::new(name))?;
                Ok((variant, Data(name.to_owned(), Some(node))))
            }
            Self::Written(key, value) => {
                let name = key.text().to_owned();
                let variant = seed.deserialize(key).map_err(|error| match value {
                    Some(_) => error.at_key(&name),
                    None => error,
                })?;
                Ok((variant, Data(name, value)))
            }
        }
    }
}

/// The data of a variant, under the variant's name.
pub(super) struct Data<'de>(String, Option<&'de Node>);

impl<'de> Data<'de> {
    /// Reads the data, which must be there, with `read`.
    fn read<T>(self, read: impl FnOnce(&'de Node) -> Result<T, Error>) -> Result<T, Error> {
        let Self(name, value) = self;
        let Some(value) = value else {
            let message = format!("`{name}` needs a value, allowed: {{{name}: …}}");
            return Err(Error::custom(message));
        };
        read(value).map_err(|error| error.within(Step::Key(name)))
    }
}

impl<'de> VariantAccess<'de> for Data<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.1 {
            None => Ok(()),
            Some(_) => self.read(serde::Deserialize::deserialize),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        self.read(|value| seed.deserialize(value))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        self.read(|value| value.deserialize_tuple(length, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.read(|value| value.deserialize_map(visitor))
    }
}

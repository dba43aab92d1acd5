//! Why a value could not be read, in its parts.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use crate::document::place::Step;

/// Why a value could not be read, and where.
#[derive(Debug)]
pub(in crate::document) struct Error {
    pub(in crate::document) reason: Reason,
    /// Steps from the value up to the root.
    upwards: Vec<Step>,
    /// Whether the last key itself is meant, and not its value.
    pub(in crate::document) at_key: bool,
    /// How many of the innermost steps lie inside a list of fixed length, of which no element can be taken out.
    inside_tuple: usize,
}

/// Why a value could not be read.
#[derive(Debug)]
pub(in crate::document) enum Reason {
    UnknownField(String, &'static [&'static str]),
    UnknownVariant(String, &'static [&'static str]),
    MissingField(&'static str),
    /// What was found and what is allowed.
    WrongType(String, String),
    /// How many there are and how many are allowed.
    WrongLength(usize, String),
    /// The sentence of a type that checks itself.
    Own(String),
}

impl Error {
    fn new(reason: Reason) -> Self {
        Self {
            reason,
            upwards: Vec::new(),
            at_key: false,
            inside_tuple: 0,
        }
    }

    pub(super) fn within(mut self, step: Step) -> Self {
        self.upwards.push(step);
        self
    }

    pub(super) fn at_key(mut self, key: &str) -> Self {
        self.at_key = self.upwards.is_empty();
        self.within(Step::Key(key.to_owned()))
    }

    pub(super) fn leaving_tuple(mut self) -> Self {
        self.inside_tuple = self.upwards.len();
        self
    }

    /// The way from the root to what has to be taken out for the rest to be readable.
    pub(in crate::document) fn removable(&self) -> Vec<Step> {
        let mut steps = self.steps();
        steps.truncate(steps.len() - self.inside_tuple);
        steps
    }

    /// The way from the root to the value.
    pub(in crate::document) fn steps(&self) -> Vec<Step> {
        self.upwards.iter().rev().cloned().collect()
    }
}

impl Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.reason)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(Reason::Own(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let allowed = in_words(&expected.to_string());
        Self::new(Reason::WrongType(describe(found), allowed))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(Reason::WrongLength(length, in_words(&expected.to_string())))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Reason::UnknownField(field.to_owned(), expected))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Reason::UnknownVariant(variant.to_owned(), expected))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Reason::MissingField(field))
    }
}

/// What was found, as a person would say it.
fn describe(found: Unexpected<'_>) -> String {
    const SHOWN: usize = 60;
    match found {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(value) => value.to_string(),
        Unexpected::Signed(value) => value.to_string(),
        Unexpected::Float(value) => value.to_string(),
        Unexpected::Str(text) if text.chars().count() > SHOWN => {
            let start: String = text.chars().take(SHOWN).collect();
            format!("{start:?}…")
        }
        Unexpected::Str(text) => format!("{text:?}"),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// What serde's derived and built-in visitors expect, without the names of Rust.
fn in_words(expected: &str) -> String {
    let words = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "a character" => "text",
        "a sequence" => "a list",
        "a map" => "a mapping",
        "unit" => "nothing",
        "a tuple of size 2" => "a list of 2 values",
        "a tuple of size 3" => "a list of 3 values",
        other if other.starts_with("struct ") => "a mapping",
        other => other,
    };
    words.to_owned()
}

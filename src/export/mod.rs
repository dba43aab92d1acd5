//! Measurements as files: every field of each, in a form that can be read back.
//!
//! | Part | What is there |
//! |---|---|
//! | [`Writer`] | writes one measurement after the other, holding one at a time |
//! | [`read()`] | recognises what was written and gives back each record, or what is wrong with it |
//! | [`Filter`] | which measurements are meant |
//! | [`read_plain`] | reads a plain table of times and values |
//! | [`write_kept`], [`read_kept`] | writes those of a database, or gives them one by one |
//!
//! Names and units are those of `POST /v1/operations`, so a line of NDJSON can be posted as it is.

mod csv;
mod elements;
mod filter;
mod form;
mod guide;
mod json;
mod kept;
mod opening;
mod plain;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;
use std::str::FromStr;

pub use filter::{Filter, MomentError, moment};
pub use form::{Form, UnknownForm};
pub use kept::{Written, read_kept, write_kept};
pub(crate) use plain::utc;
pub use plain::{Measured, NotMeasured, read_plain};
pub use read::{Fault, MAX_RECORD_BYTES, Place, ReadError, Tally, read};
pub use write::Writer;

/// The form of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One array, one object a line.
    #[default]
    Json,
    /// One object a line.
    Ndjson,
    /// One row a line below a row of names; labels and scores as JSON objects in a cell each.
    Csv,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Json, Self::Ndjson, Self::Csv];

    /// Its name, as it is written in a query or an option.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }

    /// Its content type in HTTP.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A format that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no format of an export; allowed are json, ndjson, csv")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        // As much of it as a message should repeat.
        let unknown = || UnknownFormat(text.chars().take(60).collect());
        let known = Self::ALL.into_iter().find(|format| format.as_str() == text);
        known.ok_or_else(unknown)
    }
}

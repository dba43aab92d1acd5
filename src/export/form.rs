//! In which form an input is expected to be.

use std::fmt;
use std::str::FromStr;

use super::csv;
use super::guide;

/// The form of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Any form of our own exports, recognised by how it begins.
    #[default]
    Auto,
    /// One array, or objects one after the other.
    Json,
    /// One object a line.
    Ndjson,
    /// One row a line below a row of names.
    Csv,
    /// What the original guide exports, with its names and units, as JSON or as a table.
    Guide,
}

/// Whose names and units the records have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Own,
    Guide,
}

impl Dialect {
    /// The columns that a table may have.
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Own => &csv::COLUMNS,
            Self::Guide => &guide::COLUMNS,
        }
    }

    /// The column that a table must have.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Own => "operation",
            Self::Guide => "operation_name",
        }
    }
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Json, Self::Ndjson, Self::Csv, Self::Guide];

    /// Its name, as it is written in an option.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Guide => "guide",
        }
    }

    pub(super) fn dialect(self) -> Dialect {
        match self {
            Self::Guide => Dialect::Guide,
            Self::Auto | Self::Json | Self::Ndjson | Self::Csv => Dialect::Own,
        }
    }

    /// What it looks like, for messages.
    pub(super) fn described(self) -> &'static str {
        match self {
            Self::Json => "a JSON array",
            Self::Ndjson => "a JSON object",
            Self::Auto | Self::Csv | Self::Guide => "no JSON",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A form that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no format of an import; allowed are auto, json, ndjson, csv, guide")]
pub struct UnknownForm(String);

impl FromStr for Form {
    type Err = UnknownForm;

    fn from_str(text: &str) -> Result<Self, UnknownForm> {
        // As much of it as a message should repeat.
        let unknown = || UnknownForm(text.chars().take(60).collect());
        let known = Self::ALL.into_iter().find(|form| form.as_str() == text);
        known.ok_or_else(unknown)
    }
}

//! How an answer is shown: as a table, as JSON or as CSV.

use clap::ValueEnum;

/// How an answer is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// One object with everything, as the API gives it.
    Json,
    /// One row a line, below a row of names.
    Csv,
}

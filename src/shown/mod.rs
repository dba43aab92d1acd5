//! How answers are shown to people: numbers, tables, and the kinds of output.

pub(crate) mod amount;
pub(crate) mod columns;
pub mod output;

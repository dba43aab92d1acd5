//! Writes measurements one after the other.

use std::io;

use super::csv::COLUMNS;
use super::{Format, csv, json};
use crate::engine::measurement::Measurement;
use crate::engine::time::Timestamp;

/// Writes an export, measurement by measurement; nothing but the current one is held.
///
/// Only after [`Writer::finish`] is the export whole.
pub struct Writer<W: io::Write> {
    form: Form<W>,
    is_empty: bool,
}

enum Form<W: io::Write> {
    Json { out: W, line: Vec<u8> },
    Ndjson { out: W, line: Vec<u8> },
    Csv { out: Box<::csv::Writer<W>> },
}

impl<W: io::Write> Writer<W> {
    /// A writer of `format` to `out`; nothing is written yet.
    pub fn new(format: Format, out: W) -> Self {
        let line = Vec::new();
        let form = match format {
            Format::Json => Form::Json { out, line },
            Format::Ndjson => Form::Ndjson { out, line },
            Format::Csv => Form::Csv {
                out: Box::new(::csv::Writer::from_writer(out)),
            },
        };
        Self {
            form,
            is_empty: true,
        }
    }

    /// Writes one measurement that counts for the time `at`.
    ///
    /// # Errors
    /// What `out` answers.
    pub fn write(&mut self, at: Timestamp, measurement: &Measurement) -> io::Result<()> {
        let is_first = std::mem::take(&mut self.is_empty);
        match &mut self.form {
            Form::Json { out, line } => {
                line.clear();
                line.extend_from_slice(if is_first { b"[\n" } else { b",\n" });
                json::append(line, at, measurement)?;
                out.write_all(line)
            }
            Form::Ndjson { out, line } => {
                line.clear();
                json::append(line, at, measurement)?;
                line.push(b'\n');
                out.write_all(line)
            }
            Form::Csv { out } => {
                if is_first {
                    out.write_record(COLUMNS)?;
                }
                csv::write(out, at, measurement)
            }
        }
    }

    /// Ends the export and gives back where it was written to, flushed. Without a measurement it is an empty array,
    /// nothing at all, or the row of names.
    ///
    /// # Errors
    /// What the output answers.
    pub fn finish(self) -> io::Result<W> {
        let mut out = match self.form {
            Form::Json { mut out, .. } => {
                let end: &[u8] = if self.is_empty { b"[]\n" } else { b"\n]\n" };
                out.write_all(end)?;
                out
            }
            Form::Ndjson { out, .. } => out,
            Form::Csv { mut out } => {
                if self.is_empty {
                    out.write_record(COLUMNS)?;
                }
                out.into_inner()
                    .map_err(::csv::IntoInnerError::into_error)?
            }
        };
        out.flush()?;
        Ok(out)
    }
}

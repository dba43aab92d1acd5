//! Reads back what an export wrote, and what else has the same fields.

use std::fmt;
use std::io::{self, BufRead};
use std::ops::ControlFlow;

use ::csv::{ByteRecord, ErrorKind, ReaderBuilder, StringRecord};
use serde::de::IgnoredAny;

use super::csv;
use super::elements::{Elements, Layout};
use super::form::{Dialect, Form};
use super::{guide, opening};
use crate::engine::measurement::Measurement;
use crate::engine::series::FieldFault;
use crate::ingest::json::Reader;

/// Most bytes of one record, so that a quote that is never closed does not bring the whole input into memory.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Reads measurements in any of the forms of an export, which it recognises unless `form` asks for one: a JSON array, JSON
/// objects one a line or one after the other, or a table with a row of names. It holds one record at a time.
///
/// Each record goes to `each` with its place, checked, or as what is wrong with it; the others go on. `Break` ends the
/// reading early. Label names in `taken` are refused, as the ingest refuses the external labels.
///
/// # Errors
/// What makes the rest unreadable. The records before it have been given by then.
pub fn read(
    mut input: impl BufRead,
    form: Form,
    taken: &[String],
    mut each: impl FnMut(Place, Result<Measurement, FieldFault>) -> ControlFlow<()>,
) -> Result<Tally, ReadError> {
    let mut tally = Tally::default();
    let mut reader = Records {
        dialect: form.dialect(),
        reader: Reader::new(taken),
        left_out: 0,
    };
    let give = |line, record: Result<Measurement, FieldFault>| {
        let place = tally.count(line, record.is_ok());
        each(place, record)
    };
    let (line, first) = first_byte(&mut input)?;
    let found = match first {
        None => return Ok(tally),
        Some(b'[') => Form::Json,
        Some(b'{') => Form::Ndjson,
        Some(_) => Form::Csv,
    };
    match (form, found) {
        (Form::Auto | Form::Guide, _) | (Form::Json, Form::Json | Form::Ndjson) => {}
        (asked, found) if asked == found => {}
        (asked, found) => return Err(ReadError::Unexpected { asked, found }),
    }
    match found {
        Form::Csv => read_table(input, line, &mut reader, give)?,
        Form::Json => {
            input.consume(1);
            let elements = Elements::new(input, Layout::Array, line);
            read_elements(elements, &mut reader, give)?;
        }
        _ if form == Form::Guide => match opening::open(&mut input)? {
            opening::Opened::Metrics { lines } => {
                let elements = Elements::new(input, Layout::Array, line + lines);
                match read_elements(elements, &mut reader, give) {
                    // The rest of the object that the array is in.
                    Err(ReadError::AfterArray { .. }) => {}
                    read => read?,
                }
            }
            opening::Opened::Records(head) => {
                read_objects(head, input, line, form, &mut reader, give)?;
            }
        },
        _ => {
            let head = first_line(&mut input)?;
            read_objects(head, input, line, form, &mut reader, give)?;
        }
    }
    tally.left_out = reader.left_out;
    Ok(tally)
}

/// Reads the records of one input, in its dialect.
struct Records<'t> {
    dialect: Dialect,
    reader: Reader<'t>,
    left_out: u64,
}

impl Records<'_> {
    fn record(&mut self, text: &str) -> Result<Measurement, FieldFault> {
        match self.dialect {
            Dialect::Own => self.reader.record(text),
            Dialect::Guide => guide::record(text, &mut self.reader, &mut self.left_out),
        }
    }

    fn row(
        &mut self,
        columns: &[&'static str],
        row: &StringRecord,
    ) -> Result<Measurement, FieldFault> {
        match self.dialect {
            Dialect::Own => csv::read(columns, row, &mut self.reader),
            Dialect::Guide => guide::row(columns, row, &mut self.reader, &mut self.left_out),
        }
    }
}

/// How many records there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that are measurements.
    pub good: u64,
    /// Those that are not.
    pub bad: u64,
    /// Values of an export of the guide for which a measurement has no place.
    pub left_out: u64,
}

impl Tally {
    pub(super) fn count(&mut self, line: u64, is_good: bool) -> Place {
        self.good += u64::from(is_good);
        self.bad += u64::from(!is_good);
        Place {
            record: self.good + self.bad,
            line,
        }
    }
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which record it is, from 1; the row of names is none.
    pub record: u64,
    /// The line it begins in, from 1; in a table, the blank lines before it are counted as its own.
    pub line: u64,
}

/// What is wrong with one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it is.
    pub place: Place,
    /// What is wrong.
    pub fault: FieldFault,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FieldFault { field, reason } = &self.fault;
        write!(
            f,
            "line {}, record {}: ",
            self.place.line, self.place.record
        )?;
        if !field.is_empty() {
            write!(f, "{field}: ")?;
        }
        f.write_str(reason)
    }
}

/// Why the rest of an input cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The input failed.
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
    /// It is in none of the forms.
    #[error(
        "no export is recognised in it; a JSON array, JSON objects one a line, or CSV with a row of names that has `{0}` is allowed"
    )]
    Unrecognised(&'static str),
    /// It is no table of times and values.
    #[error(
        "it is no table of times and values; rows of a time and a value, below `timestamp,value` or nothing, are allowed"
    )]
    NotPlain,
    /// It is not in the form that was asked for.
    #[error("it is {} where {asked} was asked for", found.described())]
    Unexpected {
        /// What was asked for.
        asked: Form,
        /// What is there.
        found: Form,
    },
    /// A column that there is not, or that is there twice.
    #[error("the column {0:?} is {1}; allowed are, each once, {allowed}", allowed = .2.join(", "))]
    Column(String, &'static str, &'static [&'static str]),
    /// An array that is cut off.
    #[error("line {line}: the input ends inside of its array; the end of it is missing")]
    Unfinished {
        /// Last line.
        line: u64,
    },
    /// An array is not all there is.
    #[error("line {line}: something follows the end of the array; one array is allowed")]
    AfterArray {
        /// Where it ends.
        line: u64,
    },
}

/// Skips blanks and a byte order mark; gives the line and the first other byte, which stays in the input.
fn first_byte(input: &mut impl BufRead) -> Result<(u64, Option<u8>), ReadError> {
    const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
    let mut line = 1;
    loop {
        let chunk = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        let Some(&byte) = chunk.first() else {
            return Ok((line, None));
        };
        if !byte.is_ascii_whitespace() && !MARK.contains(&byte) {
            return Ok((line, Some(byte)));
        }
        line += u64::from(byte == b'\n');
        input.consume(1);
    }
}

/// The first line, with its end; of a long one only so much as a record may have.
fn first_line(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let most = u64::try_from(MAX_RECORD_BYTES).unwrap_or(u64::MAX);
    io::Read::take(input, most).read_until(b'\n', &mut line)?;
    Ok(line)
}

/// Reads objects of which `head` has been read already, the first line at least.
fn read_objects(
    head: Vec<u8>,
    input: impl BufRead,
    line: u64,
    form: Form,
    reader: &mut Records<'_>,
    give: impl FnMut(u64, Result<Measurement, FieldFault>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let first = head.split_inclusive(|byte| *byte == b'\n').next();
    // A first line that ends inside of its object belongs to one that is spread over several lines.
    let is_part = |e: serde_json::Error| e.is_eof();
    let first = serde_json::from_slice::<IgnoredAny>(first.unwrap_or_default()).map_err(is_part);
    let layout = match first {
        Err(true) if form != Form::Ndjson => Layout::Objects,
        _ => Layout::Lines,
    };
    let elements = Elements::new(io::Read::chain(io::Cursor::new(head), input), layout, line);
    read_elements(elements, reader, give)
}

fn read_elements(
    mut elements: Elements<impl BufRead>,
    reader: &mut Records<'_>,
    mut give: impl FnMut(u64, Result<Measurement, FieldFault>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    while let Some((line, text)) = elements.next()? {
        if give(line, record(text, reader)).is_break() {
            break;
        }
    }
    Ok(())
}

fn too_long() -> String {
    format!("is longer than {MAX_RECORD_BYTES} bytes, the most that is allowed")
}

fn record(text: &[u8], reader: &mut Records<'_>) -> Result<Measurement, FieldFault> {
    if text.len() > MAX_RECORD_BYTES {
        return Err(FieldFault::new("", too_long()));
    }
    match std::str::from_utf8(text) {
        Ok(text) => reader.record(text.trim_ascii_end()),
        Err(error) => Err(not_utf8(&error.to_string())),
    }
}

fn not_utf8(error: &str) -> FieldFault {
    FieldFault::new("", format!("is not UTF-8: {error}"))
}

fn read_table(
    input: impl BufRead,
    first_line: u64,
    reader: &mut Records<'_>,
    mut give: impl FnMut(u64, Result<Measurement, FieldFault>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let mut table = ReaderBuilder::new().from_reader(Metered::new(input));
    let dialect = reader.dialect;
    let names = table
        .headers()
        .map_err(|error| unreadable(error, dialect))?;
    let columns = columns(names, dialect)?;
    // Of a line end `\r\n` the second half counts for the next row, so there every row seems to begin a line early.
    let before = first_line + 1 - table.position().line().clamp(1, 2);
    let mut row = ByteRecord::new();
    loop {
        table.get_mut().left = MAX_RECORD_BYTES;
        let (line, record) = match table.read_byte_record(&mut row) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let line = row.position().map_or(1, ::csv::Position::line);
                let record = match StringRecord::from_byte_record(std::mem::take(&mut row)) {
                    Ok(text) => {
                        let record = reader.row(&columns, &text);
                        row = text.into_byte_record();
                        record
                    }
                    Err(error) => Err(not_utf8(&error.to_string())),
                };
                (line, record)
            }
            Err(error) => match error.kind() {
                ErrorKind::UnequalLengths { len, .. } => {
                    let reason = format!("has {len} cells for {} columns", columns.len());
                    let line = error.position().map_or(1, ::csv::Position::line);
                    (line, Err(FieldFault::new("", reason)))
                }
                _ => return Err(unreadable(error, dialect)),
            },
        };
        if give(before + line, record).is_break() {
            return Ok(());
        }
    }
}

/// The names of the columns of a table.
fn columns(names: &StringRecord, dialect: Dialect) -> Result<Vec<&'static str>, ReadError> {
    if !names.iter().any(|name| name == dialect.name()) {
        return Err(ReadError::Unrecognised(dialect.name()));
    }
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let allowed = dialect.columns();
        let wrong = |why| ReadError::Column(name.chars().take(60).collect(), why, allowed);
        let known = allowed.iter().copied().find(|column| *column == name);
        let known = known.ok_or_else(|| wrong("not known"))?;
        if columns.contains(&known) {
            return Err(wrong("there twice"));
        }
        columns.push(known);
    }
    Ok(columns)
}

fn unreadable(error: ::csv::Error, dialect: Dialect) -> ReadError {
    match error.into_kind() {
        ErrorKind::Io(error) => ReadError::Io(error),
        // Only the row of names is read as text at once.
        _ => ReadError::Unrecognised(dialect.name()),
    }
}

/// Ends an input that has gone on for too long without the end of a row.
pub(super) struct Metered<R> {
    input: R,
    pub(super) left: usize,
}

impl<R> Metered<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            left: MAX_RECORD_BYTES,
        }
    }
}

impl<R: io::Read> io::Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(format!("a row {}", too_long())));
        }
        let read = self.input.read(buffer)?;
        self.left = self.left.saturating_sub(read);
        Ok(read)
    }
}

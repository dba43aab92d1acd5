//! A measurement as a row of a table.

use std::io;

use ::csv::StringRecord;

use super::json::Row;
use crate::engine::measurement::{Draft, Measurement, Outcome};
use crate::engine::series::FieldFault;
use crate::engine::time::Timestamp;
use crate::ingest::json::Reader;
use crate::ingest::wire::{Pairs, Text, Whole};

/// The columns, named and ordered as the fields on the wire.
pub(super) const COLUMNS: [&str; 19] = [
    "operation",
    "algorithm",
    "version",
    "labels",
    "timestamp",
    "duration_seconds",
    "setup_seconds",
    "cleanup_seconds",
    "cpu_cores",
    "memory_bytes",
    "memory_peak_bytes",
    "samples",
    "dataset_size",
    "outcome",
    "error_class",
    "quality",
    "quality_samples",
    "id",
    "trace_id",
];

/// Writes the row of a measurement; what is absent is an empty cell.
pub(super) fn write<W: io::Write>(
    out: &mut ::csv::Writer<W>,
    at: Timestamp,
    measurement: &Measurement,
) -> io::Result<()> {
    let row = Row::of(at, measurement);
    let number = |number: Option<f64>| number.map(shortest).unwrap_or_default();
    let whole = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
    let labels = match row.labels.0.is_empty() {
        true => String::new(),
        false => serde_json::to_string(&row.labels)?,
    };
    let quality = match row.quality.0.is_empty() {
        true => String::new(),
        false => serde_json::to_string(&row.quality)?,
    };
    let cells: [&str; COLUMNS.len()] = [
        row.operation,
        row.algorithm,
        row.version,
        &labels,
        &row.timestamp.to_string(),
        &number(row.duration_seconds),
        &number(row.setup_seconds),
        &number(row.cleanup_seconds),
        &number(row.cpu_cores),
        &number(row.memory_bytes),
        &number(row.memory_peak_bytes),
        &whole(row.samples),
        &whole(row.dataset_size),
        row.outcome.unwrap_or_default(),
        row.error_class.unwrap_or_default(),
        &quality,
        &whole(row.quality_samples),
        row.id.unwrap_or_default(),
        row.trace_id.unwrap_or_default(),
    ];
    Ok(out.write_record(cells)?)
}

/// The shortest text that reads back as the same number, in exponents where digits would be many.
fn shortest(number: f64) -> String {
    format!("{number:?}")
}

/// Reads and checks a row; `columns` are the names of its cells.
pub(super) fn read(
    columns: &[&'static str],
    row: &StringRecord,
    reader: &mut Reader<'_>,
) -> Result<Measurement, FieldFault> {
    let mut labels: Pairs<'_, Text<'_>> = Pairs::default();
    let mut quality: Pairs<'_, f64> = Pairs::default();
    let mut draft = Draft::default();
    let filled = columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
    for (&name, cell) in filled {
        match name {
            "operation" => draft.operation = cell,
            "algorithm" => draft.algorithm = cell,
            "version" => draft.version = cell,
            "error_class" => draft.error_class = cell,
            "id" => draft.id = cell,
            "trace_id" => draft.trace_id = cell,
            "labels" => labels = object(name, cell)?,
            "quality" => quality = object(name, cell)?,
            "timestamp" => draft.at = Some(timestamp(cell)?),
            "duration_seconds" => draft.duration_seconds = number(name, cell)?,
            "setup_seconds" => draft.setup_seconds = number(name, cell)?,
            "cleanup_seconds" => draft.cleanup_seconds = number(name, cell)?,
            "cpu_cores" => draft.cpu_cores = number(name, cell)?,
            "memory_bytes" => draft.memory_bytes = number(name, cell)?,
            "memory_peak_bytes" => draft.memory_peak_bytes = number(name, cell)?,
            "samples" => draft.samples = whole(name, cell)?,
            "dataset_size" => draft.dataset_size = whole(name, cell)?,
            "quality_samples" => draft.quality_samples = whole(name, cell)?,
            "outcome" => draft.outcome = Some(outcome(cell)?),
            _ => {}
        }
    }
    draft.labels = labels.0.iter().map(|(n, v)| (&*n.0, &*v.0)).collect();
    draft.quality = quality.0.iter().map(|(n, v)| (&*n.0, *v)).collect();
    reader.check(&mut draft)
}

fn refused(field: &str, cell: &str, allowed: &str) -> FieldFault {
    // As much of it as a message should repeat.
    let shown: String = cell.chars().take(60).collect();
    FieldFault::new(field, format!("{shown:?} is not allowed; {allowed}"))
}

/// A finite number.
pub(super) fn number(field: &str, cell: &str) -> Result<Option<f64>, FieldFault> {
    let number = cell.trim().parse().ok().filter(|n: &f64| n.is_finite());
    let fault = || refused(field, cell, "a finite number of at least 0 is");
    number.ok_or_else(fault).map(Some)
}

/// A whole number; also `1000.0`, as tools write whole numbers of a column that has gaps.
pub(super) fn whole(field: &str, cell: &str) -> Result<Option<u64>, FieldFault> {
    match serde_json::from_str::<Whole>(cell) {
        Ok(whole) => Ok(Some(whole.0)),
        Err(_) => Err(refused(field, cell, "a whole number of at least 0 is")),
    }
}

fn outcome(cell: &str) -> Result<Outcome, FieldFault> {
    let known = [Outcome::Success, Outcome::Failure].into_iter();
    let fault = || refused("outcome", cell, "`success` and `failure` are");
    let mut found = known.filter(|outcome| outcome.as_str() == cell);
    found.next().ok_or_else(fault)
}

pub(super) fn timestamp(cell: &str) -> Result<Timestamp, FieldFault> {
    let seconds = || Timestamp::from_seconds(cell.trim().parse().ok()?);
    let fault = || refused("timestamp", cell, "an RFC 3339 time or Unix seconds are");
    Timestamp::parse(cell).or_else(seconds).ok_or_else(fault)
}

fn object<'a, T: serde::Deserialize<'a>>(field: &str, cell: &'a str) -> Result<T, FieldFault> {
    serde_json::from_str(cell)
        .map_err(|error| FieldFault::new(field, format!("is no JSON object of its kind: {error}")))
}

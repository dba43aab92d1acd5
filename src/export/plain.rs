//! A plain table of times and values: `timestamp,value`, where the caller knows what the values are.

use std::fmt;
use std::io::BufRead;
use std::ops::ControlFlow;
use std::str::FromStr;

use ::csv::{ReaderBuilder, StringRecord};

use super::csv;
use super::read::{MAX_RECORD_BYTES, Metered, Place, ReadError, Tally};
use crate::engine::measurement::{Draft, Measurement};
use crate::engine::metric::Metric;
use crate::engine::series::FieldFault;
use crate::engine::time::Timestamp;

/// The names of the two columns; a table may do without this row.
const NAMES: [&str; 2] = ["timestamp", "value"];

/// What the values of a plain table are: a metric that is measured, not one that follows from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured(Metric);

/// A metric that cannot be the values of a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} follows from other fields of measurements; duration, setup, cleanup, cpu, memory, memory_peak, samples, or the name \
     of a quality score is allowed"
)]
pub struct NotMeasured(String);

impl FromStr for Measured {
    type Err = NotMeasured;

    fn from_str(text: &str) -> Result<Self, NotMeasured> {
        match Metric::named(text) {
            Metric::CpuRatio
            | Metric::Throughput
            | Metric::Rate
            | Metric::Errors
            | Metric::ErrorRatio => Err(NotMeasured(text.to_owned())),
            metric => Ok(Self(metric)),
        }
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads a plain table: a row of names or none, then a time and a value in each row. The time is RFC 3339, in UTC where it
/// names no zone, or Unix seconds; the value is in seconds, bytes, cores or plain, as its metric is.
///
/// Each row goes to `each` as a measurement of `operation`, or as what is wrong with it; the others go on.
///
/// # Errors
/// What makes the rest unreadable.
pub fn read_plain(
    input: impl BufRead,
    operation: &str,
    measured: &Measured,
    mut each: impl FnMut(Place, Result<Measurement, FieldFault>) -> ControlFlow<()>,
) -> Result<Tally, ReadError> {
    let mut table = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(Metered::new(input));
    let (mut tally, mut row, mut is_first) = (Tally::default(), StringRecord::new(), true);
    loop {
        table.get_mut().left = MAX_RECORD_BYTES;
        let record = match table.read_record(&mut row) {
            Ok(false) => return Ok(tally),
            Ok(true) => {
                if is_first
                    && row
                        .iter()
                        .map(|name| name.trim_matches('\u{feff}'))
                        .eq(NAMES)
                {
                    is_first = false;
                    continue;
                }
                record(&row, operation, measured)
            }
            Err(error) => match error.into_kind() {
                ::csv::ErrorKind::Io(error) => return Err(ReadError::Io(error)),
                ::csv::ErrorKind::Utf8 { err, .. } => {
                    Err(FieldFault::new("", format!("is not UTF-8: {err}")))
                }
                _ => return Err(ReadError::NotPlain),
            },
        };
        if is_first && record.is_err() {
            return Err(ReadError::NotPlain);
        }
        is_first = false;
        let line = row.position().map_or(1, ::csv::Position::line);
        let place = tally.count(line, record.is_ok());
        if each(place, record).is_break() {
            return Ok(tally);
        }
    }
}

/// A time: RFC 3339, in UTC where it names no zone, or Unix seconds.
pub(crate) fn utc(cell: &str) -> Result<Timestamp, FieldFault> {
    let zoned = || Timestamp::parse(&format!("{}Z", cell.trim()));
    csv::timestamp(cell).or_else(|fault| zoned().ok_or(fault))
}

fn record(
    row: &StringRecord,
    operation: &str,
    measured: &Measured,
) -> Result<Measurement, FieldFault> {
    let mut cells = row.iter();
    let (Some(at), Some(value), None) = (cells.next(), cells.next(), cells.next()) else {
        let reason = format!("has {} cells; a time and a value are allowed", row.len());
        return Err(FieldFault::new("", reason));
    };
    let at = utc(at)?;
    let number = || csv::number("value", value);
    let mut draft = Draft {
        operation,
        at: Some(at),
        ..Draft::default()
    };
    match &measured.0 {
        Metric::Duration => draft.duration_seconds = number()?,
        Metric::Setup => draft.setup_seconds = number()?,
        Metric::Cleanup => draft.cleanup_seconds = number()?,
        Metric::Cpu => draft.cpu_cores = number()?,
        Metric::Memory => draft.memory_bytes = number()?,
        Metric::MemoryPeak => draft.memory_peak_bytes = number()?,
        Metric::Samples => draft.samples = csv::whole("value", value)?,
        Metric::Score(name) => draft
            .quality
            .extend(number()?.map(|value| (&**name, value))),
        // No table has these: `Measured` cannot be made of them.
        Metric::CpuRatio
        | Metric::Throughput
        | Metric::Rate
        | Metric::Errors
        | Metric::ErrorRatio => {}
    }
    Measurement::new(draft)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, metric: &str) -> Result<Vec<String>, String> {
        let mut said = Vec::new();
        let measured = metric.parse().unwrap();
        let read = read_plain(text.as_bytes(), "op", &measured, |place, record| {
            said.push(match record {
                Ok(m) => format!("{} {:?} {:?}", m.at.unwrap(), m.duration_seconds, m.quality),
                Err(fault) => super::super::Fault { place, fault }.to_string(),
            });
            ControlFlow::Continue(())
        });
        read.map(|_| said).map_err(|error| error.to_string())
    }

    #[test]
    fn a_table_of_times_and_values_is_read_with_and_without_names() {
        let rows = "2026-01-31T12:00:00Z,2.5\n2026-01-31 13:00:00,3\r\n1769860800.5,1e-3\n";
        let expected = [
            "2026-01-31T12:00:00.000Z Some(2.5) []",
            "2026-01-31T13:00:00.000Z Some(3.0) []",
            "2026-01-31T12:00:00.500Z Some(0.001) []",
        ];
        assert_eq!(read(rows, "duration").unwrap(), expected);
        for names in ["timestamp,value\n", "\u{feff}timestamp,value\r\n"] {
            assert_eq!(
                read(&format!("{names}{rows}"), "duration").unwrap(),
                expected
            );
        }
        let scores = read("0,-0.5\n", "drift").unwrap();
        assert_eq!(
            scores,
            [r#"1970-01-01T00:00:00.000Z None [("drift", -0.5)]"#]
        );
        assert_eq!(read("", "duration").unwrap(), [""; 0]);
    }

    #[test]
    fn bad_rows_are_told_with_their_place_and_the_others_go_on() {
        let rows = "timestamp,value\n0,1\n0,fast\nsoon,1\n0,-1\n0,1,2\n7,1\n";
        assert_eq!(
            read(rows, "duration").unwrap(),
            [
                "1970-01-01T00:00:00.000Z Some(1.0) []",
                "line 3, record 2: value: \"fast\" is not allowed; a finite number of at least 0 is",
                "line 4, record 3: timestamp: \"soon\" is not allowed; an RFC 3339 time or Unix seconds are",
                "line 5, record 4: duration_seconds: -1 is not allowed; a finite number of at least 0 is",
                "line 6, record 5: has 3 cells; a time and a value are allowed",
                "1970-01-01T00:00:07.000Z Some(1.0) []",
            ]
        );
    }

    #[test]
    fn what_is_no_table_of_times_and_values_is_refused() {
        for text in [
            "operation,timestamp\na,1\n",
            "{\"operation\":\"a\"}\n",
            "a\n",
        ] {
            assert_eq!(
                read(text, "duration").unwrap_err(),
                "it is no table of times and values; rows of a time and a value, below `timestamp,value` or nothing, are allowed"
            );
        }
        for metric in ["throughput", "rate", "errors", "error_ratio", "cpu_ratio"] {
            assert!(metric.parse::<Measured>().is_err(), "{metric}");
        }
    }
}

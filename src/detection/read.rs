//! A series as a table: `timestamp,value` or `index,value`.

use std::fmt;
use std::io::{self, BufRead};
use std::time::Duration;

use ::csv::{ErrorKind, Position, ReaderBuilder, StringRecord};

use crate::engine::time::Timestamp;
use crate::export::utc;

/// Most rows of one series.
const MAX_ROWS: usize = 1 << 24;

/// Where a point stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum At {
    /// The moment.
    Time(Timestamp),
    /// The number that the table gives.
    Index(u64),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(at) => at.fmt(f),
            Self::Index(index) => index.fmt(f),
        }
    }
}

/// A row of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Where it stands.
    pub at: At,
    /// Its value; `None` where it is missing.
    pub value: Option<f64>,
    /// Points between the row before and this one for which there is no row.
    pub missing_before: usize,
}

/// A series, in the order of its rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its rows.
    pub points: Vec<Point>,
    /// How far most of its times are apart; `None` where rows have no times, or one only.
    pub step: Option<Duration>,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong, and what is allowed.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// Why a table is no series.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The first row says that it is something else.
    #[error("line 1: {0:?} is not allowed; `timestamp,value` or `index,value` is")]
    Names(String),
    /// It has too many rows.
    #[error("more than {MAX_ROWS} rows are not allowed")]
    TooLong,
    /// Some rows are wrong: all of them are told.
    #[error("{} rows are wrong", .0.len())]
    Faults(Vec<Fault>),
}

/// Reads a series. An empty value is missing. Times are RFC 3339, in UTC where they name no zone, or Unix seconds; a time
/// that is not after the one before, as where a clock was set back, is taken for the next step. Indices ascend.
///
/// # Errors
/// When it is no such table, or with each row that is wrong.
pub fn read(input: impl BufRead) -> Result<Series, ReadError> {
    let mut table = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(input);
    let mut row = StringRecord::new();
    let mut faults = Vec::new();
    let mut points: Vec<Point> = Vec::new();
    let mut has_times = None;
    loop {
        let line = table.position().line();
        let outcome = match table.read_record(&mut row) {
            Ok(false) => break,
            Ok(true) => match has_times {
                None => {
                    has_times = Some(names(&row)?);
                    continue;
                }
                Some(has_times) => point(&row, has_times, points.last()),
            },
            Err(error) => match error.into_kind() {
                ErrorKind::Io(error) => return Err(error.into()),
                ErrorKind::Utf8 { err, .. } => Err(format!("is not UTF-8: {err}")),
                _ => Err("is no row of a table".to_owned()),
            },
        };
        if points.len() >= MAX_ROWS {
            return Err(ReadError::TooLong);
        }
        match outcome {
            Ok(point) => points.push(point),
            Err(reason) => {
                let line = row.position().map_or(line, Position::line);
                faults.push(Fault { line, reason });
            }
        }
    }
    if has_times.is_none() {
        return Err(ReadError::Names(String::new()));
    }
    if !faults.is_empty() {
        return Err(ReadError::Faults(faults));
    }
    let step = step(&points);
    fill(&mut points, step);
    Ok(Series { points, step })
}

/// Whether the rows have times; else they have indices.
fn names(row: &StringRecord) -> Result<bool, ReadError> {
    let names: Vec<&str> = row
        .iter()
        .map(|name| name.trim().trim_start_matches('\u{feff}'))
        .collect();
    match names.as_slice() {
        ["timestamp", "value"] => Ok(true),
        ["index", "value"] => Ok(false),
        _ => Err(ReadError::Names(names.join(","))),
    }
}

fn point(row: &StringRecord, has_times: bool, last: Option<&Point>) -> Result<Point, String> {
    let mut cells = row.iter().map(str::trim);
    let (Some(at), Some(value), None) = (cells.next(), cells.next(), cells.next()) else {
        return Err(format!(
            "has {} cells; {} and a value are allowed",
            row.len(),
            if has_times { "a time" } else { "an index" }
        ));
    };
    let at = if has_times {
        At::Time(utc(at).map_err(|fault| format!("{}: {}", fault.field, fault.reason))?)
    } else {
        let index = at.parse().map_err(|_| {
            format!("index: {at:?} is not allowed; a whole number of at least 0 is")
        })?;
        match last.map(|last| last.at) {
            Some(At::Index(before)) if index <= before => {
                return Err(format!(
                    "index: {index} is not allowed; a number above {before}, the one before, is"
                ));
            }
            _ => At::Index(index),
        }
    };
    let value = if value.is_empty() {
        None
    } else {
        let number: Option<f64> = value.parse().ok().filter(|n: &f64| n.is_finite());
        Some(number.ok_or_else(|| {
            format!(
                "value: {value:?} is not allowed; a finite number, or nothing where it is missing, is"
            )
        })?)
    };
    Ok(Point {
        at,
        value,
        missing_before: 0,
    })
}

/// The median of the times between neighbouring rows.
fn step(points: &[Point]) -> Option<Duration> {
    let pairs = points.iter().zip(points.iter().skip(1));
    let mut steps: Vec<Duration> = pairs
        .filter_map(|(before, after)| match (before.at, after.at) {
            (At::Time(before), At::Time(after)) => Some(after.since(before)),
            _ => None,
        })
        .filter(|step| !step.is_zero())
        .collect();
    let middle = steps.len().checked_sub(1)? / 2;
    Some(*steps.select_nth_unstable(middle).1)
}

/// Says before which rows others are missing.
fn fill(points: &mut [Point], step: Option<Duration>) {
    let mut last = None;
    for point in points {
        let steps = match (last, point.at) {
            (Some(At::Index(before)), At::Index(at)) => (at - before) as f64,
            (Some(At::Time(before)), At::Time(at)) => {
                let step = step.map_or(1.0, |step| step.as_secs_f64());
                (at.since(before).as_secs_f64() / step).round()
            }
            _ => 1.0,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates"
        )]
        let missing = (steps - 1.0).max(0.0) as usize;
        point.missing_before = missing;
        last = Some(point.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match read(text.as_bytes()).unwrap_err() {
            ReadError::Faults(faults) => {
                let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
                faults.join("\n")
            }
            other => other.to_string(),
        }
    }

    #[test]
    fn values_and_what_is_missing_are_read() {
        let series = read("index,value\n0,1.5\n1,\n5,-2e3\n".as_bytes()).unwrap();
        let read_back: Vec<_> = (series.points.iter())
            .map(|point| (point.at.to_string(), point.value, point.missing_before))
            .collect();
        let expected = [
            ("0".to_owned(), Some(1.5), 0),
            ("1".to_owned(), None, 0),
            ("5".to_owned(), Some(-2e3), 3),
        ];
        assert_eq!(read_back, expected);
        assert_eq!(series.step, None);

        let text = "\u{feff}timestamp,value\r\n2026-01-31 12:00:00,1\r\n2026-01-31T12:05:00Z,2\n2026-01-31 12:04:00,3\n\
                    1769861340,4\n2026-01-31 12:29:00,5\n";
        let series = read(text.as_bytes()).unwrap();
        let missing: Vec<_> = series.points.iter().map(|p| p.missing_before).collect();
        assert_eq!(missing, [0, 0, 0, 0, 3]);
        assert_eq!(series.step, Some(Duration::from_secs(300)));
        assert_eq!(read("index,value\n".as_bytes()).unwrap(), Series::default());
    }

    #[test]
    fn every_fault_is_told_with_its_line() {
        assert_eq!(
            said("index,value\n0,fast\n-1,1\n1,2\n1,3\n2,inf\n3\n4,5,6\n"),
            "line 2: value: \"fast\" is not allowed; a finite number, or nothing where it is missing, is\n\
             line 3: index: \"-1\" is not allowed; a whole number of at least 0 is\n\
             line 5: index: 1 is not allowed; a number above 1, the one before, is\n\
             line 6: value: \"inf\" is not allowed; a finite number, or nothing where it is missing, is\n\
             line 7: has 1 cells; an index and a value are allowed\n\
             line 8: has 3 cells; an index and a value are allowed"
        );
        assert_eq!(
            said("timestamp,value\nsoon,1\n"),
            "line 2: timestamp: \"soon\" is not allowed; an RFC 3339 time or Unix seconds are"
        );
        for text in ["time,value\n0,1\n", "0,1\n", ""] {
            assert!(
                said(text).ends_with("`timestamp,value` or `index,value` is"),
                "{text:?}"
            );
        }
    }
}

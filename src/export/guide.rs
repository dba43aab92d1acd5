//! What the original guide exports: its names and units made ours.
//!
//! Its JSON is `{"export_timestamp": …, "total_metrics": …, "metrics": […]}`, its table has a row of names. Times without
//! a zone are UTC, memory is in MB of 1 048 576 bytes, CPU in percent of one core. It writes 0 where it has measured
//! nothing, so a 0 counts as absent wherever a measured 0 cannot be told from it and would not mean anything.

use ::csv::StringRecord;
use serde::Deserialize;

use crate::engine::measurement::{Draft, Measurement};
use crate::engine::series::FieldFault;
use crate::engine::time::Timestamp;
use crate::ingest::json::{Reader, explain_with};
use crate::ingest::wire::Whole;

/// Bytes of a MB, as the guide counts them.
const MB: f64 = 1_048_576.0;
/// Percent of CPU that are one core.
const CORE: f64 = 100.0;

/// The columns of its table, and what else of its records a table may have.
pub(super) const COLUMNS: [&str; 16] = [
    "timestamp",
    "operation_name",
    "algorithm_name",
    "execution_time",
    "setup_time",
    "cleanup_time",
    "cpu_usage",
    "memory_usage",
    "memory_peak",
    "samples_processed",
    "samples_per_second",
    "dataset_size",
    "accuracy",
    "precision",
    "recall",
    "f1_score",
];

/// One record under its names.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Record {
    operation_name: String,
    algorithm_name: Option<String>,
    timestamp: Option<Moment>,
    execution_time: Option<f64>,
    setup_time: Option<f64>,
    cleanup_time: Option<f64>,
    cpu_usage: Option<f64>,
    memory_usage: Option<f64>,
    memory_peak: Option<f64>,
    samples_processed: Option<Whole>,
    /// Samples by time, which is what it is with us as well.
    samples_per_second: Option<f64>,
    dataset_size: Option<Whole>,
    accuracy: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
    f1_score: Option<f64>,
    metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A time as text, mostly without a zone, or Unix seconds.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Moment {
    Seconds(f64),
    Text(String),
}

/// Reads and checks one JSON object.
pub(super) fn record(
    text: &str,
    reader: &mut Reader<'_>,
    left_out: &mut u64,
) -> Result<Measurement, FieldFault> {
    match serde_json::from_str::<Record>(text) {
        Ok(record) => record.measurement(reader, left_out),
        Err(_) => Err(explain_with(text, |json| {
            serde_path_to_error::deserialize::<_, Record>(json).map(drop)
        })),
    }
}

/// Reads and checks a row; `columns` are the names of its cells.
pub(super) fn row(
    columns: &[&'static str],
    row: &StringRecord,
    reader: &mut Reader<'_>,
    left_out: &mut u64,
) -> Result<Measurement, FieldFault> {
    let mut record = Record::default();
    let filled = columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
    for (&name, cell) in filled {
        let number = || super::csv::number(name, cell);
        let whole = || Ok(super::csv::whole(name, cell)?.map(Whole));
        match name {
            "timestamp" => record.timestamp = Some(Moment::Text(cell.to_owned())),
            "operation_name" => cell.clone_into(&mut record.operation_name),
            "algorithm_name" => record.algorithm_name = Some(cell.to_owned()),
            "execution_time" => record.execution_time = number()?,
            "setup_time" => record.setup_time = number()?,
            "cleanup_time" => record.cleanup_time = number()?,
            "cpu_usage" => record.cpu_usage = number()?,
            "memory_usage" => record.memory_usage = number()?,
            "memory_peak" => record.memory_peak = number()?,
            "samples_processed" => record.samples_processed = whole()?,
            "samples_per_second" => record.samples_per_second = number()?,
            "dataset_size" => record.dataset_size = whole()?,
            "accuracy" => record.accuracy = number()?,
            "precision" => record.precision = number()?,
            "recall" => record.recall = number()?,
            "f1_score" => record.f1_score = number()?,
            _ => {}
        }
    }
    record.measurement(reader, left_out)
}

impl Record {
    fn measurement(
        self,
        reader: &mut Reader<'_>,
        left_out: &mut u64,
    ) -> Result<Measurement, FieldFault> {
        let at = self.timestamp.as_ref().map(moment).transpose()?;
        let scores = [
            ("accuracy", self.accuracy),
            ("precision", self.precision),
            ("recall", self.recall),
            ("f1", self.f1_score),
        ];
        // Growth over the operation, so it can be below 0, which no memory is; the rest of such a record is good.
        let memory = self.memory_usage.filter(|growth| *growth >= 0.0);
        let is_left_out = self.memory_usage.is_some() && memory.is_none();
        let mut draft = Draft {
            operation: &self.operation_name,
            algorithm: self.algorithm_name.as_deref().unwrap_or_default(),
            at,
            duration_seconds: self.execution_time,
            setup_seconds: measured(self.setup_time),
            cleanup_seconds: measured(self.cleanup_time),
            cpu_cores: measured(self.cpu_usage).map(|percent| percent / CORE),
            memory_bytes: memory.map(|mb| mb * MB),
            memory_peak_bytes: measured(self.memory_peak).map(|mb| mb * MB),
            samples: self.samples_processed.map(|n| n.0).filter(|n| *n > 0),
            dataset_size: self.dataset_size.map(|n| n.0).filter(|n| *n > 0),
            quality: scores
                .into_iter()
                .filter_map(|(name, score)| Some((name, score?)))
                .collect(),
            ..Draft::default()
        };
        let measurement = reader.check(&mut draft).map_err(in_its_names)?;
        *left_out += u64::from(is_left_out);
        *left_out += u64::from(self.metadata.is_some_and(|metadata| !metadata.is_empty()));
        Ok(measurement)
    }
}

/// Its 0 says that nothing was measured.
fn measured(number: Option<f64>) -> Option<f64> {
    number.filter(|number| *number != 0.0)
}

fn moment(moment: &Moment) -> Result<Timestamp, FieldFault> {
    let (at, shown) = match moment {
        Moment::Seconds(seconds) => (Timestamp::from_seconds(*seconds), seconds.to_string()),
        Moment::Text(text) => {
            let zoned = || Timestamp::parse(&format!("{}Z", text.trim()));
            let at = Timestamp::parse(text.trim()).or_else(zoned);
            (
                at,
                format!("{:?}", text.chars().take(60).collect::<String>()),
            )
        }
    };
    let allowed = "an ISO 8601 time, in UTC where it names no zone, or Unix seconds are";
    let fault = || FieldFault::new("timestamp", format!("{shown} is not allowed; {allowed}"));
    at.ok_or_else(fault)
}

/// What is wrong, of the field as the guide names it.
fn in_its_names(fault: FieldFault) -> FieldFault {
    let name = match fault.field.as_str() {
        "operation" => "operation_name",
        "algorithm" => "algorithm_name",
        "duration_seconds" => "execution_time",
        "setup_seconds" => "setup_time",
        "cleanup_seconds" => "cleanup_time",
        "cpu_cores" => "cpu_usage",
        "memory_bytes" => "memory_usage",
        "memory_peak_bytes" => "memory_peak",
        "quality.f1" => "f1_score",
        other => other.strip_prefix("quality.").unwrap_or(other),
    };
    FieldFault::new(name, fault.reason)
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;
    use std::ops::ControlFlow;

    use super::super::{Fault, Form, Tally, read};
    use super::*;

    const EXPORT: &str = r#"{"export_timestamp": "2026-01-31T13:00:00.000001", "total_metrics": 2, "metrics": [
        {"execution_time": 2.5, "setup_time": 0.5, "cleanup_time": 0.0, "cpu_usage": 80.0, "memory_usage": 1000.5,
         "memory_peak": 2048.0, "samples_processed": 1000, "samples_per_second": 400.0, "accuracy": 0.95,
         "precision": null, "recall": null, "f1_score": 0.9, "timestamp": "2026-01-31T12:00:00.250000",
         "operation_name": "detect", "algorithm_name": "iforest", "dataset_size": 5000, "metadata": {}},
        {"execution_time": 0.25, "setup_time": 0.0, "cleanup_time": 0.0, "cpu_usage": 0.0, "memory_usage": -3.5,
         "memory_peak": 0.0, "samples_processed": 0, "samples_per_second": 0, "accuracy": null, "precision": null,
         "recall": null, "f1_score": null, "timestamp": "2026-01-31T12:00:01", "operation_name": "train",
         "algorithm_name": "", "dataset_size": 0, "metadata": {"run": "7"}}], "more": [1]}"#;

    fn read_all(text: &str, chunk: usize) -> (Vec<Result<Measurement, String>>, Tally) {
        let mut records = Vec::new();
        let input = BufReader::with_capacity(chunk, text.as_bytes());
        let tally = read(input, Form::Guide, &[], |place, record| {
            records.push(record.map_err(|fault| Fault { place, fault }.to_string()));
            ControlFlow::Continue(())
        });
        (records, tally.unwrap())
    }

    fn example() -> [Measurement; 2] {
        let full = Draft {
            operation: "detect",
            algorithm: "iforest",
            at: Timestamp::parse("2026-01-31T12:00:00.25Z"),
            duration_seconds: Some(2.5),
            setup_seconds: Some(0.5),
            cpu_cores: Some(0.8),
            memory_bytes: Some(1_049_100_288.0),
            memory_peak_bytes: Some(2_147_483_648.0),
            samples: Some(1_000),
            dataset_size: Some(5_000),
            quality: vec![("accuracy", 0.95), ("f1", 0.9)],
            ..Draft::default()
        };
        let short = Draft {
            operation: "train",
            at: Timestamp::parse("2026-01-31T12:00:01Z"),
            duration_seconds: Some(0.25),
            ..Draft::default()
        };
        [full, short].map(|draft| Measurement::new(draft).unwrap())
    }

    #[test]
    fn its_json_becomes_our_names_and_units() {
        for chunk in [1, 7, 4_096] {
            let (records, tally) = read_all(EXPORT, chunk);
            let records: Result<Vec<_>, _> = records.into_iter().collect();
            assert_eq!(records.as_deref(), Ok(&example()[..]));
            // The memory that fell, and the metadata.
            assert_eq!((tally.good, tally.bad, tally.left_out), (2, 0, 2));
        }
    }

    #[test]
    fn its_records_are_taken_alone_in_an_array_or_one_a_line() {
        let one = |name: &str| format!(r#"{{"operation_name":"{name}","execution_time":1}}"#);
        let two = |between: &str| format!("{}{between}{}", one("a"), one("b"));
        let within = format!("{{\n\"metrics\"\n:[\n{}]}}", two(",\n"));
        let spread = two("\n").replace(',', ",\n");
        for text in [format!("[{}]", two(",\n")), two("\n"), spread, within] {
            for chunk in [1, 5, 4_096] {
                let (records, _) = read_all(&text, chunk);
                let names = records.iter().map(|record| match record {
                    Ok(measurement) => measurement.key.operation().to_owned(),
                    Err(fault) => fault.clone(),
                });
                assert_eq!(names.collect::<Vec<_>>(), ["a", "b"], "{text}");
            }
        }
        assert_eq!(read_all("{\"metrics\": []}", 3).1, Tally::default());
    }

    #[test]
    fn its_table_becomes_our_names_and_units() {
        let text = "timestamp,operation_name,algorithm_name,execution_time,memory_usage,cpu_usage,samples_processed,samples_per_second\r\n\
            2026-01-31T12:00:00.250000,detect,iforest,2.5,1000.5,80.0,1000,400.0\r\n\
            2026-01-31 12:00:01,train,,0.25,-3.5,0.0,0,0\r\n\
            2026-01-31T12:00:01,,,fast,,,,\r\n";
        let (records, tally) = read_all(text, 16);
        let [mut full, short] = example();
        (
            full.setup_seconds,
            full.memory_peak_bytes,
            full.dataset_size,
        ) = (None, None, None);
        full.quality.clear();
        assert_eq!(records[..2], [Ok(full), Ok(short)]);
        assert_eq!(
            records[2].as_ref().unwrap_err(),
            "line 4, record 3: execution_time: \"fast\" is not allowed; a finite number of at least 0 is"
        );
        assert_eq!((tally.good, tally.bad, tally.left_out), (2, 1, 1));
    }

    #[test]
    fn a_bad_record_is_told_in_its_names() {
        for (record, expected) in [
            (r#"{"execution_time":1}"#, "operation_name: "),
            (
                r#"{"operation_name":"a","execution_time":-1}"#,
                "execution_time: -1 is not allowed",
            ),
            (
                r#"{"operation_name":"a","f1_score":NaN}"#,
                "f1_score: invalid type: string \"NaN\"",
            ),
            (
                r#"{"operation_name":"a","execution_tim":1}"#,
                "execution_tim: is not a known field; did you mean `execution_time`?",
            ),
            (
                r#"{"operation_name":"a","timestamp":"yesterday"}"#,
                "timestamp: \"yesterday\" is not allowed; an ISO 8601 time",
            ),
            (r#"{"operation_name":"a","timestamp":1e99}"#, "timestamp: 1"),
            (
                r#"{"operation":"a","duration_seconds":1}"#,
                "operation: is not a known field; did you mean `operation_name`?",
            ),
        ] {
            let (records, _) = read_all(record, 4_096);
            let fault = records[0].as_ref().unwrap_err();
            let expected = format!("line 1, record 1: {expected}");
            assert!(fault.starts_with(&expected), "{fault}");
        }
    }
}

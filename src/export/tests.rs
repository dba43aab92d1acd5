use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;
use crate::engine::measurement::{Draft, Measurement, Outcome};
use crate::engine::time::Timestamp;
use crate::ingest::json;

fn written(format: Format, measurements: &[Measurement]) -> String {
    let mut writer = Writer::new(format, Vec::new());
    for measurement in measurements {
        writer
            .write(measurement.at.unwrap_or_default(), measurement)
            .unwrap();
    }
    String::from_utf8(writer.finish().unwrap()).unwrap()
}

/// Reads with a buffer of `chunk` bytes, so that records are cut at every place.
fn read_back(
    text: &[u8],
    chunk: usize,
) -> (Vec<Result<Measurement, Fault>>, Result<Tally, String>) {
    let mut records = Vec::new();
    let input = std::io::BufReader::with_capacity(chunk, text);
    let tally = read(
        input,
        Form::Auto,
        &["cluster".to_owned()],
        |place, record| {
            records.push(record.map_err(|fault| Fault { place, fault }));
            ControlFlow::Continue(())
        },
    );
    (records, tally.map_err(|error| error.to_string()))
}

fn tally_of(good: u64, bad: u64) -> Tally {
    Tally {
        good,
        bad,
        left_out: 0,
    }
}

/// The operations that were read, or line, record, field and reason of a fault.
fn summary(text: &str) -> (Vec<String>, Result<Tally, String>) {
    let (records, tally) = read_back(text.as_bytes(), 7);
    let lines = records.into_iter().map(|record| match record {
        Ok(measurement) => measurement.key.operation().to_owned(),
        Err(fault) => fault.to_string(),
    });
    (lines.collect(), tally)
}

/// Text without control characters, rich in what has a meaning somewhere.
fn hostile() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        '"', '\'', ',', ';', '\\', '{', '}', '[', ']', '=', '+', '-', '@', '#', ' ', ':', 'é',
        '異', '\u{feff}', '\u{2028}', '\u{85}', '😀', '0',
    ]);
    let any = any::<char>().prop_filter("controls are refused", |c| *c >= ' ' && *c != '\u{7f}');
    prop::collection::vec(prop_oneof![special, any], 0..12)
        .prop_map(|text| text.into_iter().collect())
}

fn name() -> impl Strategy<Value = String> {
    hostile().prop_filter("is reserved or empty", |text| {
        !text.is_empty() && !text.starts_with("__")
    })
}

/// An id may have control characters too.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a\r\n\"b\",\n".to_owned()),
        hostile(),
        any::<[char; 5]>().prop_map(String::from_iter)
    ]
}

fn number() -> impl Strategy<Value = Option<f64>> {
    let any = any::<f64>()
        .prop_map(f64::abs)
        .prop_filter("is not finite", |n| n.is_finite());
    let special = prop::sample::select(vec![0.0, 1.0, 0.1, 5e-324, f64::MAX, 1e16, 1e300]);
    prop::option::of(prop_oneof![any, special])
}

fn measurement() -> impl Strategy<Value = Measurement> {
    let key = (
        name(),
        hostile(),
        hostile(),
        prop::collection::btree_map("x[a-z0-9_]{0,5}", hostile(), 0..4),
    );
    let numbers = [number(), number(), number(), number(), number(), number()];
    let counts = [
        prop::option::of(any::<u64>()),
        prop::option::of(any::<u64>()),
        prop::option::of(any::<u64>()),
    ];
    let score = any::<f64>().prop_filter("is not finite", |n| n.is_finite());
    let rest = (
        0..4_000_000_000_000_i64,
        prop::option::of(prop::option::of(hostile())),
        prop::collection::btree_map("q[a-z0-9_]{0,5}", score, 0..4),
        id(),
        "[0-9a-fA-F]{0,32}",
    );
    (key, numbers, counts, rest).prop_map(|(key, numbers, counts, rest)| {
        let (operation, algorithm, version, labels) = &key;
        let (millis, failure, quality, id, trace_id) = &rest;
        let [
            duration_seconds,
            setup_seconds,
            cleanup_seconds,
            cpu_cores,
            memory_bytes,
            memory_peak_bytes,
        ] = numbers;
        let [samples, dataset_size, quality_samples] = counts;
        let outcome = failure.as_ref().map(|class| match class {
            Some(_) => Outcome::Failure,
            None => Outcome::Success,
        });
        Measurement::new(Draft {
            operation,
            algorithm,
            version,
            labels: labels.iter().map(|(n, v)| (&**n, &**v)).collect(),
            at: Some(Timestamp::from_millis(*millis)),
            duration_seconds,
            setup_seconds,
            cleanup_seconds,
            cpu_cores,
            memory_bytes,
            memory_peak_bytes,
            samples,
            dataset_size,
            outcome,
            error_class: failure.iter().flatten().next().map_or("", |class| class),
            quality: quality.iter().map(|(n, v)| (&**n, *v)).collect(),
            quality_samples,
            id,
            trace_id,
        })
        .unwrap()
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_equal(
        measurements in prop::collection::vec(measurement(), 0..6),
        chunk in 1_usize..200,
    ) {
        for format in Format::ALL {
            let text = written(format, &measurements);
            let (records, tally) = read_back(text.as_bytes(), chunk);
            let records: Result<Vec<_>, _> = records.into_iter().collect();
            prop_assert_eq!(records.as_ref(), Ok(&measurements), "{}", text);
            let good = measurements.len() as u64;
            prop_assert_eq!(tally, Ok(tally_of(good, 0)));
        }
    }

    #[test]
    fn the_ingest_takes_what_is_written(measurements in prop::collection::vec(measurement(), 1..6)) {
        for (format, form) in [
            (Format::Ndjson, json::Form::Lines),
            (Format::Json, json::Form::Json),
        ] {
            let text = written(format, &measurements);
            let records = json::read(text.as_bytes(), form, &[]).unwrap();
            let records: Result<Vec<_>, _> = records.into_iter().collect();
            prop_assert_eq!(records.as_ref(), Ok(&measurements), "{}", text);
        }
    }

    #[test]
    fn no_input_makes_reading_panic(text in "[\\[\\]{}\",\\\\ \na:1]{0,40}", chunk in 1_usize..9) {
        let _ = read_back(text.as_bytes(), chunk);
        let _ = read_back(format!("operation,samples\n{text}").as_bytes(), chunk);
    }
}

fn example() -> [Measurement; 2] {
    let full = Draft {
        operation: "detect, \"fast\"",
        algorithm: "iforest",
        version: "v1",
        labels: vec![("zone", "a")],
        at: Timestamp::parse("2026-01-31T12:00:00.5Z"),
        duration_seconds: Some(2.5),
        setup_seconds: Some(0.1),
        cleanup_seconds: Some(1e-7),
        cpu_cores: Some(1.5),
        memory_bytes: Some(1e6),
        memory_peak_bytes: Some(2e20),
        samples: Some(u64::MAX),
        dataset_size: Some(1_000),
        outcome: Some(Outcome::Failure),
        error_class: "timeout",
        quality: vec![("r2", -0.1), ("f1", 0.9)],
        quality_samples: Some(50),
        id: "a-1",
        trace_id: "0af7",
    };
    let report = Draft {
        operation: "detect",
        at: Timestamp::parse("2026-01-31T12:00:01Z"),
        quality: vec![("f1", 0.5)],
        ..Draft::default()
    };
    [full, report].map(|draft| Measurement::new(draft).unwrap())
}

#[test]
fn each_format_has_every_field() {
    let full = r#"{"operation":"detect, \"fast\"","algorithm":"iforest","version":"v1","labels":{"zone":"a"},"timestamp":"2026-01-31T12:00:00.500Z","duration_seconds":2.5,"setup_seconds":0.1,"cleanup_seconds":1e-7,"cpu_cores":1.5,"memory_bytes":1000000.0,"memory_peak_bytes":2e+20,"samples":18446744073709551615,"dataset_size":1000,"outcome":"failure","error_class":"timeout","quality":{"r2":-0.1,"f1":0.9},"quality_samples":50,"id":"a-1","trace_id":"0af7"}"#;
    let report =
        r#"{"operation":"detect","timestamp":"2026-01-31T12:00:01.000Z","quality":{"f1":0.5}}"#;
    let table = r#"operation,algorithm,version,labels,timestamp,duration_seconds,setup_seconds,cleanup_seconds,cpu_cores,memory_bytes,memory_peak_bytes,samples,dataset_size,outcome,error_class,quality,quality_samples,id,trace_id
"detect, ""fast""",iforest,v1,"{""zone"":""a""}",2026-01-31T12:00:00.500Z,2.5,0.1,1e-7,1.5,1000000.0,2e20,18446744073709551615,1000,failure,timeout,"{""r2"":-0.1,""f1"":0.9}",50,a-1,0af7
detect,,,,2026-01-31T12:00:01.000Z,,,,,,,,,,,"{""f1"":0.5}",,,
"#;
    for (format, expected) in [
        (Format::Ndjson, format!("{full}\n{report}\n")),
        (Format::Json, format!("[\n{full},\n{report}\n]\n")),
        (Format::Csv, table.to_owned()),
    ] {
        assert_eq!(written(format, &example()), expected);
        let (records, _) = read_back(expected.as_bytes(), 64);
        let records: Vec<_> = records.into_iter().map(Result::unwrap).collect();
        assert_eq!(records, example());
        assert!(records[0].is_operation && !records[1].is_operation);
    }
}

#[test]
fn an_export_of_nothing_is_whole_and_reads_back_as_nothing() {
    for (format, expected) in [
        (Format::Json, "[]\n".to_owned()),
        (Format::Ndjson, String::new()),
        (Format::Csv, csv::COLUMNS.join(",") + "\n"),
    ] {
        let text = written(format, &[]);
        assert_eq!(text, expected);
        assert_eq!(summary(&text), (vec![], Ok(Tally::default())));
    }
}

#[test]
fn formats_are_named() {
    for format in Format::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    assert_eq!(
        "xml".parse::<Format>().unwrap_err().to_string(),
        "\"xml\" is no format of an export; allowed are json, ndjson, csv"
    );
}

#[test]
fn a_bad_record_is_told_with_its_place_and_its_neighbours_are_read() {
    let field = "record 2: samples: ";
    let whole = "expected a whole number of at least 0";
    for (text, expected) in [
        (
            "\u{feff}\n{\"operation\":\"a\"}\n\n{\"operation\":\"b\",\"samples\":-1}\n{\"operation\":\"c\"}",
            format!("line 4, {field}invalid type: integer `-1`, {whole}"),
        ),
        (
            "[{\"operation\":\"a\"},\n{\"operation\":\"b\",\n\"samples\":-1},{\"operation\":\"c\"}]",
            format!("line 2, {field}invalid type: integer `-1`, {whole}"),
        ),
        (
            "{\n\"operation\":\"a\"}\n{\"operation\":\"b\",\n\"samples\":-1}{\"operation\":\"c\"}",
            format!("line 3, {field}invalid type: integer `-1`, {whole}"),
        ),
        (
            "\noperation,samples\r\na,1.0\r\nb,-1\r\nc,",
            format!("line 4, {field}\"-1\" is not allowed; a whole number of at least 0 is"),
        ),
        (
            "operation,samples\n\"a\",\nb\nc,3\n",
            "line 3, record 2: has 1 cells for 2 columns".to_owned(),
        ),
        (
            "[{\"operation\":\"a\"},nonsense,{\"operation\":\"c\"}]",
            "line 1, record 2: expected ident".to_owned(),
        ),
        (
            "{\"operation\":\"a\"}\n{\"operation\":\"b\nnonsense\"\n{\"operation\":\"c\"}",
            String::new(),
        ),
        (
            "operation,labels\na,\nb,\"{\"\"cluster\"\":\"\"x\"\"}\"\nc,{}\n",
            "line 3, record 2: labels.cluster: is one of the external labels, which opwatch sets itself"
                .to_owned(),
        ),
    ] {
        let (records, tally) = summary(text);
        let bad = records.len() as u64 - 2;
        assert_eq!(tally, Ok(tally_of(2, bad)), "{text}\n{records:?}");
        assert_eq!(records.first().map(String::as_str), Some("a"), "{text}");
        assert_eq!(records.last().map(String::as_str), Some("c"), "{text}");
        if !expected.is_empty() {
            assert_eq!(records[1], expected, "{text}");
        }
    }
}

#[test]
fn cells_are_refused_by_column() {
    for (cell, expected) in [
        (
            "duration_seconds,fast",
            "duration_seconds: \"fast\" is not allowed; a finite number of at least 0 is",
        ),
        (
            "duration_seconds,inf",
            "duration_seconds: \"inf\" is not allowed; a finite number of at least 0 is",
        ),
        (
            "duration_seconds,-1",
            "duration_seconds: -1 is not allowed; a finite number of at least 0 is",
        ),
        (
            "timestamp,yesterday",
            "timestamp: \"yesterday\" is not allowed; an RFC 3339 time or Unix seconds are",
        ),
        (
            "outcome,maybe",
            "outcome: \"maybe\" is not allowed; `success` and `failure` are",
        ),
        (
            "error_class,late",
            "error_class: \"late\" is given without `outcome: failure`",
        ),
        (
            "quality,7",
            "quality: is no JSON object of its kind: invalid type: integer `7`, expected an object at line 1 column 1",
        ),
    ] {
        let (column, cell) = cell.split_once(',').unwrap();
        let (records, _) = summary(&format!("operation,{column}\na,{cell}\n"));
        assert_eq!(records, [format!("line 2, record 1: {expected}")]);
    }
}

#[test]
fn what_makes_the_rest_unreadable_is_an_error_after_the_records_before_it() {
    let one = "{\"operation\":\"a\"}";
    for (text, read, expected) in [
        ("hello\nworld\n".to_owned(), 0, "no export is recognised"),
        (
            "operation,durations\na,1\n".to_owned(),
            0,
            "the column \"durations\" is not known",
        ),
        (
            "operation,id,id\na,1,2\n".to_owned(),
            0,
            "the column \"id\" is there twice",
        ),
        (
            format!("[{one},{one}"),
            2,
            "line 1: the input ends inside of its array",
        ),
        (
            format!("[{one},\n{one},"),
            2,
            "line 2: the input ends inside of its array",
        ),
        (
            format!("[{one}]\n[{one}]"),
            1,
            "line 2: something follows the end of the array",
        ),
        (
            format!("operation\na\n\"{}", "x".repeat(2 * MAX_RECORD_BYTES)),
            1,
            "a row is longer than 1048576 bytes",
        ),
    ] {
        let (records, tally) = read_back(text.as_bytes(), 4_096);
        assert_eq!(records.iter().filter(|r| r.is_ok()).count(), read);
        let error = tally.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_record_that_is_too_long_is_refused_alone() {
    let long = "x".repeat(MAX_RECORD_BYTES);
    for text in [
        format!("{{\"operation\":\"a\"}}\n{{\"operation\":\"{long}\"}}\n{{\"operation\":\"c\"}}\n"),
        format!("[{{\"operation\":\"a\"}},{{\"operation\":\"{long}\"}},{{\"operation\":\"c\"}}]"),
    ] {
        let (records, tally) = read_back(text.as_bytes(), 4_096);
        assert_eq!(tally, Ok(tally_of(2, 1)));
        let fault = records[1].as_ref().unwrap_err().to_string();
        assert!(fault.contains("is longer than 1048576 bytes"), "{fault}");
    }
}

#[test]
fn reading_ends_when_it_is_told_to() {
    for format in Format::ALL {
        let text = written(format, &example());
        let mut seen = 0;
        let tally = read(text.as_bytes(), Form::Auto, &[], |_, _| {
            seen += 1;
            ControlFlow::Break(())
        });
        assert_eq!((tally.unwrap().good, seen), (1, 1));
    }
}

#[test]
fn a_form_that_was_asked_for_is_insisted_on() {
    let (array, lines, table) = (
        "[{\"operation\":\"a\"}]",
        "{\"operation\":\"a\"}",
        "operation\na",
    );
    for (form, text, expected) in [
        (Form::Json, array, None),
        (Form::Json, lines, None),
        (
            Form::Json,
            table,
            Some("it is no JSON where json was asked for"),
        ),
        (
            Form::Ndjson,
            array,
            Some("it is a JSON array where ndjson was asked for"),
        ),
        (Form::Ndjson, lines, None),
        (Form::Csv, table, None),
        (
            Form::Csv,
            lines,
            Some("it is a JSON object where csv was asked for"),
        ),
        (Form::Csv, "", None),
    ] {
        let tally = read(text.as_bytes(), form, &[], |_, _| ControlFlow::Continue(()));
        let error = tally.err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), expected, "{form} {text}");
    }
    for form in Form::ALL {
        assert_eq!(form.to_string().parse(), Ok(form));
    }
    assert!(
        "xml"
            .parse::<Form>()
            .unwrap_err()
            .to_string()
            .contains("auto, json, ndjson, csv, guide")
    );
}

//! `POST /v1/operations`: a JSON object, an array, or one object a line.
//!
//! A record is judged alone: a bad one is answered with its place, field and reason, and its
//! neighbours go on. Only a body that is no JSON at all is refused whole.

use std::borrow::Cow;
use std::fmt;

use serde::de;
use serde_json::value::RawValue;

use super::keys::Keys;
use super::plain::PlainReader;
use super::wire::Record;
use crate::engine::measurement::{Draft, Measurement};
use crate::engine::series::{FieldFault, SeriesKey};

/// The form a body claims to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One object or one array.
    Json,
    /// One object a line.
    Lines,
}

/// What a content type may be, for messages.
pub const CONTENT_TYPES: &str = "application/json or application/x-ndjson";

impl Form {
    /// The form of a content type; a missing one counts as JSON. Parameters such as `charset` are ignored.
    pub fn of_content_type(content_type: Option<&str>) -> Option<Self> {
        let Some(content_type) = content_type else {
            return Some(Self::Json);
        };
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        match essence.to_ascii_lowercase().as_str() {
            "application/json" | "" => Some(Self::Json),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/json-lines" => Some(Self::Lines),
            _ => None,
        }
    }
}

/// Most records in one body, so that a small one cannot take much memory by what is made of it.
pub const MAX_RECORDS: usize = 100_000;

/// Most records for which there is made room before they have been read.
const MAX_GUESSED: usize = 4_096;

/// Why nothing of a body is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no JSON at all: where and why.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// It has too many records.
    #[error("the body has {0} records; at most {MAX_RECORDS} are allowed, send smaller batches")]
    TooMany(usize),
}
use Unreadable::NotJson;

/// The records of a body, each checked on its own.
pub type Records = Vec<Result<Measurement, FieldFault>>;

/// Reads a body. Label names in `taken` (the keys of the external labels) are refused like reserved ones.
///
/// # Errors
/// The first fault of a body that is no JSON at all, or that it has more than [`MAX_RECORDS`] records.
pub fn read(body: &[u8], form: Form, taken: &[String]) -> Result<Records, Unreadable> {
    let text = std::str::from_utf8(body)
        .map_err(|error| NotJson(format!("not UTF-8 from byte {}", error.valid_up_to() + 1)))?;
    if text.trim().is_empty() {
        return Err(NotJson("it is empty".to_owned()));
    }
    match form {
        Form::Lines => read_lines(text, taken),
        Form::Json => match read_document(text, taken) {
            // Numbers that JSON does not have spoil the whole document for a parser, but only the
            // records that hold them for us.
            Err(NotJson(fault)) => match quote_non_finite(text) {
                Cow::Owned(mended) => read_document(&mended, taken),
                Cow::Borrowed(_) if text.trim_end().contains('\n') => read_lines(text, taken)
                    .map_err(|lines| match lines {
                        NotJson(_) => NotJson(fault),
                        too_many => too_many,
                    }),
                Cow::Borrowed(_) => Err(NotJson(fault)),
            },
            done => done,
        },
    }
}

fn read_document(text: &str, taken: &[String]) -> Result<Records, Unreadable> {
    let not_json = |error: serde_json::Error| NotJson(error.to_string());
    let mut reader = Reader::new(taken);
    if text.trim_start().starts_with('[') {
        let elements: Elements<'_> = serde_json::from_str(text).map_err(not_json)?;
        let count = elements.kept.len() + elements.left_out;
        if elements.left_out > 0 {
            return Err(Unreadable::TooMany(count));
        }
        return Ok((elements.kept.iter())
            .map(|raw| reader.record(raw.get()))
            .collect());
    }
    let record = reader.record(text);
    if record.is_err() {
        // It may be no JSON at all; then nothing of the body is taken.
        let _: &RawValue = serde_json::from_str(text).map_err(not_json)?;
    }
    Ok(vec![record])
}

fn read_lines(text: &str, taken: &[String]) -> Result<Records, Unreadable> {
    let mut any_json = false;
    let mut first_fault = None;
    let mut reader = Reader::new(taken);
    // Lines of one client are about equally long.
    let length = memchr::memchr(b'\n', text.as_bytes()).unwrap_or(text.len());
    let mut records = Vec::with_capacity((text.len() / (length + 1) + 1).min(MAX_GUESSED));
    let mut lines = lines(text);
    while let Some((number, line)) = lines.next() {
        if records.len() == MAX_RECORDS {
            return Err(Unreadable::TooMany(records.len() + 1 + lines.count()));
        }
        // The common line is read once; only a bad one is looked at again.
        let record = reader.record(line);
        match &record {
            Ok(_) => any_json = true,
            Err(_) => match serde_json::from_str::<&RawValue>(&quote_non_finite(line)) {
                Ok(_) => any_json = true,
                Err(error) => {
                    first_fault.get_or_insert(format!("line {number}: {error}"));
                }
            },
        }
        records.push(record);
    }
    match first_fault {
        Some(fault) if !any_json => Err(NotJson(fault)),
        _ => Ok(records),
    }
}

/// The lines that are not blank, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).chain([text.len()]);
    let mut start = 0;
    let lines = ends.map(move |end| {
        let line = text.get(start..end).unwrap_or_default();
        start = end + 1;
        line
    });
    (1..).zip(lines).filter(|(_, line)| {
        // Nearly every line begins with what it is.
        line.starts_with('{') || !line.trim_ascii().is_empty()
    })
}

/// The elements of an array as they stand, as many as may be; the others are counted.
struct Elements<'a> {
    kept: Vec<&'a RawValue>,
    left_out: usize,
}

impl<'de> de::Deserialize<'de> for Elements<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ElementsVisitor;
        impl<'de> de::Visitor<'de> for ElementsVisitor {
            type Value = Elements<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let (mut kept, mut left_out) = (Vec::new(), 0);
                while kept.len() < MAX_RECORDS {
                    match seq.next_element()? {
                        Some(element) => kept.push(element),
                        None => return Ok(Elements { kept, left_out }),
                    }
                }
                while seq.next_element::<de::IgnoredAny>()?.is_some() {
                    left_out += 1;
                }
                Ok(Elements { kept, left_out })
            }
        }
        deserializer.deserialize_seq(ElementsVisitor)
    }
}

/// Reads records, each checked on its own; the records of one body or of one file.
pub(crate) struct Reader<'t> {
    /// Label names that may not be used.
    taken: &'t [String],
    plain: PlainReader,
    /// From the second record on: most bodies have one only, and then it would be work for nothing.
    keys: Option<Keys>,
}

impl<'t> Reader<'t> {
    /// A reader that refuses the label names `taken`.
    pub(crate) fn new(taken: &'t [String]) -> Self {
        Self {
            taken,
            plain: PlainReader::default(),
            keys: None,
        }
    }

    /// Reads and checks one JSON object.
    pub(crate) fn record(&mut self, text: &str) -> Result<Measurement, FieldFault> {
        let mut draft = Draft::default();
        if self.plain.read(text, &mut draft).is_some() {
            return self.check(&mut draft);
        }
        let record: Record<'_> = match serde_json::from_str(text) {
            Ok(record) => record,
            Err(_) => return Err(explain(text)),
        };
        let measurement = Measurement::new(record.draft())?;
        self.check_taken(&measurement.key)?;
        Ok(measurement)
    }

    /// Checks a draft that has been read.
    pub(crate) fn check(&mut self, draft: &mut Draft<'_>) -> Result<Measurement, FieldFault> {
        if let Some(key) = self.keys.as_ref().and_then(|keys| keys.find(draft)) {
            return Measurement::of(key, draft);
        }
        let place = self.keys.as_ref().map(|keys| keys.place(draft));
        let key = draft.key()?;
        self.check_taken(&key)?;
        match (&mut self.keys, place) {
            (Some(keys), Some(place)) => keys.remember(place, key.clone()),
            _ => self.keys = Some(Keys::default()),
        }
        Measurement::of(key, draft)
    }

    fn check_taken(&self, key: &SeriesKey) -> Result<(), FieldFault> {
        let taken = |name: &str| self.taken.iter().any(|taken| taken == name);
        match key.labels().find(|(name, _)| taken(name)) {
            Some((name, _)) => Err(FieldFault::new(
                format!("labels.{name}"),
                "is one of the external labels, which opwatch sets itself",
            )),
            None => Ok(()),
        }
    }
}

/// Reads a bad record again, slowly, for the field and the reason.
fn explain(text: &str) -> FieldFault {
    explain_with(text, |json| {
        serde_path_to_error::deserialize::<_, Record<'_>>(json).map(drop)
    })
}

/// The same for a record that `read` reads.
pub(crate) fn explain_with(
    text: &str,
    read: impl for<'a> Fn(
        &mut serde_json::Deserializer<serde_json::de::StrRead<'a>>,
    ) -> Result<(), serde_path_to_error::Error<serde_json::Error>>,
) -> FieldFault {
    let mended = quote_non_finite(text);
    let mut deserializer = serde_json::Deserializer::from_str(&mended);
    let fault = match read(&mut deserializer) {
        Err(error) => {
            let path = error.path().to_string();
            let reason = without_position(&error.into_inner().to_string());
            let unknown = reason
                .strip_prefix("unknown field `")
                .and_then(|rest| rest.split('`').next());
            match unknown {
                Some(name) => FieldFault::new(name, suggest(name, &reason)),
                None => FieldFault::new(path.trim_matches('.'), reason),
            }
        }
        Ok(()) => FieldFault::new("", "more than one value in the record"),
    };
    FieldFault {
        // The name comes from outside and goes into logs.
        field: fault
            .field
            .chars()
            .take(64)
            .filter(|c| !c.is_control())
            .collect(),
        ..fault
    }
}

/// Drops the position inside the record, which says nothing about the body.
fn without_position(message: &str) -> String {
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message.get(..end).unwrap_or(message).to_owned()
}

fn suggest(name: &str, reason: &str) -> String {
    // By similarity rather than by distance: `duration` for `duration_seconds` is the likeliest mistake.
    let known = reason.split('`').skip(3).step_by(2);
    let nearest = known
        .map(|field| (strsim::jaro_winkler(name, field), field))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .filter(|(similarity, _)| *similarity > 0.8);
    match nearest {
        Some((_, field)) => format!("is not a known field; did you mean `{field}`?"),
        None => format!(
            "is not a known field; allowed are {}",
            reason.split("expected one of ").nth(1).unwrap_or_default()
        ),
    }
}

/// Puts `NaN`, `Infinity` and `-Infinity` in quotes, as Python writes them into what it calls JSON, so
/// that they are refused as the numbers they are and not as broken JSON.
fn quote_non_finite(text: &str) -> Cow<'_, str> {
    const WORDS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];
    if !WORDS.iter().any(|word| text.contains(word)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let (mut in_string, mut escaped, mut changed) = (false, false, false);
    while let Some(c) = rest.chars().next() {
        let word = WORDS
            .iter()
            .find(|word| !in_string && rest.starts_with(**word));
        if let Some(word) = word {
            out.extend(["\"", word, "\""]);
            rest = rest.get(word.len()..).unwrap_or_default();
            changed = true;
            continue;
        }
        if in_string && escaped {
            escaped = false;
        } else if in_string && c == '\\' {
            escaped = true;
        } else if c == '"' {
            in_string = !in_string;
        }
        out.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    if changed {
        Cow::Owned(out)
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(body: &str, form: Form) -> Vec<(usize, String, String)> {
        read(body.as_bytes(), form, &["cluster".to_owned()])
            .unwrap()
            .into_iter()
            .enumerate()
            .filter_map(|(index, record)| {
                let fault = record.err()?;
                Some((index, fault.field, fault.reason))
            })
            .collect()
    }

    #[test]
    fn every_field_comes_through() {
        let body = r#"{"operation":"detect","algorithm":"iforest","version":"v1","labels":{"zone":"a"},
            "timestamp":"2026-01-31T12:00:00.5Z","duration_seconds":2.5,"setup_seconds":0.5,
            "cleanup_seconds":0.25,"cpu_cores":1.5,"memory_bytes":1e6,"memory_peak_bytes":2e6,
            "samples":1000,"dataset_size":1000.0,"outcome":"success","quality":{"f1":0.9,"r2":-0.1},
            "quality_samples":50,"id":"a-1","trace_id":"0af7651916cd43dd8448eb211c80319c"}"#;
        let records = read(body.as_bytes(), Form::Json, &[]).unwrap();
        let m = records[0].as_ref().unwrap();
        assert_eq!(
            format!("{:?}", m.key),
            r#"{algorithm="iforest", operation="detect", version="v1", zone="a"}"#
        );
        assert_eq!(m.at.unwrap().to_string(), "2026-01-31T12:00:00.500Z");
        assert_eq!(
            (m.duration_seconds, m.setup_seconds, m.cleanup_seconds),
            (Some(2.5), Some(0.5), Some(0.25))
        );
        assert_eq!(
            (m.cpu_cores, m.memory_bytes, m.memory_peak_bytes),
            (Some(1.5), Some(1e6), Some(2e6))
        );
        assert_eq!(
            (m.samples, m.dataset_size, m.quality_samples),
            (Some(1000), Some(1000), Some(50))
        );
        assert_eq!(m.quality, [("f1".into(), 0.9), ("r2".into(), -0.1)]);
        assert!(m.id.is_some() && m.trace_id.is_some() && m.is_operation);
    }

    #[test]
    fn bad_records_are_answered_by_place_and_good_neighbours_are_kept() {
        let body = r#"[{"operation":"a","duration_seconds":1},
            {"operation":"a","duration_seconds":NaN},
            {"operation":"a","duration_seconds":"slow"},
            {"operation":"a","durations":1},
            {"duration_seconds":1},
            {"operation":"a","samples":-5},
            {"operation":"a","outcome":"maybe"},
            {"operation":"a","timestamp":"yesterday"},
            {"operation":"a","labels":{"cluster":"x"}},
            {"operation":"a","labels":{"le":"x"}},
            {"operation":"a","quality":{"f1":Infinity}},
            7,
            {"operation":"a","duration_seconds":-1},
            {"operation":"a","duration_seconds":1e999},
            {"operation":"a","duration_seconds":2}]"#;
        let found = faults(body, Form::Json);
        let expected = [
            (1, "duration_seconds", "string \"NaN\""),
            (2, "duration_seconds", "string \"slow\", expected f64"),
            (3, "durations", "did you mean"),
            (4, "operation", "1 to 200 characters"),
            (5, "samples", "`-5`, expected a whole number of at least 0"),
            (6, "outcome", "`maybe`, expected `success` or `failure`"),
            (7, "timestamp", "\"yesterday\", expected an RFC 3339 time"),
            (8, "labels.cluster", "external labels"),
            (9, "labels.le", "reserved"),
            (10, "quality.f1", "\"Infinity\""),
            (11, "", "integer `7`"),
            (12, "duration_seconds", "-1 is not allowed"),
            (13, "duration_seconds", "number out of range"),
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for ((index, field, reason), expected) in found.iter().zip(expected) {
            assert_eq!(
                (*index, field.as_str()),
                (expected.0, expected.1),
                "{reason}"
            );
            assert!(reason.contains(expected.2), "{reason} / {}", expected.2);
        }
    }

    #[test]
    fn lines_are_judged_one_by_one() {
        let body =
            "{\"operation\":\"a\",\"duration_seconds\":1}\nnonsense\n\n{\"operation\":\"b\"}\n";
        for form in [Form::Lines, Form::Json] {
            let records = read(body.as_bytes(), form, &[]).unwrap();
            let good: Vec<bool> = records.iter().map(Result::is_ok).collect();
            assert_eq!(good, [true, false, true]);
        }
    }

    #[test]
    fn a_body_that_is_no_json_at_all_is_refused_whole() {
        for (body, expected) in [
            ("", "it is empty"),
            ("hello", "expected value at line 1 column 1"),
            ("{\"operation\":", "EOF while parsing a value at line 1"),
            ("[{\"operation\":\"a\"}", "EOF while parsing a list"),
        ] {
            let error = read(body.as_bytes(), Form::Json, &[])
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = read(b"x\ny\n", Form::Lines, &[]).unwrap_err().to_string();
        assert!(error.contains("line 1: expected value"), "{error}");
        assert!(read(b"\xff", Form::Json, &[]).is_err());
    }

    #[test]
    fn a_body_of_too_many_records_is_refused_whole_with_their_number() {
        for count in [MAX_RECORDS, MAX_RECORDS + 1] {
            let array = format!("[{}]", vec!["1"; count].join(","));
            let lines = "1\n".repeat(count);
            for (body, form) in [
                (&array, Form::Json),
                (&lines, Form::Lines),
                (&lines, Form::Json),
            ] {
                match read(body.as_bytes(), form, &[]) {
                    Ok(records) => assert_eq!(records.len(), MAX_RECORDS),
                    Err(error) => assert_eq!(error, Unreadable::TooMany(MAX_RECORDS + 1)),
                }
            }
        }
    }

    #[test]
    fn content_types() {
        for (content_type, expected) in [
            (None, Some(Form::Json)),
            (Some("application/json; charset=utf-8"), Some(Form::Json)),
            (Some("Application/X-NDJSON"), Some(Form::Lines)),
            (Some("application/x-www-form-urlencoded"), None),
            (Some("text/xml"), None),
        ] {
            assert_eq!(
                Form::of_content_type(content_type),
                expected,
                "{content_type:?}"
            );
        }
    }
}

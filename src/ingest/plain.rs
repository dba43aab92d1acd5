//! The plain form of a record, read in one pass and without allocating.
//!
//! Nearly every record is a flat object of known fields with plain strings and decimal numbers, and reading it is most
//! of the work of taking it in. Everything else (escapes, `null`, unknown or repeated fields, faults of any kind) is
//! left to serde, which reads it or says what is wrong. So this may only accept what serde accepts, with the same
//! values; a property test holds one against the other.

use crate::engine::measurement::{Draft, Outcome};
use crate::engine::time::Timestamp;

/// The fields, in the order in which clients are likely to send them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Operation,
    Algorithm,
    Version,
    Labels,
    Timestamp,
    DurationSeconds,
    SetupSeconds,
    CleanupSeconds,
    CpuCores,
    MemoryBytes,
    MemoryPeakBytes,
    Samples,
    DatasetSize,
    Outcome,
    ErrorClass,
    Quality,
    QualitySamples,
    Id,
    TraceId,
}

/// Every field as it stands in a record without blanks.
const TOKENS: [(&str, Field); 19] = [
    ("\"operation\":", Field::Operation),
    ("\"algorithm\":", Field::Algorithm),
    ("\"version\":", Field::Version),
    ("\"labels\":", Field::Labels),
    ("\"timestamp\":", Field::Timestamp),
    ("\"duration_seconds\":", Field::DurationSeconds),
    ("\"setup_seconds\":", Field::SetupSeconds),
    ("\"cleanup_seconds\":", Field::CleanupSeconds),
    ("\"cpu_cores\":", Field::CpuCores),
    ("\"memory_bytes\":", Field::MemoryBytes),
    ("\"memory_peak_bytes\":", Field::MemoryPeakBytes),
    ("\"samples\":", Field::Samples),
    ("\"dataset_size\":", Field::DatasetSize),
    ("\"outcome\":", Field::Outcome),
    ("\"error_class\":", Field::ErrorClass),
    ("\"quality\":", Field::Quality),
    ("\"quality_samples\":", Field::QualitySamples),
    ("\"id\":", Field::Id),
    ("\"trace_id\":", Field::TraceId),
];

impl Field {
    fn named(name: &str) -> Option<Self> {
        let bare = |token: &'static str| token.strip_prefix('"')?.strip_suffix("\":");
        TOKENS
            .iter()
            .find_map(|(token, field)| (bare(token)? == name).then_some(*field))
    }
}

/// Reads records one after the other. Those of one client have the same fields in the same order, so each field is
/// first looked for where the record before had it.
#[derive(Debug, Default)]
pub(super) struct PlainReader {
    order: Vec<(&'static str, Field)>,
}

impl PlainReader {
    /// Reads a record into an empty draft; `None`, with the draft in any state, where it is not of the plain form.
    pub(super) fn read<'a>(&mut self, text: &'a str, draft: &mut Draft<'a>) -> Option<()> {
        let mut cursor = Cursor {
            text,
            bytes: text.as_bytes(),
            at: 0,
        };
        cursor.expect(b'{')?;
        let mut seen = 0u32;
        let mut place = 0;
        if !cursor.take(b'}') {
            loop {
                let field = self.field(place, &mut cursor)?;
                let bit = 1 << field as u32;
                if seen & bit != 0 {
                    return None;
                }
                seen |= bit;
                place += 1;
                value(field, &mut cursor, draft)?;
                if !cursor.take(b',') {
                    cursor.expect(b'}')?;
                    break;
                }
            }
        }
        cursor.blanks();
        (cursor.at == text.len()).then_some(())
    }

    /// The field that begins here, with its colon.
    fn field(&mut self, place: usize, cursor: &mut Cursor<'_>) -> Option<Field> {
        cursor.blanks();
        if let Some((token, field)) = self.order.get(place)
            && cursor.take_text(token)
        {
            return Some(*field);
        }
        let name = cursor.string()?;
        cursor.expect(b':')?;
        let field = Field::named(name)?;
        self.order.truncate(place);
        let token = TOKENS.iter().find(|(_, other)| *other == field)?;
        self.order.push(*token);
        Some(field)
    }
}

fn value<'a>(field: Field, cursor: &mut Cursor<'a>, draft: &mut Draft<'a>) -> Option<()> {
    match field {
        Field::Operation => draft.operation = cursor.string()?,
        Field::Algorithm => draft.algorithm = cursor.string()?,
        Field::Version => draft.version = cursor.string()?,
        Field::ErrorClass => draft.error_class = cursor.string()?,
        Field::Id => draft.id = cursor.string()?,
        Field::TraceId => draft.trace_id = cursor.string()?,
        Field::DurationSeconds => draft.duration_seconds = Some(cursor.number()?),
        Field::SetupSeconds => draft.setup_seconds = Some(cursor.number()?),
        Field::CleanupSeconds => draft.cleanup_seconds = Some(cursor.number()?),
        Field::CpuCores => draft.cpu_cores = Some(cursor.number()?),
        Field::MemoryBytes => draft.memory_bytes = Some(cursor.number()?),
        Field::MemoryPeakBytes => draft.memory_peak_bytes = Some(cursor.number()?),
        Field::Samples => draft.samples = Some(cursor.whole()?),
        Field::DatasetSize => draft.dataset_size = Some(cursor.whole()?),
        Field::QualitySamples => draft.quality_samples = Some(cursor.whole()?),
        Field::Timestamp => {
            cursor.blanks();
            draft.at = Some(match cursor.peek()? {
                b'"' => Timestamp::parse(cursor.string()?)?,
                _ => Timestamp::from_seconds(cursor.number()?)?,
            });
        }
        Field::Outcome => {
            draft.outcome = Some(match cursor.string()? {
                "success" => Outcome::Success,
                "failure" => Outcome::Failure,
                _ => return None,
            });
        }
        Field::Labels => cursor.pairs(&mut draft.labels, Cursor::string)?,
        Field::Quality => cursor.pairs(&mut draft.quality, Cursor::number)?,
    }
    Some(())
}

/// A place in the text of a record.
struct Cursor<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

/// Powers of ten that a float holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Whole numbers below it are exact as floats.
const EXACT: u64 = 1 << 53;

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Takes a byte and the blanks before it. Blanks stay where it does not follow.
    fn take(&mut self, byte: u8) -> bool {
        if self.peek() == Some(byte) {
            self.at += 1;
            return true;
        }
        let before = self.at;
        self.blanks();
        let found = self.at > before && self.peek() == Some(byte);
        self.at = if found { self.at + 1 } else { before };
        found
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    fn take_text(&mut self, text: &str) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let found = begins_with(rest, text.as_bytes());
        if found {
            self.at += text.len();
        }
        found
    }

    /// A string without escapes and control characters.
    fn string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let rest = self.bytes.get(self.at..)?;
        let length = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20 | 0x7f))?;
        let string = self.text.get(self.at..self.at + length)?;
        self.at += length;
        self.at += 1;
        self.bytes.get(self.at - 1).filter(|end| **end == b'"')?;
        Some(string)
    }

    /// Takes digits and appends them to `number`; how many there were. The number is wrong from the twentieth on.
    fn digits(&mut self, number: &mut u64) -> usize {
        let start = self.at;
        loop {
            let (digits, value) = leading_digits(self.next_eight());
            let power = WHOLE_POWERS.get(digits).copied().unwrap_or_default();
            *number = number.wrapping_mul(power).wrapping_add(value);
            self.at += digits;
            if digits < 8 {
                return self.at - start;
            }
        }
    }

    /// The next eight bytes, zeros where there are no more.
    fn next_eight(&self) -> [u8; 8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match (rest.first_chunk(), self.bytes.last_chunk()) {
            (Some(eight), _) => *eight,
            // Of a record the last ones are read again and again: a loop over them would often be foreseen wrongly.
            (None, Some(last)) => {
                let missing = 8 * (8 - rest.len());
                let missing = u32::try_from(missing).unwrap_or(u64::BITS);
                (u64::from_le_bytes(*last).unbounded_shr(missing)).to_le_bytes()
            }
            (None, None) => {
                let mut eight = [0; 8];
                eight
                    .iter_mut()
                    .zip(rest)
                    .for_each(|(to, from)| *to = *from);
                eight
            }
        }
    }

    /// The whole part of a number; how many digits it has.
    fn whole_part(&mut self, number: &mut u64) -> Option<usize> {
        let leads_with_zero = self.peek() == Some(b'0');
        let digits = self.digits(number);
        (digits == 1 || digits > 1 && !leads_with_zero).then_some(digits)
    }

    /// A whole number of at most nineteen digits.
    fn whole(&mut self) -> Option<u64> {
        self.blanks();
        let mut number = 0;
        let digits = self.whole_part(&mut number)?;
        let ends = !matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        (digits <= 19 && ends).then_some(number)
    }

    /// A number in the grammar of JSON, rounded to the nearest float.
    fn number(&mut self) -> Option<f64> {
        self.blanks();
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let mut mantissa = 0;
        let mut digits = self.whole_part(&mut mantissa)?;
        let mut fraction = 0;
        if self.peek() == Some(b'.') {
            self.at += 1;
            fraction = self.digits(&mut mantissa);
            if fraction == 0 {
                return None;
            }
            digits += fraction;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            let signed = matches!(self.peek(), Some(b'-' | b'+'));
            self.at += usize::from(signed);
            if self.digits(&mut 0) == 0 {
                return None;
            }
        } else if digits <= 19
            && mantissa < EXACT
            && let Some(power) = POWERS.get(fraction)
        {
            // Both are exact, so that the quotient is rounded once, to the nearest (W. D. Clinger, *How to Read
            // Floating Point Numbers Accurately*, PLDI 1990).
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            let mut magnitude = mantissa as f64;
            if fraction > 0 {
                magnitude /= power;
            }
            return Some(if negative { -magnitude } else { magnitude });
        }
        let number: f64 = self.text.get(start..self.at)?.parse().ok()?;
        number.is_finite().then_some(number)
    }

    /// The members of an object.
    fn pairs<V>(
        &mut self,
        into: &mut Vec<(&'a str, V)>,
        value: fn(&mut Self) -> Option<V>,
    ) -> Option<()> {
        self.expect(b'{')?;
        if self.take(b'}') {
            return Some(());
        }
        loop {
            let name = self.string()?;
            self.expect(b':')?;
            into.push((name, value(self)?));
            if !self.take(b',') {
                return self.expect(b'}');
            }
        }
    }
}

/// Powers of ten by which a number is moved to make room for as many digits.
const WHOLE_POWERS: [u64; 9] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
];

/// How many of eight bytes are digits, up to the first that is none, and the number they make. All at once, pairs, then
/// fours, then all (D. Lemire, *Number Parsing at a Gigabyte per Second*, Software: Practice and Experience 51, 2021):
/// numbers of different lengths are foreseen badly by what goes digit by digit.
fn leading_digits(text: [u8; 8]) -> (usize, u64) {
    const HIGHEST: u64 = 0x8080_8080_8080_8080;
    // Each byte is its digit, if it is one, else above nine. What an addition carries over comes after such a one.
    let values = u64::from_le_bytes(text) ^ 0x3030_3030_3030_3030;
    let others = (values.wrapping_add(0x7676_7676_7676_7676) | values) & HIGHEST;
    let bits = others.trailing_zeros() & !7;
    // To the end, so that zeros come before them.
    let values = values.unbounded_shl(64 - bits);
    let pairs = values.wrapping_mul(10 << 8 | 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(100 << 16 | 1) >> 16;
    let eight = (fours & 0x0000_ffff_0000_ffff).wrapping_mul(10_000 << 32 | 1) >> 32;
    ((bits / 8) as usize, eight)
}

/// Whether a text begins with another, which is short: in words, because calling for the comparison takes longer than it.
pub(super) fn begins_with(text: &[u8], short: &[u8]) -> bool {
    let Some(text) = text.get(..short.len()) else {
        return false;
    };
    // The last word may lap over the one before.
    let whole = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
    let half = |bytes: &[u8; 4]| u32::from_ne_bytes(*bytes);
    if let (Some((_, a)), Some((_, b))) = (text.split_last_chunk(), short.split_last_chunk()) {
        let words = text.as_chunks().0.iter().zip(short.as_chunks().0);
        return whole(a) == whole(b) && words.into_iter().all(|(a, b)| whole(a) == whole(b));
    }
    if let (Some((_, a)), Some((_, b))) = (text.split_last_chunk(), short.split_last_chunk()) {
        let words = text.as_chunks().0.iter().zip(short.as_chunks().0);
        return half(a) == half(b) && words.into_iter().all(|(a, b)| half(a) == half(b));
    }
    text.iter().zip(short).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::super::wire::Record;
    use super::*;
    use proptest::prelude::*;

    /// What serde makes of it; `None` where it refuses.
    fn by_serde(text: &str) -> Option<String> {
        let record: Record<'_> = serde_json::from_str(text).ok()?;
        Some(format!("{:?}", record.draft()))
    }

    fn plainly(reader: &mut PlainReader, text: &str) -> Option<String> {
        let mut draft = Draft::default();
        reader.read(text, &mut draft)?;
        Some(format!("{draft:?}"))
    }

    #[test]
    fn records_as_clients_send_them_are_plain() {
        let mut reader = PlainReader::default();
        for text in [
            r#"{"operation":"detect","algorithm":"iforest","duration_seconds":2.5,"samples":1000}"#,
            r#"{"operation":"detect","algorithm":"svm","duration_seconds":0.12345678901234568}"#,
            r#"{ "operation" : "train", "labels" : {"zone": "eu-1", "host":"a"}, "timestamp": 1769860800.25 }"#,
            r#"{"operation":"größe","timestamp":"2026-01-31T12:00:00Z","quality":{"f1":0.9,"r2":-0.1}}"#,
            r#"{"operation":"a","memory_bytes":1e6,"cpu_cores":1.5E-3,"outcome":"failure","error_class":"Timeout"}"#,
            r#"{"operation":"a","labels":{},"quality":{},"id":"7-1","trace_id":"0af7","dataset_size":0}"#,
            "{}",
            " {\t} ",
        ] {
            let found = plainly(&mut reader, text);
            assert!(found.is_some(), "{text}");
            assert_eq!(found, by_serde(text), "{text}");
        }
    }

    #[test]
    fn everything_else_is_left_to_serde() {
        let mut reader = PlainReader::default();
        for text in [
            "",
            "7",
            "[]",
            "{",
            r#"{"operation":"a"}}"#,
            r#"{"operation":"a",}"#,
            r#"{"operation":"a\n"}"#,
            "{\"operation\":\"a\u{1}\"}",
            "{\"operation\":\"a\u{7f}\"}",
            r#"{"operation":null}"#,
            r#"{"operations":"a"}"#,
            r#"{"operation":"a","operation":"b"}"#,
            r#"{"operation":"a" "samples":1}"#,
            r#"{"samples":-1}"#,
            r#"{"samples":1.0}"#,
            r#"{"samples":1e3}"#,
            r#"{"samples":01}"#,
            r#"{"samples":20000000000000000000}"#,
            r#"{"duration_seconds":.5}"#,
            r#"{"duration_seconds":5.}"#,
            r#"{"duration_seconds":00.5}"#,
            r#"{"duration_seconds":1e}"#,
            r#"{"duration_seconds":1e999}"#,
            r#"{"duration_seconds":+1}"#,
            r#"{"duration_seconds":NaN}"#,
            r#"{"duration_seconds":"1"}"#,
            r#"{"outcome":"maybe"}"#,
            r#"{"timestamp":"yesterday"}"#,
            r#"{"labels":{"a":1}}"#,
            r#"{"labels":["a"]}"#,
        ] {
            assert_eq!(plainly(&mut reader, text), None, "{text}");
        }
    }

    #[test]
    fn a_beginning_is_told_from_what_differs_in_any_byte() {
        let text: Vec<u8> = (b'a'..=b'z').collect();
        for length in 0..=text.len() {
            let short = text[..length].to_vec();
            assert!(begins_with(&text, &short) && begins_with(&short, &short));
            assert!(length == 0 || !begins_with(&short[1..], &short));
            for place in 0..length {
                let mut other = short.clone();
                other[place] ^= 1;
                assert!(!begins_with(&text, &other), "{length} {place}");
            }
        }
    }

    #[test]
    fn digits_are_read_up_to_what_is_none() {
        for (text, expected) in [
            (b"00000000", (8, 0)),
            (b"12345678", (8, 12_345_678)),
            (b"99999999", (8, 99_999_999)),
            (b"1234567/", (7, 1_234_567)),
            (b":2345678", (0, 0)),
            (b"/2345678", (0, 0)),
            (b"1234.678", (4, 1_234)),
            (b"123\xb05678", (3, 123)),
            (b"1\xff3456\xff8", (1, 1)),
            (b"7\0\0\0\0\0\0\0", (1, 7)),
        ] {
            assert_eq!(leading_digits(*text), expected, "{text:?}");
        }
        for text in ["1", "12345678", "123456789", "0012345678901234567"] {
            for after in ["", ",", "}", ", and much more"] {
                let text = format!("{text}{after}");
                let (bytes, at) = (text.as_bytes(), 0);
                let mut cursor = Cursor {
                    text: &text,
                    bytes,
                    at,
                };
                let (mut number, digits) = (0, text.len() - after.len());
                assert_eq!(cursor.digits(&mut number), digits, "{text}");
                assert_eq!(
                    (cursor.at, number),
                    (digits, text[..digits].parse().unwrap())
                );
            }
        }
    }

    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<f64>().prop_filter_map("finite", |n| n.is_finite().then(|| n.to_string())),
            any::<f64>().prop_filter_map("finite", |n| n.is_finite().then(|| format!("{n:e}"))),
            "-?[0-9]{1,22}(\\.[0-9]{1,25})?([eE][-+]?[0-9]{1,3})?",
            (0.0..1e4f64).prop_map(|n| n.to_string()),
        ]
    }

    fn member() -> impl Strategy<Value = String> {
        let names = prop::sample::select(TOKENS.map(|(token, _)| token).to_vec());
        let value = prop_oneof![
            number(),
            "\"[ -~]{0,12}\"",
            r#"\{("[a-z]{1,4}": ?("[a-z\\"]{0,3}"|[0-9.]{1,4}),? ?){0,3}\}"#,
            Just("null".to_owned()),
            Just("\"success\"".to_owned()),
        ];
        (names, " {0,1}", value).prop_map(|(name, blank, value)| format!("{name}{blank}{value}"))
    }

    proptest! {
        #[test]
        fn what_is_taken_is_what_serde_reads(
            records in prop::collection::vec(prop::collection::vec(member(), 0..5), 1..4),
        ) {
            let mut reader = PlainReader::default();
            for members in records {
                let text = format!("{{{}}}", members.join(", "));
                if let Some(found) = plainly(&mut reader, &text) {
                    prop_assert_eq!(Some(found), by_serde(&text), "{}", text);
                }
            }
        }

        #[test]
        fn a_number_is_the_nearest_float(text in number()) {
            let record = format!("{{\"duration_seconds\":{text}}}");
            let mut draft = Draft::default();
            if PlainReader::default().read(&record, &mut draft).is_some() {
                prop_assert_eq!(draft.duration_seconds, text.parse().ok());
            }
        }
    }
}

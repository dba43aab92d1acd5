//! Times and durations: `toTime`, the methods of a time, and `parseDuration`.

use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::Offset;

use super::error::Fault;
use super::float::format_float;
use super::value::Value;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The time that lies `seconds` after the start of 1970, to the millisecond as in Prometheus.
pub(super) fn from_seconds(seconds: f64) -> Result<Timestamp, Fault> {
    if !seconds.is_finite() {
        return Err(Fault::from("value is NaN or Inf"));
    }
    let nanoseconds = seconds * 1e9;
    // The bounds are those of Go's 64-bit nanoseconds, the years 1677 to 2262.
    let bound = 9_223_372_036_854_775_808.0;
    let out_of_range = || {
        Fault::from(format!(
            "{} cannot be represented as a nanoseconds timestamp since it overflows int64",
            format_float(seconds, 'g', None)
        ))
    };
    if !(-bound..=bound).contains(&nanoseconds) {
        return Err(out_of_range());
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range is checked above"
    )]
    let milliseconds = nanoseconds as i64 / 1_000_000;
    Timestamp::from_millisecond(milliseconds).map_err(|_| out_of_range())
}

fn civil(time: Timestamp) -> DateTime {
    Offset::UTC.to_datetime(time)
}

/// A time as Go prints it.
pub(super) fn show(time: Timestamp) -> String {
    let civil = civil(time);
    let mut fraction = format!(".{:09}", civil.subsec_nanosecond());
    fraction.truncate(fraction.trim_end_matches(['0', '.']).len());
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}{fraction} +0000 UTC",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second()
    )
}

/// Calls a method of a time, by its name in Go.
pub(super) fn method(time: Timestamp, name: &str, arguments: &[Value]) -> Result<Value, Fault> {
    let civil = civil(time);
    let value = match (name, arguments) {
        ("Format", [Value::String(layout)]) => format_layout(civil, layout).into(),
        ("Format", _) => return Err(Fault::from("Format expects a layout, such as \"15:04\"")),
        (_, [_, ..]) => {
            return Err(Fault::from(format!("method {name} expects no argument")));
        }
        ("String", []) => show(time).into(),
        ("UTC", []) => time.into(),
        ("Unix", []) => time.as_second().into(),
        ("UnixMilli", []) => time.as_millisecond().into(),
        ("Year", []) => i64::from(civil.year()).into(),
        ("Month", []) => month(civil).into(),
        ("Day", []) => i64::from(civil.day()).into(),
        ("Hour", []) => i64::from(civil.hour()).into(),
        ("Minute", []) => i64::from(civil.minute()).into(),
        ("Second", []) => i64::from(civil.second()).into(),
        ("YearDay", []) => i64::from(civil.day_of_year()).into(),
        ("Weekday", []) => weekday(civil).into(),
        _ => {
            return Err(Fault::from(format!(
                "can't evaluate field {name} in type time.Time, allowed are Format, String, UTC, Unix, UnixMilli, \
                 Year, Month, Day, Hour, Minute, Second, YearDay, Weekday"
            )));
        }
    };
    Ok(value)
}

fn month(civil: DateTime) -> &'static str {
    let index = usize::try_from(civil.month() - 1).unwrap_or(0);
    MONTHS.get(index).unwrap_or(&"")
}

fn weekday(civil: DateTime) -> &'static str {
    match civil.weekday() {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

/// The parts that a layout of Go may have, longest first where one starts another.
const LAYOUT_PARTS: [&str; 34] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "-07:00:00",
    "-07:00",
    "-070000",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z07:00",
    "Z070000",
    "Z0700",
    "Z07",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "PM",
    "pm",
    "__2",
    "_2",
    "1",
    "2",
    "3",
    "4",
    "5",
    "_2006",
];

/// Writes a time by an example of Go's reference time, Mon Jan 2 15:04:05 MST 2006.
fn format_layout(civil: DateTime, layout: &str) -> String {
    let mut formatted = String::new();
    let mut rest = layout;
    while let Some(character) = rest.chars().next() {
        if let Some(part) = LAYOUT_PARTS.iter().find(|part| starts_part(rest, part)) {
            if *part == "_2006" {
                formatted.push('_');
                formatted.push_str(&layout_part(civil, "2006"));
            } else {
                formatted.push_str(&layout_part(civil, part));
            }
            rest = rest.get(part.len()..).unwrap_or("");
        } else if let Some(length) = fraction_length(rest) {
            let digits = format!("{:09}", civil.subsec_nanosecond());
            let shown = digits.get(..length).unwrap_or(&digits);
            if rest.get(1..).is_some_and(|marks| marks.starts_with('9')) {
                let shown = shown.trim_end_matches('0');
                if !shown.is_empty() {
                    formatted.push_str(rest.get(..1).unwrap_or("."));
                    formatted.push_str(shown);
                }
            } else {
                formatted.push_str(rest.get(..1).unwrap_or("."));
                formatted.push_str(shown);
            }
            rest = rest.get(1 + length..).unwrap_or("");
        } else {
            formatted.push(character);
            rest = rest.get(character.len_utf8()..).unwrap_or("");
        }
    }
    formatted
}

/// Whether a part stands at the start: `Jan` and `Mon` are none inside a longer word, and `_2` none before `006`.
fn starts_part(rest: &str, part: &str) -> bool {
    let Some(after) = rest.strip_prefix(part) else {
        return false;
    };
    match part {
        "Jan" | "Mon" => !after.starts_with(|next: char| next.is_ascii_lowercase()),
        "_2" => !after.starts_with("006"),
        _ => true,
    }
}

/// How many digits a fraction such as `.000` or `,999` at the start asks for.
fn fraction_length(rest: &str) -> Option<usize> {
    let marks = rest.strip_prefix(['.', ','])?;
    let mark = marks.chars().next().filter(|mark| "09".contains(*mark))?;
    let length = marks.len() - marks.trim_start_matches(mark).len();
    let ends = !marks
        .get(length..)?
        .starts_with(|next: char| next.is_ascii_digit());
    ends.then_some(length)
}

fn layout_part(civil: DateTime, part: &str) -> String {
    let (month_number, day, hour) = (civil.month(), civil.day(), civil.hour());
    let hour_of_12 = if hour % 12 == 0 { 12 } else { hour % 12 };
    match part {
        "January" => month(civil).to_owned(),
        "Jan" => month(civil).chars().take(3).collect(),
        "Monday" => weekday(civil).to_owned(),
        "Mon" => weekday(civil).chars().take(3).collect(),
        "MST" => "UTC".to_owned(),
        "2006" => format!("{:04}", civil.year()),
        "06" => format!("{:02}", civil.year().rem_euclid(100)),
        "002" => format!("{:03}", civil.day_of_year()),
        "__2" => format!("{:3}", civil.day_of_year()),
        "01" => format!("{month_number:02}"),
        "1" => month_number.to_string(),
        "02" => format!("{day:02}"),
        "_2" => format!("{day:2}"),
        "2" => day.to_string(),
        "15" => format!("{hour:02}"),
        "03" => format!("{hour_of_12:02}"),
        "3" => hour_of_12.to_string(),
        "04" => format!("{:02}", civil.minute()),
        "4" => civil.minute().to_string(),
        "05" => format!("{:02}", civil.second()),
        "5" => civil.second().to_string(),
        "PM" => if hour < 12 { "AM" } else { "PM" }.to_owned(),
        "pm" => if hour < 12 { "am" } else { "pm" }.to_owned(),
        "-07:00:00" => "+00:00:00".to_owned(),
        "-07:00" => "+00:00".to_owned(),
        "-070000" => "+000000".to_owned(),
        "-0700" => "+0000".to_owned(),
        "-07" => "+00".to_owned(),
        // The offsets with Z.
        _ => "Z".to_owned(),
    }
}

/// The seconds of a duration in Prometheus' syntax, such as `2h10m15s`.
pub(super) fn parse_duration(text: &str) -> Result<f64, Fault> {
    let fault = |reason: &str| Fault::from(format!("{text:?} is not a duration: {reason}"));
    if text == "0" {
        return Ok(0.0);
    }
    if text.is_empty() {
        return Err(fault("it is empty"));
    }
    const MILLISECOND: u64 = 1;
    const SECOND: u64 = 1000 * MILLISECOND;
    let mut units = [
        ("y", 365 * 86_400 * SECOND),
        ("w", 7 * 86_400 * SECOND),
        ("d", 86_400 * SECOND),
        ("h", 3600 * SECOND),
        ("m", 60 * SECOND),
        ("s", SECOND),
        ("ms", MILLISECOND),
    ]
    .into_iter();
    let mut rest = text;
    let mut milliseconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        // Each unit may come once, the larger before the smaller.
        let Some((_, size)) = units.find(|(name, _)| *name == unit) else {
            return Err(fault(
                "expected numbers with y, w, d, h, m, s, ms in this order",
            ));
        };
        if number.is_empty() {
            return Err(fault("expected a number before the unit"));
        }
        milliseconds = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(size))
            .and_then(|part| milliseconds.checked_add(part))
            .filter(|sum| *sum <= u64::try_from(i64::MAX / 1_000_000).unwrap_or(0))
            .ok_or_else(|| fault("it is out of range"))?;
        rest = after;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "Go divides the nanoseconds as float64 in the same way"
    )]
    let nanoseconds = (milliseconds * 1_000_000) as f64;
    Ok(nanoseconds / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        let cases = [
            ("2h10m15s", 7815.0),
            ("1h2m10ms", 3720.01),
            ("0", 0.0),
            ("0s", 0.0),
            ("5m", 300.0),
            ("1y", 31_536_000.0),
            ("1w2d", 777_600.0),
            ("324ms", 0.324),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_duration(text), Ok(seconds), "{text}");
        }
        for bad in [
            "", "1", "1m1h", "-1m", "1.5h", "1µs", "m", "1s1s", "300000y", "é",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn layouts_are_those_of_go() {
        let time = from_seconds(1_435_065_584.128).unwrap();
        let cases = [
            ("2006", "2015"),
            ("2006-01-02T15:04:05Z07:00", "2015-06-23T13:19:44Z"),
            ("2006-01-02 15:04:05.000", "2015-06-23 13:19:44.128"),
            ("15:04:05.999999", "13:19:44.128"),
            ("15:04:05.0", "13:19:44.1"),
            (
                "Mon Jan _2 15:04:05 MST 2006",
                "Tue Jun 23 13:19:44 UTC 2015",
            ),
            (
                "Monday, 02-Jan-06 15:04:05 -0700",
                "Tuesday, 23-Jun-15 13:19:44 +0000",
            ),
            ("3:04PM", "1:19PM"),
            ("January 2, 2006 at 03:04 pm", "June 23, 2015 at 01:19 pm"),
            ("1/2 002 week é", "6/23 174 week é"),
        ];
        for (layout, expected) in cases {
            let formatted = method(time, "Format", &[layout.into()]);
            assert_eq!(formatted, Ok(expected.into()), "{layout}");
        }
    }

    #[test]
    fn methods_give_the_parts() {
        let time = from_seconds(1_435_065_584.128).unwrap();
        let cases = [
            ("Year", Value::from(2015_i64)),
            ("Month", "June".into()),
            ("Day", Value::from(23_i64)),
            ("Hour", Value::from(13_i64)),
            ("Weekday", "Tuesday".into()),
            ("YearDay", Value::from(174_i64)),
            ("Unix", Value::from(1_435_065_584_i64)),
            ("UnixMilli", Value::from(1_435_065_584_128_i64)),
            ("String", "2015-06-23 13:19:44.128 +0000 UTC".into()),
        ];
        for (name, expected) in cases {
            assert_eq!(method(time, name, &[]), Ok(expected), "{name}");
        }
        assert!(method(time, "Banana", &[]).is_err());
        assert!(method(time, "Year", &[Value::Nil]).is_err());
        assert!(method(time, "Format", &[]).is_err());
    }
}

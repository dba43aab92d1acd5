//! Numbers for people, as Prometheus writes them.

use super::error::Fault;
use super::float::format_float;
use super::time;

/// Reads a number as Go's `strconv.ParseFloat` does.
pub(super) fn parse_number(text: &str) -> Result<f64, Fault> {
    let invalid = || Fault::from(format!("can't convert {text:?} to a number"));
    let number: f64 = text.parse().map_err(|_| invalid())?;
    let unsigned = text.trim_start_matches(['+', '-']);
    if number.is_nan() && unsigned.len() < text.len() {
        return Err(invalid());
    }
    if number.is_infinite()
        && unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
    {
        return Err(Fault::from(format!("number {text:?} is out of range")));
    }
    Ok(number)
}

/// Four significant digits.
fn short(number: f64) -> String {
    format_float(number, 'g', Some(4))
}

/// With a metric prefix: `1.049M`, `120m`.
pub(super) fn decimal(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return short(number);
    }
    let (scaled, prefix) = if number.abs() >= 1.0 {
        scale_down(number, 1000.0, &["k", "M", "G", "T", "P", "E", "Z", "Y"])
    } else {
        scale_up(number)
    };
    format!("{}{prefix}", short(scaled))
}

/// With a binary prefix: `1Mi`.
pub(super) fn binary(number: f64) -> String {
    if number.abs() <= 1.0 || !number.is_finite() {
        return short(number);
    }
    let prefixes = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];
    let (scaled, prefix) = scale_down(number, 1024.0, &prefixes);
    format!("{}{prefix}", short(scaled))
}

fn scale_down(mut number: f64, base: f64, prefixes: &[&'static str]) -> (f64, &'static str) {
    let mut chosen = "";
    for prefix in prefixes {
        if number.abs() < base {
            break;
        }
        chosen = prefix;
        number /= base;
    }
    (number, chosen)
}

fn scale_up(mut number: f64) -> (f64, &'static str) {
    let mut chosen = "";
    for prefix in ["m", "u", "n", "p", "f", "a", "z", "y"] {
        if number.abs() >= 1.0 {
            break;
        }
        chosen = prefix;
        number *= 1000.0;
    }
    (number, chosen)
}

/// A length of time, to the second: `2m 15s`.
pub(in crate::engine) fn span(span: std::time::Duration) -> String {
    duration(std::time::Duration::from_secs(span.as_secs()).as_secs_f64())
}

/// A duration in seconds: `2m 15s`, `1.234s`, `100ms`.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return short(seconds);
    }
    if seconds == 0.0 {
        return format!("{}s", short(seconds));
    }
    if seconds.abs() < 1.0 {
        let (scaled, prefix) = scale_up(seconds);
        return format!("{}{prefix}s", short(scaled));
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let magnitude = seconds.abs();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole seconds are what is shown; larger values saturate"
    )]
    let total = magnitude as i64;
    let (days, hours) = (total / 86_400, total / 3600 % 24);
    let (minutes, rest) = (total / 60 % 60, total % 60);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {rest}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {rest}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {rest}s")
    } else {
        format!("{sign}{}s", short(magnitude))
    }
}

/// A ratio as percentage: `95.9%`.
pub(super) fn percentage(ratio: f64) -> String {
    format!("{}%", short(ratio * 100.0))
}

/// Seconds since 1970 as date and time in UTC, to the millisecond.
pub(super) fn timestamp(seconds: f64) -> Result<String, Fault> {
    if !seconds.is_finite() {
        return Ok(short(seconds));
    }
    Ok(time::show(time::from_seconds(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_prefixes() {
        // number, humanize, humanize1024
        let cases = [
            (0.0, "0", "0"),
            (-0.0, "-0", "-0"),
            (1.0, "1", "1"),
            (-1.0, "-1", "-1"),
            (0.12, "120m", "0.12"),
            (1_234_567.0, "1.235M", "1.177Mi"),
            (1_048_576.0, "1.049M", "1Mi"),
            (9_223_372_036_854_775_807.0, "9.223E", "8Ei"),
            (18_446_744_073_709_551_615.0, "18.45E", "16Ei"),
            (999.99, "1000", "1000"),
            (1e30, "1e+06Y", "8.272e+05Yi"),
            (1e-30, "1e-06y", "1e-30"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
            (f64::NAN, "NaN", "NaN"),
        ];
        for (number, metric, in_1024) in cases {
            assert_eq!(decimal(number), metric, "humanize {number}");
            assert_eq!(binary(number), in_1024, "humanize1024 {number}");
        }
    }

    #[test]
    fn durations_show_their_largest_units() {
        let cases = [
            (0.0, "0s"),
            (1.0, "1s"),
            (-1.0, "-1s"),
            (60.0, "1m 0s"),
            (135.3563, "2m 15s"),
            (899.99, "14m 59s"),
            (3600.0, "1h 0m 0s"),
            (86_400.0, "1d 0h 0m 0s"),
            (90_000.0, "1d 1h 0m 0s"),
            (-183_845.0, "-2d 3h 4m 5s"),
            (1_234_567.0, "14d 6h 56m 7s"),
            (0.1, "100ms"),
            (0.0001, "100us"),
            (0.12345, "123.5ms"),
            (-0.5, "-500ms"),
            (60.5, "1m 0s"),
            (1.2345, "1.234s"),
            (12.345, "12.35s"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(duration(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn ratios_and_times_are_readable() {
        let ratios = [
            (-0.22222, "-22.22%"),
            (0.0, "0%"),
            (0.1234567, "12.35%"),
            (1.23456, "123.5%"),
            (0.959, "95.9%"),
            (1_234_567.0, "1.235e+08%"),
            (f64::INFINITY, "+Inf%"),
        ];
        for (ratio, expected) in ratios {
            assert_eq!(percentage(ratio), expected, "{ratio}");
        }
        let times = [
            (0.0, "1970-01-01 00:00:00 +0000 UTC"),
            (-1.0, "1969-12-31 23:59:59 +0000 UTC"),
            (1_643_114_203.0, "2022-01-25 12:36:43 +0000 UTC"),
            (1_435_065_584.128, "2015-06-23 13:19:44.128 +0000 UTC"),
            (1_435_065_584.5, "2015-06-23 13:19:44.5 +0000 UTC"),
            (9_223_372_036.0, "2262-04-11 23:47:16 +0000 UTC"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (seconds, expected) in times {
            assert_eq!(timestamp(seconds).as_deref(), Ok(expected), "{seconds}");
        }
        for seconds in [1e300, -1e300, 9.3e9] {
            assert!(timestamp(seconds).is_err(), "{seconds}");
        }
    }

    #[test]
    fn texts_are_read_as_numbers() {
        let cases = [
            ("0.0", 0.0),
            (".12", 0.12),
            ("1234567.0", 1_234_567.0),
            ("+Inf", f64::INFINITY),
            ("-Inf", f64::NEG_INFINITY),
            ("1e-1", 0.1),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_number(text), Ok(expected), "{text}");
        }
        assert!(parse_number("NaN").is_ok_and(f64::is_nan));
        for bad in ["one", "", " 1", "1e999", "+NaN", "0x1p-2x"] {
            assert!(parse_number(bad).is_err(), "{bad:?}");
        }
    }
}

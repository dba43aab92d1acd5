//! How numbers are spelled.

use std::fmt::Write;

/// Appends a whole number. Most numbers of a page are counts of buckets, and this is several times faster than `fmt`.
pub(super) fn push_count(out: &mut String, mut count: u64) {
    // The largest one has twenty digits.
    let mut digits = [0; 20];
    let mut unused = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (count % 10) as u8;
        unused -= 1;
        count /= 10;
        if count == 0 {
            break;
        }
    }
    let used = digits
        .get(unused..)
        .and_then(|used| str::from_utf8(used).ok());
    out.push_str(used.unwrap_or_default());
}

/// Appends a value with the fewest digits that read back as the same number.
pub(super) fn push_value(out: &mut String, value: f64) {
    // A `String` takes everything, so the results say nothing.
    let magnitude = value.abs();
    let _ = if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        Ok(())
    } else if magnitude == 0.0 || (1e-5..1e21).contains(&magnitude) {
        write!(out, "{value}")
    } else {
        write!(out, "{value:e}")
    };
}

/// A finite bucket bound as Go's `strconv.FormatFloat(bound, 'g', -1, 64)` writes it: `0.005`, `1`, `1e+06`.
///
/// `le` is part of a series' identity, so its spelling has to be the one that all other exporters use.
pub(super) fn bound(value: f64) -> String {
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

/// A finite bucket bound as OpenMetrics wants it: the same, but never without a point or an exponent.
pub(super) fn open_metrics_bound(value: f64) -> String {
    let mut text = bound(value);
    if !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_spelled_as_in_go() {
        for (value, classic, open_metrics) in [
            (0.0, "0", "0.0"),
            (0.005, "0.005", "0.005"),
            (1.0, "1", "1.0"),
            (2.5, "2.5", "2.5"),
            (3_600.0, "3600", "3600.0"),
            (100_000.0, "100000", "100000.0"),
            (1e6, "1e+06", "1e+06"),
            (1_048_576.0, "1.048576e+06", "1.048576e+06"),
            (1e-4, "0.0001", "0.0001"),
            (2.5e-5, "2.5e-05", "2.5e-05"),
            (1e100, "1e+100", "1e+100"),
            (-1.0, "-1", "-1.0"),
        ] {
            assert_eq!(bound(value), classic);
            assert_eq!(open_metrics_bound(value), open_metrics);
        }
    }

    #[test]
    fn counts_are_spelled_in_full() {
        for count in [0, 7, 10, 12_345, 1 << 53, u64::MAX] {
            let mut text = String::from("x");
            push_count(&mut text, count);
            assert_eq!(text, format!("x{count}"));
        }
    }

    #[test]
    fn values_read_back_as_the_same_number() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.5, "-0.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1_700_000_000.123, "1700000000.123"),
            (1e300, "1e300"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            let mut text = String::new();
            push_value(&mut text, value);
            assert_eq!(text, expected);
            assert_eq!(text.parse(), Ok(value));
        }
    }
}

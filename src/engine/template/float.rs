//! Writes floating-point numbers as Go's `strconv.FormatFloat` does.

/// Formats `number` with the verb `e`, `f` or `g` (or their capitals); without a precision, with the fewest digits that
/// read back as the same number.
pub(super) fn format_float(number: f64, verb: char, precision: Option<usize>) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    if number.is_infinite() {
        let sign = if sign.is_empty() { "+" } else { sign };
        return format!("{sign}Inf");
    }
    let magnitude = number.abs();
    let body = match (verb.to_ascii_lowercase(), precision) {
        ('f', None) => format!("{magnitude}"),
        ('f', Some(precision)) => format!("{magnitude:.precision$}"),
        ('e', None) => exponent_form(&shortest(magnitude), verb),
        ('e', Some(precision)) => exponent_form(&format!("{magnitude:.precision$e}"), verb),
        (_, precision) => general(magnitude, verb, precision),
    };
    format!("{sign}{body}")
}

/// The fewest digits that read back as the same number, in Rust's exponent form. Of two candidates that are equally
/// near, Go takes the one that ends in an even digit.
fn shortest(magnitude: f64) -> String {
    let digits = format!("{magnitude:e}");
    let decimals = digits
        .split_once('e')
        .map_or(0, |(mantissa, _)| mantissa.len().saturating_sub(2));
    let even = format!("{magnitude:.decimals$e}");
    if even.parse() == Ok(magnitude) {
        even
    } else {
        digits
    }
}

/// Rewrites Rust's exponent as Go's: with a sign and at least two digits.
fn exponent_form(text: &str, verb: char) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    let letter = if verb.is_ascii_uppercase() { 'E' } else { 'e' };
    format!("{mantissa}{letter}{sign}{digits:0>2}")
}

/// The verb `g`: exponent form for large and small numbers, without trailing zeros.
fn general(magnitude: f64, verb: char, precision: Option<usize>) -> String {
    let rounded = match precision {
        None => shortest(magnitude),
        Some(precision) => format!("{magnitude:.*e}", precision.max(1) - 1),
    };
    let (mantissa, exponent) = rounded.split_once('e').unwrap_or((&rounded, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    let count = digits.len();
    let whole_digits = usize::try_from(exponent + 1).unwrap_or(0);
    let threshold = match precision.map(|precision| precision.max(1)) {
        // Without a precision, six digits are the bound.
        None => 6,
        Some(precision) if precision > count && count >= whole_digits => count,
        Some(precision) => precision,
    };
    let is_small = exponent < -4;
    let is_large = usize::try_from(exponent).is_ok_and(|exponent| exponent >= threshold);
    if is_small || is_large {
        let (first, rest) = digits.split_at(1.min(count));
        let point = if rest.is_empty() { "" } else { "." };
        return exponent_form(&format!("{first}{point}{rest}e{exponent}"), verb);
    }
    let fraction = i32::try_from(count).unwrap_or(i32::MAX) - exponent - 1;
    let fraction = usize::try_from(fraction).unwrap_or(0);
    format!("{magnitude:.fraction$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_go() {
        let cases = [
            (0.0, 'g', None, "0"),
            (-0.0, 'g', None, "-0"),
            (1.5, 'g', None, "1.5"),
            (100_000.0, 'g', None, "100000"),
            (1e6, 'g', None, "1e+06"),
            (1_234_567.0, 'g', None, "1.234567e+06"),
            (0.0001, 'g', None, "0.0001"),
            (0.00001, 'g', None, "1e-05"),
            (1e100, 'g', None, "1e+100"),
            (0.1, 'e', None, "1e-01"),
            (0.0, 'e', None, "0e+00"),
            (1234.5, 'E', Some(2), "1.23E+03"),
            (12_345.0, 'g', Some(4), "1.234e+04"),
            (1000.0, 'g', Some(4), "1000"),
            (999.96, 'g', Some(4), "1000"),
            (100_000.0, 'g', Some(4), "1e+05"),
            (10.0, 'g', Some(0), "1e+01"),
            (2.5, 'f', Some(0), "2"),
            (1e21, 'f', None, "1000000000000000000000"),
            (f64::INFINITY, 'f', Some(2), "+Inf"),
            (f64::NEG_INFINITY, 'g', None, "-Inf"),
            (-f64::NAN, 'g', None, "NaN"),
        ];
        for (number, verb, precision, expected) in cases {
            let found = format_float(number, verb, precision);
            assert_eq!(found, expected, "%{verb} of {number} to {precision:?}");
        }
    }
}

//! Values over time in promtool's expanding notation: `1+2x3` is `1 3 5 7`.

/// Most values of one notation, so that a slip of the pen does not fill the memory.
const MAX_VALUES: usize = 1_000_000;

/// Expands a notation into a value, or none, for each interval.
///
/// `a+bxn` and `a-bxn` go on n times after a, `axn` repeats a n times after the first, `_` is no value and `_xn` n of them.
///
/// # Errors
///
/// The character (counted from 1) at which a part begins that cannot be read, and why.
pub(super) fn expand(text: &str) -> Result<Vec<Option<f64>>, (usize, String)> {
    let mut values = Vec::new();
    let mut at = 1;
    for part in text.split(' ') {
        if !part.trim().is_empty() {
            expand_part(part.trim(), &mut values).map_err(|message| (at, message))?;
        }
        at += part.chars().count() + 1;
    }
    Ok(values)
}

fn expand_part(part: &str, values: &mut Vec<Option<f64>>) -> Result<(), String> {
    if part.starts_with("stale") {
        return Err(
            "`stale` has no meaning for measurements, allowed: `_` for no value".to_owned(),
        );
    }
    let fault =
        || format!("cannot read values {part:?}, allowed: such as 1, 1x4, 1+2x3, 10-2x3, _ or _x5");
    let (terms, times) = match part.split_once('x') {
        None => (part, None),
        Some((terms, times)) => (terms, Some(times.parse::<usize>().map_err(|_| fault())?)),
    };
    if values.len() + times.unwrap_or(0) >= MAX_VALUES {
        return Err(format!(
            "{part:?} makes too many values, allowed: {MAX_VALUES}"
        ));
    }
    if terms == "_" {
        values.extend(std::iter::repeat_n(None, times.unwrap_or(1)));
        return Ok(());
    }
    let split = step_begins(terms);
    let (start, step) = terms.split_at(split.unwrap_or(terms.len()));
    let start = number(start).ok_or_else(fault)?;
    let step = match split {
        None => 0.0,
        // A step without a number of times is not promtool's notation either.
        Some(_) => number(step).filter(|_| times.is_some()).ok_or_else(fault)?,
    };
    // Each value by one addition more, as promtool does, so that sums agree with it to the last digit.
    let mut value = start;
    for _ in 0..=times.unwrap_or(0) {
        values.push(Some(value));
        value += step;
    }
    Ok(())
}

/// The byte at which the sign between start and step stands: not the first, and not that of an exponent.
fn step_begins(terms: &str) -> Option<usize> {
    let bytes = terms.as_bytes();
    (1..bytes.len()).find(|&at| {
        let signs = matches!(bytes.get(at), Some(b'+' | b'-'));
        signs && !matches!(bytes.get(at - 1), Some(b'e' | b'E'))
    })
}

/// A finite decimal number.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notations_expand_as_in_promtool() {
        let some = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        // The examples of Prometheus' documentation of unit tests, and the corners of the notation.
        for (text, expected) in [
            ("-2+4x3", some(&[-2.0, 2.0, 6.0, 10.0])),
            ("1-2x4", some(&[1.0, -1.0, -3.0, -5.0, -7.0])),
            ("1x4", some(&[1.0; 5])),
            ("1 _x3", vec![Some(1.0), None, None, None]),
            ("_ 5", vec![None, Some(5.0)]),
            ("  1   2 ", some(&[1.0, 2.0])),
            ("1e-3 1e3-1e2x1", some(&[0.001, 1000.0, 900.0])),
            ("0.5+.5x1", some(&[0.5, 1.0])),
            ("", vec![]),
        ] {
            assert_eq!(expand(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_notation_is_refused_where_it_stands() {
        for (text, at) in [
            ("1 2y", 3),
            ("1+2", 1),
            ("1x", 1),
            ("x3", 1),
            ("1 1 NaN", 5),
            ("inf", 1),
            ("1 stale", 3),
            ("1x99999999999", 1),
            ("1x1000000", 1),
            ("__", 1),
        ] {
            assert_eq!(expand(text).unwrap_err().0, at, "{text}");
        }
    }
}

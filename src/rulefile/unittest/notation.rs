//! Values over time in promtool's expanding notation: `1+2x3` is `1 3 5 7`. Beside it values that scatter, `1~0.1x99` are a
//! hundred around 1, and what comes again, `(1x8 3)x4`.

/// Most values of one notation, so that a slip of the pen does not fill the memory.
const MAX_VALUES: usize = 1_000_000;

/// Expands a notation into a value, or none, for each interval.
///
/// `a+bxn` and `a-bxn` go on n times after a, `axn` repeats a n times after the first, `_` is no value and `_xn` n of them.
/// `~s` before the `x` has each value scatter with the standard deviation s, by [`deviation`]. `(…)xn` repeats what is
/// within n times after the first.
///
/// # Errors
///
/// The character (counted from 1) at which a part begins that cannot be read, and why.
pub(super) fn expand(text: &str) -> Result<Vec<Option<f64>>, (usize, String)> {
    let mut values = Vec::new();
    expand_into(text, 1, &mut values)?;
    Ok(values)
}

/// Expands a notation that begins at a character.
fn expand_into(
    text: &str,
    begin: usize,
    values: &mut Vec<Option<f64>>,
) -> Result<(), (usize, String)> {
    let mut depth = 0_usize;
    let is_between = |character: char| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ' ' && depth == 0
    };
    let mut at = begin;
    for part in text.split(is_between) {
        if let Some(within) = part.strip_prefix('(') {
            expand_group(within, at, values)?;
        } else if !part.trim().is_empty() {
            expand_part(part.trim(), values).map_err(|message| (at, message))?;
        }
        at += part.chars().count() + 1;
    }
    Ok(())
}

/// Repeats what stands in brackets, given without the opening one, which is the character `at`.
fn expand_group(
    part: &str,
    at: usize,
    values: &mut Vec<Option<f64>>,
) -> Result<(), (usize, String)> {
    let read = part.rsplit_once(")x").and_then(|(within, times)| {
        let times: usize = times.trim_end().parse().ok()?;
        (times < MAX_VALUES && !within.trim().is_empty()).then_some((within, times))
    });
    let Some((within, times)) = read else {
        let message = format!("cannot read values \"({part}\", allowed: such as (1x8 3)x4");
        return Err((at, message));
    };
    for _ in 0..=times {
        expand_into(within, at + 1, values)?;
    }
    Ok(())
}

fn expand_part(part: &str, values: &mut Vec<Option<f64>>) -> Result<(), String> {
    if part.starts_with("stale") {
        return Err(
            "`stale` has no meaning for measurements, allowed: `_` for no value".to_owned(),
        );
    }
    let fault = || {
        format!(
            "cannot read values {part:?}, allowed: such as 1, 1x4, 1+2x3, 10-2x3, 1~0.1x9, _ or _x5"
        )
    };
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
    let (terms, scatter) = match terms.split_once('~') {
        None => (terms, 0.0),
        Some((terms, scatter)) => {
            let scatter = number(scatter).filter(|scatter| *scatter >= 0.0 && times.is_some());
            (terms, scatter.ok_or_else(fault)?)
        }
    };
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
        let scattered = if scatter > 0.0 {
            value + scatter * deviation(values.len())
        } else {
            value
        };
        values.push(Some(scattered));
        value += step;
    }
    Ok(())
}

/// How far the value at a place in its notation lies from where it would, in standard deviations: always the same, so that
/// a test always says the same, and like normal noise that is independent from place to place.
///
/// The sum of twelve uniform numbers has the variance 1; they are those of SplitMix64 (G. L. Steele, D. Lea and
/// C. H. Flood, *Fast splittable pseudorandom number generators*, 2014), begun at the place.
fn deviation(place: usize) -> f64 {
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    const HALF: f64 = 4_294_967_296.0;
    let mix = |state: u64| {
        let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^ (state >> 31)
    };
    // Mixed once, because streams that begin a step apart would be the same but for their first number.
    let mut state = mix((place as u64).wrapping_add(GAMMA));
    let mut sum = -6.0;
    for _ in 0..12 {
        state = state.wrapping_add(GAMMA);
        let half = u32::try_from(mix(state) >> 32).unwrap_or(u32::MAX);
        sum += f64::from(half) / HALF;
    }
    sum
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
            ("(1 2)x1 3", some(&[1.0, 2.0, 1.0, 2.0, 3.0])),
            (
                "9 (1x1 (2 3)x1)x0",
                some(&[9.0, 1.0, 1.0, 2.0, 3.0, 2.0, 3.0]),
            ),
            ("(_ 1)x1", vec![None, Some(1.0), None, Some(1.0)]),
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
            ("1~0.1", 1),
            ("1~x3", 1),
            ("1~-1x3", 1),
            ("1 1~2~3x4", 3),
            ("_~1x3", 1),
            ("1 (2 3", 3),
            ("1 (2 3)", 3),
            ("1 (2 3)y", 3),
            ("1 (2 (3 z)x1)x1", 9),
            ("()x1", 1),
            ("( )x1", 1),
            ("(1)x1000000", 1),
            ("(1x9999)x200", 2),
            ("1)x2", 1),
        ] {
            assert_eq!(expand(text).unwrap_err().0, at, "{text}");
        }
    }

    #[test]
    fn scattered_values_are_like_independent_normal_noise_and_always_the_same() {
        let expanded = |text: &str| -> Vec<f64> {
            let values = expand(text).unwrap();
            values.into_iter().map(Option::unwrap).collect()
        };
        const N: usize = 10_000;
        let values = expanded("100~10x9999");
        assert_eq!(values.len(), N);
        assert_eq!(values, expanded("100~10x9999"));
        let z: Vec<f64> = values.iter().map(|value| (value - 100.0) / 10.0).collect();
        let mean_of = |terms: &mut dyn Iterator<Item = f64>| terms.sum::<f64>() / 10_000.0;
        // Each of these is a mean of as many values, whose standard error is 0.01 to 0.05.
        let mean = mean_of(&mut z.iter().copied());
        let variance = mean_of(&mut z.iter().map(|z| z * z));
        let beyond = mean_of(&mut z.iter().map(|z| f64::from(u8::from(z.abs() > 1.96))));
        assert!(mean.abs() < 0.03, "{mean}");
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
        assert!((beyond - 0.05).abs() < 0.01, "{beyond}");
        for lag in [1, 2, 12] {
            let products = &mut z.iter().zip(&z[lag..]).map(|(one, next)| one * next);
            let correlation = mean_of(products);
            assert!(correlation.abs() < 0.03, "{lag}: {correlation}");
        }
        // A place has its deviation, whatever stands before it and around which level.
        let mixed = expanded("1x9 5+1~2x89");
        for (at, value) in mixed.iter().enumerate().skip(10) {
            let expected = 5.0 + (at - 10) as f64 + 2.0 * z[at];
            assert!((value - expected).abs() < 1e-9, "{at}: {value}");
        }
        // None at all is none.
        assert_eq!(expanded("1~0x2"), [1.0; 3]);
    }
}

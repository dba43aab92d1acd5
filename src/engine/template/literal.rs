//! Reads Go's literals: numbers, characters and quoted strings.

use super::value::Value;

/// Reads a number as Go types an untyped constant: `int`, or `float64` where it has a point or exponent.
///
/// The error says what is wrong with it.
pub(super) fn number(text: &str) -> Result<Value, String> {
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(digits) => (text.starts_with('-'), digits),
        None => (false, text),
    };
    if !separators_are_well_placed(digits) {
        return Err("bad number syntax, _ must separate successive digits".to_owned());
    }
    let plain = digits.replace('_', "").to_ascii_lowercase();
    let (radix, body) = match plain.get(..2) {
        Some("0x") => (16, plain.get(2..).unwrap_or("")),
        Some("0o") => (8, plain.get(2..).unwrap_or("")),
        Some("0b") => (2, plain.get(2..).unwrap_or("")),
        _ => (10, plain.as_str()),
    };
    let is_float = match radix {
        10 => plain.contains(['.', 'e']),
        16 => plain.contains(['.', 'p']),
        _ => false,
    };
    if is_float {
        let magnitude = if radix == 16 {
            hexadecimal_float(body)
        } else {
            decimal_float(body)
        };
        let magnitude = magnitude.ok_or("bad number syntax")?;
        return Ok(Value::Number(if negative { -magnitude } else { magnitude }));
    }
    // A leading zero alone means octal, as in Go.
    let radix = if radix == 10 && body.len() > 1 && body.starts_with('0') {
        8
    } else {
        radix
    };
    if body.is_empty() || !body.chars().all(|digit| digit.is_digit(radix)) {
        return Err("bad number syntax".to_owned());
    }
    i128::from_str_radix(body, radix)
        .ok()
        .map(|magnitude| if negative { -magnitude } else { magnitude })
        .and_then(|signed| i64::try_from(signed).ok())
        .map(Value::Int)
        .ok_or_else(|| "number is too large for a 64-bit integer".to_owned())
}

/// Underscores stand between two digits, or between a base prefix and a digit.
fn separators_are_well_placed(digits: &str) -> bool {
    let has_prefix = digits.len() > 1
        && digits.starts_with('0')
        && digits
            .get(1..2)
            .is_some_and(|base| "xXoObB".contains(base) || base == "_");
    let mut previous = '.';
    let mut characters = digits.chars().enumerate().peekable();
    while let Some((index, character)) = characters.next() {
        if character == '_' {
            let after_digit = previous.is_ascii_hexdigit() || index == 2 && has_prefix;
            let before_digit = characters
                .peek()
                .is_some_and(|(_, next)| next.is_ascii_hexdigit());
            // Go takes them in integers of any base, but in floats only after a base prefix.
            if !after_digit || !before_digit || digits.contains('.') && !has_prefix {
                return false;
            }
        }
        previous = character;
    }
    true
}

fn decimal_float(body: &str) -> Option<f64> {
    let is_plain = body
        .chars()
        .all(|character| character.is_ascii_digit() || "+-.e".contains(character));
    let value: f64 = body.parse().ok()?;
    (is_plain && value.is_finite()).then_some(value)
}

fn hexadecimal_float(body: &str) -> Option<f64> {
    let (mantissa, exponent) = body.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    // Thirteen digits hold all 53 bits of a float64; more would need rounding.
    if digits.is_empty() || digits.len() > 13 {
        return None;
    }
    let value = u32::try_from(u64::from_str_radix(&digits, 16).ok()? >> 32).ok()?;
    let low = u32::try_from(u64::from_str_radix(&digits, 16).ok()? & 0xffff_ffff).ok()?;
    let mantissa = f64::from(value) * 4_294_967_296.0 + f64::from(low);
    let exponent: i32 = exponent.parse().ok()?;
    let shift = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    let result = mantissa * 2.0_f64.powi(exponent.checked_sub(shift)?);
    result.is_finite().then_some(result)
}

/// Reads a character constant in single quotes, whose value is its code point.
pub(super) fn character(text: &str) -> Result<Value, String> {
    let malformed = || "malformed character constant".to_owned();
    let inner = inner(text).ok_or_else(malformed)?;
    let mut characters = inner.chars();
    let code = match characters.next() {
        Some('\\') => escape(&mut characters, '\'').ok_or_else(malformed)?.0,
        Some('\'') | None => return Err(malformed()),
        Some(character) => u32::from(character),
    };
    match characters.next() {
        None => Ok(Value::Int(i64::from(code))),
        Some(_) => Err(malformed()),
    }
}

/// Reads a string in double quotes.
pub(super) fn quoted(text: &str) -> Result<String, String> {
    let malformed = || "malformed string constant".to_owned();
    let inner = inner(text).ok_or_else(malformed)?;
    let mut bytes = Vec::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        let decoded = if character == '\\' {
            let (code, is_byte) = escape(&mut characters, '"').ok_or_else(malformed)?;
            match u8::try_from(code) {
                Ok(byte) if is_byte => {
                    bytes.push(byte);
                    continue;
                }
                _ => char::from_u32(code).ok_or_else(malformed)?,
            }
        } else {
            character
        };
        bytes.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| "string constant is not valid UTF-8".to_owned())
}

fn inner(text: &str) -> Option<&str> {
    text.get(1..text.len().checked_sub(1)?)
}

/// Reads an escape, of which the backslash is past; the flag says that it is a byte rather than a character.
fn escape(characters: &mut std::str::Chars<'_>, quote: char) -> Option<(u32, bool)> {
    let first = characters.next()?;
    let (digits, radix) = match first {
        'a' => return Some((7, false)),
        'b' => return Some((8, false)),
        'f' => return Some((12, false)),
        'n' => return Some((10, false)),
        'r' => return Some((13, false)),
        't' => return Some((9, false)),
        'v' => return Some((11, false)),
        '\\' => return Some((u32::from('\\'), false)),
        first if first == quote => return Some((u32::from(quote), false)),
        'x' => (2, 16),
        'u' => (4, 16),
        'U' => (8, 16),
        '0'..='7' => (2, 8),
        _ => return None,
    };
    let mut code = if radix == 8 { first.to_digit(8)? } else { 0 };
    for _ in 0..digits {
        code = code
            .checked_mul(radix)?
            .checked_add(characters.next()?.to_digit(radix)?)?;
    }
    let is_byte = radix == 8 || first == 'x';
    let valid = if is_byte {
        code <= 0xff
    } else {
        char::from_u32(code).is_some()
    };
    valid.then_some((code, is_byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_typed_as_go_types_constants() {
        let cases: &[(&str, Value)] = &[
            ("1", Value::Int(1)),
            ("-1", Value::Int(-1)),
            ("+7", Value::Int(7)),
            ("0", Value::Int(0)),
            ("017", Value::Int(15)),
            ("0o17", Value::Int(15)),
            ("0b101", Value::Int(5)),
            ("0xFF", Value::Int(255)),
            ("0x1e3", Value::Int(0x1e3)),
            ("1_000", Value::Int(1000)),
            ("-9223372036854775808", Value::Int(i64::MIN)),
            ("1.0", Value::Number(1.0)),
            (".5", Value::Number(0.5)),
            ("1.", Value::Number(1.0)),
            ("1e6", Value::Number(1e6)),
            ("-1E-2", Value::Number(-0.01)),
            ("0x1p-2", Value::Number(0.25)),
            ("0x1.8p1", Value::Number(3.0)),
        ];
        for (text, expected) in cases {
            assert_eq!(number(text).as_ref(), Ok(expected), "{text}");
        }
        for bad in [
            "9223372036854775808",
            "08",
            "0x",
            "1e",
            ".",
            "-",
            "1__0",
            "1_",
            "12abc",
            "1.2.3",
            "0b12",
            "1e999",
        ] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn strings_and_characters_know_gos_escapes() {
        let cases = [
            (r#""a\tb\n""#, "a\tb\n"),
            (r#""\"\\""#, "\"\\"),
            (r#""\x41\101\u0041\U00000041""#, "AAAA"),
            (r#""\xc3\xa9""#, "é"),
            (r#""é""#, "é"),
        ];
        for (text, expected) in cases {
            assert_eq!(quoted(text).as_deref(), Ok(expected), "{text}");
        }
        for bad in [r#""\q""#, r#""\'""#, r#""\x4""#, r#""\ud800""#, r#""\xff""#] {
            assert!(quoted(bad).is_err(), "{bad}");
        }
        for (text, code) in [("'a'", 97), (r"'\n'", 10), (r"'\''", 39), (r"'\xff'", 255)] {
            assert_eq!(character(text), Ok(Value::Int(code)), "{text}");
        }
        for bad in ["''", "'ab'", r#"'\"'"#] {
            assert!(character(bad).is_err(), "{bad}");
        }
    }
}

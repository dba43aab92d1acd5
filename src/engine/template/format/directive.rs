//! Writes one value by a verb with its flags, width and precision.

use super::super::error::Fault;
use super::super::float::format_float;
use super::super::text::is_printable;
use super::super::time;
use super::super::value::{Map, MapKind, Value};
use super::Output;
use super::quote::{can_be_raw, quote};

/// The flags, width and precision of one directive.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Directive {
    pub(super) sharp: bool,
    /// `%#v`, the Go syntax of a value.
    pub(super) sharp_v: bool,
    pub(super) zero: bool,
    pub(super) plus: bool,
    pub(super) minus: bool,
    pub(super) space: bool,
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
}

impl Directive {
    /// Writes a value by a verb.
    pub(super) fn write(
        &self,
        output: &mut Output,
        value: &Value,
        verb: char,
    ) -> Result<(), Fault> {
        match (verb, value) {
            ('T' | 'v', Value::Nil) => self.pad(output, "<nil>", self.zero),
            ('T', value) => self.text(output, value.type_name()),
            (_, Value::Nil) => output.push(&format!("%!{verb}(<nil>)")),
            ('t' | 'v', Value::Bool(value)) => {
                self.pad(output, if *value { "true" } else { "false" }, self.zero)
            }
            (_, Value::Int(number)) => self.integer(output, *number, verb),
            (_, Value::Number(number)) => self.float(output, *number, verb),
            (_, Value::String(text)) => self.string(output, text, verb),
            ('v' | 's', Value::Time(moment)) => self.text(output, &time::show(*moment)),
            (_, Value::List(items)) => {
                let (open, separator, close) = self.brackets(value, "[", "]");
                output.push(open)?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        output.push(separator)?;
                    }
                    self.write(output, item, verb)?;
                }
                output.push(close)
            }
            (_, Value::Map(map)) => self.map(output, value, map, verb),
            (_, Value::Bool(_) | Value::Time(_)) => self.bad_verb(output, value, verb),
        }
    }

    /// Complains in the output, as Go does.
    fn bad_verb(&self, output: &mut Output, value: &Value, verb: char) -> Result<(), Fault> {
        output.push(&format!("%!{verb}("))?;
        self.typed(output, value)?;
        output.push(")")
    }

    /// A value with its type, as in complaints: `int=5`.
    pub(super) fn typed(&self, output: &mut Output, value: &Value) -> Result<(), Fault> {
        output.push(value.type_name())?;
        if matches!(value, Value::Nil) {
            return Ok(());
        }
        output.push("=")?;
        self.write(output, value, 'v')
    }

    fn map(&self, output: &mut Output, value: &Value, map: &Map, verb: char) -> Result<(), Fault> {
        let is_record = map.kind() == MapKind::Record;
        let (open, close) = if is_record { ("{", "}") } else { ("map[", "]") };
        let (open, separator, close) = self.brackets(value, open, close);
        output.push(open)?;
        for (index, (key, value)) in map.entries().iter().enumerate() {
            if index > 0 {
                output.push(separator)?;
            }
            if !is_record {
                self.string(output, key, verb)?;
                output.push(":")?;
            }
            self.write(output, value, verb)?;
        }
        output.push(close)
    }

    /// What stands before, between and behind the entries of a container.
    fn brackets(
        &self,
        value: &Value,
        open: &'static str,
        close: &'static str,
    ) -> (&'static str, &'static str, &'static str) {
        match (self.sharp_v, value) {
            (false, _) => (open, " ", close),
            (true, Value::List(_)) => ("[]interface {}{", ", ", "}"),
            (true, Value::Map(map)) if map.kind() == MapKind::Strings => {
                ("map[string]string{", ", ", "}")
            }
            (true, Value::Map(map)) if map.kind() == MapKind::Values => {
                ("map[string]interface {}{", ", ", "}")
            }
            (true, _) => ("struct {", ", ", "}"),
        }
    }

    /// Writes a text, filled up to the width.
    fn pad(&self, output: &mut Output, text: &str, zero: bool) -> Result<(), Fault> {
        let missing = self.width.unwrap_or(0).saturating_sub(text.chars().count());
        if self.minus {
            output.push(text)?;
            output.fill(' ', missing)
        } else {
            output.fill(if zero { '0' } else { ' ' }, missing)?;
            output.push(text)
        }
    }

    /// Writes a text, cut to the precision and filled up to the width.
    fn text(&self, output: &mut Output, text: &str) -> Result<(), Fault> {
        self.pad(output, self.cut(text), self.zero)
    }

    fn cut<'t>(&self, text: &'t str) -> &'t str {
        let end = self
            .precision
            .and_then(|precision| text.char_indices().nth(precision))
            .map_or(text.len(), |(end, _)| end);
        text.get(..end).unwrap_or(text)
    }

    fn string(&self, output: &mut Output, text: &str, verb: char) -> Result<(), Fault> {
        match verb {
            'v' if self.sharp_v => self.pad(output, &quote(self.cut(text), '"', false), self.zero),
            'v' | 's' => self.text(output, text),
            'q' => {
                let text = self.cut(text);
                if self.sharp && can_be_raw(text) {
                    return self.pad(output, &format!("`{text}`"), self.zero);
                }
                self.pad(output, &quote(text, '"', self.plus), self.zero)
            }
            'x' | 'X' => {
                let text = self.hexadecimal(text, verb);
                self.pad(output, &text, self.zero)
            }
            _ => self.bad_verb(output, &text.into(), verb),
        }
    }

    /// The bytes of a text in hexadecimal digits.
    fn hexadecimal(&self, text: &str, verb: char) -> String {
        let length = self.precision.unwrap_or(text.len()).min(text.len());
        let prefix = match (self.sharp, verb) {
            (false, _) => "",
            (true, 'X') => "0X",
            (true, _) => "0x",
        };
        let mut digits = String::new();
        for (index, byte) in text.bytes().take(length).enumerate() {
            if index > 0 && self.space {
                digits.push(' ');
            }
            if index == 0 || self.space {
                digits.push_str(prefix);
            }
            if verb == 'X' {
                digits.push_str(&format!("{byte:02X}"));
            } else {
                digits.push_str(&format!("{byte:02x}"));
            }
        }
        digits
    }

    fn integer(&self, output: &mut Output, number: i64, verb: char) -> Result<(), Fault> {
        let magnitude = number.unsigned_abs();
        let character = || u32::try_from(number).ok().and_then(char::from_u32);
        let (mut digits, prefix) = match verb {
            'd' | 'v' => (magnitude.to_string(), ""),
            'b' => (format!("{magnitude:b}"), "0b"),
            'o' | 'O' => (format!("{magnitude:o}"), ""),
            'x' => (format!("{magnitude:x}"), "0x"),
            'X' => (format!("{magnitude:X}"), "0X"),
            'c' => {
                let text = character().unwrap_or('\u{fffd}').to_string();
                return self.pad(output, &text, self.zero);
            }
            'q' => {
                let character = character().unwrap_or('\u{fffd}').to_string();
                return self.pad(output, &quote(&character, '\'', self.plus), self.zero);
            }
            'U' => {
                #[expect(
                    clippy::cast_sign_loss,
                    reason = "Go shows a negative number as unsigned"
                )]
                let code = number as u64;
                let mut text = format!(
                    "U+{code:0>width$X}",
                    width = self.precision.unwrap_or(4).clamp(4, 64)
                );
                if let (true, Some(character)) =
                    (self.sharp, character().filter(|c| is_printable(*c)))
                {
                    text.push_str(&format!(" '{character}'"));
                }
                return self.pad(output, &text, false);
            }
            _ => return self.bad_verb(output, &Value::Int(number), verb),
        };
        let sign = if number < 0 {
            "-"
        } else if self.plus {
            "+"
        } else if self.space {
            " "
        } else {
            ""
        };
        let least_digits = match (self.precision, self.width) {
            (Some(0), _) if number == 0 => {
                return output.fill(' ', self.width.unwrap_or(0));
            }
            (Some(precision), _) => precision,
            (None, Some(width)) if self.zero && !self.minus => width.saturating_sub(sign.len()),
            _ => 0,
        };
        Output::check(least_digits)?;
        let missing = least_digits.saturating_sub(digits.len());
        digits.insert_str(0, &"0".repeat(missing));
        if self.sharp {
            let is_octal = matches!(verb, 'o' | 'O');
            let needs_zero = is_octal && !digits.starts_with('0');
            digits.insert_str(0, if needs_zero { "0" } else { prefix });
        }
        if verb == 'O' {
            digits.insert_str(0, "0o");
        }
        self.pad(output, &format!("{sign}{digits}"), false)
    }

    fn float(&self, output: &mut Output, number: f64, verb: char) -> Result<(), Fault> {
        let (form, default_precision) = match verb {
            'v' | 'g' => ('g', None),
            'G' => ('G', None),
            'e' | 'E' => (verb, Some(6)),
            'f' | 'F' => ('f', Some(6)),
            _ => return self.bad_verb(output, &Value::Number(number), verb),
        };
        let precision = self.precision.or(default_precision);
        Output::check(precision.unwrap_or(0))?;
        let text = format_float(number, form, precision);
        let (sign, mut digits) = match text.strip_prefix(['-', '+']) {
            Some(digits) => (text.get(..1).unwrap_or(""), digits.to_owned()),
            None => ("+", text.clone()),
        };
        let is_infinite = number.is_infinite();
        let sign = match sign {
            "+" if self.plus => "+",
            "+" if self.space => " ",
            // An infinity keeps its sign.
            "+" if is_infinite => "+",
            "+" => "",
            sign => sign,
        };
        if !number.is_finite() {
            return self.pad(output, &format!("{sign}{digits}"), false);
        }
        if self.sharp {
            digits = with_all_digits(&digits, form, precision);
        }
        if self.zero && !self.minus {
            let missing = self
                .width
                .unwrap_or(0)
                .saturating_sub(sign.len() + digits.len());
            output.push(sign)?;
            output.fill('0', missing)?;
            return output.push(&digits);
        }
        self.pad(output, &format!("{sign}{digits}"), false)
    }
}

/// Gives a number its decimal point and the zeros that `g` leaves out, for the flag `#`.
fn with_all_digits(text: &str, form: char, precision: Option<usize>) -> String {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(start) => text.split_at(start),
        None => (text, ""),
    };
    let mut mantissa = mantissa.to_owned();
    let wanted = match form {
        'g' | 'G' => precision.unwrap_or(6),
        _ => 0,
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let mut present = digits.trim_start_matches('0').len();
    if !mantissa.contains('.') {
        if mantissa == "0" {
            present += 1;
        }
        mantissa.push('.');
    }
    mantissa.push_str(&"0".repeat(wanted.saturating_sub(present)));
    mantissa + exponent
}

//! Printing of values: Go's `fmt.Print`, `fmt.Println` and `fmt.Printf`.

use super::error::Fault;
use super::float::format_float;
use super::text::is_printable;
use super::time;
use super::value::{Map, MapKind, Value};

/// The most bytes that a template, or a function in it, may write.
const OUTPUT_LIMIT_BYTES: usize = 64 * 1024;

/// The largest width or precision that Go accepts.
const NUMBER_LIMIT: usize = 1_000_000;

/// A text that grows up to a limit.
#[derive(Debug, Default)]
pub(super) struct Output {
    text: String,
}

impl Output {
    /// Refuses more bytes than an output may have.
    pub(super) fn check(bytes: usize) -> Result<(), Fault> {
        if bytes > OUTPUT_LIMIT_BYTES {
            return Err(Fault::Limit {
                limit: "bytes of output",
                allowed: OUTPUT_LIMIT_BYTES,
            });
        }
        Ok(())
    }

    /// Appends a text.
    pub(super) fn push(&mut self, text: &str) -> Result<(), Fault> {
        Self::check(self.text.len() + text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    fn fill(&mut self, character: char, count: usize) -> Result<(), Fault> {
        Self::check(self.text.len().saturating_add(count))?;
        self.text.extend(std::iter::repeat_n(character, count));
        Ok(())
    }

    /// The whole text.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// Prints the value of an action: as `%v`, but nothing for a missing one.
pub(super) fn print_value(output: &mut Output, value: &Value) -> Result<(), Fault> {
    match value {
        Value::Nil => Ok(()),
        value => Directive::default().write(output, value, 'v'),
    }
}

/// Prints values, with spaces between those of which neither is a string.
pub(super) fn print(output: &mut Output, values: &[Value]) -> Result<(), Fault> {
    let mut previous: Option<&Value> = None;
    for value in values {
        let is_string = |value: &Value| matches!(value, Value::String(_));
        if previous.is_some_and(|previous| !is_string(previous) && !is_string(value)) {
            output.push(" ")?;
        }
        Directive::default().write(output, value, 'v')?;
        previous = Some(value);
    }
    Ok(())
}

/// Prints values with spaces between them and a line feed at the end.
pub(super) fn print_line(output: &mut Output, values: &[Value]) -> Result<(), Fault> {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            output.push(" ")?;
        }
        Directive::default().write(output, value, 'v')?;
    }
    output.push("\n")
}

/// Prints values by a format.
pub(super) fn printf(output: &mut Output, format: &str, values: &[Value]) -> Result<(), Fault> {
    let mut reader = Reader {
        rest: format,
        values,
        next: 0,
        reordered: false,
        good_index: true,
        after_index: false,
    };
    while let Some((before, after)) = reader.rest.split_once('%') {
        output.push(before)?;
        reader.rest = after;
        reader.directive(output)?;
    }
    output.push(reader.rest)?;
    let extra = values.get(reader.next..).unwrap_or_default();
    if reader.reordered || extra.is_empty() {
        return Ok(());
    }
    output.push("%!(EXTRA ")?;
    for (index, value) in extra.iter().enumerate() {
        if index > 0 {
            output.push(", ")?;
        }
        typed(output, value)?;
    }
    output.push(")")
}

/// A value with its type, as in complaints: `int=5`.
fn typed(output: &mut Output, value: &Value) -> Result<(), Fault> {
    output.push(value.type_name())?;
    if matches!(value, Value::Nil) {
        return Ok(());
    }
    output.push("=")?;
    Directive::default().write(output, value, 'v')
}

/// Walks through a format and the values for it.
struct Reader<'a> {
    rest: &'a str,
    values: &'a [Value],
    next: usize,
    /// Whether an explicit index such as `[2]` was used.
    reordered: bool,
    good_index: bool,
    /// Whether an explicit index was the last thing read.
    after_index: bool,
}

impl Reader<'_> {
    /// Takes one directive, of which the percent sign is past.
    fn directive(&mut self, output: &mut Output) -> Result<(), Fault> {
        self.good_index = true;
        self.after_index = false;
        let mut directive = Directive::default();
        while let Some(flag) = self.rest.chars().next() {
            match flag {
                '#' => directive.sharp = true,
                '0' => directive.zero = true,
                '+' => directive.plus = true,
                '-' => directive.minus = true,
                ' ' => directive.space = true,
                _ => break,
            }
            self.skip(1);
        }
        self.index();
        if self.rest.starts_with('*') {
            self.skip(1);
            match self.integer() {
                Some(width) => {
                    directive.minus |= width < 0;
                    directive.width = usize::try_from(width.unsigned_abs()).ok();
                }
                None => output.push("%!(BADWIDTH)")?,
            }
            self.after_index = false;
        } else {
            directive.width = self.number();
            self.good_index &= !(self.after_index && directive.width.is_some());
        }
        if self.rest.len() > 1 && self.rest.starts_with('.') {
            self.skip(1);
            self.good_index &= !self.after_index;
            self.index();
            if self.rest.starts_with('*') {
                self.skip(1);
                match self.integer() {
                    // A negative precision counts as none.
                    Some(precision) if precision >= 0 => {
                        directive.precision = usize::try_from(precision).ok();
                    }
                    _ => output.push("%!(BADPREC)")?,
                }
                self.after_index = false;
            } else {
                directive.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !self.after_index {
            self.index();
        }
        let Some(verb) = self.rest.chars().next() else {
            return output.push("%!(NOVERB)");
        };
        self.skip(verb.len_utf8());
        if verb == '%' {
            return output.push("%");
        }
        if !self.good_index {
            return output.push(&format!("%!{verb}(BADINDEX)"));
        }
        let Some(value) = self.values.get(self.next) else {
            return output.push(&format!("%!{verb}(MISSING)"));
        };
        self.next += 1;
        if verb == 'v' {
            directive.sharp_v = std::mem::take(&mut directive.sharp);
            directive.plus = false;
        }
        directive.write(output, value, verb)
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or("");
    }

    /// Takes an explicit index such as `[2]`, which counts from one.
    fn index(&mut self) {
        let Some(inside) = self.rest.strip_prefix('[') else {
            return;
        };
        self.reordered = true;
        self.after_index = true;
        let Some((number, _)) = inside.split_once(']') else {
            self.good_index = false;
            self.skip(1);
            return;
        };
        let index = number
            .parse::<usize>()
            .ok()
            .filter(|index| *index >= 1 && *index <= self.values.len() && !number.starts_with('+'));
        match index {
            Some(index) => self.next = index - 1,
            None => self.good_index = false,
        }
        self.skip(number.len() + 2);
    }

    /// Takes a number from the format; too large a one counts as none.
    fn number(&mut self) -> Option<usize> {
        let length = self.rest.len()
            - self
                .rest
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .len();
        let digits = self.rest.get(..length).unwrap_or("");
        let number = digits.parse().ok().filter(|number| *number <= NUMBER_LIMIT);
        self.skip(length);
        number
    }

    /// Takes a width or precision from the values.
    fn integer(&mut self) -> Option<i64> {
        let value = self.values.get(self.next)?;
        self.next += 1;
        match value {
            Value::Int(number) if usize::try_from(number.unsigned_abs()).ok()? <= NUMBER_LIMIT => {
                Some(*number)
            }
            _ => None,
        }
    }
}

/// The flags, width and precision of one directive.
#[derive(Debug, Clone, Copy, Default)]
struct Directive {
    sharp: bool,
    /// `%#v`, the Go syntax of a value.
    sharp_v: bool,
    zero: bool,
    plus: bool,
    minus: bool,
    space: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

impl Directive {
    fn write(&self, output: &mut Output, value: &Value, verb: char) -> Result<(), Fault> {
        match (verb, value) {
            ('T', value) => self.text(output, value.type_name()),
            (_, Value::Nil) if verb == 'v' => self.pad(output, "<nil>", self.zero),
            (_, Value::Nil) => output.push(&format!("%!{verb}(<nil>)")),
            ('t' | 'v', Value::Bool(value)) => {
                self.pad(output, if *value { "true" } else { "false" }, self.zero)
            }
            (_, Value::Int(number)) => self.integer(output, *number, verb),
            (_, Value::Number(number)) => self.float(output, *number, verb),
            (_, Value::String(text)) => self.string(output, text, verb),
            ('v' | 's', Value::Time(moment)) => self.text(output, &time::show(*moment)),
            (_, Value::List(items)) => {
                output.push("[")?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        output.push(" ")?;
                    }
                    self.write(output, item, verb)?;
                }
                output.push("]")
            }
            (_, Value::Map(map)) => self.map(output, map, verb),
            (_, Value::Bool(_) | Value::Time(_)) => bad_verb(output, value, verb),
        }
    }

    fn map(&self, output: &mut Output, map: &Map, verb: char) -> Result<(), Fault> {
        let is_record = map.kind() == MapKind::Record;
        output.push(if is_record { "{" } else { "map[" })?;
        for (index, (key, value)) in map.entries().iter().enumerate() {
            if index > 0 {
                output.push(" ")?;
            }
            if !is_record {
                self.string(output, key, verb)?;
                output.push(":")?;
            }
            self.write(output, value, verb)?;
        }
        output.push(if is_record { "}" } else { "]" })
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
            'v' if self.sharp_v => self.pad(output, &quote(text, '"', false), self.zero),
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
            _ => bad_verb(output, &text.into(), verb),
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
            _ => return bad_verb(output, &Value::Int(number), verb),
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
        if verb == 'O' {
            digits.insert_str(0, "0o");
        } else if self.sharp {
            let is_marked = verb != 'o' || digits.starts_with('0');
            digits.insert_str(0, if is_marked { prefix } else { "0" });
        }
        self.pad(output, &format!("{sign}{digits}"), false)
    }

    fn float(&self, output: &mut Output, number: f64, verb: char) -> Result<(), Fault> {
        let (form, default_precision) = match verb {
            'v' | 'g' => ('g', None),
            'G' => ('G', None),
            'e' | 'E' => (verb, Some(6)),
            'f' | 'F' => ('f', Some(6)),
            _ => return bad_verb(output, &Value::Number(number), verb),
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

fn bad_verb(output: &mut Output, value: &Value, verb: char) -> Result<(), Fault> {
    output.push(&format!("%!{verb}("))?;
    typed(output, value)?;
    output.push(")")
}

/// Whether a text can stand between back quotes.
fn can_be_raw(text: &str) -> bool {
    text.chars().all(|character| {
        character == '\t' || !(character.is_ascii_control() || "`\u{feff}".contains(character))
    })
}

/// A text in quotes with Go's escapes.
fn quote(text: &str, mark: char, ascii_only: bool) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(mark);
    for character in text.chars() {
        match character {
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            character if character == mark => {
                quoted.push('\\');
                quoted.push(mark);
            }
            character if character.is_ascii() || !ascii_only => {
                if is_printable(character) {
                    quoted.push(character);
                } else {
                    push_escape(&mut quoted, character);
                }
            }
            character => push_escape(&mut quoted, character),
        }
    }
    quoted.push(mark);
    quoted
}

fn push_escape(quoted: &mut String, character: char) {
    let code = u32::from(character);
    let escape = match code {
        0..0x80 => format!("\\x{code:02x}"),
        0x80..0x1_0000 => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    };
    quoted.push_str(&escape);
}

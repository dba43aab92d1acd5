//! Go's `fmt.Printf`: reads a format and picks the values for it.

use super::super::error::Fault;
use super::super::value::Value;
use super::Output;
use super::directive::Directive;

/// The largest width or precision that Go accepts.
const NUMBER_LIMIT: usize = 1_000_000;

/// Prints values by a format.
pub(in crate::engine::template) fn printf(
    output: &mut Output,
    format: &str,
    values: &[Value],
) -> Result<(), Fault> {
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
        Directive::default().typed(output, value)?;
    }
    output.push(")")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(format: &str, values: &[Value]) -> Result<String, Fault> {
        let mut output = Output::default();
        printf(&mut output, format, values)?;
        Ok(output.into_text())
    }

    #[test]
    fn directives_render_as_in_go() {
        let list = || Value::from(vec![1_i64.into(), "a".into(), 2.5.into()]);
        let labels = || Value::strings([("b", "2"), ("a", "1")]);
        let cases: &[(&str, &[Value], &str)] = &[
            (
                "%v %d|%5d|%-5d|%05d|%+d|% d",
                &[
                    1_i64.into(),
                    2_i64.into(),
                    3_i64.into(),
                    4_i64.into(),
                    Value::Int(-5),
                    6_i64.into(),
                    7_i64.into(),
                ],
                "1 2|    3|4    |-0005|+6| 7",
            ),
            (
                "%x %X %#x %o %b %c %q %U",
                &vec![Value::Int(65); 8],
                "41 41 0x41 101 1000001 A 'A' U+0041",
            ),
            (
                "%.3d %8.3d",
                &[5_i64.into(), Value::Int(-5)],
                "005     -005",
            ),
            (
                "%f %.2f %8.3f|%-8.1f|%08.2f",
                &vec![Value::from(2.71625); 5],
                "2.716250 2.72    2.716|2.7     |00002.72",
            ),
            (
                "%e %E %g %G %v",
                &vec![Value::from(1_234_567.0); 5],
                "1.234567e+06 1.234567E+06 1.234567e+06 1.234567E+06 1.234567e+06",
            ),
            (
                "%g %v %v %v",
                &[1e6.into(), 100_000.0.into(), 1e21.into(), 0.00001.into()],
                "1e+06 100000 1e+21 1e-05",
            ),
            (
                "%v %f %+.1f %5.1f|",
                &[
                    f64::INFINITY.into(),
                    f64::NEG_INFINITY.into(),
                    f64::INFINITY.into(),
                    f64::NAN.into(),
                ],
                "+Inf -Inf +Inf   NaN|",
            ),
            (
                "%s|%10s|%-10s|%.2s|%q|%x",
                &vec![Value::from("h\u{e9}y"); 6],
                "h\u{e9}y|       h\u{e9}y|h\u{e9}y       |h\u{e9}|\"h\u{e9}y\"|68c3a979",
            ),
            (
                "%q %+q %#q",
                &["a\"\n".into(), "\u{e9}".into(), "a".into()],
                "\"a\\\"\\n\" \"\\u00e9\" `a`",
            ),
            (
                "%t %v %5t|",
                &[true.into(), false.into(), true.into()],
                "true false  true|",
            ),
            (
                "%v %v %q",
                &[list(), labels(), list()],
                "[1 a 2.5] map[a:1 b:2] ['\\x01' \"a\" %!q(float64=2.5)]",
            ),
            (
                "%#v %#v",
                &[list(), labels()],
                "[]interface {}{1, \"a\", 2.5} map[string]string{\"a\":\"1\", \"b\":\"2\"}",
            ),
            (
                "%T %T %T %T %T",
                &[1_i64.into(), 1.5.into(), "a".into(), labels(), Value::Nil],
                "int float64 string map[string]string <nil>",
            ),
            ("%v %d", &[Value::Nil, Value::Nil], "<nil> %!d(<nil>)"),
            ("100%%", &[], "100%"),
            ("%[2]d %[1]d", &[1_i64.into(), 2_i64.into()], "2 1"),
            (
                "%*d|%-*d|%.*f",
                &[
                    4_i64.into(),
                    1_i64.into(),
                    4_i64.into(),
                    2_i64.into(),
                    1_i64.into(),
                    0.25.into(),
                ],
                "   1|2   |0.2",
            ),
            // Complaints stand in the output.
            (
                "%d %s",
                &["a".into(), 1_i64.into()],
                "%!d(string=a) %!s(int=1)",
            ),
            ("%d %d", &[1_i64.into()], "1 %!d(MISSING)"),
            ("%d", &[1_i64.into(), "b".into()], "1%!(EXTRA string=b)"),
            ("%", &[], "%!(NOVERB)"),
            ("%z", &[1_i64.into()], "%!z(int=1)"),
            ("%[3]d", &[1_i64.into()], "%!d(BADINDEX)"),
            ("%*d", &["a".into(), 1_i64.into()], "%!(BADWIDTH)1"),
        ];
        for (format, values, expected) in cases {
            assert_eq!(
                formatted(format, values).as_deref(),
                Ok(*expected),
                "{format}"
            );
        }
    }

    #[test]
    fn a_width_cannot_fill_the_memory() {
        for format in [
            "%100000d",
            "%.100000d",
            "%.100000f",
            "%0100000f",
            "%100000v",
        ] {
            let result = formatted(format, &[1_i64.into()]);
            let result = if format.ends_with('f') {
                formatted(format, &[1.5.into()])
            } else {
                result
            };
            assert!(
                matches!(result, Err(Fault::Limit { .. })),
                "{format}: {result:?}"
            );
        }
    }
}

//! Printing of values: Go's `fmt.Print`, `fmt.Println` and `fmt.Printf`.

mod directive;
mod printf;
mod quote;

use super::error::Fault;
use super::value::Value;
use directive::Directive;

pub(super) use printf::printf;

/// The most bytes that a template, or a function in it, may write.
const OUTPUT_LIMIT_BYTES: usize = 64 * 1024;

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

    /// Appends a character many times.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn print_puts_spaces_between_what_is_no_string() {
        let values = [
            1_i64.into(),
            2_i64.into(),
            "a".into(),
            "b".into(),
            3_i64.into(),
            4.5.into(),
            true.into(),
            Value::Nil,
        ];
        let mut output = Output::default();
        print(&mut output, &values).unwrap();
        assert_eq!(output.into_text(), "1 2ab3 4.5 true <nil>");
        let mut output = Output::default();
        print_line(&mut output, &values[..3]).unwrap();
        assert_eq!(output.into_text(), "1 2 a\n");
    }
}

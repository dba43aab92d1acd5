//! Label matchers with Prometheus' meaning: `{operation="detect", algorithm=~"iforest|ocsvm"}`.

use std::fmt;

use regex::Regex;

use super::series::is_label_name;

/// How a matcher compares.
#[derive(Clone, Debug)]
enum Test {
    Equal,
    NotEqual,
    Match(Regex),
    NotMatch(Regex),
}

/// One condition on one label; a missing label counts as empty.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    value: String,
    test: Test,
}

impl Matcher {
    /// A matcher of its parts: of `value` as it stands or as a regular expression, which is to match or not to.
    ///
    /// # Errors
    /// A regular expression that does not compile.
    pub fn new(
        name: &str,
        value: &str,
        is_regex: bool,
        is_equal: bool,
    ) -> Result<Self, SelectorError> {
        let test = match (is_regex, is_equal) {
            (false, true) => Test::Equal,
            (false, false) => Test::NotEqual,
            (true, true) => Test::Match(anchored(value)?),
            (true, false) => Test::NotMatch(anchored(value)?),
        };
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
            test,
        })
    }

    /// What it compares with.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it compares with a regular expression.
    pub fn is_regex(&self) -> bool {
        matches!(self.test, Test::Match(_) | Test::NotMatch(_))
    }

    /// Whether it asks for what matches, not for what does not.
    pub fn is_equal(&self) -> bool {
        matches!(self.test, Test::Equal | Test::Match(_))
    }

    fn operator(&self) -> &'static str {
        match self.test {
            Test::Equal => "=",
            Test::NotEqual => "!=",
            Test::Match(_) => "=~",
            Test::NotMatch(_) => "!~",
        }
    }

    /// The label it looks at.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value that it asks for, where it compares with `=`.
    pub fn equal_to(&self) -> Option<&str> {
        matches!(self.test, Test::Equal).then_some(self.value.as_str())
    }

    /// Whether `value` satisfies it.
    pub fn matches(&self, value: &str) -> bool {
        match &self.test {
            Test::Equal => value == self.value,
            Test::NotEqual => value != self.value,
            Test::Match(regex) => regex.is_match(value),
            Test::NotMatch(regex) => !regex.is_match(value),
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.value, self.operator()) == (&other.name, &other.value, other.operator())
    }
}

impl fmt::Display for Matcher {
    /// With the few escapes that Prometheus and Alertmanager write.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.replace('\\', "\\\\");
        let value = value.replace('"', "\\\"").replace('\n', "\\n");
        write!(f, "{}{}\"{value}\"", self.name, self.operator())
    }
}

/// All of its matchers must hold; without any it selects everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector(Vec<Matcher>);

/// Why a selector could not be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SelectorError {
    /// The text does not follow the grammar.
    #[error("cannot read selector {text:?} at character {at}: {expected} expected")]
    Syntax {
        /// The whole selector.
        text: String,
        /// Where reading stopped, counted from 1.
        at: usize,
        /// What may stand there.
        expected: &'static str,
    },
    /// A regular expression does not compile.
    #[error("selector has a bad regular expression {pattern:?}: {reason}")]
    Regex {
        /// The expression.
        pattern: String,
        /// The compiler's last line.
        reason: String,
    },
}

impl SelectorError {
    /// What is wrong, without what was read.
    pub(in crate::engine) fn reason(&self) -> String {
        match self {
            Self::Syntax { expected, .. } => format!("{expected} expected"),
            Self::Regex { reason, .. } => reason.clone(),
        }
    }
}

impl Selector {
    /// Reads `{name="value", name=~"regex"}`; the braces may be left out, and so may the quotes of a
    /// value of name characters (as Alertmanager allows in a route).
    ///
    /// # Errors
    /// The first place that does not follow the grammar, or a regular expression that does not compile.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut reader = Reader { text, at: 0 };
        let braced = reader.eat("{");
        let mut matchers = Vec::new();
        loop {
            if reader.at_end() || (braced && reader.peek("}")) {
                break;
            }
            matchers.push(reader.matcher()?);
            if !reader.eat(",") {
                break;
            }
        }
        if braced && !reader.eat("}") {
            return Err(reader.expected("`,` or `}`"));
        }
        if !reader.at_end() {
            return Err(reader.expected("the end"));
        }
        Ok(Self(matchers))
    }

    /// Whether every matcher holds for labels looked up by `value_of` (empty for a missing one).
    pub fn matches<'a>(&self, value_of: impl Fn(&str) -> &'a str) -> bool {
        self.0
            .iter()
            .all(|matcher| matcher.matches(value_of(&matcher.name)))
    }

    /// Its matchers, in the order given.
    pub fn matchers(&self) -> &[Matcher] {
        &self.0
    }

    /// Whether it asks for exactly this operation.
    pub fn names_operation(&self, operation: &str) -> bool {
        self.operation() == Some(operation)
    }

    /// The only operation whose series it can match, where it names one.
    pub fn operation(&self) -> Option<&str> {
        let named = self.0.iter().filter(|matcher| matcher.name == "operation");
        named
            .filter_map(Matcher::equal_to)
            .find(|name| !name.is_empty())
    }

    /// The matchers of a list, all of which must hold.
    pub fn of(matchers: Vec<Matcher>) -> Self {
        Self(matchers)
    }

    /// Adds the matchers of another selector.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, matcher) in self.0.iter().enumerate() {
            write!(f, "{}{matcher}", if index == 0 { "" } else { "," })?;
        }
        f.write_str("}")
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn at_end(&mut self) -> bool {
        self.skip_space();
        self.rest().is_empty()
    }

    fn peek(&mut self, token: &str) -> bool {
        self.skip_space();
        self.rest().starts_with(token)
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.peek(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expected(&self, expected: &'static str) -> SelectorError {
        SelectorError::Syntax {
            text: self.text.to_owned(),
            at: self.text.get(..self.at).map_or(0, |t| t.chars().count()) + 1,
            expected,
        }
    }

    fn word(&mut self) -> &'a str {
        self.skip_space();
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "_-.:/".contains(c)))
            .unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn matcher(&mut self) -> Result<Matcher, SelectorError> {
        self.skip_space();
        let start = self.at;
        let name = self.word();
        if !is_label_name(name) {
            self.at = start;
            return Err(self.expected("a label name"));
        }
        let operator = ["=~", "!~", "!=", "="]
            .into_iter()
            .find(|operator| self.eat(operator))
            .ok_or_else(|| self.expected("one of = != =~ !~"))?;
        let value = self.value()?;
        Matcher::new(
            name,
            &value,
            operator.ends_with('~'),
            operator.starts_with('='),
        )
    }

    fn value(&mut self) -> Result<String, SelectorError> {
        self.skip_space();
        let Some(quote) = self.rest().chars().next().filter(|c| "\"'`".contains(*c)) else {
            let word = self.word();
            return if word.is_empty() {
                Err(self.expected("a value in quotes"))
            } else {
                Ok(word.to_owned())
            };
        };
        let mut value = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = chars.next() {
            match c {
                _ if c == quote => {
                    self.at += offset + c.len_utf8();
                    return Ok(value);
                }
                '\\' if quote != '`' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, escaped @ ('\\' | '"' | '\''))) => value.push(escaped),
                    // As in a regular expression: keep what is not ours to interpret.
                    Some((_, other)) => value.extend(['\\', other]),
                    None => break,
                },
                _ => value.push(c),
            }
        }
        Err(self.expected("a closing quote"))
    }
}

/// Prometheus anchors every regular expression at both ends.
fn anchored(pattern: &str) -> Result<Regex, SelectorError> {
    regex::RegexBuilder::new(&format!("^(?s:{pattern})$"))
        .size_limit(1 << 20)
        .build()
        .map_err(|error| SelectorError::Regex {
            pattern: pattern.to_owned(),
            reason: error
                .to_string()
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str, labels: &[(&str, &str)]) -> bool {
        Selector::parse(selector).unwrap().matches(|name| {
            labels
                .iter()
                .find_map(|(n, v)| (*n == name).then_some(*v))
                .unwrap_or_default()
        })
    }

    #[test]
    fn matchers_mean_what_they_mean_in_prometheus() {
        let labels = [("operation", "detect"), ("algorithm", "iforest")];
        for (selector, expected) in [
            ("{}", true),
            ("", true),
            (r#"{operation="detect"}"#, true),
            (r#"operation="detect""#, true),
            ("operation=detect", true),
            (r#"{operation="det"}"#, false),
            (r#"{operation=~"det"}"#, false),
            (r#"{operation=~"det.*", algorithm!="x"}"#, true),
            (r#"{algorithm=~"iforest|ocsvm",}"#, true),
            (r#"{algorithm!~"i.*"}"#, false),
            (r#"{zone=""}"#, true),
            (r#"{zone!=""}"#, false),
            (r"{operation=~`d\w+`}", true),
            (r#"{operation=~"d\w+"}"#, true),
        ] {
            assert_eq!(selects(selector, &labels), expected, "{selector}");
        }
    }

    #[test]
    fn a_selector_prints_as_it_is_written() {
        let text = r#"{operation="detect",algorithm=~"a|b"}"#;
        assert_eq!(Selector::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn faults_name_the_place_and_what_is_allowed() {
        for (selector, expected) in [
            (
                r#"{operation"detect"}"#,
                "at character 11: one of = != =~ !~ expected",
            ),
            (r#"{operation="detect}"#, "a closing quote expected"),
            (r#"{operation="detect""#, "`,` or `}` expected"),
            (r#"{operation="detect"} x"#, "the end expected"),
            (r#"{="detect"}"#, "at character 2: a label name expected"),
            (r#"{a=~"("}"#, "bad regular expression"),
        ] {
            let error = Selector::parse(selector).unwrap_err().to_string();
            assert!(error.contains(expected), "{selector}: {error}");
        }
    }
}

//! Matchers as Alertmanager reads them: more forgiving than a selector, `severity=~warning|critical` is one.

use crate::engine::selector::{Matcher, Selector};
use crate::engine::series::is_label_name;

/// Why a text is no matcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    /// It does not have the form.
    #[error(
        "cannot read matcher {text:?}: {why}, allowed: such as severity=\"critical\", team=~\"a|b\", zone!=eu or job!~\"test.*\""
    )]
    Form {
        /// The matcher.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Its regular expression does not compile.
    #[error("matcher {text:?} has a bad regular expression: {reason}")]
    Regex {
        /// The matcher.
        text: String,
        /// The compiler's last line.
        reason: String,
    },
}

/// Reads matchers with commas between, in braces or without (`pkg/labels/parse.go`, `ParseMatchers`).
///
/// # Errors
/// The first matcher that cannot be read.
pub fn parse(text: &str) -> Result<Vec<Matcher>, MatcherError> {
    let inner = text.strip_prefix('{').unwrap_or(text);
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    let mut parts = Vec::new();
    let (mut part, mut is_quoted, mut is_escaped) = (String::new(), false, false);
    for c in inner.chars() {
        match c {
            ',' if !is_quoted => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            '"' if !is_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
        part.push(c);
    }
    if !part.trim().is_empty() {
        parts.push(part);
    }
    parts.iter().map(|part| one(part)).collect()
}

/// Reads one matcher.
fn one(text: &str) -> Result<Matcher, MatcherError> {
    let form = |why| MatcherError::Form {
        text: text.trim().to_owned(),
        why,
    };
    let trimmed = text.trim();
    let end = trimmed
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .unwrap_or(trimmed.len());
    let (name, rest) = trimmed.split_at(end);
    if !is_label_name(name) {
        return Err(form("it does not begin with a label name"));
    }
    let rest = rest.trim_start();
    let operators = [
        ("=~", true, true),
        ("!~", true, false),
        ("!=", false, false),
        ("=", false, true),
    ];
    let found = operators
        .into_iter()
        .find_map(|(operator, is_regex, is_equal)| {
            Some((rest.strip_prefix(operator)?, is_regex, is_equal))
        });
    let Some((raw, is_regex, is_equal)) = found else {
        return Err(form("the label name is not followed by =, !=, =~ or !~"));
    };
    let value = unescape(raw.trim()).map_err(form)?;
    Matcher::new(name, &value, is_regex, is_equal).map_err(|error| MatcherError::Regex {
        text: trimmed.to_owned(),
        reason: error.reason(),
    })
}

/// The value of a matcher, which may stand in double quotes.
fn unescape(raw: &str) -> Result<String, &'static str> {
    let unescaped_quote = "its value has a double quote that is not escaped";
    let (quoted, mut rest) = match raw.strip_prefix('"') {
        Some(rest) => (true, rest.chars().peekable()),
        None => (false, raw.chars().peekable()),
    };
    let mut value = String::new();
    let mut is_closed = !quoted;
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('n') => value.push('\n'),
                Some(escaped @ ('"' | '\\')) => value.push(escaped),
                // Not ours to interpret, as in a regular expression.
                Some(other) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
            '"' if quoted && rest.peek().is_none() => is_closed = true,
            '"' => return Err(unescaped_quote),
            other => value.push(other),
        }
    }
    if is_closed {
        Ok(value)
    } else {
        Err("its value has no closing double quote")
    }
}

/// All of `matchers`, in the order in which Alertmanager has them in the key of a route.
pub fn sorted(mut matchers: Vec<Matcher>) -> Selector {
    let kind = |m: &Matcher| (m.is_regex(), !m.is_equal());
    matchers.sort_by(|a, b| (a.name(), a.value(), kind(a)).cmp(&(b.name(), b.value(), kind(b))));
    Selector::of(matchers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_are_read_as_alertmanager_reads_them() {
        for (text, expected) in [
            (r#"severity="critical""#, r#"{severity="critical"}"#),
            (
                "severity=~warning|critical",
                r#"{severity=~"warning|critical"}"#,
            ),
            (" { a = b , c!=\"d, e\", } ", r#"{a="b",c!="d, e"}"#),
            (
                r#"a="say \"x\" \\ \d\n""#,
                "{a=\"say \\\"x\\\" \\\\ \\\\d\\n\"}",
            ),
            ("a=", r#"{a=""}"#),
            ("a=x y", r#"{a="x y"}"#),
            ("", "{}"),
        ] {
            let read = parse(text.trim()).map(Selector::of);
            assert_eq!(read.unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_matcher_is_refused_with_what_is_allowed() {
        for (text, expected) in [
            ("", ""),
            ("severity", "not followed by =, !=, =~ or !~"),
            ("=x", "does not begin with a label name"),
            (r#"a="b"#, "no closing double quote"),
            (r#"a=b"c"#, "double quote that is not escaped"),
            ("a=~(", "bad regular expression"),
            (",", "does not begin with a label name"),
        ] {
            match parse(text) {
                Ok(matchers) => assert!(expected.is_empty() && matchers.is_empty(), "{text}"),
                Err(error) => assert!(error.to_string().contains(expected), "{text}: {error}"),
            }
        }
    }

    #[test]
    fn the_key_of_a_route_does_not_depend_on_the_order_of_its_matchers() {
        let parsed = parse(r#"b="1",a!~"x",a="x",a="w""#).unwrap();
        assert_eq!(sorted(parsed).to_string(), r#"{a="w",a="x",a!~"x",b="1"}"#);
    }
}

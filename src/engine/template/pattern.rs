//! Regular expressions in Go's syntax (RE2), on top of the `regex` crate.
//!
//! Octal escapes such as `\101` are not known here, and `\B` counts letters beyond ASCII as parts of words.

use std::sync::Arc;

use regex::{Captures, Regex, RegexBuilder};

use super::error::Fault;
use super::format::Output;

/// The most bytes that a compiled expression may take, so that a match stays fast.
const COMPILED_LIMIT_BYTES: usize = 256 * 1024;

/// How many compiled expressions one rendering keeps.
const KEPT: usize = 16;

/// The expressions that a rendering has compiled.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    kept: Vec<(String, Arc<Regex>)>,
}

impl Patterns {
    /// Whether the expression is compiled already.
    pub(super) fn has(&self, pattern: &str) -> bool {
        self.kept.iter().any(|(known, _)| known == pattern)
    }

    /// The compiled expression.
    pub(super) fn get(&mut self, pattern: &str) -> Result<Arc<Regex>, Fault> {
        if let Some((_, regex)) = self.kept.iter().find(|(known, _)| known == pattern) {
            return Ok(regex.clone());
        }
        let regex = RegexBuilder::new(&translate(pattern))
            .size_limit(COMPILED_LIMIT_BYTES)
            .dfa_size_limit(COMPILED_LIMIT_BYTES)
            .build();
        let regex = match regex {
            Ok(regex) => Arc::new(regex),
            Err(regex::Error::CompiledTooBig(limit)) => {
                return Err(Fault::Limit {
                    limit: "bytes of a compiled regular expression",
                    allowed: limit,
                });
            }
            Err(_) => {
                return Err(Fault::from(format!(
                    "regular expression {pattern:?} is malformed or not supported, the syntax is RE2"
                )));
            }
        };
        if self.kept.len() == KEPT {
            self.kept.remove(0);
        }
        self.kept.push((pattern.to_owned(), regex.clone()));
        Ok(regex)
    }
}

/// Rewrites what RE2 and the `regex` crate read differently: the classes `\d \s \w` and `\b` are ASCII in RE2, a brace
/// that starts no repetition is literal, and there are no set operations inside brackets.
fn translate(pattern: &str) -> String {
    let mut translated = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    // Characters since the opening bracket of a class.
    let mut in_class: Option<usize> = None;
    while let Some(character) = rest.chars().next() {
        let after = rest.get(character.len_utf8()..).unwrap_or("");
        let mut taken = character.len_utf8();
        let position = in_class.map(|position| position + 1);
        match (character, position) {
            ('\\', _) => {
                let escaped = after.chars().next();
                taken += escaped.map_or(0, char::len_utf8);
                taken += push_escape(&mut translated, escaped, after, in_class.is_some());
                in_class = position;
            }
            ('[', None) => {
                translated.push('[');
                if after.starts_with('^') {
                    translated.push('^');
                    taken += 1;
                }
                in_class = Some(0);
            }
            ('[', Some(_)) => {
                let name_end = rest.find(":]").filter(|_| rest.starts_with("[:"));
                if let Some(end) = name_end {
                    taken = end + 2;
                    translated.push_str(rest.get(..taken).unwrap_or(""));
                } else {
                    translated.push_str("\\[");
                }
                in_class = position;
            }
            // Right behind the opening, a bracket stands for itself.
            (']', Some(1)) => {
                translated.push_str("\\]");
                in_class = position;
            }
            (']', Some(_)) => {
                translated.push(']');
                in_class = None;
            }
            ('&' | '~', Some(_)) => {
                translated.push('\\');
                translated.push(character);
                in_class = position;
            }
            ('-', Some(_)) if after.starts_with('-') => {
                translated.push_str("\\-");
                in_class = position;
            }
            ('{', None) if !starts_repetition(rest) => translated.push_str("\\{"),
            (other, _) => {
                translated.push(other);
                in_class = position;
            }
        }
        rest = rest.get(taken..).unwrap_or("");
    }
    translated
}

/// Writes an escape; gives how many bytes it takes beyond the escaped character.
fn push_escape(
    translated: &mut String,
    escaped: Option<char>,
    after: &str,
    in_class: bool,
) -> usize {
    let class = match escaped {
        Some('d') => "0-9",
        Some('s') => "\\t\\n\\f\\r ",
        Some('w') => "0-9A-Za-z_",
        Some('D') => "^0-9",
        Some('S') => "^\\t\\n\\f\\r ",
        Some('W') => "^0-9A-Za-z_",
        Some('b') if !in_class => {
            translated.push_str("(?-u:\\b)");
            return 0;
        }
        Some('p') if after.starts_with("p{^") => {
            translated.push_str("\\P{");
            return 2;
        }
        Some('Q') if !in_class => {
            // Everything up to `\E` stands for itself.
            let quoted = after.get(1..).unwrap_or("");
            let (literal, end) = match quoted.find("\\E") {
                Some(length) => (quoted.get(..length).unwrap_or(""), length + 2),
                None => (quoted, quoted.len()),
            };
            translated.push_str(&regex::escape(literal));
            return end;
        }
        other => {
            translated.push('\\');
            translated.extend(other);
            // The brace of `\p{Greek}` or `\x{10FFFF}` belongs to the escape.
            let braced = after
                .get(1..)
                .filter(|behind| matches!(other, Some('p' | 'P' | 'x')) && behind.starts_with('{'));
            let length = braced
                .and_then(|behind| behind.find('}'))
                .map_or(0, |end| end + 1);
            let name = braced.and_then(|behind| behind.get(..length)).unwrap_or("");
            translated.push_str(name);
            return length;
        }
    };
    if in_class && !class.starts_with('^') {
        translated.push_str(class);
    } else {
        translated.push('[');
        translated.push_str(class);
        translated.push(']');
    }
    0
}

/// Whether `{n}`, `{n,}` or `{n,m}` stands at the start.
fn starts_repetition(rest: &str) -> bool {
    let Some((bounds, _)) = rest
        .strip_prefix('{')
        .and_then(|inside| inside.split_once('}'))
    else {
        return false;
    };
    let (least, most) = bounds.split_once(',').unwrap_or((bounds, ""));
    let is_number = |text: &str| text.chars().all(|digit| digit.is_ascii_digit());
    !least.is_empty() && is_number(least) && is_number(most)
}

/// Writes `subject` with every match replaced, as Go's `ReplaceAllString`.
pub(super) fn replace_all(
    output: &mut Output,
    pattern: &Regex,
    replacement: &str,
    subject: &str,
) -> Result<(), Fault> {
    let mut end = 0;
    for captures in pattern.captures_iter(subject) {
        let Some(whole) = captures.get(0) else {
            continue;
        };
        output.push(subject.get(end..whole.start()).unwrap_or(""))?;
        expand(output, &captures, replacement)?;
        end = whole.end();
    }
    output.push(subject.get(end..).unwrap_or(""))
}

/// Writes a replacement, in which `$1`, `$name`, `${1}` and `${name}` are groups and `$$` is a dollar sign.
fn expand(output: &mut Output, captures: &Captures<'_>, replacement: &str) -> Result<(), Fault> {
    let mut rest = replacement;
    while let Some((before, after)) = rest.split_once('$') {
        output.push(before)?;
        if let Some(after) = after.strip_prefix('$') {
            output.push("$")?;
            rest = after;
            continue;
        }
        let inner = after.strip_prefix('{').unwrap_or(after);
        let has_brace = inner.len() < after.len();
        let length = inner
            .find(|character: char| !(character == '_' || character.is_alphanumeric()))
            .unwrap_or(inner.len());
        let (name, behind) = inner.split_at(length);
        let behind = if has_brace {
            behind.strip_prefix('}')
        } else {
            Some(behind)
        };
        match behind {
            Some(behind) if !name.is_empty() => {
                let group = match name.parse::<usize>() {
                    Ok(number) => captures.get(number),
                    Err(_) => captures.name(name),
                };
                output.push(group.map_or("", |group| group.as_str()))?;
                rest = behind;
            }
            // What names no group stands for itself.
            _ => {
                output.push("$")?;
                rest = after;
            }
        }
    }
    output.push(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(pattern: &str, replacement: &str, subject: &str) -> Result<String, Fault> {
        let regex = Patterns::default().get(pattern)?;
        let mut output = Output::default();
        replace_all(&mut output, &regex, replacement, subject)?;
        Ok(output.into_text())
    }

    #[test]
    fn replacements_follow_go() {
        let cases = [
            ("(a)b", "x$1", "ab", "xa"),
            ("(a)b", "x${1}y", "abab", "xayxay"),
            ("(a)b", "$1x", "ab", ""),
            ("(a)b", "$$1 $2 $ ${1", "ab", "$1  $ ${1"),
            ("(?P<n>a)", "<$n>", "ba", "b<a>"),
            ("a*", "-", "baac", "-b-c-"),
            ("", "-", "ab", "-a-b-"),
            (r"\d+", "#", "a12\u{663}", "a#\u{663}"),
            (r"[\w.]+", "w", "é.a_1", "éw"),
            (r"[^\W]+", "w", "é a_1", "é w"),
            // A boundary of RE2 is one between ASCII words.
            (r"\bé", "x", "aé é", "ax é"),
            (r"a{,2}", "x", "a{,2}", "x"),
            (r"[[]", "x", "[", "x"),
            (r"[]a]", "x", "]a", "xx"),
            (r"[a&&b]+", "x", "a&b", "x"),
            (r"\Qa.b\E.", "x", "a.bc", "x"),
            ("[[:alpha:]]+", "x", "ab1", "x1"),
            (r"\p{Greek}[^\P{Greek}]", "x", "aβγ", "ax"),
            (r"\x{41}{2}", "x", "AAA", "xA"),
            (r"(.*):.*", "$1", "host:80", "host"),
            ("x$", "y", "xx", "xy"),
            (r"\x41", "y", "AA", "yy"),
            (r"\p{^Greek}", "x", "aβ", "xβ"),
        ];
        for (pattern, replacement, subject, expected) in cases {
            let found = replaced(pattern, replacement, subject);
            assert_eq!(found.as_deref(), Ok(expected), "{pattern}");
        }
    }

    #[test]
    fn bad_or_huge_expressions_are_refused() {
        for pattern in ["(", "(?=a)", "[b-a]", r"\p{Foo}", "(?P<a", r"\", r"(a)\1"] {
            assert!(replaced(pattern, "", "").is_err(), "{pattern}");
        }
        let huge = replaced("(a{1000}){1000}", "", "");
        assert!(matches!(huge, Err(Fault::Limit { .. })), "{huge:?}");
    }
}

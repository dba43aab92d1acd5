//! Labels as they stand on a page; both text formats spell them alike.

use std::borrow::Cow;

use crate::engine::time::Timestamp;

/// Label pairs, rendered once and used for every line of a series: `name="value",…`, without braces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LabelText(String);

impl LabelText {
    /// The text of `pairs`, in their order.
    pub(super) fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut text = Self::default();
        for (name, value) in pairs {
            text.push(name, value);
        }
        text
    }

    /// Adds a pair; an empty value is the same as no label and adds nothing.
    pub(super) fn push(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(name);
        self.0.push_str("=\"");
        let mut rest = value;
        while let Some((before, character)) = next_escaped(rest) {
            self.0.push_str(before);
            self.0.push('\\');
            self.0.push(if character == '\n' { 'n' } else { character });
            rest = rest.get(before.len() + 1..).unwrap_or_default();
        }
        self.0.push_str(rest);
        self.0.push('"');
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn into_boxed(self) -> Box<str> {
        self.0.into_boxed_str()
    }
}

/// What stands before the next character that has to be escaped, and that character.
fn next_escaped(text: &str) -> Option<(&str, char)> {
    let place = text.find(['\\', '"', '\n'])?;
    let (before, rest) = text.split_at_checked(place)?;
    Some((before, rest.chars().next()?))
}

/// The labels of one sample: those of its series, and those that tell it from others of the same series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rendered<'a> {
    /// Rendered labels of the series; may be empty.
    pub(super) base: &'a str,
    /// Rendered further labels; may be empty.
    pub(super) extra: &'a str,
    /// When a counter or histogram of these labels began; that of the process where nothing better is known.
    pub(super) since: Option<Timestamp>,
}

impl<'a> Rendered<'a> {
    /// No labels.
    pub(super) const NONE: Rendered<'static> = Rendered {
        base: "",
        extra: "",
        since: None,
    };

    pub(super) fn new(base: &'a str) -> Self {
        Self { base, ..Self::NONE }
    }

    pub(super) fn with(base: &'a str, extra: &'a str) -> Self {
        Self::new(base).and(extra)
    }

    /// The same with further labels.
    pub(super) fn and(self, extra: &'a str) -> Self {
        Self { extra, ..self }
    }

    /// The same of a series that began then.
    pub(super) fn since(self, since: Timestamp) -> Self {
        Self {
            since: Some(since),
            ..self
        }
    }

    pub(super) fn is_empty(self) -> bool {
        self.base.is_empty() && self.extra.is_empty()
    }

    /// What stands between the two parts.
    pub(super) fn comma(self) -> &'static str {
        if self.base.is_empty() || self.extra.is_empty() {
            ""
        } else {
            ","
        }
    }

    /// Names and values again, for a format that is no text. Read back from the text, because the text
    /// formats are what nearly all scrapers take, and so they pay for no second form.
    pub(super) fn pairs(self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> {
        pairs(self.base).chain(pairs(self.extra))
    }
}

fn pairs(mut text: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    std::iter::from_fn(move || {
        let (name, rest) = text.split_once("=\"")?;
        let (value, rest) = rest.split_at_checked(closing_quote(rest)?)?;
        text = rest.trim_start_matches(['"', ',']);
        Some((name, unescape(value)))
    })
}

/// The place of the first quote that is not escaped.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut characters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next().map(|c| if c == 'n' { '\n' } else { c })),
            other => plain.push(other),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_empty_ones_left_out() {
        for (pairs, expected) in [
            (vec![("a", "1"), ("b", ""), ("c", "3")], r#"a="1",c="3""#),
            (vec![("a", r#"say "hi" \o/"#)], r#"a="say \"hi\" \\o/""#),
            (
                vec![("a", "two\nlines"), ("b", "\n")],
                r#"a="two\nlines",b="\n""#,
            ),
            (vec![("a", "größe→∞")], r#"a="größe→∞""#),
            (vec![], ""),
        ] {
            assert_eq!(LabelText::of(pairs).as_str(), expected);
        }
    }

    #[test]
    fn labels_are_read_back_as_they_were() {
        let values = [
            "1",
            r#"say "hi" \o/"#,
            "two\nlines",
            "größe→∞",
            r"\n",
            "a,b=\"c\"",
            "\\\\",
        ];
        let base: Vec<_> = values.iter().map(|value| ("a", *value)).collect();
        let text = LabelText::of(base.clone());
        let extra = LabelText::of([("z", "\"")]);
        let found: Vec<_> = Rendered::with(text.as_str(), extra.as_str())
            .pairs()
            .collect();
        let expected = base.into_iter().chain([("z", "\"")]);
        let expected: Vec<_> = expected.map(|(n, v)| (n, Cow::from(v))).collect();
        assert_eq!(found, expected);
        assert_eq!(Rendered::NONE.pairs().count(), 0);
    }
}

//! Labels as they stand on a page; both text formats spell them alike.

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
}

impl<'a> Rendered<'a> {
    /// No labels.
    pub(super) const NONE: Rendered<'static> = Rendered {
        base: "",
        extra: "",
    };

    pub(super) fn new(base: &'a str) -> Self {
        Self { base, extra: "" }
    }

    pub(super) fn with(base: &'a str, extra: &'a str) -> Self {
        Self { base, extra }
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
}

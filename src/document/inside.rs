//! Places inside of one value, such as an action of a template.

use super::node::{Content, Span};
use super::{Document, Fault, Place};

impl Document {
    /// A fault inside of the text at `place`, at a line and a column (in characters) of it, both counted from 1.
    ///
    /// Text that was written otherwise than it reads (with escapes, or folded) is pointed at as a whole.
    #[must_use]
    pub fn fault_inside(
        &self,
        place: &Place,
        (line, column): (usize, usize),
        message: impl Into<String>,
    ) -> Fault {
        let found = self.find_inside(place, line, column);
        let span = found.unwrap_or_else(|| self.root.locate(place.steps()));
        Fault::new(&self.source, span, message.into())
    }

    fn find_inside(&self, place: &Place, line: usize, column: usize) -> Option<Span> {
        let node = self.root.get(place.steps())?;
        let Content::Scalar(scalar) = &node.content else {
            return None;
        };
        let wanted = scalar.text.lines().nth(line.checked_sub(1)?)?;
        // Every line of the text stands on a line of its own or further down, so none before it can be meant.
        let first = node.span.line + line - 1;
        let last = first + scalar.text.lines().count();
        (first..=last).find_map(|number| {
            let written = self.source.line(number)?;
            let before = if number == node.span.line {
                node.span.column - 1
            } else {
                0
            };
            let start = written.char_indices().nth(before)?.0;
            let found = start + written.get(start..)?.find(wanted)?;
            Some(Span {
                line: number,
                column: written.get(..found)?.chars().count() + column,
                length: 1,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_inside_a_text_is_placed_where_the_text_was_written() {
        let text = "plain: some words\nquoted: 'in ünicode'\nblock: |\n  first\n  second line\nescaped: \"a\\tb\"\n";
        let document = Document::parse("f.yaml", text.to_owned()).unwrap();
        for (key, place, expected) in [
            ("plain", (1, 6), (1, 13)),
            ("quoted", (1, 4), (2, 13)),
            ("block", (2, 8), (5, 10)),
            // Not to be found as it reads, so the value itself.
            ("escaped", (1, 3), (6, 10)),
        ] {
            let fault = document.fault_inside(&Place::root().key(key), place, "x");
            assert_eq!((fault.line, fault.column), expected, "{key}");
        }
    }
}

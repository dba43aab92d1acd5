//! The text of a file, cut into lines.

use std::sync::Arc;

use super::node::Span;

/// A file's name and text, with the lines that positions refer to.
#[derive(Debug)]
pub(super) struct Source {
    file: Arc<str>,
    text: String,
    /// Byte offset at which each line begins; the first is 0, so it is never empty.
    starts: Vec<usize>,
}

impl Source {
    /// Takes the text without its byte order mark, if it has one.
    pub(super) fn new(file: &str, mut text: String) -> Self {
        if text.starts_with('\u{FEFF}') {
            text.remove(0);
        }
        let bytes = text.as_bytes();
        let ends_line = |&(index, byte): &(usize, &u8)| match byte {
            b'\n' => true,
            // A lone carriage return ends a line too, as YAML has it.
            b'\r' => bytes.get(index + 1) != Some(&b'\n'),
            _ => false,
        };
        let after = bytes.iter().enumerate().filter(ends_line);
        let starts = std::iter::once(0)
            .chain(after.map(|(index, _)| index + 1))
            .collect();
        Self {
            file: file.into(),
            text,
            starts,
        }
    }

    pub(super) fn file(&self) -> &Arc<str> {
        &self.file
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The line counted from 1, without its end.
    pub(super) fn line(&self, number: usize) -> Option<&str> {
        let start = *self.starts.get(number.checked_sub(1)?)?;
        let end = self.starts.get(number).copied().unwrap_or(self.text.len());
        let line = self.text.get(start..end)?;
        Some(line.trim_end_matches(['\r', '\n']))
    }

    /// The nearest span that lies inside the text.
    ///
    /// The parser reports the end of a file as a line after the last one; a person looks for it at the end of the last line.
    pub(super) fn clamp(&self, span: Span) -> Span {
        let empty_tail = self.starts.len() > 1 && self.starts.last() == Some(&self.text.len());
        let lines = self.starts.len() - usize::from(empty_tail);
        let line = span.line.clamp(1, lines);
        let width = self.line(line).map_or(0, |line| line.chars().count());
        let wanted = if span.line > lines {
            width + 1
        } else {
            span.column
        };
        let column = wanted.clamp(1, width + 1);
        let length = span.length.clamp(1, (width + 1 - column).max(1));
        Span {
            line,
            column,
            length,
        }
    }
}

//! A fault of a file: what is wrong, where, and the line itself.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use regex::Regex;

use super::node::Span;
use super::source::Source;

/// Characters of a source line that are kept; of a longer line, those around the fault.
const MAX_SOURCE_LINE: usize = 200;

/// Characters of a longer line that are kept before the fault.
const LEAD: usize = 60;

/// One thing that is wrong in a file.
///
/// `Display` gives `file:line:column: message`, the line and a caret under the place; [`Fault::brief`] only the first of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}\n  | {source_line}\n  | {}", self.brief(), self.caret())]
pub struct Fault {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted in characters from 1.
    pub column: usize,
    /// Characters concerned, at least 1, not beyond the line's end.
    pub length: usize,
    /// What is wrong and what is allowed.
    pub message: String,
    /// The line as far as it is worth showing, fit for a terminal: no control characters, passwords masked.
    pub source_line: String,
    /// Column of the fault in `source_line`, which differs from `column` where a long line was cut.
    pub source_column: usize,
}

impl Fault {
    pub(super) fn new(source: &Source, span: Span, message: String) -> Self {
        let span = source.clamp(span);
        let line = presentable(source.line(span.line).unwrap_or_default());
        let cut = if line.len() <= MAX_SOURCE_LINE {
            0
        } else {
            (span.column - 1).saturating_sub(LEAD)
        };
        let source_line = line.into_iter().skip(cut).take(MAX_SOURCE_LINE).collect();
        Self {
            file: Arc::clone(source.file()),
            line: span.line,
            column: span.column,
            length: span.length,
            message,
            source_line,
            source_column: span.column - cut,
        }
    }

    /// The one-line form for logs and the API: `file:line:column: message`.
    #[must_use]
    pub fn brief(&self) -> String {
        let Self {
            file,
            line,
            column,
            message,
            ..
        } = self;
        format!("{file}:{line}:{column}: {message}")
    }

    /// Blanks and carets that mark the place when written under the line.
    fn caret(&self) -> String {
        let shown = self.source_line.chars().count().max(self.source_column);
        let length = self.length.min(shown - self.source_column + 1);
        format!(
            "{:blank$}{:^>length$}",
            "",
            "",
            blank = self.source_column - 1
        )
    }

    /// The place as bytes of `source_line`.
    fn bytes(&self) -> Range<usize> {
        let byte = |characters: usize| {
            let mut indices = self.source_line.char_indices().map(|(byte, _)| byte);
            indices.nth(characters).unwrap_or(self.source_line.len())
        };
        let start = self.source_column - 1;
        byte(start)..byte(start + self.length)
    }

    fn order(&self) -> (&str, usize, usize, &str) {
        (&self.file, self.line, self.column, &self.message)
    }
}

/// Sorts faults by file and position, and drops repetitions (an alias shows the fault of its anchor again).
pub fn sort(faults: &mut Vec<Fault>) {
    faults.sort_by(|one, other| one.order().cmp(&other.order()));
    faults.dedup();
}

/// Draws faults for a terminal, one after another, with colours if wanted.
#[must_use]
pub fn render(faults: &[Fault], colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let drawn = faults.iter().map(|fault| {
        let snippet = Snippet::source(fault.source_line.as_str())
            .line_start(fault.line)
            .annotation(AnnotationKind::Primary.span(fault.bytes()));
        let title = Level::ERROR.primary_title(fault.message.as_str());
        let group = if fault.source_column == fault.column {
            title.element(snippet.path(fault.file.as_ref()))
        } else {
            // Of a line that was cut, the renderer would count the column wrongly.
            let origin = Origin::path(fault.file.as_ref()).line(fault.line);
            title
                .element(origin.char_column(fault.column))
                .element(snippet)
        };
        renderer.render(&[group])
    });
    drawn.collect::<Vec<_>>().join("\n\n")
}

/// The characters of a line with what could harm a terminal or a reader replaced, one for one, and secrets masked.
fn presentable(line: &str) -> Vec<char> {
    let mut masked = vec![false; line.len()];
    for range in secrets(line) {
        masked.get_mut(range).unwrap_or_default().fill(true);
    }
    let show = |(byte, character): (usize, char)| match character {
        _ if masked.get(byte).copied().unwrap_or(false) => '*',
        '\t' => ' ',
        // Direction marks can make a line read as something else than it is.
        '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => '\u{FFFD}',
        other if other.is_control() => '\u{FFFD}',
        other => other,
    };
    line.char_indices().map(show).collect()
}

/// Byte ranges of a line that hold a secret: values of keys that sound like one, user and query of a URL.
///
/// Faults reach logs and the API, and a file is often faulty exactly where a password was written.
fn secrets(line: &str) -> impl Iterator<Item = Range<usize>> {
    #[expect(
        clippy::expect_used,
        reason = "a constant expression that a test compiles"
    )]
    static SECRET: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(
            r#"(?i)(?<key>[\w-]*(?:pass|secret|token|credential|api[_-]?key)[\w-]*)["']?\s*:\s*(?<value>\S.*)|://(?<user>[^/\s@]+)@|://[^\s?"']+\?(?<query>[^\s"']+)"#,
        )
        .expect("the expression is valid")
    });
    SECRET.captures_iter(line).filter_map(|found| {
        let names_a_file = |key: regex::Match<'_>| key.as_str().ends_with("_file");
        if found.name("key").is_some_and(names_a_file) {
            return None;
        }
        let value = found.name("value").or(found.name("user"));
        Some(value.or(found.name("query"))?.range())
    })
}

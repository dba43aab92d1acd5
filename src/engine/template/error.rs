//! What can go wrong with a template, and where.

use std::fmt;

/// Why a template cannot be parsed or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The text is not a well-formed template.
    #[error("cannot parse template at {place}: {reason} at {text:?}")]
    Syntax {
        /// Where in the template.
        place: Place,
        /// The offending text.
        text: String,
        /// What is wrong with it and what is allowed.
        reason: String,
    },
    /// A name that is called is not a function.
    #[error(
        "cannot parse template at {place}: function {name:?} is not defined, allowed are {allowed}"
    )]
    UnknownFunction {
        /// Where in the template.
        place: Place,
        /// The name that was called.
        name: String,
        /// All functions, separated by commas.
        allowed: String,
    },
    /// A variable is used that nothing has declared.
    #[error(
        "cannot parse template at {place}: variable {name:?} is not defined, allowed are {allowed}"
    )]
    UndefinedVariable {
        /// Where in the template.
        place: Place,
        /// The variable with its `$`.
        name: String,
        /// The variables in scope, separated by commas.
        allowed: String,
    },
    /// An action failed while the template was rendered.
    #[error("cannot render template at {place}: {text}: {reason}")]
    Evaluate {
        /// Where in the template.
        place: Place,
        /// The action, as written.
        text: String,
        /// What failed.
        reason: String,
    },
    /// Rendering would take more than a template may.
    #[error(
        "cannot render template at {place}: {text}: more than {allowed} {limit} are not allowed"
    )]
    LimitExceeded {
        /// Where in the template.
        place: Place,
        /// The action, as written.
        text: String,
        /// What is limited, with its unit.
        limit: &'static str,
        /// The most that is allowed.
        allowed: usize,
    },
}

impl TemplateError {
    /// Where in the template the fault is.
    pub fn place(&self) -> Place {
        match self {
            Self::Syntax { place, .. }
            | Self::UnknownFunction { place, .. }
            | Self::UndefinedVariable { place, .. }
            | Self::Evaluate { place, .. }
            | Self::LimitExceeded { place, .. } => *place,
        }
    }

    /// The text that stands in for the output of a template that failed, as Prometheus writes it.
    pub fn placeholder(&self) -> String {
        format!("<error expanding template: {self}>")
    }
}

/// A position in a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Bytes from the start.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
}

impl Place {
    /// The position of a byte offset in `source`.
    pub(super) fn of(source: &str, offset: usize) -> Self {
        let before = source.get(..offset).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            offset: before.len(),
            line: 1 + before.matches('\n').count(),
            column: 1 + before
                .get(line_start..)
                .map_or(0, |line| line.chars().count()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// A fault inside a function, which does not know its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The function refused its arguments.
    Reason(String),
    /// The function would exceed a limit.
    Limit {
        /// What is limited, with its unit.
        limit: &'static str,
        /// The most that is allowed.
        allowed: usize,
    },
}

impl Fault {
    /// Gives the fault its place.
    pub(super) fn at(self, source: &str, span: Span) -> TemplateError {
        let place = Place::of(source, span.start);
        let text = span.text(source).to_owned();
        match self {
            Self::Reason(reason) => TemplateError::Evaluate {
                place,
                text,
                reason,
            },
            Self::Limit { limit, allowed } => TemplateError::LimitExceeded {
                place,
                text,
                limit,
                allowed,
            },
        }
    }
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Reason(reason)
    }
}

impl From<&str> for Fault {
    fn from(reason: &str) -> Self {
        Self::Reason(reason.to_owned())
    }
}

/// A stretch of a template, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    /// First byte.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
}

impl Span {
    /// The text of the stretch, without spaces around it.
    pub(super) fn text(self, source: &str) -> &str {
        source.get(self.start..self.end).unwrap_or("").trim()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let source = "ab\ncdé{{ x";
        let cases = [(0, 1, 1), (2, 1, 3), (3, 2, 1), (7, 2, 4), (99, 2, 8)];
        for (offset, line, column) in cases {
            let place = Place::of(source, offset);
            assert_eq!((place.line, place.column), (line, column), "at {offset}");
        }
    }
}

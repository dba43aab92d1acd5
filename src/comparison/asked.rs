//! What is asked for, as a query or on the command line.

use std::time::Duration;

use crate::engine::comparison::MIN_OPERATIONS;
use crate::engine::selector::Selector;
use crate::engine::window::Reach;
use crate::rulefile::{MAX_RUNS, read_window};

const ALLOWED: &str = "operation, by, window, min_operations, select";

/// What is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// Algorithms.
    #[default]
    Algorithm,
    /// Versions.
    Version,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The operation.
    pub operation: String,
    /// What of it is compared.
    pub by: By,
    /// How far back; `None` for all runs that are kept.
    pub window: Option<Reach>,
    /// Who has fewer operations is left out.
    pub min_operations: u64,
    /// Only series with these labels.
    pub select: Selector,
}

impl By {
    /// The label whose values are compared.
    pub fn label(self) -> &'static str {
        match self {
            Self::Algorithm => "algorithm",
            Self::Version => "version",
        }
    }
}

impl Asked {
    /// Reads names with their values, each at most once.
    ///
    /// # Errors
    /// The first that cannot be read, with what is allowed.
    pub fn parse(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, String> {
        let (mut operation, mut by, mut window, mut least, mut select) =
            (None, None, None, None, None);
        for (name, value) in pairs {
            let place = match name.as_str() {
                "operation" => &mut operation,
                "by" => &mut by,
                "window" => &mut window,
                "min_operations" => &mut least,
                "select" => &mut select,
                other => {
                    let shown: String = other.chars().take(60).collect();
                    return Err(format!("{shown:?} is no parameter; allowed are {ALLOWED}"));
                }
            };
            if place.replace(value).is_some() {
                return Err(format!("{name}: given twice"));
            }
        }
        Ok(Self {
            operation: operation
                .filter(|name| !name.is_empty())
                .ok_or("operation is missing: the name of the operation whose algorithms or versions are compared")?,
            by: match by.as_deref() {
                None | Some("algorithm") => By::Algorithm,
                Some("version") => By::Version,
                Some(other) => {
                    return Err(format!("by: {other:?} is none; allowed are algorithm, version"));
                }
            },
            window: window.as_deref().map(parse_window).transpose()?,
            min_operations: match least {
                None => MIN_OPERATIONS,
                Some(least) => (least.parse().ok().filter(|n| *n > 0)).ok_or_else(|| {
                    format!("min_operations: {least:?} is none; a whole number of at least 1 is allowed")
                })?,
            },
            select: (select.as_deref().map(Selector::parse).transpose())
                .map_err(|error| format!("select: {error}"))?
                .unwrap_or_default(),
        })
    }
}

/// A window as in rules, but not both a time and runs.
fn parse_window(text: &str) -> Result<Reach, String> {
    // What is older than what is kept is not there: that is no fault of the question.
    let reach = read_window(text, Duration::MAX).ok();
    let reach = reach.filter(|reach| !matches!(reach, Reach::AtLeast(..)));
    reach.ok_or_else(|| {
        format!(
            "window: {text:?} is none; a time such as 1h, or 1 to {MAX_RUNS} runs such as `50 runs`, is allowed"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rulefile::window_text;

    fn asked(pairs: &[(&str, &str)]) -> Result<Asked, String> {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Asked::parse(owned)
    }

    #[test]
    fn what_is_said_is_taken_and_the_rest_has_defaults() {
        let least = asked(&[("operation", "detect")]).unwrap();
        assert_eq!(
            (least.by, least.window, least.min_operations),
            (By::Algorithm, None, 3)
        );
        for (window, expected) in [
            ("1h", Reach::Time(Duration::from_secs(3_600))),
            ("50 runs", Reach::Runs(50)),
            ("1 run", Reach::Runs(1)),
        ] {
            let asked =
                asked(&[("operation", "a"), ("by", "version"), ("window", window)]).unwrap();
            assert_eq!((asked.by, asked.window), (By::Version, Some(expected)));
            assert_eq!(window_text(expected), window);
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_with_what_is_allowed() {
        for (pairs, expected) in [
            (vec![], "operation is missing"),
            (
                vec![("operation", "a"), ("by", "host")],
                "by: \"host\" is none; allowed are algorithm, version",
            ),
            (
                vec![("operation", "a"), ("window", "0 runs")],
                "window: \"0 runs\" is none; a time such as 1h",
            ),
            (
                vec![("operation", "a"), ("window", "soon")],
                "window: \"soon\" is none",
            ),
            (
                vec![("operation", "a"), ("min_operations", "0")],
                "min_operations: \"0\" is none",
            ),
            (
                vec![("operation", "a"), ("operation", "b")],
                "operation: given twice",
            ),
            (
                vec![("operation", "a"), ("metric", "b")],
                "\"metric\" is no parameter; allowed are operation, by",
            ),
            (
                vec![("operation", "a"), ("select", "{")],
                "select: cannot read selector",
            ),
        ] {
            let error = asked(&pairs).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}

//! Families of actions: what they came to, how long that took, and what is under way.

use super::family::{Family, Value};
use super::labels::{LabelText, Rendered};
use crate::engine::Engine;
use crate::engine::action::{Counts, Outcome};

/// One action.
#[derive(Debug)]
pub(super) struct ActionRow {
    name: String,
    counts: Counts,
    in_flight: usize,
}

impl ActionRow {
    /// Of each, by name.
    pub(super) fn all(engine: &Engine) -> Vec<Self> {
        let actions = engine.actions();
        let rows = actions.counts().map(|(name, counts)| Self {
            name: name.to_owned(),
            counts: counts.clone(),
            in_flight: actions.in_flight(name),
        });
        rows.collect()
    }

    fn labels(&self) -> Box<str> {
        LabelText::of([("action", self.name.as_str())]).into_boxed()
    }
}

pub(super) const FAMILIES: &[Family] = &[
    Family::counter(
        "opwatch_actions",
        "`action`, `outcome`",
        "Actions that have ended, by what they came to.",
        |page, emit| {
            for row in &page.snapshot.actions {
                for (outcome, count) in Outcome::ALL.iter().zip(row.counts.ended) {
                    let labels = [("action", row.name.as_str()), ("outcome", outcome.as_str())];
                    let labels = LabelText::of(labels).into_boxed();
                    emit(Rendered::new(&labels), Value::Count(count))?;
                }
            }
            Ok(())
        },
    ),
    Family::counter(
        "opwatch_actions_duration",
        "`action`",
        "Time from the request of an action to its end, probation included, of all that have ended together.",
        |page, emit| {
            for row in &page.snapshot.actions {
                let seconds = Value::Number(row.counts.seconds);
                emit(Rendered::new(&row.labels()), seconds)?;
            }
            Ok(())
        },
    )
    .seconds(),
    Family::counter(
        "opwatch_actions_failed_attempts",
        "`action`",
        "Attempts to request an action, or to ask what became of it, that failed and are made again.",
        |page, emit| {
            for row in &page.snapshot.actions {
                let attempts = Value::Count(row.counts.failed_attempts);
                emit(Rendered::new(&row.labels()), attempts)?;
            }
            Ok(())
        },
    ),
    Family::gauge(
        "opwatch_actions_in_flight",
        "`action`",
        "Actions that have been asked for and have not ended, those under probation included.",
        |page, emit| {
            for row in &page.snapshot.actions {
                let in_flight = Value::Count(row.in_flight as u64);
                emit(Rendered::new(&row.labels()), in_flight)?;
            }
            Ok(())
        },
    ),
];

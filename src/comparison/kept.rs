//! From a data directory, also while opwatch runs: what is in the log is measured anew, each at its own time.

use std::ops::ControlFlow;

use super::asked::Asked;
use super::body::ComparisonBody;
use super::select::{Missing, find};
use crate::engine::admission::{Batch, MAX_AHEAD};
use crate::engine::comparison::{Candidate, compare};
use crate::engine::saved::admitted_from_bytes;
use crate::engine::time::{Now, Timestamp};
use crate::engine::window::Reach;
use crate::engine::{Engine, Settings};
use crate::storage::Database;

/// Why a data directory has no answer.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The operation is not in it.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// It cannot be read.
    #[error("cannot read the database: {0}")]
    Unreadable(#[from] rusqlite::Error),
}

/// Compares by what a database keeps; and how many groups of measurements could not be read.
///
/// # Errors
/// When it cannot be read, or the operation is not in it.
pub fn compare_kept(
    database: &Database,
    asked: &Asked,
    now: Timestamp,
) -> Result<(ComparisonBody, u64), KeptError> {
    let since = match asked.window {
        Some(Reach::Time(span)) => now.before(span).before(MAX_AHEAD),
        _ => Timestamp::from_millis(i64::MIN),
    };
    let mut settings = Settings::default();
    if let Some(Reach::Runs(runs)) = asked.window {
        settings.store.max_history = runs as usize;
    }
    let (mut engine, mut reached, mut unreadable) = (None, Timestamp::default(), 0);
    database.page_through(since, |group| {
        let batches = (group.body.ok()).and_then(|body| admitted_from_bytes(&body).ok());
        unreadable += u64::from(batches.is_none());
        for taken in batches.into_iter().flatten().flat_map(|batch| batch.taken) {
            if taken.measurement.key.operation() != asked.operation {
                continue;
            }
            // Its own time is now, so that what was imported late is a run like any other.
            reached = reached.max(taken.at);
            let at = moment(reached);
            let engine = engine.get_or_insert_with(|| Engine::new(settings.clone(), at));
            let mut measurement = taken.measurement;
            measurement.at = Some(taken.at);
            // An id has been looked at before it was kept.
            measurement.id = None;
            let batch = Batch {
                origin: None,
                records: vec![Ok(measurement)],
            };
            let (admitted, _) = engine.admit(batch, at);
            engine.apply(&admitted, at);
        }
        ControlFlow::Continue(())
    })?;
    let engine = engine.unwrap_or_else(|| Engine::new(Settings::default(), moment(now)));
    let store = engine.store();
    let found = find(store, asked)?;
    let candidates = found.candidates.iter().map(|(name, ids)| {
        let mut candidate = Candidate {
            name: name.clone(),
            windows: Vec::new(),
        };
        for metric in &found.metrics {
            found.add(&mut candidate, ids, metric, store, now);
        }
        candidate
    });
    let comparison = compare(candidates.collect(), asked.min_operations);
    Ok((
        ComparisonBody::new(asked, found.reach, &comparison),
        unreadable,
    ))
}

/// That time on both clocks.
fn moment(at: Timestamp) -> Now {
    Now {
        wall: at,
        steady: at.since(Timestamp::default()),
    }
}

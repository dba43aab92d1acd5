//! Measurements from a file into a store: in batches, each record with its own end time, each refusal with its place.

mod local;
mod remote;

use std::collections::BTreeMap;
use std::io::BufRead;
use std::ops::ControlFlow;

use super::remote::RemoteError;
use crate::clock::Clock;
use crate::engine::admission::{Answer, LATE_AFTER};
use crate::engine::measurement::Measurement;
use crate::engine::series::FieldFault;
use crate::export::{Fault, Form, Place, ReadError, read};
pub use local::{Local, LocalError};
pub use remote::Taker;

/// Records of a batch.
const BATCH: usize = 1_000;
/// Fields by which refusals are counted; those of further ones are counted together.
const MAX_FIELDS: usize = 50;

/// Where an import goes.
pub enum Target {
    /// To a data directory that no opwatch uses.
    Local(Box<Local>),
    /// To a running opwatch.
    Remote(Box<Taker>),
}

/// Why an import did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The rest of the input cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The data directory cannot be written to.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The running opwatch takes nothing more.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

/// What came of an import.
#[derive(Debug, Default)]
pub struct Imported {
    /// Records that were read.
    pub records: u64,
    /// The first of them that were left out, as was asked for.
    pub skipped: u64,
    /// So many, from the first on, have been decided over: where to go on after a failure.
    pub decided: u64,
    /// Those that count from now on.
    pub accepted: u64,
    /// Those with an id that had been taken before.
    pub duplicates: u64,
    /// Of the accepted, those too old to be recent runs.
    pub late: u64,
    /// Those that were refused, by field; those where the whole record is at fault are under an empty name.
    pub refused: BTreeMap<String, u64>,
    /// Values of an export of the guide for which a measurement has no place.
    pub left_out: u64,
    /// Measurements that share a series because there are too many; known of a data directory only.
    pub overflow: u64,
    /// Groups of measurements that went from the log early, to make room; known of a data directory only.
    pub dropped: u64,
}

impl Imported {
    /// How many were refused.
    pub fn refused(&self) -> u64 {
        self.refused.values().sum()
    }

    fn refuse(&mut self, field: &str) {
        let is_known = self.refused.contains_key(field) || self.refused.len() < MAX_FIELDS;
        let name = if is_known { field } else { "other fields" };
        *self.refused.entry(name.to_owned()).or_default() += 1;
    }
}

/// Reads `input` and hands what is in it, but for the first `skip` records, to `target`. Each refusal is told to `tell`.
///
/// What came of it is given also where it did not come to its end, because what was accepted by then counts.
pub fn run(
    input: impl BufRead,
    form: Form,
    taken: &[String],
    skip: u64,
    mut target: Target,
    tell: impl FnMut(&Fault),
) -> (Imported, Result<(), ImportError>) {
    let mut run = Run {
        target: &mut target,
        tell,
        skip,
        places: Vec::with_capacity(BATCH),
        batch: Vec::with_capacity(BATCH),
        imported: Imported::default(),
        failed: None,
        clock: Clock::start(),
    };
    let tally = read(input, form, taken, |place, record| run.take(place, record));
    if run.failed.is_none() {
        run.flush();
    }
    let Run {
        mut imported,
        failed,
        ..
    } = run;
    if let Ok(tally) = &tally {
        imported.left_out = tally.left_out;
    }
    let outcome = match failed {
        Some(failed) => Err(failed),
        None => tally.map(drop).map_err(ImportError::from),
    };
    // Also after a failure: what was accepted is to be found saved.
    let closed = match target {
        Target::Local(local) => local.close(&mut imported).map_err(ImportError::from),
        Target::Remote(_) => Ok(()),
    };
    (imported, outcome.and(closed))
}

struct Run<'t, T> {
    target: &'t mut Target,
    tell: T,
    skip: u64,
    batch: Vec<Measurement>,
    /// Of each of the batch.
    places: Vec<Place>,
    imported: Imported,
    failed: Option<ImportError>,
    clock: Clock,
}

impl<T: FnMut(&Fault)> Run<'_, T> {
    fn take(&mut self, place: Place, record: Result<Measurement, FieldFault>) -> ControlFlow<()> {
        self.imported.records += 1;
        if place.record <= self.skip {
            self.imported.skipped += 1;
            self.imported.decided += 1;
            return ControlFlow::Continue(());
        }
        match record {
            // A running opwatch takes the time of receipt, which for history is never right.
            Ok(measurement) if measurement.at.is_none() => {
                let reason =
                    "is missing; the end of each operation is needed: RFC 3339 or Unix seconds";
                self.refuse(place, FieldFault::new("timestamp", reason));
            }
            Ok(measurement) => {
                self.batch.push(measurement);
                self.places.push(place);
            }
            Err(fault) => self.refuse(place, fault),
        }
        if self.batch.len() >= BATCH {
            self.flush();
        }
        match self.failed {
            None => ControlFlow::Continue(()),
            Some(_) => ControlFlow::Break(()),
        }
    }

    fn refuse(&mut self, place: Place, fault: FieldFault) {
        self.imported.refuse(&fault.field);
        (self.tell)(&Fault { place, fault });
    }

    /// Hands the batch on, if there is anything in it.
    fn flush(&mut self) {
        let (batch, places) = (
            std::mem::take(&mut self.batch),
            std::mem::take(&mut self.places),
        );
        if batch.is_empty() {
            return;
        }
        let recent_from = self.clock.now().wall.before(LATE_AFTER);
        let is_late = |measurement: &Measurement| measurement.at.is_some_and(|at| at < recent_from);
        let late: Vec<bool> = batch.iter().map(is_late).collect();
        let answer = match &mut self.target {
            Target::Local(local) => local.take(batch).map_err(ImportError::from),
            Target::Remote(taker) => taker.take(&batch).map_err(ImportError::from),
        };
        match answer {
            Ok(answer) => {
                self.imported.decided = places.last().map_or(0, |place| place.record);
                self.note(answer, &places, late);
            }
            Err(error) => self.failed = Some(error),
        }
    }

    fn note(&mut self, answer: Answer, places: &[Place], mut late: Vec<bool>) {
        self.imported.accepted += answer.accepted.saturating_sub(answer.duplicates);
        self.imported.duplicates += answer.duplicates;
        for (index, fault) in answer.rejected {
            if let Some(late) = late.get_mut(index) {
                *late = false;
            }
            if let Some(place) = places.get(index) {
                self.refuse(*place, fault);
            }
        }
        let late = late.into_iter().filter(|late| *late).count();
        self.imported.late += u64::try_from(late).unwrap_or_default();
    }
}

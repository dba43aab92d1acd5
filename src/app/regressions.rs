//! What a comparison is made of: measurements from files or a data directory, baselines from either, or the answer of a
//! running opwatch.

use std::io::BufRead;
use std::ops::ControlFlow;
use std::time::Duration;

use serde::Deserialize;

use super::remote::{Remote, RemoteError, with_query};
use crate::engine::baseline::Baselines;
use crate::engine::measurement::Measurement;
use crate::engine::metric::Metric;
use crate::engine::series::Labels;
use crate::engine::time::{Now, Timestamp};
use crate::engine::{Engine, Settings};
use crate::export::{Fault, Filter, Form, ReadError, read, read_kept};
use crate::regressions::{Body, Findings, Question, Set, compare_with_pinned};
use crate::storage::{Database, Kind};

/// Where a running opwatch compares.
const PATH: &str = "/api/v1/regressions";

/// Reads the measurements of a file, in the order of their time; those that say none come first, as they stand. What is
/// wrong with a record is told to `tell`, and the others go on.
///
/// # Errors
/// What makes the rest unreadable.
pub fn measurements(
    input: impl BufRead,
    form: Form,
    tell: &mut dyn FnMut(&Fault),
) -> Result<Vec<Measurement>, ReadError> {
    let mut measurements = Vec::new();
    read(input, form, &[], |place, record| {
        match record {
            Ok(measurement) => measurements.push(measurement),
            Err(fault) => tell(&Fault { place, fault }),
        }
        ControlFlow::Continue(())
    })?;
    // Stable, so that what came at the same time stays in its order.
    measurements.sort_by_key(|measurement| measurement.at);
    Ok(measurements)
}

/// What a database keeps, compared with a baseline that it keeps.
#[derive(Debug)]
pub struct Kept {
    /// The findings; `None` where there is no baseline of that name.
    pub findings: Option<Findings>,
    /// Whether anything was measured in that time.
    pub has_recent: bool,
    /// Parts that could not be read, and were left out.
    pub unreadable: u64,
}

/// Compares what a database keeps from the last `window` with a baseline that was set.
pub fn compare_kept(
    database: &Database,
    question: &Question,
    name: &str,
    window: Duration,
    now: Timestamp,
) -> Kept {
    let (baselines, lost) = baselines_of(database, now);
    let filter = Filter {
        from: Some(now.before(window)),
        to: Some(now),
        operation: None,
    };
    let mut recent = Vec::new();
    let unreadable = read_kept(database, &filter, |at, measurement| {
        recent.push(Measurement {
            at: Some(at),
            ..measurement
        });
        ControlFlow::Continue(())
    });
    recent.sort_by_key(|measurement| measurement.at);
    let set = Set::of(question, &recent);
    let instances = set.keys().cloned().collect();
    let current = |labels: &Labels, metric: &Metric, scale, after| {
        let key = (labels.clone(), metric.to_string());
        set.get(&key)?.cohort(scale, after)
    };
    Kept {
        findings: compare_with_pinned(question, &baselines, name, &instances, current),
        has_recent: !set.is_empty(),
        unreadable: unreadable + lost,
    }
}

/// The baselines that a database keeps, and how many of them cannot be read.
fn baselines_of(database: &Database, now: Timestamp) -> (Baselines, u64) {
    let now = Now {
        wall: now,
        steady: Duration::ZERO,
    };
    let mut engine = Engine::new(Settings::default(), now);
    let mut lost = 0;
    let read = database.state(|row| {
        if row.kind == Kind::Baseline {
            let restored =
                (row.body.ok().flatten()).is_none_or(|body| engine.restore_baseline(&body).is_ok());
            lost += u64::from(!restored);
        }
    });
    (
        engine.baselines().as_ref().clone(),
        lost + u64::from(read.is_err()),
    )
}

#[derive(Deserialize)]
struct Data {
    comparison: Option<Body>,
}

/// Asks a running opwatch to compare; names and values of `question` say what.
///
/// # Errors
/// When there is no good answer.
pub fn ask(
    remote: &Remote,
    question: Vec<(&'static str, String)>,
) -> Result<Findings, RemoteError> {
    let data: Data = remote.get(&with_query(PATH, question))?;
    let body = data.comparison;
    let body = body.ok_or_else(|| remote.foreign("there is no comparison in it"))?;
    body.read()
        .ok_or_else(|| remote.foreign("a status in it is not known"))
}

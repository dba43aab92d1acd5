//! Which series are compared.

use std::collections::BTreeMap;

use super::asked::Asked;
use crate::engine::comparison::{Candidate, metrics};
use crate::engine::metric::Metric;
use crate::engine::series::OWN_OPERATION;
use crate::engine::store::{SeriesId, Store};
use crate::engine::time::Timestamp;
use crate::engine::window::Reach;

/// Who is compared by what.
#[derive(Clone, Debug)]
pub struct Found {
    /// The series of each, by name.
    pub candidates: BTreeMap<String, Vec<SeriesId>>,
    /// What is looked at.
    pub metrics: Vec<Metric>,
    /// How far back.
    pub reach: Reach,
}

/// An operation that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no operation {operation:?} has been measured; there are: {}", listed(.known))]
pub struct Missing {
    operation: String,
    known: Vec<String>,
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        _ => names.join(", "),
    }
}

/// Finds the series that are meant. Overflow series are left out: in them everybody is mixed.
///
/// # Errors
/// When the operation has never been measured.
pub fn find(store: &Store, asked: &Asked) -> Result<Found, Missing> {
    let mut candidates: BTreeMap<String, Vec<SeriesId>> = BTreeMap::new();
    let (mut all, mut is_known) = (Vec::new(), false);
    for (id, series) in store.series_of(&asked.operation) {
        is_known = true;
        let key = &series.key;
        if !key.is_overflow() && asked.select.matches(|name| key.get(name)) {
            let name = key.get(asked.by.label()).to_owned();
            candidates.entry(name).or_default().push(id);
            all.push(id);
        }
    }
    if !is_known {
        let keys = store.series().map(|(_, series)| series.key.operation());
        let mut known: Vec<&str> = keys.filter(|name| *name != OWN_OPERATION).collect();
        known.sort_unstable();
        known.dedup();
        return Err(Missing {
            operation: asked.operation.clone(),
            known: known.into_iter().take(20).map(str::to_owned).collect(),
        });
    }
    let runs = u32::try_from(store.settings().max_history).unwrap_or(u32::MAX);
    Ok(Found {
        candidates,
        metrics: metrics(store, &all),
        reach: asked.window.unwrap_or(Reach::Runs(runs)),
    })
}

impl Found {
    /// What was measured of one of them by one metric.
    pub fn add(
        &self,
        candidate: &mut Candidate,
        ids: &[SeriesId],
        metric: &Metric,
        store: &Store,
        now: Timestamp,
    ) {
        if let Some(column) = store.column(metric) {
            let window = store.window(ids, column, self.reach, true, now);
            candidate.windows.push((metric.clone(), window));
        }
    }
}

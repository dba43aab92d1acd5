//! Baselines that a test sets: as numbers, or of what was measured by then.

use std::time::Duration;

use super::wire;
use crate::document::Place;
use crate::engine::baselines::Wanted;
use crate::engine::store::StoreSettings;
use crate::engine::time::Now;
use crate::forms::baselines::{self, Form};
use crate::rulefile::{Checker, Surroundings};

/// What is to be set, when, and where that is written.
pub(super) type Timed = (Duration, Wanted, Place);

/// All baselines of a test in the order of time.
pub(super) fn baselines(test: &wire::Test, place: &Place, checker: &mut Checker<'_>) -> Vec<Timed> {
    let mut all = Vec::new();
    for (index, written) in test.baselines.iter().enumerate() {
        let place = place.key("baselines").index(index);
        let at = written.at.map_or(Duration::ZERO, |at| at.0);
        let around = baselines::Surroundings {
            now: Now::invented(at).wall,
            retention: Surroundings::default().retention,
            max_history: StoreSettings::default().max_history,
        };
        match baselines::wanted(&form(written), around) {
            Ok(wanted) => all.push((at, wanted, place)),
            Err(fault) => checker.fault(&place.key(&fault.field), fault.reason),
        }
    }
    // Stable: of those that are set at the same time the last one counts.
    all.sort_by_key(|(at, ..)| *at);
    all
}

fn form(written: &wire::Baseline) -> Form {
    Form {
        name: written.name.clone(),
        metric: written.metric.clone(),
        labels: written.labels.clone(),
        value: written.value,
        sd: written.sd,
        select: written.select.clone(),
        by: written.by.clone(),
        window: written.window.clone(),
        ..Form::default()
    }
}

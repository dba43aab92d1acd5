//! What an alert has found so far, as the API says it.

use serde::Serialize;

use crate::engine::tally::Tally;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TallyBody {
    /// Evaluations that found it by new data.
    evaluations: u64,
    /// Values that had come by these; 0 where the condition does not go by single values.
    values: u64,
    first_seen: String,
    last_seen: String,
    worst: Option<f64>,
}

impl TallyBody {
    pub(super) fn of(tally: Tally) -> Self {
        Self {
            evaluations: tally.evaluations,
            values: tally.values,
            first_seen: tally.first.to_string(),
            last_seen: tally.last.to_string(),
            worst: tally.worst,
        }
    }
}

//! What an alert has found so far, as the API and webhooks say it.

use serde::Serialize;

use crate::engine::tally::Tally;

/// How often it was found, when first and last, and the worst of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TallyBody {
    /// Evaluations that found it by new data.
    evaluations: u64,
    /// Values that had come by these; 0 where the condition does not go by single values.
    values: u64,
    first_seen: String,
    last_seen: String,
    worst: Option<f64>,
}

impl TallyBody {
    /// Of an alert.
    pub fn of(tally: Tally) -> Self {
        Self {
            evaluations: tally.evaluations,
            values: tally.values,
            first_seen: tally.first.to_string(),
            last_seen: tally.last.to_string(),
            worst: tally.worst,
        }
    }
}

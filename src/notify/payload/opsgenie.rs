//! Opsgenie: one alert for each group, created while any of its alerts fires and closed when all have ended.
//!
//! Form and bounds: <https://docs.opsgenie.com/docs/alert-api>.

use serde_json::{Map, Value, json};

use super::cut;
use super::outline::{Outline, Told};
use crate::engine::rule::Severity;

const MOST_ALERTS: usize = 50;
const MOST_MESSAGE: usize = 130;
const MOST_DESCRIPTION: usize = 15_000;
const MOST_DETAIL: usize = 500;
const MOST_ENTITY: usize = 512;

/// The path below the address of the API, and the body.
pub(super) fn request(outline: &Outline<'_>) -> (String, Value) {
    let key = outline.key();
    if !outline.is_firing {
        let path = format!("/v2/alerts/{key}/close?identifierType=alias");
        return (path, json!({"source": "opwatch", "note": outline.subject}));
    }
    let (alerts, left_out) = outline.most(MOST_ALERTS);
    let mut texts: Vec<String> = alerts.map(Told::text).collect();
    texts.extend(Outline::more(left_out));
    let labels = outline.notification.group_labels.iter();
    let details: Map<String, Value> = labels
        .map(|(name, value)| (name.to_owned(), cut(value, MOST_DETAIL).into()))
        .collect();
    let severity = outline.severity.map_or("none", Severity::as_str);
    let body = json!({
        "message": cut(&outline.subject, MOST_MESSAGE),
        "alias": key,
        "description": cut(&texts.join("\n\n"), MOST_DESCRIPTION),
        "details": details,
        "entity": cut(outline.shared("operation").unwrap_or("opwatch"), MOST_ENTITY),
        "source": "opwatch",
        "tags": ["opwatch", severity],
        "priority": priority(outline.severity),
    });
    ("/v2/alerts".to_owned(), body)
}

fn priority(severity: Option<Severity>) -> &'static str {
    match severity {
        Some(Severity::Critical) => "P1",
        Some(Severity::High) => "P2",
        Some(Severity::Medium) | None => "P3",
        Some(Severity::Low) => "P4",
    }
}

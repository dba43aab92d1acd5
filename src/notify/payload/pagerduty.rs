//! PagerDuty: one alert for each group, triggered while any of its alerts fires and resolved when all have ended.
//!
//! Form and bounds: <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>.

use serde_json::{Map, Value, json};

use super::cut;
use super::outline::Outline;
use crate::engine::rule::Severity;
use crate::secret::Secret;

/// Alerts whose details are in an event; it may have 512 KB.
const MOST_ALERTS: usize = 50;
const MOST_SUMMARY: usize = 1_024;
const MOST_DETAILS: usize = 4_000;

pub(super) fn body(outline: &Outline<'_>, routing_key: &Secret) -> Value {
    if !outline.is_firing {
        return json!({
            "routing_key": routing_key.expose(),
            "event_action": "resolve",
            "dedup_key": outline.key(),
        });
    }
    let (alerts, left_out) = outline.most(MOST_ALERTS);
    let mut details: Map<String, Value> = (1..)
        .zip(alerts)
        .map(|(number, told)| {
            (
                format!("alert {number:02}"),
                cut(&told.text(), MOST_DETAILS).into(),
            )
        })
        .collect();
    details.extend(Outline::more(left_out).map(|more| ("more".to_owned(), more.into())));
    let labels = outline.notification.group_labels.as_map();
    details.insert("group".to_owned(), json!(labels));
    let source = match outline.external_url {
        "" => "opwatch",
        url => url,
    };
    let mut payload = json!({
        "summary": cut(&outline.subject, MOST_SUMMARY),
        "source": source,
        "severity": severity(outline.severity),
        "timestamp": outline.began().to_string(),
        "custom_details": details,
    });
    let first = outline.alerts.first().map(|told| told.alert.alert_type);
    let known = [
        ("component", outline.shared("operation")),
        ("group", outline.shared("algorithm")),
        ("class", first),
    ];
    if let Some(payload) = payload.as_object_mut() {
        let known =
            (known.into_iter()).filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        payload.extend(known);
    }
    let links: Vec<Value> = (outline.alerts.first().iter())
        .filter_map(|told| Some((told.link()?, &told.account.title)))
        .map(|(link, title)| json!({"href": link, "text": title}))
        .collect();
    let mut event = json!({
        "routing_key": routing_key.expose(),
        "event_action": "trigger",
        "dedup_key": outline.key(),
        "client": "opwatch",
        "payload": payload,
        "links": links,
    });
    if let (false, Some(event)) = (outline.external_url.is_empty(), event.as_object_mut()) {
        event.insert("client_url".to_owned(), outline.external_url.into());
    }
    event
}

fn severity(severity: Option<Severity>) -> &'static str {
    match severity {
        Some(Severity::Critical) => "critical",
        Some(Severity::High) => "error",
        Some(Severity::Medium) | None => "warning",
        Some(Severity::Low) => "info",
    }
}

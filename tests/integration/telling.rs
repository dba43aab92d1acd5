//! What tests of who hears of what share: a rule, runs that it judges, what was told, and what was held back.

use serde_json::{Value, json};

use crate::peers::Peer;
use crate::sidecar::{Sidecar, wait_for};

/// Where webhooks and mails arrive; `None` where there is no Python.
pub fn sinks() -> Option<(Peer, Peer)> {
    let webhook = Peer::python("webhook_sink.py", &[])?;
    Some((webhook, Peer::python("smtp_sink.py", &[])?))
}

/// A rule file with the rule `Slow` alone, which is judged every second.
pub fn rules(threshold: &str) -> String {
    format!(
        "\
groups:
  - name: g
    interval: 1s
    rules:
      - alert: Slow
        threshold: {threshold}
"
    )
}

/// One run of an operation.
pub fn ran(sidecar: &Sidecar, operation: &str, seconds: f64) {
    let one = json!({"operation": operation, "duration_seconds": seconds});
    sidecar.measure(&one.to_string());
}

/// A run that is slower than any of these rules allow.
pub fn slow(sidecar: &Sidecar, operation: &str) {
    ran(sidecar, operation, 2.0);
}

/// One run, and waits until the alert of that operation is as that says.
pub fn ran_until(sidecar: &Sidecar, operation: &str, seconds: f64, fires: bool) {
    ran(sidecar, operation, seconds);
    wait_for("the alert to begin or to end", || {
        (alert(sidecar, operation).is_some() == fires).then_some(())
    });
}

/// The alert of an operation, as the API has it.
pub fn alert(sidecar: &Sidecar, operation: &str) -> Option<Value> {
    let alerts = sidecar.data("/api/v1/alerts")["alerts"].clone();
    let mut alerts = alerts.as_array().unwrap().iter();
    let found = alerts.find(|one| one["labels"]["operation"] == operation);
    found.cloned()
}

/// The alerts that the webhook was told, in order.
pub fn told_alerts(webhook: &Peer) -> Vec<Value> {
    let bodies = webhook.received().into_iter();
    let alerts = bodies.flat_map(|one| one["json"]["alerts"].as_array().unwrap().clone());
    alerts.collect()
}

/// Their operations.
pub fn told(webhook: &Peer) -> Vec<String> {
    let alerts = told_alerts(webhook).into_iter();
    alerts
        .map(|alert| alert["labels"]["operation"].as_str().unwrap().to_owned())
        .collect()
}

/// How often alerts were held back for that reason.
pub fn held_back(sidecar: &Sidecar, reason: &str) -> f64 {
    let series = format!("opwatch_alerts_held_back_total{{reason=\"{reason}\"}}");
    sidecar.metric(&series).unwrap()
}

/// Waits until alerts have been held back so many times more.
pub fn wait_held_back(sidecar: &Sidecar, reason: &str, more: f64) {
    let before = held_back(sidecar, reason);
    wait_for("alerts to be held back", || {
        (held_back(sidecar, reason) >= before + more).then_some(())
    });
}

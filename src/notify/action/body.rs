//! What a request says: a tree of templates, or what most programs need to know.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::engine::action::Order;
use crate::engine::dispatch::{Notification, NotifyReason};
use crate::engine::series::Labels;
use crate::engine::template::Value;
use crate::notify::payload::{Tree, data, v4};

/// The body of a request, the same at every attempt.
///
/// # Errors
/// The template that cannot be rendered, and why.
pub(super) fn of(
    tree: Option<&Tree>,
    order: &Order,
    external_url: &str,
    callback: &str,
) -> Result<Json, String> {
    let notification = notification(order);
    let Some(tree) = tree else {
        let told = v4::body(&notification, external_url, 0).map_err(|error| error.to_string())?;
        return Ok(json!({
            "key": order.key,
            "action": order.action,
            "rule": order.rule,
            "identity": order.identity.as_map(),
            "since": order.since.to_string(),
            "requestedAt": order.at.to_string(),
            "callback": callback,
            "alert": told.pointer("/alerts/0"),
        }));
    };
    let text = |text: &str| Value::String(Arc::from(text));
    let data = Value::record([
        ("Key", text(&order.key)),
        ("Action", text(&order.action)),
        ("Rule", text(&order.rule)),
        ("Identity", Value::strings(order.identity.iter())),
        ("Since", text(&order.since.to_string())),
        ("Callback", text(callback)),
        ("ExternalURL", text(external_url)),
        ("Alert", data::alert(&order.alert, &notification)),
    ]);
    tree.fill(data, external_url)
}

/// The alert of a request as if it was told by itself.
fn notification(order: &Order) -> Notification {
    Notification {
        id: order.key.clone(),
        receiver: order.action.clone(),
        integration: 0,
        group_key: String::new(),
        group_labels: Labels::default(),
        alerts: vec![order.alert.clone()],
        incidents: Vec::new(),
        courses: Vec::new(),
        reason: NotifyReason::First,
        remarks: BTreeMap::new(),
        escalation: None,
        at: order.at,
    }
}

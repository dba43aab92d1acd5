//! What a message says of incidents above the alerts.

use super::{amount, moment};
use crate::engine::dispatch::Notification;
use crate::engine::incident::Tale;
use crate::engine::time::Timestamp;
use crate::forms::incidents::id;

/// A line on the incidents that a message tells of; nothing for one that is a single alert, which speaks for itself.
pub(super) fn head(notification: &Notification) -> Option<String> {
    let tales = &notification.incidents;
    let is_one_alert = tales.len() == 1 && tales.iter().all(|tale| tale.alerts < 2);
    if tales.is_empty() || is_one_alert {
        return None;
    }
    let each: Vec<String> = tales.iter().map(|tale| of(tale, notification.at)).collect();
    Some(format!(
        "{}: {}",
        counted(tales.len(), "incident"),
        each.join("; ")
    ))
}

/// `5 alerts of 3 operations since 2026-01-31 14:03:00 UTC (4m 0s), 2 of them still fire, incident 00000000000000b2`.
fn of(tale: &Tale, at: Timestamp) -> String {
    let mut text = counted(tale.alerts, "alert");
    if tale.operations > 0 {
        text += &format!(" of {}", counted(tale.operations, "operation"));
    }
    let since = moment(tale.since);
    match tale.ended_at {
        None => {
            let lasted = amount::span(at.since(tale.since));
            text += &format!(" since {since} ({lasted})");
            if tale.firing < tale.alerts {
                let verb = if tale.firing == 1 { "fires" } else { "fire" };
                text += &format!(", {} of them still {verb}", tale.firing);
            }
        }
        Some(ended) => {
            let lasted = amount::span(ended.since(tale.since));
            text += &format!(" from {since} to {}, over after {lasted}", moment(ended));
        }
    }
    text + &format!(", incident {}", id(tale.id))
}

fn counted(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

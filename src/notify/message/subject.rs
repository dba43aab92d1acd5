//! The subject of a message: one line that says what it is about before it is opened.

use super::{common, line, reason};
use crate::engine::dispatch::{Announced, Notification};
use crate::engine::series::Labels;

/// Most characters of a subject.
const MOST_CHARACTERS: usize = 200;

/// The subject as Alertmanager writes it: `[FIRING:1] DetectionSlow detect (high)`.
///
/// Status and number of firing alerts, the values of the group's labels, and in parentheses those of further labels that all
/// alerts share (`template/default.tmpl`, `__subject`).
pub fn subject(notification: &Notification) -> String {
    let firing = notification.alerts.iter().filter(|a| a.is_firing()).count();
    let status = match firing {
        0 => "[RESOLVED]".to_owned(),
        _ => format!("[FIRING:{firing}]"),
    };
    let group = &notification.group_labels;
    let mut parts = vec![status];
    parts.extend(names_first(group).map(|(_, value)| words(value)));
    let shared = common(notification.alerts.iter().map(|alert| &alert.labels));
    let others = shared.iter().filter(|(name, _)| group.get(name).is_empty());
    let others: Vec<String> = others.map(|(_, value)| words(value)).collect();
    let others: Vec<String> = others.into_iter().filter(|one| !one.is_empty()).collect();
    if !others.is_empty() {
        parts.push(format!("({})", others.join(" ")));
    }
    // Alerts of other groups of the same incident are told here as well.
    let is_of_group = |alert: &Announced| group.iter().all(|(n, v)| alert.labels.get(n) == v);
    if !notification.alerts.iter().all(|alert| is_of_group(alert)) {
        parts.push("and others".to_owned());
    }
    parts.retain(|part| !part.is_empty());
    if let (Some(why), Some(last)) = (reason::subject(notification), parts.last_mut()) {
        *last += &format!(": {why}");
    }
    shortened(parts.join(" "))
}

/// A text as words of one line, whatever is in it.
fn words(text: &str) -> String {
    let line = line(text);
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A subject that servers take and people read.
fn shortened(subject: String) -> String {
    if subject.chars().count() <= MOST_CHARACTERS {
        return subject;
    }
    let most = subject.chars().take(MOST_CHARACTERS - 1);
    most.chain(['…']).collect()
}

/// Labels in the order of names, but the alert's name first, as Alertmanager sorts them.
fn names_first(labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    let (first, rest): (Vec<_>, Vec<_>) = labels.iter().partition(|(name, _)| *name == "alertname");
    first.into_iter().chain(rest)
}

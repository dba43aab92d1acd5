//! What a webhook posts: Alertmanager's body, the form of a service that people use, or a tree of templates.

pub(super) mod data;
mod discord;
mod opsgenie;
mod outline;
mod pagerduty;
mod slack;
mod teams;
#[cfg(test)]
mod tests;
mod tree;
pub(super) mod v4;

use serde::Deserialize;
use serde_json::Value;

use self::outline::Outline;
pub use self::tree::Tree;
use crate::engine::dispatch::Notification;
use crate::secret::Secret;

/// The services whose form of message is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// An incoming webhook of Slack, or of what understands the same.
    Slack,
    /// A workflow of Microsoft Teams that posts adaptive cards.
    Teams,
    /// A webhook of Discord.
    Discord,
    /// PagerDuty's Events API v2.
    PagerDuty,
    /// Opsgenie's Alert API.
    Opsgenie,
}

/// What is posted, and below which path of the webhook's URL.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// What follows the path of the URL; mostly nothing.
    pub path: String,
    /// The body.
    pub body: Value,
}

impl Preset {
    /// As the configuration names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::Discord => "discord",
            Self::PagerDuty => "pagerduty",
            Self::Opsgenie => "opsgenie",
        }
    }

    /// Where the service is, where everybody reaches it under the same address.
    pub fn url(self) -> Option<&'static str> {
        match self {
            Self::Slack | Self::Teams | Self::Discord => None,
            Self::PagerDuty => Some("https://events.pagerduty.com/v2/enqueue"),
            Self::Opsgenie => Some("https://api.opsgenie.com"),
        }
    }

    /// Whether it keeps one thing for each group and closes it when the group has ended.
    pub fn is_by_group(self) -> bool {
        match self {
            Self::Slack | Self::Teams | Self::Discord => false,
            Self::PagerDuty | Self::Opsgenie => true,
        }
    }

    /// Whether messages have the key of an integration in their body.
    pub fn needs_routing_key(self) -> bool {
        self == Self::PagerDuty
    }

    /// A notification as the service takes it; with at most `max_alerts` alerts where that is not 0.
    pub fn payload(
        self,
        notification: &Notification,
        external_url: &str,
        max_alerts: usize,
        routing_key: &Secret,
    ) -> Payload {
        let outline = Outline::of(notification, external_url, max_alerts);
        let (path, body) = match self {
            Self::Slack => (String::new(), slack::body(&outline)),
            Self::Teams => (String::new(), teams::body(&outline)),
            Self::Discord => (String::new(), discord::body(&outline)),
            Self::PagerDuty => (String::new(), pagerduty::body(&outline, routing_key)),
            Self::Opsgenie => opsgenie::request(&outline),
        };
        Payload { path, body }
    }
}

/// As many characters of a text as a service takes, the last of them an ellipsis where some are cut off.
fn cut(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

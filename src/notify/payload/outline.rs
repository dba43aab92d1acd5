//! What every service is told of a notification, before it has the form of one of them.

use crate::engine::dispatch::{Announced, Notification};
use crate::engine::rule::Severity;
use crate::engine::series::Fnv1a;
use crate::engine::time::Timestamp;
use crate::notify::message::{self, Account};

/// A notification in words.
pub(super) struct Outline<'a> {
    pub(super) notification: &'a Notification,
    /// One line.
    pub(super) subject: String,
    /// Address of this opwatch; empty where it is not known.
    pub(super) external_url: &'a str,
    /// Whether any of its alerts fires.
    pub(super) is_firing: bool,
    /// The worst of those that fire, else of those that ended.
    pub(super) severity: Option<Severity>,
    /// Its alerts, those that fire first.
    pub(super) alerts: Vec<Told<'a>>,
    /// Alerts that are not among them, because there are too many.
    pub(super) left_out: usize,
}

/// One alert in words.
pub(super) struct Told<'a> {
    pub(super) alert: &'a Announced,
    pub(super) account: Account<'a>,
}

fn severity(alert: &Announced) -> Option<Severity> {
    let named = alert.labels.get("severity");
    Severity::ALL.into_iter().find(|one| one.as_str() == named)
}

impl<'a> Outline<'a> {
    pub(super) fn of(
        notification: &'a Notification,
        external_url: &'a str,
        max_alerts: usize,
    ) -> Self {
        let is_firing = notification.alerts.iter().any(|alert| alert.is_firing());
        let severities = (notification.alerts.iter())
            .filter(|alert| alert.is_firing() || !is_firing)
            .filter_map(|alert| severity(alert));
        let shown = match max_alerts {
            0 => usize::MAX,
            most => most,
        };
        let alerts = notification.alerts.iter().take(shown).map(|alert| Told {
            alert,
            account: message::account(alert, notification),
        });
        let alerts: Vec<Told<'a>> = alerts.collect();
        Self {
            subject: message::subject(notification),
            severity: severities.max(),
            left_out: notification.alerts.len() - alerts.len(),
            external_url,
            is_firing,
            alerts,
            notification,
        }
    }

    /// The same with at most so many alerts.
    pub(super) fn most(&self, most: usize) -> (impl Iterator<Item = &Told<'a>>, usize) {
        let shown = self.alerts.len().min(most);
        let left_out = self.left_out + self.alerts.len() - shown;
        (self.alerts.iter().take(shown), left_out)
    }

    /// By what a service knows that messages are about the same: the group.
    pub(super) fn key(&self) -> String {
        let mut hash = Fnv1a::new();
        hash.add(self.notification.receiver.as_bytes());
        hash.add(&[0]);
        hash.add(self.notification.group_key.as_bytes());
        format!("opwatch-{:016x}", hash.finish())
    }

    /// When the first of its alerts began.
    pub(super) fn began(&self) -> Timestamp {
        let began = self.notification.alerts.iter().map(|alert| alert.starts_at);
        began.min().unwrap_or(self.notification.at)
    }

    /// What its alerts have in common of a label.
    pub(super) fn shared(&self, label: &str) -> Option<&str> {
        let mut values = (self.notification.alerts.iter()).map(|alert| alert.labels.get(label));
        let first = values.next().filter(|value| !value.is_empty())?;
        values.all(|value| value == first).then_some(first)
    }

    /// `and 3 more` in a message that leaves alerts out.
    pub(super) fn more(left_out: usize) -> Option<String> {
        match left_out {
            0 => None,
            1 => Some("and 1 more alert".to_owned()),
            more => Some(format!("and {more} more alerts")),
        }
    }
}

impl Told<'_> {
    /// `FIRING` or `RESOLVED`, and of what.
    pub(super) fn title(&self) -> String {
        let status = if self.alert.is_firing() {
            "FIRING"
        } else {
            "RESOLVED"
        };
        format!("{status} {}", self.account.title)
    }

    /// Where its rule can be looked at, where that is a link.
    pub(super) fn link(&self) -> Option<&str> {
        Some(self.alert.generator_url.as_str()).filter(|url| message::is_web_link(url))
    }

    /// Everything that is to be said of it, each with its name; `what` comes first.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&str, &str)> {
        let rows = self.account.rows.iter();
        rows.filter(|(name, _)| *name != "rule")
            .map(|(name, cell)| (*name, cell.text()))
    }

    /// All of it as lines of text.
    pub(super) fn text(&self) -> String {
        let mut text = self.title();
        for (name, said) in self.rows() {
            text += &format!("\n{name}: {}", message::line(said));
        }
        if let Some(link) = self.link() {
            text += &format!("\nrule: {link}");
        }
        text
    }
}

//! Why people are told: of each alert in a notification, and of the whole.

use std::sync::Arc;

use super::escalation::Cause;
use super::{Acknowledgement, Announced, Notification, NotifyReason};
use crate::engine::alert::EndReason;

/// Why an alert is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It has begun to fire.
    Fired,
    /// It has taken the place of one with a lower severity.
    LevelRaised,
    /// It has taken the place of one with a higher severity.
    LevelFallen,
    /// A silence has ended, and it still fires.
    SilenceEnded,
    /// Maintenance has ended, and it still fires.
    MaintenanceEnded,
    /// It flaps, and it is time to tell of it again.
    Flapping,
    /// What has changed has turned out to be of another kind than was told.
    Reclassified,
    /// It was collected for a digest.
    Digest,
    /// It has fired for too long, or too often, or nobody has acknowledged it.
    Escalated,
    /// Nothing is new of it: it still fires.
    Repeat,
    /// It has ended, and why.
    Ended(EndReason),
}

impl News {
    /// Those of an alert that fires.
    pub const OF_FIRING: [Self; 10] = [
        Self::Fired,
        Self::LevelRaised,
        Self::LevelFallen,
        Self::SilenceEnded,
        Self::MaintenanceEnded,
        Self::Flapping,
        Self::Reclassified,
        Self::Digest,
        Self::Escalated,
        Self::Repeat,
    ];

    /// As messages, webhooks, logs and the API name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::LevelRaised => "level_raised",
            Self::LevelFallen => "level_fallen",
            Self::SilenceEnded => "silence_ended",
            Self::MaintenanceEnded => "maintenance_ended",
            Self::Flapping => "flapping",
            Self::Reclassified => "reclassified",
            Self::Digest => "digest",
            Self::Escalated => "escalated",
            Self::Repeat => "repeat",
            Self::Ended(EndReason::Recovered) => "resolved",
            Self::Ended(reason) => reason.as_str(),
        }
    }

    /// Of an alert that fires and has not been told so before.
    pub(super) fn first_of(alert: &Announced) -> Self {
        match alert.replaces {
            Some(Replaced { is_raised, .. }) if is_raised => Self::LevelRaised,
            Some(_) => Self::LevelFallen,
            None => Self::Fired,
        }
    }
}

/// The alert of another level of the same condition whose place one has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Its fingerprint.
    pub fingerprint: u64,
    /// Whether its level was the lower one.
    pub is_raised: bool,
}

/// What a notification says of one of its alerts beside the alert itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Remark {
    /// Why it is told, as long as it fires.
    pub news: News,
    /// Who looks after it.
    pub acknowledged: Option<Arc<Acknowledgement>>,
    /// Where it can be acknowledged; empty where there are no such links.
    pub link: String,
}

impl Remark {
    /// One without anything but why.
    pub fn of(news: News) -> Self {
        Self {
            news,
            acknowledged: None,
            link: String::new(),
        }
    }
}

/// Which escalation a notification comes of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalated {
    /// Its name.
    pub name: String,
    /// Why.
    pub cause: Cause,
    /// Whether nobody looked after it then.
    pub is_unacknowledged: bool,
}

impl Notification {
    /// Why an alert is among what is told.
    pub fn news_of(&self, alert: &Announced) -> News {
        match alert.ended {
            Some((_, reason)) => News::Ended(reason),
            None => (self.remarks.get(&alert.fingerprint)).map_or(News::Fired, |one| one.news),
        }
    }

    /// Why it is sent, in one word: the most that is new.
    pub fn news(&self) -> News {
        let all = || self.alerts.iter().map(|alert| self.news_of(alert));
        match self.reason {
            NotifyReason::First | NotifyReason::NewFiring => {
                let is_raised = |one| one == News::LevelRaised;
                let is_fallen = |one| one == News::LevelFallen;
                if all().any(|one| one == News::Fired) {
                    News::Fired
                } else if all().any(is_raised) {
                    News::LevelRaised
                } else if all().any(is_fallen) {
                    News::LevelFallen
                } else {
                    News::Fired
                }
            }
            NotifyReason::NewResolved | NotifyReason::AllResolved => {
                let mut ended = all().filter(|one| matches!(one, News::Ended(_)));
                let first = ended.next().unwrap_or(News::Ended(EndReason::Recovered));
                match ended.all(|other| other == first) {
                    true => first,
                    // Of several reasons none is that of the whole.
                    false => News::Ended(EndReason::Recovered),
                }
            }
            NotifyReason::SilenceEnded => News::SilenceEnded,
            NotifyReason::MaintenanceEnded => News::MaintenanceEnded,
            NotifyReason::Flapping => News::Flapping,
            NotifyReason::Reclassified => News::Reclassified,
            NotifyReason::Digest => News::Digest,
            NotifyReason::Escalated => News::Escalated,
            NotifyReason::Repeat => News::Repeat,
        }
    }
}

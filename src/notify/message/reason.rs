//! Why people are told, in words: of the whole and of each alert. The names that programs read are those of
//! [`News::as_str`].

use crate::engine::alert::EndReason;
use crate::engine::condition::Feature;
use crate::engine::dispatch::escalation::Cause;
use crate::engine::dispatch::{Acknowledgement, Announced, News, Notification, NotifyReason};
use crate::shown::amount;

/// The first line of a message.
pub(super) fn headline(notification: &Notification) -> String {
    let news = notification.news();
    let text = match notification.reason {
        NotifyReason::First if news == News::Fired => "New alerts",
        NotifyReason::NewFiring if news == News::Fired => "Further alerts",
        NotifyReason::First | NotifyReason::NewFiring => match news {
            News::LevelRaised => "The severity has risen",
            News::LevelFallen => "The severity has fallen, the alerts still fire",
            _ => "New alerts",
        },
        NotifyReason::NewResolved => "Some alerts have ended, others still fire",
        NotifyReason::AllResolved => "All alerts have ended",
        NotifyReason::SilenceEnded => "A silence has ended, the alerts still fire",
        NotifyReason::MaintenanceEnded => "Maintenance has ended, the alerts still fire",
        NotifyReason::Flapping => "An alert flaps: it begins and ends again and again",
        NotifyReason::Reclassified => {
            "More is known of a change: it is of another kind than was told"
        }
        NotifyReason::Digest => "Digest of what fired since the last one",
        NotifyReason::Repeat => "Nothing new, the alerts still fire",
        NotifyReason::Escalated => "Escalated",
    };
    let mut text = text.to_owned();
    if let Some(escalated) = escalation(notification) {
        text = match notification.reason {
            NotifyReason::Escalated => format!("{text}: {escalated}"),
            _ => format!("{text} (of an escalation: {escalated})"),
        };
    }
    format!("{text} ({})", news.as_str())
}

/// What the subject says of why, where that is more than that something fires or has ended.
pub(super) fn subject(notification: &Notification) -> Option<String> {
    match notification.news() {
        News::Fired | News::Ended(EndReason::Recovered) => None,
        news => Some(news.as_str().replace('_', " ")),
    }
}

/// By which escalation people are told, and why; `None` where it is none.
pub(crate) fn escalation(notification: &Notification) -> Option<String> {
    let escalated = notification.escalation.as_ref()?;
    let span = amount::span;
    let why = match escalated.cause {
        Cause::Age { fired_for, after } => {
            let (fired_for, after) = (span(fired_for), span(after));
            format!("fired {fired_for} ago, at most {after} are allowed")
        }
        Cause::Often { times, limit } => {
            let (most, within) = (limit.times, span(limit.within));
            format!("fired {times} times within {within}, at most {most} are allowed")
        }
    };
    let nobody = match escalated.is_unacknowledged {
        true => ", and nobody has acknowledged it",
        false => "",
    };
    Some(format!("{}, {why}{nobody}", escalated.name))
}

/// Why one alert is told.
pub(super) fn why(alert: &Announced, notification: &Notification) -> String {
    let text = match notification.news_of(alert) {
        News::Fired => "fired: its condition has begun to hold",
        News::LevelRaised => "level raised: a higher limit is crossed than before",
        News::LevelFallen => "level fallen: the higher limit is not crossed any more",
        News::SilenceEnded => "silence ended: it fires as before",
        News::MaintenanceEnded => "maintenance ended: it fires as before",
        News::Flapping => "flapping: it begins and ends again and again",
        News::Reclassified => match alert.evidence.and_then(|evidence| evidence.feature) {
            Some(Feature::Drift) => {
                "reclassified: it has turned out to be a drift, bit by bit, and no level that has moved once"
            }
            _ => {
                "reclassified: what has changed has turned out to be of another kind than was told"
            }
        },
        News::Digest => "digest: it was collected to be told later",
        News::Escalated => "escalated: it fires still, or too often",
        News::Repeat => "repeat: it fires as before",
        News::Ended(reason) => ended(reason),
    };
    text.to_owned()
}

fn ended(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Recovered => "recovered: its condition no longer holds",
        EndReason::NoData => "no data: its data ended",
        EndReason::Gone => "gone: its series is gone",
        EndReason::RuleRemoved => "rule removed: its rule is gone, or is another one now",
        EndReason::LimitExceeded => "limit exceeded: its group has more alerts than it may have",
        EndReason::Forgotten => {
            "forgotten: it has been absent for so long that it is no longer expected"
        }
        EndReason::Superseded => "superseded: a newer version has taken its place",
        EndReason::Accepted => "accepted: this is usual from now on",
        EndReason::LevelRaised => "level raised: an alert of a higher level has taken its place",
        EndReason::ResolvedByHand => "resolved by hand: somebody has said that it is over",
    }
}

/// Who looks after an alert, until when, and what they say.
pub(crate) fn acknowledged(one: &Acknowledgement) -> String {
    let mut text = format!("by {} since {}", one.by, super::moment(one.at));
    if let Some(end) = one.expires_at {
        text += &format!(" until {}", super::moment(end));
    }
    if !one.comment.is_empty() {
        text += &format!(": {}", one.comment);
    }
    text
}

//! Alerts as others were told of them, and notifications that are still to be delivered.

use std::sync::Arc;

use prost::Message;

use super::course::{CourseMessage, TallyMessage};
use super::learned::{put_per_day, take_per_day};
use super::remark::{EscalatedMessage, RemarkMessage};
use super::{Damaged, Pairs, decode, labels, named};
use crate::engine::ALERT_TYPES;
use crate::engine::alert::EndReason;
use crate::engine::condition::{Evidence, Feature, Pace};
use crate::engine::dispatch::{Announced, Notification, NotifyReason, Replaced};
use crate::engine::incident::Tale;
use crate::engine::judge::Effects;
use crate::engine::onset::Onset;
use crate::engine::time::{Now, Timestamp};

const WHAT: &str = "notification";

/// An alert as others were told of it.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct AnnouncedMessage {
    #[prost(fixed64, tag = "1")]
    fingerprint: u64,
    #[prost(btree_map = "string, string", tag = "2")]
    labels: Pairs,
    #[prost(btree_map = "string, string", tag = "3")]
    annotations: Pairs,
    #[prost(sint64, tag = "4")]
    starts_at: i64,
    #[prost(sint64, optional, tag = "5")]
    ended_at: Option<i64>,
    #[prost(string, tag = "6")]
    end_reason: String,
    #[prost(bool, tag = "7")]
    suppressed: bool,
    #[prost(string, tag = "8")]
    generator_url: String,
    #[prost(string, tag = "9")]
    rule: String,
    #[prost(string, tag = "10")]
    alert_type: String,
    #[prost(string, tag = "11")]
    metric: String,
    #[prost(string, tag = "12")]
    stat: String,
    #[prost(double, optional, tag = "13")]
    value: Option<f64>,
    #[prost(double, tag = "14")]
    limit: f64,
    #[prost(uint64, tag = "15")]
    n: u64,
    #[prost(message, optional, tag = "16")]
    evidence: Option<EvidenceMessage>,
    #[prost(message, optional, tag = "17")]
    onset: Option<OnsetMessage>,
    /// The fingerprint of the alert whose place it has taken, and whether that was of a lower level.
    #[prost(fixed64, optional, tag = "20")]
    replaces: Option<u64>,
    #[prost(bool, tag = "21")]
    is_raised: bool,
    #[prost(message, optional, tag = "40")]
    tally: Option<TallyMessage>,
    /// Of a slope: whether it is a share of the level.
    #[prost(bool, optional, tag = "41")]
    is_relative_slope: Option<bool>,
}

/// When something began, as closely as that is known.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct OnsetMessage {
    #[prost(sint64, tag = "1")]
    earliest: i64,
    #[prost(sint64, tag = "2")]
    at: i64,
    #[prost(sint64, tag = "3")]
    latest: i64,
}

impl OnsetMessage {
    pub(super) fn of(onset: Onset) -> Self {
        Self {
            earliest: onset.earliest.millis(),
            at: onset.at.millis(),
            latest: onset.latest.millis(),
        }
    }

    pub(super) fn read(&self) -> Onset {
        Onset {
            earliest: Timestamp::from_millis(self.earliest),
            at: Timestamp::from_millis(self.at),
            latest: Timestamp::from_millis(self.latest),
        }
    }
}

/// What a judgement by evidence rests on.
#[derive(Clone, PartialEq, prost::Message)]
struct EvidenceMessage {
    #[prost(double, optional, tag = "1")]
    baseline: Option<f64>,
    #[prost(uint64, tag = "2")]
    baseline_n: u64,
    #[prost(double, optional, tag = "3")]
    change: Option<f64>,
    #[prost(double, optional, tag = "4")]
    low: Option<f64>,
    #[prost(double, optional, tag = "5")]
    high: Option<f64>,
    #[prost(double, optional, tag = "6")]
    p_value: Option<f64>,
    #[prost(double, optional, tag = "7")]
    statistic: Option<f64>,
    #[prost(double, optional, tag = "8")]
    effective_n: Option<f64>,
    #[prost(string, optional, tag = "9")]
    feature: Option<String>,
    #[prost(sint64, optional, tag = "10")]
    began: Option<i64>,
    #[prost(sint64, optional, tag = "11")]
    earliest: Option<i64>,
    #[prost(sint64, optional, tag = "12")]
    latest: Option<i64>,
    /// What a drift adds each day, and its interval.
    #[prost(double, repeated, tag = "13")]
    per_day: Vec<f64>,
}

impl EvidenceMessage {
    fn of(evidence: Evidence) -> Self {
        Self {
            baseline: evidence.baseline,
            baseline_n: evidence.baseline_n,
            change: evidence.change,
            low: evidence.interval.map(|(low, _)| low),
            high: evidence.interval.map(|(_, high)| high),
            p_value: evidence.p_value,
            statistic: evidence.statistic,
            effective_n: evidence.effective_n,
            feature: evidence.feature.map(|feature| feature.as_str().to_owned()),
            began: evidence.began.map(Timestamp::millis),
            earliest: evidence.within.map(|(earliest, _)| earliest.millis()),
            latest: evidence.within.map(|(_, latest)| latest.millis()),
            per_day: put_per_day(evidence.per_day),
        }
    }

    fn read(self) -> Evidence {
        Evidence {
            baseline: self.baseline,
            baseline_n: self.baseline_n,
            change: self.change,
            interval: self.low.zip(self.high),
            p_value: self.p_value,
            statistic: self.statistic,
            effective_n: self.effective_n,
            feature: self.feature.as_deref().and_then(Feature::named),
            began: self.began.map(Timestamp::from_millis),
            within: (self.earliest.zip(self.latest)).map(|(earliest, latest)| {
                let at = Timestamp::from_millis;
                (at(earliest), at(latest))
            }),
            per_day: take_per_day(&self.per_day),
        }
    }
}

impl AnnouncedMessage {
    pub(super) fn of(alert: &Announced) -> Self {
        Self {
            fingerprint: alert.fingerprint,
            labels: alert.labels.as_map().clone(),
            annotations: alert.annotations.as_map().clone(),
            starts_at: alert.starts_at.millis(),
            ended_at: alert.ended.map(|(at, _)| at.millis()),
            end_reason: (alert.ended)
                .map(|(_, reason)| reason.as_str().to_owned())
                .unwrap_or_default(),
            suppressed: alert.suppressed,
            generator_url: alert.generator_url.clone(),
            rule: alert.rule.clone(),
            alert_type: alert.alert_type.to_owned(),
            metric: alert.metric.clone(),
            stat: alert.stat.clone(),
            value: alert.value,
            limit: alert.limit,
            n: alert.n,
            evidence: alert.evidence.map(EvidenceMessage::of),
            onset: Some(OnsetMessage::of(alert.onset)),
            replaces: alert.replaces.map(|one| one.fingerprint),
            is_raised: alert.replaces.is_some_and(|one| one.is_raised),
            tally: alert.tally.map(TallyMessage::of),
            is_relative_slope: alert.pace.map(|pace| pace == Pace::Relative),
        }
    }

    pub(super) fn read(self, what: &'static str) -> Result<Announced, Damaged> {
        let ended = match self.ended_at {
            Some(at) => Some((Timestamp::from_millis(at), end(what, &self.end_reason)?)),
            None => None,
        };
        let starts_at = Timestamp::from_millis(self.starts_at);
        // The first versions did not say when it began.
        let began_then = Onset {
            earliest: starts_at,
            at: starts_at,
            latest: starts_at,
        };
        Ok(Announced {
            fingerprint: self.fingerprint,
            labels: labels(self.labels),
            annotations: labels(self.annotations),
            starts_at,
            onset: self.onset.map_or(began_then, |onset| onset.read()),
            ended,
            suppressed: self.suppressed,
            generator_url: self.generator_url,
            rule: self.rule,
            alert_type: named(what, &ALERT_TYPES, |name| name, &self.alert_type)?,
            metric: self.metric,
            stat: self.stat,
            value: self.value,
            limit: self.limit,
            n: self.n,
            evidence: self.evidence.map(EvidenceMessage::read),
            replaces: self.replaces.map(|fingerprint| Replaced {
                fingerprint,
                is_raised: self.is_raised,
            }),
            tally: self.tally.map(TallyMessage::read),
            pace: self.is_relative_slope.map(|is_relative| match is_relative {
                true => Pace::Relative,
                false => Pace::Absolute,
            }),
        })
    }
}

/// Why an alert ended, by its name.
pub(super) fn end(what: &'static str, name: &str) -> Result<EndReason, Damaged> {
    named(what, &EndReason::ALL, EndReason::as_str, name)
}

/// Tells that an alert which others know to fire has ended, because what it was about is gone.
pub(super) fn call_off(mut alert: Announced, now: Now, effects: &mut Effects) {
    alert.starts_at = alert.starts_at.min(now.wall);
    alert.ended = Some((now.wall, EndReason::RuleRemoved));
    alert.suppressed = false;
    alert.replaces = None;
    let alert = Arc::new(alert);
    effects.to_alertmanager.push((alert.clone(), now.wall));
    effects.announced.push(alert);
}

#[derive(Clone, PartialEq, prost::Message)]
struct NotificationMessage {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    receiver: String,
    #[prost(uint64, tag = "3")]
    integration: u64,
    #[prost(string, tag = "4")]
    group_key: String,
    #[prost(btree_map = "string, string", tag = "5")]
    group_labels: Pairs,
    #[prost(message, repeated, tag = "6")]
    alerts: Vec<AnnouncedMessage>,
    #[prost(string, tag = "7")]
    reason: String,
    #[prost(sint64, tag = "8")]
    at: i64,
    #[prost(message, repeated, tag = "9")]
    incidents: Vec<TaleMessage>,
    #[prost(message, repeated, tag = "20")]
    remarks: Vec<RemarkMessage>,
    #[prost(message, optional, tag = "21")]
    escalation: Option<EscalatedMessage>,
    #[prost(message, repeated, tag = "40")]
    courses: Vec<CourseMessage>,
}

/// What a notification says of an incident.
#[derive(Clone, PartialEq, prost::Message)]
struct TaleMessage {
    #[prost(fixed64, tag = "1")]
    id: u64,
    #[prost(sint64, tag = "2")]
    since: i64,
    #[prost(sint64, optional, tag = "3")]
    ended_at: Option<i64>,
    #[prost(uint64, tag = "4")]
    alerts: u64,
    #[prost(uint64, tag = "5")]
    firing: u64,
    #[prost(uint64, tag = "6")]
    operations: u64,
    #[prost(fixed64, repeated, tag = "7")]
    members: Vec<u64>,
}

impl TaleMessage {
    fn of(tale: &Tale) -> Self {
        Self {
            id: tale.id,
            since: tale.since.millis(),
            ended_at: tale.ended_at.map(Timestamp::millis),
            alerts: tale.alerts as u64,
            firing: tale.firing as u64,
            operations: tale.operations as u64,
            members: tale.members.clone(),
        }
    }

    fn read(self) -> Tale {
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Tale {
            id: self.id,
            since: Timestamp::from_millis(self.since),
            ended_at: self.ended_at.map(Timestamp::from_millis),
            alerts: count(self.alerts),
            firing: count(self.firing),
            operations: count(self.operations),
            members: self.members,
        }
    }
}

/// A notification as bytes.
pub fn notification_to_bytes(notification: &Notification) -> Vec<u8> {
    NotificationMessage {
        id: notification.id.clone(),
        receiver: notification.receiver.clone(),
        integration: u64::try_from(notification.integration).unwrap_or(u64::MAX),
        group_key: notification.group_key.clone(),
        group_labels: notification.group_labels.as_map().clone(),
        alerts: (notification.alerts.iter())
            .map(|alert| AnnouncedMessage::of(alert))
            .collect(),
        reason: notification.reason.as_str().to_owned(),
        at: notification.at.millis(),
        incidents: notification.incidents.iter().map(TaleMessage::of).collect(),
        remarks: RemarkMessage::all(&notification.remarks),
        escalation: notification.escalation.as_ref().map(EscalatedMessage::of),
        courses: notification.courses.iter().map(CourseMessage::of).collect(),
    }
    .encode_to_vec()
}

/// The reverse of [`notification_to_bytes`].
pub fn notification_from_bytes(bytes: &[u8]) -> Result<Notification, Damaged> {
    let message: NotificationMessage = decode(WHAT, bytes)?;
    let alerts = message.alerts.into_iter();
    Ok(Notification {
        id: message.id,
        receiver: message.receiver,
        integration: integration(WHAT, message.integration)?,
        group_key: message.group_key,
        group_labels: labels(message.group_labels),
        alerts: alerts
            .map(|alert| Ok(Arc::new(alert.read(WHAT)?)))
            .collect::<Result<_, Damaged>>()?,
        reason: named(
            WHAT,
            &NotifyReason::ALL,
            NotifyReason::as_str,
            &message.reason,
        )?,
        incidents: message
            .incidents
            .into_iter()
            .map(TaleMessage::read)
            .collect(),
        remarks: RemarkMessage::read_all(WHAT, message.remarks)?,
        escalation: message.escalation.map(EscalatedMessage::read),
        courses: (message.courses.into_iter())
            .map(CourseMessage::read)
            .collect(),
        at: Timestamp::from_millis(message.at),
    })
}

/// The number of an integration.
pub(super) fn integration(what: &'static str, number: u64) -> Result<usize, Damaged> {
    usize::try_from(number)
        .map_err(|_| Damaged::new(what, format!("{number} is no number of an integration")))
}

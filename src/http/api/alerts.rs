//! `/api/v1/alerts`, in the shape of Prometheus with what opwatch knows beside it, and what has become of alerts.

use std::collections::{BTreeMap, HashMap};

use hyper::Response;
use hyper::header::HeaderMap;
use serde::Serialize;

use super::handling::AcknowledgementBody;
use super::v2::alerts::Status;
use super::{Services, unavailable};
use crate::engine::action::Case;
use crate::engine::alert::{AlertState, Change};
use crate::engine::dispatch::Announced;
use crate::engine::incident::Incidents;
use crate::engine::judge::{RuleState, Tracked};
use crate::engine::rule::Mode;
use crate::engine::time::Timestamp;
use crate::explanation::Evidence;
use crate::forms::incidents::id;
use crate::forms::tally::TallyBody;
use crate::http::respond::{self, Body};

#[derive(Serialize)]
struct Alerts {
    alerts: Vec<AlertBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlertBody {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    state: &'static str,
    active_at: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fired_at: Option<String>,
    #[serde(rename = "type")]
    kind: &'static str,
    metric: String,
    stat: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    n: u64,
    /// What a judgement by evidence rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
    fingerprint: String,
    /// What it has found since it became active.
    #[serde(skip_serializing_if = "Option::is_none")]
    tally: Option<TallyBody>,
    /// The incident that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<String>,
    /// Its rule is in shadow: nobody is told.
    #[serde(skip_serializing_if = "is_false")]
    shadow: bool,
    /// An alert that its rule depends on fires: nobody is told anew.
    #[serde(skip_serializing_if = "is_false")]
    suppressed: bool,
    /// Siblings have become better by as much and the whole has not become worse: nobody is told.
    #[serde(skip_serializing_if = "is_false")]
    cost_shift: bool,
    /// Who looks after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledgement: Option<AcknowledgementBody>,
    /// Whether anything keeps it from being told now, and what; of those that fire, where others are told of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    /// How often it began to fire lately, each time halved within a half-life.
    #[serde(skip_serializing_if = "Option::is_none")]
    flap_score: Option<f64>,
    /// It begins so often that it is told of at growing distances.
    #[serde(skip_serializing_if = "is_false")]
    flapping: bool,
}

#[derive(Serialize)]
struct ChangeBody {
    labels: BTreeMap<String, String>,
    change: &'static str,
    /// Why it fired (`fired` or `level_raised`) or ended (`recovered`, `no_data`, …).
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    at: String,
    value: Option<f64>,
    /// Who did it and what they say, or by which escalation.
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
    #[serde(skip_serializing_if = "is_false")]
    shadow: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(value: &bool) -> bool {
    !value
}

/// All pending and firing alerts, but those of rules in shadow, which are no alerts to anyone: `/api/v1/rules` has them.
pub async fn alerts(services: &Services, headers: &HeaderMap) -> Response<Body> {
    let alerts = services.engine.read(|engine, now| {
        let told = engine.dispatcher().alerts(now).into_iter();
        let acknowledgements = engine.dispatcher().acknowledgements();
        let told = told.map(|(alert, muting)| {
            let acknowledged = acknowledgements.of(alert, now.wall);
            let acknowledged = acknowledged.map(|one| AcknowledgementBody::of(one));
            (alert.fingerprint, (Status::of(&muting), acknowledged))
        });
        let mut told: HashMap<u64, _> = told.collect();
        let rules = engine.groups().iter().flat_map(|group| &group.rules);
        let rules = rules.filter(|rule| rule.rule.mode == Mode::Active);
        let alerts = rules.flat_map(|rule| rule.alerts().map(move |alert| (rule, alert)));
        let alerts = alerts.filter_map(|(rule, alert)| {
            let body = alert_body(rule, alert, alert.state.active_at()?, engine.incidents())?;
            let (status, acknowledgement) = told.remove(&alert.fingerprint).unzip();
            let flaps = engine.dispatcher().flaps(alert.fingerprint, now);
            Some(AlertBody {
                status,
                acknowledgement: acknowledgement.flatten(),
                flap_score: flaps.map(|flaps| flaps.score),
                flapping: flaps.is_some_and(|flaps| flaps.is_flapping),
                ..body
            })
        });
        let mut alerts: Vec<AlertBody> = alerts.collect();
        // Those of no rule: that an action has failed.
        let failing = engine.actions().cases().filter_map(Case::failing);
        alerts.extend(failing.map(|alert| {
            let (status, acknowledgement) = told.remove(&alert.fingerprint).unzip();
            AlertBody {
                status,
                acknowledgement: acknowledgement.flatten(),
                ..failing_body(alert, engine.incidents())
            }
        }));
        Alerts { alerts }
    });
    match alerts.await {
        Ok(alerts) => respond::compress(headers, respond::api_data(&alerts)).await,
        Err(refused) => unavailable(refused),
    }
}

/// Past changes of alerts, newest first.
pub async fn history(services: &Services, headers: &HeaderMap) -> Response<Body> {
    let changes = services.engine.read(|engine, _| {
        engine
            .history()
            .rev()
            .map(|change| ChangeBody {
                labels: change.labels.as_map().clone(),
                change: match change.change {
                    Change::Started => "pending",
                    Change::Dropped => "inactive",
                    Change::Fired => "firing",
                    Change::Resolved(_) => "resolved",
                    Change::Acknowledged => "acknowledged",
                    Change::Unacknowledged => "unacknowledged",
                    Change::Escalated => "escalated",
                },
                reason: match change.change {
                    Change::Resolved(reason) => Some(reason.as_str()),
                    Change::Fired if change.is_raised => Some("level_raised"),
                    Change::Fired => Some("fired"),
                    Change::Escalated => Some("escalated"),
                    Change::Started
                    | Change::Dropped
                    | Change::Acknowledged
                    | Change::Unacknowledged => None,
                },
                note: change.note.clone(),
                at: change.at.to_string(),
                value: change.value,
                shadow: change.is_shadow,
            })
            .collect::<Vec<_>>()
    });
    match changes.await {
        Ok(changes) => respond::compress(headers, respond::api_data(&changes)).await,
        Err(refused) => unavailable(refused),
    }
}

/// The pending and firing alerts of a rule.
pub(super) fn bodies(rule: &RuleState, incidents: &Incidents) -> impl Iterator<Item = AlertBody> {
    rule.alerts()
        .filter_map(|alert| alert_body(rule, alert, alert.state.active_at()?, incidents))
}

fn alert_body(
    rule: &RuleState,
    alert: &Tracked,
    active_at: Timestamp,
    incidents: &Incidents,
) -> Option<AlertBody> {
    let (metric, stat) = rule.rule.condition.measured();
    Some(AlertBody {
        labels: alert.labels.as_map().clone(),
        annotations: alert.annotations.as_map().clone(),
        state: alert.state.as_str(),
        active_at: active_at.to_string(),
        value: scientific(alert.value.unwrap_or(f64::NAN)),
        fired_at: match alert.state {
            AlertState::Firing { fired_at, .. } => Some(fired_at.to_string()),
            _ => None,
        },
        kind: alert.subject.alert_type(&rule.rule),
        metric,
        stat,
        threshold: alert.limit,
        n: alert.verdict.map_or(0, |verdict| verdict.n),
        evidence: alert.evidence.map(Evidence::from),
        fingerprint: format!("{:016x}", alert.fingerprint),
        tally: alert.tally.map(TallyBody::of),
        incident: incidents.of_firing(alert).map(|one| id(one.id)),
        shadow: rule.rule.mode == Mode::Shadow,
        suppressed: alert.suppressed,
        cost_shift: alert.is_shift,
        acknowledgement: None,
        status: None,
        flap_score: None,
        flapping: false,
    })
}

/// An alert that says that an action has failed.
fn failing_body(alert: &Announced, incidents: &Incidents) -> AlertBody {
    let incident = incidents.of(alert.fingerprint).filter(|one| one.is_open());
    AlertBody {
        labels: alert.labels.as_map().clone(),
        annotations: alert.annotations.as_map().clone(),
        state: "firing",
        active_at: alert.starts_at.to_string(),
        value: scientific(f64::NAN),
        fired_at: Some(alert.starts_at.to_string()),
        kind: alert.alert_type,
        metric: alert.metric.clone(),
        stat: alert.stat.clone(),
        threshold: None,
        n: 0,
        evidence: None,
        fingerprint: format!("{:016x}", alert.fingerprint),
        tally: alert.tally.map(TallyBody::of),
        incident: incident.map(|one| id(one.id)),
        shadow: false,
        suppressed: false,
        cost_shift: false,
        acknowledgement: None,
        status: None,
        flap_score: None,
        flapping: false,
    }
}

/// A number as Go's `%e` prints it at its shortest, which is what Prometheus' API has: `1e-01`.
fn scientific(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_in_prometheus() {
        for (value, expected) in [
            (0.1, "1e-01"),
            (30.01, "3.001e+01"),
            (0.0, "0e+00"),
            (1.5e300, "1.5e+300"),
            (-2.0, "-2e+00"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(scientific(value), expected);
        }
    }
}

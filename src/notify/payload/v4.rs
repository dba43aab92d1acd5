//! Alertmanager's webhook body, version 4 (`notify/webhook/webhook.go`), with what opwatch knows beside it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::engine::condition::{Evidence, Feature};
use crate::engine::dispatch::{Acknowledgement, Announced, Course, Notification};
use crate::engine::incident::Tale;
use crate::engine::series::Labels;
use crate::forms::incidents::id;
use crate::forms::tally::TallyBody;
use crate::notify::message::{self, common};

/// A notification as Alertmanager posts it.
///
/// # Errors
/// When it is no JSON, which cannot be.
pub(in crate::notify) fn body(
    notification: &Notification,
    external_url: &str,
    max_alerts: usize,
) -> Result<Value, serde_json::Error> {
    serde_json::to_value(body_of(notification, external_url, max_alerts))
}

/// The body, with Alertmanager's keys.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    receiver: &'a str,
    status: &'static str,
    alerts: Vec<Alert<'a>>,
    group_labels: &'a BTreeMap<String, String>,
    common_labels: BTreeMap<&'a str, &'a str>,
    common_annotations: BTreeMap<&'a str, &'a str>,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    group_key: &'a str,
    truncated_alerts: usize,
    // Ours: why it is sent, and by which escalation.
    notify_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    escalation: Option<EscalationBody<'a>>,
    // Ours, where there are incidents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    incidents: Vec<IncidentBody>,
}

/// By which escalation people are told, and why.
#[derive(Serialize)]
struct EscalationBody<'a> {
    name: &'a str,
    why: String,
}

/// Who looks after an alert.
#[derive(Serialize)]
struct AcknowledgementBody<'a> {
    by: &'a str,
    comment: &'a str,
    at: String,
    expires_at: Option<String>,
}

impl<'a> AcknowledgementBody<'a> {
    fn of(one: &'a Acknowledgement) -> Self {
        Self {
            by: &one.by,
            comment: &one.comment,
            at: one.at.to_string(),
            expires_at: one.expires_at.map(|at| at.to_string()),
        }
    }
}

/// What the alerts have in common that began together. Counts are over all its alerts, also those that are not told here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IncidentBody {
    id: String,
    starts_at: String,
    ends_at: Option<String>,
    alerts: usize,
    firing: usize,
    operations: usize,
}

impl IncidentBody {
    fn of(tale: &Tale) -> Self {
        Self {
            id: id(tale.id),
            starts_at: tale.since.to_string(),
            ends_at: tale.ended_at.map(|at| at.to_string()),
            alerts: tale.alerts,
            firing: tale.firing,
            operations: tale.operations,
        }
    }
}

#[derive(Serialize)]
struct Alert<'a> {
    status: &'static str,
    labels: &'a BTreeMap<String, String>,
    annotations: &'a BTreeMap<String, String>,
    #[serde(rename = "startsAt")]
    starts_at: String,
    #[serde(rename = "endsAt")]
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
    // From here on ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    incident: Option<String>,
    #[serde(rename = "type")]
    alert_type: &'static str,
    severity: &'a str,
    metric: &'a str,
    stat: &'a str,
    value: Option<f64>,
    threshold: Option<f64>,
    n: u64,
    degradation_percent: Option<f64>,
    /// What a judgement by evidence rests on.
    #[serde(flatten)]
    evidence: Option<Proof>,
    /// Why it ended: `recovered`, `no_data`, `gone` or `forgotten`; null while it fires.
    reason: Option<&'static str>,
    /// Why it is told: `fired`, `repeat`, `resolved`, …
    notify_reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledgement: Option<AcknowledgementBody<'a>>,
    /// Where it can be acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    ack_url: Option<&'a str>,
    /// How often it was found, when first and last, and the worst of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    tally: Option<TallyBody>,
    /// The values of the last while.
    #[serde(skip_serializing_if = "Option::is_none")]
    course: Option<CourseBody<'a>>,
}

/// The course that the value has taken: oldest first, null where there was none.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CourseBody<'a> {
    step_seconds: f64,
    /// When the last step ends.
    to: String,
    values: &'a [Option<f64>],
    /// Between which values it mostly lay before the alert began; null where too little is known of that.
    usual: Option<(f64, f64)>,
}

impl<'a> CourseBody<'a> {
    fn of(course: &'a Course) -> Self {
        Self {
            step_seconds: course.step.as_secs_f64(),
            to: course.to.to_string(),
            values: &course.values,
            usual: course.usual,
        }
    }
}

/// The baseline, the change against it, and how sure that is. What there is not is null.
#[derive(Serialize)]
struct Proof {
    baseline: Option<f64>,
    baseline_samples: u64,
    change: Option<f64>,
    change_interval: Option<(f64, f64)>,
    p_value: Option<f64>,
    /// What a detector has found to be different, and when that began: the best estimate and, where it is dated, the
    /// interval that holds it with 95 % confidence.
    feature: Option<&'static str>,
    began_at: Option<String>,
    began_within: Option<(String, String)>,
    /// What a drift adds each day, as a ratio, with its 95 % interval; `change` is what it has come to.
    change_per_day: Option<f64>,
    change_per_day_interval: Option<(f64, f64)>,
}

impl Proof {
    fn of(evidence: Evidence) -> Self {
        Self {
            baseline: evidence.baseline,
            baseline_samples: evidence.baseline_n,
            change: evidence.change,
            change_interval: evidence.interval,
            p_value: evidence.p_value,
            feature: evidence.feature.map(Feature::as_str),
            began_at: evidence.began.map(|at| at.to_string()),
            began_within: (evidence.within)
                .map(|(earliest, latest)| (earliest.to_string(), latest.to_string())),
            change_per_day: evidence.per_day.map(|(best, _)| best),
            change_per_day_interval: evidence.per_day.map(|(_, interval)| interval),
        }
    }
}

/// Go's zero time, which stands for "not ended".
const NOT_ENDED: &str = "0001-01-01T00:00:00Z";

fn body_of<'a>(
    notification: &'a Notification,
    external_url: &'a str,
    max_alerts: usize,
) -> Body<'a> {
    let all = notification.alerts.len();
    let shown = if max_alerts == 0 {
        all
    } else {
        all.min(max_alerts)
    };
    let labels = |alert: &'a Announced| -> &'a Labels { &alert.labels };
    let annotations = |alert: &'a Announced| -> &'a Labels { &alert.annotations };
    let alerts = || notification.alerts.iter().take(shown).map(AsRef::as_ref);
    Body {
        receiver: &notification.receiver,
        status: notification.status(),
        alerts: alerts().map(|one| alert(one, notification)).collect(),
        group_labels: notification.group_labels.as_map(),
        common_labels: common(alerts().map(labels)),
        common_annotations: common(alerts().map(annotations)),
        external_url,
        version: "4",
        group_key: &notification.group_key,
        truncated_alerts: all - shown,
        notify_reason: notification.news().as_str(),
        escalation: notification.escalation.as_ref().map(|one| EscalationBody {
            name: &one.name,
            why: message::reason::escalation(notification).unwrap_or_default(),
        }),
        incidents: notification
            .incidents
            .iter()
            .map(IncidentBody::of)
            .collect(),
    }
}

fn alert<'a>(alert: &'a Announced, notification: &'a Notification) -> Alert<'a> {
    let remark = notification.remarks.get(&alert.fingerprint);
    let remark = remark.filter(|_| alert.is_firing());
    let incident = notification
        .incidents
        .iter()
        .find(|tale| tale.members.contains(&alert.fingerprint));
    let finite = |number: f64| Some(number).filter(|number| number.is_finite());
    Alert {
        status: if alert.is_firing() {
            "firing"
        } else {
            "resolved"
        },
        labels: alert.labels.as_map(),
        annotations: alert.annotations.as_map(),
        starts_at: alert.starts_at.to_string(),
        ends_at: alert
            .ended
            .map_or(NOT_ENDED.to_owned(), |(at, _)| at.to_string()),
        generator_url: &alert.generator_url,
        fingerprint: format!("{:016x}", alert.fingerprint),
        incident: incident.map(|tale| id(tale.id)),
        alert_type: alert.alert_type,
        severity: alert.labels.get("severity"),
        metric: &alert.metric,
        stat: &alert.stat,
        value: alert.value.and_then(finite),
        threshold: finite(alert.limit).filter(|_| message::has_limit(alert)),
        n: alert.n,
        degradation_percent: message::degradation_percent(alert),
        evidence: alert.evidence.map(Proof::of),
        reason: alert.ended.map(|(_, reason)| reason.as_str()),
        notify_reason: notification.news_of(alert).as_str(),
        acknowledgement: remark
            .and_then(|remark| remark.acknowledged.as_deref())
            .map(AcknowledgementBody::of),
        ack_url: remark
            .map(|remark| remark.link.as_str())
            .filter(|link| !link.is_empty()),
        tally: alert.tally.map(TallyBody::of),
        course: notification.course_of(alert).map(CourseBody::of),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::notify::fixture;

    #[test]
    fn the_body_is_that_of_alertmanager_with_our_fields_beside() {
        let notification =
            fixture::notification(&[fixture::firing("detect"), fixture::resolved("train")]);
        let body = body(&notification, "http://opwatch.example.org", 1).unwrap();
        let labels =
            json!({"alertname": "DetectionSlow", "operation": "detect", "severity": "high"});
        let annotations = json!({"summary": "p95 is <high>"});
        assert_eq!(
            body,
            json!({
                "receiver": "team",
                "status": "firing",
                "alerts": [{
                    "status": "firing",
                    "labels": labels,
                    "annotations": annotations,
                    "startsAt": "2026-01-31T12:00:00.250Z",
                    "endsAt": "0001-01-01T00:00:00Z",
                    "generatorURL": "http://opwatch.example.org/api/v1/rules?rule_name[]=DetectionSlow",
                    "fingerprint": format!("{:016x}", notification.alerts[0].labels.fingerprint()),
                    "type": "threshold_exceeded",
                    "severity": "high",
                    "metric": "duration",
                    "stat": "p95",
                    "value": 12.5,
                    "threshold": 10.0,
                    "n": 42,
                    "degradation_percent": 25.0,
                    "reason": null,
                    "notify_reason": "fired",
                }],
                "groupLabels": {"alertname": "DetectionSlow"},
                "commonLabels": labels,
                "commonAnnotations": annotations,
                "externalURL": "http://opwatch.example.org",
                "version": "4",
                "groupKey": "{}:{alertname=\"DetectionSlow\"}",
                "truncatedAlerts": 1,
                "notifyReason": "fired",
            })
        );
    }

    #[test]
    fn incidents_stand_beside_the_keys_of_alertmanager() {
        let (firing, resolved) = (fixture::firing("detect"), fixture::resolved("train"));
        let mut notification = fixture::notification(&[firing.clone(), resolved.clone()]);
        let tale = |id, members| Tale {
            id,
            since: fixture::start(),
            ended_at: None,
            alerts: 3,
            firing: 2,
            operations: 2,
            members,
        };
        notification.incidents = vec![
            tale(0xb2, vec![firing.fingerprint]),
            tale(0xb3, vec![resolved.fingerprint]),
        ];
        let body = body(&notification, "", 0).unwrap();
        let of = |id: &str| {
            json!({
                "id": id,
                "startsAt": "2026-01-31T12:00:00.250Z",
                "endsAt": null,
                "alerts": 3,
                "firing": 2,
                "operations": 2,
            })
        };
        let ids = ["00000000000000b2", "00000000000000b3"];
        assert_eq!(body["incidents"], json!(ids.map(of)));
        assert_eq!(body["alerts"][0]["incident"], ids[0]);
        assert_eq!(body["alerts"][1]["incident"], ids[1]);
    }

    #[test]
    fn tally_and_course_stand_beside_what_is_known_without_them() {
        let notification = fixture::with_course();
        let body = body(&notification, "", 0).unwrap();
        let mut alert = body["alerts"][0].clone();
        let ours = alert.as_object_mut().unwrap();
        assert_eq!(
            ours.remove("tally"),
            Some(json!({
                "evaluations": 61,
                "values": 1_000,
                "firstSeen": "2026-01-31T12:00:00.250Z",
                "lastSeen": "2026-01-31T12:15:00.250Z",
                "worst": 31.5,
            }))
        );
        assert_eq!(
            ours.remove("course"),
            Some(json!({
                "stepSeconds": 150.0,
                "to": "2026-01-31T12:15:00.250Z",
                "values": [1.0, null, 12.5],
                "usual": [1.0, 1.9],
            }))
        );
        let without = fixture::notification(&[fixture::firing("detect")]);
        let without = super::body(&without, "", 0).unwrap();
        assert_eq!(alert, without["alerts"][0]);
    }

    #[test]
    fn a_resolved_alert_says_when_it_ended() {
        let notification = fixture::notification(&[fixture::resolved("train")]);
        let body = body(&notification, "", 0).unwrap();
        assert_eq!(body["status"], "resolved");
        assert_eq!(body["alerts"][0]["startsAt"], "2026-01-31T12:00:00.250Z");
        assert_eq!(body["alerts"][0]["endsAt"], "2026-01-31T12:10:00.250Z");
        assert_eq!(body["truncatedAlerts"], 0);
    }
}

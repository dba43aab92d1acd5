//! Alerts and notifications for the tests of this module.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::alert::EndReason;
use crate::engine::dispatch::{Announced, Course, Notification, NotifyReason};
use crate::engine::onset::Onset;
use crate::engine::series::Labels;
use crate::engine::tally::Tally;
use crate::engine::time::Timestamp;

/// When alerts of the tests begin.
pub(super) fn start() -> Timestamp {
    Timestamp::parse("2026-01-31T12:00:00.25Z").unwrap()
}

/// An alert that fires.
pub(super) fn firing(operation: &str) -> Arc<Announced> {
    let labels: Labels = [
        ("alertname", "DetectionSlow"),
        ("operation", operation),
        ("severity", "high"),
    ]
    .into_iter()
    .collect();
    Arc::new(Announced {
        fingerprint: labels.fingerprint(),
        labels,
        annotations: [("summary", "p95 is <high>")].into_iter().collect(),
        starts_at: start(),
        onset: Onset::default(),
        ended: None,
        suppressed: false,
        generator_url: "http://opwatch.example.org/api/v1/rules?rule_name[]=DetectionSlow".into(),
        rule: "DetectionSlow".into(),
        alert_type: "threshold_exceeded",
        metric: "duration".into(),
        stat: "p95".into(),
        value: Some(12.5),
        limit: 10.0,
        n: 42,
        evidence: None,
        replaces: None,
        tally: None,
        pace: None,
    })
}

/// The same alert ten minutes later, ended.
pub(super) fn resolved(operation: &str) -> Arc<Announced> {
    let mut alert = Announced::clone(&firing(operation));
    alert.value = Some(8.0);
    let end = Timestamp::from_millis(start().millis() + 600_000);
    alert.ended = Some((end, EndReason::Recovered));
    Arc::new(alert)
}

/// A notification of these, 15 minutes after they began.
pub(super) fn notification(alerts: &[Arc<Announced>]) -> Notification {
    Notification {
        id: "00000000000000a1".into(),
        receiver: "team".into(),
        integration: 0,
        group_key: "{}:{alertname=\"DetectionSlow\"}".into(),
        group_labels: [("alertname", "DetectionSlow")].into_iter().collect(),
        alerts: alerts.to_vec(),
        incidents: Vec::new(),
        courses: Vec::new(),
        reason: NotifyReason::First,
        remarks: BTreeMap::new(),
        escalation: None,
        at: Timestamp::from_millis(start().millis() + 900_000),
    }
}

/// One of an alert that fires, with all that it has found and the course of its value.
pub(super) fn with_course() -> Notification {
    let mut alert = firing("detect");
    let at = notification(&[]).at;
    Arc::make_mut(&mut alert).tally = Some(Tally {
        evaluations: 61,
        values: 1_000,
        first: start(),
        last: at,
        worst: Some(31.5),
    });
    let mut notification = notification(&[alert.clone()]);
    notification.courses = vec![Course {
        fingerprint: alert.fingerprint,
        step: Duration::from_secs(150),
        to: at,
        values: vec![Some(1.0), None, Some(12.5)],
        usual: Some((1.0, 1.9)),
    }];
    notification
}

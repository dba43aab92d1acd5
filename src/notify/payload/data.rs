//! What templates of a body see: the data of Alertmanager's templates, with what opwatch knows beside it.

use std::sync::Arc;

use crate::engine::dispatch::{Announced, Course, Notification};
use crate::engine::incident::Tale;
use crate::engine::series::Labels;
use crate::engine::tally::Tally;
use crate::engine::template::Value;
use crate::engine::time::Timestamp;
use crate::forms::incidents::id;
use crate::notify::message;

/// The data of a notification, with at most `max_alerts` alerts where that is not 0.
pub(super) fn of(notification: &Notification, external_url: &str, max_alerts: usize) -> Value {
    let all = notification.alerts.len();
    let shown = match max_alerts {
        0 => all,
        most => most.min(all),
    };
    let alerts = || notification.alerts.iter().take(shown);
    let list = |which: &dyn Fn(&Announced) -> bool| {
        let alerts = alerts()
            .filter(|one| which(one))
            .map(|one| alert(one, notification));
        Value::List(alerts.collect::<Vec<_>>().into())
    };
    let common = |of: fn(&Announced) -> &Labels| {
        Value::strings(message::common(alerts().map(|alert| of(alert))))
    };
    let incidents = notification.incidents.iter().map(incident);
    Value::record([
        ("Receiver", text(&notification.receiver)),
        ("Status", text(notification.status())),
        ("Subject", text(&message::subject(notification))),
        ("Reason", text(notification.news().as_str())),
        (
            "Escalation",
            text(&message::reason::escalation(notification).unwrap_or_default()),
        ),
        ("Id", text(&notification.id)),
        ("GroupKey", text(&notification.group_key)),
        ("GroupLabels", strings(&notification.group_labels)),
        ("CommonLabels", common(|alert| &alert.labels)),
        ("CommonAnnotations", common(|alert| &alert.annotations)),
        ("ExternalURL", text(external_url)),
        (
            "Incidents",
            Value::List(incidents.collect::<Vec<_>>().into()),
        ),
        ("Alerts", list(&|_| true)),
        ("Firing", list(&Announced::is_firing)),
        ("Resolved", list(&|alert| !alert.is_firing())),
        ("TruncatedAlerts", int(all - shown)),
    ])
}

fn incident(tale: &Tale) -> Value {
    Value::record([
        ("Id", text(&id(tale.id))),
        ("StartsAt", time(tale.since)),
        ("EndsAt", tale.ended_at.map_or(Value::Nil, time)),
        ("Alerts", int(tale.alerts)),
        ("Firing", int(tale.firing)),
        ("Operations", int(tale.operations)),
    ])
}

/// An alert of a notification.
pub(in crate::notify) fn alert(alert: &Announced, notification: &Notification) -> Value {
    let mut incidents = notification.incidents.iter();
    let incident = incidents.find(|tale| tale.members.contains(&alert.fingerprint));
    let evidence = alert.evidence.unwrap_or_default();
    let ended = alert.ended;
    let remark = notification.remarks.get(&alert.fingerprint);
    let acknowledged = remark.and_then(|remark| remark.acknowledged.as_deref());
    let acknowledged = acknowledged.map(message::reason::acknowledged);
    let account = message::account(alert, notification);
    let what = account.rows.iter().find(|(name, _)| *name == "what");
    let status = if alert.is_firing() {
        "firing"
    } else {
        "resolved"
    };
    Value::record([
        ("Status", text(status)),
        ("Labels", strings(&alert.labels)),
        ("Annotations", strings(&alert.annotations)),
        ("StartsAt", time(alert.starts_at)),
        ("EndsAt", ended.map_or(Value::Nil, |(at, _)| time(at))),
        ("GeneratorURL", text(&alert.generator_url)),
        ("Fingerprint", text(&format!("{:016x}", alert.fingerprint))),
        (
            "Incident",
            text(&incident.map_or_else(String::new, |tale| id(tale.id))),
        ),
        ("Rule", text(&alert.rule)),
        ("Type", text(alert.alert_type)),
        ("Severity", text(alert.labels.get("severity"))),
        ("Metric", text(&alert.metric)),
        ("Stat", text(&alert.stat)),
        ("What", text(what.map_or("", |(_, cell)| cell.text()))),
        ("Value", number(alert.value)),
        (
            "Threshold",
            number(Some(alert.limit).filter(|_| message::has_limit(alert))),
        ),
        ("N", count(alert.n)),
        ("Baseline", number(evidence.baseline)),
        ("Change", number(evidence.change)),
        ("Interval", text(&evidence.interval_text())),
        ("PValue", number(evidence.p_value)),
        (
            "DegradationPercent",
            number(message::degradation_percent(alert)),
        ),
        ("Reason", text(notification.news_of(alert).as_str())),
        ("Acknowledged", text(&acknowledged.unwrap_or_default())),
        ("AckURL", text(remark.map_or("", |remark| &remark.link))),
        (
            "EndReason",
            text(ended.map_or("", |(_, reason)| reason.as_str())),
        ),
        ("Tally", alert.tally.map_or(Value::Nil, tally)),
        (
            "Course",
            (notification.course_of(alert)).map_or(Value::Nil, |course| {
                let line = message::course_line(alert, notification);
                course_of(course, &line.unwrap_or_default())
            }),
        ),
    ])
}

fn tally(tally: Tally) -> Value {
    Value::record([
        ("Evaluations", count(tally.evaluations)),
        ("Values", count(tally.values)),
        ("FirstSeen", time(tally.first)),
        ("LastSeen", time(tally.last)),
        ("Worst", number(tally.worst)),
    ])
}

/// `line` is how it is drawn in text.
fn course_of(course: &Course, line: &str) -> Value {
    let values: Vec<Value> = course.values.iter().map(|value| number(*value)).collect();
    Value::record([
        ("Line", text(line)),
        ("StepSeconds", Value::Number(course.step.as_secs_f64())),
        ("To", time(course.to)),
        ("Values", Value::List(values.into())),
        ("UsualLow", number(course.usual.map(|(low, _)| low))),
        ("UsualHigh", number(course.usual.map(|(_, high)| high))),
    ])
}

fn number(number: Option<f64>) -> Value {
    number.map_or(Value::Nil, Value::Number)
}

fn count(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn text(text: &str) -> Value {
    Value::String(Arc::from(text))
}

fn strings(labels: &Labels) -> Value {
    Value::strings(labels.iter())
}

fn int(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn time(at: Timestamp) -> Value {
    match jiff::Timestamp::from_millisecond(at.millis()) {
        Ok(at) => Value::Time(at),
        Err(_) => text(&at.to_string()),
    }
}

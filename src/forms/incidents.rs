//! Incidents as the API tells of them, and the same in words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::engine::dispatch::Announced;
use crate::engine::incident::{self, Incidents};
use crate::engine::metric::Metric;
use crate::shown::amount;

/// The open incidents, and the last that are over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Whether alerts are put together into incidents at all.
    pub enabled: bool,
    /// They: the open ones first, the latest first.
    pub incidents: Vec<Incident>,
}

/// One incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// By what it is known, also after a restart: 16 hex digits.
    pub id: String,
    /// `open` or `over`.
    pub state: String,
    /// The best guess of when it began.
    pub starts_at: String,
    /// Not before and not after, as its alerts together tell.
    pub starts_within: (String, String),
    /// When its last alert ended.
    pub ends_at: Option<String>,
    /// The operations that it is of.
    pub operations: Vec<String>,
    /// The labels that all its alerts have in common.
    pub shared: BTreeMap<String, String>,
    /// Its alerts, the most explanatory first.
    pub alerts: Vec<Alert>,
}

/// One alert of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// `lead` for the one that explains most, `member` for the others.
    pub role: String,
    /// By which others know it.
    pub fingerprint: String,
    /// Its labels, with external ones.
    pub labels: BTreeMap<String, String>,
    /// The kind of alert.
    #[serde(rename = "type")]
    pub kind: String,
    /// What was measured.
    pub metric: String,
    /// Which statistic of it.
    pub stat: String,
    /// Its latest value.
    pub value: Option<f64>,
    /// What that was compared with.
    pub threshold: Option<f64>,
    /// `firing` or `resolved`.
    pub state: String,
    /// When it began to fire.
    pub starts_at: String,
    /// When it ended.
    pub ends_at: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// An id as others are told of it.
pub fn id(id: u64) -> String {
    format!("{id:016x}")
}

impl Told {
    /// What is to be told of all.
    pub fn of(incidents: &Incidents) -> Self {
        let mut all: Vec<_> = incidents.all().collect();
        all.sort_by_key(|one| std::cmp::Reverse((one.is_open(), one.since, one.id)));
        Self {
            enabled: incidents.is_on(),
            incidents: all.into_iter().map(Incident::of).collect(),
        }
    }
}

impl Incident {
    fn of(one: &incident::Incident) -> Self {
        let members = one.members();
        let mut members_labels = members.iter().map(|alert| alert.labels.as_map());
        let mut shared = members_labels.next().cloned().unwrap_or_default();
        for labels in members_labels {
            shared.retain(|name, value| labels.get(name) == Some(value));
        }
        let alerts = members.iter().zip(0..);
        Self {
            id: id(one.id),
            state: if one.is_open() { "open" } else { "over" }.to_owned(),
            starts_at: one.since.to_string(),
            starts_within: (one.onset.earliest.to_string(), one.onset.latest.to_string()),
            ends_at: one.ended_at.map(|at| at.to_string()),
            operations: one.operations.iter().cloned().collect(),
            shared,
            alerts: alerts
                .map(|(alert, place)| Alert::of(alert, place == 0))
                .collect(),
        }
    }
}

impl Alert {
    fn of(alert: &Announced, is_lead: bool) -> Self {
        let finite = |number: f64| Some(number).filter(|number| number.is_finite());
        Self {
            role: if is_lead { "lead" } else { "member" }.to_owned(),
            fingerprint: format!("{:016x}", alert.fingerprint),
            labels: alert.labels.as_map().clone(),
            kind: alert.alert_type.to_owned(),
            metric: alert.metric.clone(),
            stat: alert.stat.clone(),
            value: alert.value.and_then(finite),
            threshold: finite(alert.limit),
            state: match alert.is_firing() {
                true => "firing",
                false => "resolved",
            }
            .to_owned(),
            starts_at: alert.starts_at.to_string(),
            ends_at: alert.ended.map(|(at, _)| at.to_string()),
            reason: alert.ended.map(|(_, reason)| reason.as_str().to_owned()),
        }
    }
}

/// All in words: an incident a paragraph, an alert a line.
pub fn text(told: &Told) -> String {
    if !told.enabled {
        return "there are no incidents: `incidents: off`\n".to_owned();
    }
    if told.incidents.is_empty() {
        return "there is no incident\n".to_owned();
    }
    let mut out = String::new();
    for incident in &told.incidents {
        let Incident {
            id,
            state,
            starts_at,
            operations,
            ..
        } = incident;
        let until = incident.ends_at.as_ref();
        let until = until.map_or_else(String::new, |at| format!(" to {at}"));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{id} {state} since {starts_at}{until}");
        if !operations.is_empty() {
            let _ = writeln!(out, "  operations: {}", operations.join(", "));
        }
        for alert in &incident.alerts {
            let _ = writeln!(out, "  {}", line(alert));
        }
        out.push('\n');
    }
    out
}

fn line(alert: &Alert) -> String {
    let mut labels = alert.labels.clone();
    let name = labels.remove("alertname").unwrap_or_default();
    let severity = labels.remove("severity").unwrap_or_default();
    let labels: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
    let mut line = format!("{:<6} {:<8} {name}", alert.role, alert.state);
    if !severity.is_empty() {
        let _ = write!(line, " ({severity})");
    }
    let _ = write!(line, " {{{}}}", labels.join(", "));
    let metric = Metric::named(&alert.metric);
    let own = metric.own_stat().map(|stat| stat.to_string());
    let stat = match alert.stat.as_str() {
        stat if stat.is_empty() || own.as_deref() == Some(stat) => String::new(),
        stat => format!("{stat} of "),
    };
    let amount = |number| amount::of(&metric, &alert.stat, number);
    if let Some(value) = alert.value {
        let _ = write!(line, " {stat}{metric} {}", amount(value));
        if let Some(threshold) = alert.threshold {
            let _ = write!(line, ", limit {}", amount(threshold));
        }
    }
    line
}

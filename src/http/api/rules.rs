//! `/api/v1/rules` in the shape of Prometheus, with what opwatch knows beside it.

use std::collections::BTreeMap;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use super::{Services, alerts, unavailable};
use crate::engine::alert::AlertState;
use crate::engine::incident::Incidents;
use crate::engine::judge::{GroupState, Health, RuleState};
use crate::engine::rule::{Mode, Templated};
use crate::engine::time::Timestamp;
use crate::http::request::decode;
use crate::http::respond::{self, Body, ErrorType};

#[derive(Serialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: String,
    file: String,
    interval: f64,
    limit: usize,
    evaluation_time: f64,
    last_evaluation: String,
    rules: Vec<RuleBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleBody {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    state: &'static str,
    query: String,
    duration: f64,
    keep_firing_for: f64,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    alerts: Vec<alerts::AlertBody>,
    health: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    evaluation_time: f64,
    last_evaluation: String,
    /// How many instances the selector finds; 0 means that it matches nothing.
    instances: usize,
    /// `active`, `shadow` (its alerts are told to nobody) or `off`.
    mode: &'static str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    depends_on: Vec<String>,
}

/// What a request for rules leaves out.
#[derive(Debug, Default)]
struct Filter {
    names: Vec<String>,
    groups: Vec<String>,
    files: Vec<String>,
    exclude_alerts: bool,
    recording_only: bool,
}

impl Filter {
    fn parse(query: &str) -> Result<Self, String> {
        let mut filter = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(&value.replace('+', " "));
            match decode(name).as_str() {
                "type" => match value.as_str() {
                    "alert" => {}
                    "record" => filter.recording_only = true,
                    _ => return Err(format!("type {value:?} is not one of alert, record")),
                },
                "rule_name[]" => filter.names.push(value),
                "rule_group[]" => filter.groups.push(value),
                "file[]" => filter.files.push(value),
                "exclude_alerts" => filter.exclude_alerts = value == "true",
                // Prometheus ignores what it does not know.
                _ => {}
            }
        }
        Ok(filter)
    }

    fn takes(wanted: &[String], value: &str) -> bool {
        wanted.is_empty() || wanted.iter().any(|w| w == value)
    }
}

/// The rules with their state and alerts.
pub async fn rules(services: &Services, request: &Request<Incoming>) -> Response<Body> {
    let filter = match Filter::parse(request.uri().query().unwrap_or_default()) {
        Ok(filter) => filter,
        Err(message) => {
            return respond::api_error(StatusCode::BAD_REQUEST, ErrorType::BadData, &message);
        }
    };
    let groups = services.engine.read(move |engine, _| Groups {
        groups: engine
            .groups()
            .iter()
            .filter(|group| {
                Filter::takes(&filter.groups, &group.name)
                    && Filter::takes(&filter.files, &group.file)
            })
            .map(|group| group_body(group, &filter, engine.incidents()))
            .filter(|group| filter.names.is_empty() || !group.rules.is_empty())
            .collect(),
    });
    match groups.await {
        Ok(groups) => respond::compress(request.headers(), respond::api_data(&groups)).await,
        Err(refused) => unavailable(refused),
    }
}

fn group_body(group: &GroupState, filter: &Filter, incidents: &Incidents) -> Group {
    let wanted =
        |rule: &&RuleState| !filter.recording_only && Filter::takes(&filter.names, &rule.rule.name);
    Group {
        name: group.name.clone(),
        file: group.file.clone(),
        interval: group.interval.as_secs_f64(),
        limit: group.limit,
        evaluation_time: group.took.as_secs_f64(),
        last_evaluation: evaluated(group.evaluated_at),
        rules: group
            .rules
            .iter()
            .filter(wanted)
            .map(|rule| rule_body(rule, filter, incidents))
            .collect(),
    }
}

fn rule_body(state: &RuleState, filter: &Filter, incidents: &Incidents) -> RuleBody {
    let rule = &state.rule;
    let any = |test: fn(&AlertState) -> bool| state.alerts().any(|alert| test(&alert.state));
    RuleBody {
        kind: "alerting",
        name: rule.name.clone(),
        state: if any(AlertState::is_firing) {
            "firing"
        } else if any(AlertState::is_pending) {
            "pending"
        } else {
            "inactive"
        },
        query: crate::rulefile::query(rule),
        duration: rule.hold.hold.as_secs_f64(),
        keep_firing_for: rule.hold.keep_firing_for.as_secs_f64(),
        labels: sources(&rule.labels),
        annotations: sources(&rule.annotations),
        alerts: if filter.exclude_alerts {
            Vec::new()
        } else {
            alerts::bodies(state, incidents).collect()
        },
        health: match state.health {
            Health::Unknown => "unknown",
            Health::Good => "ok",
            Health::Failed(_) => "err",
        },
        last_error: match &state.health {
            Health::Failed(why) => Some(why.clone()),
            Health::Unknown | Health::Good => None,
        },
        evaluation_time: state.took.as_secs_f64(),
        last_evaluation: evaluated(state.evaluated_at),
        instances: state.instances.len(),
        mode: match rule.mode {
            Mode::Active => "active",
            Mode::Shadow => "shadow",
            Mode::Off => "off",
        },
        depends_on: rule.depends_on.clone(),
    }
}

fn sources(templated: &[Templated]) -> BTreeMap<String, String> {
    templated
        .iter()
        .map(|t| (t.name.clone(), t.template.source().to_owned()))
        .collect()
}

/// A time of evaluation; Go's zero time before the first, as Prometheus has it.
fn evaluated(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_those_of_prometheus() {
        let filter =
            Filter::parse("type=alert&rule_name[]=Slow+One&rule_group%5B%5D=g&x=1").unwrap();
        assert_eq!(
            (filter.names, filter.groups),
            (vec!["Slow One".into()], vec!["g".into()])
        );
        assert!(Filter::parse("type=both").is_err());
    }
}

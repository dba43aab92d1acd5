//! `/api/v2/alerts` and `/api/v2/alerts/groups`: the alerts that fire, with what keeps them from being told.

use std::collections::{BTreeMap, BTreeSet};

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use regex::Regex;
use serde::Serialize;

use super::{filter, refuse};
use crate::engine::Engine;
use crate::engine::dispatch::{Announced, Muting};
use crate::engine::selector::Matcher;
use crate::engine::time::Now;
use crate::http::api::{Services, unavailable};
use crate::http::request::pairs;
use crate::http::respond::{self, Body};

/// An alert in the form of this API.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    annotations: BTreeMap<String, String>,
    ends_at: String,
    fingerprint: String,
    receivers: Vec<Receiver>,
    starts_at: String,
    status: Status,
    updated_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    labels: BTreeMap<String, String>,
}

/// Who is told.
#[derive(Clone, Serialize)]
pub(super) struct Receiver {
    pub(super) name: String,
}

/// What keeps an alert from being told.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// `active` or `suppressed`.
    pub state: &'static str,
    /// Ids of silences.
    pub silenced_by: Vec<String>,
    /// Fingerprints of alerts.
    pub inhibited_by: Vec<String>,
    /// Names of time intervals in which routes of it are mute.
    pub muted_by: Vec<String>,
    /// Names of the maintenance that goes on for it.
    pub maintained_by: Vec<String>,
    /// Names of the digests that it waits for.
    pub collected_by: Vec<String>,
}

impl Status {
    /// Of an alert.
    pub fn of(muting: &Muting) -> Self {
        let inhibiting = muting.inhibited_by.iter();
        Self {
            state: match muting.is_suppressed() {
                true => "suppressed",
                false => "active",
            },
            silenced_by: muting.silenced_by.clone(),
            inhibited_by: inhibiting.map(|fp| format!("{fp:016x}")).collect(),
            muted_by: muting.muted_by.clone(),
            maintained_by: muting.maintained_by.clone(),
            collected_by: muting.collected_by.clone(),
        }
    }
}

#[derive(Serialize)]
struct Group {
    labels: BTreeMap<String, String>,
    receiver: Receiver,
    alerts: Vec<Alert>,
}

/// Which alerts are asked for.
#[derive(Debug)]
struct Asked {
    active: bool,
    silenced: bool,
    inhibited: bool,
    receiver: Option<Regex>,
    matchers: Vec<Matcher>,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, String> {
        let mut asked = Self {
            active: true,
            silenced: true,
            inhibited: true,
            receiver: None,
            matchers: Vec::new(),
        };
        let mut filters = Vec::new();
        for (name, value) in pairs(query) {
            let yes = || match value.as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(format!("{name}: {value:?}, allowed: true, false")),
            };
            match name.as_str() {
                "active" => asked.active = yes()?,
                "silenced" => asked.silenced = yes()?,
                "inhibited" => asked.inhibited = yes()?,
                // None is: what keeps an alert from being told is worked out when it is asked for.
                "unprocessed" => drop(yes()?),
                "receiver" if !value.is_empty() => {
                    let regex = Regex::new(&format!("^(?:{value})$"));
                    asked.receiver = Some(regex.map_err(|error| format!("receiver: {error}"))?);
                }
                "filter" => filters.push(value),
                // Alertmanager ignores what it does not know.
                _ => {}
            }
        }
        asked.matchers = filter(&filters)?;
        Ok(asked)
    }

    fn takes(&self, alert: &Announced, muting: &Muting, receivers: &[Receiver]) -> bool {
        (self.active || muting.is_suppressed())
            && (self.silenced || muting.silenced_by.is_empty())
            && (self.inhibited || muting.inhibited_by.is_empty())
            && (self.receiver.as_ref())
                .is_none_or(|regex| receivers.iter().any(|one| regex.is_match(&one.name)))
            && (self.matchers.iter()).all(|one| one.matches(alert.labels.get(one.name())))
    }
}

/// The alerts that are asked for, with their fingerprints.
fn found(engine: &Engine, asked: &Asked, now: Now) -> BTreeMap<u64, Alert> {
    let dispatcher = engine.dispatcher();
    let root = dispatcher.routing().root.as_ref();
    let mut found = BTreeMap::new();
    for (alert, muting) in dispatcher.alerts(now) {
        let routes = root.map_or_else(Vec::new, |root| root.matching(&alert.labels));
        let names: BTreeSet<&str> = routes.iter().map(|route| &*route.receiver).collect();
        let receivers = names.into_iter().map(|name| Receiver {
            name: name.to_owned(),
        });
        let receivers: Vec<Receiver> = receivers.collect();
        if !asked.takes(alert, &muting, &receivers) {
            continue;
        }
        let alert_body = Alert {
            annotations: alert.annotations.as_map().clone(),
            ends_at: now.wall.after(engine.valid_for()).to_string(),
            fingerprint: format!("{:016x}", alert.fingerprint),
            receivers,
            starts_at: alert.starts_at.to_string(),
            status: Status::of(&muting),
            updated_at: now.wall.to_string(),
            generator_url: alert.generator_url.clone(),
            labels: alert.labels.as_map().clone(),
        };
        found.insert(alert.fingerprint, alert_body);
    }
    found
}

/// The alerts that fire.
pub async fn list(services: &Services, request: &Request<Incoming>) -> Response<Body> {
    let asked = match Asked::parse(request.uri().query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let alerts = services.engine.read(move |engine, now| {
        let found = found(engine, &asked, now);
        found.into_values().collect::<Vec<_>>()
    });
    match alerts.await {
        Ok(alerts) => {
            respond::compress(request.headers(), respond::json(StatusCode::OK, &alerts)).await
        }
        Err(refused) => unavailable(refused),
    }
}

/// The same by the groups in which they are told.
pub async fn groups(services: &Services, request: &Request<Incoming>) -> Response<Body> {
    let asked = match Asked::parse(request.uri().query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let groups = services.engine.read(move |engine, now| {
        let found = found(engine, &asked, now);
        let is_asked = |name: &str| (asked.receiver.as_ref()).is_none_or(|one| one.is_match(name));
        let groups = engine.dispatcher().groups();
        let groups = groups.filter(|(_, receiver, _)| is_asked(receiver));
        let groups = groups.map(|(labels, receiver, alerts)| Group {
            labels: labels.as_map().clone(),
            receiver: Receiver {
                name: receiver.to_owned(),
            },
            alerts: (alerts.iter())
                .filter_map(|alert| found.get(&alert.fingerprint).cloned())
                .collect(),
        });
        groups
            .filter(|group| !group.alerts.is_empty())
            .collect::<Vec<_>>()
    });
    match groups.await {
        Ok(groups) => {
            respond::compress(request.headers(), respond::json(StatusCode::OK, &groups)).await
        }
        Err(refused) => unavailable(refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_as_alertmanager_reads_it() {
        let asked = Asked::parse(
            "active=false&silenced=true&filter=host%3D%22a%22&filter=x%3D~y&receiver=a|b&z=1",
        )
        .unwrap();
        assert!(!asked.active && asked.silenced && asked.inhibited);
        assert_eq!(asked.matchers.len(), 2);
        assert!(asked.receiver.unwrap().is_match("b"));
        for query in ["active=maybe", "filter=x", "receiver=("] {
            assert!(Asked::parse(query).is_err(), "{query}");
        }
    }
}

//! `/api/v1/baselines/accept`: what a rule has found is what is usual from now on.

use std::collections::BTreeMap;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use super::{Services, unavailable};
use crate::engine::acceptance::{AcceptError, Accepted};
use crate::engine::judge::Effects;
use crate::engine::selector::Selector;
use crate::http::request::pairs;
use crate::http::respond::{self, Body, ErrorType};

#[derive(Serialize)]
struct AcceptedBody {
    /// Whether it is on disk; else it is in memory, until the disk works again.
    durable: bool,
    accepted: Vec<InstanceBody>,
}

#[derive(Serialize)]
struct InstanceBody {
    labels: BTreeMap<String, String>,
    /// Nothing from before then is learned from any more: RFC 3339.
    since: String,
}

impl InstanceBody {
    fn of(accepted: &Accepted) -> Self {
        Self {
            labels: accepted.labels.as_map().clone(),
            since: accepted.since.to_string(),
        }
    }
}

/// Of which rule, and of which of its instances.
fn parse(query: &str) -> Result<(String, Selector), String> {
    let (mut rule, mut select) = (String::new(), Selector::default());
    for (name, value) in pairs(query) {
        match name.as_str() {
            "rule" => rule = value,
            "select" => {
                select = Selector::parse(&value).map_err(|why| format!("select: {why}"))?;
            }
            other => {
                let shown: String = other.chars().take(60).collect();
                return Err(format!("{shown:?} is no parameter, allowed: rule, select"));
            }
        }
    }
    if rule.is_empty() {
        return Err(
            "rule: is missing, allowed: the name of a rule that learns what is usual".into(),
        );
    }
    Ok((rule, select))
}

/// Accepts the change that a rule has found.
pub async fn accept(services: &Services, request: &Request<Incoming>) -> Response<Body> {
    let (rule, select) = match parse(request.uri().query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(message) => {
            return respond::api_error(StatusCode::BAD_REQUEST, ErrorType::BadData, &message);
        }
    };
    let accepted =
        services.engine.act(
            move |engine, now| match engine.accept(&rule, &select, now) {
                Ok((accepted, effects)) => (Ok(accepted), effects),
                Err(error) => (Err(error), Effects::default()),
            },
        );
    match accepted.await {
        Ok((Ok(accepted), durable)) => {
            let accepted = accepted.iter().map(InstanceBody::of).collect();
            respond::api_data(&AcceptedBody { durable, accepted })
        }
        Ok((Err(error), _)) => {
            let (status, kind) = match error {
                AcceptError::NoRule { .. } | AcceptError::NoAlert { .. } => {
                    (StatusCode::NOT_FOUND, ErrorType::NotFound)
                }
                AcceptError::Otherwise { .. } => {
                    (StatusCode::UNPROCESSABLE_ENTITY, ErrorType::Execution)
                }
            };
            respond::api_error(status, kind, &error.to_string())
        }
        Err(refused) => unavailable(refused),
    }
}

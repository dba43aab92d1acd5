//! `/api/v1/baselines`: what metrics were like when all was well.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use super::{Services, body_of, unavailable};
use crate::engine::baseline::{Baseline, SetError};
use crate::engine::baselines::{Set, WantedError};
use crate::engine::metric::Metric;
use crate::engine::time::Now;
use crate::forms::baselines::{self, Form, Surroundings};
use crate::http::request::decode;
use crate::http::respond::{self, Body, ErrorType};
use crate::rulefile::read_metric;

#[derive(Serialize)]
struct Listed {
    baselines: Vec<Form>,
}

#[derive(Serialize)]
struct SetBody {
    /// Whether they are on disk; else they are in memory, until the disk works again.
    durable: bool,
    baselines: Vec<Form>,
    /// Who was selected as well, but has no values, so that nothing was set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    without_values: Vec<BTreeMap<String, String>>,
}

#[derive(Serialize)]
struct Removed {
    durable: bool,
    /// Versions that were removed.
    removed: usize,
}

/// Which baselines are asked for.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    name: Option<String>,
    metric: Option<Metric>,
    all_versions: bool,
    is_full: bool,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, String> {
        let mut asked = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(&value.replace('+', " "));
            match decode(name).as_str() {
                "name" => asked.name = Some(value),
                "metric" => {
                    let metric = read_metric(&value).map_err(|why| format!("metric: {why}"))?;
                    asked.metric = Some(metric);
                }
                "versions" => {
                    asked.all_versions = match value.as_str() {
                        "all" => true,
                        "newest" => false,
                        _ => return Err(format!("versions {value:?}, allowed: all, newest")),
                    }
                }
                "full" => {
                    asked.is_full = match value.as_str() {
                        "true" => true,
                        "false" => false,
                        _ => return Err(format!("full {value:?}, allowed: true, false")),
                    }
                }
                // One that is misspelt must not remove or list everything.
                other => {
                    let shown: String = other.chars().take(60).collect();
                    return Err(format!(
                        "{shown:?} is no parameter, allowed: name, metric, versions, full"
                    ));
                }
            }
        }
        Ok(asked)
    }

    fn takes(&self, baseline: &Baseline) -> bool {
        (self.name.as_ref()).is_none_or(|name| *name == baseline.name)
            && (self.metric.as_ref()).is_none_or(|metric| *metric == baseline.metric)
    }
}

fn bad(message: &str) -> Response<Body> {
    respond::api_error(StatusCode::BAD_REQUEST, ErrorType::BadData, message)
}

/// The baselines that were set, the newest version of each or all.
pub async fn list(services: &Services, request: &Request<Incoming>) -> Response<Body> {
    let asked = match Asked::parse(request.uri().query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(message) => return bad(&message),
    };
    // The engine only hands over what it shares; forms are made of it here.
    let baselines = match services.engine.read(|e, _| e.baselines().clone()).await {
        Ok(baselines) => baselines,
        Err(refused) => return unavailable(refused),
    };
    let form = |baseline: &Arc<Baseline>| {
        let is_asked = asked.takes(baseline);
        is_asked.then(|| Form::of(baseline, asked.is_full))
    };
    let listed = Listed {
        baselines: if asked.all_versions {
            baselines.all().filter_map(form).collect()
        } else {
            baselines.newest().filter_map(form).collect()
        },
    };
    respond::compress(request.headers(), respond::api_data(&listed)).await
}

/// Sets baselines: as a number, from what was measured, or whole ones from elsewhere.
pub async fn set(services: &Services, request: Request<Incoming>) -> Response<Body> {
    let bad_body = |status, message: &str| respond::api_error(status, ErrorType::BadData, message);
    let (text, _share) = match body_of(services, request, bad_body).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let Ok(text) = std::str::from_utf8(&text) else {
        return bad("the body is not UTF-8, allowed: a JSON object");
    };
    let around = services.engine.read(|engine, now: Now| {
        let settings = engine.store().settings();
        Surroundings {
            now: now.wall,
            retention: settings.retention,
            max_history: settings.max_history,
        }
    });
    let around = match around.await {
        Ok(around) => around,
        Err(refused) => return unavailable(refused),
    };
    let wanted = match baselines::read(text, around) {
        Ok(wanted) => wanted,
        Err(fault) => return bad(&fault.to_string()),
    };
    let set = services
        .engine
        .change(move |engine, now| engine.set_baselines(&wanted, now));
    match set.await {
        Ok((Ok(set), durable)) => respond::api_data(&set_body(&set, durable)),
        Ok((Err(error), _)) => refuse(&error),
        Err(refused) => unavailable(refused),
    }
}

fn set_body(set: &Set, durable: bool) -> SetBody {
    let baselines = set.baselines.iter();
    let without = set.without_values.iter();
    SetBody {
        durable,
        baselines: baselines.map(|one| Form::of(one, false)).collect(),
        without_values: without.map(|labels| labels.as_map().clone()).collect(),
    }
}

fn refuse(error: &WantedError) -> Response<Body> {
    let (status, kind) = match error {
        WantedError::NoSeries { .. } | WantedError::NoData { .. } => {
            (StatusCode::NOT_FOUND, ErrorType::NotFound)
        }
        WantedError::Set(SetError::TooMany) => {
            (StatusCode::UNPROCESSABLE_ENTITY, ErrorType::Execution)
        }
    };
    respond::api_error(status, kind, &error.to_string())
}

/// Removes all versions of the baselines of a name.
pub async fn remove(services: &Services, request: &Request<Incoming>) -> Response<Body> {
    let asked = match Asked::parse(request.uri().query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(message) => return bad(&message),
    };
    let Some(name) = asked.name.filter(|name| !name.is_empty()) else {
        return bad(
            "name: is missing, allowed: the name of a baseline, and metric=… for one metric of it",
        );
    };
    if asked.all_versions || asked.is_full {
        return bad(
            "versions and full do not go with removing, which takes all versions, allowed: name, metric",
        );
    }
    let (named, metric) = (name.clone(), asked.metric);
    let removed = services
        .engine
        .change(move |engine, _| engine.remove_baselines(&named, metric.as_ref()));
    match removed.await {
        Ok((0, _)) => {
            let message = format!("there is no baseline {name:?} of that metric");
            respond::api_error(StatusCode::NOT_FOUND, ErrorType::NotFound, &message)
        }
        Ok((removed, durable)) => respond::api_data(&Removed { durable, removed }),
        Err(refused) => unavailable(refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_is_misspelt_is_refused() {
        let asked = Asked::parse("name=nightly+run&metric=duration&versions=all&full=true");
        let expected = Asked {
            name: Some("nightly run".to_owned()),
            metric: Some(Metric::Duration),
            all_versions: true,
            is_full: true,
        };
        assert_eq!(asked, Ok(expected));
        for query in ["nmae=x", "versions=2", "full=yes", "metric=a-b"] {
            assert!(Asked::parse(query).is_err(), "{query}");
        }
    }
}

//! `/api/v1/explain`: what the verdicts of a rule rest on.

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::{Services, unavailable};
use crate::engine::selector::Selector;
use crate::explanation::{self, Explained};
use crate::http::request::decode;
use crate::http::respond::{self, Body, ErrorType};

/// What is to be explained.
#[derive(Debug, Default)]
struct Asked {
    rule: String,
    group: Option<String>,
    labels: Selector,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, String> {
        let mut asked = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(&value.replace('+', " "));
            match decode(name).as_str() {
                "rule" => asked.rule = value,
                "group" => asked.group = Some(value),
                "labels" => {
                    asked.labels = Selector::parse(&value).map_err(|error| {
                        format!(
                            "labels: {error}, allowed: a selector such as {{operation=\"train\"}}"
                        )
                    })?;
                }
                other => {
                    let shown: String = other.chars().take(60).collect();
                    return Err(format!(
                        "{shown:?} is no parameter, allowed: rule, group, labels"
                    ));
                }
            }
        }
        if asked.rule.is_empty() {
            return Err("rule: is missing, allowed: the name of a rule".to_owned());
        }
        Ok(asked)
    }
}

/// What the verdicts of the rules of a name rest on, for each instance.
pub async fn explain(services: &Services, request: &Request<Incoming>) -> Response<Body> {
    let asked = match Asked::parse(request.uri().query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(message) => {
            return respond::api_error(StatusCode::BAD_REQUEST, ErrorType::BadData, &message);
        }
    };
    let name = asked.rule.clone();
    let explained = services.engine.read(move |engine, now| {
        let judged = engine.judged(now);
        let groups = engine.groups().iter();
        let groups =
            groups.filter(|group| asked.group.as_ref().is_none_or(|name| *name == group.name));
        let rules = groups.flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
        Explained {
            rules: rules
                .filter(|(_, rule)| rule.rule.name == asked.rule)
                .map(|(group, rule)| explanation::rule(engine, group, rule, &asked.labels, judged))
                .collect(),
        }
    });
    match explained.await {
        Ok(explained) if explained.rules.is_empty() => {
            let message = format!("there is no rule {name:?}; /api/v1/rules has those there are");
            respond::api_error(StatusCode::NOT_FOUND, ErrorType::NotFound, &message)
        }
        Ok(explained) => respond::compress(request.headers(), respond::api_data(&explained)).await,
        Err(refused) => unavailable(refused),
    }
}

//! `/api/v1/alerts/{fingerprint}/ack`, `…/resolve` and `DELETE /api/v1/alerts`: what people do about alerts.

use std::collections::BTreeMap;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::{Services, body_of, unavailable};
use crate::document::units::Period;
use crate::engine::dispatch::acknowledgement::Wish;
use crate::engine::dispatch::{Acknowledgement, HandlingError};
use crate::engine::judge::Effects;
use crate::engine::series::Labels;
use crate::engine::{ALERT_TYPES, Engine};
use crate::http::request::pairs;
use crate::http::respond::{self, Body, ErrorType};

/// Who looks after an alert.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AcknowledgementBody {
    by: String,
    comment: String,
    at: String,
    /// Null where it holds until the alert ends.
    expires_at: Option<String>,
}

impl AcknowledgementBody {
    /// Of an alert.
    pub fn of(one: &Acknowledgement) -> Self {
        Self {
            by: one.by.clone(),
            comment: one.comment.clone(),
            at: one.at.to_string(),
            expires_at: one.expires_at.map(|at| at.to_string()),
        }
    }
}

#[derive(Serialize)]
struct Acknowledged {
    /// Whether it is on disk; else it is in memory, until the disk works again.
    durable: bool,
    acknowledgement: AcknowledgementBody,
}

#[derive(Serialize)]
struct Resolved {
    durable: bool,
    /// The labels of the alerts that have ended.
    resolved: Vec<BTreeMap<String, String>>,
}

/// What is to be acknowledged how.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    by: String,
    #[serde(default)]
    comment: String,
    expires_after: Option<String>,
}

impl Asked {
    fn wish(self) -> Result<Wish, String> {
        let expires_after = self.expires_after.map(|text| text.parse::<Period>());
        let expires_after = expires_after
            .transpose()
            .map_err(|error| format!("expires_after: {error}"))?;
        Ok(Wish {
            by: self.by,
            comment: self.comment,
            expires_after: expires_after.map(|Period(time)| time),
        })
    }
}

fn bad(why: &str) -> Response<Body> {
    respond::api_error(StatusCode::BAD_REQUEST, ErrorType::BadData, why)
}

/// The answer that says why nothing is done.
fn refuse(error: &HandlingError) -> Response<Body> {
    let (status, kind) = match error {
        HandlingError::NotFound(_) => (StatusCode::NOT_FOUND, ErrorType::NotFound),
        HandlingError::Pending(_)
        | HandlingError::NotTold(_)
        | HandlingError::Ended(..)
        | HandlingError::Another(..)
        | HandlingError::NotAcknowledged(_) => (StatusCode::CONFLICT, ErrorType::Execution),
        HandlingError::TooMany => (StatusCode::UNPROCESSABLE_ENTITY, ErrorType::Execution),
        HandlingError::Nobody | HandlingError::TooLong(_) | HandlingError::Time(_) => {
            (StatusCode::BAD_REQUEST, ErrorType::BadData)
        }
    };
    respond::api_error(status, kind, &error.to_string())
}

/// The fingerprint in a path.
fn fingerprint(text: &str) -> Result<u64, String> {
    let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let read = u64::from_str_radix(text, 16).ok().filter(|_| digits);
    read.ok_or_else(|| {
        let shown: String = text.chars().take(60).collect();
        format!(
            "{shown:?} is no fingerprint, allowed: 16 hexadecimal digits, as `opwatch alerts` shows them"
        )
    })
}

/// Does something about an alert; its outcome, and whether that is on disk.
async fn act<T: Send + 'static>(
    services: &Services,
    act: impl FnOnce(&mut Engine, crate::engine::time::Now) -> Result<(T, Effects), HandlingError>
    + Send
    + 'static,
) -> Result<(T, bool), Response<Body>> {
    let outcome = services
        .engine
        .act(move |engine, now| match act(engine, now) {
            Ok((outcome, effects)) => (Ok(outcome), effects),
            Err(error) => (Err(error), Effects::default()),
        });
    match outcome.await {
        Ok((Ok(outcome), durable)) => Ok((outcome, durable)),
        Ok((Err(error), _)) => Err(refuse(&error)),
        Err(refused) => Err(unavailable(refused)),
    }
}

/// Notes that somebody looks after an alert.
pub async fn acknowledge(
    services: &Services,
    of: &str,
    request: Request<Incoming>,
) -> Response<Body> {
    let of = match fingerprint(of) {
        Ok(of) => of,
        Err(why) => return bad(&why),
    };
    let refuse = |status, why: &str| respond::api_error(status, ErrorType::BadData, why);
    let (text, _share) = match body_of(services, request, refuse).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let asked = match serde_json::from_slice::<Asked>(&text) {
        Ok(asked) => asked,
        Err(error) => {
            return bad(&format!(
                "{error}; allowed: a JSON object with by, and perhaps comment and expires_after"
            ));
        }
    };
    let wish = match asked.wish() {
        Ok(wish) => wish,
        Err(why) => return bad(&why),
    };
    let outcome = act(services, move |engine, now| {
        engine.acknowledge(of, None, wish, now)
    });
    shown(outcome.await)
}

fn shown(
    outcome: Result<(std::sync::Arc<Acknowledgement>, bool), Response<Body>>,
) -> Response<Body> {
    match outcome {
        Ok((one, durable)) => respond::api_data(&Acknowledged {
            durable,
            acknowledgement: AcknowledgementBody::of(&one),
        }),
        Err(response) => response,
    }
}

/// Takes back that somebody looks after an alert; says who did.
pub async fn unacknowledge(services: &Services, of: &str) -> Response<Body> {
    let of = match fingerprint(of) {
        Ok(of) => of,
        Err(why) => return bad(&why),
    };
    let outcome = act(services, move |engine, now| engine.unacknowledge(of, now));
    shown(outcome.await)
}

/// Ends an alert.
pub async fn resolve(services: &Services, of: &str) -> Response<Body> {
    let of = match fingerprint(of) {
        Ok(of) => of,
        Err(why) => return bad(&why),
    };
    let outcome = act(services, move |engine, now| engine.resolve(of, now));
    resolved(outcome.await)
}

/// Ends all alerts, or those of one type.
pub async fn clear(services: &Services, request: &Request<Incoming>) -> Response<Body> {
    let mut wanted = None;
    for (name, value) in pairs(request.uri().query().unwrap_or_default()) {
        let shown: String = value.chars().take(60).collect();
        match name.as_str() {
            "alert_type" if ALERT_TYPES.contains(&value.as_str()) => wanted = Some(value),
            "alert_type" => {
                let allowed = ALERT_TYPES.join(", ");
                return bad(&format!("alert_type: {shown:?}, allowed: {allowed}"));
            }
            other => {
                let shown: String = other.chars().take(60).collect();
                return bad(&format!("{shown:?} is no parameter, allowed: alert_type"));
            }
        }
    }
    let outcome = act(services, move |engine, now| {
        Ok(engine.clear(wanted.as_deref(), now))
    });
    resolved(outcome.await)
}

fn resolved(outcome: Result<(Vec<Labels>, bool), Response<Body>>) -> Response<Body> {
    match outcome {
        Ok((labels, durable)) => respond::api_data(&Resolved {
            durable,
            resolved: labels.iter().map(|one| one.as_map().clone()).collect(),
        }),
        Err(response) => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        assert_eq!(fingerprint("00000000000000aF").unwrap(), 0xaf);
        for text in ["", "af", "+0000000000000af", "00000000000000ag", "..%2f"] {
            assert!(
                fingerprint(text).unwrap_err().contains("allowed: 16"),
                "{text}"
            );
        }
    }
}

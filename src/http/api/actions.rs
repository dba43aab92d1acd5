//! `/api/v1/actions`: what alerts have brought about, and reports of what became of it.

use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use super::{Services, body_of, unavailable};
use crate::engine::acting::RunError;
use crate::engine::action::ReportError;
use crate::forms::actions::{CaseBody, ReportForm, Told};
use crate::http::request::pairs;
use crate::http::respond::{self, Body, ErrorType};

/// How a request stands after a report.
#[derive(Serialize)]
struct Taken {
    /// Whether that is on disk; else it is in memory, until the disk works again.
    durable: bool,
    /// `running`, `probation`, or what it came to: `refused` says that what was made is worse than what there is.
    decision: String,
    /// Why.
    message: String,
    #[serde(flatten)]
    case: CaseBody,
}

#[derive(Serialize)]
struct Run {
    durable: bool,
    /// By what the request is known.
    key: String,
}

fn bad(message: &str) -> Response<Body> {
    respond::api_error(StatusCode::BAD_REQUEST, ErrorType::BadData, message)
}

/// All actions with what became of them.
pub async fn list(services: &Services, headers: &HeaderMap) -> Response<Body> {
    let told = services.engine.read(|engine, _| Told::of(engine.actions()));
    match told.await {
        Ok(told) => respond::compress(headers, respond::api_data(&told)).await,
        Err(refused) => unavailable(refused),
    }
}

/// Takes a report of what became of a request.
pub async fn report(services: &Services, key: &str, request: Request<Incoming>) -> Response<Body> {
    let refuse = |status, message: &str| respond::api_error(status, ErrorType::BadData, message);
    let (text, _share) = match body_of(services, request, refuse).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let form = serde_json::from_slice::<ReportForm>(&text).map_err(|error| error.to_string());
    let report = match form.and_then(ReportForm::report) {
        Ok(report) => report,
        Err(why) => {
            return bad(&format!(
                "{why}, allowed: such as {{\"status\": \"succeeded\", \"metrics\": {{\"accuracy\": 0.93}}}} with status running, succeeded or failed"
            ));
        }
    };
    let asked = key.to_owned();
    let taken = services
        .engine
        .change(move |engine, now| engine.take_report(&asked, report, now));
    match taken.await {
        Ok((Ok(case), durable)) => {
            let past = case.past(key);
            let (decision, message) = match (past, &case.run) {
                (Some(past), _) => (past.outcome.as_str(), past.message.clone()),
                (None, Some(run)) => (case.stage.as_str(), run.message.clone()),
                (None, None) => (case.stage.as_str(), String::new()),
            };
            respond::api_data(&Taken {
                durable,
                decision: decision.to_owned(),
                message,
                case: CaseBody::of(&case),
            })
        }
        Ok((Err(error @ ReportError::NotFound(_)), _)) => respond::api_error(
            StatusCode::NOT_FOUND,
            ErrorType::NotFound,
            &error.to_string(),
        ),
        Ok((Err(error @ ReportError::Over { .. }), _)) => respond::api_error(
            StatusCode::CONFLICT,
            ErrorType::Execution,
            &error.to_string(),
        ),
        Err(refused) => unavailable(refused),
    }
}

/// Runs an action for an alert because somebody asks for it.
pub async fn run(services: &Services, name: &str, request: &Request<Incoming>) -> Response<Body> {
    let mut alert = String::new();
    for (parameter, value) in pairs(request.uri().query().unwrap_or_default()) {
        if parameter != "alert" {
            let shown: String = parameter.chars().take(60).collect();
            return bad(&format!("{shown:?} is no parameter, allowed: alert"));
        }
        alert = value;
    }
    if alert.is_empty() {
        return bad(
            "alert: is missing, allowed: the fingerprint of an alert that fires, or the name of its rule",
        );
    }
    let name = name.to_owned();
    let run = services
        .engine
        .change(move |engine, now| engine.run_action(&name, &alert, now));
    match run.await {
        Ok((Ok(key), durable)) => respond::api_data(&Run { durable, key }),
        Ok((Err(error), _)) => {
            let (status, kind) = match error {
                RunError::NoAction { .. } | RunError::NoAlert(_) => {
                    (StatusCode::NOT_FOUND, ErrorType::NotFound)
                }
                RunError::Ambiguous { .. } => (StatusCode::BAD_REQUEST, ErrorType::BadData),
                RunError::HeldBack(_) => (StatusCode::CONFLICT, ErrorType::Execution),
            };
            respond::api_error(status, kind, &error.to_string())
        }
        Err(refused) => unavailable(refused),
    }
}

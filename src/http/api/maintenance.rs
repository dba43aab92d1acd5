//! `/api/v1/maintenance`: what is worked on, so that nobody is told of it.

use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use super::{Services, body_of, unavailable};
use crate::engine::dispatch::maintenance::MaintenanceError;
use crate::forms::maintenance::{Told, Wanted};
use crate::http::respond::{self, Body, ErrorType};

#[derive(Serialize)]
struct StartedBody {
    id: String,
    /// Whether it is on disk; else it is in memory, until the disk works again.
    durable: bool,
}

#[derive(Serialize)]
struct EndedBody {
    ended: Vec<String>,
    durable: bool,
}

/// Both kinds of it.
pub async fn list(services: &Services, headers: &HeaderMap) -> Response<Body> {
    let all = services
        .engine
        .read(|engine, now| (engine.maintenance().clone(), now.wall));
    match all.await {
        Ok((all, now)) => respond::compress(headers, respond::api_data(&Told::of(&all, now))).await,
        Err(refused) => unavailable(refused),
    }
}

/// Starts one.
pub async fn start(services: &Services, request: Request<Incoming>) -> Response<Body> {
    let bad = |status, why: &str| respond::api_error(status, ErrorType::BadData, why);
    let (text, _share) = match body_of(services, request, bad).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let wanted = match serde_json::from_slice::<Wanted>(&text) {
        Ok(wanted) => wanted,
        Err(error) => return bad(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let started = services.engine.change(move |engine, now| {
        let wanted = wanted.read(now.wall)?;
        Ok::<_, String>(engine.start_maintenance(wanted, now))
    });
    match started.await {
        Ok((Ok(Ok(id)), durable)) => respond::api_data(&StartedBody { id, durable }),
        Ok((Ok(Err(why)), _)) => refuse(&why),
        Ok((Err(why), _)) => bad(StatusCode::BAD_REQUEST, &why),
        Err(refused) => unavailable(refused),
    }
}

/// Ends the one of that id, or all of that name, now.
pub async fn end(services: &Services, which: &str) -> Response<Body> {
    let which = which.to_owned();
    let ended = services
        .engine
        .change(move |engine, now| engine.end_maintenance(&which, now));
    match ended.await {
        Ok((Ok(ended), durable)) => respond::api_data(&EndedBody { ended, durable }),
        Ok((Err(why), _)) => refuse(&why),
        Err(refused) => unavailable(refused),
    }
}

fn refuse(error: &MaintenanceError) -> Response<Body> {
    let (status, kind) = match error {
        MaintenanceError::NotFound(_) => (StatusCode::NOT_FOUND, ErrorType::NotFound),
        MaintenanceError::Recurs(_) | MaintenanceError::Ended(_) => {
            (StatusCode::CONFLICT, ErrorType::Execution)
        }
        MaintenanceError::TooMany => (StatusCode::UNPROCESSABLE_ENTITY, ErrorType::Execution),
        MaintenanceError::MatchesEverything
        | MaintenanceError::TooManyMatchers(_)
        | MaintenanceError::TooLarge(_)
        | MaintenanceError::EndsInThePast(_) => (StatusCode::BAD_REQUEST, ErrorType::BadData),
    };
    respond::api_error(status, kind, &error.to_string())
}

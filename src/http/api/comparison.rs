//! `/api/v1/comparison`: the algorithms or versions of an operation, ranked.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::{Services, unavailable};
use crate::comparison::{Asked, ComparisonBody, Missing, find};
use crate::driver::Refused;
use crate::engine::comparison::{Candidate, compare};
use crate::http::request::pairs;
use crate::http::respond::{self, Body, ErrorType};

/// Most that are compared at once.
const MAX_CANDIDATES: usize = 500;

/// Why there is no answer.
enum Failure {
    Bad(String),
    Missing(Missing),
    Refused(Refused),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// The algorithms or versions of an operation, ranked.
pub async fn comparison(services: &Services, request: &Request<Incoming>) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default();
    let answer = match Asked::parse(pairs(query)) {
        Ok(asked) => answer(services, Arc::new(asked)).await,
        Err(message) => Err(Failure::Bad(message)),
    };
    match answer {
        Ok(body) => respond::compress(request.headers(), respond::api_data(&body)).await,
        Err(Failure::Bad(message)) => {
            respond::api_error(StatusCode::BAD_REQUEST, ErrorType::BadData, &message)
        }
        Err(Failure::Missing(missing)) => {
            let message = missing.to_string();
            respond::api_error(StatusCode::NOT_FOUND, ErrorType::NotFound, &message)
        }
        Err(Failure::Refused(refused)) => unavailable(refused),
    }
}

/// Asks the engine for one window at a time, so that it goes on with its work in between; compares elsewhere.
async fn answer(services: &Services, asked: Arc<Asked>) -> Result<ComparisonBody, Failure> {
    let wanted = Arc::clone(&asked);
    let engine = &services.engine;
    let found = engine.read(move |engine, _| find(engine.store(), &wanted));
    let found = Arc::new(found.await?.map_err(Failure::Missing)?);
    if found.candidates.len() > MAX_CANDIDATES {
        return Err(Failure::Bad(format!(
            "there are {} to compare; at most {MAX_CANDIDATES} are allowed, so choose with select",
            found.candidates.len()
        )));
    }
    let mut candidates = Vec::with_capacity(found.candidates.len());
    for name in found.candidates.keys() {
        let mut candidate = Candidate {
            name: name.clone(),
            windows: Vec::new(),
        };
        for metric in &found.metrics {
            let (found, metric) = (Arc::clone(&found), metric.clone());
            let read = engine.read(move |engine, now| {
                if let Some(ids) = found.candidates.get(&candidate.name) {
                    found.add(&mut candidate, ids, &metric, engine.store(), now.wall);
                }
                candidate
            });
            candidate = read.await?;
        }
        candidates.push(candidate);
    }
    let (reach, least) = (found.reach, asked.min_operations);
    let compared = tokio::task::spawn_blocking(move || compare(candidates, least)).await;
    let comparison = compared.map_err(|_| Failure::Refused(Refused::Stopping))?;
    Ok(ComparisonBody::new(&asked, reach, &comparison))
}

//! `/api/v1/incidents`: alerts that began together.

use hyper::Response;
use hyper::header::HeaderMap;

use super::{Services, unavailable};
use crate::forms::incidents::Told;
use crate::http::respond::{self, Body};

/// The open incidents, and the last that are over.
pub async fn incidents(services: &Services, headers: &HeaderMap) -> Response<Body> {
    let told = services
        .engine
        .read(|engine, _| Told::of(engine.incidents()));
    match told.await {
        Ok(told) => respond::compress(headers, respond::api_data(&told)).await,
        Err(refused) => unavailable(refused),
    }
}

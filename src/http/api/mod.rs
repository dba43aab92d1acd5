//! What the paths answer, one file per resource.

pub mod acceptance;
pub mod ack_page;
pub mod actions;
pub mod alerts;
pub mod baselines;
pub mod comparison;
pub mod explain;
pub mod export;
pub mod handling;
pub mod incidents;
pub mod ingest;
pub mod lifecycle;
pub mod maintenance;
pub mod metrics;
pub mod operations;
pub mod regressions;
pub mod rules;
pub mod series;
pub mod trends;
pub mod v2;

use std::sync::{Arc, Mutex};

use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::body;
use super::limits::Limits;
use super::respond::{self, Body, ErrorType};
use crate::clock::Clock;
use crate::driver::{EngineHandle, Refused};
use crate::exposition::Internals;
use crate::ingest::budget::{Budget, Share};
use crate::ingest::tracking::Tracking;
use crate::links::Links;

/// A request to read the configuration again; answered with its faults, if any.
pub type Reload = oneshot::Sender<Result<(), String>>;

/// What the handlers work with.
pub struct Services {
    /// The way to the engine.
    pub engine: EngineHandle,
    /// The clocks.
    pub clock: Clock,
    /// Bounds on requests.
    pub limits: Limits,
    /// Room for pages of metrics that are being written.
    pub pages: Arc<Semaphore>,
    /// Where measurements are kept, and room for exports of them; `None` where all is in memory alone.
    pub kept: Option<export::Kept>,
    /// Memory for requests in flight.
    pub budget: Arc<Budget>,
    /// Operations between start and end.
    pub tracking: Mutex<Tracking>,
    /// Label names that the external labels have taken.
    pub taken_labels: watch::Receiver<Arc<Vec<String>>>,
    /// The routing as an alertmanager.yml, without secrets.
    pub alertmanager_config: watch::Receiver<Arc<str>>,
    /// By what alerts are acknowledged from messages; `None` where that is off.
    pub links: watch::Receiver<Option<Arc<Links>>>,
    /// Where reloads are asked for.
    pub reload: mpsc::Sender<Reload>,
    /// Ends the process when cancelled.
    pub quit: CancellationToken,
    /// What the exposition shows of everything but the engine.
    pub internals: Box<dyn Fn() -> Internals + Send + Sync>,
}

/// The answer when the engine could not be asked.
fn unavailable(refused: Refused) -> Response<Body> {
    let response = respond::api_error(
        StatusCode::SERVICE_UNAVAILABLE,
        ErrorType::Unavailable,
        &refused.to_string(),
    );
    respond::retry_after(response, 1)
}

/// The body of a request within its bounds, and its share of the memory for requests in flight, to be held until it has been
/// dealt with.
///
/// # Errors
/// The answer that says what is wrong with it, in the form that `refuse` gives it.
async fn body_of(
    services: &Services,
    request: Request<Incoming>,
    refuse: impl FnOnce(StatusCode, &str) -> Response<Body>,
) -> Result<(Bytes, Share), Response<Body>> {
    let (parts, incoming) = request.into_parts();
    let share = services.budget.share();
    let read = body::read(incoming, &parts.headers, &services.limits, share).await;
    read.map_err(|error| {
        let response = refuse(error.status(), &error.to_string());
        match error.status() {
            StatusCode::TOO_MANY_REQUESTS => respond::retry_after(response, 1),
            _ => response,
        }
    })
}

//! What the paths answer, one file per resource.

pub mod acceptance;
pub mod baselines;
pub mod comparison;
pub mod explain;
pub mod export;
pub mod incidents;
pub mod ingest;
pub mod lifecycle;
pub mod metrics;
pub mod operations;
pub mod regressions;
pub mod rules;
pub mod series;
pub mod trends;

use std::sync::{Arc, Mutex};

use hyper::StatusCode;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::limits::Limits;
use super::respond::{self, Body, ErrorType};
use crate::clock::Clock;
use crate::driver::{EngineHandle, Refused};
use crate::exposition::Internals;
use crate::ingest::budget::Budget;
use crate::ingest::tracking::Tracking;

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
    /// Where reloads are asked for.
    pub reload: mpsc::Sender<Reload>,
    /// Ends the process when cancelled.
    pub quit: CancellationToken,
    /// What the exposition shows of everything but the engine.
    pub internals: Box<dyn Fn() -> Internals + Send + Sync>,
}

/// The answer when the engine could not be asked.
fn unavailable(refused: Refused) -> hyper::Response<Body> {
    let response = respond::api_error(
        StatusCode::SERVICE_UNAVAILABLE,
        ErrorType::Unavailable,
        &refused.to_string(),
    );
    respond::retry_after(response, 1)
}

//! `/v1/operations`: measurements in.

use std::sync::{Arc, PoisonError};

use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use super::Services;
use crate::driver::Refused;
use crate::engine::admission::{Answer, Batch, Origin};
use crate::http::body;
use crate::http::respond::{self, Body};
use crate::ingest::budget::{OverBudget, Share, bytes_of_read, bytes_of_records};
use crate::ingest::json::{self, CONTENT_TYPES, Form, MAX_RECORDS, Records, Unreadable};
use crate::ingest::tracking::TrackingError;

/// Bodies above this size are read on a thread of their own, so that small ones are not held up.
const INLINE_BYTES: usize = 256 << 10;
/// Most characters of a client's own name.
const MAX_CLIENT: usize = 128;

#[derive(Serialize)]
struct AnswerBody<'a> {
    accepted: u64,
    duplicates: u64,
    rejected: Vec<Rejection<'a>>,
}

#[derive(Serialize)]
struct Rejection<'a> {
    index: usize,
    field: &'a str,
    reason: &'a str,
}

/// Takes a batch of measurements.
pub async fn operations(services: &Services, request: Request<Incoming>) -> Response<Body> {
    let (parts, incoming) = request.into_parts();
    let content_type = parts.headers.get(CONTENT_TYPE);
    let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()));
    let Some(form) = Form::of_content_type(content_type.as_deref()) else {
        let message = format!(
            "content type {:?} is not supported; use {CONTENT_TYPES}",
            content_type.unwrap_or_default()
        );
        return respond::ingest_error(StatusCode::UNSUPPORTED_MEDIA_TYPE, &message);
    };
    let origin = match origin(&parts.headers) {
        Ok(origin) => origin,
        Err(message) => return respond::ingest_error(StatusCode::BAD_REQUEST, &message),
    };
    let (body, mut share) = match read_body(services, incoming, &parts.headers).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let taken = services.taken_labels.borrow().clone();
    let read = if body.len() <= INLINE_BYTES {
        read_records(body, form, &taken, share)
    } else {
        share.take_turn().await;
        let read = move || read_records(body, form, &taken, share);
        match services.budget.run(read).await {
            Ok(read) => read,
            Err(_) => return come_back(Refused::Stopping),
        }
    };
    let (records, share) = match read {
        Ok(read) => read,
        Err(unusable) => return unusable.response(),
    };
    let batch = Batch { origin, records };
    match services.engine.ingest_held(batch, Some(share)).await {
        Ok((answer, share)) => answer_with(&answer, share),
        Err(refused) => come_back(refused),
    }
}

/// Why nothing of a body is taken.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
enum Unusable {
    Unreadable(#[from] Unreadable),
    OverBudget(#[from] OverBudget),
}

impl Unusable {
    fn response(&self) -> Response<Body> {
        let status = match self {
            Self::Unreadable(Unreadable::NotJson(_)) => StatusCode::BAD_REQUEST,
            Self::Unreadable(Unreadable::TooMany(_)) | Self::OverBudget(OverBudget::ForGood(_)) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::OverBudget(OverBudget::ForNow(_)) => StatusCode::TOO_MANY_REQUESTS,
        };
        refuse_with(status, &self.to_string())
    }
}

/// Reads the records of a body; `share` holds them instead of the body from then on.
fn read_records(
    body: Bytes,
    form: Form,
    taken: &[String],
    mut share: Share,
) -> Result<(Records, Share), Unusable> {
    share.grow(bytes_of_records(most_records(&body, form)))?;
    let records = json::read(&body, form, taken)?;
    let length = body.len();
    // Gone before its room is given to another.
    drop(body);
    share.drop_body();
    share.resize(bytes_of_read(&records, length))?;
    share.end_turn();
    Ok((records, share))
}

/// More records than this a body cannot have: counted cheaply, before anything is made of them.
fn most_records(body: &[u8], form: Form) -> usize {
    let most = match form {
        Form::Lines => memchr::memchr_iter(b'\n', body).count(),
        Form::Json => (body.iter())
            .filter(|byte| matches!(byte, b',' | b'\n'))
            .count(),
    };
    (most + 1).min(MAX_RECORDS)
}

/// Opens an operation that is timed here.
pub async fn start(services: &Services, request: Request<Incoming>) -> Response<Body> {
    #[derive(Serialize)]
    struct Started {
        operation_id: String,
    }
    let (parts, incoming) = request.into_parts();
    let (body, _share) = match read_body(services, incoming, &parts.headers).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let now = services.clock.now();
    let started = {
        let mut tracking = services
            .tracking
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        tracking.start(&body, now)
    };
    match started {
        Ok(operation_id) => respond::json(StatusCode::OK, &Started { operation_id }),
        Err(error) => refuse(&error),
    }
}

/// Closes an operation and takes in its measurement.
pub async fn end(services: &Services, id: &str, request: Request<Incoming>) -> Response<Body> {
    let (parts, incoming) = request.into_parts();
    let (body, _share) = match read_body(services, incoming, &parts.headers).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let now = services.clock.now();
    let ended = {
        let mut tracking = services
            .tracking
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        tracking.end(id, &body, now)
    };
    let closed = match ended {
        Ok(closed) => closed,
        Err(error) => return refuse(&error),
    };
    let measurement = &closed.measurement;
    let mut refused = Refused::QueueFull;
    // Tried for a while, because a client that times its operations here has nothing to send again.
    for _ in 0..100 {
        let batch = Batch {
            origin: None,
            records: vec![Ok(measurement.clone())],
        };
        match services.engine.ingest(batch).await {
            Ok(answer) => return answer_with(&answer, None),
            Err(Refused::QueueFull) => {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            Err(other) => {
                refused = other;
                break;
            }
        }
    }
    // Open again, so that the client can come back as it is told to.
    services
        .tracking
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .reopen(closed);
    come_back(refused)
}

fn refuse(error: &TrackingError) -> Response<Body> {
    let status = match error {
        TrackingError::Body(_) | TrackingError::Field(_) => StatusCode::BAD_REQUEST,
        TrackingError::Unknown(_) => StatusCode::NOT_FOUND,
        TrackingError::Full => StatusCode::TOO_MANY_REQUESTS,
    };
    refuse_with(status, &error.to_string())
}

/// A refusal that says when to come back, where coming back helps.
fn refuse_with(status: StatusCode, message: &str) -> Response<Body> {
    let response = respond::ingest_error(status, message);
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            respond::retry_after(response, 1)
        }
        _ => response,
    }
}

async fn read_body(
    services: &Services,
    incoming: Incoming,
    headers: &HeaderMap,
) -> Result<(Bytes, Share), Response<Body>> {
    let share = services.budget.share();
    body::read(incoming, headers, &services.limits, share)
        .await
        .map_err(|error| refuse_with(error.status(), &error.to_string()))
}

/// Reads `Opwatch-Batch: CLIENT/SEQ`.
fn origin(headers: &HeaderMap) -> Result<Option<Origin>, String> {
    let Some(value) = headers.get("opwatch-batch") else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let parsed = text.rsplit_once('/').and_then(|(client, sequence)| {
        let well_formed = !client.is_empty() && client.len() <= MAX_CLIENT;
        Some(Origin {
            client: client.to_owned(),
            sequence: sequence.parse().ok().filter(|_| well_formed)?,
        })
    });
    parsed.map(Some).ok_or_else(|| {
        format!("header Opwatch-Batch {text:?} is not CLIENT/SEQ: a name of at most {MAX_CLIENT} bytes, a slash, a whole number")
    })
}

fn answer_with(answer: &Arc<Answer>, share: Option<Share>) -> Response<Body> {
    let body = AnswerBody {
        accepted: answer.accepted,
        duplicates: answer.duplicates,
        rejected: (answer.rejected.iter())
            .map(|(index, fault)| Rejection {
                index: *index,
                field: &fault.field,
                reason: &fault.reason,
            })
            .collect(),
    };
    let mut response = respond::json(StatusCode::OK, &body);
    if let Some(share) = share {
        // The answer to many bad records is long, and its reader may be slow.
        *response.body_mut() = std::mem::replace(response.body_mut(), Body::empty()).held_by(share);
    }
    response
}

/// What is only for now is never answered as if it were for good.
fn come_back(refused: Refused) -> Response<Body> {
    let status = match refused {
        Refused::QueueFull | Refused::MemoryFull => StatusCode::TOO_MANY_REQUESTS,
        Refused::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    };
    refuse_with(status, &refused.to_string())
}

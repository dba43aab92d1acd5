//! What a comparison is made of: measurements from files or a data directory, baselines from either, or the answer of a
//! running opwatch.

use std::fmt::Write as _;
use std::io::BufRead;
use std::ops::ControlFlow;
use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;

use crate::engine::baseline::Baselines;
use crate::engine::measurement::Measurement;
use crate::engine::metric::Metric;
use crate::engine::series::Labels;
use crate::engine::time::{Now, Timestamp};
use crate::engine::{Engine, Settings};
use crate::export::{Fault, Filter, Form, ReadError, read, read_kept};
use crate::notify::client::{Client, ClientError};
use crate::notify::endpoint::{Endpoint, EndpointError};
use crate::notify::tls::{TlsConfig, TlsError};
use crate::regressions::{Body, Findings, Question, Set, compare_with_pinned};
use crate::storage::{Database, Kind};

/// Where a running opwatch compares.
const PATH: &str = "/api/v1/regressions";
/// For the request with its answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The answer has a few hundred bytes for each instance and metric.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Reads the measurements of a file, in the order of their time; those that say none come first, as they stand. What is
/// wrong with a record is told to `tell`, and the others go on.
///
/// # Errors
/// What makes the rest unreadable.
pub fn measurements(
    input: impl BufRead,
    form: Form,
    tell: &mut dyn FnMut(&Fault),
) -> Result<Vec<Measurement>, ReadError> {
    let mut measurements = Vec::new();
    read(input, form, &[], |place, record| {
        match record {
            Ok(measurement) => measurements.push(measurement),
            Err(fault) => tell(&Fault { place, fault }),
        }
        ControlFlow::Continue(())
    })?;
    // Stable, so that what came at the same time stays in its order.
    measurements.sort_by_key(|measurement| measurement.at);
    Ok(measurements)
}

/// What a database keeps, compared with a baseline that it keeps.
#[derive(Debug)]
pub struct Kept {
    /// The findings; `None` where there is no baseline of that name.
    pub findings: Option<Findings>,
    /// Whether anything was measured in that time.
    pub has_recent: bool,
    /// Parts that could not be read, and were left out.
    pub unreadable: u64,
}

/// Compares what a database keeps from the last `window` with a baseline that was set.
pub fn compare_kept(
    database: &Database,
    question: &Question,
    name: &str,
    window: Duration,
    now: Timestamp,
) -> Kept {
    let (baselines, lost) = baselines_of(database, now);
    let filter = Filter {
        from: Some(now.before(window)),
        to: Some(now),
        operation: None,
    };
    let mut recent = Vec::new();
    let unreadable = read_kept(database, &filter, |at, measurement| {
        recent.push(Measurement {
            at: Some(at),
            ..measurement
        });
        ControlFlow::Continue(())
    });
    recent.sort_by_key(|measurement| measurement.at);
    let set = Set::of(question, &recent);
    let instances = set.keys().cloned().collect();
    let current = |labels: &Labels, metric: &Metric, scale, after| {
        let key = (labels.clone(), metric.to_string());
        set.get(&key)?.cohort(scale, after)
    };
    Kept {
        findings: compare_with_pinned(question, &baselines, name, &instances, current),
        has_recent: !set.is_empty(),
        unreadable: unreadable + lost,
    }
}

/// The baselines that a database keeps, and how many of them cannot be read.
fn baselines_of(database: &Database, now: Timestamp) -> (Baselines, u64) {
    let now = Now {
        wall: now,
        steady: Duration::ZERO,
    };
    let mut engine = Engine::new(Settings::default(), now);
    let mut lost = 0;
    let read = database.state(|row| {
        if row.kind == Kind::Baseline {
            let restored =
                (row.body.ok().flatten()).is_none_or(|body| engine.restore_baseline(&body).is_ok());
            lost += u64::from(!restored);
        }
    });
    (
        engine.baselines().as_ref().clone(),
        lost + u64::from(read.is_err()),
    )
}

/// Why a running opwatch gives no findings.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Its address cannot be used.
    #[error("--url: {0}")]
    Address(#[from] EndpointError),
    /// There are no certificates to trust.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system has no room for a client.
    #[error("cannot start a client: {0}")]
    System(#[from] std::io::Error),
    /// It cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] ClientError),
    /// It has no such baseline.
    #[error("{0}")]
    NoBaseline(String),
    /// It refuses.
    #[error("{address} answers {status}: {text}")]
    Refused {
        /// Where it is.
        address: String,
        /// What it answered.
        status: StatusCode,
        /// Why.
        text: String,
    },
    /// What it answers is not the answer of an opwatch.
    #[error("{address} answers as no opwatch does: {reason}")]
    Foreign {
        /// Where it is.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    comparison: Option<Body>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Asks the opwatch whose public listener is at `url` to compare; `query` says what.
///
/// # Errors
/// When there is no good answer.
pub fn ask(url: &str, query: &str) -> Result<Findings, AskError> {
    let base: Endpoint = url.parse()?;
    let endpoint = base.join(&format!("{PATH}?{query}"))?;
    let client = Client::new(&TlsConfig::default())?.reading(MAX_ANSWER_BYTES);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let reply = runtime.block_on(client.get(&endpoint, TIMEOUT))?;
    let address = endpoint.origin();
    if reply.status == StatusCode::NOT_FOUND
        && let Ok(refusal) = serde_json::from_slice::<Refusal>(&reply.body)
    {
        return Err(AskError::NoBaseline(refusal.error));
    }
    if reply.status != StatusCode::OK {
        return Err(AskError::Refused {
            address,
            status: reply.status,
            text: reply.excerpt(),
        });
    }
    let foreign = |reason: String| AskError::Foreign {
        address: address.clone(),
        reason,
    };
    let answer: Answer =
        serde_json::from_slice(&reply.body).map_err(|error| foreign(error.to_string()))?;
    let body = answer.data.comparison;
    let body = body.ok_or_else(|| foreign("there is no comparison in it".to_owned()))?;
    body.read()
        .ok_or_else(|| foreign("a status in it is not known".to_owned()))
}

/// Names and values as the query of a URL.
pub fn query(parts: &[(&'static str, String)]) -> String {
    let parts = parts.iter().map(|(name, text)| {
        let mut value = String::new();
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                value.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(value, "%{byte:02X}");
            }
        }
        format!("{name}={value}")
    });
    parts.collect::<Vec<_>>().join("&")
}

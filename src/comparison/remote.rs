//! From a running opwatch.

use std::fmt::Write as _;
use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;

use super::body::ComparisonBody;
use crate::notify::client::{Client, ClientError};
use crate::notify::endpoint::{Endpoint, EndpointError};
use crate::notify::tls::{TlsConfig, TlsError};

const PATH: &str = "/api/v1/comparison";
const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Why a running opwatch gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
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
    /// It has nothing of what is asked for.
    #[error("{0}")]
    Missing(String),
    /// It does not answer now.
    #[error("{address} answers {status}: {text}")]
    Unavailable {
        /// Where it is.
        address: String,
        /// What it answered.
        status: StatusCode,
        /// Why.
        text: String,
    },
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
struct Success {
    data: ComparisonBody,
}

#[derive(Deserialize)]
struct Failure {
    error: String,
}

/// Asks the opwatch at `url` with these parameters.
///
/// # Errors
/// When it cannot be reached or does not answer.
pub fn ask(url: &str, pairs: &[(String, String)]) -> Result<ComparisonBody, RemoteError> {
    let mut path = PATH.to_owned();
    for (place, (name, value)) in pairs.iter().enumerate() {
        path.push(if place == 0 { '?' } else { '&' });
        path += &encode(name);
        path.push('=');
        path += &encode(value);
    }
    let base: Endpoint = url.parse()?;
    let endpoint = base.join(&path)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let client = Client::new(&TlsConfig::default())?.reading(MAX_ANSWER_BYTES);
    let reply = runtime.block_on(client.get(&endpoint, TIMEOUT))?;
    let address = endpoint.origin();
    let text = || {
        let failure = serde_json::from_slice::<Failure>(&reply.body);
        failure.map_or_else(|_| reply.excerpt(), |failure| failure.error)
    };
    match reply.status {
        StatusCode::OK => serde_json::from_slice::<Success>(&reply.body)
            .map(|success| success.data)
            .map_err(|error| RemoteError::Foreign {
                address,
                reason: error.to_string(),
            }),
        StatusCode::NOT_FOUND if serde_json::from_slice::<Failure>(&reply.body).is_ok() => {
            Err(RemoteError::Missing(text()))
        }
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Err(RemoteError::Unavailable {
                address,
                status,
                text: text(),
            })
        }
        status => Err(RemoteError::Refused {
            address,
            status,
            text: text(),
        }),
    }
}

/// Percent-encodes what may not stand in a query.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

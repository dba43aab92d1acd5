//! Requests of commands to a running opwatch.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

use crate::config::Config;
use crate::http::address::{AddressError, ListenAddress};
use crate::notify::client::{Client, ClientError};
use crate::notify::endpoint::{Endpoint, EndpointError};
use crate::notify::tls::{TlsConfig, TlsError};

/// For one request with its answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of an answer: many baselines with all their values are long.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// A running opwatch.
#[derive(Debug)]
pub struct Remote {
    runtime: Runtime,
    client: Client,
    base: Endpoint,
}

/// Why there is no answer to work with.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Its address cannot be used.
    #[error("--url: {0}")]
    Address(#[from] EndpointError),
    /// The configuration does not say where it listens.
    #[error(transparent)]
    Listen(#[from] AddressError),
    /// It listens where this client does not reach.
    #[error(
        "the configuration has the ingest listener at {0}, which is no address of HTTP over TCP; say where to with --url"
    )]
    Socket(String),
    /// There are no certificates to trust.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system has no room for a client.
    #[error("cannot start a client: {0}")]
    System(#[from] std::io::Error),
    /// It cannot be reached.
    #[error(transparent)]
    Unreachable(#[from] ClientError),
    /// It is busy, or about to end.
    #[error("{address} answers {status}: {reason}")]
    Unavailable {
        /// Where it is.
        address: String,
        /// What it answered.
        status: StatusCode,
        /// Why.
        reason: String,
    },
    /// There is nothing of what was asked for.
    #[error("{0}")]
    NotFound(String),
    /// It refuses.
    #[error("{0}")]
    Refused(String),
    /// What it answers is not the answer of an opwatch.
    #[error("{address} answers as no opwatch does: {reason}")]
    Foreign {
        /// Where it is.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The answer of `/api/v1` paths.
#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Remote {
    /// A client of the opwatch at `url`; nothing is sent yet.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn new(url: &str) -> Result<Self, RemoteError> {
        Ok(Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            client: Client::new(&TlsConfig::default())?.reading(MAX_ANSWER_BYTES),
            base: url.parse()?,
        })
    }

    /// A client of the opwatch of this machine with that configuration.
    ///
    /// # Errors
    /// When its ingest listener is no address of TCP.
    pub fn of(config: &Config) -> Result<Self, RemoteError> {
        match config.listen.ingest.parse()? {
            ListenAddress::Unix(_) => Err(RemoteError::Socket(config.listen.ingest.clone())),
            ListenAddress::Tcp(mut address) => {
                match address.ip() {
                    IpAddr::V4(ip) if ip.is_unspecified() => {
                        address.set_ip(Ipv4Addr::LOCALHOST.into());
                    }
                    IpAddr::V6(ip) if ip.is_unspecified() => {
                        address.set_ip(Ipv6Addr::LOCALHOST.into());
                    }
                    _ => {}
                }
                Self::new(&format!("http://{address}"))
            }
        }
    }

    /// What a path of `/api/v1` answers to that method; `body` is JSON.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<T, RemoteError> {
        let endpoint = self.base.join(path)?;
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let headers = headers.get(..usize::from(body.is_some()));
        let reply = self.runtime.block_on(self.client.send(
            method,
            &endpoint,
            None,
            headers.unwrap_or_default(),
            Bytes::from(body.unwrap_or_default()),
            TIMEOUT,
        ))?;
        let address = self.base.origin();
        if reply.status == StatusCode::OK {
            let answer = serde_json::from_slice::<Answer<T>>(&reply.body);
            return answer
                .map(|answer| answer.data)
                .map_err(|error| RemoteError::Foreign {
                    address,
                    reason: error.to_string(),
                });
        }
        let refusal = serde_json::from_slice::<Refusal>(&reply.body);
        let reason = refusal.map_or_else(
            |_| format!("{address} answers {}: {}", reply.status, reply.excerpt()),
            |refusal| clean(&refusal.error),
        );
        Err(match reply.status {
            StatusCode::NOT_FOUND => RemoteError::NotFound(reason),
            status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
                RemoteError::Unavailable {
                    address,
                    status,
                    reason,
                }
            }
            _ => RemoteError::Refused(reason),
        })
    }
}

/// A foreign text without what could do harm on a terminal.
pub fn clean(text: &str) -> String {
    let harmless = |c: char| !c.is_control() || c == '\n';
    text.chars().filter(|c| harmless(*c)).collect()
}

/// A path with a query of these names and values.
pub fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut out = path.to_owned();
    for (index, (name, value)) in pairs.iter().enumerate() {
        out.push(if index == 0 { '?' } else { '&' });
        out += name;
        out.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                out.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        assert_eq!(
            with_query("/a", &[("name", "x y&z"), ("full", "true")]),
            "/a?name=x%20y%26z&full=true"
        );
        assert_eq!(with_query("/a", &[]), "/a");
    }
}

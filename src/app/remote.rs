//! Requests of commands to a running opwatch: the one way in which the command line asks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

use crate::config::Listen;
use crate::engine::url::percent_encoded;
use crate::http::address::{AddressError, ListenAddress};
use crate::notify::client::{Client, ClientError, Reply};
use crate::notify::endpoint::{Endpoint, EndpointError};
use crate::notify::reach::Reach;
use crate::notify::tls::{TlsConfig, TlsError};

/// For one request with its answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of an answer: many baselines with all their values, or all buckets of many trends, are long.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// A running opwatch.
#[derive(Debug)]
pub struct Remote {
    runtime: Runtime,
    client: Client,
    base: Endpoint,
    timeout: Duration,
}

/// What is wanted of a running opwatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To read, which both listeners allow.
    Read,
    /// To change its state, which the ingest listener alone allows.
    Change,
}

/// An answer that is not the one hoped for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Scheme, host and port of who answers.
    pub address: String,
    /// What it answered.
    pub status: StatusCode,
    /// Why, in its words.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} answers {}: {}",
            self.address, self.status, self.reason
        )
    }
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
        "the configuration has the {0}, which is no address of HTTP over TCP; say where to with --url"
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
    /// It is busy, about to end, or fails: any 5xx, or 429.
    #[error("{0}")]
    Unavailable(Refusal),
    /// It has nothing of what was asked for.
    #[error("{0}")]
    NotFound(Refusal),
    /// It refuses.
    #[error("{0}")]
    Refused(Refusal),
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

/// The refusal of `/api/v1` paths.
#[derive(Deserialize)]
struct Failure {
    error: String,
}

impl Remote {
    /// A client of the opwatch at `url`, with the user and password of it where there are any; nothing is sent yet.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn new(url: &str) -> Result<Self, RemoteError> {
        Ok(Self {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            client: Client::new(&TlsConfig::default(), Reach::Everywhere)?
                .reading(MAX_ANSWER_BYTES),
            base: url.parse()?,
            timeout: TIMEOUT,
        })
    }

    /// The same, with so much time for one request with its answer; 30 s otherwise.
    #[must_use]
    pub fn answering_within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// A client of the opwatch of this machine that listens there.
    ///
    /// # Errors
    /// When no listener of it that serves the purpose is an address of TCP.
    pub fn of(listen: &Listen, purpose: Purpose) -> Result<Self, RemoteError> {
        let ingest = ("ingest listener", &listen.ingest);
        let public = ("public listener", &listen.public);
        let listeners = match purpose {
            Purpose::Read => vec![public, ingest],
            Purpose::Change => vec![ingest],
        };
        let mut sockets = Vec::new();
        for (name, address) in listeners {
            match address.parse()? {
                ListenAddress::Tcp(address) => {
                    let mut address = address;
                    match address.ip() {
                        IpAddr::V4(ip) if ip.is_unspecified() => {
                            address.set_ip(Ipv4Addr::LOCALHOST.into());
                        }
                        IpAddr::V6(ip) if ip.is_unspecified() => {
                            address.set_ip(Ipv6Addr::LOCALHOST.into());
                        }
                        _ => {}
                    }
                    return Self::new(&format!("http://{address}"));
                }
                ListenAddress::Unix(_) => sockets.push(format!("{name} at {address}")),
            }
        }
        Err(RemoteError::Socket(sockets.join(" and the ")))
    }

    /// Scheme, host and port of it.
    pub fn address(&self) -> String {
        self.base.origin()
    }

    /// What a path of `/api/v1` answers to a question.
    ///
    /// # Errors
    /// When there is no answer, or it is a refusal.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, RemoteError> {
        self.ask(Method::GET, path, None)
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
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let headers = headers.get(..usize::from(body.is_some()));
        let body = Bytes::from(body.unwrap_or_default());
        let reply = self.send(method, path, headers.unwrap_or_default(), body)?;
        self.read::<Answer<T>>(&reply).map(|answer| answer.data)
    }

    /// Sends one request; an answer of any status is none of its errors.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Reply, RemoteError> {
        let endpoint = self.base.join(path)?;
        let sent = (self.client).send(method, &endpoint, None, headers, body, self.timeout);
        Ok(self.runtime.block_on(sent)?)
    }

    /// Reads an answer that is JSON.
    ///
    /// # Errors
    /// When it is a refusal, or not what an opwatch says.
    pub fn read<T: DeserializeOwned>(&self, reply: &Reply) -> Result<T, RemoteError> {
        if reply.status == StatusCode::OK {
            return serde_json::from_slice(&reply.body).map_err(|error| self.foreign(error));
        }
        // The paths of Alertmanager's API say why in a text alone.
        let failure = serde_json::from_slice::<Failure>(&reply.body)
            .or_else(|_| serde_json::from_slice(&reply.body).map(|error| Failure { error }));
        let failure = failure.ok();
        // A path that is not there is answered in plain text: that is no answer to the question.
        let is_of_api = failure.is_some();
        let refusal = Refusal {
            address: self.address(),
            status: reply.status,
            reason: failure.map_or_else(|| reply.excerpt(), |failure| clean(&failure.error)),
        };
        Err(match reply.status {
            StatusCode::NOT_FOUND if is_of_api => RemoteError::NotFound(refusal),
            StatusCode::TOO_MANY_REQUESTS => RemoteError::Unavailable(refusal),
            status if status.is_server_error() => RemoteError::Unavailable(refusal),
            _ => RemoteError::Refused(refusal),
        })
    }

    /// The error for an answer that no opwatch would give.
    pub fn foreign(&self, reason: impl fmt::Display) -> RemoteError {
        RemoteError::Foreign {
            address: self.address(),
            reason: reason.to_string(),
        }
    }

    /// Waits before it is asked again.
    pub fn pause(&self, wait: Duration) {
        // Made inside, because a timer belongs to its runtime.
        self.runtime
            .block_on(async { tokio::time::sleep(wait).await });
    }
}

/// A foreign text without what could do harm on a terminal.
pub fn clean(text: &str) -> String {
    let harmless = |c: char| !c.is_control() || c == '\n';
    text.chars().filter(|c| harmless(*c)).collect()
}

/// A path with a query of these names and values.
pub fn with_query<N: AsRef<str>, V: AsRef<str>>(
    path: &str,
    pairs: impl IntoIterator<Item = (N, V)>,
) -> String {
    let mut out = path.to_owned();
    for (index, (name, value)) in pairs.into_iter().enumerate() {
        out.push(if index == 0 { '?' } else { '&' });
        out += name.as_ref();
        out.push('=');
        out += &percent_encoded(value.as_ref());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        assert_eq!(
            with_query("/a", [("name", "x y&z"), ("full", "true")]),
            "/a?name=x%20y%26z&full=true"
        );
        assert_eq!(with_query::<&str, &str>("/a", []), "/a");
    }

    #[test]
    fn the_configuration_says_where_each_purpose_is_served() {
        let of = |public: &str, ingest: &str, purpose| {
            let listen = Listen {
                public: public.to_owned(),
                ingest: ingest.to_owned(),
            };
            match Remote::of(&listen, purpose) {
                Ok(remote) => remote.address(),
                Err(error) => error.to_string(),
            }
        };
        for (public, ingest, purpose, expected) in [
            (
                "0.0.0.0:9776",
                "127.0.0.1:9777",
                Purpose::Read,
                "http://127.0.0.1:9776",
            ),
            (
                "0.0.0.0:9776",
                "127.0.0.1:9777",
                Purpose::Change,
                "http://127.0.0.1:9777",
            ),
            ("[::]:1", "unix:/run/o", Purpose::Read, "http://[::1]:1"),
            (
                "unix:/run/o",
                "192.0.2.1:2",
                Purpose::Read,
                "http://192.0.2.1:2",
            ),
            (
                "[::]:1",
                "unix:/run/o",
                Purpose::Change,
                "the configuration has the ingest listener at unix:/run/o, which is no address of HTTP over TCP; say where to with --url",
            ),
            (
                "unix:/run/p",
                "unix:/run/o",
                Purpose::Read,
                "the configuration has the public listener at unix:/run/p and the ingest listener at unix:/run/o, which is no address of HTTP over TCP; say where to with --url",
            ),
        ] {
            assert_eq!(of(public, ingest, purpose), expected);
        }
    }

    #[test]
    fn an_answer_says_what_kind_of_refusal_it_is() {
        let remote = Remote::new("http://user:secret@127.0.0.1:1/prefix").unwrap();
        let read = |status: u16, body: &'static str| {
            let reply = Reply {
                status: StatusCode::from_u16(status).unwrap(),
                retry_after: None,
                body: Bytes::from_static(body.as_bytes()),
            };
            remote.read::<Answer<u64>>(&reply).map(|answer| answer.data)
        };
        assert_eq!(read(200, r#"{"data": 7}"#).unwrap(), 7);
        for (status, body, kind, message) in [
            (
                404,
                r#"{"error": "no rule \u001b[1m"}"#,
                "NotFound",
                "http://127.0.0.1:1 answers 404 Not Found: no rule [1m",
            ),
            (
                404,
                "nothing\n",
                "Refused",
                "http://127.0.0.1:1 answers 404 Not Found: nothing",
            ),
            (
                400,
                r#"{"error": "by: none"}"#,
                "Refused",
                "http://127.0.0.1:1 answers 400 Bad Request: by: none",
            ),
            (
                429,
                "",
                "Unavailable",
                "http://127.0.0.1:1 answers 429 Too Many Requests: ",
            ),
            (
                502,
                "gone",
                "Unavailable",
                "http://127.0.0.1:1 answers 502 Bad Gateway: gone",
            ),
            (
                200,
                "[]",
                "Foreign",
                "http://127.0.0.1:1 answers as no opwatch does: ",
            ),
        ] {
            let error = read(status, body).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
            assert!(format!("{error:?}").starts_with(kind), "{error:?}");
        }
    }
}

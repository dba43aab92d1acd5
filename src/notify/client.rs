//! The one HTTP client: bounded in time and in what it reads, follows no redirect, keeps no connection.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tracing::debug;

use super::endpoint::Endpoint;
use super::reach::{Reach, RefusedAddress, Resolver};
use super::tls::{TlsConfig, TlsError};
use crate::engine::time::Timestamp;
use crate::secret::Secret;

/// How opwatch names itself to others.
pub const AGENT: &str = concat!("opwatch/", env!("CARGO_PKG_VERSION"));

/// Most bytes read of an answer's body.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// Most characters of it that are ever shown.
const EXCERPT_CHARACTERS: usize = 200;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The request cannot be made from its parts.
    #[error("cannot make the request: {0}")]
    Request(#[from] hyper::http::Error),
    /// It leads where it is not to lead.
    #[error(transparent)]
    Refused(#[from] RefusedAddress),
    /// A password or token cannot be sent in a header.
    #[error("a password or token holds characters that cannot be sent")]
    Credentials,
    /// No connection, or it broke.
    #[error("cannot reach {origin}: {reason}")]
    Connection {
        /// Scheme, host and port.
        origin: String,
        /// What went wrong, outermost first.
        reason: String,
    },
    /// Nothing came in time.
    #[error("no answer from {origin} within {} s", timeout.as_secs_f64())]
    Timeout {
        /// Scheme, host and port.
        origin: String,
        /// How long was waited.
        timeout: Duration,
    },
}

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its `Retry-After`, as it came.
    pub retry_after: Option<String>,
    /// The beginning of its body, at most 64 KiB unless the client reads more.
    pub body: Bytes,
}

impl Reply {
    /// A short piece of the body, escaped so that it can do no harm in a log.
    pub fn excerpt(&self) -> String {
        excerpt(&String::from_utf8_lossy(&self.body))
    }

    /// How long the server asks to wait: seconds, or a date (RFC 9110, section 10.2.3).
    pub fn wait(&self, now: Timestamp) -> Option<Duration> {
        let text = self.retry_after.as_deref()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(text)
            .ok()?;
        Some(Timestamp::from_millis(date.as_millisecond()).since(now))
    }
}

/// As much of a foreign text as may be shown.
pub(super) fn excerpt(text: &str) -> String {
    let shown = text.trim().chars().take(EXCERPT_CHARACTERS);
    shown.flat_map(char::escape_debug).collect()
}

/// An HTTP client with its own trust.
///
/// Connections are not kept between requests: alerts are rare, and a connection that has been idle may be half open.
#[derive(Clone)]
pub struct Client {
    inner: Legacy<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    reach: Reach,
    most_answer_bytes: usize,
}

impl Client {
    /// A client that trusts as `tls` says, and connects to the addresses that `reach` allows.
    ///
    /// # Errors
    /// Where those settings are not good.
    pub fn new(tls: &TlsConfig, reach: Reach) -> Result<Self, TlsError> {
        let mut http = HttpConnector::new_with_resolver(Resolver::new(reach));
        http.enforce_http(false);
        http.set_nodelay(true);
        let mut builder = HttpsConnectorBuilder::new()
            .with_tls_config(tls.client_config()?)
            .https_or_http();
        if let Some(name) = tls.expected_name()? {
            builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
        }
        let inner = Legacy::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_max_idle_per_host(0)
            .build(builder.enable_http1().wrap_connector(http));
        Ok(Self {
            inner,
            reach,
            most_answer_bytes: MAX_ANSWER_BYTES,
        })
    }

    /// The same client, which reads up to `bytes` of an answer instead of 64 KiB.
    #[must_use]
    pub fn reading(self, bytes: usize) -> Self {
        Self {
            most_answer_bytes: bytes,
            ..self
        }
    }

    /// Asks `endpoint`, with the credentials of its URL, and reads the answer; `timeout` counts for all of it.
    ///
    /// # Errors
    /// Where no answer came; an answer of any status is not an error.
    pub async fn get(&self, endpoint: &Endpoint, timeout: Duration) -> Result<Reply, ClientError> {
        self.send(Method::GET, endpoint, None, &[], Bytes::new(), timeout)
            .await
    }

    /// Sends `body` to `endpoint` and reads the answer; `timeout` counts for all of it. An answer whose status has come is
    /// one, however slow its body is: what the server said it has done is not asked of it again.
    ///
    /// `authorization` stands in for credentials of the URL.
    ///
    /// # Errors
    /// Where no answer came; an answer of any status is not an error.
    pub async fn post(
        &self,
        endpoint: &Endpoint,
        authorization: Option<HeaderValue>,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
        timeout: Duration,
    ) -> Result<Reply, ClientError> {
        self.send(
            Method::POST,
            endpoint,
            authorization,
            headers,
            body,
            timeout,
        )
        .await
    }

    /// The same with any method.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn send(
        &self,
        method: Method,
        endpoint: &Endpoint,
        authorization: Option<HeaderValue>,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
        timeout: Duration,
    ) -> Result<Reply, ClientError> {
        self.reach.check(endpoint.uri())?;
        let mut request = Request::builder()
            .method(method)
            .uri(endpoint.uri().clone())
            .header(USER_AGENT, AGENT);
        let of_url = || {
            let (name, password) = endpoint.credentials()?;
            Some(basic(name, password))
        };
        let authorization = match authorization {
            Some(value) => Some(value),
            None => of_url().transpose()?,
        };
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let length = body.len();
        let request = request.body(Full::new(body))?;
        // Only the origin: with many webhooks the path is the secret.
        debug!(
            "{} {} with {length} bytes, headers {}",
            request.method(),
            endpoint.origin(),
            names(request.headers())
        );
        let needs_body = request.method() == Method::GET;
        let late = || ClientError::Timeout {
            origin: endpoint.origin(),
            timeout,
        };
        // One time for both: what is left of it after the head is there for the body.
        let mut end = std::pin::pin!(tokio::time::sleep(timeout));
        let answer = tokio::select! {
            answer = self.inner.request(request) => answer,
            () = &mut end => return Err(late()),
        };
        let answer = answer.map_err(|error| ClientError::Connection {
            origin: endpoint.origin(),
            reason: chain(&error),
        })?;
        let retry_after = answer.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok());
        let retry_after = retry_after.map(str::to_owned);
        let status = answer.status();
        let mut body = Vec::new();
        tokio::select! {
            () = beginning(answer.into_body(), self.most_answer_bytes, &mut body) => {}
            () = &mut end => if needs_body {
                return Err(late());
            }
        }
        let reply = Reply {
            status,
            retry_after,
            body: Bytes::from(body),
        };
        debug!("answered {}: {}", reply.status, reply.excerpt());
        Ok(reply)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Client")
    }
}

/// The names of headers; their values may be secret.
fn names(headers: &HeaderMap) -> String {
    let names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.join(", ")
}

/// Reads the beginning of a body; what follows is not read. A body that breaks off counts as far as it came.
async fn beginning(mut body: Incoming, most_bytes: usize, read: &mut Vec<u8>) {
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            let room = most_bytes - read.len();
            read.extend_from_slice(data.get(..room).unwrap_or(&data));
        }
        if read.len() == most_bytes {
            break;
        }
    }
}

/// An error with what caused it, outermost first.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        // Some errors already print their source.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}

/// Basic authentication (RFC 7617).
///
/// # Errors
/// [`ClientError::Credentials`]; it cannot happen, since base64 can always be sent.
pub(super) fn basic(name: &str, password: &Secret) -> Result<HeaderValue, ClientError> {
    let pair = format!("{name}:{}", password.expose());
    authorization("Basic", &BASE64_STANDARD.encode(pair))
}

/// An `Authorization` header, kept out of debug output.
///
/// # Errors
/// [`ClientError::Credentials`] for control characters.
pub(super) fn authorization(kind: &str, credentials: &str) -> Result<HeaderValue, ClientError> {
    let mut value = HeaderValue::try_from(format!("{kind} {credentials}"))
        .map_err(|_| ClientError::Credentials)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(retry_after: Option<&str>, body: &str) -> Reply {
        Reply {
            status: StatusCode::TOO_MANY_REQUESTS,
            retry_after: retry_after.map(str::to_owned),
            body: Bytes::from(body.to_owned()),
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = Timestamp::parse("2015-10-21T07:27:00Z").unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(60)),
            ("Wed, 21 Oct 2015 07:26:00 GMT", Some(0)),
            ("-5", None),
            ("soon", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(reply(Some(text), "").wait(now), expected, "{text}");
        }
        assert_eq!(reply(None, "").wait(now), None);
    }

    #[test]
    fn excerpts_are_short_and_harmless() {
        let excerpt = reply(None, "\u{1b}[31mred\r\nlog line\u{0}\u{202e}").excerpt();
        assert_eq!(excerpt, r"\u{1b}[31mred\r\nlog line\0\u{202e}");
        let long = reply(None, &"x".repeat(100_000)).excerpt();
        assert_eq!(long.len(), EXCERPT_CHARACTERS);
    }

    #[test]
    fn basic_authentication_is_that_of_the_rfc_and_not_shown() {
        let secret = Secret::new("open sesame".to_owned());
        let value = basic("Aladdin", &secret).unwrap();
        assert_eq!(
            value.to_str().unwrap(),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
        assert_eq!(format!("{value:?}"), "Sensitive");
        assert!(authorization("Bearer", "a\r\nX: b").is_err());
    }
}

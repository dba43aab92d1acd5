//! Responses: their shapes, their compression and the headers that every one of them carries.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;
use hyper::header::{
    CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::encoding::{Encoding, negotiate};
pub use super::stream::{Body, channel};

/// The smallest body worth compressing, in bytes; below it headers and one packet dominate.
const COMPRESS_BYTES: usize = 1 << 10;

/// Compressed on the spot, in about a millisecond; what is longer goes to a blocking thread.
const INLINE_BYTES: usize = 64 << 10;

/// What our own pages may load: what they carry themselves and nothing from elsewhere.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// What went wrong, in the words of Prometheus' `errorType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorType {
    /// The request is wrong.
    BadData,
    /// The request is well formed but cannot be carried out.
    Execution,
    /// It took too long.
    Timeout,
    /// A fault of ours.
    Internal,
    /// Not now; later perhaps.
    Unavailable,
    /// There is no such thing.
    NotFound,
    /// None of the formats that the client accepts can be given.
    NotAcceptable,
}

/// The body of a successful API response in the shape of Prometheus.
#[derive(Serialize)]
struct Success<'a, T> {
    status: &'static str,
    data: &'a T,
}

/// The body of a refused API request in the shape of Prometheus.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    status: &'static str,
    error_type: ErrorType,
    error: &'a str,
}

/// The body of a refused ingest request.
#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}

/// A response of any content type.
pub fn respond(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Plain text in UTF-8.
pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", text.into())
}

/// A page in UTF-8.
pub fn html(status: StatusCode, page: impl Into<Bytes>) -> Response<Body> {
    respond(status, "text/html; charset=utf-8", page.into())
}

/// A value as JSON; 500 when it has no JSON form, such as a map whose keys are no strings.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => respond(status, "application/json", bytes),
        Err(error) => {
            tracing::error!(%error, "a response has no JSON form");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the response has no JSON form",
            )
        }
    }
}

/// `{"status":"success","data":…}`, the answer of `/api/v1` paths.
pub fn api_data(data: &impl Serialize) -> Response<Body> {
    let status = "success";
    json(StatusCode::OK, &Success { status, data })
}

/// `{"status":"error","errorType":…,"error":…}`, the refusal of `/api/v1` paths.
pub fn api_error(status: StatusCode, error_type: ErrorType, error: &str) -> Response<Body> {
    let body = Failure {
        status: "error",
        error_type,
        error,
    };
    json(status, &body)
}

/// `{"error":…}`, the refusal of ingest paths.
pub fn ingest_error(status: StatusCode, error: &str) -> Response<Body> {
    json(status, &Refusal { error })
}

/// The response with the time, in seconds, after which the client should try again.
#[must_use]
pub fn retry_after(mut response: Response<Body>, seconds: u64) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// Compresses a response with gzip when its request accepts that and it is long enough.
///
/// A streamed body stays as it is: its writer compresses by itself, see
/// [`Sender::into_writer`](super::stream::Sender::into_writer) and [`mark_gzip`].
pub async fn compress(request: &HeaderMap, mut response: Response<Body>) -> Response<Body> {
    let Some(plain) = response.body().whole() else {
        return response;
    };
    if plain.len() < COMPRESS_BYTES || response.headers().contains_key(CONTENT_ENCODING) {
        return response;
    }
    // What was negotiated varies even when the outcome is no compression.
    vary(response.headers_mut());
    if negotiate(request) == Encoding::Identity {
        return response;
    }
    let Some(plain) = response.body().whole().cloned() else {
        return response;
    };
    let compressed = if plain.len() <= INLINE_BYTES {
        gzip(&plain)
    } else {
        // The thread is gone only when the process shuts down; the plain body is still right then.
        tokio::task::spawn_blocking(move || gzip(&plain))
            .await
            .ok()
            .flatten()
    };
    if let Some(compressed) = compressed {
        *response.body_mut() = Body::from(compressed);
        mark_gzip(response.headers_mut());
    }
    response
}

/// Declares a body as compressed with gzip after negotiation.
pub fn mark_gzip(headers: &mut HeaderMap) {
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    vary(headers);
}

fn vary(headers: &mut HeaderMap) {
    const NEGOTIATED: HeaderValue = HeaderValue::from_static("Accept-Encoding");
    if !headers.get_all(VARY).iter().any(|name| name == NEGOTIATED) {
        headers.append(VARY, NEGOTIATED);
    }
}

/// `None` cannot happen, as writing to memory does not fail; the caller then sends the body as it is.
fn gzip(plain: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok()
}

/// Adds the headers that every response carries; the listener does it for all handlers.
pub(super) fn secure(headers: &mut HeaderMap) {
    const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    let is_page = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_page {
        // A page that needs another policy has brought its own.
        headers
            .entry(CONTENT_SECURITY_POLICY)
            .or_insert(PAGE_POLICY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use hyper::header::ACCEPT_ENCODING;
    use std::collections::BTreeMap;
    use std::io::Read;

    fn shown(response: &Response<Body>) -> (u16, &str, &str) {
        let kind = response.headers().get(CONTENT_TYPE).unwrap();
        let body = response.body().whole().unwrap();
        (
            response.status().as_u16(),
            kind.to_str().unwrap(),
            std::str::from_utf8(body).unwrap(),
        )
    }

    #[test]
    fn responses_have_the_shapes_of_prometheus_and_of_ingest() {
        assert_eq!(
            shown(&api_error(
                StatusCode::BAD_REQUEST,
                ErrorType::BadData,
                "metric \"x\": unknown"
            )),
            (
                400,
                "application/json",
                r#"{"status":"error","errorType":"bad_data","error":"metric \"x\": unknown"}"#
            )
        );
        assert_eq!(
            shown(&api_data(&[1, 2])),
            (
                200,
                "application/json",
                r#"{"status":"success","data":[1,2]}"#
            )
        );
        assert_eq!(
            shown(&ingest_error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "request body exceeds 8 MiB"
            )),
            (
                413,
                "application/json",
                r#"{"error":"request body exceeds 8 MiB"}"#
            )
        );
        assert_eq!(
            shown(&text(StatusCode::OK, "healthy")),
            (200, "text/plain; charset=utf-8", "healthy")
        );
        let busy = retry_after(ingest_error(StatusCode::TOO_MANY_REQUESTS, "queue full"), 5);
        assert_eq!(busy.headers().get(RETRY_AFTER).unwrap(), "5");
    }

    #[test]
    fn a_value_without_json_form_is_a_fault_of_ours() {
        let response = json(StatusCode::OK, &BTreeMap::from([(vec![1], 2)]));
        assert_eq!(
            shown(&response),
            (
                500,
                "text/plain; charset=utf-8",
                "the response has no JSON form"
            )
        );
    }

    async fn compressed(length: usize, accept: &str) -> (Option<String>, Vec<u8>, bool) {
        let mut request = HeaderMap::new();
        request.insert(ACCEPT_ENCODING, HeaderValue::from_str(accept).unwrap());
        let response = compress(&request, text(StatusCode::OK, "a".repeat(length))).await;
        let encoding = response.headers().get(CONTENT_ENCODING);
        (
            encoding.map(|value| value.to_str().unwrap().to_owned()),
            response.body().whole().unwrap().to_vec(),
            response.headers().contains_key(VARY),
        )
    }

    #[tokio::test]
    async fn a_long_body_is_compressed_for_who_accepts_it() {
        for length in [1024, INLINE_BYTES, INLINE_BYTES + 1] {
            let (encoding, body, varies) = compressed(length, "gzip").await;
            assert_eq!(encoding.as_deref(), Some("gzip"));
            assert!(varies && body.len() < length);
            let mut plain = String::new();
            let mut decoder = GzDecoder::new(&body[..]);
            decoder.read_to_string(&mut plain).unwrap();
            assert!(plain == "a".repeat(length), "{length}");
        }
        for (length, accept, varies) in [(1023, "gzip", false), (1024, "gzip;q=0", true)] {
            let plain = "a".repeat(length).into_bytes();
            assert_eq!(compressed(length, accept).await, (None, plain, varies));
        }
    }

    #[tokio::test]
    async fn a_compressed_response_is_not_compressed_again() {
        let mut request = HeaderMap::new();
        request.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let once = compress(&request, text(StatusCode::OK, "a".repeat(1 << 20))).await;
        let length = once.body().whole().unwrap().len();
        let twice = compress(&request, once).await;
        assert_eq!(twice.body().whole().unwrap().len(), length);
        assert_eq!(twice.headers().get_all(CONTENT_ENCODING).iter().count(), 1);
    }

    #[test]
    fn pages_get_a_content_policy_and_everything_nosniff() {
        for (mut response, policy) in [
            (html(StatusCode::OK, "<p>"), true),
            (text(StatusCode::OK, "p"), false),
            (api_data(&1), false),
        ] {
            secure(response.headers_mut());
            let headers = response.headers();
            assert_eq!(headers.get(X_CONTENT_TYPE_OPTIONS).unwrap(), "nosniff");
            assert_eq!(headers.contains_key(CONTENT_SECURITY_POLICY), policy);
        }
        let mut own = html(StatusCode::OK, "<p>");
        let policy = HeaderValue::from_static("default-src 'self'");
        own.headers_mut()
            .insert(CONTENT_SECURITY_POLICY, policy.clone());
        secure(own.headers_mut());
        assert_eq!(own.headers().get(CONTENT_SECURITY_POLICY).unwrap(), policy);
    }
}

//! `/metrics`.

use hyper::Response;
use hyper::header::HeaderMap;

use super::{Services, unavailable};
use crate::exposition::{self, Snapshot};
use crate::http::encoding;
use crate::http::respond::{self, Body};

/// Chunks of a page that may wait for a slow reader.
const CHUNKS: usize = 4;

/// Everything measured, for Prometheus. The page is written on a thread of its own, a chunk at a time,
/// from a snapshot, so that neither the engine nor memory depends on how fast it is read.
pub async fn metrics(services: &Services, headers: &HeaderMap) -> Response<Body> {
    let internals = (services.internals)();
    let snapshot = services
        .engine
        .read(move |engine, now| Snapshot::take(engine, now, internals))
        .await;
    let snapshot = match snapshot {
        Ok(snapshot) => snapshot,
        Err(refused) => return unavailable(refused),
    };
    let format = exposition::negotiate(headers);
    let encoding = encoding::negotiate(headers);
    let (sender, body) = respond::channel(CHUNKS);
    let mut response = respond::respond(hyper::StatusCode::OK, format.content_type(), body);
    if encoding == encoding::Encoding::Gzip {
        respond::mark_gzip(response.headers_mut());
    }
    tokio::task::spawn_blocking(move || {
        let mut writer = sender.into_writer(encoding);
        // A reader that has gone away ends the writing; there is nobody left to tell.
        if exposition::write(format, &snapshot, &mut writer).is_ok() {
            let _ = writer.finish();
        }
    });
    response
}

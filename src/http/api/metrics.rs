//! `/metrics`.

use std::sync::Arc;

use hyper::header::HeaderMap;
use hyper::{Response, StatusCode};
use tokio::sync::Semaphore;

use super::{Services, unavailable};
use crate::exposition::{self, Snapshot};
use crate::http::encoding;
use crate::http::respond::{self, Body};

/// Pages written at once. A page takes a thread and a snapshot until its reader has it, so slow readers must not pile up.
const MAX_PAGES: usize = 32;

/// Chunks of a page that may wait for a slow reader.
const CHUNKS: usize = 4;

/// Everything measured, for Prometheus. The page is written on a thread of its own, a chunk at a time,
/// from a snapshot, so that neither the engine nor memory depends on how fast it is read.
pub async fn metrics(services: &Services, headers: &HeaderMap) -> Response<Body> {
    let Ok(page) = services.pages.clone().try_acquire_owned() else {
        let message = format!("{MAX_PAGES} pages are being read already\n");
        let response = respond::text(StatusCode::SERVICE_UNAVAILABLE, message);
        return respond::retry_after(response, 1);
    };
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
    let mut response = respond::respond(StatusCode::OK, format.content_type(), body);
    if encoding == encoding::Encoding::Gzip {
        respond::mark_gzip(response.headers_mut());
    }
    tokio::task::spawn_blocking(move || {
        let _page = page;
        let mut writer = sender.into_writer(encoding);
        // A reader that has gone away ends the writing; there is nobody left to tell.
        if exposition::write(format, &snapshot, &mut writer).is_ok() {
            let _ = writer.finish();
        }
    });
    response
}

/// Room for the pages that may be written at once.
pub fn pages() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_PAGES))
}

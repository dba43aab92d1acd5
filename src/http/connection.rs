//! One connection: what it is doing, and serving it until it ends.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::limits::Limits;
use super::listener::ListenerStats;
use super::respond::{self, Body};
use super::watched::Watched;

/// Header lines of one request.
const MAX_HEADERS: usize = 64;

/// Request line and headers together, in bytes.
const MAX_HEADER_BYTES: usize = 16 << 10;

/// What hyper may buffer per connection and direction, in bytes; its default of 400 KiB times the
/// connections would be the largest memory of the process.
const MAX_BUFFER_BYTES: usize = 32 << 10;

/// How long a shutdown waits for the rest of a request head.
const LAST_HEAD: Duration = Duration::from_millis(500);

/// What a connection is doing; before a request is complete it gives way to newcomers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Waits for a request, everything before is answered.
    Idle,
    /// Has sent a part of a request head.
    Head,
    /// A request is being handled.
    Busy,
    /// The response is complete but not all sent.
    Flushing,
}

/// A connection as the listener sees it.
#[derive(Debug)]
pub(super) struct Slot {
    /// The phase in the two highest bits; below it the turn in which the connection last became idle or began a head.
    /// Only the connection's own task writes it.
    state: AtomicU64,
    turns: Arc<AtomicU64>,
    lingers: AtomicBool,
    evicted: AtomicBool,
    closing: CancellationToken,
    stats: Arc<ListenerStats>,
}

impl Slot {
    /// A connection that has not spoken yet; it ends gracefully when `closing` is cancelled.
    pub(super) fn new(
        closing: CancellationToken,
        turns: Arc<AtomicU64>,
        stats: Arc<ListenerStats>,
    ) -> Self {
        let slot = Self {
            state: AtomicU64::new(0),
            turns,
            lingers: AtomicBool::new(false),
            evicted: AtomicBool::new(false),
            closing,
            stats,
        };
        slot.enter(Phase::Idle);
        slot
    }

    const TURN_BITS: u32 = 62;
    const TURN: u64 = (1 << Self::TURN_BITS) - 1;

    /// The smaller, the sooner this connection gives way to a newcomer; `None` when it does not. It goes by age alone:
    /// if all idle ones went before half-sent heads, a crowd of such heads would have every new client thrown out
    /// between its connecting and its request.
    pub(super) fn priority(&self) -> Option<u64> {
        let gives_way = self.phase() < Phase::Busy && !self.evicted.load(Relaxed);
        gives_way.then(|| self.state.load(Relaxed) & Self::TURN)
    }

    /// Has the connection close, unless it becomes busy before it hears of it.
    pub(super) fn evict(&self) {
        self.evicted.store(true, Relaxed);
        self.closing.cancel();
    }

    /// What the connection is doing.
    pub(super) fn phase(&self) -> Phase {
        match self.state.load(Relaxed) >> Self::TURN_BITS {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Busy,
            _ => Phase::Flushing,
        }
    }

    /// A value that changes whenever the connection goes on to something else.
    pub(super) fn period(&self) -> u64 {
        self.state.load(Relaxed)
    }

    /// Whether the last answer refused a request whose body may still be on its way.
    pub(super) fn lingers(&self) -> bool {
        self.lingers.load(Relaxed)
    }

    /// Counts a client that was given up on.
    pub(super) fn count_timeout(&self) {
        self.stats.timeouts.inc();
    }

    /// Goes on to a phase.
    pub(super) fn enter(&self, phase: Phase) {
        let turn = match phase {
            Phase::Idle | Phase::Head => self.turns.fetch_add(1, Relaxed),
            Phase::Busy | Phase::Flushing => self.state.load(Relaxed),
        };
        let turn = turn & Self::TURN;
        self.state
            .store(((phase as u64) << Self::TURN_BITS) | turn, Relaxed);
    }
}

/// Serves one connection until the client or a timeout ends it, or `closing` does after the request in flight.
///
/// A panic of the handler unwinds from here: it ends this connection and no other.
pub(super) async fn serve<S, H, F>(stream: S, handler: H, limits: Limits, slot: Arc<Slot>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Body>>,
{
    let service = service_fn(|request: Request<Incoming>| {
        slot.enter(Phase::Busy);
        let has_body = !request.body().is_end_stream();
        let answer = handler(request);
        let slot = Arc::clone(&slot);
        async move {
            let mut response = answer.await;
            let status = response.status();
            if status == StatusCode::REQUEST_TIMEOUT {
                slot.count_timeout();
            }
            let refused = status.is_client_error() || status.is_server_error();
            // hyper does not tell whether the whole body has been read, and a needless linger costs little.
            slot.lingers.store(has_body && refused, Relaxed);
            respond::secure(response.headers_mut());
            Ok::<_, Infallible>(response.map(|body| Answer { body, slot }))
        }
    });
    let watched = TokioIo::new(Watched::new(stream, limits, Arc::clone(&slot)));
    let connection = http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEADER_BYTES)
        .max_buf_size(MAX_BUFFER_BYTES)
        // hyper has one timeout for a slow head and for rest between requests; `Watched` tells them apart.
        .header_read_timeout(None)
        .serve_connection(watched, service);
    let mut connection = pin!(connection);
    let result = tokio::select! {
        // First, so that a request which has already arrived is seen before the closing.
        biased;
        result = connection.as_mut() => result,
        () = slot.closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let patience = if slot.evicted.load(Relaxed) {
                Duration::ZERO
            } else {
                LAST_HEAD
            };
            match timeout(patience, connection.as_mut()).await {
                Ok(result) => result,
                // Nothing is owed to whoever has not sent a whole request.
                Err(_) if slot.phase() < Phase::Busy => Ok(()),
                Err(_) => connection.await,
            }
        }
    };
    if let Err(error) = result {
        // Clients break connections every day; whoever looks for one finds it here.
        tracing::debug!(%error, "connection ended with an error");
    }
}

/// A response body that tells its connection when it has been taken.
struct Answer {
    body: Body,
    slot: Arc<Slot>,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.slot.enter(Phase::Flushing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_half_sent_head_gives_way_before_a_new_connection_that_has_not_spoken_yet() {
        let turns = Arc::default();
        let slot = || Slot::new(CancellationToken::new(), Arc::clone(&turns), Arc::default());
        let (resting, besieger) = (slot(), slot());
        besieger.enter(Phase::Head);
        let newcomer = slot();
        let mut order = [&newcomer, &besieger, &resting];
        order.sort_by_key(|slot| slot.priority());
        for (found, expected) in order.iter().zip([&resting, &besieger, &newcomer]) {
            assert!(std::ptr::eq(*found, expected));
        }
        // A head that has just begun is newer than whoever rests, and a request being handled never gives way.
        resting.enter(Phase::Head);
        assert!(resting.priority() > newcomer.priority());
        resting.enter(Phase::Busy);
        assert_eq!(resting.priority(), None);
    }
}

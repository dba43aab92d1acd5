//! Accepts connections and serves each, within its limits, whatever the clients do.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Sleep, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use super::address::{AddressError, ListenAddress, ListenError};
use super::address::{Socket, Stream};
use super::connection::{self, Slot};
pub use super::limits::Limits;
use super::respond::Body;

/// How long to wait before accepting again when the system is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a fault of accepting is not logged again.
const ACCEPT_LOG_PAUSE: Duration = Duration::from_secs(60);

/// How long a newcomer waits for the connection that gives way to it, which normally takes microseconds.
const EVICTION_PATIENCE: Duration = Duration::from_millis(100);

/// How long the client of a refused connection may take to read the refusal.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);

/// Refusals written at once; connections refused beyond them are closed without a word.
const MAX_REFUSALS: usize = 32;

/// The answer to a connection over the cap, when all others are busy.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    Retry-After: 5\r\n\
    Connection: close\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Content-Length: 21\r\n\
    \r\n\
    too many connections\n";

/// A bound socket that serves once it is told what.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: ListenAddress,
    stats: Arc<ListenerStats>,
}

/// What a listener has counted since its start.
#[derive(Debug, Default)]
pub struct ListenerStats {
    /// Connections accepted, refused ones among them.
    pub accepted: Counter,
    /// Connections being served now.
    pub open: Gauge,
    /// Connections refused because all others were busy.
    pub refused: Counter,
    /// Idle connections closed in favour of new ones.
    pub evicted: Counter,
    /// Clients given up on: late with head or body, or not reading. The end of idle connections is not counted.
    pub timeouts: Counter,
    /// Times that the system could not accept a connection.
    pub accept_errors: Counter,
    /// Handlers that panicked; each is a defect of ours.
    pub panics: Counter,
}

impl Listener {
    /// Binds the address and starts to listen; connections wait until [`Listener::serve`].
    ///
    /// A socket file on which nobody accepts any more is replaced. Needs a Tokio runtime.
    ///
    /// # Errors
    ///
    /// When the address is in use, or the system refuses it.
    pub fn bind(address: &ListenAddress) -> Result<Self, ListenError> {
        let socket = Socket::bind(address)?;
        let local = socket.local_address();
        Ok(Self {
            address: local.map_err(|source| ListenError::System {
                address: address.clone(),
                source,
            })?,
            socket,
            stats: Arc::default(),
        })
    }

    /// Where it listens, with the port that the system chose for port 0.
    pub fn local_address(&self) -> &ListenAddress {
        &self.address
    }

    /// The counters, to be read at any time.
    pub fn stats(&self) -> Arc<ListenerStats> {
        Arc::clone(&self.stats)
    }

    /// Serves until `shutdown` is cancelled, then ends requests in flight for at most `grace`.
    ///
    /// A handler is dropped at one of its waits when its client goes away; what must not stop half way it
    /// hands to a task of its own. Dropping the returned future closes all connections.
    pub async fn serve<H, F>(
        self,
        handler: H,
        limits: Limits,
        shutdown: CancellationToken,
        grace: Duration,
    ) where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let mut acceptor = Acceptor::new(self.socket, self.address, Arc::clone(&self.stats));
        let mut connections = Connections::new(limits, shutdown.clone(), self.stats);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = connections.tasks.join_next_with_id() => connections.forget(ended),
                stream = acceptor.accept() => connections.admit(stream, &handler).await,
            }
        }
        // Closed before the rest is awaited: a client that comes now is better refused than left waiting.
        drop(acceptor);
        connections.drain(grace).await;
    }
}

/// Accepts, and survives every way in which that fails.
struct Acceptor {
    socket: Socket,
    address: ListenAddress,
    stats: Arc<ListenerStats>,
    quiet: Option<Pin<Box<Sleep>>>,
}

impl Acceptor {
    fn new(socket: Socket, address: ListenAddress, stats: Arc<ListenerStats>) -> Self {
        Self {
            socket,
            address,
            stats,
            quiet: None,
        }
    }

    async fn accept(&mut self) -> Stream {
        loop {
            let error = match self.socket.accept().await {
                Ok(stream) => return stream,
                Err(error) if is_fault_of_the_client(&error) => continue,
                Err(error) => error,
            };
            self.stats.accept_errors.inc();
            if self.quiet.as_ref().is_none_or(|quiet| quiet.is_elapsed()) {
                self.quiet = Some(Box::pin(sleep(ACCEPT_LOG_PAUSE)));
                tracing::error!(address = %self.address, %error, "cannot accept connections, will go on trying");
            }
            sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// The connection was gone before it was accepted; the next one may be fine.
fn is_fault_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// All connections of a listener.
struct Connections {
    limits: Limits,
    shutdown: CancellationToken,
    stats: Arc<ListenerStats>,
    /// Counts up whenever a connection becomes idle or begins a head, which orders them by how long they have been so.
    turns: Arc<AtomicU64>,
    capacity: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    tasks: JoinSet<()>,
    slots: HashMap<Id, Arc<Slot>>,
}

impl Connections {
    fn new(limits: Limits, shutdown: CancellationToken, stats: Arc<ListenerStats>) -> Self {
        Self {
            capacity: Arc::new(Semaphore::new(
                limits.connections.clamp(1, Semaphore::MAX_PERMITS),
            )),
            refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
            turns: Arc::default(),
            tasks: JoinSet::new(),
            slots: HashMap::new(),
            limits,
            shutdown,
            stats,
        }
    }

    async fn admit<H, F>(&mut self, stream: Stream, handler: &H)
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        self.stats.accepted.inc();
        let Some(permit) = self.permit().await else {
            self.refuse(stream);
            return;
        };
        let slot = Arc::new(Slot::new(
            self.shutdown.child_token(),
            Arc::clone(&self.turns),
            Arc::clone(&self.stats),
        ));
        let open = Open::new(permit, Arc::clone(&self.stats));
        let served = connection::serve(stream, handler.clone(), self.limits, Arc::clone(&slot));
        let task = self.tasks.spawn(async move {
            let _open = open;
            served.await;
        });
        self.slots.insert(task.id(), slot);
    }

    /// A place for one more connection, if need be that of the one which has been idle longest.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let capacity = || Arc::clone(&self.capacity);
        if let Ok(permit) = capacity().try_acquire_owned() {
            return Some(permit);
        }
        // All are looked at; it is a load per connection and happens only at the cap.
        let slots = self.slots.values();
        let (_, longest_idle) = slots
            .filter_map(|slot| Some((slot.priority()?, slot)))
            .min_by_key(|(priority, _)| *priority)?;
        longest_idle.evict();
        let permit = timeout(EVICTION_PATIENCE, capacity().acquire_owned()).await;
        let permit = permit.ok()?.ok()?;
        self.stats.evicted.inc();
        Some(permit)
    }

    /// Says why, then closes; a flood beyond what can be told is just closed.
    fn refuse(&mut self, mut stream: Stream) {
        self.stats.refused.inc();
        let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() else {
            return;
        };
        self.tasks.spawn(async move {
            let _permit = permit;
            let told = timeout(REFUSAL_PATIENCE, async {
                stream.write_all(REFUSAL).await?;
                stream.shutdown().await?;
                // The request is read, up to a bound, since closing on unread input would take the answer back.
                let mut scratch = [0; 1024];
                for _ in 0..64 {
                    if stream.read(&mut scratch).await? == 0 {
                        break;
                    }
                }
                Ok::<_, io::Error>(())
            });
            // Whoever does not listen has been refused all the same.
            let _ = told.await;
        });
    }

    /// Takes note of a task that has ended.
    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                if error.is_panic() {
                    self.stats.panics.inc();
                    tracing::error!(%error, "a request handler panicked; its connection is closed");
                }
                error.id()
            }
        };
        self.slots.remove(&id);
    }

    /// Waits for the connections, which know of the shutdown, and aborts those that take longer than `grace`.
    async fn drain(mut self, grace: Duration) {
        let all = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.forget(ended);
            }
        };
        if timeout(grace, all).await.is_err() {
            tracing::warn!(
                connections = self.tasks.len(),
                "requests still in flight after the grace period are broken off"
            );
            self.tasks.shutdown().await;
        }
    }
}

/// Holds the place of a connection and counts it as open, also when its task panics.
struct Open {
    stats: Arc<ListenerStats>,
    _permit: OwnedSemaphorePermit,
}

impl Open {
    fn new(permit: OwnedSemaphorePermit, stats: Arc<ListenerStats>) -> Self {
        stats.open.inc();
        Self {
            stats,
            _permit: permit,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stats.open.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body;
    use crate::http::encoding::Encoding;
    use crate::http::respond::{self, channel, html, ingest_error, text};
    use crate::ingest::budget::{Budget, Share};
    use hyper::StatusCode;
    use hyper::header::CONTENT_LENGTH;
    use std::io::Write as _;
    use tokio::net::{TcpStream, UnixStream};
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;

    /// Ends a test that would hang; nothing is measured by it.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Longer than a test, so that none passes only because its connections are broken off.
    const GRACE: Duration = Duration::from_secs(600);

    /// Memory enough for any request.
    fn plenty() -> Share {
        Budget::new(1 << 30).share()
    }

    /// A listener that serves in the background.
    struct Running {
        address: ListenAddress,
        stats: Arc<ListenerStats>,
        shutdown: CancellationToken,
        serving: JoinHandle<()>,
        entered: Arc<Notify>,
        released: Arc<Notify>,
    }

    impl Running {
        fn start(limits: Limits) -> Self {
            Self::start_on("127.0.0.1:0", limits, GRACE)
        }

        fn start_on(address: &str, limits: Limits, grace: Duration) -> Self {
            let listener = Listener::bind(&address.parse().unwrap()).unwrap();
            let address = listener.local_address().clone();
            let stats = listener.stats();
            let shutdown = CancellationToken::new();
            let entered = Arc::new(Notify::new());
            let released = Arc::new(Notify::new());
            let handler = {
                let (entered, released) = (Arc::clone(&entered), Arc::clone(&released));
                move |request| answer(request, limits, Arc::clone(&entered), Arc::clone(&released))
            };
            let serving = tokio::spawn(listener.serve(handler, limits, shutdown.clone(), grace));
            Self {
                address,
                stats,
                shutdown,
                serving,
                entered,
                released,
            }
        }

        async fn connect(&self) -> TcpStream {
            match &self.address {
                ListenAddress::Tcp(address) => TcpStream::connect(address).await.unwrap(),
                ListenAddress::Unix(_) => panic!("not a TCP listener"),
            }
        }

        /// Sends and reads until the connection ends.
        async fn exchange(&self, request: &str) -> String {
            let mut stream = self.connect().await;
            stream.write_all(request.as_bytes()).await.unwrap();
            rest(&mut stream).await
        }

        async fn stop(self) {
            self.shutdown.cancel();
            timeout(PATIENCE, self.serving).await.unwrap().unwrap();
        }
    }

    /// What the tests serve.
    async fn answer(
        request: Request<Incoming>,
        limits: Limits,
        entered: Arc<Notify>,
        released: Arc<Notify>,
    ) -> Response<Body> {
        match request.uri().path() {
            "/wait" => {
                entered.notify_one();
                released.notified().await;
                text(StatusCode::OK, "waited")
            }
            "/panic" => panic!("a handler that panics, as the test wants"),
            "/body" => {
                let (head, body) = request.into_parts();
                match body::read(body, &head.headers, &limits, plenty()).await {
                    Ok((bytes, _)) => text(StatusCode::OK, bytes.len().to_string()),
                    Err(error) => ingest_error(error.status(), &error.to_string()),
                }
            }
            "/page" => html(StatusCode::OK, "<p>page"),
            "/large" => {
                let (head, _) = request.into_parts();
                respond::compress(&head.headers, text(StatusCode::OK, "a".repeat(1 << 20))).await
            }
            "/endless" => {
                let (sender, body) = channel(2);
                tokio::task::spawn_blocking(move || {
                    let mut writer = sender.into_writer(Encoding::Identity);
                    while writer.write_all(&[b'a'; 4096]).is_ok() {}
                    released.notify_one();
                });
                Response::new(body)
            }
            "/half" => {
                let (sender, body) = channel(2);
                sender.send("half".into()).await.unwrap();
                Response::new(body)
            }
            _ => text(StatusCode::OK, "hello"),
        }
    }

    async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
        let mut received = Vec::new();
        // A reset counts as an end too; what came before it is what the test looks at.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut received))
            .await
            .expect("the connection ends");
        String::from_utf8_lossy(&received).into_owned()
    }

    /// Sends a request and reads its short answer, leaving the connection open.
    async fn ask(stream: &mut TcpStream, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        while !received.ends_with(b"hello") {
            let count = timeout(PATIENCE, stream.read_buf(&mut received)).await;
            assert_ne!(count.unwrap().unwrap(), 0, "closed before the answer");
        }
        String::from_utf8(received).unwrap()
    }

    /// Waits for what another task brings about.
    async fn until(condition: impl Fn() -> bool) {
        timeout(PATIENCE, async {
            while !condition() {
                sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .expect("the condition comes true");
    }

    fn status(answer: &str) -> &str {
        answer.lines().next().unwrap_or_default()
    }

    const CLOSE: &str = "Host: x\r\nConnection: close\r\n\r\n";

    #[tokio::test]
    async fn a_request_is_answered_and_the_connection_kept() {
        let running = Running::start(Limits::default());
        let mut stream = running.connect().await;
        for _ in 0..3 {
            let answer = ask(&mut stream, "/").await.to_lowercase();
            assert!(answer.starts_with("http/1.1 200 ok\r\n"), "{answer}");
            assert!(
                answer.contains("\r\nx-content-type-options: nosniff\r\n"),
                "{answer}"
            );
            assert!(!answer.contains("\r\nserver:"), "{answer}");
        }
        assert_eq!(
            (running.stats.accepted.get(), running.stats.open.get()),
            (1, 1)
        );
        drop(stream);
        until(|| running.stats.open.get() == 0).await;
        running.stop().await;
    }

    #[tokio::test]
    async fn pages_carry_a_content_policy() {
        let running = Running::start(Limits::default());
        let answer = running
            .exchange(&format!("GET /page HTTP/1.1\r\n{CLOSE}"))
            .await;
        assert!(
            answer.contains("content-security-policy: default-src 'none'"),
            "{answer}"
        );
        running.stop().await;
    }

    #[tokio::test]
    async fn head_has_the_headers_of_get_and_no_body() {
        let running = Running::start(Limits::default());
        for path in ["/", "/large"] {
            let get = running
                .exchange(&format!("GET {path} HTTP/1.1\r\n{CLOSE}"))
                .await;
            let head = running
                .exchange(&format!("HEAD {path} HTTP/1.1\r\n{CLOSE}"))
                .await;
            let (get_head, body) = get.split_once("\r\n\r\n").unwrap();
            let (head_head, nothing) = head.split_once("\r\n\r\n").unwrap();
            assert_eq!(nothing, "");
            let length = format!("{CONTENT_LENGTH}: {}", body.len());
            assert!(
                get_head.contains(&length) && head_head.contains(&length),
                "{head_head}"
            );
        }
        // The writer of a streamed body is stopped, as nobody reads it.
        let head = running
            .exchange(&format!("HEAD /endless HTTP/1.1\r\n{CLOSE}"))
            .await;
        assert!(head.ends_with("\r\n\r\n"), "{head}");
        timeout(PATIENCE, running.released.notified())
            .await
            .unwrap();
        running.stop().await;
    }

    #[tokio::test]
    async fn a_large_response_is_compressed_for_who_accepts_it() {
        let running = Running::start(Limits::default());
        for (accept, expected) in [("gzip", true), ("gzip;q=0", false), ("identity", false)] {
            let request = format!("GET /large HTTP/1.1\r\nAccept-Encoding: {accept}\r\n{CLOSE}");
            let answer = running.exchange(&request).await;
            assert_eq!(
                answer.contains("content-encoding: gzip\r\n"),
                expected,
                "{accept}"
            );
            assert_eq!(answer.len() < 100_000, expected, "{accept}");
        }
        running.stop().await;
    }

    /// R15: a client that sends its head a byte at a time is closed.
    #[tokio::test]
    async fn a_client_that_is_slow_with_its_head_is_closed() {
        let limits = Limits {
            header_timeout: Duration::from_millis(50),
            ..Limits::default()
        };
        let running = Running::start(limits);
        // One says nothing at all, one goes on byte by byte, one does so after a good request.
        let mut silent = running.connect().await;
        let mut dripping = running.connect().await;
        let mut second = running.connect().await;
        ask(&mut second, "/").await;
        let drip = |mut stream: TcpStream| async move {
            stream.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
            timeout(PATIENCE, async {
                while stream.write_all(b"x").await.is_ok() {
                    sleep(Duration::from_millis(5)).await;
                }
            })
            .await
            .expect("the connection is closed");
        };
        assert_eq!(rest(&mut silent).await, "");
        tokio::join!(drip(std::mem::replace(&mut dripping, silent)), drip(second));
        assert_eq!(running.stats.timeouts.get(), 3);
        running.stop().await;
    }

    #[tokio::test]
    async fn a_slow_body_is_answered_with_408() {
        let limits = Limits {
            body_timeout: Duration::from_millis(50),
            ..Limits::default()
        };
        let running = Running::start(limits);
        let answer = running
            .exchange("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
            .await;
        assert_eq!(status(&answer), "HTTP/1.1 408 Request Timeout");
        assert!(answer.contains("did not arrive within 50ms"), "{answer}");
        assert_eq!(running.stats.timeouts.get(), 1);
        running.stop().await;
    }

    #[tokio::test]
    async fn a_reader_that_does_not_read_is_closed_and_its_writer_stops() {
        let limits = Limits {
            body_timeout: Duration::from_millis(50),
            ..Limits::default()
        };
        let running = Running::start(limits);
        let mut stream = running.connect().await;
        stream
            .write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        timeout(PATIENCE, running.released.notified())
            .await
            .unwrap();
        until(|| running.stats.open.get() == 0).await;
        assert_eq!(running.stats.timeouts.get(), 1);
        running.stop().await;
    }

    #[tokio::test]
    async fn a_response_whose_writer_stops_is_broken_off_without_an_end() {
        let running = Running::start(Limits::default());
        let answer = running
            .exchange("GET /half HTTP/1.1\r\nHost: x\r\n\r\n")
            .await;
        assert!(!answer.contains("\r\n0\r\n"), "{answer}");
        running.stop().await;
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed_after_its_time_without_counting_as_a_timeout() {
        let limits = Limits {
            idle_timeout: Duration::from_millis(50),
            ..Limits::default()
        };
        let running = Running::start(limits);
        let mut stream = running.connect().await;
        ask(&mut stream, "/").await;
        assert_eq!(rest(&mut stream).await, "");
        assert_eq!(running.stats.timeouts.get(), 0);
        running.stop().await;
    }

    #[tokio::test]
    async fn a_large_head_is_refused() {
        let running = Running::start(Limits::default());
        let one = format!("GET / HTTP/1.1\r\nX: {}\r\n{CLOSE}", "a".repeat(17_000));
        let many = format!("GET / HTTP/1.1\r\n{}{CLOSE}", "X: y\r\n".repeat(65));
        for request in [one, many] {
            let answer = running.exchange(&request).await;
            assert_eq!(
                status(&answer),
                "HTTP/1.1 431 Request Header Fields Too Large"
            );
        }
        running.stop().await;
    }

    #[tokio::test]
    async fn a_refused_body_is_answered_although_its_sender_goes_on() {
        let running = Running::start(Limits::default());
        // More than the kernel holds, so that a sender nobody reads from would fail.
        let body = "x".repeat((8 << 20) + (64 << 10));
        let declared = format!(
            "POST /body HTTP/1.1\r\nContent-Length: {}\r\n{CLOSE}{body}",
            body.len()
        );
        let chunked = format!(
            "POST /body HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{CLOSE}{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        );
        for request in [declared, chunked] {
            let answer = running.exchange(&request).await;
            assert_eq!(status(&answer), "HTTP/1.1 413 Payload Too Large");
            assert!(answer.contains("request body exceeds 8 MiB"), "{answer}");
        }
        // A declared length is not believed: what is missing makes no body.
        let mut stream = running.connect().await;
        stream
            .write_all(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nhalf")
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        assert!(!rest(&mut stream).await.contains("200 OK"));
        running.stop().await;
    }

    #[tokio::test]
    async fn a_gzip_bomb_is_refused_over_the_wire() {
        let running = Running::start(Limits::default());
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        io::copy(
            &mut io::Read::take(io::repeat(b'0'), 100_000_000),
            &mut encoder,
        )
        .unwrap();
        let bomb = encoder.finish().unwrap();
        let mut stream = running.connect().await;
        let head = format!(
            "POST /body HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n{CLOSE}",
            bomb.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&bomb).await.unwrap();
        let answer = rest(&mut stream).await;
        assert_eq!(status(&answer), "HTTP/1.1 413 Payload Too Large");
        assert!(
            answer.contains("decompressed body exceeds 64 MiB"),
            "{answer}"
        );
        running.stop().await;
    }

    #[tokio::test]
    async fn the_connection_idle_longest_gives_way_to_a_newcomer() {
        let limits = Limits {
            connections: 2,
            ..Limits::default()
        };
        let running = Running::start(limits);
        let mut first = running.connect().await;
        ask(&mut first, "/").await;
        let mut second = running.connect().await;
        ask(&mut second, "/").await;
        ask(&mut first, "/").await;
        // The second has been idle longer now.
        let mut third = running.connect().await;
        ask(&mut third, "/").await;
        assert_eq!(rest(&mut second).await, "");
        ask(&mut first, "/").await;
        assert_eq!(
            (running.stats.evicted.get(), running.stats.refused.get()),
            (1, 0)
        );
        running.stop().await;
    }

    #[tokio::test]
    async fn half_a_head_gives_way_to_a_newcomer() {
        let limits = Limits {
            connections: 4,
            ..Limits::default()
        };
        let running = Running::start(limits);
        let mut half_open = Vec::new();
        for _ in 0..50 {
            let mut stream = running.connect().await;
            stream.write_all(b"GET / HTTP/1.1\r\nHost").await.unwrap();
            half_open.push(stream);
        }
        let mut stream = running.connect().await;
        ask(&mut stream, "/").await;
        assert_eq!(running.stats.refused.get(), 0);
        assert!(running.stats.open.get() <= 4);
        running.stop().await;
    }

    #[tokio::test]
    async fn over_the_cap_a_connection_is_refused_and_after_it_accepted_again() {
        let limits = Limits {
            connections: 1,
            ..Limits::default()
        };
        let running = Running::start(limits);
        let mut busy = running.connect().await;
        let request = format!("GET /wait HTTP/1.1\r\n{CLOSE}");
        busy.write_all(request.as_bytes()).await.unwrap();
        timeout(PATIENCE, running.entered.notified()).await.unwrap();

        let refused = running.exchange("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(status(&refused), "HTTP/1.1 503 Service Unavailable");
        assert!(refused.contains("\r\nRetry-After: 5\r\n"), "{refused}");
        assert!(
            refused.ends_with("\r\n\r\ntoo many connections\n"),
            "{refused}"
        );
        assert_eq!(running.stats.refused.get(), 1);

        running.released.notify_one();
        assert!(rest(&mut busy).await.ends_with("waited"));
        until(|| running.stats.open.get() == 0).await;
        let mut stream = running.connect().await;
        ask(&mut stream, "/").await;
        running.stop().await;
    }

    #[tokio::test]
    async fn a_panic_closes_its_connection_and_no_other() {
        let running = Running::start(Limits::default());
        let mut other = running.connect().await;
        ask(&mut other, "/").await;
        let answer = running
            .exchange(&format!("GET /panic HTTP/1.1\r\n{CLOSE}"))
            .await;
        assert_eq!(answer, "");
        ask(&mut other, "/").await;
        let mut new = running.connect().await;
        ask(&mut new, "/").await;
        until(|| running.stats.panics.get() == 1 && running.stats.open.get() == 2).await;
        running.stop().await;
    }

    /// R16: requests in flight are answered.
    #[tokio::test]
    async fn a_shutdown_ends_requests_in_flight_and_takes_no_more() {
        let running = Running::start(Limits::default());
        let mut idle = running.connect().await;
        ask(&mut idle, "/").await;
        let mut busy = running.connect().await;
        busy.write_all(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        timeout(PATIENCE, running.entered.notified()).await.unwrap();

        running.shutdown.cancel();
        assert_eq!(rest(&mut idle).await, "");
        let ListenAddress::Tcp(address) = running.address else {
            panic!("not a TCP listener");
        };
        assert!(TcpStream::connect(address).await.is_err());
        assert!(!running.serving.is_finished());

        running.released.notify_one();
        let answer = rest(&mut busy).await;
        assert_eq!(status(&answer), "HTTP/1.1 200 OK");
        assert!(answer.ends_with("waited"), "{answer}");
        running.stop().await;
    }

    #[tokio::test]
    async fn a_shutdown_breaks_off_what_outlasts_the_grace_period() {
        let grace = Duration::from_millis(50);
        let running = Running::start_on("127.0.0.1:0", Limits::default(), grace);
        let mut busy = running.connect().await;
        busy.write_all(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        timeout(PATIENCE, running.entered.notified()).await.unwrap();
        let stats = Arc::clone(&running.stats);
        running.stop().await;
        assert_eq!(stats.open.get(), 0);
        assert_eq!(rest(&mut busy).await, "");
    }

    #[tokio::test]
    async fn a_unix_socket_serves_and_is_removed_at_shutdown() {
        let path = std::env::temp_dir().join(format!("opwatch-{}-serve.sock", std::process::id()));
        let address = format!("unix:{}", path.display());
        let running = Running::start_on(&address, Limits::default(), GRACE);
        let mut stream = UnixStream::connect(&path).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\n{CLOSE}");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(rest(&mut stream).await.ends_with("hello"));
        running.stop().await;
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn http_2_is_not_spoken() {
        let running = Running::start(Limits::default());
        let answer = running.exchange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
        let mut stream = running.connect().await;
        ask(&mut stream, "/").await;
        running.stop().await;
    }

    #[tokio::test]
    async fn framing_that_two_servers_may_read_differently_never_yields_a_second_request() {
        let running = Running::start(Limits::default());
        let smuggled = "GET /large HTTP/1.1\r\nHost: x\r\n\r\n";
        for headers in [
            "Content-Length: 0\r\nContent-Length: 5",
            "Content-Length: 0, 5",
            "Content-Length: +0",
            "Content-Length : 0",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding : chunked",
        ] {
            let request = format!("POST /body HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n{smuggled}");
            let answer = running.exchange(&request).await;
            assert_eq!(status(&answer), "HTTP/1.1 400 Bad Request", "{headers}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{headers}");
        }
        running.stop().await;
    }

    /// Set in the process that the next test starts, where descriptors are few.
    const FEW_DESCRIPTORS: &str = "OPWATCH_TEST_FEW_DESCRIPTORS";

    #[tokio::test]
    async fn running_out_of_descriptors_does_not_end_the_listener() {
        if std::env::var_os(FEW_DESCRIPTORS).is_none() {
            let name =
                "http::listener::tests::running_out_of_descriptors_does_not_end_the_listener";
            let outcome = std::process::Command::new("sh")
                .args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\""])
                .arg(std::env::current_exe().unwrap())
                .arg(name)
                .env(FEW_DESCRIPTORS, "1")
                .output()
                .unwrap();
            let shown = String::from_utf8_lossy(&outcome.stdout);
            assert!(
                outcome.status.success() && shown.contains("1 passed"),
                "{shown}"
            );
            return;
        }
        let running = Running::start(Limits::default());
        // Made before the descriptors are gone, so that only accepting can fail.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        let mut files = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            files.push(file);
        }
        let ListenAddress::Tcp(address) = running.address else {
            panic!("not a TCP listener");
        };
        let mut stream = socket.connect(address).await.unwrap();
        until(|| running.stats.accept_errors.get() >= 2).await;
        drop(files);
        ask(&mut stream, "/").await;
        running.stop().await;
    }
}

//! A client that sends as much as a server takes, over keep-alive connections, and says how it went in one line of JSON.
//!
//! `load WHAT ADDRESS PATH CONNECTIONS SECONDS`, with WHAT one of
//! `single` (one measurement a request), `lines` (1 000 measurements of five values as NDJSON), `gzip` (the same,
//! compressed, 5 000 of them), `import` (as many values as `lines` in Prometheus' text format, for VictoriaMetrics),
//! `push` (one group of five values a request, for Pushgateway), `remote` (as many values as `lines`, each connection of
//! its own series, for Prometheus' remote write). `benches/peers/run` and `benches/durable/run` use it.
//!
//! `load feed ADDRESS PATH OPERATIONS SECONDS` sends one measurement of each operation every second.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program that measures: it looks at the clock, and where it cannot go on it says so by failing"
)]

mod remote_write;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// When a client that was told to come back does so.
const IMPATIENCE: Duration = Duration::from_millis(100);
/// Different bodies, sent in turn.
const BODIES: usize = 16;
/// Measurements of a batch.
const BATCH: usize = 1_000;
/// Measurements of a large, compressed batch.
const LARGE_BATCH: usize = 5_000;
/// Operations that the measurements are of.
const OPERATIONS: usize = 100;

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [what, address, path, count, seconds] = words.as_slice() else {
        println!(
            "usage: load single|lines|gzip|import|push|remote|feed ADDRESS PATH COUNT SECONDS; see benches/peers/run"
        );
        return;
    };
    let count = count.parse().expect("COUNT is a whole number");
    let seconds = Duration::from_secs_f64(seconds.parse().expect("SECONDS is a number"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    if *what == "feed" {
        return runtime.block_on(feed(address, path, count, seconds));
    }
    let requests: Arc<[Vec<u8>]> = match *what {
        "remote" => Arc::default(),
        _ => (0..BODIES)
            .map(|n| request(what, address, path, n))
            .collect(),
    };
    let source = |connection| match *what {
        "remote" => Source::Remote {
            series: remote_write::Series::new(OPERATIONS, connection),
            address: address.to_string(),
            path: path.to_string(),
        },
        _ => Source::Fixed(requests.clone()),
    };
    runtime.block_on(flood(address, source, count, seconds));
}

/// Where the requests of a connection come from.
enum Source {
    /// The same again and again.
    Fixed(Arc<[Vec<u8>]>),
    /// Samples that go on in time.
    Remote {
        series: remote_write::Series,
        address: String,
        path: String,
    },
}

impl Source {
    fn next(&mut self, turn: usize) -> Cow<'_, [u8]> {
        match self {
            Self::Fixed(requests) => Cow::Borrowed(&requests[turn % requests.len()]),
            Self::Remote {
                series,
                address,
                path,
            } => {
                let body = series.next(BATCH, |n| duration(n + turn * BATCH));
                let kind = "application/x-protobuf\r\nContent-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0";
                Cow::Owned(head(address, path, kind, body))
            }
        }
    }
}

/// A whole request, ready to be sent again and again.
fn request(what: &str, address: &str, path: &str, n: usize) -> Vec<u8> {
    let (content_type, body) = match what {
        "single" => ("application/json", record(n * 7).into_bytes()),
        "lines" => ("application/x-ndjson", lines(n * BATCH, BATCH).into_bytes()),
        "gzip" => ("application/x-ndjson\r\nContent-Encoding: gzip", {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder
                .write_all(lines(n * LARGE_BATCH, LARGE_BATCH).as_bytes())
                .unwrap();
            encoder.finish().unwrap()
        }),
        "import" => ("text/plain", values(n * BATCH, BATCH).into_bytes()),
        "push" => ("text/plain", group(n).into_bytes()),
        other => panic!("{other:?} is not something to send"),
    };
    let path = match what {
        "push" => format!("{path}/operation/op{n}"),
        _ => path.to_owned(),
    };
    head(address, &path, content_type, body)
}

fn head(address: &str, path: &str, content_type: &str, body: Vec<u8>) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.into_bytes(), body].concat()
}

/// A duration between 10 ms and a second, different for most `n`.
fn duration(n: usize) -> f64 {
    0.01 + (n.wrapping_mul(7_919) % 990) as f64 / 1_000.0
}

/// One measurement with five values.
fn record(n: usize) -> String {
    format!(
        r#"{{"operation":"op{}","algorithm":"iforest","duration_seconds":{},"cpu_cores":0.8,"memory_bytes":104857600,"memory_peak_bytes":209715200,"samples":1000}}"#,
        n % OPERATIONS,
        duration(n),
    )
}

fn lines(first: usize, count: usize) -> String {
    let mut text = String::new();
    for n in first..first + count {
        let _ = writeln!(text, "{}", record(n));
    }
    text
}

/// The values of the same measurements, each as a sample of its own.
fn values(first: usize, count: usize) -> String {
    let mut text = String::new();
    for n in first..first + count {
        let labels = format!(
            r#"{{operation="op{}",algorithm="iforest"}}"#,
            n % OPERATIONS
        );
        let _ = write!(
            text,
            "duration_seconds{labels} {}\ncpu_cores{labels} 0.8\nmemory_bytes{labels} 104857600\nmemory_peak_bytes{labels} 209715200\nsamples{labels} 1000\n",
            duration(n),
        );
    }
    text
}

/// One measurement as a group of metrics.
fn group(n: usize) -> String {
    format!(
        "duration_seconds {}\ncpu_cores 0.8\nmemory_bytes 104857600\nmemory_peak_bytes 209715200\nsamples 1000\n",
        duration(n)
    )
}

/// What happened to the requests of a connection.
#[derive(Default)]
struct Tally {
    /// Answered with 2xx, and how long each took.
    seconds: Vec<f64>,
    /// Told to come back: 429 or 503.
    told_to_come_back: u64,
    /// Answered otherwise.
    failed: u64,
    /// Connections that broke.
    broken: u64,
}

async fn flood(
    address: &str,
    source: impl Fn(usize) -> Source,
    connections: usize,
    length: Duration,
) {
    let begun = Instant::now();
    let end = begun + length;
    let tasks: Vec<_> = (0..connections)
        .map(|number| {
            tokio::spawn(one_connection(
                address.to_owned(),
                source(number),
                number,
                end,
            ))
        })
        .collect();
    let mut all = Tally::default();
    for task in tasks {
        let one = task.await.unwrap();
        all.seconds.extend(one.seconds);
        all.told_to_come_back += one.told_to_come_back;
        all.failed += one.failed;
        all.broken += one.broken;
    }
    let took = begun.elapsed().as_secs_f64();
    all.seconds.sort_by(f64::total_cmp);
    let quantile = |q: f64| {
        let last = all.seconds.len().saturating_sub(1);
        all.seconds
            .get((last as f64 * q).round() as usize)
            .copied()
            .unwrap_or(0.0)
    };
    println!(
        r#"{{"ok":{},"told_to_come_back":{},"failed":{},"broken":{},"seconds":{took},"p50":{},"p99":{},"max":{}}}"#,
        all.seconds.len(),
        all.told_to_come_back,
        all.failed,
        all.broken,
        quantile(0.5),
        quantile(0.99),
        quantile(1.0),
    );
}

async fn one_connection(address: String, mut source: Source, number: usize, end: Instant) -> Tally {
    let mut tally = Tally::default();
    let mut turn = number;
    'connect: while Instant::now() < end {
        let Ok(mut stream) = TcpStream::connect(&address).await else {
            tally.broken += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let mut buffer = Vec::with_capacity(16 << 10);
        while Instant::now() < end {
            let request = source.next(turn);
            turn += 1;
            let begun = Instant::now();
            // A refusal may come before all has been sent, so what cannot be written is no end yet.
            let _ = stream.write_all(&request).await;
            let Ok(answer) = answer(&mut stream, &mut buffer).await else {
                tally.broken += 1;
                // As a client does that has been thrown out.
                tokio::time::sleep(Duration::from_millis(2)).await;
                continue 'connect;
            };
            match answer.status {
                200..=299 => tally.seconds.push(begun.elapsed().as_secs_f64()),
                429 | 503 => {
                    tally.told_to_come_back += 1;
                    // Far sooner than it was told, as impatient clients do.
                    tokio::time::sleep(IMPATIENCE).await;
                }
                _ => tally.failed += 1,
            }
            if answer.closes {
                continue 'connect;
            }
        }
    }
    tally
}

struct Answer {
    status: u16,
    closes: bool,
}

/// Reads an answer to its end.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Answer> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
            let number = |name: &str| -> Option<usize> {
                text.lines()
                    .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
            };
            let length = number("content-length:").unwrap_or(0);
            if buffer.len() >= head + 4 + length {
                return Ok(Answer {
                    status: text
                        .get(9..12)
                        .and_then(|code| code.parse().ok())
                        .unwrap_or(0),
                    closes: text.contains("connection: close"),
                });
            }
        }
    }
}

/// One measurement of each operation every second, in batches of at most a thousand.
async fn feed(address: &str, path: &str, operations: usize, length: Duration) {
    let begun = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let mut second = 0;
    let mut stream = TcpStream::connect(address).await.expect("connect");
    let mut buffer = Vec::new();
    while begun.elapsed() < length {
        ticks.tick().await;
        for first in (0..operations).step_by(BATCH) {
            let mut body = String::new();
            for n in first..operations.min(first + BATCH) {
                let seconds = duration(n + second * 31);
                let _ = writeln!(
                    body,
                    r#"{{"operation":"op{n}","duration_seconds":{seconds}}}"#
                );
            }
            let request = head(address, path, "application/x-ndjson", body.into_bytes());
            stream.write_all(&request).await.expect("send");
            let answer = answer(&mut stream, &mut buffer).await.expect("an answer");
            assert_eq!(answer.status, 200);
        }
        second += 1;
    }
    println!("{{\"rounds\":{second}}}");
}

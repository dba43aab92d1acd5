//! The small servers that peers are measured with; each prints its port and ends with its standard input.
//!
//! `servers echo BYTES`: bare hyper, as many workers as opwatch, that reads each body and answers with BYTES bytes of
//! JSON: what one measurement per request is compared with.
//! `servers exporter OPERATIONS`: a page of growing histograms with 12 buckets in Prometheus' text format, one more
//! measurement in each of them every second: what Prometheus scrapes.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a program that measures: it looks at the clock, and where it cannot go on it says so by failing"
)]

use std::convert::Infallible;
use std::fmt::Write;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Upper bounds of the histograms.
const BOUNDS: [f64; 12] = [
    0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 2.5,
];

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [what, count] = words.as_slice() else {
        println!("usage: servers echo|exporter COUNT; see benches/peers/run");
        return;
    };
    let count: usize = count.parse().expect("COUNT is a whole number");
    // Whoever started this may be killed: then the input ends.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    match *what {
        "echo" => runtime.block_on(echo(count)),
        "exporter" => runtime.block_on(exporter(count)),
        other => panic!("{other:?} is none of the servers"),
    }
}

async fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
    println!("{}", listener.local_addr().unwrap().port());
    listener
}

async fn echo(bytes: usize) {
    let listener = listen().await;
    let answer = Bytes::from(vec![b'1'; bytes]);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer.clone();
                async move {
                    let _ = request.into_body().collect().await;
                    let mut response = Response::new(Full::new(answer));
                    let json = HeaderValue::from_static("application/json");
                    response.headers_mut().insert(CONTENT_TYPE, json);
                    Ok::<_, Infallible>(response)
                }
            });
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// What has been counted in each histogram, and until which second.
struct Histograms {
    seconds: u64,
    counts: Vec<[u64; BOUNDS.len()]>,
    sums: Vec<f64>,
}

impl Histograms {
    fn new(operations: usize) -> Self {
        Self {
            seconds: 0,
            counts: vec![[0; BOUNDS.len()]; operations],
            sums: vec![0.0; operations],
        }
    }

    /// One measurement for each operation and second.
    fn advance(&mut self, seconds: u64) {
        while self.seconds < seconds {
            self.seconds += 1;
            for (n, (counts, sum)) in self.counts.iter_mut().zip(&mut self.sums).enumerate() {
                let spread = (n + self.seconds as usize * 31).wrapping_mul(7_919) % 990;
                let value = 0.01 + spread as f64 / 1_000.0;
                *sum += value;
                for (count, bound) in counts.iter_mut().zip(BOUNDS) {
                    *count += u64::from(value <= bound);
                }
            }
        }
    }

    fn page(&self) -> String {
        let mut page = String::from("# TYPE operation_duration_seconds histogram\n");
        for (n, (counts, sum)) in self.counts.iter().zip(&self.sums).enumerate() {
            for (count, bound) in counts.iter().zip(BOUNDS) {
                let _ = writeln!(
                    page,
                    r#"operation_duration_seconds_bucket{{operation="op{n}",le="{bound}"}} {count}"#
                );
            }
            let all = self.seconds;
            let _ = writeln!(
                page,
                r#"operation_duration_seconds_bucket{{operation="op{n}",le="+Inf"}} {all}"#
            );
            let _ = writeln!(
                page,
                r#"operation_duration_seconds_sum{{operation="op{n}"}} {sum}"#
            );
            let _ = writeln!(
                page,
                r#"operation_duration_seconds_count{{operation="op{n}"}} {all}"#
            );
        }
        page
    }
}

async fn exporter(operations: usize) {
    let listener = listen().await;
    let begun = Instant::now();
    let histograms = Arc::new(Mutex::new(Histograms::new(operations)));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let histograms = histograms.clone();
        tokio::spawn(async move {
            let service = service_fn(move |_: Request<Incoming>| {
                let page = {
                    let mut histograms = histograms.lock().unwrap();
                    histograms.advance(begun.elapsed().as_secs() + 1);
                    histograms.page()
                };
                async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(page)))) }
            });
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

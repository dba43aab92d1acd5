//! The synthetic service of the demo: it reports like a real one, over HTTP.

use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::super::say;
use crate::http::address::ListenAddress;

/// Between two reports; each holds a few operations.
const REPORT_EVERY: Duration = Duration::from_millis(200);
/// Length of a phase in reports.
const PHASE: u32 = 125;

/// How the service is doing.
#[derive(Clone, Copy, Debug)]
struct Phase {
    says: &'static str,
    /// Typical duration of a detection in seconds.
    detect_seconds: f64,
    f1: f64,
    /// Cores that a detection keeps busy.
    cores: f64,
    /// Share of trainings that fail.
    failures: f64,
}

const PHASES: [Phase; 3] = [
    Phase {
        says: "the service is healthy: detections take about 80 ms at an f1 of 0.90",
        detect_seconds: 0.08,
        f1: 0.90,
        cores: 0.5,
        failures: 0.02,
    },
    Phase {
        says: "the service degrades: detections take about 400 ms at an f1 of 0.60, every third training fails",
        detect_seconds: 0.4,
        f1: 0.60,
        cores: 0.95,
        failures: 0.35,
    },
    Phase {
        says: "the service has recovered",
        detect_seconds: 0.08,
        f1: 0.90,
        cores: 0.5,
        failures: 0.02,
    },
];

/// Reports until `quit`, or until so many rounds are over and then quits.
pub(super) async fn run(ingest: ListenAddress, rounds: Option<u32>, quit: CancellationToken) {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut round = 0;
    while rounds.is_none_or(|rounds| round < rounds) {
        for phase in PHASES {
            say(&format!("== {}", phase.says));
            for _ in 0..PHASE {
                tokio::select! {
                    () = quit.cancelled() => return,
                    () = tokio::time::sleep(REPORT_EVERY) => {}
                }
                if let Err(error) = report(&ingest, &records(phase, &mut chance)).await {
                    tracing::warn!("the service could not report: {error}");
                }
            }
        }
        round += 1;
    }
    quit.cancel();
}

fn records(phase: Phase, chance: &mut Chance) -> String {
    let mut records: Vec<_> = (0..4)
        .map(|_| {
            let seconds = phase.detect_seconds * (0.3 * chance.normal()).exp();
            json!({
                "operation": "detect", "algorithm": "iforest", "duration_seconds": seconds,
                "cpu_cores": phase.cores, "memory_bytes": 180e6, "memory_peak_bytes": 200e6,
                "samples": 1000, "dataset_size": 1000,
                "quality": {"f1": (phase.f1 + 0.02 * chance.normal()).clamp(0.0, 1.0)},
                "quality_samples": 1000,
            })
        })
        .collect();
    let failed = chance.uniform() < phase.failures;
    records.push(json!({
        "operation": "train", "algorithm": "iforest",
        "duration_seconds": 1.5 * (0.2 * chance.normal()).exp(),
        "memory_peak_bytes": 400e6, "samples": 10_000,
        "outcome": if failed { "failure" } else { "success" },
        "error_class": if failed { Some("OutOfMemory") } else { None },
    }));
    serde_json::Value::from(records).to_string()
}

/// One request on a connection of its own, as a simple client makes it.
async fn report(
    ingest: &ListenAddress,
    body: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(ingest.to_string()).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::post("/v1/operations")
        .header(HOST, ingest.to_string())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_owned())))?;
    let response = sender.send_request(request).await?;
    connection.abort();
    if response.status().is_success() {
        Ok(())
    } else {
        Err(format!("answered {}", response.status()).into())
    }
}

/// Pseudo-random numbers, the same in every run: xorshift64* (S. Vigna, 2016).
struct Chance(u64);

impl Chance {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        f64::from(u32::try_from(bits).unwrap_or_default()) / f64::from(u32::MAX)
    }

    /// Standard normal, by the sum of twelve uniforms.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

//! Clients that send more than can be taken, and stay connected while they do not.

use std::io::Write;
use std::net::TcpStream;
use std::thread;

use crate::sidecar::{Sidecar, request, wait_for};

const LINES: (&str, &str) = ("Content-Type", "application/x-ndjson");

#[test]
fn many_label_values_leave_what_was_there_exact_and_lose_nothing_from_the_totals() {
    let sidecar = Sidecar::start("store: {max_series: 50}\n", &[]);
    let known = r#"{"operation":"known","duration_seconds":0.5}"#;
    const BATCHES: usize = 10;
    const EACH: usize = 1_000;
    for batch in 0..BATCHES {
        let mut lines = format!("{known}\n");
        for n in 0..EACH {
            let user = batch * EACH + n;
            lines += &format!(
                "{{\"operation\":\"hostile\",\"labels\":{{\"user\":\"u{user}\"}},\"duration_seconds\":1}}\n"
            );
        }
        let reply = request(
            &sidecar.ingest,
            "POST",
            "/v1/operations",
            &[LINES],
            lines.as_bytes(),
        );
        assert_eq!(reply.json()["accepted"], EACH + 1);
    }
    let page = sidecar.metrics();
    let counts = |operation: &str| -> f64 {
        let start = format!("opwatch_operations_total{{operation=\"{operation}\"");
        let lines = page.lines().filter(|line| line.starts_with(&start));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    };
    assert_eq!(counts("known"), BATCHES as f64);
    assert_eq!(counts("hostile"), (BATCHES * EACH) as f64);
    let value = |name: &str| sidecar.metric(name).unwrap();
    assert!(value("opwatch_series") <= 55.0);
    assert!(value("opwatch_series_overflow_total") > (BATCHES * EACH - 50) as f64);
}

#[test]
fn bodies_on_their_way_are_bounded_together_and_small_ones_still_pass() {
    let sidecar = Sidecar::start(
        "store: {max_memory: 8MiB}\nlimits: {in_flight: 4MiB}\n",
        &[],
    );
    // Each claims as much as may be held for a claim, and sends nothing of it.
    let stalled: Vec<TcpStream> = (0..6)
        .map(|_| {
            let mut stream = TcpStream::connect(&sidecar.ingest).unwrap();
            let head = "POST /v1/operations HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: 300000\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let refused = r#"opwatch_ingest_refused_total{reason="in_flight_full"}"#;
    wait_for("refusals", || sidecar.metric(refused).filter(|n| *n > 0.0));
    let line = "{\"operation\":\"a\",\"duration_seconds\":1}\n";
    let large = line.repeat(2_500);
    let send = |body: &str| {
        request(
            &sidecar.ingest,
            "POST",
            "/v1/operations",
            &[LINES],
            body.as_bytes(),
        )
    };
    let reply = send(&large);
    assert_eq!(reply.status, 429, "{reply:?}");
    assert_eq!(reply.header("Retry-After").as_deref(), Some("1"));
    assert_eq!(send(line).status, 200);
    drop(stalled);
    wait_for("room", || (send(&large).status == 200).then_some(()));
    let never = send(&line.repeat(20_000));
    assert_eq!(never.status, 413, "{never:?}");
    assert_eq!(sidecar.metric("opwatch_ingest_in_flight_bytes"), Some(0.0));
    assert_eq!(
        sidecar.data("/api/v1/status/runtime")["inFlightCapacityBytes"],
        4 << 20
    );
}

#[test]
fn half_open_connections_give_way_to_a_scrape() {
    let sidecar = Sidecar::start("limits: {connections: 20}\n", &[]);
    for address in [&sidecar.ingest, &sidecar.public] {
        let half_open: Vec<TcpStream> = (0..60)
            .map(|_| {
                let mut stream = TcpStream::connect(address).unwrap();
                // It may have given way already.
                let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nUser-Agent: ");
                stream
            })
            .collect();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(sidecar.get("/metrics").status, 200));
            }
        });
        drop(half_open);
    }
}

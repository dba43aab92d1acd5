//! Clients that send more than can be taken, stay connected while they do not, or read slowly.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::exposition::{OPEN_METRICS, PROTOBUF, protobuf, samples};
use crate::sidecar::{PATIENCE, Sidecar, request, wait_for};

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

/// R15: connections that ask for nothing do not keep others out.
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

/// Resident memory of a process in KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().strip_suffix(" kB").unwrap();
    number.parse().unwrap()
}

/// Asks for a page and takes a KiB of it at a time.
struct SlowReader {
    stream: TcpStream,
    taken: Vec<u8>,
}

impl SlowReader {
    fn new(address: &str, format: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!("GET /metrics HTTP/1.0\r\nHost: x\r\nAccept: {format}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let taken = Vec::new();
        Self { stream, taken }
    }

    fn take_a_little(&mut self) {
        let before = self.taken.len();
        self.taken.resize(before + 1024, 0);
        self.stream.read_exact(&mut self.taken[before..]).unwrap();
    }

    /// The body, once all of it has come.
    fn take_the_rest(mut self) -> Vec<u8> {
        self.stream.read_to_end(&mut self.taken).unwrap();
        let end = self.taken.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        self.taken.split_off(end.unwrap() + 4)
    }
}

/// R15: nor does a reader that takes its time cost memory.
#[test]
fn a_slow_reader_of_a_large_page_costs_little_memory() {
    const SERIES: usize = 2_000;
    /// Every page has the labels of all series in memory while it is written: here 2 MiB.
    const GROWTH_KIB: u64 = 5 << 10;
    let sidecar = Sidecar::start("", &[]);
    // Long labels make a page that does not fit into what the system keeps for a connection.
    let long = "x".repeat(190);
    let records = (0..SERIES).map(|n| {
        let text = format!("{long}-{n}");
        json!({
            "operation": text, "algorithm": text, "version": text,
            "labels": {"a": text, "b": text}, "duration_seconds": 0.25,
        })
    });
    sidecar.measure(&Value::from(records.collect::<Vec<_>>()).to_string());
    for format in ["text/plain", OPEN_METRICS, PROTOBUF] {
        let before = resident_kib(sidecar.pid());
        let mut most = before;
        let mut reader = SlowReader::new(&sidecar.public, format);
        for _ in 0..20 {
            reader.take_a_little();
            thread::sleep(Duration::from_millis(50));
            most = most.max(resident_kib(sidecar.pid()));
        }
        let body = reader.take_the_rest();
        let length_kib = body.len() as u64 >> 10;
        let growth_kib = most - before;
        println!("{format}: {length_kib} KiB long, {growth_kib} KiB of growth");
        assert!(length_kib > 2 * GROWTH_KIB, "{format}: {length_kib} KiB");
        assert!(growth_kib < GROWTH_KIB, "{format}: {growth_kib} KiB");
        let found = match format {
            PROTOBUF => protobuf::read(&body).samples,
            _ => samples(&String::from_utf8(body).unwrap()),
        };
        let counts = found.keys().filter(|(name, labels)| {
            name == "opwatch_operation_duration_seconds_count" && labels["a"] == labels["operation"]
        });
        assert_eq!(counts.count(), SERIES, "{format}");
    }
}

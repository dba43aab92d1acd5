//! A client with made-up measurements: what it has sent is known from its number and how often it was answered.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::sidecar::{Folder, Sidecar, run, try_request};

/// Measurements of a batch.
pub const BATCH: u64 = 5;
/// Operations of a client, which are its own: so the order of what comes to one is known as well.
pub const OPERATIONS: u64 = 3;
/// Seconds between the measurements and the beginning of the test, so far from each other that the windows of a test end
/// between them.
const AGES: [f64; 3] = [0.0, 400.0, 800.0];

/// A client that sends batches one after the other, each until it is acknowledged, and never one twice as new: every record
/// has an id, and clients of even numbers say which batch it is as well.
#[derive(Clone, Debug)]
pub struct Client {
    pub number: u64,
    /// Batches that have been acknowledged.
    pub acknowledged: u64,
    /// Unix time of the beginning.
    begin: f64,
}

impl Client {
    pub fn new(number: u64) -> Self {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        Self {
            number,
            acknowledged: 0,
            begin: Duration::from_secs(now.as_secs()).as_secs_f64(),
        }
    }

    /// Sends until told to stop, or until the server is gone.
    pub fn send(&mut self, address: &str, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) && self.send_next(address) {}
    }

    /// Sends a batch, the one before again if it was not acknowledged; whether it is now.
    pub fn send_next(&mut self, address: &str) -> bool {
        let batch = format!("kill-{}/{}", self.number, self.acknowledged);
        let mut headers = vec![("Content-Type", "application/json")];
        if self.number.is_multiple_of(2) {
            headers.push(("Opwatch-Batch", batch.as_str()));
        }
        let body = Value::from(self.batch(self.acknowledged)).to_string();
        // The connection is refused or reset when the server is killed: then nothing was acknowledged.
        let path = "/v1/operations";
        let Some(reply) = try_request(address, "POST", path, &headers, body.as_bytes()) else {
            return false;
        };
        if reply.status == 200 {
            assert_eq!(reply.json()["accepted"], BATCH, "{reply:?}");
            self.acknowledged += 1;
        }
        reply.status == 200
    }

    /// The measurements of one of its batches. Sums of them are exact in floats, whatever their order.
    fn batch(&self, sequence: u64) -> Vec<Value> {
        let record = |n| self.record(sequence * BATCH + n);
        (0..BATCH).map(record).collect()
    }

    fn record(&self, place: u64) -> Value {
        let age = AGES[usize::try_from(place / 4 % 3).unwrap()];
        let mut record = json!({
            "id": format!("{}-{place}", self.number),
            "operation": format!("op{}-{}", self.number, place % OPERATIONS),
            "timestamp": self.begin - age - (place * 37 % 2_000) as f64 / 1_000.0,
            "duration_seconds": seconds(place),
            "setup_seconds": 0.125 * (place % 5) as f64,
            "cpu_cores": 0.5 + 0.25 * (place % 4) as f64,
            "memory_bytes": 1_048_576 * (1 + place % 9),
            "memory_peak_bytes": 2_097_152 * (1 + place % 9),
            "samples": 100 + place % 10,
            "quality": {"novelty": 0.125 * (place % 8) as f64},
        });
        if place.is_multiple_of(11) {
            record["outcome"] = "failure".into();
            record["error_class"] =
                ["timeout", "refused"][usize::from(place.is_multiple_of(2))].into();
        }
        if place.is_multiple_of(7) {
            record["trace_id"] = format!("{place:032x}").into();
        }
        record
    }

    /// Sends everything that was acknowledged to another opwatch, in the same order.
    pub fn tell_all(&self, other: &Sidecar) {
        let sequences: Vec<u64> = (0..self.acknowledged).collect();
        for some in sequences.chunks(400) {
            let records: Vec<Value> = some.iter().flat_map(|s| self.batch(*s)).collect();
            other.measure(&Value::from(records).to_string());
        }
    }

    /// The ids of everything that was acknowledged.
    pub fn ids(&self) -> impl Iterator<Item = String> {
        let number = self.number;
        (0..self.acknowledged * BATCH).map(move |place| format!("{number}-{place}"))
    }
}

fn seconds(place: u64) -> f64 {
    0.25 * (1 + place % 8) as f64
}

/// What was counted of all operations: how many, and their seconds.
pub fn counted(sidecar: &Sidecar) -> (f64, f64) {
    let page = sidecar.metrics();
    let sum = |name: &str| -> f64 {
        let lines = page.lines().filter(|line| line.starts_with(name));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    };
    (
        sum("opwatch_operations_total{"),
        sum("opwatch_operation_duration_seconds_sum{"),
    )
}

/// What these clients sent: how many measurements, and their seconds.
pub fn sent(clients: &[Client]) -> (f64, f64) {
    let places = |client: &Client| 0..client.acknowledged * BATCH;
    let count: u64 = clients.iter().map(|client| client.acknowledged).sum();
    let all = clients.iter().flat_map(places);
    ((count * BATCH) as f64, all.map(seconds).sum())
}

/// The ids in the log of a data directory; each may be there once.
pub fn logged(folder: &Folder) -> BTreeSet<String> {
    let (code, text, errors) = run(folder, &["export", "--data-dir", "data"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let mut ids = BTreeSet::new();
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let id = record["id"].as_str().unwrap().to_owned();
        assert!(ids.insert(id), "twice in the log: {line}");
    }
    ids
}

/// Checks that everything that was acknowledged counts, each once, and nothing else. The batch of each client that was
/// under way may count or not: it is sent again, and then counts once.
pub fn check_all_is_there(sidecar: &Sidecar, clients: &mut [Client], what: &str) {
    for client in &mut *clients {
        assert!(client.send_next(&sidecar.ingest), "{what}");
    }
    assert_eq!(counted(sidecar), sent(clients), "{what}: {}", sidecar.log());
    let expected: BTreeSet<String> = clients.iter().flat_map(Client::ids).collect();
    let found = logged(&sidecar.folder);
    assert!(
        found == expected,
        "{what}: missing {:?}, unknown {:?}",
        expected.difference(&found).collect::<Vec<_>>(),
        found.difference(&expected).collect::<Vec<_>>()
    );
}

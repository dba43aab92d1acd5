//! What is acknowledged is kept: opwatch is killed at any moment and goes on where it was.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::sidecar::{Folder, Sidecar, request};

const CONFIG: &str = "data_dir: data\n";
/// How often it is killed; the full run takes 200.
const ROUNDS: u32 = 30;
const CLIENTS: u64 = 4;
/// Measurements of a batch.
const BATCH: u64 = 5;

/// A client that sends batches one after the other, each until it is acknowledged, and never one twice as new.
struct Client {
    number: u64,
    /// Batches that have been acknowledged.
    acknowledged: u64,
}

impl Client {
    /// Sends until told to stop, or until the server is gone.
    fn send(&mut self, address: &str, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            if !self.send_next(address) {
                return;
            }
        }
    }

    fn send_next(&mut self, address: &str) -> bool {
        let (client, sequence) = (self.number, self.acknowledged);
        let records: Vec<String> = (0..BATCH)
            .map(|n| {
                let id = format!("{client}-{sequence}-{n}");
                // Sums of these are exact in floats, whatever their order.
                let seconds = 0.25 * (1 + (sequence + n) % 8) as f64;
                format!(
                    r#"{{"operation":"op{}","duration_seconds":{seconds},"id":"{id}"}}"#,
                    n % 3
                )
            })
            .collect();
        let batch = format!("kill-{client}/{sequence}");
        let headers = [
            ("Content-Type", "application/json"),
            ("Opwatch-Batch", batch.as_str()),
        ];
        let body = format!("[{}]", records.join(","));
        let address = address.to_owned();
        // The connection is refused or reset when the server is killed: then nothing was acknowledged.
        let reply = std::panic::catch_unwind(move || {
            request(
                &address,
                "POST",
                "/v1/operations",
                &headers,
                body.as_bytes(),
            )
            .status
        });
        if reply.is_ok_and(|status| status == 200) {
            self.acknowledged += 1;
            return true;
        }
        false
    }
}

/// How many rounds to run: `OPWATCH_KILL_ROUNDS`, else those of the short run.
fn rounds() -> u32 {
    let asked = std::env::var("OPWATCH_KILL_ROUNDS").ok();
    asked.map_or(ROUNDS, |text| text.parse().unwrap())
}

/// What was counted of all operations: how many, and their seconds.
fn counted(sidecar: &Sidecar) -> (f64, f64) {
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

/// R1: what is acknowledged is there after a kill at any moment, and nothing counts twice.
#[test]
fn nothing_acknowledged_is_lost_or_counted_twice_however_often_it_is_killed() {
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|number| Client {
            number,
            acknowledged: 0,
        })
        .collect();
    let mut folder = Folder::new();
    // From one run to the next the same moments, but no two alike.
    let mut moment = 7_u64;
    for round in 0..rounds() {
        let mut sidecar = Sidecar::start_in(folder, CONFIG);
        let stop = AtomicBool::new(false);
        moment = (moment * 7_919) % 211;
        folder = thread::scope(|scope| {
            for client in &mut clients {
                let (address, stop) = (sidecar.ingest.clone(), &stop);
                scope.spawn(move || client.send(&address, stop));
            }
            thread::sleep(Duration::from_millis(20 + moment));
            if round % 7 == 6 {
                sidecar.terminate();
            }
            let folder = sidecar.kill();
            stop.store(true, Ordering::Relaxed);
            folder
        });
    }
    let sidecar = Sidecar::start_in(folder, CONFIG);
    // Whether the batch that was under way at the last kill counts is not known: sent again, it counts once.
    for client in &mut clients {
        assert!(client.send_next(&sidecar.ingest));
    }
    let sent: u64 = clients.iter().map(|client| client.acknowledged).sum();
    let seconds: f64 = (clients.iter())
        .flat_map(|client| (0..client.acknowledged).flat_map(|s| (0..BATCH).map(move |n| s + n)))
        .map(|place| 0.25 * (1 + place % 8) as f64)
        .sum();
    assert!(sent > u64::from(rounds()), "{sent}");
    assert_eq!(counted(&sidecar), ((sent * BATCH) as f64, seconds));
    assert_eq!(sidecar.metric("opwatch_store_degraded"), Some(0.0));
}

//! What is acknowledged is kept: opwatch is killed at any moment and goes on where it was.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::faulty::{Fate, Faulty, Request};
use crate::sidecar::{Folder, Sidecar, request, run};

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
    // The export, here of a running opwatch, has each of them once.
    let (code, text, errors) = run(&sidecar.folder, &["export", "--data-dir", "data"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    let ids: Vec<String> = text
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let distinct: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(
        (ids.len() as u64, distinct.len() as u64),
        (sent * BATCH, sent * BATCH)
    );
    for client in &clients {
        for sequence in 0..client.acknowledged {
            let id = format!("{}-{sequence}-{}", client.number, BATCH - 1);
            assert!(distinct.contains(&id), "{id}");
        }
    }
    let (code, text, errors) = run(&sidecar.folder, &["store", "check", "--data-dir", "data"]);
    assert_eq!(code, Some(0), "{text}{errors}");
}

/// R2: whatever has become of the files, opwatch starts, serves and keeps on.
#[test]
fn damaged_files_never_keep_it_from_starting() {
    let sidecar = Sidecar::start(CONFIG, &[]);
    for n in 0..200 {
        sidecar.measure(&format!(
            r#"{{"operation":"op{}","duration_seconds":1,"labels":{{"n":"{}"}}}}"#,
            n % 7,
            n % 40
        ));
    }
    let folder = sidecar.kill();
    let files = ["opwatch.db", "opwatch.db-wal", "opwatch.db-shm"]
        .map(|name| folder.0.join("data").join(name));
    let whole = files.clone().map(|path| fs::read(path).unwrap());
    let mut folder = Some(folder);
    let mut random = 12_345_usize;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below.max(1)
    };
    for round in 0..damages() {
        for (path, bytes) in files.iter().zip(&whole) {
            fs::write(path, bytes).unwrap();
        }
        let which = next(2);
        let mut bytes = whole[which].clone();
        match round % 6 {
            0 => bytes.truncate(next(bytes.len())),
            1 => bytes.clear(),
            2 => bytes = b"this is no database, but somebody's notes".repeat(30),
            3 => {
                let (page, end) = (4_096, bytes.len());
                let from = (next(end) / page * page).min(end);
                bytes[from..(from + page).min(end)].fill(0);
            }
            _ => {
                for _ in 0..=next(20) {
                    let place = next(bytes.len());
                    bytes[place] ^= 1 << next(8);
                }
            }
        }
        fs::write(&files[which], bytes).unwrap();
        let sidecar = Sidecar::start_in(folder.take().unwrap(), CONFIG);
        sidecar.measure(r#"{"operation":"after","duration_seconds":1}"#);
        let after =
            sidecar.metric(r#"opwatch_operations_total{operation="after",outcome="success"}"#);
        assert_eq!(after, Some(1.0), "round {round}: {}", sidecar.log());
        assert_eq!(
            sidecar.metric("opwatch_http_panics_total").unwrap_or(0.0),
            0.0
        );
        assert!(
            !sidecar.log().contains("panicked"),
            "round {round}: {}",
            sidecar.log()
        );
        let kept = sidecar.kill();
        for entry in fs::read_dir(kept.0.join("data")).unwrap().flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with("set-aside-") {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        folder = Some(kept);
    }
}

/// How many damages to try: `OPWATCH_DAMAGES`, else those of the short run.
fn damages() -> usize {
    let asked = std::env::var("OPWATCH_DAMAGES").ok();
    asked.map_or(60, |text| text.parse().unwrap())
}

/// R18: of two on one data directory the second writes nothing there, and says so.
#[test]
fn a_second_opwatch_leaves_the_data_of_the_first_alone() {
    let first = Sidecar::start(CONFIG, &[]);
    let data = first.folder.0.join("data");
    let second = Sidecar::start(&format!("data_dir: {}\n", data.display()), &[]);
    second.measure(r#"{"operation":"second","duration_seconds":1}"#);
    first.measure(r#"{"operation":"first","duration_seconds":1}"#);
    assert!(
        second.log().contains("another opwatch is using it"),
        "{}",
        second.log()
    );
    assert_eq!(second.metric("opwatch_store_degraded"), Some(1.0));
    assert_eq!(first.metric("opwatch_store_degraded"), Some(0.0));
    second.kill();
    let again = Sidecar::start_in(first.kill(), CONFIG);
    let page = again.metrics();
    assert!(page.contains(r#"operation="first""#) && !page.contains(r#"operation="second""#));
}

const ALERTING: &str = "
data_dir: data
rule_files: [rules.yaml]
self_rules: off
evaluation_interval: 200ms
receivers: [{name: team, webhook_configs: [{url: 'URL', send_resolved: true}]}]
route: {receiver: team, group_wait: 0s, group_interval: 200ms, repeat_interval: 1h}
";
const SLOW: &str = "groups: [{name: g, interval: 200ms, rules: [{alert: Slow, threshold: {metric: duration, stat: last, window: 1h, above: 10s}}]}]";

fn told(request: &Request) -> (Value, String) {
    let body = &request.json;
    let starts = body["alerts"][0]["startsAt"].as_str().unwrap().to_owned();
    (body["status"].clone(), starts)
}

/// R10: over kills an alert is told once, keeps its beginning, and its end is told.
#[test]
fn an_alert_goes_on_over_kills_and_is_told_once() {
    let hook = Faulty::start(vec![Fate::answer("200 OK"); 50]);
    let config = ALERTING.replace("URL", &format!("http://{}/", hook.address()));
    let mut sidecar = Sidecar::start(&config, &[("rules.yaml", SLOW)]);
    sidecar.measure(r#"{"operation":"a","duration_seconds":11}"#);
    let first = told(&hook.wait_requests(1)[0]);
    assert_eq!(first.0, "firing");
    for _ in 0..3 {
        // The word that it was delivered has to be on disk, or it would be told again with the same id.
        thread::sleep(Duration::from_millis(2_500));
        let folder = sidecar.kill();
        sidecar = Sidecar::start_in(folder, &config);
        crate::sidecar::wait_for("the rule to be judged", || {
            let rules = sidecar.data("/api/v1/rules");
            let alert = &rules["groups"][0]["rules"][0]["alerts"][0];
            (alert["state"] == "firing").then_some(())
        });
    }
    thread::sleep(Duration::from_millis(1_500));
    assert_eq!(hook.requests().len(), 1, "{}", sidecar.log());
    sidecar.measure(r#"{"operation":"a","duration_seconds":1}"#);
    let last = told(&hook.wait_requests(2)[1]);
    assert_eq!(last, (Value::from("resolved"), first.1));
}

/// R9, R10: what was not delivered before a kill is delivered after it, with the same id.
#[test]
fn a_notification_that_waits_is_delivered_after_a_kill() {
    let mut fates = vec![Fate::answer("503 Service Unavailable")];
    fates.extend(vec![Fate::answer("200 OK"); 20]);
    let hook = Faulty::start(fates);
    let config = ALERTING.replace("URL", &format!("http://{}/", hook.address()));
    let sidecar = Sidecar::start(&config, &[("rules.yaml", SLOW)]);
    sidecar.measure(r#"{"operation":"a","duration_seconds":11}"#);
    hook.wait_requests(1);
    let sidecar = Sidecar::start_in(sidecar.kill(), &config);
    let requests = hook.wait_requests(2);
    assert_eq!(
        requests[0].header("idempotency-key"),
        requests[1].header("idempotency-key")
    );
    assert!(requests[0].header("idempotency-key").is_some());
    assert_eq!(told(&requests[1]).0, "firing");
    drop(sidecar);
}

//! Who is told what, over kills: the same notifications in the same order as without, each with its own id.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::setting;
use crate::faulty::{Faulty, Request};
use crate::oracle::Chance;
use crate::sidecar::{Folder, PATIENCE, Sidecar, try_request};

const CONFIG: &str = "
data_dir: data
rule_files: [rules.yaml]
self_rules: off
evaluation_interval: 200ms
receivers: [{name: team, webhook_configs: [{url: 'URL', send_resolved: true}]}]
route: {receiver: team, group_by: [alertname], group_wait: 300ms, group_interval: 1s, repeat_interval: 1h}
";
const RULES: &str = "groups: [{name: g, rules: [{alert: Slow, for: 2s, keep_firing_for: 2s, threshold: {metric: duration, stat: last, window: 1h, above: 10s}}]}]";

/// Seconds that the operations `a` and `b` take from one notification to the next, and what that one says.
const PHASES: [([u64; 2], &str); 6] = [
    ([11, 1], "firing: a firing"),
    ([11, 11], "firing: a firing, b firing"),
    ([1, 11], "firing: a resolved, b firing"),
    ([1, 1], "resolved: b resolved"),
    ([11, 11], "firing: a firing, b firing"),
    ([1, 1], "resolved: a resolved, b resolved"),
];

/// A service that reports its operations all the time, also to nobody.
struct Service(Arc<Mutex<(String, [u64; 2])>>);

impl Service {
    fn start() -> Self {
        let state = Arc::new(Mutex::new((String::new(), [1, 1])));
        let shared = Arc::downgrade(&state);
        thread::spawn(move || {
            while let Some(state) = shared.upgrade() {
                let (address, seconds) = state.lock().unwrap().clone();
                drop(state);
                let record =
                    |(name, seconds)| json!({"operation": name, "duration_seconds": seconds});
                let records: Vec<Value> = ["a", "b"].into_iter().zip(seconds).map(record).collect();
                let headers = [("Content-Type", "application/json")];
                let body = Value::from(records).to_string();
                let _ = try_request(
                    &address,
                    "POST",
                    "/v1/operations",
                    &headers,
                    body.as_bytes(),
                );
                thread::sleep(Duration::from_millis(50));
            }
        });
        Self(state)
    }

    fn reports_to(&self, sidecar: &Sidecar) {
        self.0.lock().unwrap().0.clone_from(&sidecar.ingest);
    }
}

/// What a notification says: `firing: a resolved, b firing`.
fn said(request: &Request) -> String {
    let alerts = request.json["alerts"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let each = |alert: &Value| {
        format!(
            "{} {}",
            text(&alert["labels"]["operation"]),
            text(&alert["status"])
        )
    };
    let mut each: Vec<String> = alerts.map(each).collect();
    each.sort();
    format!("{}: {}", text(&request.json["status"]), each.join(", "))
}

/// The notifications without those that came again with the same id, which say the same.
fn distinct(requests: &[Request]) -> Vec<Request> {
    let mut known: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut distinct = Vec::new();
    for request in requests {
        let id = request.header("idempotency-key").unwrap();
        match known.insert(id, &request.json["alerts"]) {
            None => distinct.push(request.clone()),
            Some(before) => assert_eq!(*before, request.json["alerts"], "{id}"),
        }
    }
    distinct
}

/// Leads opwatch through all phases, killing it at random moments or not at all; what was told.
fn told(mut kills: Option<&mut Chance>) -> (Vec<Request>, u32) {
    let hook = Faulty::start(Vec::new());
    let config = CONFIG.replace("URL", &format!("http://{}/", hook.address()));
    let service = Service::start();
    let folder = Folder::new();
    folder.write("rules.yaml", RULES);
    let mut sidecar = Sidecar::start_in(folder, &config);
    let mut killed = 0;
    for (phase, (seconds, _)) in PHASES.iter().enumerate() {
        service.reports_to(&sidecar);
        service.0.lock().unwrap().1 = *seconds;
        let mut waited = Duration::ZERO;
        while distinct(&hook.requests()).len() <= phase {
            assert!(
                waited < PATIENCE,
                "phase {phase}: {:?}",
                hook.requests().iter().map(said).collect::<Vec<_>>()
            );
            let pause = kills
                .as_mut()
                .map_or(50, |chance| 100 + chance.below(1_400) as u64);
            thread::sleep(Duration::from_millis(pause));
            waited += Duration::from_millis(pause);
            if kills.is_some() {
                sidecar = Sidecar::start_in(sidecar.kill(), &config);
                service.reports_to(&sidecar);
                killed += 1;
            }
        }
    }
    // Longer than the interval of the group: were there more to tell, it would have been told.
    thread::sleep(Duration::from_secs(2));
    (distinct(&hook.requests()), killed)
}

/// R9, R10: pending alerts fire, firing ones end, and groups tell of them, as if there had been no kill.
#[test]
fn over_kills_the_same_is_told_in_the_same_order() {
    let said_of = |requests: &[Request]| requests.iter().map(said).collect::<Vec<_>>();
    let expected = PHASES.map(|(_, expected)| expected.to_owned());
    let without = thread::spawn(|| told(None).0);
    let mut chance = Chance(11);
    for _ in 0..setting("OPWATCH_TOLD_ROUNDS", 1) {
        let (with, killed) = told(Some(&mut chance));
        println!("{killed} kills");
        assert_eq!(said_of(&with), expected);
        // An alert has one beginning, whenever it is told of: `a` and `b` begin twice each.
        let alerts = with
            .iter()
            .flat_map(|request| request.json["alerts"].as_array().unwrap());
        let beginnings: HashSet<String> = alerts
            .map(|alert| format!("{} {}", alert["labels"]["operation"], alert["startsAt"]))
            .collect();
        assert_eq!(beginnings.len(), 4, "{beginnings:?}");
    }
    assert_eq!(said_of(&without.join().unwrap()), expected);
}

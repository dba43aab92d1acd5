//! Reloads while notifications wait: one story for each receiver, counted on, and tried to the end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use opwatch::engine::time::Timestamp;
use serde_json::Value;

use crate::faulty::{Fate, Faulty};
use crate::sidecar::{Sidecar, wait_for};

const CONFIG: &str = "
rule_files: [rules.yaml]
self_rules: off
evaluation_interval: 200ms
receivers: [{name: team, webhook_configs: [{url: 'http://HOOK/', send_resolved: true}]}]
route: {receiver: team, group_wait: 0s, group_interval: 200ms, repeat_interval: 1h}
";
const RULES: &str = "groups: [{name: g, interval: 200ms, rules: [{alert: Slow, threshold: {metric: duration, stat: last, window: 1h, above: 10s}}]}]";
const DOWN: &str = "503 Service Unavailable";

fn start(hook: &Faulty, more: &str) -> Sidecar {
    let config = CONFIG.replace("HOOK", &hook.address()) + more;
    Sidecar::start(&config, &[("rules.yaml", RULES)])
}

/// Replaces something in the configuration and has it read again.
fn reload(sidecar: &Sidecar, from: &str, to: &str) {
    let path = sidecar.folder.0.join("opwatch.yaml");
    let config = std::fs::read_to_string(path).unwrap();
    assert!(config.contains(from), "{config}");
    sidecar
        .folder
        .write("opwatch.yaml", &config.replace(from, to));
    let reply = sidecar.post("/-/reload", "");
    assert_eq!(reply.status, 200, "{reply:?}");
}

fn fire(sidecar: &Sidecar) {
    sidecar.measure(r#"{"operation":"a","duration_seconds":11}"#);
}

/// Ends the alert, and waits until the engine has said so to whom it may concern.
fn end(sidecar: &Sidecar) {
    sidecar.measure(r#"{"operation":"a","duration_seconds":1}"#);
    wait_for("the alert to end", || {
        let alerts = sidecar.data("/api/v1/alerts");
        (alerts["alerts"] == Value::from(Vec::<Value>::new())).then_some(())
    });
    // Several intervals of the group.
    thread::sleep(Duration::from_secs(1));
}

/// The status of what the receiver has taken, in order.
fn taken(hook: &Faulty) -> Vec<String> {
    let requests = hook.requests();
    let taken = requests.iter().filter(|request| request.is_taken);
    taken
        .map(|request| request.json["status"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn an_alert_that_ends_after_a_reload_is_told_once_when_its_receiver_comes_up() {
    let hook = Faulty::start(vec![Fate::answer(DOWN); 1_000]);
    let sidecar = start(&hook, "");
    fire(&sidecar);
    hook.wait_requests(2);
    reload(
        &sidecar,
        "send_resolved: true",
        "send_resolved: true, timeout: 9s",
    );
    end(&sidecar);
    hook.recover();
    wait_for("a delivery", || (!taken(&hook).is_empty()).then_some(()));
    // Longer than the next attempts would wait for.
    thread::sleep(Duration::from_secs(5));
    assert_eq!(taken(&hook), ["resolved"], "{}", sidecar.log());
    let last = hook.requests().pop().unwrap();
    let alert = &last.json["alerts"][0];
    assert!(alert["startsAt"].as_str() < alert["endsAt"].as_str());
}

#[test]
fn what_is_under_way_at_a_reload_is_told_before_what_comes_after() {
    for (answer, expected) in [
        (DOWN, &["resolved"][..]),
        ("200 OK", &["firing", "resolved"]),
    ] {
        let barrier = Arc::new(Barrier::new(2));
        let under_way = Fate::AnswerAfter(barrier.clone(), answer.to_owned());
        let hook = Faulty::start(vec![under_way]);
        let sidecar = start(&hook, "");
        fire(&sidecar);
        hook.wait_requests(1);
        reload(
            &sidecar,
            "send_resolved: true",
            "send_resolved: true, timeout: 9s",
        );
        end(&sidecar);
        assert_eq!(hook.requests().len(), 1, "one at a time: {answer}");
        barrier.wait();
        hook.wait_requests(2);
        // Longer than a second attempt would wait for.
        thread::sleep(Duration::from_secs(2));
        assert_eq!(taken(&hook), expected, "{answer}: {}", sidecar.log());
    }
}

#[test]
fn the_end_of_the_program_makes_a_last_attempt_also_directly_after_a_reload() {
    for data_dir in ["", "data_dir: data\n"] {
        let hook = Faulty::start(vec![Fate::answer(DOWN); 1_000]);
        let mut sidecar = start(&hook, data_dir);
        fire(&sidecar);
        hook.wait_requests(3);
        reload(
            &sidecar,
            "send_resolved: true",
            "send_resolved: true, timeout: 9s",
        );
        hook.recover();
        assert_eq!(sidecar.terminate(), Some(0), "{}", sidecar.log());
        assert_eq!(taken(&hook), ["firing"], "{}", sidecar.log());
    }
}

#[test]
fn an_alertmanager_gets_no_old_word_after_a_newer_one() {
    let barrier = Arc::new(Barrier::new(2));
    let under_way = Fate::AnswerAfter(barrier.clone(), DOWN.to_owned());
    let alertmanager = Faulty::start(vec![under_way]);
    let others = format!(
        "alertmanagers: [{{url: 'http://{}/'}}]\n",
        alertmanager.address()
    );
    let sidecar = start(&Faulty::start(Vec::new()), &others);
    fire(&sidecar);
    alertmanager.wait_requests(1);
    reload(
        &sidecar,
        "alertmanagers: [{",
        "alertmanagers: [{timeout: 9s, ",
    );
    end(&sidecar);
    barrier.wait();
    alertmanager.wait_requests(2);
    thread::sleep(Duration::from_secs(2));
    let requests = alertmanager.requests();
    // An alert that fires is valid for minutes.
    let fires = |alert: &Value| {
        let time = |key: &str| Timestamp::parse(alert[key].as_str().unwrap()).unwrap();
        time("endsAt").since(time("startsAt")) > Duration::from_secs(60)
    };
    let taken = requests.iter().filter(|request| request.is_taken);
    let taken = taken.flat_map(|request| request.json.as_array().unwrap());
    let told: Vec<bool> = taken.map(fires).collect();
    assert_eq!(told, [false], "{}", sidecar.log());
}

/// The counters about notifications; sums of seconds are counters as well.
fn counters(sidecar: &Sidecar) -> BTreeMap<String, f64> {
    let page = sidecar.metrics();
    let lines = page
        .lines()
        .filter(|line| line.starts_with("opwatch_notifications_") && !line.contains("_queue_"));
    let parts = lines.map(|line| line.rsplit_once(' ').unwrap());
    parts
        .map(|(series, value)| (series.to_owned(), value.parse().unwrap()))
        .collect()
}

#[test]
fn counters_never_go_back_over_reloads() {
    let hook = Faulty::start(vec![Fate::answer(DOWN); 1_000]);
    let alertmanager = format!(
        "alertmanagers: [{{url: 'http://{}/am/'}}]\n",
        hook.address()
    );
    let sidecar = start(&hook, &alertmanager);
    fire(&sidecar);
    hook.wait_requests(4);
    let is_over = AtomicBool::new(false);
    let last = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut before = counters(&sidecar);
            while !is_over.load(Ordering::Relaxed) {
                let now = counters(&sidecar);
                for (series, value) in &before {
                    let value_now = now.get(series).copied();
                    assert!(value_now >= Some(*value), "{series}: {value} {value_now:?}");
                }
                before = now;
            }
            before
        });
        for (from, to) in [
            // A setting.
            ("send_resolved: true", "send_resolved: true, timeout: 9s"),
            ("/am/'", "/am/', timeout: 9s"),
            // Another kind has the number of the webhook, then there is no such receiver, then all is as before.
            (
                "webhook_configs:",
                "email_configs: [{to: a@example.org, smarthost: 'localhost:1', from: b@example.org}], webhook_configs:",
            ),
            ("team", "others"),
            ("alertmanagers", "alertmanagers: []\n#"),
            ("alertmanagers: []\n#", "alertmanagers"),
            ("others", "team"),
        ] {
            reload(&sidecar, from, to);
            thread::sleep(Duration::from_millis(300));
        }
        is_over.store(true, Ordering::Relaxed);
        watching.join().unwrap()
    });
    let errors = "opwatch_notifications_errors_total{integration=\"webhook\",receiver=\"team\"}";
    assert!(last[errors] >= 1.0, "{last:?}");
}

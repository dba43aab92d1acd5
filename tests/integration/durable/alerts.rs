//! Alerts and notifications over kills: told once, with the beginning they had, and delivered in the end.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::faulty::{Fate, Faulty, Request};
use crate::sidecar::Sidecar;

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

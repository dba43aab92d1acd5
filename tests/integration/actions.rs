//! Requests of actions over a network that fails, a disk that is killed, and settings that are wrong.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::faulty::{Fate, Faulty};
use crate::sidecar::{Folder, Sidecar, run, wait_for};

const RULES: &str = "groups: [{name: g, interval: 200ms, rules: [{alert: Slow, actions: [restart], threshold: {metric: duration, stat: last, window: 1h, above: 10s}}]}]";

fn config(server: &Faulty, hook: &Faulty, more: &str) -> String {
    format!(
        "\
data_dir: data
rule_files: [rules.yaml]
self_rules: off
evaluation_interval: 200ms
actions: [{{name: restart, url: 'http://u:s3cret@{}/restart', headers: {{X-Team: ml}}, {more}}}]
receivers: [{{name: team, webhook_configs: [{{url: 'http://{}/hook'}}]}}]
route: {{receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 200ms}}
",
        server.address(),
        hook.address()
    )
}

fn slow(sidecar: &Sidecar, seconds: u32) {
    sidecar.measure(&json!({"operation": "a", "duration_seconds": seconds}).to_string());
}

fn case(sidecar: &Sidecar) -> Value {
    sidecar.data("/api/v1/actions")["actions"][0]["cases"][0].clone()
}

/// The alert on failures, in the words of the webhook.
fn failures(hook: &Faulty) -> Vec<(String, String)> {
    let bodies = hook.requests().into_iter().map(|request| request.json);
    let failed = bodies.filter(|body| body["groupLabels"]["alertname"] == "ActionFailed");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    failed
        .map(|body| {
            let alert = &body["alerts"][0];
            (
                text(&body["status"]),
                text(&alert["annotations"]["summary"]),
            )
        })
        .collect()
}

/// S6, S7, R9, R10: a request is sent until it is answered, always under one key, over kills too.
#[test]
fn a_request_is_made_until_it_is_answered_and_always_by_the_same_key() {
    let mut fates = vec![Fate::answer("503 Service Unavailable"), Fate::Close];
    fates.push(Fate::answer("429 Too Many\r\nRetry-After: 1"));
    fates.extend(vec![Fate::Silence; 2]);
    let (server, hook) = (Faulty::start(fates), Faulty::start(Vec::new()));
    let config = config(&server, &hook, "result: answer, request_timeout: 1s");
    let sidecar = Sidecar::start(&config, &[("rules.yaml", RULES)]);
    slow(&sidecar, 11);
    server.wait_requests(1);
    let waiting = case(&sidecar);
    assert_eq!(waiting["state"], "requested");
    let key = waiting["run"]["key"].as_str().unwrap().to_owned();
    let sidecar = Sidecar::start_in(sidecar.kill(), &config);
    server.wait_requests(4);
    let sidecar = Sidecar::start_in(sidecar.kill(), &config);
    wait_for("the action to end", || {
        (case(&sidecar)["history"][0]["outcome"] == "succeeded").then_some(())
    });
    let requests = server.requests();
    assert!(requests.len() >= 5, "{}", requests.len());
    for request in &requests {
        assert_eq!(request.head[0], "POST /restart HTTP/1.1");
        assert_eq!(request.header("idempotency-key"), Some(key.as_str()));
        assert_eq!(request.header("x-team"), Some("ml"));
        assert_eq!(request.header("authorization"), Some("Basic dTpzM2NyZXQ="));
        assert_eq!(request.json["key"], key.as_str());
        assert_eq!(request.json["identity"], json!({"operation": "a"}));
        assert_eq!(request.json["alert"]["value"], 11.0);
    }
    // Once it was taken, nothing is sent any more, not after another kill either.
    let before = requests.len();
    let sidecar = Sidecar::start_in(sidecar.kill(), &config);
    wait_for("the rule to be judged", || {
        let rules = sidecar.data("/api/v1/rules");
        (rules["groups"][0]["rules"][0]["alerts"][0]["state"] == "firing").then_some(())
    });
    thread::sleep(Duration::from_millis(1_500));
    assert_eq!(server.requests().len(), before, "{}", sidecar.log());
    assert_eq!(case(&sidecar)["history"].as_array().unwrap().len(), 1);
    assert!(failures(&hook).is_empty());
    assert!(!sidecar.log().contains("s3cret"), "{}", sidecar.log());
}

/// S7: redirects are not followed, and what is refused for good is an alert that ends with its cause.
#[test]
fn what_is_refused_for_good_is_an_alert_until_its_cause_has_ended() {
    let elsewhere = Faulty::start(Vec::new());
    let head = format!("302 Found\r\nLocation: http://{}/", elsewhere.address());
    let (server, hook) = (
        Faulty::start(vec![Fate::answer(head)]),
        Faulty::start(Vec::new()),
    );
    let config = config(&server, &hook, "cooldown: 1h");
    let sidecar = Sidecar::start(&config, &[("rules.yaml", RULES)]);
    slow(&sidecar, 11);
    wait_for("the failure to be told", || {
        let failures = failures(&hook);
        let summary = "action restart for Slow failed: answered 302: no";
        (failures == [("firing".to_owned(), summary.to_owned())]).then_some(())
    });
    let alerts = sidecar.data("/api/v1/alerts");
    let failed = alerts["alerts"].as_array().unwrap().iter();
    let failed: Vec<&Value> = failed
        .filter(|one| one["type"] == "action_failed")
        .collect();
    assert_eq!(failed.len(), 1, "{alerts}");
    assert_eq!(failed[0]["labels"]["action"], "restart");
    let series = r#"opwatch_alerts{action="restart",alert_type="action_failed",alertname="ActionFailed",alertstate="firing",operation="a",rule="Slow",severity="high"}"#;
    assert!(
        sidecar.metrics().contains("alertname=\"ActionFailed\""),
        "{series}"
    );
    // Over a kill nobody is told again.
    let sidecar = Sidecar::start_in(sidecar.kill(), &config);
    wait_for("the alert to be there", || {
        let alerts = sidecar.get("/api/v2/alerts").json();
        (alerts.as_array()?.len() == 2).then_some(())
    });
    assert_eq!(failures(&hook).len(), 1);
    slow(&sidecar, 1);
    wait_for("the end to be told", || {
        let told = failures(&hook);
        (told.len() == 2 && told[1].0 == "resolved").then_some(())
    });
    assert!(elsewhere.requests().is_empty());
    assert_eq!(server.requests().len(), 1);
}

/// Somebody says that a failure is over while its cause fires on: it is told as over, and stays so after a kill.
#[test]
fn a_failure_is_ended_by_hand() {
    let (server, hook) = (
        Faulty::start(vec![Fate::answer("400 Bad Request")]),
        Faulty::start(Vec::new()),
    );
    let config = config(&server, &hook, "cooldown: 1h");
    let sidecar = Sidecar::start(&config, &[("rules.yaml", RULES)]);
    slow(&sidecar, 11);
    wait_for("the failure to be told", || {
        (failures(&hook).len() == 1).then_some(())
    });
    let all = sidecar.data("/api/v1/alerts")["alerts"].clone();
    let failed = all.as_array().unwrap().iter();
    let mut failed = failed.filter(|one| one["type"] == "action_failed");
    let fingerprint = failed.next().unwrap()["fingerprint"].as_str().unwrap();
    let resolve = |sidecar: &Sidecar| {
        let url = format!("http://{}", sidecar.ingest);
        let arguments = ["alerts", "resolve", fingerprint, "--url", &url];
        run(&sidecar.folder, &arguments)
    };
    let (code, said, errors) = resolve(&sidecar);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert_eq!(said, format!("{fingerprint} has ended\n"));
    wait_for("the end to be told", || {
        let told = failures(&hook);
        (told.len() == 2 && told[1].0 == "resolved").then_some(())
    });
    let sidecar = Sidecar::start_in(sidecar.kill(), &config);
    let (code, _, errors) = resolve(&sidecar);
    assert_eq!(code, Some(2));
    assert!(errors.contains("has ended already"), "{errors}");
    assert_eq!(case(&sidecar)["state"], "idle");
    assert_eq!(server.requests().len(), 1);
    assert_eq!(failures(&hook).len(), 2);
}

/// Reports that are none are refused with a reason, and only the ingest listener takes any.
#[test]
fn reports_are_checked_and_taken_at_the_ingest_listener_alone() {
    let (server, hook) = (Faulty::start(Vec::new()), Faulty::start(Vec::new()));
    let config = config(&server, &hook, "timeout: 1h");
    let sidecar = Sidecar::start(&config, &[("rules.yaml", RULES)]);
    slow(&sidecar, 11);
    let request = server.wait_requests(1).remove(0);
    let callback = request.json["callback"].as_str().unwrap();
    let path = callback
        .split_once("/api/")
        .map(|(_, path)| format!("/api/{path}"));
    let path = path.unwrap();
    let good = r#"{"status": "running", "message": "at it"}"#;
    let address = sidecar.public.clone();
    let refused = crate::sidecar::request(&address, "POST", &path, &[], good.as_bytes());
    assert_eq!(refused.status, 403, "{refused:?}");
    for (path, body, status, why) in [
        (path.as_str(), "{", 400, "EOF while parsing"),
        (
            &path,
            r#"{"status": "done"}"#,
            400,
            "unknown variant `done`",
        ),
        (
            &path,
            r#"{"status": "failed", "metric": {}}"#,
            400,
            "unknown field `metric`",
        ),
        (
            "/api/v1/actions/restart-0",
            good,
            404,
            "there is no request",
        ),
        ("/api/v1/actions/restart/run", "", 400, "alert: is missing"),
        (
            "/api/v1/actions/restart/run?alert=Fast",
            "",
            404,
            "no alert",
        ),
        (
            "/api/v1/actions/restrat/run?alert=Slow",
            "",
            404,
            "allowed: restart",
        ),
        (
            "/api/v1/actions/restart/run?alert=Slow",
            "",
            409,
            "one is under way",
        ),
    ] {
        let reply = sidecar.post(path, body);
        assert_eq!(reply.status, status, "{path} {body} {reply:?}");
        assert!(reply.text().contains(why), "{path} {body} {reply:?}");
    }
    assert_eq!(
        sidecar.post(&path, good).json()["data"]["decision"],
        "running"
    );
    let failed = r#"{"status": "failed", "message": "no GPU"}"#;
    assert_eq!(
        sidecar.post(&path, failed).json()["data"]["decision"],
        "failed"
    );
    // The same again is no fault, another word is.
    assert_eq!(sidecar.post(&path, failed).status, 200);
    let late = sidecar.post(&path, r#"{"status": "succeeded"}"#);
    assert_eq!(late.status, 409, "{late:?}");
    wait_for("the failure to be told", || {
        (failures(&hook).len() == 1).then_some(())
    });
    assert!(failures(&hook)[0].1.ends_with("failed: no GPU"));
    // By hand it goes again, as another request.
    let url = format!("http://{}", sidecar.ingest);
    let arguments = ["actions", "run", "restart", "Slow", "--url", &url];
    let (code, said, errors) = run(&sidecar.folder, &arguments);
    assert_eq!(code, Some(0), "{errors}");
    let key = request.json["key"].as_str().unwrap();
    assert_eq!(said, format!("requested as {key}-2\n"));
    let again = server.wait_requests(2).remove(1);
    assert_eq!(again.json["key"], format!("{key}-2"));
    for arguments in [&["actions"][..], &["actions", "list"]] {
        let arguments = [arguments, &["--url", &url]].concat();
        let (code, said, errors) = run(&sidecar.folder, &arguments);
        assert_eq!(code, Some(0), "{errors}");
        let begin = "restart (callback)\n  running   Slow {operation=\"a\"}, failing\n";
        assert!(said.starts_with(begin), "{said}");
    }
}

/// The example of the docs and of `examples/` is good, and passes its test.
#[test]
fn the_example_is_good_and_passes_its_test() {
    let folder = Folder::new();
    let root = env!("CARGO_MANIFEST_DIR");
    let (code, said, errors) = run(
        &folder,
        &[
            "check",
            "--config",
            &format!("{root}/examples/retraining/opwatch.yaml"),
        ],
    );
    assert_eq!(code, Some(0), "{said}{errors}");
    assert!(said.contains("0 faults, 0 warnings"), "{said}");
    let test = format!("{root}/examples/retraining/rules_test.yaml");
    let (code, said, errors) = run(&folder, &["test", &test]);
    assert_eq!(code, Some(0), "{said}{errors}");
}

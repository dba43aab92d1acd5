//! What people do about alerts of a running opwatch, and what it does if they do nothing: over the API, the commands and
//! the links in messages, also when the process is killed in between.

mod escalation;
mod links;

use serde_json::{Value, json};

use crate::peers::Peer;
use crate::sidecar::{Folder, Reply, Sidecar, request, run, wait_for};
use crate::telling::{held_back, ran, rules};

/// One run decides: above 1 s medium, above 5 s critical.
const LEVELS: &str =
    "{metric: duration, stat: last, window: 1 runs, above: {medium: 1s, critical: 5s}}";

/// Everybody is told by the same webhook, each at a path of their own.
fn configuration(webhook: &Peer, timing: &str, more: &str) -> String {
    let url = webhook.url();
    format!(
        "\
data_dir: data
self_rules: off
incidents: off
rule_files: [rules.yaml]
route: {{receiver: team, group_wait: 0s, {timing}}}
receivers:
  - {{name: team, webhook_configs: [{{url: '{url}/team', send_resolved: true}}]}}
  - {{name: lead, webhook_configs: [{{url: '{url}/lead', send_resolved: true}}]}}
  - {{name: boss, webhook_configs: [{{url: '{url}/boss', send_resolved: true}}]}}
{more}
"
    )
}

const EACH: &str = "group_by: [...], group_interval: 1s, repeat_interval: 1h";

fn start(config: &str) -> Sidecar {
    let folder = Folder::new();
    folder.write("rules.yaml", &rules(LEVELS));
    Sidecar::start_in(folder, config)
}

/// What a receiver was told: why, and of each alert its operation and why.
fn told(webhook: &Peer, receiver: &str) -> Vec<String> {
    let path = format!("/{receiver}");
    let received = webhook.received();
    let bodies = received.iter().filter(|one| one["path"] == path);
    let shown = bodies.map(|one| {
        let alerts = one["json"]["alerts"].as_array().unwrap().iter();
        let mut alerts: Vec<String> = alerts
            .map(|alert| {
                let operation = alert["labels"]["operation"].as_str().unwrap();
                format!("{operation} {}", alert["notify_reason"].as_str().unwrap())
            })
            .collect();
        alerts.sort();
        let why = one["json"]["notifyReason"].as_str().unwrap();
        format!("{why}: {}", alerts.join(", "))
    });
    shown.collect()
}

/// Waits until a receiver was told that as well, and gives all that it was told.
fn wait_told(webhook: &Peer, receiver: &str, what: &str) -> Vec<String> {
    wait_for(&format!("{receiver} to hear {what:?}"), || {
        let told = told(webhook, receiver);
        told.iter().any(|one| one == what).then_some(told)
    })
}

fn body(webhook: &Peer, receiver: &str, reason: &str) -> Value {
    let path = format!("/{receiver}");
    let mut received = webhook.received().into_iter().rev();
    let is_it = |one: &Value| one["path"] == path && one["json"]["notifyReason"] == reason;
    received.find(is_it).unwrap()["json"].clone()
}

/// The alerts that fire, as the API has them.
fn firing(sidecar: &Sidecar) -> Vec<Value> {
    let alerts = sidecar.data("/api/v1/alerts")["alerts"].clone();
    let alerts = alerts.as_array().unwrap().clone().into_iter();
    alerts.filter(|one| one["state"] == "firing").collect()
}

/// The fingerprint of the alert of an operation, once others are told of it.
fn fingerprint(sidecar: &Sidecar, operation: &str) -> String {
    wait_for("the alert", || {
        let alerts = sidecar.get("/api/v2/alerts").json();
        let alerts = alerts.as_array().unwrap().clone();
        let one = alerts
            .iter()
            .find(|one| one["labels"]["operation"] == operation)?;
        Some(one["fingerprint"].as_str().unwrap().to_owned())
    })
}

fn ask(address: &str, method: &str, path: &str, body: &str) -> Reply {
    let json = [("Content-Type", "application/json")];
    request(address, method, path, &json, body.as_bytes())
}

fn error(reply: &Reply) -> String {
    reply.json()["error"].as_str().unwrap().to_owned()
}

/// Case 48: an alert can be resolved by its id once; an unknown id says no.
#[test]
fn case_48_an_alert_is_resolved_by_its_id_once_also_over_a_crash_and_an_unknown_id_says_no() {
    let Some(webhook) = Peer::python("webhook_sink.py", &[]) else {
        return;
    };
    let config = configuration(&webhook, EACH, "");
    let sidecar = start(&config);
    ran(&sidecar, "a", 2.0);
    wait_told(&webhook, "team", "fired: a fired");
    let id = fingerprint(&sidecar, "a");
    let path = format!("/api/v1/alerts/{id}/resolve");
    assert_eq!(ask(&sidecar.public, "POST", &path, "").status, 403);
    let reply = ask(&sidecar.ingest, "POST", &path, "");
    assert_eq!(reply.status, 200, "{reply:?}");
    let data = reply.json()["data"].clone();
    assert_eq!(
        (&data["durable"], data["resolved"].as_array().unwrap().len()),
        (&json!(true), 1)
    );
    let again = ask(&sidecar.ingest, "POST", &path, "");
    assert_eq!(again.status, 409);
    assert!(
        error(&again).contains("has ended already, at 2"),
        "{again:?}"
    );
    let unknown = ask(
        &sidecar.ingest,
        "POST",
        "/api/v1/alerts/00000000000000a1/resolve",
        "",
    );
    assert_eq!(unknown.status, 404);
    assert!(error(&unknown).contains("there is no alert with the fingerprint 00000000000000a1"));
    wait_told(&webhook, "team", "resolved_by_hand: a resolved_by_hand");

    // While its condition holds it stays over, also after a crash.
    let sidecar = Sidecar::start_in(sidecar.kill(), &config);
    ran(&sidecar, "a", 2.0);
    ran(&sidecar, "b", 2.0);
    wait_told(&webhook, "team", "fired: b fired");
    let evaluated = |sidecar: &Sidecar| {
        let groups = sidecar.data("/api/v1/rules")["groups"].clone();
        groups[0]["rules"][0]["lastEvaluation"].clone()
    };
    let before = evaluated(&sidecar);
    wait_for("an evaluation", || {
        (evaluated(&sidecar) != before).then_some(())
    });
    let fires = firing(&sidecar);
    assert_eq!(fires.len(), 1, "{fires:?}");
    assert_eq!(ask(&sidecar.ingest, "POST", &path, "").status, 409);
    // Once it has stopped holding it can fire again.
    ran(&sidecar, "a", 0.1);
    let before = evaluated(&sidecar);
    wait_for("an evaluation", || {
        (evaluated(&sidecar) != before).then_some(())
    });
    ran(&sidecar, "a", 2.0);
    let told = wait_for("the alert anew", || {
        let told = told(&webhook, "team");
        let fired = told.iter().filter(|one| *one == "fired: a fired").count();
        (fired == 2).then_some(told)
    });
    assert_eq!(
        told,
        [
            "fired: a fired",
            "resolved_by_hand: a resolved_by_hand",
            "fired: b fired",
            "fired: a fired"
        ]
    );
    let history = sidecar.data("/api/v1/alerts/history");
    let reasons: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["reason"].clone())
        .collect();
    assert_eq!(reasons, ["fired", "fired", "resolved_by_hand", "fired"]);
    assert!(!sidecar.log().contains(" ERROR "), "{}", sidecar.log());
}

/// Case 48: suppression by labels for a while ends after that while.
#[test]
fn case_48_a_silence_by_labels_for_a_while_ends_by_itself() {
    let Some(webhook) = Peer::python("webhook_sink.py", &[]) else {
        return;
    };
    let sidecar = start(&configuration(&webhook, EACH, ""));
    let url = format!("http://{}", sidecar.ingest);
    let add = [
        "silence",
        "add",
        "operation=a",
        "-d",
        "4s",
        "--comment",
        "x",
        "--url",
        &url,
    ];
    let (code, _, error) = run(&sidecar.folder, &add);
    assert_eq!(code, Some(0), "{error}");
    ran(&sidecar, "a", 2.0);
    ran(&sidecar, "b", 2.0);
    wait_told(&webhook, "team", "fired: b fired");
    wait_for("the alert to be held back", || {
        (held_back(&sidecar, "silence") > 0.0).then_some(())
    });
    wait_told(&webhook, "team", "silence_ended: a silence_ended");
}

/// Case 11: the guide's cooldown is the interval at which a group is looked at: the same breach twice within it is told
/// once; without one it is told twice.
#[test]
fn case_11_a_breach_that_comes_back_within_the_cooldown_is_told_once_and_without_one_twice() {
    for (interval, expected) in [
        ("1h", vec!["fired: a fired"]),
        (
            "1s",
            vec!["fired: a fired", "resolved: a resolved", "fired: a fired"],
        ),
    ] {
        let Some(webhook) = Peer::python("webhook_sink.py", &[]) else {
            return;
        };
        let timing = format!("group_by: [...], group_interval: {interval}, repeat_interval: 1d");
        let sidecar = start(&configuration(&webhook, &timing, ""));
        let fires = |sidecar: &Sidecar, wanted: usize| {
            wait_for("the alert to change", || {
                (firing(sidecar).len() == wanted).then_some(())
            });
        };
        ran(&sidecar, "a", 2.0);
        wait_told(&webhook, "team", "fired: a fired");
        ran(&sidecar, "a", 0.1);
        fires(&sidecar, 0);
        if expected.len() > 1 {
            wait_told(&webhook, "team", "resolved: a resolved");
        }
        ran(&sidecar, "a", 2.0);
        fires(&sidecar, 1);
        // What else is told comes after it, so that it is known that nothing more does.
        wait_for("everything to be told", || {
            (told(&webhook, "team").len() >= expected.len()).then_some(())
        });
        ran(&sidecar, "b", 2.0);
        let all = wait_told(&webhook, "team", "fired: b fired");
        let of_a: Vec<&String> = all.iter().filter(|one| !one.contains('b')).collect();
        assert_eq!(of_a, expected.iter().collect::<Vec<_>>(), "{interval}");
    }
}

#[test]
fn a_rise_of_the_severity_is_told_as_such_and_ends_the_acknowledgement() {
    let Some(webhook) = Peer::python("webhook_sink.py", &[]) else {
        return;
    };
    let timing = "group_by: [operation], group_interval: 1s, repeat_interval: 1h";
    let sidecar = start(&configuration(&webhook, timing, ""));
    ran(&sidecar, "a", 2.0);
    wait_told(&webhook, "team", "fired: a fired");
    let id = fingerprint(&sidecar, "a");
    let path = format!("/api/v1/alerts/{id}/ack");
    assert_eq!(
        ask(
            &sidecar.ingest,
            "POST",
            &path,
            r#"{"by": "ann", "expires_after": "4h"}"#
        )
        .status,
        200
    );
    ran(&sidecar, "a", 6.0);
    wait_told(
        &webhook,
        "team",
        "level_raised: a level_raised, a level_raised",
    );
    assert_eq!(sidecar.metric("opwatch_alerts_acknowledged"), Some(0.0));
    ran(&sidecar, "a", 2.0);
    wait_told(&webhook, "team", "level_fallen: a level_fallen, a resolved");
    let history = sidecar.data("/api/v1/alerts/history");
    let raised = history
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["reason"] == "level_raised");
    assert_eq!(raised.count(), 1);
}

#[test]
fn what_is_wrong_is_refused_with_what_is_allowed() {
    let Some(webhook) = Peer::python("webhook_sink.py", &[]) else {
        return;
    };
    let sidecar = start(&configuration(&webhook, EACH, ""));
    ran(&sidecar, "a", 2.0);
    let id = fingerprint(&sidecar, "a");
    let path = format!("/api/v1/alerts/{id}/ack");
    for (body, status, expected) in [
        ("{}", 400, "missing field `by`"),
        (
            r#"{"by": ""}"#,
            400,
            "by: is empty, allowed: who looks after the alert",
        ),
        (
            r#"{"by": "ann", "untli": "4h"}"#,
            400,
            "unknown field `untli`, expected one of `by`, `comment`, `expires_after`",
        ),
        (
            r#"{"by": "ann", "expires_after": "soon"}"#,
            400,
            "expires_after: ",
        ),
        (
            r#"{"by": "ann", "expires_after": "0s"}"#,
            400,
            "expires_after: 0ns, allowed: 1s to 366d",
        ),
        (
            r#"{"by": "ann", "expires_after": "9000d"}"#,
            400,
            "allowed: 1s to 366d",
        ),
        ("by=ann", 400, "allowed: a JSON object with by"),
    ] {
        let reply = ask(&sidecar.ingest, "POST", &path, body);
        assert_eq!(reply.status, status, "{body} {reply:?}");
        assert!(error(&reply).contains(expected), "{body} {reply:?}");
    }
    let long = json!({"by": "ann", "comment": "x".repeat(5_000)}).to_string();
    assert!(error(&ask(&sidecar.ingest, "POST", &path, &long)).contains("at most 4096"));
    for (method, path, status, expected) in [
        (
            "POST",
            "/api/v1/alerts/x/ack",
            400,
            "\"x\" is no fingerprint, allowed: 16 hexadecimal digits",
        ),
        (
            "POST",
            "/api/v1/alerts/00000000000000a1/ack",
            404,
            "there is no alert",
        ),
        (
            "DELETE",
            "/api/v1/alerts/00000000000000a1/ack",
            404,
            "there is no alert",
        ),
        (
            "DELETE",
            "/api/v1/alerts?alert_type=slow",
            400,
            "alert_type: \"slow\", allowed: threshold_exceeded, ",
        ),
        (
            "DELETE",
            "/api/v1/alerts?type=absence",
            400,
            "\"type\" is no parameter, allowed: alert_type",
        ),
    ] {
        let reply = ask(&sidecar.ingest, method, path, r#"{"by": "ann"}"#);
        assert_eq!(reply.status, status, "{path} {reply:?}");
        assert!(error(&reply).contains(expected), "{path} {reply:?}");
    }
    for (method, path) in [
        ("POST", &*path),
        ("DELETE", &*path),
        ("DELETE", "/api/v1/alerts"),
    ] {
        assert_eq!(
            ask(&sidecar.public, method, path, r#"{"by": "ann"}"#).status,
            403,
            "{method} {path}"
        );
    }
    assert_eq!(sidecar.metric("opwatch_alerts_acknowledged"), Some(0.0));
    assert_eq!(firing(&sidecar).len(), 1);
}

#[test]
fn the_commands_look_after_alerts_and_end_them() {
    let config = "data_dir: none\nself_rules: off\nrule_files: [rules.yaml]\nroute: {receiver: x}\nreceivers: [{name: x}]\n";
    let sidecar = start(config);
    let url = format!("http://{}", sidecar.ingest);
    let opwatch = |arguments: &[&str]| {
        let mut all = vec!["alerts"];
        all.extend(arguments);
        all.extend(["--url", &url]);
        run(&sidecar.folder, &all)
    };
    ran(&sidecar, "a", 2.0);
    ran(&sidecar, "b", 2.0);
    let (a, b) = (fingerprint(&sidecar, "a"), fingerprint(&sidecar, "b"));
    let (code, out, error) = opwatch(&[
        "ack",
        &a,
        &b,
        "--by",
        "ann",
        "--for",
        "4h",
        "--comment",
        "new index",
    ]);
    assert_eq!(code, Some(0), "{error}");
    assert!(
        out.starts_with(&format!("{a} is looked after by ann until 2")),
        "{out}"
    );
    let (_, out, _) = opwatch(&["-o", "csv"]);
    assert!(
        out.lines()
            .next()
            .unwrap()
            .ends_with("acknowledged_by,fingerprint"),
        "{out}"
    );
    assert!(out.contains(",ann until 2") && out.contains(&a), "{out}");
    let (code, out, _) = opwatch(&["unack", &b]);
    assert_eq!(code, Some(0));
    let said = format!("{b} is not looked after by ann any more");
    assert!(out.starts_with(&said), "{out}");
    assert_eq!(opwatch(&["unack", &b]).0, Some(2));
    let (code, out, _) = opwatch(&["resolve", &a]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with(&format!("{a} has ended")), "{out}");
    let (code, _, error) = opwatch(&["resolve", &a]);
    assert_eq!(code, Some(2));
    assert!(error.contains("has ended already"), "{error}");
    assert_eq!(opwatch(&["resolve", "00000000000000a1"]).0, Some(3));
    let (code, _, error) = opwatch(&["resolve", "../x"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("\"../x\" is no fingerprint"), "{error}");
    let (code, _, error) = opwatch(&["clear", "--type", "slow"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("allowed: threshold_exceeded"), "{error}");
    assert_eq!(opwatch(&["clear", "--type", "absence"]).0, Some(3));
    let (code, out, _) = opwatch(&["clear"]);
    assert_eq!(code, Some(0));
    assert!(
        out.contains("operation=\"b\"") && out.contains("has ended"),
        "{out}"
    );
    let (code, out, _) = opwatch(&["history", "-o", "csv"]);
    assert_eq!(code, Some(0));
    for said in [
        "acknowledged,,",
        ",ann: new index",
        "resolved,resolved_by_hand",
        "firing,fired",
    ] {
        assert!(out.contains(said), "{said} {out}");
    }
    assert_eq!(opwatch(&[]).0, Some(3));
}

/// More alerts than a group may have end all of them, and whoever was told of them hears why.
#[test]
fn a_group_with_more_alerts_than_it_may_have_says_so_to_whoever_knows_of_them() {
    let Some(webhook) = Peer::python("webhook_sink.py", &[]) else {
        return;
    };
    let folder = Folder::new();
    let limited = rules(LEVELS).replace("interval: 1s", "interval: 1s\n    limit: 2");
    folder.write("rules.yaml", &limited);
    let sidecar = Sidecar::start_in(folder, &configuration(&webhook, EACH, ""));
    for operation in ["a", "b"] {
        ran(&sidecar, operation, 2.0);
        wait_told(&webhook, "team", &format!("fired: {operation} fired"));
    }
    ran(&sidecar, "c", 2.0);
    for operation in ["a", "b"] {
        let end = format!("limit_exceeded: {operation} limit_exceeded");
        wait_told(&webhook, "team", &end);
    }
    let alert = body(&webhook, "team", "limit_exceeded")["alerts"][0].clone();
    assert_eq!(alert["status"], "resolved");
    assert_eq!(alert["reason"], "limit_exceeded");
    let group = sidecar.data("/api/v1/rules")["groups"][0].clone();
    assert_eq!(
        group["rules"][0]["lastError"],
        "exceeded limit of 2 with 3 alerts"
    );
    // With one less they fire anew, that one too of which nobody was told.
    ran(&sidecar, "a", 0.1);
    wait_told(&webhook, "team", "fired: c fired");
    let all = wait_told(&webhook, "team", "fired: b fired");
    assert_eq!(all.iter().filter(|one| *one == "fired: a fired").count(), 1);
}

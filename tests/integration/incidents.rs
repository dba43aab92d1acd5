//! Incidents of a running opwatch: what has one cause is one message, also over a crash.

use serde_json::{Value, json};

use crate::peers::Peer;
use crate::sidecar::{Folder, Sidecar, wait_for};
use crate::telling::sinks;

const RULES: &str = "\
groups:
  - name: load
    rules:
      - alert: Failing
        threshold: {metric: error_ratio, window: 10 runs, above: {high: 20%}}
        annotations: {summary: '{{ $labels.operation }} fails'}
      - alert: Slow
        threshold: {metric: duration, stat: p95, window: 5 runs, above: {medium: 1s}}
      - alert: Busy
        threshold: {metric: cpu, stat: mean, window: 5 runs, above: {low: 3}}
";
const OPERATIONS: [&str; 3] = ["detect", "score", "train"];

fn config(webhook: &Peer, mailbox: &Peer, incidents: &str) -> String {
    format!(
        "\
rule_files: [rules.yaml]
evaluation_interval: 1s
data_dir: data
self_rules: off
{incidents}
smtp: {{smarthost: 'localhost:{smtp}', from: opwatch@example.org, require_tls: false}}
route: {{receiver: team, group_by: [alertname, operation], group_wait: 2s, group_interval: 2s}}
receivers:
  - name: team
    email_configs: [{{to: ml@example.org, send_resolved: true}}]
    webhook_configs: [{{url: '{webhook}/hook'}}]
",
        smtp = mailbox.port,
        webhook = webhook.url(),
    )
}

/// Five good and, where it is bad, five failed runs of each operation at once.
fn load(sidecar: &Sidecar, is_bad: bool) {
    let mut records = Vec::new();
    for (operation, factor) in OPERATIONS.into_iter().zip([1.0, 1.5, 2.0]) {
        let (seconds, cores) = if is_bad {
            (2.0 * factor, 3.9)
        } else {
            (0.1, 1.0)
        };
        for _ in 0..5 {
            let outcome = if is_bad { "failure" } else { "success" };
            records
                .push(json!({"operation": operation, "duration_seconds": 0.1, "outcome": outcome}));
            records.push(
                json!({"operation": operation, "duration_seconds": seconds, "cpu_cores": cores}),
            );
        }
        // So that the last five that tell of cores are among them.
        records.extend((0..5).map(|_| {
            json!({"operation": operation, "duration_seconds": seconds, "cpu_cores": cores, "outcome": if is_bad { "failure" } else { "success" }})
        }));
    }
    sidecar.measure(&Value::Array(records).to_string());
}

fn bodies(webhook: &Peer) -> Vec<Value> {
    let received = webhook.received().into_iter();
    received.map(|request| request["json"].clone()).collect()
}

/// Waits until rules have been evaluated so many times more.
fn wait_evaluations(sidecar: &Sidecar, more: f64) {
    let file = sidecar.folder.0.join("rules.yaml");
    let name = format!(
        "opwatch_rule_evaluations_total{{rule_group=\"{};load\"}}",
        file.display()
    );
    let count = || sidecar.metric(&name);
    let before = count().unwrap_or_default();
    wait_for("evaluations", || {
        count().filter(|now| *now >= before + more)
    });
}

fn names(body: &Value) -> Vec<String> {
    let alerts = body["alerts"].as_array().unwrap().iter();
    let name = |alert: &Value| {
        format!(
            "{} {}",
            alert["labels"]["alertname"], alert["labels"]["operation"]
        )
    };
    alerts.map(|alert| name(alert).replace('"', "")).collect()
}

#[test]
fn one_cause_is_one_message_also_over_a_crash_and_so_is_its_end() {
    let Some((webhook, mailbox)) = sinks() else {
        return;
    };
    let config = config(&webhook, &mailbox, "");
    let folder = Folder::new();
    folder.write("rules.yaml", RULES);
    let sidecar = Sidecar::start_in(folder, &config);
    load(&sidecar, false);
    wait_evaluations(&sidecar, 6.0);
    load(&sidecar, true);

    let told = wait_for("the webhook to hear of it", || {
        bodies(&webhook).into_iter().next()
    });
    let all = names(&told);
    assert_eq!(all.len(), 9, "{all:?}");
    // The severest first, and of those the one that is furthest off its limit.
    assert!(
        all[..3].iter().all(|name| name.starts_with("Failing")),
        "{all:?}"
    );
    assert_eq!(all[3..6], ["Slow train", "Slow score", "Slow detect"]);
    assert!(
        all[6..].iter().all(|name| name.starts_with("Busy")),
        "{all:?}"
    );
    let [incident] = told["incidents"].as_array().unwrap().as_slice() else {
        panic!("{told}")
    };
    let id = incident["id"].as_str().unwrap().to_owned();
    for (name, count) in [("alerts", 9), ("firing", 9), ("operations", 3)] {
        assert_eq!(incident[name], count, "{incident}");
    }
    let members = told["alerts"].as_array().unwrap();
    assert!(members.iter().all(|alert| alert["incident"] == *id));
    assert_eq!(told["version"], "4");
    assert_eq!(told["groupLabels"]["alertname"], "Failing");

    let mail = wait_for("mail", || mailbox.received().into_iter().next());
    let subject = mail["headers"]["Subject"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(subject.starts_with("[FIRING:9] Failing"), "{mail}");
    assert!(subject.ends_with("and others"), "{subject}");
    let text = mail["text"].as_str().unwrap();
    let head = text.lines().nth(1).unwrap();
    assert!(
        head.starts_with("1 incident: 9 alerts of 3 operations since "),
        "{text}"
    );
    assert!(head.ends_with(&format!("incident {id}")), "{text}");
    assert!(
        text.lines().nth(3).unwrap().starts_with("FIRING Failing"),
        "{text}"
    );

    let api = sidecar.data("/api/v1/incidents");
    assert_eq!(api["incidents"][0]["id"], *id);
    assert_eq!(api["incidents"][0]["state"], "open");
    assert_eq!(api["incidents"][0]["alerts"][0]["role"], "lead");
    assert_eq!(api["incidents"][0]["operations"], json!(OPERATIONS));
    let alerts = sidecar.data("/api/v1/alerts")["alerts"].clone();
    assert!(
        alerts
            .as_array()
            .unwrap()
            .iter()
            .all(|alert| alert["incident"] == *id)
    );
    assert_eq!(sidecar.metric("opwatch_incidents"), Some(1.0));
    assert_eq!(
        sidecar.metric("opwatch_notifications_merged_total"),
        Some(16.0)
    );
    let explained = sidecar.data("/api/v1/explain?rule=Slow");
    assert_eq!(
        explained["rules"][0]["instances"][0]["levels"][0]["incident"],
        *id
    );

    // Killed and started again: the same incident, and nobody is told twice.
    let folder = sidecar.kill();
    let sidecar = Sidecar::start_in(folder, &config);
    wait_evaluations(&sidecar, 12.0);
    let api = sidecar.data("/api/v1/incidents");
    assert_eq!(api["incidents"].as_array().unwrap().len(), 1);
    assert_eq!(api["incidents"][0]["id"], *id);
    assert_eq!(bodies(&webhook).len(), 1);

    load(&sidecar, false);
    let told = wait_for("the end", || bodies(&webhook).into_iter().nth(1));
    assert_eq!(told["status"], "resolved");
    // The values are back to what they were, so that none explains more than another of its severity.
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(names(&told)), sorted(all));
    assert!(names(&told)[0].starts_with("Failing "), "{told}");
    assert_eq!(told["incidents"][0]["id"], *id);
    assert!(told["incidents"][0]["endsAt"].is_string());
    assert_eq!(told["incidents"][0]["firing"], 0);
    wait_evaluations(&sidecar, 9.0);
    assert_eq!((bodies(&webhook).len(), mailbox.received().len()), (2, 2));
    let api = sidecar.data("/api/v1/incidents");
    assert_eq!(api["incidents"][0]["state"], "over");
    let arguments = ["incidents", "--url", &format!("http://{}", sidecar.public)];
    let (code, out, _) = crate::sidecar::run(&sidecar.folder, &arguments);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.starts_with(&format!("{id} over since ")), "{out}");
    assert!(
        out.contains("\n  lead   resolved Failing (high) {operation="),
        "{out}"
    );
}

#[test]
fn without_incidents_each_group_is_told_by_itself() {
    let Some((webhook, mailbox)) = sinks() else {
        return;
    };
    let folder = Folder::new();
    folder.write("rules.yaml", RULES);
    let sidecar = Sidecar::start_in(folder, &config(&webhook, &mailbox, "incidents: off"));
    load(&sidecar, true);
    let told = wait_for("nine messages", || {
        Some(bodies(&webhook)).filter(|all| all.len() >= 9)
    });
    assert_eq!(told.len(), 9);
    assert!(told.iter().all(|body| body.get("incidents").is_none()));
    let api = sidecar.data("/api/v1/incidents");
    assert_eq!(api, json!({"enabled": false, "incidents": []}));
}

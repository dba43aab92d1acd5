//! What nobody looks after is told to others.

use serde_json::{Value, json};

use super::*;
use crate::telling::wait_held_back;

#[test]
fn what_nobody_acknowledges_is_escalated_once_also_over_crashes_and_its_end_is_told() {
    let Some(webhook) = Peer::python("webhook_sink.py", &[]) else {
        return;
    };
    let escalations = "\
escalations:
  - {name: second, matchers: [alertname=Slow], after: 2s, receiver: lead}
  - {name: third, matchers: [severity=medium], after: 4s, unless_acknowledged: false, receiver: boss}
";
    let config = configuration(&webhook, EACH, escalations);
    let sidecar = start(&config);
    ran(&sidecar, "a", 2.0);
    wait_told(&webhook, "team", "fired: a fired");
    let id = fingerprint(&sidecar, "a");
    let path = format!("/api/v1/alerts/{id}/ack");
    let reply = ask(
        &sidecar.ingest,
        "POST",
        &path,
        r#"{"by": "ann", "comment": "on <it>"}"#,
    );
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json()["data"]["durable"], true);
    // On disk before the answer.
    let sidecar = Sidecar::start_in(sidecar.kill(), &config);
    wait_for("the alert", || (!firing(&sidecar).is_empty()).then_some(()));
    assert_eq!(sidecar.metric("opwatch_alerts_acknowledged"), Some(1.0));
    for alert in [
        firing(&sidecar)[0].clone(),
        sidecar.get("/api/v2/alerts").json()[0].clone(),
    ] {
        let one = &alert["acknowledgement"];
        assert_eq!(
            (&one["by"], &one["comment"]),
            (&json!("ann"), &json!("on <it>")),
            "{alert}"
        );
        assert_eq!(one["expiresAt"], Value::Null);
    }
    // Whoever does not care hears of it, and the stage before does not.
    wait_told(&webhook, "boss", "escalated: a escalated");
    assert_eq!(told(&webhook, "lead"), Vec::<String>::new());
    let body_of_boss = body(&webhook, "boss", "escalated");
    assert_eq!(body_of_boss["escalation"]["name"], "third");
    let why = body_of_boss["escalation"]["why"].as_str().unwrap();
    assert!(
        why.starts_with("third, fired ") && why.contains("at most 4s are allowed"),
        "{why}"
    );
    assert!(!why.contains("nobody"), "{why}");
    assert_eq!(body_of_boss["alerts"][0]["acknowledgement"]["by"], "ann");
    assert_eq!(body_of_boss["version"], "4");
    // Nobody looks after it any more.
    let reply = ask(&sidecar.ingest, "DELETE", &path, "");
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(ask(&sidecar.ingest, "DELETE", &path, "").status, 409);
    wait_told(&webhook, "lead", "escalated: a escalated");
    let why = body(&webhook, "lead", "escalated")["escalation"]["why"].clone();
    assert!(
        why.as_str()
            .unwrap()
            .ends_with("and nobody has acknowledged it"),
        "{why}"
    );
    wait_for("both to be counted", || {
        let of =
            |name: &str| sidecar.metric(&format!("opwatch_escalations_total{{name=\"{name}\"}}"));
        (of("second") == Some(1.0) && of("third") == Some(1.0)).then_some(())
    });
    // Told once, also by the next process, and the end to all.
    let sidecar = Sidecar::start_in(sidecar.kill(), &config);
    ran(&sidecar, "b", 2.0);
    wait_told(&webhook, "boss", "escalated: b escalated");
    ran(&sidecar, "a", 0.1);
    ran(&sidecar, "b", 0.1);
    for receiver in ["team", "lead", "boss"] {
        for operation in ["a", "b"] {
            let end = format!("resolved: {operation} resolved");
            let all = wait_told(&webhook, receiver, &end);
            let escalated = format!("escalated: {operation} escalated");
            let times = all.iter().filter(|one| **one == escalated).count();
            assert_eq!(times, usize::from(receiver != "team"), "{receiver} {all:?}");
        }
    }
    let log = sidecar.log();
    assert!(
        log.contains("reason=\"escalated\"") && log.contains("reason=\"resolved\""),
        "{log}"
    );
    assert!(!log.contains(" ERROR "), "{log}");
    let history = sidecar.data("/api/v1/alerts/history");
    let history = history.as_array().unwrap().clone();
    let of = |change: &str| history.iter().filter(|one| one["change"] == change).count();
    assert_eq!(
        (of("acknowledged"), of("unacknowledged"), of("escalated")),
        (1, 1, 4)
    );
    let note = history.iter().find(|one| one["change"] == "acknowledged");
    assert_eq!(note.unwrap()["note"], "ann: on <it>");
}

/// What all its routes are mute for is not escalated meanwhile, and at once when they are not any more; one route that tells
/// of it is enough.
#[test]
fn what_every_route_is_mute_for_is_escalated_once_it_is_not() {
    let Some(webhook) = Peer::python("webhook_sink.py", &[]) else {
        return;
    };
    let more = "\
escalations: [{name: second, after: 1s, receiver: lead}]
time_intervals: [{name: always, time_intervals: [{years: ['2000:9999']}]}]
";
    let routes = "routes: [{matchers: [operation=b], receiver: boss, continue: true}, {receiver: team, mute_time_intervals: [always]}]";
    let config = configuration(&webhook, &format!("{EACH}, {routes}"), more);
    let sidecar = start(&config);
    for operation in ["a", "b"] {
        ran(&sidecar, operation, 2.0);
    }
    wait_told(&webhook, "boss", "fired: b fired");
    wait_told(&webhook, "lead", "escalated: b escalated");
    // For longer than the stage waits.
    wait_held_back(&sidecar, "time_interval", 6.0);
    assert_eq!(told(&webhook, "lead"), ["escalated: b escalated"]);
    assert_eq!(told(&webhook, "team"), Vec::<String>::new());
    let spoken = config.replace(", mute_time_intervals: [always]", "");
    sidecar.folder.write("opwatch.yaml", &spoken);
    let reply = sidecar.post("/-/reload", "");
    assert_eq!(reply.status, 200, "{reply:?}");
    let all = wait_told(&webhook, "lead", "escalated: a escalated");
    assert_eq!(all, ["escalated: b escalated", "escalated: a escalated"]);
}

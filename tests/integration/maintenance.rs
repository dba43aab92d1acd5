//! Maintenance of a running opwatch: as a job starts and ends it, over crashes, and as it recurs over a change of the clocks.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use crate::peers::Peer;
use crate::sidecar::{Folder, Sidecar, request, run, wait_for};
use crate::telling::{rules, sinks, slow, told, wait_held_back};

/// Once is enough for an hour.
const ONCE: &str = "{metric: duration, stat: max, window: 1h, above: 1}";

fn config(webhook: &Peer, mailbox: &Peer) -> String {
    format!(
        "\
data_dir: data
self_rules: off
rule_files: [rules.yaml]
smtp: {{smarthost: 'localhost:{}', from: opwatch@example.org, require_tls: false}}
route: {{receiver: team, group_by: [...], group_wait: 0s, group_interval: 1s}}
receivers:
  - name: team
    email_configs: [{{to: ml@example.org}}]
    webhook_configs: [{{url: '{}/hook'}}]
maintenance:
  - {{name: always, matchers: [operation=c], time_intervals: [{{years: ['2000:9999'], location: Europe/Berlin}}]}}
",
        mailbox.port,
        webhook.url()
    )
}

#[test]
fn a_job_starts_and_ends_its_maintenance_also_over_crashes() {
    let Some((webhook, mailbox)) = sinks() else {
        return;
    };
    let config = config(&webhook, &mailbox);
    let sidecar = Sidecar::start(&config, &[("rules.yaml", &rules(ONCE))]);
    let folder = Folder::new();
    let opwatch = |sidecar: &Sidecar, arguments: &[&str]| {
        let url = format!("http://{}", sidecar.ingest);
        run(&folder, &[arguments, &["--url", &url]].concat())
    };
    let start = [
        "maintenance",
        "start",
        "--for",
        "2h",
        "--name",
        "new index/b",
        "--stop-learning",
        "-a",
        "ann",
        "operation=b",
    ];
    let (code, id, error) = opwatch(&sidecar, &start);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let id = id.trim().to_owned();
    assert_eq!(id.len(), 16, "{id}");
    for operation in ["a", "b", "c"] {
        slow(&sidecar, operation);
    }
    wait_for("the alert that is told", || {
        (told(&webhook) == ["a"]).then_some(())
    });
    wait_held_back(&sidecar, "maintenance", 4.0);
    assert_eq!(told(&webhook), ["a"]);
    assert_eq!(sidecar.metric("opwatch_maintenance_active"), Some(2.0));

    // What keeps them from being told is there to be seen, everywhere.
    for path in ["/api/v1/alerts", "/api/v2/alerts"] {
        let answer = sidecar.get(path).json();
        let alerts = match path {
            "/api/v1/alerts" => &answer["data"]["alerts"],
            _ => &answer,
        };
        let status = |operation: &str| {
            let mut all = alerts.as_array().unwrap().iter();
            let alert = all.find(|one| one["labels"]["operation"] == operation);
            alert.unwrap()["status"].clone()
        };
        assert_eq!(status("a")["state"], "active", "{answer}");
        assert_eq!(status("b")["state"], "suppressed", "{answer}");
        assert_eq!(status("b")["maintainedBy"], json!(["new index/b"]));
        assert_eq!(status("c")["maintainedBy"], json!(["always"]));
    }
    let (_, out, _) = opwatch(&sidecar, &["alerts"]);
    assert!(out.contains("maintenance new index/b"), "{out}");
    let (code, out, _) = opwatch(&sidecar, &["maintenance", "list"]);
    assert_eq!(code, Some(0));
    for expected in [&*id, "new index/b", "always", "recurring", "started", "ann"] {
        assert!(out.contains(expected), "{expected}: {out}");
    }

    // It goes on after a crash, and what has ended stays so.
    let folder_of_data = sidecar.kill();
    let sidecar = Sidecar::start_in(folder_of_data, &config);
    wait_held_back(&sidecar, "maintenance", 4.0);
    assert_eq!(told(&webhook), ["a"]);
    let (code, out, error) = opwatch(&sidecar, &["maintenance", "end", "new index/b"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert_eq!(out.trim(), format!("{id} has ended"));
    wait_for("the alert whose maintenance has ended", || {
        (told(&webhook) == ["a", "b"]).then_some(())
    });
    let mail = wait_for("the mail that says why", || {
        let all = mailbox.received().into_iter();
        let mut all = all.map(|mail| mail.to_string());
        all.find(|mail| mail.contains("Maintenance has ended, the alerts still fire"))
    });
    assert!(mail.contains("operation"), "{mail}");
    let folder_of_data = sidecar.kill();
    let sidecar = Sidecar::start_in(folder_of_data, &config);
    assert_eq!(sidecar.metric("opwatch_maintenance_active"), Some(1.0));
    let (_, out, _) = opwatch(
        &sidecar,
        &["maintenance", "list", "--expired", "-o", "json"],
    );
    let all: Value = serde_json::from_str(&out).unwrap();
    let ended = all["maintenance"].as_array().unwrap().iter();
    let ended = ended.filter(|one| one["state"] == "expired");
    assert_eq!(
        ended.map(|one| &one["id"]).collect::<Vec<_>>(),
        [&json!(id)]
    );
    wait_held_back(&sidecar, "maintenance", 2.0);
    assert_eq!(told(&webhook), ["a", "b"]);
    for (which, expected, says) in [
        (&*id, 2, "has ended already"),
        ("always", 2, "recurs as the configuration says"),
        ("nothing", 3, "there is no maintenance \"nothing\""),
    ] {
        let (code, _, error) = opwatch(&sidecar, &["maintenance", "end", which]);
        assert_eq!(code, Some(expected), "{error}");
        assert!(error.contains(says), "{error}");
    }
    assert!(!sidecar.log().contains(" ERROR "), "{}", sidecar.log());
}

/// What goes on when the database is lost comes back, and what had ended before stays so.
#[test]
fn maintenance_comes_back_from_beside_a_database_that_is_lost() {
    let Some((webhook, mailbox)) = sinks() else {
        return;
    };
    let config = config(&webhook, &mailbox);
    let sidecar = Sidecar::start(&config, &[("rules.yaml", &rules(ONCE))]);
    let opwatch = |sidecar: &Sidecar, arguments: &[&str]| {
        let url = format!("http://{}", sidecar.ingest);
        let folder = Folder::new();
        let (code, out, error) = run(&folder, &[arguments, &["--url", &url]].concat());
        assert_eq!(code, Some(0), "{error}");
        out.trim().to_owned()
    };
    let start = |operation: &str| {
        let matcher = format!("operation={operation}");
        opwatch(&sidecar, &["maintenance", "start", "--for", "2h", &matcher])
    };
    let (over, goes_on) = (start("a"), start("b"));
    opwatch(&sidecar, &["maintenance", "end", &over]);
    let beside = |sidecar: &Sidecar| sidecar.folder.0.join("data/maintenance.json");
    let ends_at = |told: &Value| {
        let mut all = told["maintenance"].as_array().unwrap().iter();
        Some(all.find(|one| one["id"] == over)?["ends_at"].clone())
    };
    let ended = ends_at(&sidecar.data("/api/v1/maintenance"));
    wait_for("the file beside the database", || {
        let text = fs::read_to_string(beside(&sidecar)).ok()?;
        (ends_at(&serde_json::from_str(&text).unwrap()) == ended).then_some(())
    });
    let folder = sidecar.kill();
    for name in ["opwatch.db", "opwatch.db-wal", "opwatch.db-shm"] {
        let _ = fs::remove_file(folder.0.join("data").join(name));
    }
    let sidecar = Sidecar::start_in(folder, &config);
    let restored = "opwatch_store_restored_maintenance_total";
    assert_eq!(sidecar.metric(restored), Some(2.0), "{}", sidecar.log());
    let log = sidecar.log();
    assert!(
        log.contains("took back maintenance that lay beside"),
        "{log}"
    );
    assert_eq!(sidecar.metric("opwatch_maintenance_active"), Some(2.0));
    for operation in ["a", "b"] {
        slow(&sidecar, operation);
    }
    wait_for("the alert that is told", || {
        (told(&webhook) == ["a"]).then_some(())
    });
    wait_held_back(&sidecar, "maintenance", 2.0);
    assert_eq!(told(&webhook), ["a"]);
    // It is ended by the id that it had, and what came back is in the database now: the next start needs no file.
    opwatch(&sidecar, &["maintenance", "end", &goes_on]);
    wait_for("the alert whose maintenance has ended", || {
        (told(&webhook) == ["a", "b"]).then_some(())
    });
    fs::remove_file(beside(&sidecar)).unwrap();
    let sidecar = Sidecar::start_in(sidecar.kill(), &config);
    assert_eq!(sidecar.metric("opwatch_maintenance_active"), Some(1.0));
    assert_eq!(sidecar.metric(restored), Some(0.0));

    // One that is damaged takes no other with it, and the file is set aside.
    let one = |id: &str, matchers: &Value| {
        json!({"id": id, "name": id, "matchers": matchers, "starts_at": "2026-01-01T00:00:00Z",
            "ends_at": "2999-01-01T00:00:00Z", "stop_learning": false, "created_by": "", "comment": ""})
    };
    let folder = sidecar.kill();
    let all = [one("x", &json!(["operation=x"])), one("y", &json!([]))];
    let text = json!({"format": 1, "maintenance": all}).to_string();
    fs::write(folder.0.join("data/maintenance.json"), text).unwrap();
    for name in ["opwatch.db", "opwatch.db-wal", "opwatch.db-shm"] {
        let _ = fs::remove_file(folder.0.join("data").join(name));
    }
    let sidecar = Sidecar::start_in(folder, &config);
    assert_eq!(sidecar.metric(restored), Some(1.0), "{}", sidecar.log());
    let log = sidecar.log();
    assert!(
        log.contains("maintenance[1]: it has no matchers or no id"),
        "{log}"
    );
    let mut names = fs::read_dir(sidecar.folder.0.join("data")).unwrap();
    assert!(names.any(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.starts_with("damaged-maintenance-")
    }));
}

#[test]
fn maintenance_is_changed_on_the_ingest_listener_alone_and_what_is_wrong_is_said() {
    let sidecar = Sidecar::start("data_dir: none\n", &[]);
    let post = |address: &str, body: &str| {
        let json = [("Content-Type", "application/json")];
        request(
            address,
            "POST",
            "/api/v1/maintenance",
            &json,
            body.as_bytes(),
        )
    };
    let good = r#"{"matchers": ["operation=train"], "duration": "2h"}"#;
    assert_eq!(post(&sidecar.public, good).status, 403);
    let reply = post(&sidecar.ingest, good);
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["data"]["durable"], false);
    let all = sidecar.data("/api/v1/maintenance");
    assert_eq!(all["maintenance"][0]["name"], "operation=\"train\"");
    for (body, says) in [
        ("{", "EOF"),
        (
            r#"{"matcher": []}"#,
            "unknown field `matcher`, expected one of `name`, `matchers`",
        ),
        (
            r#"{"matchers": ["a=b"]}"#,
            "duration: is missing, allowed: ",
        ),
        (r#"{"matchers": ["a=b"], "duration": "soon"}"#, "duration: "),
        (
            r#"{"matchers": ["a=b"], "ends_at": "soon"}"#,
            "ends_at: \"soon\" is not a time, allowed: RFC 3339",
        ),
        (
            r#"{"matchers": ["a=b"], "ends_at": "2020-01-01T00:00:00Z"}"#,
            "allowed: a time that has not come yet",
        ),
        (
            r#"{"matchers": ["a=b", "="], "duration": "1h"}"#,
            "matchers[1]: cannot read matcher",
        ),
        (
            r#"{"matchers": [], "duration": "1h"}"#,
            "maintenance without matchers is of every alert",
        ),
    ] {
        let reply = post(&sidecar.ingest, body);
        assert_eq!(reply.status, 400, "{body}: {}", reply.text());
        assert!(
            reply.json()["error"].as_str().unwrap().contains(says),
            "{}",
            reply.text()
        );
    }
    let unknown = request(&sidecar.ingest, "DELETE", "/api/v1/maintenance/x", &[], b"");
    assert_eq!(unknown.status, 404);
    assert_eq!(sidecar.metric("opwatch_maintenance_active"), Some(1.0));
}

/// A job runs from 1 to 4 by the clock of Berlin, in nights before and after the clocks are set forward, and nothing that is
/// measured in it is learned from: an alert at noon tells what was learned until then.
#[test]
fn what_recurs_follows_the_clock_of_its_zone_when_that_is_changed() {
    // 2026-03-26T00:00:00Z; the clocks are set forward on the 29th at 01:00 UTC.
    const BEGIN: u64 = 1_774_483_200;
    let folder = Folder::new();
    folder.write(
        "rules.yaml",
        "\
groups:
  - name: g
    interval: 5m
    rules:
      - alert: Slower
        threshold:
          metric: duration
          stat: mean
          window: 10m
          above: {low: {baseline: mean, times: 1.5}}
          of: {rolling: 1d}
",
    );
    let hours = |day: u64, from: u64, to: u64| {
        let at = |hour| BEGIN + (24 * day + hour) * 3_600;
        at(from)..at(to)
    };
    // In UTC: two nights in winter, the short one, and one in summer, which begins the day before.
    let jobs = [
        hours(1, 0, 3),
        hours(2, 0, 3),
        hours(3, 0, 2),
        hours(3, 23, 26),
    ];
    let mut lines = String::new();
    for minute in 0..5 * 24 * 60 {
        let at = BEGIN + minute * 60;
        let is_noon = (720..730).contains(&(minute % 1_440));
        let seconds = match (jobs.iter().any(|job| job.contains(&at)), is_noon) {
            // Too little to fire: what fires is not learned from anyhow.
            (true, _) => 1.4,
            (_, true) => 3.0,
            _ => 1.0,
        };
        let one = json!({"operation": "train", "duration_seconds": seconds, "timestamp": at});
        writeln!(lines, "{one}").unwrap();
    }
    folder.write("train.ndjson", &lines);
    let limits = |location: &str| {
        let text = format!(
            "\
rule_files: [rules.yaml]
maintenance:
  - name: nightly
    matchers: [alertname=Slower, operation=train]
    stop_learning: true
    time_intervals: [{{times: [{{start_time: '01:00', end_time: '04:00'}}], location: {location}}}]
"
        );
        folder.write("opwatch.yaml", &text);
        let (code, out, error) = run(&folder, &["replay", "train.ndjson", "-o", "json"]);
        assert_eq!(code, Some(1), "{error}");
        let replayed: Value = serde_json::from_str(&out).unwrap();
        let alerts = replayed["alerts"].as_array().unwrap().iter();
        let limits = alerts.map(|one| one["limit"].as_f64().unwrap());
        limits.collect::<Vec<_>>()
    };
    let berlin = limits("Europe/Berlin");
    assert_eq!(berlin.len(), 5, "{berlin:?}");
    assert!(
        berlin.iter().all(|limit| (limit - 1.5).abs() < 1e-3),
        "{berlin:?}"
    );
    // By a clock that is never changed the last job has begun an hour before its maintenance.
    let fixed = limits("Etc/GMT-1");
    assert!(
        (fixed[3] - 1.5).abs() < 1e-3 && fixed[4] > 1.51,
        "{fixed:?}"
    );
}

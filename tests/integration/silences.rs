//! Silences as people set them: with Alertmanager's own tool, with ours, over restarts; and the way to a real Alertmanager.

use std::fs;
use std::process::Command;

use opwatch::config::Config;
use serde_json::{Value, json};

use crate::peers::{Peer, missing};
use crate::sidecar::{Folder, Sidecar, request, run, wait_for};
use crate::telling::{held_back, rules, slow, told, wait_held_back};

/// Once is enough for an hour.
const ONCE: &str = "{metric: duration, stat: max, window: 1h, above: 1}";

fn configuration(webhook: &Peer) -> String {
    format!(
        "\
data_dir: data
rule_files: [rules.yaml]
route: {{receiver: team, group_by: [...], group_wait: 0s, group_interval: 1s}}
receivers: [{{name: team, webhook_configs: [{{url: '{}/hook'}}]}}]
",
        webhook.url()
    )
}

/// Alertmanager's tool against the ingest listener; `None` where it is not installed.
fn amtool(sidecar: &Sidecar, arguments: &[&str]) -> Option<(bool, String, String)> {
    let output = Command::new("amtool")
        .arg(format!("--alertmanager.url=http://{}", sidecar.ingest))
        .args(arguments)
        .output();
    match output {
        Ok(output) => Some((
            output.status.success(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )),
        Err(error) => missing("amtool", &error.to_string()),
    }
}

#[test]
fn the_tool_of_alertmanager_sets_finds_changes_and_ends_silences_that_outlive_a_crash() {
    let Some(webhook) = Peer::python("webhook_sink.py", &[]) else {
        return;
    };
    let config = configuration(&webhook);
    let sidecar = Sidecar::start(&config, &[("rules.yaml", &rules(ONCE))]);
    let add = [
        "silence",
        "add",
        "operation=b",
        "--duration=1h",
        "--comment=known",
        "--author=ann",
    ];
    let Some((good, id, error)) = amtool(&sidecar, &add) else {
        return;
    };
    assert!(good, "{error}");
    let id = id.trim().to_owned();
    let tool = |sidecar: &Sidecar, arguments: &[&str]| {
        let (good, out, error) = amtool(sidecar, arguments).unwrap();
        assert!(good, "{arguments:?}: {out}{error}");
        out
    };
    let read = |text: String| serde_json::from_str::<Vec<Value>>(&text).unwrap();

    slow(&sidecar, "a");
    slow(&sidecar, "b");
    wait_for("the alert that is not silenced", || {
        (told(&webhook) == ["a"]).then_some(())
    });
    wait_for("the other to be held back", || {
        (held_back(&sidecar, "silence") >= 2.0).then_some(())
    });
    assert_eq!(told(&webhook), ["a"]);
    let active = "opwatch_silences{state=\"active\"}";
    assert_eq!(sidecar.metric(active), Some(1.0));

    // What keeps it from being told is there to be seen.
    let all = read(tool(&sidecar, &["alert", "query", "-o", "json"]));
    assert_eq!(all.len(), 1, "{all:?}");
    let silenced = read(tool(
        &sidecar,
        &["alert", "query", "--silenced", "operation=b", "-o", "json"],
    ));
    assert_eq!(silenced[0]["status"]["state"], "suppressed", "{silenced:?}");
    assert_eq!(silenced[0]["status"]["silencedBy"], json!([id]));
    assert_eq!(silenced[0]["receivers"], json!([{"name": "team"}]));
    let ours = sidecar.data("/api/v1/alerts")["alerts"].clone();
    let ours = ours.as_array().unwrap().iter();
    let ours: Vec<_> = ours
        .map(|one| (&one["labels"]["operation"], &one["status"]["state"]))
        .collect();
    assert_eq!(
        ours,
        [
            (&json!("a"), &json!("active")),
            (&json!("b"), &json!("suppressed"))
        ]
    );
    let groups = sidecar.get("/api/v2/alerts/groups").json();
    assert_eq!(groups.as_array().unwrap().len(), 2, "{groups}");

    // The same silence until later, then a copy of all.
    assert_eq!(
        tool(&sidecar, &["silence", "update", "--duration=3h", &id])
            .lines()
            .last()
            .map(|l| l.contains(&id)),
        Some(true)
    );
    let found = tool(&sidecar, &["silence", "query", "-o", "json", "operation=b"]);
    let silences = read(found.clone());
    assert_eq!((silences.len(), &silences[0]["id"]), (1, &json!(id)));
    let copied = sidecar.folder.write("copied.json", &found.replace(&id, ""));
    tool(&sidecar, &["silence", "import", copied.to_str().unwrap()]);
    assert_eq!(
        read(tool(&sidecar, &["silence", "query", "-o", "json"])).len(),
        2
    );
    let status = sidecar.get("/api/v2/status").json();
    let original = status["config"]["original"].as_str().unwrap();
    assert!(original.contains("receiver: team"), "{original}");
    let shown = tool(&sidecar, &["config", "routes", "test", "operation=b"]);
    assert_eq!(shown.trim(), "team");

    // They are there after a crash, also if the database is gone.
    let folder = sidecar.kill();
    let sidecar = Sidecar::start_in(folder, &config);
    assert_eq!(sidecar.metric(active), Some(2.0));
    wait_held_back(&sidecar, "silence", 1.0);
    wait_for("the file beside the database", || {
        sidecar
            .folder
            .0
            .join("data/silences.json")
            .exists()
            .then_some(())
    });
    let folder = sidecar.kill();
    for name in ["opwatch.db", "opwatch.db-wal", "opwatch.db-shm"] {
        let _ = fs::remove_file(folder.0.join("data").join(name));
    }
    let sidecar = Sidecar::start_in(folder, &config);
    assert_eq!(sidecar.metric(active), Some(2.0), "{}", sidecar.log());
    assert_eq!(
        sidecar.metric("opwatch_store_restored_silences_total"),
        Some(2.0)
    );
    slow(&sidecar, "b");
    wait_for("the alert to be held back", || {
        (held_back(&sidecar, "silence") >= 1.0).then_some(())
    });
    assert!(!told(&webhook).contains(&"b".to_owned()));

    // Once they have ended it is told.
    for silence in read(tool(&sidecar, &["silence", "query", "-o", "json"])) {
        tool(
            &sidecar,
            &["silence", "expire", silence["id"].as_str().unwrap()],
        );
    }
    wait_for("the alert whose silences have ended", || {
        told(&webhook).contains(&"b".to_owned()).then_some(())
    });
    assert_eq!(
        sidecar.metric("opwatch_silences{state=\"expired\"}"),
        Some(2.0)
    );
    assert!(!sidecar.log().contains(" ERROR "), "{}", sidecar.log());
}

#[test]
fn silences_are_changed_on_the_ingest_listener_alone_and_what_is_wrong_is_said() {
    let sidecar = Sidecar::start("data_dir: none\n", &[]);
    let post = |address: &str, body: &Value| {
        let json = [("Content-Type", "application/json")];
        request(
            address,
            "POST",
            "/api/v2/silences",
            &json,
            body.to_string().as_bytes(),
        )
    };
    let good = json!({
        "matchers": [{"name": "a", "value": "b", "isRegex": false}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z", "createdBy": "ann", "comment": "",
    });
    assert_eq!(post(&sidecar.public, &good).status, 403);
    let reply = post(&sidecar.ingest, &good);
    assert_eq!(
        (reply.status, &reply.json()["durable"]),
        (200, &json!(false))
    );
    let id = reply.json()["silenceID"].as_str().unwrap().to_owned();
    assert_eq!(
        sidecar.get(&format!("/api/v2/silence/{id}")).json()["status"]["state"],
        "active"
    );
    for (field, value, expected) in [
        ("matchers", json!([]), "without matchers"),
        (
            "matchers",
            json!([{"name": "a", "value": ".*", "isRegex": true}]),
            "everything is silenced",
        ),
        (
            "matchers",
            json!([{"name": "a-b", "value": "x"}]),
            "matchers[0].name",
        ),
        (
            "startsAt",
            json!("soon"),
            "startsAt: \"soon\" is not a time",
        ),
        ("endsAt", json!("2019-01-01T00:00:00Z"), "before end time"),
        ("comment", json!("x".repeat(10_000)), "at most 8192"),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        let reply = post(&sidecar.ingest, &bad);
        assert_eq!(reply.status, 400, "{reply:?}");
        assert!(
            reply.json().as_str().unwrap().contains(expected),
            "{reply:?}"
        );
    }
    assert_eq!(
        sidecar
            .get("/api/v2/silences?filter=a%3Db")
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        sidecar.get("/api/v2/silences?filter=a%3Dc").json(),
        json!([])
    );
    assert_eq!(sidecar.get("/api/v2/silences?filter=a").status, 400);
    assert_eq!(sidecar.get("/api/v2/silence/unknown").status, 404);
}

#[test]
fn the_commands_set_show_and_end_silences_and_show_alerts() {
    let config =
        "data_dir: none\nrule_files: [rules.yaml]\nroute: {receiver: x}\nreceivers: [{name: x}]\n";
    let sidecar = Sidecar::start(config, &[("rules.yaml", &rules(ONCE))]);
    let folder = Folder::new();
    let url = format!("http://{}", sidecar.ingest);
    let opwatch = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["--url", &url]);
        run(&folder, &all)
    };
    assert_eq!(opwatch(&["alerts"]).0, Some(3));
    assert_eq!(opwatch(&["silence", "query"]).0, Some(3));
    slow(&sidecar, "a");
    wait_for("the alert", || {
        (opwatch(&["alerts"]).1.contains("firing")).then_some(())
    });
    let (code, id, error) = opwatch(&[
        "silence",
        "add",
        "alertname=Slow",
        "operation=~a|b",
        "-d",
        "2h",
        "--comment",
        "known",
        "-a",
        "ann",
    ]);
    assert_eq!(code, Some(0), "{error}");
    let id = id.split_whitespace().next().unwrap();
    let (code, out, _) = opwatch(&["silence", "query"]);
    assert_eq!(code, Some(0));
    for expected in [
        id,
        "active",
        r#"alertname="Slow",operation=~"a|b""#,
        "ann",
        "known",
    ] {
        assert!(out.contains(expected), "{out}");
    }
    let (_, out, _) = opwatch(&["alerts", "-o", "csv"]);
    assert!(out.contains(&format!("silence {id}")), "{out}");
    let (code, out, _) = opwatch(&["alerts", "history", "-o", "json"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        serde_json::from_str::<Value>(&out).unwrap()[0]["change"],
        "firing"
    );
    let (code, out, _) = opwatch(&["silence", "expire", id]);
    assert_eq!((code, out.contains("has expired")), (Some(0), true));
    let (code, _, error) = opwatch(&["silence", "expire", id]);
    assert_eq!(code, Some(2));
    assert!(error.contains("has expired already"), "{error}");
    assert_eq!(opwatch(&["silence", "expire", "unknown"]).0, Some(3));
    assert_eq!(opwatch(&["silence", "expire", "../x"]).0, Some(2));
    assert_eq!(opwatch(&["silence", "add", "alertname"]).0, Some(2));
    assert_eq!(opwatch(&["silence", "query"]).0, Some(3));
    assert_eq!(opwatch(&["silence", "query", "--expired"]).0, Some(0));
}

#[test]
fn the_routing_is_exported_as_a_real_alertmanager_reads_it() {
    let folder = Folder::new();
    folder.write("password", "http://127.0.0.1:9009/hidden");
    let routing = "\
route:
  receiver: team
  group_by: [alertname, operation]
  repeat_interval: 1h
  routes:
    - {matchers: ['team=\"x\"', 'severity=~critical|high'], receiver: pager, group_wait: 0s, continue: true}
    - match: {zone: 'say \"x\"'}
      match_re: {host: 'a.*'}
      group_by: [...]
      mute_time_intervals: [nights]
      routes: [{matchers: [a!=b], group_interval: 1m, active_time_intervals: [office, nights]}]
inhibit_rules:
  - {source_matchers: [severity=critical], target_match_re: {severity: 'low|medium'}, equal: [operation]}
mute_time_intervals:
  - {name: nights, time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}]}, {weekdays: [saturday]}]}
time_intervals:
  - name: office
    time_intervals:
      - times: [{start_time: '09:00', end_time: '24:00'}]
        weekdays: ['monday:friday', sunday]
        days_of_month: ['1:28', 30, '-3:-1']
        months: ['january:may', '9']
        years: [2026, '2030:2040']
        location: Europe/Berlin
";
    let hooks = "\
receivers:
  - {name: team, webhook_configs: [{url: 'http://127.0.0.1:9009/hook'}, {url: 'http://127.0.0.1:9009/two', send_resolved: false, max_alerts: 5}]}
  - name: pager
    webhook_configs:
      - url: 'https://127.0.0.1:9009/three'
        http_config: {basic_auth: {username: u, password_file: password}, tls_config: {insecure_skip_verify: true}}
";
    let mail = "      - {url_file: password}
      - {url: 'http://127.0.0.1:9009/four', timeout: 3s, http_config: {authorization: {credentials: s3cret}}}
    email_configs: [{to: 'ml@example.org, On Call <oncall@example.org>', send_resolved: true, hello: me}]
smtp: {smarthost: 'mail:587', from: opwatch@example.org, auth_username: u, auth_password: s3cret}
";
    let load = |name: &str, text: &str| {
        let path = folder.write(name, text);
        let (config, _) =
            Config::load(&path, &|_| None).unwrap_or_else(|faults| panic!("{faults:#?}"));
        config
    };
    let export = |text: &str| {
        folder.write("opwatch.yaml", text);
        let (code, out, error) = run(&folder, &["alertmanager", "export"]);
        assert_eq!(code, Some(0), "{error}");
        out
    };
    let plain = export(&[routing, hooks].concat());
    let whole = export(&[routing, hooks, mail].concat());
    let nothing = export("");
    assert!(!whole.contains("s3cret"), "{whole}");
    for said in [
        "# smtp.auth_password is hidden",
        "# left out, because Alertmanager 0.25 reads no address from a file: receivers[1].webhook_configs[1]",
        "# left out, because Alertmanager 0.25 does not know it: receivers[1].webhook_configs[2].timeout",
    ] {
        assert!(whole.contains(said), "{said}: {whole}");
    }
    // It means the same to ourselves.
    let (before, after) = (
        load("before.yaml", &[routing, hooks].concat()),
        load("after.yaml", &plain),
    );
    assert_eq!(format!("{:?}", before.route), format!("{:?}", after.route));
    assert_eq!(before.inhibit_rules, after.inhibit_rules);
    assert_eq!(before.time_intervals, after.time_intervals);
    assert_eq!(before.notify.receivers, after.notify.receivers);
    for (name, text) in [
        ("plain.yml", plain),
        ("whole.yml", whole),
        ("nothing.yml", nothing),
    ] {
        let path = folder.write(name, &text);
        let output = match Command::new("amtool")
            .arg("check-config")
            .arg(&path)
            .output()
        {
            Ok(output) => output,
            Err(error) => return missing("amtool", &error.to_string()).unwrap_or_default(),
        };
        assert!(output.status.success(), "{name}: {output:?}\n{text}");
    }
}

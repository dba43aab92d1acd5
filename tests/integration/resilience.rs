//! What surrounds opwatch comes late, changes while it works, or never comes: it goes on.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;

use crate::durable::client::{Client, counted, sent};
use crate::peers::{self, Peer};
use crate::sidecar::{Folder, Sidecar, wait_for};

const RULES: &str = "groups: [{name: g, rules: [{alert: Slow, threshold: {metric: duration, stat: last, window: 1h, above: 10s}}]}]";

/// R17: it starts before everything else, and waits for nobody on the network.
#[test]
fn it_is_ready_though_nobody_it_is_to_tell_can_be_reached() {
    let config = "
rule_files: [rules.yaml]
evaluation_interval: 200ms
data_dir: data
alertmanagers: [{url: 'http://127.0.0.1:1'}, {url: 'http://nowhere.invalid:9093'}]
smtp: {smarthost: 'nowhere.invalid:25', from: opwatch@example.org}
receivers: [{name: team, webhook_configs: [{url: 'http://nowhere.invalid/'}], email_configs: [{to: a@example.org}]}]
route: {receiver: team, group_wait: 0s}
";
    let sidecar = Sidecar::start(config, &[("rules.yaml", RULES)]);
    sidecar.measure(r#"{"operation":"a","duration_seconds":11}"#);
    wait_for("the alert to fire", || {
        let alerts = sidecar.data("/api/v1/alerts");
        (alerts["alerts"][0]["state"] == "firing").then_some(())
    });
    assert_eq!(sidecar.get("/-/ready").status, 200);
}

/// R11: an Alertmanager that comes after an alert began to fire hears of it.
#[test]
fn an_alertmanager_that_comes_late_hears_of_what_fires() {
    let port = peers::free_port();
    let config = format!(
        "rule_files: [rules.yaml]\nevaluation_interval: 200ms\nalertmanagers: [{{url: 'http://127.0.0.1:{port}'}}]\n"
    );
    let sidecar = Sidecar::start(&config, &[("rules.yaml", RULES)]);
    sidecar.measure(r#"{"operation":"a","duration_seconds":11}"#);
    wait_for("Alertmanager to be missed", || {
        sidecar.log().contains("lertmanager").then_some(())
    });
    let configuration = "{route: {receiver: x}, receivers: [{name: x}]}\n";
    let Some(alertmanager) = Peer::alertmanager_at(Some(port), configuration) else {
        return;
    };
    let alerts = wait_for("Alertmanager to list the alert", || {
        let (_, body) = peers::get(alertmanager.port, "/api/v2/alerts")?;
        let alerts: Value = serde_json::from_str(&body).ok()?;
        (!alerts.as_array()?.is_empty()).then_some(alerts)
    });
    assert_eq!(alerts[0]["labels"]["alertname"], "Slow");
}

/// Stops the clients also when the work fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Lets clients send until `work` is done; what was acknowledged counts once, and nothing else does.
fn under_load(sidecar: &Sidecar, work: impl FnOnce()) {
    let before = counted(sidecar);
    let mut clients = [0, 1, 2].map(Client::new);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| client.send(&sidecar.ingest, &stop));
        }
        let _stop = Stop(&stop);
        work();
    });
    assert!(clients.iter().all(|client| client.acknowledged > 10));
    let after = counted(sidecar);
    let (measurements, seconds) = sent(&clients);
    assert_eq!(after, (before.0 + measurements, before.1 + seconds));
}

/// R8: reloads under load, of which every other one is wrong somewhere, cost no measurement and no state.
#[test]
fn reloads_under_load_are_all_or_nothing_and_cost_nothing() {
    let config = "rule_files: [rules.yaml]\nevaluation_interval: 200ms\n";
    let sidecar = Sidecar::start(config, &[("rules.yaml", RULES)]);
    sidecar.measure(r#"{"operation":"kept","duration_seconds":11}"#);
    let alert = || {
        let alerts = sidecar.data("/api/v1/alerts");
        let alert = &alerts["alerts"][0];
        (alert["state"] == "firing").then(|| alert["activeAt"].clone())
    };
    let began = wait_for("the alert to fire", alert);
    let wrong = [
        "rule_files: [rules.yaml]\nroute: {receiver: nobody}\n",
        "rule_files: [rules.yaml]\nreceivers: [{name: a, webhook_configs: [{url_file: nothing}]}]\nroute: {receiver: a}\n",
        "evaluation_interval: soon\n",
        "rule_files: [rules.yaml\n",
    ];
    let whole = fs::read_to_string(sidecar.folder.0.join("opwatch.yaml")).unwrap();
    let mut before = None;
    under_load(&sidecar, || {
        for wrong in wrong.iter().cycle().take(12) {
            let listen: String = whole
                .lines()
                .take(2)
                .map(|line| format!("{line}\n"))
                .collect();
            sidecar.folder.write("opwatch.yaml", &(listen + wrong));
            let reply = sidecar.post("/-/reload", "");
            assert_eq!(reply.status, 500, "{wrong}");
            assert!(reply.text().contains(".yaml"), "{}", reply.text());
            sidecar.folder.write("opwatch.yaml", &whole);
            assert_eq!(sidecar.post("/-/reload", "").status, 200);
        }
        before = alert();
    });
    assert_eq!(before, Some(began));
}

/// Descriptors and threads of a process.
fn held(pid: u32) -> (usize, usize) {
    let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).unwrap().count();
    (count("fd"), count("task"))
}

/// R20: after much work of every kind it holds no more descriptors and threads than before.
#[test]
fn work_leaves_no_descriptor_and_no_thread_behind() {
    let config = "data_dir: data\nrule_files: [rules.yaml]\nevaluation_interval: 200ms\n";
    let sidecar = Sidecar::start_in(
        {
            let folder = Folder::new();
            folder.write("rules.yaml", RULES);
            folder
        },
        config,
    );
    let work = || {
        for n in 0..5 {
            assert_eq!(sidecar.get("/metrics").status, 200);
            assert_eq!(sidecar.get("/api/v1/alerts").status, 200);
            assert_eq!(sidecar.get("/api/v1/export").status, 200);
            assert_eq!(sidecar.get("/nowhere").status, 404);
            if n % 2 == 0 {
                assert_eq!(sidecar.post("/-/reload", "").status, 200);
            }
        }
    };
    wait_for("the database to be there", || {
        (sidecar.get("/api/v1/export").status == 200).then_some(())
    });
    let mut clients = [10, 11, 12].map(Client::new);
    let mut round = || {
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for client in &mut clients {
                scope.spawn(|| client.send(&sidecar.ingest, &stop));
            }
            let _stop = Stop(&stop);
            work();
        });
    };
    round();
    let settled = wait_for("it to settle", || {
        let before = held(sidecar.pid());
        // Longer than between two looks at the files, each of which has a thread for a moment.
        thread::sleep(std::time::Duration::from_secs(4));
        (held(sidecar.pid()) == before).then_some(before)
    });
    for _ in 0..2 {
        round();
    }
    wait_for("it to hold no more than before", || {
        let now = held(sidecar.pid());
        (now.0 <= settled.0 && now.1 <= settled.1).then_some(())
    });
    assert_eq!(counted(&sidecar), sent(&clients));
}

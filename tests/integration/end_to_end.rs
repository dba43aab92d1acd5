//! Everything at once and for real: a program gets worse and better again, and Prometheus, Alertmanager, a webhook and a mailbox
//! hear of it through opwatch.
//!
//! Each phase is a run of the program to its end, and the rules look at the last runs, not at a stretch of time: what they see
//! then stays until the next phase, however fast or slow the machine is.

mod cpu_time;
mod program;
mod series;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Value, json};

use self::program::{Program, median, scorings};
use crate::peers::Peer;
use crate::sidecar::{Folder, Sidecar, wait_for};
use opwatch::engine::time::Timestamp;

const DATASETS: [&str; 2] = ["ec2_cpu_utilization_24ae8d", "speed_t4013"];
/// The buckets of the configuration, in seconds.
const BOUNDS: [(&str, &[f64]); 2] = [
    ("detect", &[0.001, 0.002, 0.004, 0.008, 0.016, 0.032]),
    ("train", &[0.01, 0.05, 0.25]),
];
/// How many runs the rules look at, how often, and how long they hold.
const RUNS: usize = 10;
const INTERVAL_MILLIS: i64 = 1_000;
const HOLD_MILLIS: i64 = 2_000;
const INACCURATE: &str = "DetectionInaccurate";
const CRIES_WOLF: &str = "DetectionCriesWolf";
const SLOW: &str = "DetectionSlow";
const F1_LIMIT: f64 = 0.42;
const PRECISION_LIMIT: f64 = 0.33;

/// The name and the data set of an alert.
type Key = (String, String);
type Alerts = BTreeMap<Key, Value>;

#[test]
fn a_program_that_gets_worse_and_recovers_is_told_of_everywhere() {
    let Some(peers) = Peers::start() else { return };
    let sidecar = peers.opwatch();
    let scrape = format!(
        "global: {{scrape_interval: 1s}}\n\
         scrape_configs: [{{job_name: opwatch, static_configs: [{{targets: ['{}']}}]}}]\n",
        sidecar.public
    );
    let Some(prometheus) = Peer::prometheus(&scrape, &[]) else {
        return;
    };
    let run = |name: &str, arguments: &[&str]| {
        let log = sidecar.folder.0.join(name);
        let program = Program::start(&peers.python, &sidecar.ingest, &log, arguments);
        (program, log)
    };

    // Healthy: everyone sees the same numbers, and nobody is told anything.
    let (program, log) = run("healthy", &["--phases", "healthy:20", "--pause", "0.1"]);
    let healthy = program.finish(&log);
    series::check(&sidecar, prometheus.port, &healthy, &BOUNDS);
    assert_eq!(alerts(&sidecar), Alerts::new());

    // Degraded, reported in batches.
    let (program, log) = run("degraded", &["--phases", "degraded:12", "--batch"]);
    let quality = keys(&[INACCURATE, CRIES_WOLF]);
    fires(&sidecar, &quality);
    let degraded = program.finish(&log);
    for dataset in DATASETS {
        let f1 = scorings(&degraded, dataset, "/quality/f1");
        let mean = f1.iter().rev().take(RUNS).sum::<f64>() / RUNS as f64;
        settles(&sidecar, (INACCURATE, dataset), mean);
    }
    let told = peers.have_firing(&sidecar, &quality);

    // A further rule, whose limit lies between what is usual on this machine and what it has come to.
    let slow = rules(Some(&limit(&healthy, &degraded)));
    sidecar.folder.write("rules.yaml", &slow);
    let reply = sidecar.post("/-/reload", "");
    assert_eq!(reply.status, 200, "{reply:?}");
    fires(&sidecar, &keys(&[SLOW]));
    for dataset in DATASETS {
        let durations = scorings(&degraded, dataset, "/duration_seconds");
        let last = &durations[durations.len() - RUNS..];
        settles(&sidecar, (SLOW, dataset), median(last));
    }
    let all = keys(&[INACCURATE, CRIES_WOLF, SLOW]);
    let firing = peers.have_firing(&sidecar, &all);
    for (key, before) in &told {
        assert_eq!(firing[key]["startsAt"], before["startsAt"], "reloading");
    }

    // Healthy again.
    let (program, log) = run("recovered", &["--phases", "healthy:12", "--pause", "0.1"]);
    let recovered = program.finish(&log);
    wait_for("the alerts to end", || {
        alerts(&sidecar).is_empty().then_some(())
    });
    peers.have_resolved(&firing);
    let lives = lives(&sidecar);
    assert_eq!(lives.keys().cloned().collect::<BTreeSet<_>>(), all);
    for (key, life) in lives {
        assert_eq!(life, ["pending", "firing", "resolved"], "{key:?}");
    }
    let records = [healthy, degraded, recovered].concat();
    series::check(&sidecar, prometheus.port, &records, &BOUNDS);
    let mut sidecar = sidecar;
    assert_eq!(sidecar.terminate(), Some(0), "{}", sidecar.log());
    assert!(!sidecar.log().contains(" ERROR "), "{}", sidecar.log());
}

/// Whom opwatch tells.
struct Peers {
    python: String,
    webhook: Peer,
    mailbox: Peer,
    alertmanager: Peer,
}

impl Peers {
    /// Starts them; `None` where something is not installed.
    fn start() -> Option<Self> {
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        is_there(&python, &["-c", "import sklearn"])?;
        is_there("amtool", &["--version"])?;
        Some(Self {
            python,
            webhook: Peer::python("webhook_sink.py", &[])?,
            mailbox: Peer::python("smtp_sink.py", &["--starttls", "--auth", "me:s3cret"])?,
            alertmanager: Peer::alertmanager("{route: {receiver: x}, receivers: [{name: x}]}\n")?,
        })
    }

    /// An opwatch that tells them all.
    fn opwatch(&self) -> Sidecar {
        let folder = Folder::new();
        let password = folder.write("password", "s3cret\n");
        folder.write("rules.yaml", &rules(None));
        let buckets: Vec<String> = BOUNDS
            .iter()
            .map(|(operation, bounds)| {
                let bounds: Vec<String> = bounds.iter().map(|bound| format!("{bound}s")).collect();
                format!("{operation}: [{}]", bounds.join(", "))
            })
            .collect();
        let config = format!(
            "\
rule_files: [rules.yaml]
evaluation_interval: {INTERVAL_MILLIS}ms
incidents: off
external_url: 'http://opwatch.example.org'
external_labels: {{cluster: test}}
buckets: {{{buckets}}}
alertmanagers: [{{url: '{alertmanager}'}}]
smtp:
  smarthost: 'localhost:{smtp}'
  from: opwatch@example.org
  auth_username: me
  auth_password_file: '{password}'
  tls: {{ca_file: '{authority}'}}
route: {{receiver: team, group_by: [alertname, dataset], group_wait: 0s, group_interval: 1s}}
receivers:
  - name: team
    email_configs: [{{to: ml@example.org, send_resolved: true}}]
    webhook_configs: [{{url: '{webhook}/hook'}}]
",
            buckets = buckets.join(", "),
            alertmanager = self.alertmanager.url(),
            smtp = self.mailbox.port,
            password = password.display(),
            authority = self.mailbox.authority.as_ref().unwrap().display(),
            webhook = self.webhook.url(),
        );
        Sidecar::start_in(folder, &config)
    }

    /// Waits until all three have heard that exactly these alerts fire, and checks what they have heard; gives the webhook's alerts.
    fn have_firing(&self, sidecar: &Sidecar, keys: &BTreeSet<Key>) -> Alerts {
        let ours = alerts(sidecar);
        let listed = wait_for("Alertmanager to list the alerts", || {
            Some(self.listed()).filter(|listed| listed.keys().eq(keys))
        });
        let posted = wait_for("the webhook to hear of the alerts", || {
            Some(self.posted("firing")).filter(|posted| posted.keys().eq(keys))
        });
        let mailed = wait_for("mail on the alerts", || {
            Some(self.mailed("FIRING:1")).filter(|mailed| mailed.keys().eq(keys))
        });
        for key in keys {
            let (ours, theirs) = (&ours[key], &listed[key]);
            let mut labels = ours["labels"].clone();
            labels["cluster"] = json!("test");
            assert_eq!(theirs["labels"], labels);
            assert_eq!(theirs["startsAt"], ours["firedAt"]);
            assert_eq!(theirs["fingerprint"], ours["fingerprint"]);
            assert_eq!(theirs["status"]["state"], "active");

            let posted = &posted[key];
            assert_eq!(posted["labels"], labels);
            assert_eq!(posted["startsAt"], ours["firedAt"]);
            assert_eq!(posted["endsAt"], "0001-01-01T00:00:00Z");
            for name in ["fingerprint", "generatorURL"] {
                assert_eq!(posted[name], theirs[name], "{name}");
            }
            for name in ["threshold", "metric", "stat", "n"] {
                assert_eq!(posted[name], ours[name], "{name}");
            }
            check_mail(&mailed[key], posted);
        }
        posted
    }

    /// Waits until all three have heard that the alerts have ended, and checks what they have heard.
    fn have_resolved(&self, firing: &Alerts) {
        let keys: BTreeSet<Key> = firing.keys().cloned().collect();
        wait_for("Alertmanager to list nothing any more", || {
            self.listed().is_empty().then_some(())
        });
        let posted = wait_for("the webhook to hear of the end", || {
            Some(self.posted("resolved")).filter(|posted| posted.keys().eq(&keys))
        });
        let mailed = wait_for("mail on the end", || {
            Some(self.mailed("RESOLVED")).filter(|mailed| mailed.keys().eq(&keys))
        });
        for (key, before) in firing {
            let after = &posted[key];
            for name in ["labels", "startsAt", "fingerprint", "generatorURL"] {
                assert_eq!(after[name], before[name], "{name}");
            }
            let (start, end) = (millis(&after["startsAt"]), millis(&after["endsAt"]));
            assert!(end > start, "{after}");
            let text = mailed[key]["text"].as_str().unwrap();
            assert!(text.contains("RESOLVED"), "{text}");
            assert!(text.contains(&moment(&after["endsAt"])), "{text}");
        }
        // Nobody is told anything twice, not even by the reload.
        assert_eq!(self.bodies().len(), 2 * keys.len());
    }

    /// What Alertmanager lists as active, by its own tool.
    fn listed(&self) -> Alerts {
        let output = Command::new("amtool")
            .arg(format!("--alertmanager.url={}", self.alertmanager.url()))
            .args(["alert", "query", "--output=json"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        by_key(serde_json::from_slice(&output.stdout).unwrap())
    }

    /// The bodies that the webhook got, those of repeated attempts once.
    fn bodies(&self) -> Vec<Value> {
        let received = self.webhook.received().into_iter();
        let by_id: BTreeMap<String, Value> = received
            .map(|request| {
                assert_eq!(request["path"], "/hook");
                let id = request["headers"]["opwatch-notification-id"].as_str();
                (id.unwrap().to_owned(), request["json"].clone())
            })
            .collect();
        by_id.into_values().collect()
    }

    /// The alerts of the webhook's bodies of this status, after a look at the rest of the bodies.
    fn posted(&self, status: &str) -> Alerts {
        let bodies = self.bodies().into_iter();
        let mut alerts = Vec::new();
        for body in bodies.filter(|body| body["status"] == status) {
            let [alert] = body["alerts"].as_array().unwrap().as_slice() else {
                panic!("a group has one alert each: {body}");
            };
            let (name, dataset) = key(alert);
            let expected = json!({
                "version": "4",
                "status": status,
                "receiver": "team",
                "externalURL": "http://opwatch.example.org",
                "groupKey": format!("{{}}:{{alertname=\"{name}\", dataset=\"{dataset}\"}}"),
                "groupLabels": {"alertname": name, "dataset": dataset},
                "commonLabels": alert["labels"],
                "commonAnnotations": alert["annotations"],
                "truncatedAlerts": 0,
                "notifyReason": if status == "firing" { "fired" } else { "resolved" },
                "alerts": [alert],
            });
            assert_eq!(body, expected);
            assert_eq!(alert["status"], status);
            alerts.push(alert.clone());
        }
        by_key(alerts)
    }

    /// The mails whose subject has this status.
    fn mailed(&self, status: &str) -> Alerts {
        let mut found = Alerts::new();
        for mail in self.mailbox.received() {
            assert_eq!(mail["tls"], true, "{mail}");
            assert_eq!(mail["authenticated"], true, "{mail}");
            assert_eq!(mail["to"], json!(["ml@example.org"]));
            let subject = mail["subject"].as_str().unwrap();
            if let Some(rest) = subject.strip_prefix(&format!("[{status}] ")) {
                let words: Vec<&str> = rest.split(' ').collect();
                found.insert((words[0].to_owned(), words[1].to_owned()), mail);
            }
        }
        found
    }
}

/// Checks that a mail says what is wrong, how far off, and since when, in both of its forms.
fn check_mail(mail: &Value, alert: &Value) {
    let (text, html) = (mail["text"].as_str().unwrap(), &mail["html"]);
    let html = html.as_str().unwrap();
    let row = |name: &str| {
        let row = text.lines().find_map(|line| line.trim().strip_prefix(name));
        let row = row.unwrap_or_else(|| panic!("no {name} in {text}")).trim();
        assert!(html.contains(row), "{row} is missing in {html}");
        row.to_owned()
    };
    let what = row("what:");
    let measured = format!(
        "{} of {} is ",
        alert["stat"].as_str().unwrap(),
        alert["metric"].as_str().unwrap()
    );
    let (value, rest) = what
        .strip_prefix(&measured)
        .and_then(|what| what.split_once(", "))
        .unwrap_or_else(|| panic!("{what}"));
    let (_, limit) = rest.split_once(" the limit of ").unwrap();
    for (written, exact) in [(value, &alert["value"]), (limit, &alert["threshold"])] {
        let (written, exact) = (amount(written), exact.as_f64().unwrap());
        // Four digits are written.
        assert!((written - exact).abs() < exact * 1e-3, "{what}: {exact}");
    }
    let since = moment(&alert["startsAt"]);
    assert!(row("since:").starts_with(&since), "{since}: {text}");
    assert_eq!(row("summary:"), alert["annotations"]["summary"]);
}

/// A number as mails write it.
fn amount(text: &str) -> f64 {
    let (number, unit) = match text {
        text if text.ends_with("ms") => (&text[..text.len() - 2], 1e-3),
        text if text.ends_with('s') => (&text[..text.len() - 1], 1.0),
        text => (text, 1.0),
    };
    number.parse::<f64>().unwrap() * unit
}

/// A moment as mails write it.
fn moment(at: &Value) -> String {
    let at = at.as_str().unwrap().split('.').next().unwrap();
    format!("{} UTC", at.replace('T', " "))
}

fn millis(at: &Value) -> i64 {
    Timestamp::parse(at.as_str().unwrap()).unwrap().millis()
}

fn is_there(program: &str, arguments: &[&str]) -> Option<()> {
    let output = Command::new(program).args(arguments).output();
    if output.is_ok_and(|output| output.status.success()) {
        return Some(());
    }
    let required = std::env::var("OPWATCH_TEST_PEERS").is_ok_and(|value| value == "required");
    assert!(!required, "{program} {arguments:?} is required");
    println!("skipped, {program} {arguments:?} does not work");
    None
}

/// The rule file, with a rule on durations if there is a limit for it.
fn rules(slow: Option<&str>) -> String {
    let mut rules = "groups:\n- name: isolation-forest\n  rules:\n".to_owned();
    let mut add = |name: &str, threshold: &str, labels: &str| {
        rules += &format!(
            "  - alert: {name}
    select: '{{operation=\"detect\"}}'
    by: [operation, algorithm, dataset]
    threshold: {{{threshold}, window: {RUNS} runs, min_samples: {RUNS}}}
    for: {HOLD_MILLIS}ms
    labels: {{{labels}}}
    annotations: {{summary: '{{{{ $labels.dataset }}}} has {{{{ $value }}}} over {{{{ $n }}}} runs, limit {{{{ $threshold }}}}'}}
"
        );
    };
    let f1 = format!("metric: f1, stat: mean, below: {{high: {F1_LIMIT}}}, recover: 95%");
    add(INACCURATE, &f1, "");
    let precision =
        format!("metric: precision, stat: mean, below: {PRECISION_LIMIT}, recover: 90%");
    add(CRIES_WOLF, &precision, "severity: critical");
    if let Some(limit) = slow {
        let duration = format!("metric: duration, stat: median, above: {limit}");
        add(SLOW, &duration, "severity: medium");
    }
    rules
}

/// A limit half way, in ratio, between what scorings took while they were healthy and when they were not.
fn limit(healthy: &[Value], degraded: &[Value]) -> String {
    let medians = |records: &[Value]| {
        DATASETS.map(|dataset| median(&scorings(records, dataset, "/duration_seconds")))
    };
    let healthy = medians(healthy).into_iter().fold(0.0, f64::max);
    let degraded = medians(degraded).into_iter().fold(f64::INFINITY, f64::min);
    assert!(
        degraded > 2.0 * healthy,
        "it is not much slower: {degraded} s after {healthy} s"
    );
    format!("{}us", ((healthy * degraded).sqrt() * 1e6).round())
}

fn keys(names: &[&str]) -> BTreeSet<Key> {
    let of = |name: &&str| DATASETS.map(|dataset| ((*name).to_owned(), dataset.to_owned()));
    names.iter().flat_map(of).collect()
}

fn key(alert: &Value) -> Key {
    let label = |name: &str| alert["labels"][name].as_str().unwrap().to_owned();
    (label("alertname"), label("dataset"))
}

fn by_key(alerts: Vec<Value>) -> Alerts {
    let count = alerts.len();
    let alerts: Alerts = alerts
        .into_iter()
        .map(|alert| (key(&alert), alert))
        .collect();
    assert_eq!(alerts.len(), count, "{alerts:?}");
    alerts
}

/// What opwatch lists as pending and firing.
fn alerts(sidecar: &Sidecar) -> Alerts {
    let mut data = sidecar.data("/api/v1/alerts");
    let alerts = data["alerts"].take();
    by_key(serde_json::from_value(alerts).unwrap())
}

/// Waits until these alerts fire, and checks that they were seen waiting before, for as long as their rules say.
fn fires(sidecar: &Sidecar, keys: &BTreeSet<Key>) {
    let mut pending = BTreeMap::new();
    let firing = wait_for("the alerts to fire", || {
        let mut firing = Alerts::new();
        let alerts = alerts(sidecar).into_iter();
        for (key, alert) in alerts.filter(|(key, _)| keys.contains(key)) {
            if alert["state"] == "pending" {
                pending.insert(key, alert["activeAt"].clone());
            } else {
                assert_eq!(alert["state"], "firing");
                firing.insert(key, alert);
            }
        }
        firing.keys().eq(keys).then_some(firing)
    });
    for (key, alert) in firing {
        assert_eq!(pending.get(&key), Some(&alert["activeAt"]), "{key:?}");
        let held = millis(&alert["firedAt"]) - millis(&alert["activeAt"]);
        // An evaluation may run late, by less than an interval: the next one would replace it.
        assert!(held > HOLD_MILLIS - INTERVAL_MILLIS, "{alert}");
    }
}

/// Waits until an alert has this value, but for rounding.
fn settles(sidecar: &Sidecar, (name, dataset): (&str, &str), value: f64) {
    let key = (name.to_owned(), dataset.to_owned());
    wait_for(&format!("{key:?} to have the value {value}"), || {
        let found: f64 = alerts(sidecar)[&key]["value"].as_str()?.parse().ok()?;
        ((found - value).abs() <= value * 1e-9).then_some(())
    });
}

/// How the state of each alert changed, from first to last.
fn lives(sidecar: &Sidecar) -> BTreeMap<Key, Vec<String>> {
    let mut lives: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    let history = sidecar.data("/api/v1/alerts/history");
    for change in history.as_array().unwrap().iter().rev() {
        let change_name = change["change"].as_str().unwrap().to_owned();
        lives.entry(key(change)).or_default().push(change_name);
    }
    lives
}

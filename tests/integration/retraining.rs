//! A model in service that ages and is trained anew, for real: the example's service and trainer with scikit-learn's
//! isolation forest, and opwatch between them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::{Value, json};

use crate::faulty::Faulty;
use crate::peers::{free_port, get, missing};
use crate::sidecar::{Folder, Sidecar, request, run, wait_for};

/// The example's service and trainer; they end with this value.
struct Trainer {
    child: Child,
    _input: Option<ChildStdin>,
    port: u16,
}

impl Trainer {
    fn start(ingest: &str, arguments: &[&str]) -> Option<Self> {
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let has = Command::new(&python)
            .args(["-c", "import sklearn"])
            .stderr(Stdio::null())
            .status();
        if !has.is_ok_and(|status| status.success()) {
            return missing("scikit-learn", "it cannot be imported");
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/retraining/trainer.py");
        let mut child = Command::new(python)
            .arg(script)
            .args(["--port", "0", "--pause", "0.02"])
            .args(["--opwatch", &format!("http://{ingest}")])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("ready ").unwrap().parse().unwrap();
        Some(Self {
            _input: child.stdin.take(),
            child,
            port,
        })
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = get(self.port, path).unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    fn drift(&self) {
        let address = format!("127.0.0.1:{}", self.port);
        assert_eq!(request(&address, "POST", "/drift", &[], b"").status, 200);
    }

    /// Waits until so many more batches have been scored.
    fn score(&self, batches: u64) {
        let rounds = || self.get("/rounds")["rounds"].as_u64().unwrap();
        let until = rounds() + batches;
        wait_for("batches to be scored", || (rounds() >= until).then_some(()));
    }

    /// Every request for a training, by its key.
    fn jobs(&self) -> serde_json::Map<String, Value> {
        self.get("/jobs").as_object().unwrap().clone()
    }

    /// Waits for the only request.
    fn job(&self) -> (String, Value) {
        wait_for("a training to be asked for", || {
            let jobs = self.jobs();
            assert!(jobs.len() <= 1, "{jobs:?}");
            jobs.into_iter().next()
        })
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the example configures, at these ports and with shorter times.
fn config(ports: (u16, u16), trainer: u16, hook: &str, action: &str) -> String {
    format!(
        "\
listen: {{public: '127.0.0.1:{public}', ingest: '127.0.0.1:{ingest}'}}
data_dir: data
self_rules: off
evaluation_interval: 200ms
rule_files: [rules.yaml]
actions:
  - name: retrain
    url: 'http://127.0.0.1:{trainer}/train'
    matchers: ['severity=~\"high|critical\"', 'metric=\"accuracy\"']
    min_degradation: 25%
    on_success: {{baseline: update, probation: 30 runs}}
{action}
route: {{receiver: here, group_by: [alertname], group_wait: 0s, group_interval: 200ms}}
receivers: [{{name: here, webhook_configs: [{{url: 'http://{hook}/hook'}}]}}]
",
        public = ports.0,
        ingest = ports.1,
    )
}

/// opwatch, its trainer, and who is told, with a baseline of when all was well and the data drifting since.
struct Drifting {
    sidecar: Sidecar,
    trainer: Trainer,
    hook: Faulty,
    config: String,
}

impl Drifting {
    fn start(arguments: &[&str], action: &str) -> Option<Self> {
        let folder = Folder::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let rules = std::fs::read_to_string(root.join("examples/retraining/rules.yaml")).unwrap();
        folder.write("rules.yaml", &rules);
        let ports = (free_port(), free_port());
        let hook = Faulty::start(Vec::new());
        let trainer = Trainer::start(&format!("127.0.0.1:{}", ports.1), arguments)?;
        let config = config(ports, trainer.port, &hook.address(), action);
        let sidecar = Sidecar::start_in(folder, &config);
        trainer.score(40);
        let reply = sidecar.post(
            "/api/v1/baselines",
            r#"{"name": "good", "metric": "accuracy", "window": "30 runs"}"#,
        );
        assert_eq!(reply.status, 200, "{reply:?}");
        trainer.drift();
        Some(Self {
            sidecar,
            trainer,
            hook,
            config,
        })
    }

    /// What became of the action, for the only rule and identity.
    fn case(&self) -> Value {
        let data = self.sidecar.data("/api/v1/actions");
        let cases = data["actions"][0]["cases"].as_array().unwrap();
        assert!(cases.len() <= 1, "{cases:?}");
        cases.first().cloned().unwrap_or_default()
    }

    fn outcome(&self) -> Value {
        wait_for("the action to end", || {
            let past = self.case()["history"][0].clone();
            past.is_object().then_some(past)
        })
    }

    /// Names of the alerts that fire, without their levels.
    fn firing(&self) -> Vec<String> {
        let data = self.sidecar.data("/api/v1/alerts");
        let alerts = data["alerts"].as_array().unwrap().iter();
        let firing = alerts.filter(|alert| alert["state"] == "firing");
        let mut names: Vec<String> = firing
            .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn versions(&self) -> Vec<Value> {
        let data = self.sidecar.data("/api/v1/baselines?versions=all");
        let all = data["baselines"].as_array().unwrap().iter();
        all.map(|one| one["version"].clone()).collect()
    }

    /// The alerts of that name and status that the webhook was told of.
    fn told(&self, name: &str, status: &str) -> Vec<Value> {
        let requests = self.hook.requests().into_iter();
        let alerts = requests.flat_map(|one| one.json["alerts"].as_array().unwrap().clone());
        alerts
            .filter(|one| one["labels"]["alertname"] == name && one["status"] == status)
            .collect()
    }
}

/// S6, R10: the data drift, the rule fires, the model is really trained anew while opwatch is killed and comes back, and what
/// has proved itself is the new reference.
#[test]
fn a_model_that_ages_is_trained_anew_also_over_a_kill() {
    let Some(mut all) = Drifting::start(&["--train-seconds", "3"], "") else {
        return;
    };
    let (key, _) = all.trainer.job();
    assert!(key.starts_with("retrain-"), "{key}");
    assert_eq!(all.firing(), ["AccuracyDegraded"]);
    // While it is being trained: killed, and started again.
    let folder = all.sidecar.kill();
    all.sidecar = Sidecar::start_in(folder, &all.config);
    let past = all.outcome();
    assert_eq!(past["outcome"], "kept", "{past}");
    assert_eq!(past["key"], key.as_str());
    let jobs = all.trainer.jobs();
    assert_eq!(jobs.keys().collect::<Vec<_>>(), [&key]);
    assert_eq!(jobs[&key]["decision"], "probation");
    // The baseline has moved, the alert has ended, and nobody was told of a failure.
    assert_eq!(all.versions(), [json!(1), json!(2)]);
    wait_for("the alert to end", || all.firing().is_empty().then_some(()));
    wait_for("the end to be told", || {
        (!all.told("AccuracyDegraded", "resolved").is_empty()).then_some(())
    });
    assert!(all.told("ActionFailed", "firing").is_empty());
    let total = |outcome: &str| {
        let series = format!("opwatch_actions_total{{action=\"retrain\",outcome=\"{outcome}\"}}");
        all.sidecar.metric(&series)
    };
    assert_eq!((total("kept"), total("failed")), (Some(1.0), Some(0.0)));
    let (_, ingest) = all.sidecar.ingest.rsplit_once(':').unwrap();
    let url = format!("http://127.0.0.1:{ingest}");
    let (code, said, errors) = run(&all.sidecar.folder, &["actions", "history", "--url", &url]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(
        said.contains(&format!("kept {key}: passed its probation on")),
        "{said}"
    );
}

/// A model that is worse is refused: the old baseline stays, and an alert says so.
#[test]
fn a_model_that_is_worse_is_refused_by_what_was_reported() {
    let Some(all) = Drifting::start(&["--train-seconds", "0", "--spoil"], "") else {
        return;
    };
    let past = all.outcome();
    assert_eq!(past["outcome"], "refused", "{past}");
    let (key, _) = all.trainer.job();
    let job = wait_for("the trainer to have its answer", || {
        let job = all.trainer.jobs()[&key].clone();
        (job["decision"] == "refused").then_some(job)
    });
    assert!(job["metrics"]["accuracy"].as_f64().unwrap() < 0.3, "{job}");
    let told = wait_for("the failure to be told", || {
        all.told("ActionFailed", "firing").into_iter().next()
    });
    let summary = told["annotations"]["summary"].as_str().unwrap();
    assert!(summary.contains("was reported as 0.1"), "{summary}");
    assert!(summary.ends_with("the old baseline stays"), "{summary}");
    assert_eq!(told["labels"]["algorithm"], "iforest");
    assert_eq!(all.versions(), [json!(1)]);
    assert_eq!(all.firing(), ["AccuracyDegraded", "ActionFailed"]);
    // Nobody is asked again for the same alert.
    all.trainer.score(30);
    assert_eq!(all.trainer.jobs().len(), 1);
}

/// A trainer that says more than is true, and is asked for what has become of it: what is measured decides.
#[test]
fn a_model_that_is_worse_than_reported_does_not_pass_its_probation() {
    let folder = "    poll: {url: 'http://127.0.0.1:TRAINER/jobs/', interval: 200ms}\n";
    let arguments = [
        "--train-seconds",
        "0",
        "--spoil",
        "--boast",
        "--report",
        "poll",
    ];
    // The port is known once the trainer runs, so that the action is completed then.
    let Some(mut all) = Drifting::start(&arguments, "    callback_url: 'http://127.0.0.1:1'\n")
    else {
        return;
    };
    let poll = folder.replace("TRAINER", &all.trainer.port.to_string());
    let config = all
        .config
        .replace("    callback_url: 'http://127.0.0.1:1'\n", &poll);
    all.sidecar.folder.write("opwatch.yaml", &config);
    let reply = all.sidecar.post("/-/reload", "");
    assert_eq!(reply.status, 200, "{reply:?}");
    all.config = config;
    let past = all.outcome();
    assert_eq!(past["outcome"], "reverted", "{past}");
    let message = past["message"].as_str().unwrap();
    assert!(message.starts_with("mean of accuracy over "), "{message}");
    assert_eq!(all.versions(), [json!(1)]);
    wait_for("the failure to be told", || {
        all.told("ActionFailed", "firing").into_iter().next()
    });
}

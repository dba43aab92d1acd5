//! opwatch and a real Prometheus side by side: the same rule over the same values, judged by both every second.

use serde_json::Value;

use crate::peers::{Peer, get, wait_until};
use crate::sidecar::Sidecar;

const RULE: &str = "
groups:
  - name: live
    rules:
      - alert: Slow
        select: '{operation=\"load\"}'
        threshold: {metric: duration, stat: last, window: 1 runs, above: 10s}
        for: 3s
        labels: {severity: high}
";

/// Over the gauge that opwatch shows the same value with.
const PROMETHEUS_RULE: &str = "
groups:
  - name: live
    rules:
      - alert: Slow
        expr: opwatch_operation_last_duration_seconds{operation=\"load\"} > 10
        for: 3s
        labels: {severity: high}
";

/// State and value of the alert in the answer to `GET /api/v1/alerts`, which lists the pending and the firing ones.
fn standing(answer: &Value) -> (String, String) {
    assert_eq!(answer["status"], "success", "{answer}");
    let alerts = answer["data"]["alerts"].as_array().unwrap();
    let Some(alert) = alerts.first() else {
        return ("inactive".to_owned(), String::new());
    };
    assert_eq!(alerts.len(), 1, "{answer}");
    let labels = &alert["labels"];
    let identity = ["alertname", "operation", "severity"].map(|name| labels[name].as_str());
    assert_eq!(identity, [Some("Slow"), Some("load"), Some("high")]);
    let text = |key: &str| alert[key].as_str().unwrap().to_owned();
    (text("state"), text("value"))
}

fn ask(prometheus: &Peer, path: &str) -> Value {
    let (status, body) = get(prometheus.port, path).unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Both sequences of states; the same state seen again is not noted again.
struct Watch {
    sidecar: Sidecar,
    prometheus: Peer,
    seen: [Vec<String>; 2],
}

impl Watch {
    /// Notes the states; the values, of both.
    fn look(&mut self) -> [String; 2] {
        let standings = [
            standing(&self.sidecar.get("/api/v1/alerts").json()),
            standing(&ask(&self.prometheus, "/api/v1/alerts")),
        ];
        let values = standings.clone().map(|(_, value)| value);
        for (seen, (state, _)) in self.seen.iter_mut().zip(standings) {
            if seen.last() != Some(&state) {
                seen.push(state);
            }
        }
        values
    }

    /// Looks until both are in that state.
    fn until(&mut self, wanted: &str) {
        wait_until(wanted, || {
            self.look();
            let there = |seen: &Vec<String>| seen.last().is_some_and(|state| state == wanted);
            self.seen.iter().all(there).then_some(())
        });
    }

    fn measure(&self, seconds: f64) {
        let record = serde_json::json!({"operation": "load", "duration_seconds": seconds});
        self.sidecar.measure(&record.to_string());
    }

    /// Waits until Prometheus has scraped that value, so that it has judged or is about to judge it.
    fn scraped(&self, seconds: f64) {
        let path = "/api/v1/query?query=opwatch_operation_last_duration_seconds";
        wait_until("a scrape", || {
            let answer = ask(&self.prometheus, path);
            let value = answer["data"]["result"][0]["value"][1].as_str()?.to_owned();
            (value.parse() == Ok(seconds)).then_some(())
        });
    }
}

#[test]
fn an_alert_lives_the_same_life_in_opwatch_and_in_prometheus() {
    let sidecar = Sidecar::start(
        "rule_files: [rules.yaml]\nevaluation_interval: 1s\n",
        &[("rules.yaml", RULE)],
    );
    let rules = sidecar
        .folder
        .write("prometheus.rules.yaml", PROMETHEUS_RULE);
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs: [{{job_name: opwatch, static_configs: [{{targets: ['{}']}}]}}]\n",
        rules.display(),
        sidecar.public
    );
    let Some(prometheus) = Peer::prometheus(&config, &["--log.level=warn"]) else {
        return;
    };
    let mut watch = Watch {
        sidecar,
        prometheus,
        seen: [Vec::new(), Vec::new()],
    };
    // Rising, but under the limit and then equal to it, which is not above.
    for seconds in [2.0, 10.0] {
        watch.measure(seconds);
        watch.scraped(seconds);
        watch.until("inactive");
    }
    watch.measure(20.0);
    // Not until both are pending, which they need not be at the same time; the sequence has to show it.
    watch.until("firing");
    // The alert lives on with another value.
    watch.measure(30.0);
    wait_until("both to show the new value", || {
        let there = watch.look().iter().all(|value| value == "3e+01");
        there.then_some(())
    });
    watch.measure(1.0);
    watch.until("inactive");
    for seen in &watch.seen {
        assert_eq!(*seen, ["inactive", "pending", "firing", "inactive"]);
    }
}

//! An alert that begins and ends again and again, as those hear of it who are told by a running opwatch.

use crate::peers::Peer;
use crate::sidecar::{Sidecar, run, wait_for};
use crate::telling::{alert, ran_until, rules, told_alerts};

/// The last run decides.
const LAST: &str = "{metric: duration, stat: last, window: 1 runs, above: 1}";
const OPERATION: &str = "score";

fn config(webhook: &Peer) -> String {
    format!(
        "\
data_dir: data
self_rules: off
incidents: off
flapping: {{score: 2, half_life: 12s}}
rule_files: [rules.yaml]
route: {{receiver: team, group_wait: 0s, group_interval: 1s}}
receivers: [{{name: team, webhook_configs: [{{url: '{}/hook'}}]}}]
",
        webhook.url()
    )
}

/// What the webhook was told: whether it fires, and how it flaps.
fn told(webhook: &Peer) -> Vec<(String, Option<String>)> {
    let alerts = told_alerts(webhook).into_iter();
    alerts
        .map(|alert| {
            let said = alert["annotations"]["flapping"].as_str().map(str::to_owned);
            (alert["status"].as_str().unwrap().to_owned(), said)
        })
        .collect()
}

#[test]
fn an_alert_that_flaps_is_told_as_one_that_does_and_its_end_when_it_is_quiet_also_over_a_crash() {
    let Some(webhook) = Peer::python("webhook_sink.py", &[]) else {
        return;
    };
    let config = config(&webhook);
    let sidecar = Sidecar::start(&config, &[("rules.yaml", &rules(LAST))]);
    ran_until(&sidecar, OPERATION, 2.0, true);
    let mut begins = 1;
    while alert(&sidecar, OPERATION).unwrap()["flapping"] != true {
        assert!(begins < 40, "{:?}", alert(&sidecar, OPERATION));
        ran_until(&sidecar, OPERATION, 0.1, false);
        ran_until(&sidecar, OPERATION, 2.0, true);
        begins += 1;
    }
    assert!(begins >= 3, "{begins}");
    assert_eq!(sidecar.metric("opwatch_alerts_flapping"), Some(1.0));
    let url = format!("http://{}", sidecar.public);
    let (_, out, _) = run(&sidecar.folder, &["alerts", "--url", &url]);
    assert!(out.contains("it flaps: told at growing distances"), "{out}");
    let last = wait_for("word that it flaps", || {
        told(&webhook)
            .last()
            .filter(|(_, said)| said.is_some())
            .cloned()
    });
    assert_eq!(last.0, "firing");
    let said = last.1.unwrap();
    assert!(
        said.starts_with(&format!("{begins} times in the last ")),
        "{said}"
    );

    // Over a crash it is known as before, and told no more often.
    let folder = sidecar.kill();
    let sidecar = Sidecar::start_in(folder, &config);
    let again = wait_for("the alert", || alert(&sidecar, OPERATION));
    assert_eq!(again["flapping"], true, "{again}");
    assert!(again["flapScore"].as_f64().unwrap() > 0.5, "{again}");
    ran_until(&sidecar, OPERATION, 0.1, false);
    // Shown as what it is, and told when it has been quiet.
    let before = told(&webhook).len();
    let all = wait_for("its end", || {
        let all = told(&webhook);
        all.last().filter(|(status, _)| status == "resolved")?;
        Some(all)
    });
    assert_eq!(all.len(), before + 1, "{all:?}");
    assert_eq!(sidecar.metric("opwatch_alerts_flapping"), Some(0.0));
    assert!(!sidecar.log().contains(" ERROR "), "{}", sidecar.log());
}

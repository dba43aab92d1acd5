//! A digest of a running opwatch: collected over a crash, and told once.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::peers::Peer;
use crate::sidecar::{Sidecar, run, wait_for};
use crate::telling::{held_back, ran_until, rules, sinks, told_alerts};

/// The last run decides.
const LAST: &str = "{metric: duration, stat: last, window: 1 runs, above: {low: 1}}";

/// Told at each of the next minutes, so that a test need not wait for long.
fn config(webhook: &Peer, mailbox: &Peer) -> String {
    let now = Timestamp::now();
    let times = (1..=4).map(|minutes| {
        let at = TimeZone::UTC.to_datetime(now + minutes.minutes());
        format!("'{:02}:{:02}'", at.hour(), at.minute())
    });
    let times = times.collect::<Vec<_>>().join(", ");
    format!(
        "\
data_dir: data
self_rules: off
rule_files: [rules.yaml]
smtp: {{smarthost: 'localhost:{}', from: opwatch@example.org, require_tls: false}}
route: {{receiver: team, group_wait: 0s, group_interval: 1s}}
receivers:
  - {{name: team, webhook_configs: [{{url: '{hook}/team'}}]}}
  - name: reader
    email_configs: [{{to: ml@example.org}}]
    webhook_configs: [{{url: '{hook}/reader'}}]
digest:
  - {{name: soon, receiver: reader, matchers: [severity=low], at: [{times}], weekdays: ['sunday:saturday'], location: Etc/UTC}}
",
        mailbox.port,
        hook = webhook.url()
    )
}

#[test]
fn what_is_collected_is_told_in_a_digest_also_after_a_crash() {
    let Some((webhook, mailbox)) = sinks() else {
        return;
    };
    let config = config(&webhook, &mailbox);
    let sidecar = Sidecar::start(&config, &[("rules.yaml", &rules(LAST))]);
    ran_until(&sidecar, "fit", 2.0, true);
    let url = format!("http://{}", sidecar.public);
    let (_, out, _) = run(&sidecar.folder, &["alerts", "--url", &url]);
    assert!(out.contains("digest soon"), "{out}");
    ran_until(&sidecar, "fit", 0.1, false);
    ran_until(&sidecar, "score", 2.0, true);
    let folder = sidecar.kill();
    let sidecar = Sidecar::start_in(folder, &config);
    // The minute may have passed in the middle of it: then all of it is in the next.
    wait_for("a digest", || {
        (!webhook.received().is_empty()).then_some(())
    });
    let told = wait_for("the digest", || {
        let alerts = told_alerts(&webhook);
        let has = |operation: &str, says: &str| {
            alerts.iter().any(|alert| {
                let said = alert["annotations"]["digest"].as_str();
                alert["labels"]["operation"] == operation
                    && said.is_some_and(|said| said.contains(says))
            })
        };
        (has("fit", "has ended") && has("score", "still fires")).then_some(alerts)
    });
    assert!(
        told.iter()
            .all(|alert| alert["annotations"]["digest"].is_string()),
        "{told:?}"
    );
    let mail = wait_for("the mail", || {
        let mut all = mailbox.received().into_iter().map(|mail| mail.to_string());
        all.find(|mail| mail.contains("Digest of what fired since the last one"))
    });
    assert!(
        mail.contains("still fires") || mail.contains("has ended"),
        "{mail}"
    );
    assert!(held_back(&sidecar, "digest") > 0.0);
    assert!(!sidecar.log().contains(" ERROR "), "{}", sidecar.log());
}

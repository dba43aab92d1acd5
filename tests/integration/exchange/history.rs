//! History comes in with its own time, and wakes nobody.

use serde_json::json;

use super::{HOUR, ago, export, hourly, import, import_all, url};
use crate::sidecar::{Folder, Sidecar, wait_for};

/// Case 44, offline and running: what is older than the retention goes, and is counted.
#[test]
fn what_is_older_than_the_retention_is_refused_with_its_place() {
    let folder = Folder::new();
    let record = |hours: u64| {
        let at = ago(hours * HOUR);
        format!("{{\"operation\":\"train\",\"timestamp\":\"{at}\",\"duration_seconds\":{hours}}}\n")
    };
    folder.write("history.ndjson", &(record(200) + &record(1)));
    let config = "store: {retention: 168h}\n";
    folder.write("opwatch.yaml", config);
    let sidecar = Sidecar::start(&format!("data_dir: data\n{config}"), &[]);
    for to in [["--data-dir", "data"], ["--url", &url(&sidecar)]] {
        let (code, said, errors) = import(&folder, "history.ndjson", &to);
        assert_eq!(code, Some(1), "{errors}");
        assert!(
            said.contains("2 records: 1 imported, 0 known already, 1 refused"),
            "{said}"
        );
        assert!(said.contains("refused: timestamp 1"), "{said}");
        assert!(
            errors.starts_with("history.ndjson: line 1, record 1: timestamp: "),
            "{errors}"
        );
        assert!(
            errors.contains("is older than the retention of 168 h"),
            "{errors}"
        );
    }
    for (folder, directory) in [(&folder, "data"), (&sidecar.folder, "data")] {
        let kept = export(folder, directory, "ndjson");
        assert_eq!(kept.lines().count(), 1, "{kept}");
        assert!(kept.contains(r#""duration_seconds":1.0"#), "{kept}");
    }
    let refused = r#"opwatch_ingest_rejected_total{reason="too_old"}"#;
    assert_eq!(sidecar.metric(refused), Some(1.0), "{}", sidecar.metrics());
}

const WINDOWS: &str = "
groups:
  - name: windows
    interval: 1s
    rules:
      - alert: Day
        threshold: {metric: duration, stat: count, window: 1d, above: 100000}
        labels: {severity: low}
      - alert: FourDays
        threshold: {metric: duration, stat: count, window: 4d, above: 100000}
        labels: {severity: low}
";

#[test]
fn imported_history_is_in_the_windows_of_its_own_time() {
    let folder = Folder::new();
    folder.write("rules.yaml", WINDOWS);
    folder.write("history.ndjson", &hourly("train", 168));
    import_all(&folder, "history.ndjson", &["--data-dir", "data"]);
    let offline = Sidecar::start_in(folder, "data_dir: data\nrule_files: [rules.yaml]\n");
    let live = Sidecar::start(
        "data_dir: data\nrule_files: [rules.yaml]\n",
        &[("rules.yaml", WINDOWS)],
    );
    import_all(&offline.folder, "history.ndjson", &["--url", &url(&live)]);
    for sidecar in [&offline, &live] {
        for (rule, hours) in [("Day", 24.0), ("FourDays", 96.0)] {
            let series = format!(
                r#"opwatch_rule_value{{operation="train",alertname="{rule}",severity="low"}}"#
            );
            // Old buckets are an hour long, so there is one more or less of them.
            wait_for(rule, || {
                let count = sidecar.metric(&series)?;
                ((hours - 2.0..=hours + 2.0).contains(&count)).then_some(())
            });
        }
        let total = r#"opwatch_operations_total{operation="train",outcome="success"}"#;
        assert_eq!(sidecar.metric(total), Some(168.0));
    }
}

const SLOW: &str = "
groups:
  - name: slow
    interval: 1s
    rules:
      - alert: SlowWindow
        threshold: {metric: duration, stat: max, window: 30m, above: 10s}
        labels: {severity: high}
      - alert: SlowRuns
        threshold: {metric: duration, stat: max, window: 5 runs, above: 10s}
        labels: {severity: high}
";

#[test]
fn old_measurements_fire_nothing_and_new_ones_do() {
    let slow = |seconds: u64| {
        let at = ago(seconds);
        format!("{{\"operation\":\"train\",\"timestamp\":\"{at}\",\"duration_seconds\":99}}\n")
    };
    let config = "data_dir: data\nrule_files: [rules.yaml]\n";
    let sidecar = Sidecar::start(config, &[("rules.yaml", SLOW)]);
    let folder = &sidecar.folder;
    folder.write("old.ndjson", &(slow(3 * HOUR) + &slow(2 * HOUR)));
    import_all(folder, "old.ndjson", &["--url", &url(&sidecar)]);
    let evaluated = || {
        let group = sidecar.data("/api/v1/rules")["groups"][0].take();
        assert_eq!(group["name"], "slow");
        group["lastEvaluation"].as_str().unwrap().to_owned()
    };
    for _ in 0..2 {
        let before = evaluated();
        wait_for("an evaluation", || (evaluated() != before).then_some(()));
    }
    assert_eq!(sidecar.data("/api/v1/alerts")["alerts"], json!([]));
    folder.write("new.ndjson", &slow(60));
    import_all(folder, "new.ndjson", &["--url", &url(&sidecar)]);
    wait_for("both alerts", || {
        let alerts = sidecar.data("/api/v1/alerts");
        (alerts["alerts"].as_array()?.len() == 2).then_some(())
    });
}

#[test]
fn an_import_leaves_alerts_and_live_measurements_as_they_were() {
    let rules = SLOW.replace("10s}", "10s}\n        for: 1s");
    let config = "data_dir: data\nrule_files: [rules.yaml]\n";
    let mut sidecar = Sidecar::start(config, &[("rules.yaml", &rules)]);
    sidecar.measure(r#"{"operation":"train","duration_seconds":99}"#);
    let firing = |sidecar: &Sidecar| {
        wait_for("both alerts to fire", || {
            let alerts = sidecar.data("/api/v1/alerts")["alerts"].take();
            let mut alerts = alerts.as_array()?.clone();
            alerts.retain(|alert| alert["state"] == "firing");
            let since = |alert: &serde_json::Value| alert["activeAt"].as_str().map(str::to_owned);
            (alerts.len() == 2).then(|| alerts.iter().filter_map(since).collect::<Vec<_>>())
        })
    };
    let before = firing(&sidecar);
    sidecar.terminate();
    let folder = sidecar.kill();
    let live = export(&folder, "data", "ndjson");
    folder.write("history.ndjson", &hourly("train", 48));
    import_all(&folder, "history.ndjson", &["--data-dir", "data"]);
    let kept = export(&folder, "data", "ndjson");
    assert!(kept.starts_with(&live));
    assert_eq!(kept.lines().count(), 49);
    let again = Sidecar::start_in(folder, config);
    assert_eq!(firing(&again), before);
    let total = r#"opwatch_operations_total{operation="train",outcome="success"}"#;
    assert_eq!(again.metric(total), Some(49.0));
    let (code, said, _) =
        crate::sidecar::run(&again.folder, &["store", "check", "--data-dir", "data"]);
    assert_eq!(code, Some(0), "{said}");
}

//! Whole outputs.

use super::*;
use crate::engine::alert::EndReason;
use crate::replay::RuleSummary;
use std::time::Duration;

fn replayed() -> Replayed {
    let at = |seconds: i64| Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000);
    let alert = |fired, ended, value| Alert {
        rule: 0,
        instance: [("operation", "detect")].into_iter().collect(),
        labels: [
            ("alertname", "Slow"),
            ("operation", "detect"),
            ("severity", "high"),
            ("algorithm", ""),
        ]
        .into_iter()
        .collect(),
        alert_type: "threshold_exceeded",
        pending_since: at(fired - 120),
        fired_at: at(fired),
        ended,
        value,
        limit: 10.0,
    };
    Replayed {
        from: at(0),
        until: at(7 * 86_400),
        alerts: vec![
            alert(
                600,
                Some((at(1_200), EndReason::Recovered)),
                Some(12.345_678_9),
            ),
            alert(7 * 86_400 - 60, None, None),
        ],
        rules: vec![RuleSummary {
            file: "rules.yaml".into(),
            group: "fraud".into(),
            rule: "Slow".into(),
            is_shadow: true,
            alerts: 2,
            alerts_per_week: Some(2.0),
            firing: Duration::from_secs(660),
            instances: 3,
            alerted_instances: 1,
            dropped: 4,
            values: Some((12.5, 1.0)),
            notifications: 5,
            evaluations: 40_320,
            failures: 1,
            last_failure: Some("too many".into()),
        }],
        counts: crate::engine::admission::IngestCounts {
            accepted: 1_000,
            duplicates: 2,
            ..Default::default()
        },
        unable: 0,
        evaluations: 40_320,
    }
}

fn shown(output: Output) -> String {
    let mut out = Vec::new();
    write(&replayed(), output, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn tables_have_the_alerts_and_then_the_rules() {
    assert_eq!(
        shown(Output::Table),
        r#"1000 measurements, judged from 2023-11-14T22:13:20Z until 2023-11-21T22:13:20Z (1w)
  2 repeat an id of the ten minutes before and count once

FIRED                 RULE           LABELS                                 PENDING               RESOLVED              DURATION  VALUE    LIMIT
2023-11-14T22:23:20Z  Slow (shadow)  {operation="detect", severity="high"}  2023-11-14T22:21:20Z  2023-11-14T22:33:20Z  10m       12.3457  10
2023-11-21T22:12:20Z  Slow (shadow)  {operation="detect", severity="high"}  2023-11-21T22:10:20Z  still fires           1m        -        10

RULE           ALERTS  PER WEEK  FIRING  SHARE  INSTANCES  NOTIFICATIONS NOT SENT
Slow (shadow)  2       2.0       11m     0.1%   1 of 3     5
Slow: 1 of 40320 evaluations failed: too many
"#
    );
}

#[test]
fn csv_has_one_row_an_alert() {
    assert_eq!(
        shown(Output::Csv),
        r#"file,group,rule,severity,type,labels,pending_since,fired_at,resolved_at,reason,duration_seconds,value,limit,shadow
rules.yaml,fraud,Slow,high,threshold_exceeded,"{""alertname"":""Slow"",""operation"":""detect"",""severity"":""high""}",2023-11-14T22:21:20.000Z,2023-11-14T22:23:20.000Z,2023-11-14T22:33:20.000Z,recovered,600,12.3456789,10,true
rules.yaml,fraud,Slow,high,threshold_exceeded,"{""alertname"":""Slow"",""operation"":""detect"",""severity"":""high""}",2023-11-21T22:10:20.000Z,2023-11-21T22:12:20.000Z,,,60,,10,true
"#
    );
}

#[test]
fn json_has_everything() {
    let shown: serde_json::Value = serde_json::from_str(&shown(Output::Json)).unwrap();
    let rule = serde_json::json!({
        "file": "rules.yaml", "group": "fraud", "rule": "Slow", "shadow": true, "alerts": 2, "alerts_per_week": 2.0,
        "firing_seconds": 660.0, "instances": 3, "alerted_instances": 1, "dropped": 4, "highest": 12.5, "lowest": 1.0,
        "notifications_not_sent": 5,
        "evaluations": 40_320, "failures": 1, "last_failure": "too many",
    });
    assert_eq!(shown["rules"], serde_json::json!([rule]));
    assert_eq!(shown["alerts"][1]["resolved_at"], serde_json::Value::Null);
    assert_eq!(shown["alerts"][0]["labels"]["operation"], "detect");
    assert_eq!(shown["measurements"]["taken"], 1_000);
}

use std::sync::Arc;

use super::*;
use crate::engine::alert::EndReason;
use crate::engine::condition::{Evidence, Feature};
use crate::engine::dispatch::escalation::{Cause, Often};
use crate::engine::dispatch::{Acknowledgement, Escalated, News, NotifyReason, Remark};
use crate::engine::incident::Tale;
use crate::notify::fixture;

const URL: &str = "http://opwatch.example.org";

#[test]
fn subjects_are_those_of_alertmanager() {
    let firing = fixture::notification(&[fixture::firing("detect")]);
    assert_eq!(subject(&firing), "[FIRING:1] DetectionSlow (detect high)");
    let mut grouped =
        fixture::notification(&[fixture::firing("detect"), fixture::resolved("detect")]);
    grouped.group_labels.set("operation", "detect");
    assert_eq!(subject(&grouped), "[FIRING:1] DetectionSlow detect (high)");
    let mut ended =
        fixture::notification(&[fixture::resolved("detect"), fixture::resolved("train")]);
    assert_eq!(subject(&ended), "[RESOLVED] DetectionSlow (high)");
    ended.group_labels = [("operation", "two\r\nlines"), ("alertname", "A")]
        .into_iter()
        .collect();
    ended.alerts.clear();
    assert_eq!(subject(&ended), "[RESOLVED] A two lines");
}

#[test]
fn the_text_says_what_how_far_since_when_and_compared_with_what() {
    let notification =
        fixture::notification(&[fixture::firing("detect"), fixture::resolved("train")]);
    let expected = "\
New alerts (fired)

FIRING DetectionSlow detect (high)
  what:      p95 of duration is 12.5s, 25.0% over the limit of 10s
  since:     2026-01-31 12:00:00 UTC (15m 0s)
  why:       fired: its condition has begun to hold
  rests on:  42 values
  type:      threshold_exceeded
  summary:   p95 is <high>
  labels:    {alertname=\"DetectionSlow\", operation=\"detect\", severity=\"high\"}
  rule:      http://opwatch.example.org/api/v1/rules?rule_name[]=DetectionSlow

RESOLVED DetectionSlow train (high)
  what:      p95 of duration was at last 8s, 20.0% under the limit of 10s
  started:   2026-01-31 12:00:00 UTC
  ended:     2026-01-31 12:10:00 UTC (after 10m 0s)
  why:       recovered: its condition no longer holds
  rests on:  42 values
  type:      threshold_exceeded
  summary:   p95 is <high>
  labels:    {alertname=\"DetectionSlow\", operation=\"train\", severity=\"high\"}
  rule:      http://opwatch.example.org/api/v1/rules?rule_name[]=DetectionSlow

Sent by opwatch to team, http://opwatch.example.org
";
    assert_eq!(text(&notification, URL), expected);
}

#[test]
fn the_html_says_the_same() {
    let notification = fixture::notification(&[fixture::resolved("detect")]);
    let td = "<td style=\"color:#767676;padding:2px 12px 2px 0;vertical-align:top\">";
    let row = |name: &str, value: &str| {
        format!(
            "<tr>{td}{name}</td><td style=\"padding:2px 0;overflow-wrap:anywhere\">{value}</td></tr>\n"
        )
    };
    let link = |url: &str| format!("<a href=\"{url}\">{url}</a>");
    let expected = [
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\"><title>[RESOLVED] DetectionSlow (detect high)</title></head>\n",
        "<body style=\"margin:16px\"><h2 style=\"font:600 18px sans-serif;margin:0 0 12px\">New alerts (fired)</h2>\n",
        "<h3 style=\"font:600 15px sans-serif;margin:20px 0 6px\">",
        "<span style=\"background:#1b6e3c;color:#ffffff;padding:2px 6px;border-radius:3px\">RESOLVED</span> ",
        "DetectionSlow detect (high)</h3>\n",
        "<table style=\"font:14px sans-serif;border-collapse:collapse\">",
        &row(
            "what",
            "p95 of duration was at last 8s, 20.0% under the limit of 10s",
        ),
        &row("started", "2026-01-31 12:00:00 UTC"),
        &row("ended", "2026-01-31 12:10:00 UTC (after 10m 0s)"),
        &row("why", "recovered: its condition no longer holds"),
        &row("rests on", "42 values"),
        &row("type", "threshold_exceeded"),
        &row("summary", "p95 is &lt;high&gt;"),
        &row(
            "labels",
            "{alertname=&quot;DetectionSlow&quot;, operation=&quot;detect&quot;, severity=&quot;high&quot;}",
        ),
        &row(
            "rule",
            &link("http://opwatch.example.org/api/v1/rules?rule_name[]=DetectionSlow"),
        ),
        "</table>\n<p style=\"font:12px sans-serif;color:#767676;margin-top:24px\">Sent by opwatch to team, ",
        &link(URL),
        "</p></body></html>\n",
    ];
    assert_eq!(html(&notification, URL), expected.concat());
}

#[test]
fn what_happened_is_said_in_words() {
    let with = |change: &dyn Fn(&mut Announced)| {
        let mut alert = Announced::clone(&fixture::firing("detect"));
        change(&mut alert);
        (what(&alert), degradation_percent(&alert))
    };
    let score = |alert: &mut Announced, value, limit| {
        alert.metric = "accuracy".to_owned();
        alert.stat = "mean".to_owned();
        (alert.value, alert.limit) = (Some(value), limit);
    };
    let absent = |alert: &mut Announced, n| {
        alert.alert_type = "absence";
        alert.metric = "absence".to_owned();
        alert.stat = String::new();
        (alert.value, alert.limit, alert.n) = (Some(97_200.0), 93_600.0, n);
    };
    for (said, expected, percent) in [
        (
            with(&|a| score(a, 0.72, 0.9)),
            "mean of accuracy is 0.72, 20.0% under the limit of 0.9",
            Some(20.0),
        ),
        (
            with(&|a| a.value = Some(10.0)),
            "p95 of duration is 10s, at the limit",
            Some(0.0),
        ),
        (
            with(&|a| a.value = None),
            "p95 of duration has no value",
            None,
        ),
        (
            with(&|a| a.limit = 0.0),
            "p95 of duration is 12.5s, over the limit of 0s",
            None,
        ),
        (
            with(&|a| a.alert_type = "degradation"),
            "p95 of duration is 12.5s, 25.0% over the limit of 10s",
            Some(25.0),
        ),
        (
            with(&|a| a.alert_type = "no_data"),
            "there is no data of duration",
            None,
        ),
        (
            with(&|a| {
                a.metric = "error_ratio".to_owned();
                a.stat = "mean".to_owned();
                (a.value, a.limit) = (Some(0.3), 0.1);
            }),
            "error_ratio is 30%, 200.0% over the limit of 10%",
            Some(200.0),
        ),
        (
            with(&|a| a.alert_type = "rule_error"),
            "the rule cannot be evaluated",
            None,
        ),
        (
            with(&|a| absent(a, 1)),
            "last seen 1d 3h 0m 0s ago, expected at least every 1d 2h 0m 0s",
            None,
        ),
        (
            with(&|a| absent(a, 0)),
            "never seen in 1d 3h 0m 0s, expected at least every 1d 2h 0m 0s",
            None,
        ),
        (
            with(&|a| {
                absent(a, 1);
                a.value = Some(5.0);
                a.ended = Some((a.starts_at, EndReason::Recovered));
            }),
            "seen again 5s before the end, expected at least every 1d 2h 0m 0s",
            None,
        ),
    ] {
        assert_eq!(said.0, expected);
        assert_eq!(said.1.map(f64::round), percent, "{expected}");
    }
    // Of what has ended it is said in the past, of each kind.
    let ended = |change: &dyn Fn(&mut Announced)| {
        let ended = |a: &mut Announced| {
            change(a);
            a.ended = Some((a.starts_at, EndReason::Forgotten));
        };
        with(&ended).0
    };
    let usual = |alert: &mut Announced, alert_type| {
        alert.alert_type = alert_type;
        alert.evidence = Some(Evidence {
            baseline: Some(10.0),
            feature: Some(Feature::Level),
            ..Evidence::default()
        });
    };
    let slope = |alert: &mut Announced, pace, value, limit| {
        alert.alert_type = "degradation";
        alert.stat = "median".to_owned();
        alert.pace = Some(pace);
        (alert.value, alert.limit) = (Some(value), limit);
    };
    for (said, expected) in [
        (
            ended(&|_| {}),
            "p95 of duration was at last 12.5s, 25.0% over the limit of 10s",
        ),
        (ended(&|a| a.value = None), "p95 of duration had no value"),
        (
            ended(&|a| a.alert_type = "no_data"),
            "there was no data of duration",
        ),
        (
            ended(&|a| a.alert_type = "rule_error"),
            "the rule could not be evaluated",
        ),
        (
            ended(&|a| a.alert_type = "action_failed"),
            "the action for duration had not helped",
        ),
        (
            ended(&|a| absent(a, 1)),
            "had last been seen 1d 3h 0m 0s before the end, expected at least every 1d 2h 0m 0s",
        ),
        (
            ended(&|a| absent(a, 0)),
            "had never been seen in 1d 3h 0m 0s, expected at least every 1d 2h 0m 0s",
        ),
        (
            ended(&|a| usual(a, "degradation")),
            "p95 of duration was at last 12.5s, 25.0% over the usual of 10s",
        ),
        (
            ended(&|a| usual(a, "anomaly_detected")),
            "p95 of duration was at last 12.5s, 25.0% over the nearest known value of 10s",
        ),
        (
            ended(&|a| slope(a, Pace::Relative, 0.02, 0.03)),
            "median of duration changed at last by +2.0 % a day, 33.3% under the limit of +3.0 % a day",
        ),
        (
            with(&|a| slope(a, Pace::Absolute, 0.5, 0.25)).0,
            "median of duration changes by +500ms a day, 100.0% over the limit of +250ms a day",
        ),
        (
            with(&|a| slope(a, Pace::Relative, -0.25, -0.2)).0,
            "median of duration changes by -25 % a day, 25.0% under the limit of -20 % a day",
        ),
    ] {
        assert_eq!(said, expected);
    }
    // Nobody knows which way a score of its own gets worse.
    let (_, percent) = with(&|a| a.metric = "silhouette".to_owned());
    assert_eq!(percent, None);
}

#[test]
fn hostile_text_stays_text() {
    let hostile = "</td><script>alert(1)</script>\r\nFIRING fake\u{2028}x\u{0}\"'&";
    let mut alert = Announced::clone(&fixture::firing("detect"));
    alert.rule = hostile.to_owned();
    alert.annotations = [
        ("runbook", "javascript:alert(1)"),
        ("note", hostile),
        ("page", "http://a/\"onclick="),
    ]
    .into_iter()
    .collect();
    alert.labels.set("operation", hostile);
    alert.generator_url = "data:text/html,<b>".to_owned();
    let mut notification = fixture::notification(&[Arc::new(alert)]);
    notification.receiver = hostile.to_owned();
    let html = html(&notification, "javascript:alert(2)");
    assert!(!html.contains("<script"), "{html}");
    let links: Vec<&str> = html
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(links, ["http://a/&quot;onclick="]);
    let text = text(&notification, URL);
    let firing = text
        .lines()
        .filter(|line| line.starts_with("FIRING"))
        .count();
    assert_eq!(
        (firing, text.matches(['\0', '\r', '\u{2028}']).count()),
        (1, 0),
        "{text}"
    );
}

#[test]
fn what_was_forgotten_is_not_said_to_have_recovered() {
    let mut alert = Announced::clone(&fixture::resolved("train"));
    alert.alert_type = "absence";
    alert.ended = alert.ended.map(|(at, _)| (at, EndReason::Forgotten));
    let text = text(&fixture::notification(&[Arc::new(alert)]), URL);
    let expected =
        "why:       forgotten: it has been absent for so long that it is no longer expected";
    assert!(text.contains(expected), "{text}");
    assert!(
        !text.contains("recovered") && !text.contains("rests on"),
        "{text}"
    );
}

#[test]
fn a_regression_says_what_it_is_compared_with_and_how_sure_that_is() {
    let mut alert = Announced::clone(&fixture::firing("train"));
    alert.alert_type = "degradation";
    (alert.value, alert.limit) = (Some(2.4), 1.1);
    alert.evidence = Some(Evidence {
        baseline: Some(1.0),
        baseline_n: 200,
        change: Some(1.4),
        interval: Some((1.25, 1.52)),
        p_value: Some(2e-9),
        ..Evidence::default()
    });
    let rows = |alert: &Announced| {
        let notification = fixture::notification(&[Arc::new(alert.clone())]);
        let alert = &*notification.alerts[0];
        let account = account(alert, &notification);
        let row = account
            .rows
            .into_iter()
            .find(|(name, _)| *name == "compared with");
        row.map(|(_, cell)| match cell {
            Cell::Text(text) => text,
            Cell::Link(link) => link.to_owned(),
        })
    };
    let expected = "baseline 1s of 200 values: +140 % (95 %: +125 % to +152 %), p < 0.000001";
    assert_eq!(rows(&alert).as_deref(), Some(expected));
    assert_eq!(degradation_percent(&alert), Some(140.0));
    // A number somebody gave: a plain comparison.
    alert.evidence = Some(Evidence {
        baseline: Some(2.0),
        change: Some(0.2),
        ..Evidence::default()
    });
    assert_eq!(rows(&alert).as_deref(), Some("baseline 2s: +20 %"));
    alert.evidence = None;
    assert_eq!(rows(&alert), None);
}

#[test]
fn a_drift_says_what_it_adds_a_day_what_it_has_come_to_and_when_it_began() {
    let mut alert = Announced::clone(&fixture::firing("train"));
    alert.alert_type = "degradation";
    let at = |minutes: i64| Timestamp::from_millis(fixture::start().millis() - minutes * 60_000);
    alert.evidence = Some(Evidence {
        baseline: Some(1.0),
        change: Some(0.158),
        interval: Some((0.13, 0.18)),
        feature: Some(Feature::Drift),
        began: Some(at(1_440)),
        within: Some((at(1_500), at(1_380))),
        per_day: Some((0.031, (0.026, 0.035))),
        ..Evidence::default()
    });
    let said = |alert: &Announced| {
        let notification = fixture::notification(&[Arc::new(alert.clone())]);
        text(&notification, URL)
    };
    let text = said(&alert);
    let expected = "a drift of the level, +3.1 % a day (95 %: +2.6 % to +3.5 %), +16 % by now (95 %: +13 % to +18 %), \
                    since 2026-01-30 12:00:00 UTC (95 %: between 2026-01-30 11:00:00 UTC and 2026-01-30 13:00:00 UTC)";
    assert!(text.contains(expected), "{text}");
    // What has ended because somebody has accepted it, say, goes on.
    for (reason, expected) in [
        (
            EndReason::Recovered,
            "+16 % by then (95 %: +13 % to +18 %), from 2026-01-30 12:00:00 UTC (95 %: between 2026-01-30 11:00:00 UTC \
             and 2026-01-30 13:00:00 UTC) until 2026-01-31 12:10:00 UTC",
        ),
        (
            EndReason::Accepted,
            "+16 % by then (95 %: +13 % to +18 %), since 2026-01-30 12:00:00 UTC (95 %: between 2026-01-30 11:00:00 UTC \
             and 2026-01-30 13:00:00 UTC)\n",
        ),
    ] {
        alert.ended = Some((at(-10), reason));
        let text = said(&alert);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_message_begins_with_the_incidents_that_it_tells_of() {
    let tale = |alerts, firing, operations, minutes: Option<i64>| Tale {
        id: 0xb2,
        since: fixture::start(),
        ended_at: minutes
            .map(|minutes| Timestamp::from_millis(fixture::start().millis() + minutes * 60_000)),
        alerts,
        firing,
        operations,
        members: Vec::new(),
    };
    let since = "since 2026-01-31 12:00:00 UTC (15m 0s)";
    let id = "incident 00000000000000b2";
    for (tales, expected) in [
        (vec![], None),
        (vec![tale(1, 1, 1, None)], None),
        (
            vec![tale(5, 5, 3, None)],
            Some(format!(
                "1 incident: 5 alerts of 3 operations {since}, {id}"
            )),
        ),
        (
            vec![tale(2, 1, 1, None)],
            Some(format!(
                "1 incident: 2 alerts of 1 operation {since}, 1 of them still fires, {id}"
            )),
        ),
        (
            vec![tale(2, 0, 0, Some(10))],
            Some(format!(
                "1 incident: 2 alerts from 2026-01-31 12:00:00 UTC to 2026-01-31 12:10:00 UTC, over after 10m 0s, {id}"
            )),
        ),
        (
            vec![tale(3, 3, 1, None), tale(1, 1, 1, None)],
            Some(format!(
                "2 incidents: 3 alerts of 1 operation {since}, {id}; 1 alert of 1 operation {since}, {id}"
            )),
        ),
    ] {
        let mut notification = fixture::notification(&[fixture::firing("detect")]);
        notification.incidents = tales;
        assert_eq!(incident::head(&notification), expected);
        let text = text(&notification, URL);
        let html = html(&notification, URL);
        assert_eq!(
            text.lines().nth(1).unwrap_or_default(),
            expected.clone().unwrap_or_default()
        );
        assert_eq!(html.contains("incident"), expected.is_some());
    }
}

#[test]
fn a_subject_says_where_alerts_of_other_groups_are_told_as_well() {
    let mut other = Announced::clone(&fixture::firing("train"));
    other.labels.set("alertname", "Busy");
    let notification = fixture::notification(&[fixture::firing("detect"), Arc::new(other)]);
    assert_eq!(
        subject(&notification),
        "[FIRING:2] DetectionSlow (high) and others"
    );
}

#[test]
fn each_message_says_why_it_is_sent_and_who_looks_after_what() {
    let (a, b) = (fixture::firing("a"), fixture::firing("b"));
    let mut told = fixture::notification(&[a.clone(), b.clone()]);
    told.reason = NotifyReason::Escalated;
    told.remarks = [
        (a.fingerprint, Remark::of(News::Escalated)),
        (b.fingerprint, Remark::of(News::Repeat)),
    ]
    .into();
    let one = Acknowledgement {
        fingerprint: b.fingerprint,
        starts_at: b.starts_at,
        by: "ann".into(),
        comment: "new\nindex".into(),
        at: fixture::start(),
        expires_at: Some(Timestamp::from_millis(fixture::start().millis() + 60_000)),
    };
    told.remarks.get_mut(&b.fingerprint).unwrap().acknowledged = Some(Arc::new(one));
    told.remarks.get_mut(&a.fingerprint).unwrap().link = format!("{URL}/ack?x=1&y=2");
    told.escalation = Some(Escalated {
        name: "oncall".into(),
        cause: Cause::Age {
            fired_for: Duration::from_secs(32 * 60),
            after: Duration::from_secs(30 * 60),
        },
        is_unacknowledged: true,
    });
    let why = "Escalated: oncall, fired 32m 0s ago, at most 30m 0s are allowed, and nobody has acknowledged it (escalated)\n";
    let plain = text(&told, URL);
    assert!(plain.starts_with(why), "{plain}");
    for line in [
        "  why:       escalated: it fires still, or too often\n",
        "  why:       repeat: it fires as before\n",
        "  acknowledge: http://opwatch.example.org/ack?x=1&y=2\n",
        "  looked after: by ann since 2026-01-31 12:00:00 UTC until 2026-01-31 12:01:00 UTC: new index\n",
    ] {
        assert!(plain.contains(line), "{line} {plain}");
    }
    let html = html(&told, URL);
    assert!(
        html.contains("href=\"http://opwatch.example.org/ack?x=1&amp;y=2\""),
        "{html}"
    );
    assert_eq!(subject(&told), "[FIRING:2] DetectionSlow (high): escalated");
    told.escalation.as_mut().unwrap().cause = Cause::Often {
        times: 4,
        limit: Often {
            times: 3,
            within: Duration::from_secs(3_600),
        },
    };
    let plain = text(&told, URL);
    assert!(
        plain.contains("fired 4 times within 1h 0m 0s, at most 3 are allowed"),
        "{plain}"
    );
    // Every end has its own word, and every reason of the whole its headline.
    told.escalation = None;
    let mut heads = Vec::new();
    for reason in EndReason::ALL {
        let mut one = Announced::clone(&fixture::resolved("a"));
        one.ended = one.ended.map(|(at, _)| (at, reason));
        told.alerts = vec![Arc::new(one)];
        told.reason = NotifyReason::AllResolved;
        let plain = text(&told, URL);
        let head = plain.lines().next().unwrap().to_owned();
        let name = News::Ended(reason).as_str();
        assert_eq!(head, format!("All alerts have ended ({name})"));
        heads.push(
            plain
                .lines()
                .find(|line| line.contains("why:"))
                .unwrap()
                .to_owned(),
        );
    }
    heads.sort();
    heads.dedup();
    assert_eq!(heads.len(), EndReason::ALL.len());
}

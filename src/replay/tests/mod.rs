//! Replays in invented time.

use super::*;
use crate::engine::dispatch::{GroupBy, Integration, Receiver, Route, Timing};
use crate::engine::measurement::Draft;
use crate::engine::rule::RuleGroup;
use crate::engine::selector::Selector;
use crate::rulefile::{Surroundings, load};

mod live;
mod written;

/// A moment on the grid of all intervals here.
const START: i64 = 1_700_000_100_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START + seconds * 1_000)
}

fn groups(yaml: &str) -> Vec<RuleGroup> {
    let loaded = load("rules.yaml", yaml.to_owned(), Surroundings::default());
    let faults = loaded.findings.faults.iter();
    assert_eq!(
        faults
            .map(crate::document::Fault::brief)
            .collect::<Vec<_>>(),
        [""; 0],
        "{yaml}"
    );
    loaded.groups
}

fn setting(yaml: &str) -> Setting {
    let route = Route {
        key: "{}".into(),
        receiver: "team".into(),
        group_by: GroupBy::Labels(vec!["alertname".into()]),
        timing: Timing::default(),
        matchers: Selector::default(),
        go_on: false,
        routes: Vec::new(),
    };
    let integrations = vec![Integration {
        send_resolved: true,
    }];
    Setting {
        engine: Settings {
            groups: groups(yaml),
            route: Some(route),
            receivers: vec![Receiver {
                name: "team".into(),
                integrations,
            }],
            ..Settings::default()
        },
        cpu_limit: Some(2.0),
        ..Setting::default()
    }
}

fn took(operation: &str, seconds: f64) -> Measurement {
    Measurement::new(Draft {
        operation,
        duration_seconds: Some(seconds),
        ..Draft::default()
    })
    .unwrap()
}

const SLOW: &str = "groups: [{name: g, interval: 10s, rules: [
  {alert: Slow, threshold: {metric: duration, stat: last, window: 1 runs, above: 10s}, for: 20s, labels: {severity: high}}]}]";

/// Seconds since the start, and how long it took.
fn recording(values: &[(i64, f64)]) -> Recording {
    Recording::new(
        values
            .iter()
            .map(|(second, took_)| (at(*second), took("op", *took_))),
    )
}

#[test]
fn an_alert_is_told_from_its_first_breach_to_its_end() {
    let recording = recording(&[(0, 1.0), (35, 12.0), (81, 2.0), (90, 30.0), (130, 1.0)]);
    let replayed = replay(&recording, &setting(SLOW)).unwrap();
    assert_eq!((replayed.from, replayed.until), (at(0), at(140)));
    let times: Vec<_> = (replayed.alerts.iter())
        .map(|a| {
            (
                a.pending_since,
                a.fired_at,
                a.ended.map(|(at, _)| at),
                a.value,
                a.limit,
            )
        })
        .collect();
    // That it was quick at 81 s was never seen: the next was slow again before the evaluation.
    assert_eq!(times, [(at(40), at(60), Some(at(130)), Some(12.0), 10.0)]);
    let [rule] = replayed.rules.as_slice() else {
        panic!("{:?}", replayed.rules);
    };
    assert_eq!(
        (rule.alerts, rule.instances, rule.alerted_instances),
        (1, 1, 1)
    );
    assert_eq!(rule.firing, Duration::from_secs(70));
    assert_eq!(rule.evaluations, 15);
    assert_eq!(rule.alerts_per_week, None);
    // 30 s after it began to fire; its end would come at the next look at the group, five minutes later.
    assert_eq!(rule.notifications, 1);
    let longer = Setting {
        until: Some(at(2 * 86_400)),
        ..setting(SLOW)
    };
    let longer = replay(&recording, &longer).unwrap();
    let rule = &longer.rules[0];
    assert_eq!((rule.notifications, rule.alerts_per_week), (2, Some(3.5)));
}

#[test]
fn what_comes_in_any_order_is_replayed_in_that_of_its_time() {
    let values = [(0, 1.0), (35, 12.0), (81, 2.0), (130, 1.0)];
    let mut shuffled = values;
    shuffled.reverse();
    let [one, other] =
        [values, shuffled].map(|values| replay(&recording(&values), &setting(SLOW)).unwrap());
    assert_eq!(one.alerts, other.alerts);
    assert_eq!(one.alerts.len(), 1);
}

#[test]
fn only_a_longer_replay_finds_what_does_not_come_any_more() {
    let rules = "groups: [{name: g, interval: 10s, rules: [{alert: Missing, absence: {expect_every: 1m}}]}]";
    let recording = recording(&[(0, 1.0), (50, 1.0)]);
    let short = replay(&recording, &setting(rules)).unwrap();
    assert_eq!(short.alerts, []);
    let long = Setting {
        until: Some(at(200)),
        ..setting(rules)
    };
    let long = replay(&recording, &long).unwrap();
    assert_eq!(long.alerts.len(), 1);
    assert_eq!(
        (long.alerts[0].fired_at, long.alerts[0].ended),
        (at(120), None)
    );
    assert_eq!(long.rules[0].firing, Duration::from_secs(80));
}

#[test]
fn a_recording_can_be_replayed_again_under_other_rules() {
    let recording = recording(&[(0, 1.0), (35, 12.0), (101, 2.0)]);
    let higher = SLOW.replace("above: 10s", "above: 13s");
    let shadow = SLOW.replace("for: 20s", "for: 0s, mode: shadow");
    let off = SLOW.replace("for: 20s", "mode: off");
    for (rules, alerts, told) in [
        (SLOW, 1, vec![1]),
        (&higher, 0, vec![0]),
        (&shadow, 1, vec![0]),
        (&off, 0, vec![]),
    ] {
        let setting = Setting {
            until: Some(at(150)),
            ..setting(rules)
        };
        let replayed = replay(&recording, &setting).unwrap();
        let told_of: Vec<_> = replayed
            .rules
            .iter()
            .map(|rule| rule.notifications)
            .collect();
        assert_eq!((replayed.alerts.len(), told_of), (alerts, told), "{rules}");
    }
}

#[test]
fn levels_and_rules_of_the_same_name_are_told_apart() {
    let rules = "groups: [
      {name: a, interval: 10s, rules: [{alert: Slow, threshold: {metric: duration, stat: last, window: 1 runs, above: {medium: 5s, high: 10s}}}]},
      {name: b, interval: 10s, rules: [{alert: Slow, threshold: {metric: duration, stat: last, window: 1 runs, above: {medium: 5s}}}]}]";
    let replayed = replay(
        &recording(&[(0, 7.0), (15, 12.0), (25, 1.0)]),
        &setting(rules),
    )
    .unwrap();
    let severities: Vec<_> = (replayed.alerts.iter())
        .map(|alert| (alert.rule, alert.labels.get("severity"), alert.limit))
        .collect();
    assert_eq!(
        severities,
        [(0, "medium", 5.0), (1, "medium", 5.0), (0, "high", 10.0)]
    );
    assert!(replayed.alerts.iter().all(|alert| alert.ended.is_some()));
    // The levels fire at the same time, which counts once.
    assert_eq!(replayed.rules[0].firing, Duration::from_secs(30));
}

#[test]
fn a_smaller_budget_raises_no_more_and_rules_without_one_are_left_out() {
    let rules = "groups: [{name: g, interval: 1m, rules: [
        {alert: Slow, threshold: {metric: duration, stat: last, window: 1 runs, above: 0s}},
        {alert: Worse, depends_on: [Slow], regression: {metric: duration, stat: median, window: 30 runs, baseline: {rolling: 1d}, worse_by: 10%}},
    ]}]";
    // An hour in four is a little slower: sure enough for one budget and not for the other.
    let value = |minute: i64| {
        let noise = (minute * 7_919 % 101) as f64 / 50.0 - 1.0;
        let slower = if minute > 600 && minute / 60 % 4 == 0 {
            1.15
        } else {
            1.0
        };
        (minute * 60, slower * (1.0 + 0.3 * noise))
    };
    let recording = recording(&(0..2_880).map(value).collect::<Vec<_>>());
    let budgets = ["100 per 1d", "1 per 7d", "1 per 1000d"];
    let budgets = budgets.map(|text| crate::rulefile::read_budget(text).unwrap());
    let setting = setting(rules);
    let replayed = replay_budgets(&recording, &setting, &budgets).unwrap();
    let alerts: Vec<u64> = replayed.iter().map(|one| one.rules[0].alerts).collect();
    assert!(
        replayed
            .iter()
            .all(|one| one.rules.len() == 1 && one.rules[0].rule == "Worse")
    );
    assert!(
        alerts.is_sorted_by(|more, fewer| more >= fewer),
        "{alerts:?}"
    );
    assert!(alerts[0] > alerts[2], "{alerts:?}");
    // The rule's own budget gives what a replay of it gives.
    let own = crate::rulefile::read_budget("1 per 30d").unwrap();
    let under_own = replay_budgets(&recording, &setting, &[own]).unwrap();
    let plain = replay(&recording, &setting).unwrap();
    let worse = plain.rules.iter().find(|one| one.rule == "Worse").unwrap();
    assert_eq!(under_own[0].rules[0].alerts, worse.alerts);
}

#[test]
fn nothing_and_too_much_to_replay_are_refused() {
    let none = replay(&Recording::default(), &setting(SLOW)).map(drop);
    assert_eq!(none, Err(ReplayError::Empty));
    let wild = Recording::new([
        (Timestamp::default(), took("op", 1.0)),
        (at(0), took("op", 1.0)),
    ]);
    let error = replay(&wild, &setting(SLOW)).unwrap_err().to_string();
    assert_eq!(
        error,
        "from 1970-01-01T00:00:00.000Z until 2023-11-14T22:15:10.000Z groups would be evaluated 170000011 times; at most \
         16000000 times are allowed, in a shorter stretch of time or at longer intervals"
    );
}

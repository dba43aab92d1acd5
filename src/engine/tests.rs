//! The engine as its owner sees it: events in, effects out, in invented time.

use super::admission::Origin;
use super::alert::EndReason;
use super::condition::{Comparison, Condition, Level, Standing, Threshold};
use super::dispatch::Announced;
use super::measurement::{Draft, Measurement};
use super::metric::{Metric, Stat};
use super::rule::{Hold, NoData, OnError, Rule, Severity, Templated};
use super::selector::Selector;
use super::series::Labels;
use super::template::Template;
use super::time::Timestamp;
use super::*;
use crate::engine::dispatch::{Receiver, Route};
use crate::engine::rule::RuleGroup;
use crate::engine::store::StoreSettings;
use crate::engine::window::Reach;

mod absence;
mod actions;
mod backfill;
mod clocks;
mod dependence;
mod detection;
mod grid;
mod handling;
mod incidents;
mod maintenance;
mod reclassified;
mod regression;
mod reload;
mod restart;
mod taking_in;
mod trend;
mod unchanged;

fn at(seconds: u64) -> Now {
    Now::invented(Duration::from_secs(1_000_000 + seconds))
}

fn level(severity: Severity, limit: f64) -> Level {
    Level {
        severity: Some(severity),
        limit,
        recover: None,
    }
}

/// `Slow`: the last duration above 10 medium, above 20 critical.
fn rule() -> Rule {
    Rule {
        name: "Slow".into(),
        select: Selector::default(),
        by: vec!["operation".into(), "algorithm".into()],
        condition: Condition::Threshold(Threshold {
            metric: Metric::Duration,
            stat: Stat::Last,
            reach: Reach::Runs(1),
            comparison: Comparison::Above,
            levels: vec![
                level(Severity::Medium, 10.0),
                level(Severity::Critical, 20.0),
            ],
            min_samples: 1,
            relative: None,
        }),
        hold: Hold::default(),
        on_error: OnError::Keep,
        depends_on: Vec::new(),
        actions: Vec::new(),
        mode: Mode::Active,
        labels: vec![Templated {
            name: "team".into(),
            template: Template::parse("{{ $labels.operation }}-team", &["labels"]).unwrap(),
        }],
        annotations: vec![Templated {
            name: "summary".into(),
            template: Template::parse(
                "{{ $value }} over {{ $threshold }}",
                &["value", "threshold"],
            )
            .unwrap(),
        }],
        definition: 1,
    }
}

fn group(rule: Rule) -> RuleGroup {
    RuleGroup {
        file: "rules.yaml".into(),
        name: "group".into(),
        interval: Duration::from_secs(10),
        limit: 0,
        rules: vec![rule],
    }
}

fn engine(rule: Rule) -> Engine {
    Engine::new(
        Settings {
            groups: vec![group(rule)],
            ..Settings::default()
        },
        at(0),
    )
}

fn measure(engine: &mut Engine, operation: &str, seconds: f64, now: Now) -> Arc<Answer> {
    let draft = Draft {
        operation,
        duration_seconds: Some(seconds),
        ..Draft::default()
    };
    send(engine, vec![draft], None, now)
}

fn send(
    engine: &mut Engine,
    drafts: Vec<Draft<'_>>,
    origin: Option<Origin>,
    now: Now,
) -> Arc<Answer> {
    let records = drafts.into_iter().map(Measurement::new).collect();
    let (admitted, answer) = engine.admit(Batch { origin, records }, now);
    engine.apply(&admitted, now);
    answer
}

fn tick(engine: &mut Engine, now: Now) -> Effects {
    let mut all = Effects::default();
    for due in engine.due(now) {
        let answer = engine.answer(due, now);
        let effects = engine.evaluate(due, &answer, now);
        all.changes.extend(effects.changes);
        all.announced.extend(effects.announced);
        all.to_alertmanager.extend(effects.to_alertmanager);
    }
    all
}

/// Severity and whether it fires, in the order they are told.
fn told(effects: &Effects) -> Vec<(String, bool)> {
    let word = |a: &Arc<Announced>| (a.labels.get("severity").to_owned(), a.is_firing());
    effects.announced.iter().map(word).collect()
}

fn words(words: &[(&str, bool)]) -> Vec<(String, bool)> {
    words
        .iter()
        .map(|(s, firing)| ((*s).to_owned(), *firing))
        .collect()
}

#[test]
fn case_7_only_the_highest_level_is_announced_and_a_fall_tells_the_lower_first() {
    let mut engine = engine(rule());
    for (seconds, value, expected) in [
        (0, 15.0, words(&[("medium", true)])),
        (10, 25.0, words(&[("critical", true), ("medium", false)])),
        (20, 25.0, words(&[("critical", true)])),
        (30, 15.0, words(&[("medium", true), ("critical", false)])),
        (40, 5.0, words(&[("medium", false)])),
        (50, 5.0, words(&[])),
    ] {
        measure(&mut engine, "op", value, at(seconds));
        assert_eq!(
            told(&tick(&mut engine, at(seconds))),
            expected,
            "at {seconds}"
        );
    }
}

#[test]
fn a_lower_level_that_takes_over_keeps_its_own_start() {
    let mut engine = engine(rule());
    measure(&mut engine, "op", 15.0, at(0));
    let started = tick(&mut engine, at(0)).announced[0].starts_at;
    measure(&mut engine, "op", 25.0, at(10));
    tick(&mut engine, at(10));
    measure(&mut engine, "op", 15.0, at(20));
    let effects = tick(&mut engine, at(20));
    assert_eq!(effects.announced[0].starts_at, started);
    assert_eq!(
        effects.announced[1].ended,
        Some((at(20).wall, EndReason::Recovered))
    );
}

#[test]
fn labels_are_rendered_once_and_annotations_at_every_evaluation() {
    let mut engine = engine(rule());
    measure(&mut engine, "op", 15.0, at(0));
    let first = tick(&mut engine, at(0)).announced.remove(0);
    measure(&mut engine, "op", 16.5, at(10));
    let second = tick(&mut engine, at(10)).announced.remove(0);
    let expected: Labels = [
        ("alertname", "Slow"),
        ("operation", "op"),
        ("severity", "medium"),
        ("team", "op-team"),
    ]
    .into_iter()
    .collect();
    assert_eq!((&first.labels, &second.labels), (&expected, &expected));
    assert_eq!(first.annotations.get("summary"), "15 over 10");
    assert_eq!(second.annotations.get("summary"), "16.5 over 10");
    assert_eq!(first.starts_at, second.starts_at);
}

#[test]
fn an_alert_is_shown_with_the_fingerprint_by_which_others_know_it() {
    let mut engine = engine(rule());
    let external = External {
        labels: [("cluster", "eu"), ("team", "other")].into_iter().collect(),
        ..External::default()
    };
    let groups = vec![RuleGroup {
        file: "rules.yaml".into(),
        name: "group".into(),
        interval: Duration::from_secs(10),
        limit: 0,
        rules: vec![rule()],
    }];
    let settings = Settings {
        groups,
        external,
        ..Settings::default()
    };
    engine.reconfigure(settings, at(0));
    measure(&mut engine, "op", 15.0, at(0));
    let effects = tick(&mut engine, at(0));
    let announced = &effects.announced[0];
    assert_eq!(
        announced.labels.to_string(),
        r#"{alertname="Slow", cluster="eu", operation="op", severity="medium", team="op-team"}"#
    );
    assert_eq!(announced.fingerprint, announced.labels.fingerprint());
    let shown = engine.groups()[0].rules[0].alerts().next().unwrap();
    assert_eq!(shown.fingerprint, announced.fingerprint);
}

#[test]
fn cpu_is_judged_as_a_share_of_the_limit_that_holds_at_the_time() {
    let Condition::Threshold(threshold) = rule().condition else {
        panic!("no threshold");
    };
    let condition = Condition::Threshold(Threshold {
        metric: Metric::CpuRatio,
        levels: vec![level(Severity::Medium, 0.8)],
        ..threshold
    });
    let mut engine = engine(Rule {
        condition,
        ..rule()
    });
    let draft = Draft {
        operation: "op",
        cpu_cores: Some(1.5),
        ..Draft::default()
    };
    send(&mut engine, vec![draft], None, at(0));
    let mut judge = |limit, second| {
        engine.set_cpu_limit(limit);
        tick(&mut engine, at(second));
        let rule = &engine.groups()[0].rules[0];
        let verdict = rule.alerts().next().unwrap().verdict.unwrap();
        (verdict.standing, verdict.value)
    };
    // Without a limit nothing can be said, and a limit of nothing is none.
    assert_eq!(judge(None, 0), (Standing::NoData, None));
    assert_eq!(judge(Some(0.0), 10), (Standing::NoData, None));
    assert_eq!(judge(Some(2.0), 20), (Standing::Holds, Some(0.75)));
    assert_eq!(judge(Some(1.0), 30), (Standing::Breached, Some(1.5)));
}

#[test]
fn case_6_a_thousand_offending_measurements_are_one_alert() {
    let mut engine = engine(rule());
    for second in 0..100 {
        for _ in 0..10 {
            measure(&mut engine, "op", 15.0, at(second));
        }
        tick(&mut engine, at(second));
    }
    let rule = &engine.groups()[0].rules[0];
    assert_eq!(rule.alerts().filter(|a| a.state.is_firing()).count(), 1);
    assert_eq!(engine.history().count(), 1);
}

#[test]
fn alertmanagers_are_told_again_only_after_more_than_the_resend_delay() {
    let mut engine = engine(rule());
    measure(&mut engine, "op", 15.0, at(0));
    let mut sent = Vec::new();
    for seconds in (0..200).step_by(10) {
        for (_, valid_until) in tick(&mut engine, at(seconds)).to_alertmanager {
            sent.push((seconds, valid_until.since(at(seconds).wall).as_secs()));
        }
    }
    // Delay 60 s, interval 10 s: the next evaluation after *more* than 60 s is at 70 s.
    assert_eq!(sent, [(0, 240), (70, 240), (140, 240)]);
}

#[test]
fn a_resolved_alert_is_told_to_alertmanagers_for_fifteen_minutes() {
    let last = last_told_of_the_end(Settings::default().resolved_retention);
    assert!((840..=910).contains(&last), "{last}");
}

#[test]
fn a_resolved_alert_is_told_for_as_long_as_is_asked_for() {
    for (seconds, expected) in [(60, 10), (300, 290), (1_800, 1_760)] {
        let last = last_told_of_the_end(Duration::from_secs(seconds));
        assert_eq!(last, expected, "{seconds}");
    }
}

/// When an alert that has ended after 10 s is told to Alertmanagers for the last time.
fn last_told_of_the_end(resolved_retention: Duration) -> u64 {
    let settings = Settings {
        groups: vec![group(rule())],
        resolved_retention,
        ..Settings::default()
    };
    let mut engine = Engine::new(settings, at(0));
    measure(&mut engine, "op", 15.0, at(0));
    tick(&mut engine, at(0));
    measure(&mut engine, "op", 5.0, at(5));
    let mut sent = Vec::new();
    for seconds in (10..3_600).step_by(10) {
        for (alert, end) in tick(&mut engine, at(seconds)).to_alertmanager {
            assert_eq!((alert.is_firing(), end), (false, at(10).wall));
            sent.push(seconds);
        }
    }
    assert_eq!(sent.first(), Some(&10));
    sent.last().copied().unwrap()
}

#[test]
fn missing_data_raises_an_alert_of_its_own_where_the_rule_asks_for_it() {
    let mut rule = rule();
    rule.hold.no_data = NoData::Alert;
    rule.condition = Condition::Threshold(Threshold {
        metric: Metric::Duration,
        stat: Stat::Mean,
        reach: Reach::Time(Duration::from_secs(60)),
        comparison: Comparison::Above,
        levels: vec![level(Severity::High, 10.0)],
        min_samples: 1,
        relative: None,
    });
    let mut engine = engine(rule);
    measure(&mut engine, "op", 15.0, at(0));
    assert_eq!(told(&tick(&mut engine, at(0))), words(&[("high", true)]));
    let effects = tick(&mut engine, at(100));
    assert_eq!(told(&effects), words(&[("high", true), ("low", true)]));
    assert_eq!(effects.announced[1].alert_type, "no_data");
    assert_eq!(effects.announced[1].labels.get("alert_type"), "no_data");
    measure(&mut engine, "op", 15.0, at(110));
    assert_eq!(
        told(&tick(&mut engine, at(110))),
        words(&[("high", true), ("low", false)])
    );
}

#[test]
fn instances_that_collapse_to_one_label_set_fail_the_rule_and_tell_nobody() {
    let mut rule = rule();
    rule.labels = ["operation", "algorithm"]
        .map(|name| Templated {
            name: name.into(),
            template: Template::parse("same", &[]).unwrap(),
        })
        .into();
    let mut engine = engine(rule);
    measure(&mut engine, "a", 15.0, at(0));
    measure(&mut engine, "b", 15.0, at(0));
    assert!(tick(&mut engine, at(0)).announced.is_empty());
    let rule = &engine.groups()[0].rules[0];
    let judge::Health::Failed(why) = &rule.health else {
        panic!("{:?}", rule.health)
    };
    assert!(
        why.contains("two instances give the same alert labels"),
        "{why}"
    );
}

#[test]
fn a_group_limit_ends_all_alerts_of_the_rule_and_fails_it() {
    let mut engine = engine(rule());
    engine.groups[0].limit = 1;
    measure(&mut engine, "a", 15.0, at(0));
    assert_eq!(tick(&mut engine, at(0)).announced.len(), 1);
    measure(&mut engine, "b", 15.0, at(5));
    let effects = tick(&mut engine, at(10));
    assert_eq!(told(&effects), words(&[("medium", false)]));
    assert!(matches!(
        engine.groups()[0].rules[0].health,
        judge::Health::Failed(_)
    ));
}

#[test]
fn shadow_rules_are_judged_but_tell_nobody() {
    let mut engine = engine(Rule {
        mode: Mode::Shadow,
        ..rule()
    });
    measure(&mut engine, "op", 15.0, at(0));
    let effects = tick(&mut engine, at(0));
    assert!(effects.announced.is_empty() && effects.to_alertmanager.is_empty());
    assert_eq!(effects.changes.len(), 1);
}

#[test]
fn an_end_is_told_again_with_its_own_times_and_no_longer_once_the_alert_is_active_again() {
    let mut rule = rule();
    rule.hold.hold = Duration::from_secs(100);
    let mut engine = engine(rule);
    let mut told = Vec::new();
    for (seconds, value) in (0..500).step_by(10).map(|seconds| {
        let value = if (200..300).contains(&seconds) {
            5.0
        } else {
            15.0
        };
        (seconds, value)
    }) {
        measure(&mut engine, "op", value, at(seconds));
        for (alert, end) in tick(&mut engine, at(seconds)).to_alertmanager {
            assert!(alert.starts_at <= end, "{alert:?}");
            told.push((seconds, alert.is_firing()));
        }
    }
    let expected = [(100, true), (170, true), (200, false), (270, false)];
    assert_eq!(told.get(..4), Some(&expected[..]));
    assert_eq!(told.get(4), Some(&(400, true)));
}

#[test]
fn a_level_that_was_taken_over_is_told_as_ended_with_the_times_of_that_end() {
    let mut engine = engine(rule());
    let values = [15.0, 25.0, 5.0, 25.0].into_iter().chain([25.0; 20]);
    for (seconds, value) in (0..).step_by(10).zip(values) {
        measure(&mut engine, "op", value, at(seconds));
        for (alert, end) in tick(&mut engine, at(seconds)).to_alertmanager {
            assert!(alert.starts_at <= end, "at {seconds}: {alert:?}");
        }
    }
}

#[test]
fn missing_data_is_told_also_where_the_rule_counts_samples() {
    let mut rule = rule();
    rule.hold.no_data = NoData::Alert;
    rule.hold.for_samples = Some(rule::ForSamples { breached: 3, of: 5 });
    if let Condition::Threshold(threshold) = &mut rule.condition {
        threshold.reach = Reach::Time(Duration::from_secs(60));
    }
    let mut engine = engine(rule);
    measure(&mut engine, "op", 1.0, at(0));
    assert_eq!(told(&tick(&mut engine, at(0))), words(&[]));
    assert_eq!(told(&tick(&mut engine, at(100))), words(&[("low", true)]));
}

#[test]
fn an_instance_that_comes_back_is_told_as_one_alert() {
    let mut engine = engine(rule());
    measure(&mut engine, "op", 15.0, at(0));
    tick(&mut engine, at(0));
    let retention = engine.store.settings().retention.as_secs();
    let later = retention + 100;
    let effects = tick(&mut engine, at(later));
    assert_eq!(told(&effects), words(&[("medium", false)]));
    measure(&mut engine, "op", 15.0, at(later + 10));
    let mut said = Vec::new();
    for seconds in (10..300).step_by(10) {
        let effects = tick(&mut engine, at(later + seconds));
        said.extend(effects.to_alertmanager.iter().map(|(a, _)| a.is_firing()));
    }
    assert!(
        said.len() > 3 && said.iter().all(|firing| *firing),
        "{said:?}"
    );
    assert!(engine.groups()[0].rules[0].departed.is_empty());
}

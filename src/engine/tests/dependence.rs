//! Rules that depend on others, that fail, that are in shadow, or that look at opwatch itself.

use super::*;
use crate::engine::judge::{Health, Subject};

/// `name`: the last duration above `limit`, on the operation alone or with the algorithm.
fn over(name: &str, limit: f64, by: &[&str], depends_on: &[&str]) -> Rule {
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    let Condition::Threshold(threshold) = rule().condition else {
        panic!("a threshold")
    };
    Rule {
        name: name.into(),
        by: owned(by),
        depends_on: owned(depends_on),
        condition: Condition::Threshold(Threshold {
            levels: vec![level(Severity::High, limit)],
            ..threshold
        }),
        labels: Vec::new(),
        ..rule()
    }
}

/// An engine with one group for each of these lists of rules.
fn engine_of(groups: Vec<Vec<Rule>>) -> Engine {
    let groups = groups.into_iter().map(|rules| RuleGroup {
        rules,
        ..group(rule())
    });
    let settings = Settings {
        groups: groups.collect(),
        ..Settings::default()
    };
    Engine::new(settings, at(0))
}

/// Names of alerts that are told, `-` before those that have ended.
fn names(effects: &Effects) -> Vec<String> {
    let sign = |a: &Arc<Announced>| if a.is_firing() { "" } else { "-" };
    let name = |a: &Arc<Announced>| format!("{}{}", sign(a), a.labels.get("alertname"));
    let mut names: Vec<_> = effects.announced.iter().map(name).collect();
    names.sort();
    names
}

const BOTH: [&str; 2] = ["operation", "algorithm"];

#[test]
fn while_the_rule_that_it_depends_on_fires_a_rule_is_judged_but_not_told() {
    // The dependent one stands first, and in a group of its own: both are due at the same tick.
    let child = over("Child", 5.0, &BOTH, &["Parent"]);
    let parent = over("Parent", 20.0, &["operation"], &[]);
    let mut engine = engine_of(vec![vec![child], vec![parent]]);
    measure(&mut engine, "a", 25.0, at(0));
    measure(&mut engine, "b", 15.0, at(0));
    let effects = tick(&mut engine, at(0));
    assert_eq!(names(&effects), ["Child", "Parent"]);
    let child = effects
        .announced
        .iter()
        .find(|a| a.rule == "Child")
        .unwrap();
    assert_eq!(child.labels.get("operation"), "b");
    assert_eq!(effects.changes.len(), 3, "its state is what it is");
    let suppressed: Vec<_> = engine.groups()[0].rules[0]
        .alerts()
        .filter(|alert| alert.suppressed)
        .map(|alert| (alert.labels.get("operation"), alert.state.is_firing()))
        .collect();
    assert_eq!(suppressed, [("a", true)]);
    // The parent's end tells what it covered, in the same tick.
    measure(&mut engine, "a", 10.0, at(10));
    let effects = tick(&mut engine, at(10));
    assert_eq!(names(&effects), ["-Parent", "Child", "Child"]);
}

#[test]
fn what_was_told_before_goes_on_being_told_and_its_end_too() {
    let child = over("Child", 5.0, &BOTH, &["Parent"]);
    let parent = over("Parent", 20.0, &["operation"], &[]);
    let mut engine = engine_of(vec![vec![parent, child]]);
    measure(&mut engine, "a", 15.0, at(0));
    assert_eq!(names(&tick(&mut engine, at(0))), ["Child"]);
    measure(&mut engine, "a", 25.0, at(10));
    let effects = tick(&mut engine, at(10));
    assert_eq!(names(&effects), ["Child", "Parent"]);
    // Those who have not been told in the meantime are not told any more.
    let flags: Vec<_> = effects.announced.iter().map(|a| a.suppressed).collect();
    assert_eq!(flags, [false, true]);
    measure(&mut engine, "a", 1.0, at(20));
    assert_eq!(names(&tick(&mut engine, at(20))), ["-Child", "-Parent"]);
}

#[test]
fn one_that_ends_while_it_is_suppressed_is_never_told() {
    let child = over("Child", 5.0, &BOTH, &["Parent"]);
    let parent = Rule {
        select: Selector::parse("operation=b").unwrap(),
        ..over("Parent", 5.0, &[], &[])
    };
    let mut engine = engine_of(vec![vec![parent, child]]);
    measure(&mut engine, "a", 15.0, at(0));
    measure(&mut engine, "b", 15.0, at(0));
    // Without a label in common the parent covers every instance.
    assert_eq!(names(&tick(&mut engine, at(0))), ["Parent"]);
    measure(&mut engine, "a", 1.0, at(10));
    assert_eq!(names(&tick(&mut engine, at(10))), ["Parent"]);
    measure(&mut engine, "b", 1.0, at(20));
    assert_eq!(names(&tick(&mut engine, at(20))), ["-Parent"]);
}

#[test]
fn chains_are_judged_from_their_end_and_a_rule_in_shadow_holds_nothing_back() {
    let chain = vec![
        over("C", 5.0, &BOTH, &["B"]),
        over("B", 5.0, &BOTH, &["A"]),
        over("A", 5.0, &BOTH, &[]),
        over("E", 5.0, &BOTH, &["D"]),
        Rule {
            mode: Mode::Shadow,
            ..over("D", 5.0, &BOTH, &[])
        },
    ];
    let mut engine = engine_of(vec![chain]);
    measure(&mut engine, "a", 15.0, at(0));
    let effects = tick(&mut engine, at(0));
    assert_eq!(names(&effects), ["A", "E"]);
    assert_eq!(effects.changes.len(), 5);
    let shadow: Vec<_> = (effects.changes.iter())
        .filter(|change| change.is_shadow)
        .map(|change| change.labels.get("alertname"))
        .collect();
    assert_eq!(shadow, ["D"]);
}

#[test]
fn a_suppressed_alert_that_nobody_knows_stays_out_of_messages() {
    let route = Route::root(
        "team",
        dispatch::GroupBy::Labels(Vec::new()),
        dispatch::Timing::default(),
    );
    let means = dispatch::Integration {
        send_resolved: true,
    };
    let receiver = Receiver {
        name: "team".into(),
        integrations: vec![means],
    };
    let child = over("Child", 5.0, &BOTH, &["Parent"]);
    let parent = over("Parent", 20.0, &["operation"], &[]);
    let settings = Settings {
        groups: vec![RuleGroup {
            rules: vec![parent, child],
            ..group(rule())
        }],
        route: Some(route),
        receivers: vec![receiver],
        ..Settings::default()
    };
    let mut engine = Engine::new(settings, at(0));
    let told = |notification: &Notification| -> Vec<String> {
        let alerts = notification.alerts.iter();
        alerts.map(|alert| alert.rule.clone()).collect()
    };
    // Announced, but before its group has waited long enough the parent fires too.
    measure(&mut engine, "a", 15.0, at(0));
    tick(&mut engine, at(0));
    measure(&mut engine, "a", 25.0, at(10));
    tick(&mut engine, at(10));
    let notifications = engine.flush(at(30));
    assert_eq!(told(&notifications[0]), ["Parent"]);
    measure(&mut engine, "a", 15.0, at(40));
    tick(&mut engine, at(40));
    let notifications = engine.flush(at(330));
    assert_eq!(told(&notifications[0]), ["Child", "Parent"]);
}

#[test]
fn a_rule_that_fails_raises_an_alert_where_it_is_asked_to() {
    let same = |name: &str| Templated {
        name: name.into(),
        template: Template::parse("same", &[]).unwrap(),
    };
    let mut rule = rule();
    rule.labels = ["operation", "algorithm"].map(same).into();
    rule.on_error = OnError::Alert;
    let mut engine = engine(rule);
    measure(&mut engine, "a", 15.0, at(0));
    assert_eq!(told(&tick(&mut engine, at(0))), words(&[("medium", true)]));
    measure(&mut engine, "b", 15.0, at(5));
    let effects = tick(&mut engine, at(10));
    let announced = &effects.announced[..];
    assert_eq!(announced.len(), 1);
    assert_eq!(announced[0].alert_type, "rule_error");
    assert_eq!(
        announced[0].labels.to_string(),
        r#"{alert_type="rule_error", alertname="Slow", algorithm="same", operation="same", severity="low"}"#
    );
    let summary = announced[0].annotations.get("summary");
    assert!(
        summary.starts_with("rule Slow fails: two instances"),
        "{summary}"
    );
    // What fired before is kept as it is.
    let rule = &engine.groups()[0].rules[0];
    assert!(matches!(rule.health, Health::Failed(_)));
    let firing: Vec<_> = (rule.alerts().filter(|a| a.state.is_firing()))
        .map(|alert| matches!(alert.subject, Subject::Failure(_)))
        .collect();
    assert_eq!(firing, [false, true]);
    engine.groups[0].rules[0].instances.pop_last();
    let effects = tick(&mut engine, at(20));
    assert_eq!(told(&effects), words(&[("medium", true), ("low", false)]));
}

#[test]
fn a_rule_on_opwatch_itself_sees_its_losses_and_no_other_rule_does() {
    let own = Rule {
        select: Selector::parse(r#"{operation="__opwatch__"}"#).unwrap(),
        condition: Condition::Threshold(Threshold {
            metric: Metric::named(own::SERIES_OVERFLOW),
            stat: Stat::Sum,
            reach: Reach::Time(Duration::from_secs(60)),
            comparison: Comparison::Above,
            levels: vec![level(Severity::Medium, 0.0)],
            min_samples: 1,
            relative: None,
        }),
        ..over("Overflow", 0.0, &[], &[])
    };
    let groups = vec![RuleGroup {
        rules: vec![own, over("All", -1.0, &BOTH, &[])],
        ..group(rule())
    }];
    let settings = Settings {
        groups,
        store: StoreSettings {
            max_series: 1,
            ..StoreSettings::default()
        },
        ..Settings::default()
    };
    let mut engine = Engine::new(settings, at(0));
    measure(&mut engine, "a", 1.0, at(0));
    assert_eq!(names(&tick(&mut engine, at(0))), ["All"]);
    for n in 0..3 {
        measure(&mut engine, &format!("new{n}"), 1.0, at(5));
    }
    let effects = tick(&mut engine, at(10));
    assert_eq!(names(&effects), ["All", "Overflow"]);
    let overflow = effects
        .announced
        .iter()
        .find(|a| a.rule == "Overflow")
        .unwrap();
    assert_eq!(overflow.value, Some(3.0));
    assert_eq!(
        overflow.labels.to_string(),
        r#"{alertname="Overflow", severity="medium"}"#
    );
    let series = engine.store().series().map(|(_, s)| s.key.operation());
    assert!(
        !series
            .into_iter()
            .any(|operation| operation == OWN_OPERATION)
    );
    for seconds in (20..100).step_by(10) {
        tick(&mut engine, at(seconds));
    }
    let all = engine.groups()[0].rules[0].alerts();
    assert_eq!(all.filter(|alert| alert.state.is_firing()).count(), 0);
}

//! Other rules and other labels, while alerts fire.

use super::*;

#[test]
fn a_reload_keeps_the_state_of_equal_rules_and_ends_the_alerts_of_others() {
    let mut engine = engine(rule());
    measure(&mut engine, "op", 15.0, at(0));
    tick(&mut engine, at(0));
    let settings = |definition| Settings {
        groups: vec![RuleGroup {
            file: "rules.yaml".into(),
            name: "group".into(),
            interval: Duration::from_secs(10),
            limit: 0,
            rules: vec![Rule {
                definition,
                ..rule()
            }],
        }],
        ..Settings::default()
    };
    let effects = engine.reconfigure(settings(1), at(5));
    assert!(effects.changes.is_empty());
    let alert = |engine: &Engine| engine.groups()[0].rules[0].alerts().next().map(|a| a.state);
    assert!(alert(&engine).unwrap().is_firing());
    let effects = engine.reconfigure(settings(2), at(6));
    assert_eq!(told(&effects), words(&[("medium", false)]));
    assert_eq!(
        effects.announced[0].ended.unwrap().1,
        EndReason::RuleRemoved
    );
    assert_eq!(alert(&engine), None);
}

#[test]
fn a_reload_that_changes_external_labels_ends_alerts_under_the_labels_they_were_told_with() {
    let route = Route::root(
        "team",
        dispatch::GroupBy::Labels(Vec::new()),
        dispatch::Timing::default(),
    );
    let settings = |cluster: &str| Settings {
        groups: vec![group(rule())],
        external: External {
            labels: [("cluster", cluster)].into_iter().collect(),
            url: String::new(),
        },
        route: Some(route.clone()),
        receivers: vec![Receiver {
            name: "team".into(),
            integrations: vec![dispatch::Integration {
                send_resolved: true,
            }],
        }],
        ..Settings::default()
    };
    let mut engine = Engine::new(settings("a"), at(0));
    measure(&mut engine, "op", 15.0, at(0));
    let began = tick(&mut engine, at(0)).announced.remove(0);
    assert_eq!(engine.flush(at(30)).len(), 1);
    let effects = engine.reconfigure(settings("b"), at(40));
    assert_eq!(effects.announced[0].labels, began.labels);
    assert!(!effects.announced[0].is_firing());
    let last = engine.history().next_back().unwrap();
    assert_eq!(last.change, alert::Change::Resolved(EndReason::RuleRemoved));
    let told = engine.flush(at(340));
    assert_eq!(told[0].status(), "resolved");
    assert_eq!(engine.next_due(), Some(at(40).steady));
}

//! Rules that are gone after a restart, and what is saved and deleted of those that are there.

use super::*;
use crate::engine::saved::SavedRule;

#[test]
fn alerts_of_a_rule_that_is_gone_end_and_are_told_so_as_without_a_restart() {
    for step in steps().skip(1) {
        let (mut running, kept) = kept_at(step);
        let fewer = || {
            let mut settings = settings();
            settings.groups[0]
                .rules
                .retain(|rule| rule.name == "Counting");
            settings
        };
        let (mut restored, ended) = kept.restore(fewer(), step);
        let expected = running.reconfigure(fewer(), time(step));
        let ends = |effects: &Effects| {
            let mut ends: Vec<_> = (effects.announced.iter())
                .map(|a| format!("{a:?}"))
                .collect();
            ends.sort();
            let mut changes: Vec<_> = effects.changes.iter().map(|c| format!("{c:?}")).collect();
            changes.sort();
            (ends, changes)
        };
        assert_eq!(ends(&ended), ends(&expected), "at {step}");
        assert!(ended.to_alertmanager.len() >= ended.announced.len());
        // Those who had been told hear of the end, and what was saved of the rule goes.
        let later = time(step + 10);
        let [told, would_be] = [&mut restored, &mut running].map(|engine| {
            let told = engine.flush(later).into_iter();
            told.map(|n| (n.group_key, n.alerts.len(), n.reason))
                .collect::<Vec<_>>()
        });
        assert_eq!(told, would_be, "at {step}");
        let mut kept = kept.clone();
        kept.save(&mut restored);
        assert!(kept.rules.keys().all(|key| key.contains("Counting")));
    }
}

#[test]
fn alerts_that_are_known_by_other_labels_now_end() {
    let (_, kept) = kept_at(6);
    let mut other = settings();
    other.external.labels.set("cluster", "us");
    let (engine, ended) = kept.restore(other, 6);
    assert!(!ended.announced.is_empty());
    assert!(
        ended
            .announced
            .iter()
            .all(|a| a.labels.get("cluster") == "eu")
    );
    let rules = engine.groups().iter().flat_map(|group| &group.rules);
    assert_eq!(rules.flat_map(RuleState::alerts).count(), 0);
}

#[test]
fn only_what_is_different_is_saved_again() {
    let mut engine = Engine::new(settings(), time(0));
    assert_eq!(engine.take_changed_rules(), []);
    feed(&mut engine, 0);
    tick(&mut engine, time(0));
    let changed = engine.take_changed_rules();
    let [missing] = changed.as_slice() else {
        panic!("{changed:?}");
    };
    let key = "rules.yaml\u{1f}group\u{1f}Missing\u{1f}0000000000000004";
    assert_eq!(missing.key, key);
    assert!(missing.body.is_some());
    tick(&mut engine, time(1));
    assert_eq!(engine.take_changed_rules(), []);
    engine.forget_saved(0);
    assert_eq!(engine.take_changed_rules(), changed);
    // Equal rules are told apart, and those that are gone are deleted, once more where that could not be kept.
    measure(&mut engine, "a", 15.0, time(2));
    tick(&mut engine, time(2));
    let saved = engine.take_changed_rules();
    let shadows = saved.iter().filter(|one| one.key.contains("Shadow"));
    assert_eq!(shadows.count(), 2);
    let mut fewer = settings();
    fewer.groups[0].rules.pop();
    engine.reconfigure(fewer, time(2));
    let gone = SavedRule {
        key: "rules.yaml\u{1f}group\u{1f}Shadow\u{1f}0000000000000007\u{1f}1".into(),
        body: None,
    };
    // Which of the equal ones goes on is left open.
    assert!(engine.take_changed_rules().contains(&gone));
    assert_eq!(engine.take_changed_rules(), []);
    engine.forget_saved(0);
    let all = engine.take_changed_rules();
    assert_eq!(all.len(), saved.len());
    assert!(all.contains(&gone));
}

#[test]
fn alerts_that_no_rule_knows_any_more_end() {
    for step in steps().skip(1) {
        let (_, mut kept) = kept_at(step);
        let (mut engine, _) = kept.restore(settings(), step);
        let told: Vec<u64> = (engine.groups()[0].rules[0].alerts())
            .filter(|alert| alert.told == judge::Told::Firing)
            .map(|alert| alert.fingerprint)
            .collect();
        let none = engine.end_unknown(time(step));
        assert!(none.announced.is_empty(), "at {step}");
        kept.rules.retain(|key, _| !key.contains("Patient"));
        let (mut engine, _) = kept.restore(settings(), step);
        let ended = engine.end_unknown(time(step));
        let mut expected = told;
        expected.sort_unstable();
        let ends: Vec<_> = ended.announced.iter().map(|a| a.fingerprint).collect();
        assert_eq!(ends, expected, "at {step}");
        let end = Some((time(step).wall, EndReason::RuleRemoved));
        assert!(ended.announced.iter().all(|alert| alert.ended == end));
        assert!(engine.end_unknown(time(step)).announced.is_empty());
    }
}

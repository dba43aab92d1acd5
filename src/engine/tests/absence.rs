//! Rules on absence: what they have seen, expect and forget.

use super::*;
use crate::engine::condition::Absence;
use crate::engine::measurement::Outcome;

const DEADLINE: u64 = 120;
const REMEMBER: u64 = 1_000;

fn missing(expect: &[&[(&str, &str)]]) -> Rule {
    let seconds = Duration::from_secs;
    Rule {
        name: "Missing".into(),
        condition: Condition::Absence(Absence {
            expect_every: seconds(100),
            grace: seconds(20),
            remember: seconds(REMEMBER),
            expect: (expect.iter())
                .map(|labels| labels.iter().copied().collect())
                .collect(),
            levels: [level(Severity::Medium, 120.0)],
        }),
        labels: Vec::new(),
        annotations: vec![Templated {
            name: "summary".into(),
            template: Template::parse("{{ $value }}/{{ $threshold }}", &["value", "threshold"])
                .unwrap(),
        }],
        ..rule()
    }
}

fn ran<'a>(operation: &'a str, algorithm: &'a str) -> Draft<'a> {
    Draft {
        operation,
        algorithm,
        duration_seconds: Some(1.0),
        ..Draft::default()
    }
}

/// Changes of alerts between two times, an evaluation every ten seconds: second, instance and what became of it.
fn changes(engine: &mut Engine, from: u64, until: u64) -> Vec<(u64, String, alert::Change)> {
    let mut all: Vec<(u64, String, alert::Change)> = Vec::new();
    for seconds in (from..=until).step_by(10) {
        for change in tick(engine, at(seconds)).changes {
            let [operation, algorithm] = ["operation", "algorithm"].map(|n| change.labels.get(n));
            all.push((seconds, format!("{operation}/{algorithm}"), change.change));
        }
    }
    all.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    all
}

fn fired(seconds: u64, instance: &str) -> (u64, String, alert::Change) {
    (seconds, instance.to_owned(), alert::Change::Fired)
}

fn ended(seconds: u64, instance: &str, reason: EndReason) -> (u64, String, alert::Change) {
    (
        seconds,
        instance.to_owned(),
        alert::Change::Resolved(reason),
    )
}

#[test]
fn what_has_been_seen_is_missed_after_its_deadline_and_recovers_when_it_comes() {
    let mut engine = engine(missing(&[]));
    send(&mut engine, vec![ran("train", "a")], None, at(0));
    assert_eq!(changes(&mut engine, 0, DEADLINE), []);
    let effects = tick(&mut engine, at(130));
    let announced = &effects.announced[0];
    assert_eq!(announced.alert_type, "absence");
    assert_eq!((announced.value, announced.limit), (Some(130.0), 120.0));
    assert_eq!(announced.annotations.get("summary"), "130/120");
    assert_eq!((announced.metric.as_str(), announced.n), ("absence", 1));
    assert_eq!(announced.labels.get("severity"), "medium");
    send(&mut engine, vec![ran("train", "a")], None, at(135));
    assert_eq!(
        changes(&mut engine, 140, 300),
        [
            ended(140, "train/a", EndReason::Recovered),
            fired(260, "train/a")
        ]
    );
}

#[test]
fn a_failure_is_seen_a_report_is_not_and_a_version_makes_no_difference() {
    let mut engine = engine(missing(&[]));
    let failed = Draft {
        outcome: Some(Outcome::Failure),
        duration_seconds: None,
        version: "2",
        ..ran("train", "")
    };
    let report = Draft {
        quality: vec![("f1", 0.9)],
        duration_seconds: None,
        ..ran("train", "")
    };
    let only_reports = Draft {
        operation: "score",
        ..report.clone()
    };
    send(&mut engine, vec![ran("train", "")], None, at(0));
    send(&mut engine, vec![failed, only_reports], None, at(100));
    assert_eq!(changes(&mut engine, 0, 220), []);
    send(&mut engine, vec![report], None, at(221));
    assert_eq!(changes(&mut engine, 230, 500), [fired(230, "train/")]);
}

#[test]
fn an_operation_counts_from_its_own_end_not_from_its_arrival() {
    let mut engine = engine(missing(&[]));
    let late = Draft {
        at: Some(at(0).wall),
        ..ran("train", "a")
    };
    send(&mut engine, vec![late], None, at(50));
    assert_eq!(changes(&mut engine, 50, 200), [fired(130, "train/a")]);
}

#[test]
fn what_is_expected_is_missed_without_history_and_merges_with_what_comes() {
    let mut engine = engine(missing(&[
        &[("operation", "train")],
        &[("operation", "score")],
    ]));
    assert_eq!(changes(&mut engine, 0, 120), []);
    let effects = tick(&mut engine, at(130));
    assert_eq!(effects.announced.len(), 2);
    assert_eq!(
        (effects.announced[0].n, effects.announced[0].value),
        (0, Some(130.0))
    );
    send(&mut engine, vec![ran("train", "a")], None, at(135));
    assert_eq!(
        changes(&mut engine, 140, 300),
        [
            ended(140, "train/", EndReason::Recovered),
            fired(260, "train/a")
        ]
    );
    let instances: Vec<_> = engine.groups()[0].rules[0].instances.keys().collect();
    assert_eq!(instances.len(), 2, "{instances:?}");
}

#[test]
fn what_has_been_away_for_long_is_forgotten_unless_it_is_expected() {
    let mut engine = engine(missing(&[&[("operation", "train")]]));
    let runs = vec![ran("train", "old"), ran("train", "new"), ran("other", "x")];
    send(&mut engine, runs, None, at(0));
    send(&mut engine, vec![ran("train", "new")], None, at(50));
    assert_eq!(
        changes(&mut engine, 0, 5_000),
        [
            fired(130, "other/x"),
            fired(130, "train/old"),
            fired(180, "train/new"),
            ended(1_010, "other/x", EndReason::Forgotten),
            ended(1_010, "train/old", EndReason::Forgotten),
        ]
    );
    // The one that came last stands for what is expected; one that was forgotten begins anew.
    send(&mut engine, vec![ran("other", "x")], None, at(5_005));
    assert_eq!(
        changes(&mut engine, 5_010, 5_200),
        [fired(5_130, "other/x")]
    );
}

#[test]
fn a_forgotten_alert_is_told_as_such_and_a_pending_one_just_goes() {
    let mut rule = missing(&[]);
    rule.hold.hold = Duration::from_secs(10_000);
    let mut engine = engine(rule);
    send(&mut engine, vec![ran("train", "a")], None, at(0));
    let all = changes(&mut engine, 0, 2_000);
    assert_eq!(
        all[1],
        (1_010, "train/a".to_owned(), alert::Change::Dropped)
    );
    let mut engine = super::engine(missing(&[]));
    send(&mut engine, vec![ran("train", "a")], None, at(0));
    changes(&mut engine, 0, 1_000);
    let effects = tick(&mut engine, at(1_010));
    assert_eq!(effects.announced[0].ended.unwrap().1, EndReason::Forgotten);
    assert_eq!(EndReason::Forgotten.as_str(), "forgotten");
}

#[test]
fn a_series_that_the_store_has_given_up_is_still_missed() {
    let settings = Settings {
        groups: vec![group(missing(&[]))],
        store: StoreSettings {
            max_series: 1,
            series_ttl: Duration::from_secs(30),
            ..StoreSettings::default()
        },
        ..Settings::default()
    };
    let mut engine = Engine::new(settings, at(0));
    send(&mut engine, vec![ran("train", "a")], None, at(0));
    assert_eq!(changes(&mut engine, 0, 100), []);
    send(&mut engine, vec![ran("other", "x")], None, at(100));
    assert_eq!(engine.store().losses.evicted_series, 1);
    let all = changes(&mut engine, 110, 1_200);
    assert_eq!(all[0], fired(130, "train/a"));
    assert!(
        all.contains(&ended(1_010, "train/a", EndReason::Forgotten)),
        "{all:?}"
    );
}

#[test]
fn what_may_have_gone_into_an_overflow_series_is_not_missed() {
    let settings = Settings {
        groups: vec![group(missing(&[&[("operation", "score")]]))],
        store: StoreSettings {
            max_series: 1,
            ..StoreSettings::default()
        },
        ..Settings::default()
    };
    let mut engine = Engine::new(settings, at(0));
    send(&mut engine, vec![ran("train", "a")], None, at(0));
    tick(&mut engine, at(0));
    // Both are beyond the cap: the first keeps its operation, of the second nothing is left.
    send(
        &mut engine,
        vec![ran("train", "b"), ran("score", "x")],
        None,
        at(100),
    );
    let all = changes(&mut engine, 110, 220);
    assert_eq!(all, [fired(130, "score/")]);
    assert_eq!(changes(&mut engine, 230, 300), [fired(230, "train/a")]);
}

#[test]
fn time_in_which_judging_is_paused_counts_for_no_deadline() {
    let mut engine = engine(missing(&[&[("operation", "score")]]));
    send(&mut engine, vec![ran("train", "a")], None, at(0));
    assert_eq!(changes(&mut engine, 0, 50), []);
    engine.pause(at(50));
    // Seen while nobody judged: as if it had come when judging stopped.
    send(&mut engine, vec![ran("other", "x")], None, at(5_000));
    engine.resume(at(10_050));
    assert_eq!(
        changes(&mut engine, 10_060, 10_400),
        [
            fired(10_130, "score/"),
            fired(10_130, "train/a"),
            fired(10_180, "other/x")
        ]
    );
}

#[test]
fn the_first_deadline_counts_from_the_first_evaluation_of_the_rule() {
    let mut engine = Engine::new(Settings::default(), at(0));
    let settings = Settings {
        groups: vec![group(missing(&[&[("operation", "train")]]))],
        ..Settings::default()
    };
    engine.reconfigure(settings, at(1_000));
    assert_eq!(changes(&mut engine, 1_000, 1_300), [fired(1_130, "train/")]);
}

#[test]
fn too_many_instances_are_given_up_counted_but_never_one_that_fires_or_is_expected() {
    let settings = Settings {
        groups: vec![group(missing(&[&[("operation", "train")]]))],
        store: StoreSettings {
            max_series: 2,
            series_ttl: Duration::from_secs(15),
            ..StoreSettings::default()
        },
        ..Settings::default()
    };
    let mut engine = Engine::new(settings, at(0));
    // As where there are rules on what opwatch measures of itself.
    engine.own().is_judged = true;
    send(
        &mut engine,
        vec![ran("train", "a"), ran("one", "")],
        None,
        at(0),
    );
    assert_eq!(changes(&mut engine, 0, 130).len(), 2);
    // Four may be remembered, and two fire for good; what else came is forgotten first.
    for (n, name) in ["b", "c", "d", "e"].into_iter().enumerate() {
        let seconds = 140 + 20 * n as u64;
        send(&mut engine, vec![ran(name, "")], None, at(seconds));
        tick(&mut engine, at(seconds));
    }
    let rule = &engine.groups()[0].rules[0];
    let mut names: Vec<_> = rule.instances.keys().map(|l| l.get("operation")).collect();
    names.sort_unstable();
    assert_eq!(names, ["d", "e", "one", "train"]);
    let own = &engine.own().store;
    let ids: Vec<_> = own.series().map(|(id, _)| id).collect();
    engine.due(at(300));
    let own = &engine.own().store;
    let column = own.column(&Metric::named(own::ABSENCE_FORGOTTEN)).unwrap();
    let window = own.window(&ids, column, Reach::Runs(100), false, at(300).wall);
    assert_eq!(window.stat(Stat::Sum), Some(2.0));
}

#[test]
fn a_limit_on_alerts_does_not_make_a_rule_forget() {
    let mut engine = engine(missing(&[]));
    engine.groups[0].limit = 1;
    send(&mut engine, vec![ran("a", ""), ran("b", "")], None, at(0));
    changes(&mut engine, 0, 200);
    let rule = &engine.groups()[0].rules[0];
    assert!(matches!(rule.health, judge::Health::Failed(_)));
    send(&mut engine, vec![ran("a", "")], None, at(205));
    assert_eq!(changes(&mut engine, 210, 300), [fired(210, "b/")]);
}

#[test]
fn an_absence_holds_and_is_kept_like_any_other_alert() {
    let mut rule = missing(&[]);
    rule.hold.hold = Duration::from_secs(20);
    rule.hold.keep_firing_for = Duration::from_secs(30);
    let mut engine = engine(rule);
    send(&mut engine, vec![ran("train", "a")], None, at(0));
    let all = changes(&mut engine, 0, 150);
    assert_eq!(all[0], (130, "train/a".to_owned(), alert::Change::Started));
    assert_eq!(all[1..], [fired(150, "train/a")]);
    send(&mut engine, vec![ran("train", "a")], None, at(155));
    assert_eq!(
        changes(&mut engine, 160, 270),
        [ended(190, "train/a", EndReason::Recovered)]
    );
}

#[test]
fn history_that_comes_later_is_not_missed_at_once() {
    let history = |operation| Draft {
        at: Some(at(4_500).wall),
        ..ran(operation, "a")
    };
    let mut engine = engine(missing(&[&[("operation", "score")]]));
    assert_eq!(changes(&mut engine, 0, 5_000), [fired(130, "score/")]);
    let both = vec![history("train"), history("score")];
    send(&mut engine, both, None, at(5_005));
    // What is expected goes on being missed: nothing of it has come in time.
    assert_eq!(
        changes(&mut engine, 5_010, 5_200),
        [fired(5_010, "score/a"), fired(5_140, "train/a"),]
    );
    // A new rule goes by what is known.
    let mut engine = super::engine(rule());
    send(&mut engine, vec![history("train")], None, at(4_505));
    engine.reconfigure(
        Settings {
            groups: vec![group(missing(&[]))],
            ..Settings::default()
        },
        at(5_000),
    );
    assert_eq!(
        changes(&mut engine, 5_000, 5_100),
        [fired(5_000, "train/a")]
    );
}

//! What people do about alerts, and what is done if they do nothing.

use super::*;
use crate::engine::alert::Change;
use crate::engine::dispatch::acknowledgement::{self, Wish};
use crate::engine::dispatch::{
    GroupBy, HandlingError, Integration, Notification, Silence, Stage, Timing, matching,
};

mod escalation;

const STAGES: [&str; 2] = ["lead", "boss"];

/// Alerts of all operations in one group without a wait, looked at every 10 s, repeated every 100 s.
fn settings(stages: Vec<Stage>) -> Settings {
    let timing = Timing {
        group_wait: Duration::ZERO,
        group_interval: Duration::from_secs(10),
        repeat_interval: Duration::from_secs(100),
    };
    let receiver = |name: &str| Receiver {
        name: name.into(),
        integrations: vec![Integration {
            send_resolved: true,
        }],
    };
    Settings {
        groups: vec![group(rule())],
        route: Some(Route::root("team", GroupBy::Labels(Vec::new()), timing)),
        receivers: ["team", STAGES[0], STAGES[1]].map(receiver).to_vec(),
        escalations: stages,
        ..Settings::default()
    }
}

fn stage(name: &str, after: Option<u64>) -> Stage {
    Stage {
        name: name.into(),
        matchers: Selector::default(),
        after: after.map(Duration::from_secs),
        more_than: None,
        unless_acknowledged: true,
        receiver: name.into(),
        repeat_interval: None,
    }
}

/// Measures an operation, if that is said, judges and tells: who is told why, and of each alert its operation, severity
/// and why.
fn go(engine: &mut Engine, seconds: u64, measured: &[(&str, f64)]) -> Vec<String> {
    for (operation, value) in measured {
        measure(engine, operation, *value, at(seconds));
    }
    tick(engine, at(seconds));
    let told = engine.flush(at(seconds));
    told.iter().map(shown).collect()
}

fn shown(one: &Notification) -> String {
    // In an order that does not depend on fingerprints.
    let mut alerts = one.alerts.clone();
    alerts.sort_by_key(|alert| (!alert.is_firing(), alert.labels.get("operation").to_owned()));
    let alerts = alerts.iter().map(|alert| {
        let (operation, severity) = (alert.labels.get("operation"), alert.labels.get("severity"));
        format!("{operation} {severity} {}", one.news_of(alert).as_str())
    });
    let alerts: Vec<String> = alerts.collect();
    let (receiver, why) = (&one.receiver, one.news().as_str());
    format!("{receiver} {why}: {}", alerts.join(", "))
}

/// The fingerprint of the alert of an operation that others know to fire.
fn fingerprint(engine: &Engine, operation: &str) -> u64 {
    let alerts = engine.dispatcher().alerts(at(0));
    let mut of = (alerts.iter()).filter(|(one, _)| one.labels.get("operation") == operation);
    of.next().unwrap().0.fingerprint
}

fn wish(seconds: Option<u64>) -> Wish {
    Wish {
        by: "ann".into(),
        comment: "on it".into(),
        expires_after: seconds.map(Duration::from_secs),
    }
}

fn acknowledge(engine: &mut Engine, operation: &str, now: u64, seconds: Option<u64>) {
    let of = fingerprint(engine, operation);
    engine
        .acknowledge(of, None, wish(seconds), at(now))
        .unwrap();
}

fn looked_after(engine: &Engine, now: u64) -> Vec<(String, String)> {
    let all = engine.dispatcher().acknowledgements();
    let alerts = engine.dispatcher().alerts(at(now));
    let alerts = alerts
        .iter()
        .filter(|(alert, _)| all.of(alert, at(now).wall).is_some());
    let name = |one: &Announced, label: &str| one.labels.get(label).to_owned();
    alerts
        .map(|(one, _)| (name(one, "operation"), name(one, "severity")))
        .collect()
}

#[test]
fn every_notification_says_why_of_the_whole_and_of_each_alert() {
    let mut engine = Engine::new(settings(Vec::new()), at(0));
    assert_eq!(
        go(&mut engine, 10, &[("a", 15.0)]),
        ["team fired: a medium fired"]
    );
    assert_eq!(
        go(&mut engine, 20, &[("b", 15.0)]),
        ["team fired: a medium repeat, b medium fired"]
    );
    // A higher level is no new alert, and the lower one has not recovered.
    assert_eq!(
        go(&mut engine, 30, &[("a", 25.0)]),
        ["team level_raised: a critical level_raised, b medium repeat, a medium level_raised"]
    );
    assert_eq!(
        go(&mut engine, 40, &[("a", 15.0)]),
        ["team level_fallen: a medium level_fallen, b medium repeat, a critical resolved"]
    );
    assert_eq!(
        go(&mut engine, 50, &[("b", 5.0)]),
        ["team resolved: a medium repeat, b medium resolved"]
    );
    assert_eq!(go(&mut engine, 140, &[]), Vec::<String>::new());
    assert_eq!(go(&mut engine, 150, &[]), ["team repeat: a medium repeat"]);
    let silence = |engine: &mut Engine, from, to| {
        let silence = Silence {
            id: String::new(),
            matchers: matching::parse("operation=a").unwrap(),
            starts_at: at(from).wall,
            ends_at: at(to).wall,
            updated_at: at(from).wall,
            created_by: String::new(),
            comment: String::new(),
        };
        engine.set_silence(silence, at(from)).unwrap();
    };
    silence(&mut engine, 155, 165);
    assert_eq!(go(&mut engine, 160, &[]), Vec::<String>::new());
    assert_eq!(
        go(&mut engine, 170, &[]),
        ["team silence_ended: a medium silence_ended"]
    );
    // The rule is another one: that is not the same as a series that is gone.
    let mut other = settings(Vec::new());
    other.groups[0].rules[0].definition = 9;
    other.groups[0].rules[0].name = "Other".into();
    other.groups[0].rules[0].select = Selector::parse("operation=none").unwrap();
    engine.reconfigure(other, at(175));
    assert_eq!(
        go(&mut engine, 180, &[]),
        ["team rule_removed: a medium rule_removed"]
    );
    let raised: Vec<bool> = engine.history().map(|change| change.is_raised).collect();
    let count = |wanted| raised.iter().filter(|one| **one == wanted).count();
    assert_eq!((count(true), count(false)), (1, raised.len() - 1));
}

#[test]
fn what_fires_at_a_high_level_at_once_has_not_been_raised() {
    let mut engine = Engine::new(settings(Vec::new()), at(0));
    assert_eq!(
        go(&mut engine, 10, &[("a", 25.0)]),
        ["team fired: a critical fired"]
    );
    assert!(engine.history().all(|change| !change.is_raised));
}

#[test]
fn an_alert_that_is_resolved_by_hand_ends_once_and_stays_quiet_until_it_next_holds() {
    let mut engine = Engine::new(settings(Vec::new()), at(0));
    go(&mut engine, 10, &[("a", 25.0), ("b", 15.0)]);
    let of = fingerprint(&engine, "a");
    let (ended, effects) = engine.resolve(of, at(15)).unwrap();
    // With the level below it, which says less of the same.
    assert_eq!(
        (ended.len(), told(&effects)),
        (2, words(&[("critical", false)]))
    );
    let end = HandlingError::Ended(of, at(15).wall);
    assert_eq!(engine.resolve(of, at(16)).unwrap_err(), end);
    let unknown = engine.resolve(1, at(16)).unwrap_err();
    assert_eq!(unknown, HandlingError::NotFound(1));
    assert_eq!(
        go(&mut engine, 20, &[("a", 25.0)]),
        ["team resolved_by_hand: b medium repeat, a critical resolved_by_hand"]
    );
    // Long after what has ended is forgotten.
    for step in 3..150 {
        let told = go(&mut engine, step * 10, &[("a", 25.0)]);
        assert!(
            told.iter().all(|one| !one.contains("a critical")),
            "{told:?}"
        );
    }
    assert_eq!(go(&mut engine, 1_500, &[("a", 5.0)]).len(), 0);
    assert_eq!(
        go(&mut engine, 1_510, &[("a", 25.0)]),
        ["team fired: a critical fired, b medium repeat"]
    );
}

#[test]
fn a_level_above_one_that_was_resolved_by_hand_is_news() {
    let mut engine = Engine::new(settings(Vec::new()), at(0));
    go(&mut engine, 10, &[("a", 15.0)]);
    engine.resolve(fingerprint(&engine, "a"), at(15)).unwrap();
    go(&mut engine, 20, &[]);
    assert_eq!(go(&mut engine, 35, &[("a", 25.0)]), Vec::<String>::new());
    assert_eq!(go(&mut engine, 40, &[]), ["team fired: a critical fired"]);
    // Down again it is as over as it was before.
    assert_eq!(
        go(&mut engine, 50, &[("a", 15.0)]),
        ["team resolved: a critical resolved"]
    );
    assert_eq!(go(&mut engine, 70, &[("a", 15.0)]), Vec::<String>::new());
}

#[test]
fn alerts_of_one_type_or_all_are_cleared() {
    let mut engine = Engine::new(settings(Vec::new()), at(0));
    go(&mut engine, 10, &[("a", 25.0), ("b", 15.0)]);
    assert_eq!(engine.clear(Some("absence"), at(11)).0.len(), 0);
    assert_eq!(engine.clear(Some("threshold_exceeded"), at(12)).0.len(), 3);
    assert_eq!(engine.clear(None, at(13)).0.len(), 0);
    assert_eq!(
        go(&mut engine, 20, &[]),
        ["team resolved_by_hand: a critical resolved_by_hand, b medium resolved_by_hand"]
    );
    assert_eq!(go(&mut engine, 30, &[("a", 25.0)]), Vec::<String>::new());
}

#[test]
fn what_somebody_looks_after_is_not_repeated_but_news_is_told() {
    let mut engine = Engine::new(settings(Vec::new()), at(0));
    go(&mut engine, 10, &[("a", 15.0)]);
    acknowledge(&mut engine, "a", 15, Some(300));
    assert_eq!(go(&mut engine, 200, &[]), Vec::<String>::new());
    assert_eq!(
        go(&mut engine, 210, &[("b", 15.0)]),
        ["team fired: a medium repeat, b medium fired"]
    );
    // Of a group in which somebody looks after one alert only the other is reason enough.
    assert_eq!(
        go(&mut engine, 310, &[]),
        ["team repeat: a medium repeat, b medium repeat"]
    );
    acknowledge(&mut engine, "b", 311, None);
    // The first has expired at 315.
    assert_eq!(looked_after(&engine, 314).len(), 2);
    assert_eq!(looked_after(&engine, 315).len(), 1);
    assert_eq!(
        go(&mut engine, 410, &[]),
        ["team repeat: a medium repeat, b medium repeat"]
    );
    assert_eq!(
        go(&mut engine, 420, &[("b", 5.0)]),
        ["team resolved: a medium repeat, b medium resolved"]
    );
    go(&mut engine, 430, &[("b", 15.0)]);
    assert_eq!(looked_after(&engine, 430), []);
    let changes: Vec<_> = engine
        .history()
        .map(|one| (one.change, &*one.note))
        .collect();
    let noted = changes
        .iter()
        .filter(|(one, _)| *one == Change::Acknowledged);
    assert_eq!(noted.clone().count(), 2);
    assert!(noted.clone().all(|(_, note)| *note == "ann: on it"));
}

#[test]
fn an_acknowledgement_ends_with_a_rise_of_the_severity_and_stays_over_a_fall() {
    let mut engine = Engine::new(settings(Vec::new()), at(0));
    go(&mut engine, 10, &[("a", 25.0)]);
    acknowledge(&mut engine, "a", 15, None);
    go(&mut engine, 20, &[("a", 15.0)]);
    assert_eq!(looked_after(&engine, 20), [("a".into(), "medium".into())]);
    let told = go(&mut engine, 30, &[("a", 25.0)]);
    assert_eq!(
        told,
        ["team level_raised: a critical level_raised, a medium level_raised"]
    );
    assert_eq!(looked_after(&engine, 30), []);
    // Taken back by hand.
    acknowledge(&mut engine, "a", 35, None);
    let of = fingerprint(&engine, "a");
    assert_eq!(engine.unacknowledge(of, at(36)).unwrap().0.by, "ann");
    let error = engine.unacknowledge(of, at(37)).unwrap_err();
    assert_eq!(error, HandlingError::NotAcknowledged(of));
    assert_eq!(looked_after(&engine, 37), []);
}

#[test]
fn what_cannot_be_acknowledged_is_refused_with_the_reason() {
    let mut engine = Engine::new(settings(Vec::new()), at(0));
    go(&mut engine, 10, &[("a", 25.0)]);
    let of = fingerprint(&engine, "a");
    let mut set = |of: u64, started: Option<Timestamp>, wish: Wish| {
        engine.acknowledge(of, started, wish, at(11)).unwrap_err()
    };
    assert_eq!(set(1, None, wish(None)), HandlingError::NotFound(1));
    let started = at(10).wall;
    assert_eq!(
        set(of, Some(at(9).wall), wish(None)),
        HandlingError::Another(of, started)
    );
    let nobody = Wish {
        by: " ".into(),
        ..wish(None)
    };
    assert_eq!(set(of, Some(started), nobody), HandlingError::Nobody);
    let long = Wish {
        comment: "x".repeat(acknowledgement::MOST_BYTES),
        ..wish(None)
    };
    let bytes = acknowledgement::MOST_BYTES + 3;
    assert_eq!(set(of, None, long), HandlingError::TooLong(bytes));
    for time in [0, 400 * 24 * 3_600] {
        let error = HandlingError::Time(Duration::from_secs(time));
        assert_eq!(set(of, None, wish(Some(time))), error);
    }
    // Of the lower level nobody is told.
    let mut alerts = engine.groups()[0].rules[0].alerts();
    let medium = alerts.find(|one| one.labels.get("severity") == "medium");
    let medium = medium.unwrap().fingerprint;
    drop(alerts);
    let error = engine
        .acknowledge(medium, None, wish(None), at(11))
        .unwrap_err();
    assert_eq!(error, HandlingError::NotTold(medium));
}

/// Case 11: a cooldown is the interval of the group: in it the same breach is told once; without one each time.
#[test]
fn case_11_the_same_breach_twice_within_the_cooldown_is_told_once_and_without_one_twice() {
    for (cooldown, expected) in [(60, 1), (0, 2)] {
        let mut settings = settings(Vec::new());
        let timing = &mut settings.route.as_mut().unwrap().timing;
        timing.group_interval = Duration::from_secs(cooldown.max(1));
        let mut engine = Engine::new(settings, at(0));
        let mut firing = 0;
        for (seconds, value) in [(10, 15.0), (20, 5.0), (30, 15.0), (40, 15.0)] {
            let told = go(&mut engine, seconds, &[("a", value)]);
            firing += told
                .iter()
                .filter(|one| one.contains("a medium fired"))
                .count();
        }
        assert_eq!(firing, expected, "cooldown {cooldown}");
    }
}

//! Who else is told when nobody does anything.

use super::*;
use crate::engine::dispatch::News;
use crate::engine::dispatch::escalation::{Cause, Often};

#[test]
fn what_nobody_acknowledges_is_escalated_stage_by_stage_and_its_end_is_told_to_all() {
    let stages = vec![stage("lead", Some(30)), stage("boss", Some(60))];
    let mut engine = Engine::new(settings(stages), at(0));
    assert_eq!(
        go(&mut engine, 10, &[("a", 15.0)]),
        ["team fired: a medium fired"]
    );
    assert_eq!(go(&mut engine, 39, &[]), Vec::<String>::new());
    measure(&mut engine, "a", 15.0, at(40));
    tick(&mut engine, at(40));
    let told = engine.flush(at(40));
    assert_eq!(
        told.iter().map(shown).collect::<Vec<_>>(),
        ["lead escalated: a medium escalated"]
    );
    let escalated = told[0].escalation.clone().unwrap();
    let (fired_for, after) = (Duration::from_secs(30), Duration::from_secs(30));
    assert_eq!(escalated.cause, Cause::Age { fired_for, after });
    assert!(escalated.is_unacknowledged && escalated.name == "lead");
    assert_eq!(told[0].group_key, "escalation{name=\"lead\"}:{}");
    assert_eq!(told[0].news(), News::Escalated);
    // Once; another alert of its group is told with it.
    assert_eq!(go(&mut engine, 50, &[("b", 15.0)]).len(), 1);
    assert_eq!(
        go(&mut engine, 70, &[]),
        ["boss escalated: a medium escalated"]
    );
    assert_eq!(
        go(&mut engine, 80, &[]),
        ["lead escalated: a medium repeat, b medium escalated"]
    );
    assert_eq!(
        go(&mut engine, 90, &[("a", 5.0)]),
        [
            "team resolved: b medium repeat, a medium resolved",
            "lead resolved: b medium repeat, a medium resolved",
            "boss resolved: a medium resolved",
        ]
    );
    let counts: Vec<_> = engine.dispatcher().escalated().collect();
    assert_eq!(counts, [("lead", 2), ("boss", 1)]);
    let escalated = engine
        .history()
        .filter(|one| one.change == Change::Escalated);
    let notes: Vec<&str> = escalated.map(|one| &*one.note).collect();
    assert_eq!(notes, ["lead", "boss", "lead"]);
}

#[test]
fn an_acknowledgement_holds_escalation_up_until_it_expires_unless_the_stage_does_not_care() {
    let mut uncaring = stage("boss", Some(30));
    uncaring.unless_acknowledged = false;
    uncaring.repeat_interval = Some(Duration::from_secs(50));
    let stages = vec![stage("lead", Some(30)), uncaring];
    let mut engine = Engine::new(settings(stages), at(0));
    go(&mut engine, 10, &[("a", 15.0)]);
    acknowledge(&mut engine, "a", 15, Some(100));
    assert_eq!(
        go(&mut engine, 40, &[]),
        ["boss escalated: a medium escalated"]
    );
    // What somebody looks after is not repeated there either.
    assert_eq!(go(&mut engine, 109, &[]), Vec::<String>::new());
    assert_eq!(
        go(&mut engine, 120, &[]),
        [
            "team repeat: a medium repeat",
            "lead escalated: a medium escalated",
            "boss repeat: a medium repeat"
        ]
    );
    assert_eq!(go(&mut engine, 170, &[]), ["boss repeat: a medium repeat"]);
}

#[test]
fn what_is_silenced_is_not_escalated_while_it_is() {
    let mut engine = Engine::new(settings(vec![stage("lead", Some(30))]), at(0));
    go(&mut engine, 10, &[("a", 15.0)]);
    let silence = Silence {
        id: String::new(),
        matchers: matching::parse("operation=a").unwrap(),
        starts_at: at(15).wall,
        ends_at: at(100).wall,
        updated_at: at(15).wall,
        created_by: String::new(),
        comment: String::new(),
    };
    engine.set_silence(silence, at(15)).unwrap();
    assert_eq!(go(&mut engine, 99, &[]), Vec::<String>::new());
    let told = go(&mut engine, 100, &[]);
    assert_eq!(told, ["lead escalated: a medium escalated"]);
}

#[test]
fn an_alert_that_fires_too_often_is_escalated_once_for_so_many() {
    let mut often = stage("lead", None);
    often.more_than = Some(Often {
        times: 2,
        within: Duration::from_secs(200),
    });
    let mut engine = Engine::new(settings(vec![often]), at(0));
    let mut escalated = Vec::new();
    for time in 1..=8 {
        for (seconds, value) in [(time * 20, 15.0), (time * 20 + 10, 5.0)] {
            let told = go(&mut engine, seconds, &[("a", value)]);
            let to_lead = told.iter().filter(|one| one.starts_with("lead"));
            escalated.extend(to_lead.map(|one| (time, one.clone())));
        }
    }
    let fired = |time| (time, "lead escalated: a medium escalated".to_owned());
    let ended = |time| (time, "lead resolved: a medium resolved".to_owned());
    assert_eq!(escalated, [fired(3), ended(3), fired(6), ended(6)]);
    // Not as often within the time.
    for time in 10..16 {
        for (seconds, value) in [(time * 110, 15.0), (time * 110 + 10, 5.0)] {
            let told = go(&mut engine, seconds, &[("a", value)]);
            assert!(told.iter().all(|one| !one.starts_with("lead")), "{told:?}");
        }
    }
}

//! When rules are evaluated, and which time counts.

use super::*;

#[test]
fn a_hold_of_whole_intervals_does_not_depend_on_how_punctual_evaluations_are() {
    let late = |seconds: u64, millis: u64| {
        Now::invented(at(seconds).steady + Duration::from_millis(millis))
    };
    let mut rule = rule();
    rule.hold.hold = Duration::from_secs(20);
    let mut engine = engine(rule);
    measure(&mut engine, "op", 15.0, at(0));
    for (now, expected) in [
        (late(0, 7), Some(alert::Change::Started)),
        (late(10, 900), None),
        (late(20, 1), Some(alert::Change::Fired)),
    ] {
        let effects = tick(&mut engine, now);
        assert_eq!(effects.changes.first().map(|c| c.change), expected);
    }
}

#[test]
fn pausing_stops_judging_and_counts_for_no_clock() {
    let mut rule = rule();
    rule.hold.hold = Duration::from_secs(20);
    let mut engine = engine(rule);
    measure(&mut engine, "op", 15.0, at(0));
    tick(&mut engine, at(0));
    engine.pause(at(5));
    assert!(tick(&mut engine, at(100)).changes.is_empty());
    assert_eq!(engine.next_due(), None);
    engine.resume(at(1_005));
    // Judged at 0 and, 10 s of judged time later, at 1 010; it fires only after 20.
    assert!(tick(&mut engine, at(1_010)).changes.is_empty());
    let effects = tick(&mut engine, at(1_020));
    assert_eq!(effects.changes[0].change, alert::Change::Fired);
}

#[test]
fn evaluations_come_once_an_interval_on_its_grid_and_missed_ones_are_counted() {
    let mut engine = engine(rule());
    assert_eq!(engine.due(at(0)).len(), 1);
    assert_eq!(engine.due(at(9)).len(), 0);
    assert_eq!(engine.due(at(10)).len(), 1);
    assert_eq!(engine.due(at(45)).len(), 1);
    assert_eq!(engine.groups()[0].missed, 2);
    assert_eq!(engine.next_due(), Some(at(50).steady));
}

#[test]
fn a_stop_of_years_costs_no_time_and_keeps_the_grid() {
    let year = Duration::from_secs(365 * 24 * 3_600);
    for interval in [Duration::from_millis(1), Duration::from_secs(10)] {
        let mut engine = engine(rule());
        engine.groups[0].interval = interval;
        engine.due(at(0));
        engine.due(at(year.as_secs()));
        let group = &engine.groups()[0];
        let due = group.due - at(0).steady;
        assert!(due > year && due <= year + interval, "{due:?}");
        assert_eq!(due.as_nanos() % interval.as_nanos(), 0);
        engine.pause(at(year.as_secs()));
        engine.resume(at(2 * year.as_secs()));
        assert!(engine.groups()[0].due >= at(2 * year.as_secs()).steady);
    }
}

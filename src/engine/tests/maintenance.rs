//! What is measured under maintenance does not become what is usual, where that is wanted.

use super::backfill::{Known, add_rules_under, detectors, log_of};
use super::detection::{PER_DAY, live, normal, settings, then, usual};
use super::*;
use crate::engine::dispatch::interval::TimeInterval;
use crate::engine::dispatch::maintenance::{Started, Window};
use crate::engine::dispatch::matching;

/// The third hour of every day, of the operation `op` for the rules on changes and on oddities.
fn third_hours(matchers: &str) -> Vec<Window> {
    vec![Window {
        name: "rebuild".into(),
        matchers: matching::parse(matchers).unwrap(),
        intervals: vec![TimeInterval {
            times: vec![(120, 180)],
            ..TimeInterval::default()
        }],
        stops_learning: true,
    }]
}

fn is_rebuilt(block: u64) -> bool {
    (24..36).contains(&(block % PER_DAY))
}

/// Twenty times as slow while the index is rebuilt.
fn rebuilding(block: u64, noise: f64) -> f64 {
    let factor = if is_rebuilt(block) { 20.0 } else { 1.0 };
    usual(block, noise) * factor
}

fn under(matchers: &str) -> Settings {
    Settings {
        maintenance: third_hours(matchers),
        ..settings()
    }
}

fn lived(settings: Settings, blocks: u64, of: &dyn Fn(u64, f64) -> f64) -> Vec<Known> {
    let mut engine = Engine::new(settings, then(0));
    live(&mut engine, 0..blocks, &mut normal(3), of);
    detectors(&engine)
}

#[test]
fn detectors_learn_nothing_from_maintenance_that_stops_learning() {
    let blocks = 3 * PER_DAY + 50;
    // Whatever was measured meanwhile, they know the same.
    let without = lived(under("operation=op"), blocks, &usual);
    let with = lived(under("operation=op"), blocks, &rebuilding);
    assert_eq!(with, without);
    // By the name of the alert only that rule; of another operation none.
    let odd = lived(under("alertname=Odd,operation=op"), blocks, &rebuilding);
    assert_ne!(odd[0], without[0]);
    assert_eq!(odd[1], without[1]);
    let other = lived(under("operation=other"), blocks, &rebuilding);
    assert!(other[0] != without[0] && other[1] != without[1]);
}

#[test]
fn what_the_log_teaches_leaves_maintenance_out_as_well() {
    let blocks = 3 * PER_DAY + 50;
    let always_there = lived(under("operation=op"), blocks, &rebuilding);
    let mut engine = Engine::new(Settings::default(), then(0));
    live(&mut engine, 0..blocks, &mut normal(3), &rebuilding);
    let log = log_of(blocks, &rebuilding);
    add_rules_under(&mut engine, under("operation=op"), blocks, log);
    assert_eq!(detectors(&engine), always_there);
}

#[test]
fn a_rolling_baseline_leaves_out_what_was_measured_under_maintenance() {
    use super::regression::relative::{above, limited, minutes, near, rolling, standing};
    let started = |stops_learning| Started {
        id: String::new(),
        name: "rebuild".into(),
        matchers: matching::parse("alertname=High,operation=op").unwrap(),
        starts_at: Timestamp::default(),
        ends_at: at(60 * 600).wall,
        stops_learning,
        created_by: String::new(),
        comment: String::new(),
    };
    for (stops_learning, expected) in [(true, 1.5), (false, 1.8)] {
        let mut engine = limited(above(rolling()));
        minutes(&mut engine, "op", 1.0, 0..100);
        assert!(near(standing(&engine, "op").0, 1.5));
        let wanted = started(stops_learning);
        let id = engine.start_maintenance(wanted, at(60 * 100)).unwrap();
        // Not so much as to fire: what fires is not learned from anyhow.
        minutes(&mut engine, "op", 1.2, 100..260);
        engine.end_maintenance(&id, at(60 * 260)).unwrap();
        minutes(&mut engine, "op", 1.0, 260..400);
        let (limit, _) = standing(&engine, "op");
        assert!(near(limit, expected), "{stops_learning}: {limit}");
    }
}

/// Judged and shown, but told to nobody; then told, with its reason.
#[test]
fn alerts_under_maintenance_are_judged_and_shown() {
    let mut engine = Engine::new(
        Settings {
            route: Some(Route::root(
                "team",
                dispatch::GroupBy::Labels(Vec::new()),
                dispatch::Timing::default(),
            )),
            receivers: vec![Receiver {
                name: "team".into(),
                integrations: vec![dispatch::Integration {
                    send_resolved: true,
                }],
            }],
            groups: vec![group(rule())],
            ..Settings::default()
        },
        at(0),
    );
    let started = Started {
        id: String::new(),
        name: "rebuild".into(),
        matchers: matching::parse("operation=op").unwrap(),
        starts_at: Timestamp::default(),
        ends_at: at(100).wall,
        stops_learning: false,
        created_by: String::new(),
        comment: String::new(),
    };
    engine.start_maintenance(started, at(0)).unwrap();
    measure(&mut engine, "op", 12.0, at(1));
    let effects = tick(&mut engine, at(10));
    assert_eq!(effects.announced.len(), 1);
    assert!(engine.flush(at(50)).is_empty());
    let muting = &engine.dispatcher().alerts(at(50))[0].1;
    assert_eq!(muting.maintained_by, ["rebuild"]);
    let notifications = engine.flush(at(1_000));
    let reasons: Vec<_> = notifications
        .iter()
        .map(|one| one.reason.as_str())
        .collect();
    assert_eq!(reasons, ["maintenance_ended"]);
}

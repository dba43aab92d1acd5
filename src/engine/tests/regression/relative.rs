//! Thresholds whose limits are multiples of each instance's own baseline.

use super::*;
use crate::engine::condition::{Lack, Relative};

/// The last duration above 1.5 (medium) and 2 (high) times the p95 of a baseline.
pub(in super::super) fn above(against: Against) -> Threshold {
    Threshold {
        metric: Metric::Duration,
        stat: Stat::Last,
        reach: Reach::Runs(1),
        comparison: Comparison::Above,
        levels: vec![level(Severity::Medium, 1.5), level(Severity::High, 2.0)],
        min_samples: 1,
        relative: Some(Relative {
            stat: Stat::Quantile(0.95),
            against,
        }),
    }
}

pub(in super::super) fn rolling() -> Against {
    Against::Rolling(Duration::from_secs(7 * DAY))
}

fn pinned() -> Against {
    Against::Pinned("good".to_owned())
}

pub(in super::super) fn limited(threshold: Threshold) -> Engine {
    engine(Rule {
        name: "High".into(),
        condition: Condition::Threshold(threshold),
        ..rule()
    })
}

/// Every minute one operation of so many seconds.
pub(in super::super) fn minutes(
    engine: &mut Engine,
    operation: &str,
    seconds: f64,
    range: std::ops::Range<u64>,
) {
    for minute in range {
        measure(engine, operation, seconds, at(60 * minute));
        tick(engine, at(60 * minute));
    }
}

/// The limit of the mildest level of an operation, and how it stands to it.
pub(in super::super) fn standing(engine: &Engine, operation: &str) -> (f64, Standing) {
    let (_, _, state) = engine.rules().next().unwrap();
    let instances = state.instances.iter();
    let mut named = instances.filter(|(labels, _)| labels.get("operation") == operation);
    let verdict = named.next().unwrap().1.levels[0].verdict.unwrap();
    (verdict.limit, verdict.standing)
}

pub(in super::super) fn near(limit: f64, expected: f64) -> bool {
    (limit / expected - 1.0).abs() < 0.012
}

#[test]
fn each_instance_has_the_limit_that_its_own_history_gives() {
    let mut engine = limited(above(rolling()));
    for operation in ["fast", "slow"] {
        measure(&mut engine, operation, 1.0, at(0));
    }
    tick(&mut engine, at(0));
    let (limit, before) = standing(&engine, "fast");
    assert!(limit.is_nan());
    assert_eq!(before, Standing::Insufficient);
    let (_, _, state) = engine.rules().next().unwrap();
    let lacks = |instance: &judge::Instance| instance.by.compared().and_then(|one| one.found.lacks);
    assert!(
        state
            .instances
            .values()
            .all(|one| lacks(one) == Some(Lack::BaselineData))
    );
    minutes(&mut engine, "fast", 1.0, 1..80);
    minutes(&mut engine, "slow", 10.0, 80..160);
    for (operation, limit) in [("fast", 1.5), ("slow", 15.0)] {
        let (found, standing) = standing(&engine, operation);
        assert!(near(found, limit), "{operation} {found}");
        assert_eq!(standing, Standing::Holds);
    }
    measure(&mut engine, "fast", 1.7, at(60 * 161));
    measure(&mut engine, "slow", 14.0, at(60 * 161));
    assert_eq!(
        told(&tick(&mut engine, at(60 * 161))),
        words(&[("medium", true)])
    );
    measure(&mut engine, "fast", 2.2, at(60 * 162));
    let effects = tick(&mut engine, at(60 * 162));
    assert_eq!(told(&effects), words(&[("high", true), ("medium", false)]));
    // What people are told is the limit of this instance, not the multiple.
    assert!(
        near(effects.announced[0].limit, 2.0),
        "{:?}",
        effects.announced[0]
    );
}

#[test]
fn a_limit_stays_as_it_is_while_its_alert_is_active_and_learns_nothing_from_that_time() {
    let mut engine = limited(above(rolling()));
    minutes(&mut engine, "op", 1.0, 0..100);
    let before = standing(&engine, "op").0;
    minutes(&mut engine, "op", 3.0, 100..600);
    let (during, breached) = standing(&engine, "op");
    assert_eq!((during, breached), (before, Standing::Breached));
    minutes(&mut engine, "op", 1.0, 600..700);
    let (after, holds) = standing(&engine, "op");
    assert_eq!(holds, Standing::Holds);
    assert!(near(after, 1.5), "{after}");
}

#[test]
fn a_limit_follows_what_becomes_usual() {
    let mut engine = limited(above(Against::Rolling(Duration::from_secs(DAY / 4))));
    minutes(&mut engine, "op", 1.0, 0..400);
    assert!(near(standing(&engine, "op").0, 1.5));
    minutes(&mut engine, "op", 1.4, 400..1_200);
    let (limit, holds) = standing(&engine, "op");
    assert!(near(limit, 2.1), "{limit}");
    assert_eq!(holds, Standing::Holds);
}

#[test]
fn multiples_of_a_number_or_of_what_was_pinned_recover_as_shares() {
    let mut threshold = above(pinned());
    threshold.levels = vec![Level {
        recover: Some(1.2),
        ..level(Severity::Medium, 1.5)
    }];
    let mut engine = limited(threshold.clone());
    measure(&mut engine, "op", 9.0, at(0));
    tick(&mut engine, at(0));
    assert_eq!(standing(&engine, "op").1, Standing::Insufficient);
    set_number(&mut engine, "duration", 10.0, None);
    for (second, value, expected) in [
        (10, 14.0, Standing::Holds),
        (20, 15.1, Standing::Breached),
        (30, 12.1, Standing::Breached),
        (40, 11.9, Standing::Holds),
        (50, 12.1, Standing::Holds),
    ] {
        measure(&mut engine, "op", value, at(second));
        tick(&mut engine, at(second));
        assert_eq!(standing(&engine, "op"), (15.0, expected), "{value}");
    }
    let mut engine = limited(threshold);
    for i in 0..60 {
        measure(&mut engine, "op", 2.0, at(i));
    }
    set_measured(&mut engine, "duration", at(60));
    measure(&mut engine, "op", 3.1, at(70));
    tick(&mut engine, at(70));
    assert_eq!(standing(&engine, "op"), (3.0, Standing::Breached));
}

#[test]
fn what_gets_worse_downwards_has_limits_below_and_nothing_is_a_multiple_of_less_than_nothing() {
    for (baseline, value, expected) in [
        (0.8, 0.73, Standing::Holds),
        (0.8, 0.71, Standing::Breached),
        (-0.8, -0.9, Standing::Insufficient),
    ] {
        let mut engine = limited(Threshold {
            metric: Metric::named("auc"),
            comparison: Comparison::Below,
            levels: vec![level(Severity::Medium, 0.9)],
            ..above(pinned())
        });
        set_number(&mut engine, "auc", baseline, None);
        say(&mut engine, "auc", value, at(1));
        tick(&mut engine, at(10));
        assert_eq!(standing(&engine, "op").1, expected, "{baseline} {value}");
    }
}

//! What came before a baseline was set, or before the window begins, is not in the window.

use super::*;
use crate::engine::condition::Found;

/// A rule on the median of the last ten minutes.
fn of_minutes() -> Engine {
    judging(Regression {
        reach: Reach::Time(Duration::from_secs(600)),
        ..regression("duration", "median", 0, &[(Severity::Medium, 0.1)])
    })
}

fn found(engine: &Engine) -> Found {
    let (_, _, state) = engine.rules().next().unwrap();
    let compared = state.instances.values().next().unwrap().by.compared();
    compared.unwrap().found
}

/// The baseline ends in the middle of a bucket of ten seconds, and the next values are in the same one.
#[test]
fn a_window_begins_where_the_baseline_ends() {
    let mut engine = of_minutes();
    for i in 0..40_u32 {
        let seconds = 1.0 + f64::from(i % 5) / 50.0;
        say(&mut engine, "duration", seconds, at(3_600 + u64::from(i)));
    }
    set_measured(&mut engine, "duration", at(3_642));
    tick(&mut engine, at(3_645));
    assert_eq!(found(&engine).n, 0);
    for i in 0..3 {
        say(&mut engine, "duration", 2.0, at(3_646 + i));
    }
    tick(&mut engine, at(3_655));
    assert_eq!(found(&engine).n, 3);
    let contrast = found(&engine).contrast.unwrap();
    assert!((contrast.value - 2.0).abs() < 1e-9, "{contrast:?}");
}

/// More values than are held one by one: then the buckets have to do, and none is lost.
#[test]
fn what_is_no_longer_held_one_by_one_is_looked_at_by_buckets() {
    let mut engine = of_minutes();
    set_number(&mut engine, "duration", 1.0, None);
    let held = u64::try_from(engine.store.settings().max_history).unwrap();
    let many = held + 50;
    for i in 0..many {
        let now = Now::invented(Duration::from_millis(1_004_000_000 + i * 400));
        say(&mut engine, "duration", 1.0, now);
    }
    tick(
        &mut engine,
        Now::invented(Duration::from_millis(1_004_000_000 + many * 400)),
    );
    assert_eq!(found(&engine).n, many);
}

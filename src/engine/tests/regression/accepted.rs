//! What was accepted is what is usual from then on, also over a restart.

use super::super::restart::Kept;
use super::*;
use crate::engine::acceptance::AcceptError;
use crate::engine::alert::EndReason;

/// The median of the last 50 runs against the seven days before.
fn rolling() -> Regression {
    Regression {
        against: Against::Rolling(Duration::from_secs(7 * DAY)),
        ..regression("duration", "median", 50, &[(Severity::Medium, 0.1)])
    }
}

/// A run a minute, of about so many seconds.
fn minutes(engine: &mut Engine, seconds: f64, range: std::ops::Range<u64>) -> Vec<Change> {
    let mut changes = Vec::new();
    for minute in range {
        // Factors between 0.9 and 1.1 without an order.
        let factor = 0.9 + f64::from(u32::try_from(minute * 7_919 % 101).unwrap()) / 500.0;
        say(engine, "duration", seconds * factor, at(60 * minute));
        let effects = tick(engine, at(60 * minute));
        changes.extend(effects.changes.iter().map(|change| change.change));
    }
    changes
}

fn baseline(engine: &Engine) -> Option<f64> {
    verdicts(engine)[0].evidence.and_then(|one| one.baseline)
}

#[test]
fn an_accepted_change_ends_its_alert_and_is_learned_from_where_it_began() {
    let everything = Selector::default();
    let mut engine = judging(rolling());
    assert_eq!(minutes(&mut engine, 1.0, 0..600), []);
    let refused = engine.accept("Worse", &everything, at(60 * 599));
    assert!(
        matches!(refused, Err(AcceptError::NoAlert { .. })),
        "{refused:?}"
    );
    let changes = minutes(&mut engine, 1.4, 600..800);
    assert_eq!(changes.last(), Some(&Change::Fired));
    // It stays, for ever as it were, because nothing is learned while it fires.
    assert_eq!(minutes(&mut engine, 1.4, 800..1_200), []);
    let now = at(60 * 1_199 + 30);
    let other = Selector::parse("{operation=\"other\"}").unwrap();
    assert!(engine.accept("Worse", &other, now).is_err());
    let (accepted, effects) = engine.accept("Worse", &everything, now).unwrap();
    assert_eq!(accepted.len(), 1);
    assert!(accepted[0].since >= at(60 * 600).wall, "{accepted:?}");
    assert_eq!(
        effects.changes[0].change,
        Change::Resolved(EndReason::Accepted)
    );
    assert_eq!(told(&effects), words(&[("medium", false)]));

    let mut kept = Kept::default();
    kept.save(&mut engine);
    let mut anew = judging(rolling());
    for minute in 0..1_200 {
        let seconds = if minute < 600 { 1.0 } else { 1.4 };
        let factor = 0.9 + f64::from(u32::try_from(minute * 7_919 % 101).unwrap()) / 500.0;
        say(&mut anew, "duration", seconds * factor, at(60 * minute));
    }
    kept.restore_into(&mut anew, now);
    for engine in [&mut engine, &mut anew] {
        assert_eq!(minutes(engine, 1.4, 1_200..1_500), []);
        let usual = baseline(engine).unwrap();
        assert!((usual - 1.4).abs() < 0.05, "{usual}");
        let changes = minutes(engine, 2.0, 1_500..1_600);
        assert_eq!(changes.last(), Some(&Change::Fired));
    }
}

#[test]
fn what_was_set_or_is_no_baseline_is_not_accepted() {
    let message = |engine: &mut Engine, rule| {
        let refused = engine.accept(rule, &Selector::default(), at(0));
        refused.unwrap_err().to_string()
    };
    let mut pinned = judging(regression(
        "duration",
        "median",
        50,
        &[(Severity::Medium, 0.1)],
    ));
    assert!(message(&mut pinned, "Worse").contains("set it anew by `opwatch set-baseline`"));
    assert!(message(&mut pinned, "Missing").starts_with("there is no rule \"Missing\""));
    let mut limits = engine(rule());
    assert!(message(&mut limits, "Slow").contains("change its limit"));
}

//! Baselines of nothing, and those that never differed.

use super::*;
use crate::engine::measurement::Outcome;

fn outcomes(engine: &mut Engine, failed: bool, from: u64, n: u64) {
    for i in from..from + n {
        let draft = Draft {
            operation: "op",
            outcome: Some(if failed {
                Outcome::Failure
            } else {
                Outcome::Success
            }),
            ..Draft::default()
        };
        send(engine, vec![draft], None, at(i));
    }
}

#[test]
fn failures_after_a_baseline_without_any_are_a_regression() {
    let rule = regression("duration", "mean", 50, &[(Severity::High, 0.5)]);
    let mut engine = judging(Regression {
        metric: Metric::ErrorRatio,
        stat: Stat::Mean,
        feature: Feature::Share,
        ..rule
    });
    outcomes(&mut engine, false, 0, 200);
    set_measured(&mut engine, "error_ratio", at(200));
    outcomes(&mut engine, false, 201, 60);
    tick(&mut engine, at(270));
    assert_eq!(worst(&engine), None);
    outcomes(&mut engine, true, 300, 50);
    tick(&mut engine, at(4_000));
    assert_eq!(
        worst(&engine),
        Some(Severity::High),
        "{:?}",
        verdicts(&engine)
    );
}

/// Buckets keep how many failed, and no distribution of that.
#[test]
fn failures_are_compared_with_the_share_that_failed_in_the_days_before() {
    let rule = regression("duration", "mean", 50, &[(Severity::High, 1.0)]);
    let mut engine = judging(Regression {
        metric: Metric::ErrorRatio,
        stat: Stat::Mean,
        feature: Feature::Share,
        reach: Reach::Time(Duration::from_secs(DAY / 4)),
        against: Against::Rolling(Duration::from_secs(7 * DAY)),
        ..rule
    });
    // Every minute of two days one operation fails and nine succeed; then four fail, for six hours.
    let minutes = |from: u64, to: u64, failures: u64, engine: &mut Engine| {
        for minute in from..to {
            outcomes(engine, true, 60 * minute, failures);
            outcomes(engine, false, 60 * minute + failures, 10 - failures);
        }
        tick(engine, at(60 * to));
    };
    let days = 2 * DAY / 60;
    minutes(0, days, 1, &mut engine);
    let verdict = verdicts(&engine)[0];
    assert_eq!(verdict.standing, Standing::Holds, "{verdict:?}");
    let evidence = verdict.evidence.unwrap();
    // The window has pieces of ten minutes, and may hold some of what came before.
    let near = |found: Option<f64>, expected: f64| (found.unwrap() / expected - 1.0).abs() < 0.02;
    assert!(near(verdict.value, 0.1), "{verdict:?}");
    assert!(near(evidence.baseline, 0.1), "{verdict:?}");
    minutes(days, days + 360, 4, &mut engine);
    let verdict = verdicts(&engine)[0];
    assert_eq!(verdict.standing, Standing::Breached, "{verdict:?}");
    let evidence = verdict.evidence.unwrap();
    assert!(near(verdict.value, 0.4), "{verdict:?}");
    assert!(near(evidence.baseline, 0.1), "{verdict:?}");
    assert!(near(evidence.change, 3.0), "{verdict:?}");
}

#[test]
fn any_difference_from_what_never_differed_is_beyond_any_number_of_standard_deviations() {
    let rule = in_sds(regression("duration", "mean", 50, &[(Severity::High, 3.0)]));
    let mut engine = judging(rule);
    for i in 0..100 {
        say(&mut engine, "duration", 2.0, at(i));
    }
    set_measured(&mut engine, "duration", at(100));
    for i in 101..160 {
        say(&mut engine, "duration", 2.0, at(i));
    }
    tick(&mut engine, at(160));
    assert_eq!(worst(&engine), None);
    for i in 200..260 {
        say(&mut engine, "duration", 4.0, at(i));
    }
    tick(&mut engine, at(4_000));
    assert_eq!(
        worst(&engine),
        Some(Severity::High),
        "{:?}",
        verdicts(&engine)
    );
}

#[test]
fn case_25_a_rule_in_standard_deviations_beside_a_number_without_any_is_insufficient() {
    let rule = regression("duration", "mean", 5, &[(Severity::High, 3.0)]);
    let mut engine = judging(guide(in_sds(rule)));
    set_number(&mut engine, "duration", 1.0, None);
    say(&mut engine, "duration", 9.0, at(1));
    tick(&mut engine, at(10));
    assert_eq!(verdicts(&engine)[0].standing, Standing::Insufficient);
}

#[test]
fn case_25_zero_and_negative_numbers_are_baselines_like_others() {
    for (baseline, value, expected) in [
        (0.0, 0.0, None),
        (0.0, 0.1, Some(Severity::High)),
        (-1.0, -1.1, None),
        (-1.0, -1.3, None),
        (-1.0, -0.5, Some(Severity::High)),
    ] {
        let rule = guide(regression("loss", "mean", 5, &[(Severity::High, 0.2)]));
        let mut engine = judging(rule);
        set_number(&mut engine, "loss", baseline, None);
        say(&mut engine, "loss", value, at(1));
        tick(&mut engine, at(10));
        assert_eq!(worst(&engine), expected, "{baseline} {value}");
    }
}

//! The behaviour cases of regressions, by their numbers.

use super::*;

const HIGH: &[(Severity, f64)] = &[(Severity::High, 0.2)];

/// Noise that is the same every time.
fn noisy(i: u32, around: f64, spread: f64) -> f64 {
    around * (1.0 + spread * (f64::from((i * 7_919) % 101) / 50.0 - 1.0))
}

#[test]
fn case_12_a_fifth_more_is_none_and_a_hair_beyond_is_one() {
    for (value, expected) in [(2.4, None), (2.41, Some(Severity::High))] {
        let mut engine = judging(guide(regression("duration", "mean", 10, HIGH)));
        set_number(&mut engine, "duration", 2.0, None);
        for i in 1..5 {
            say(&mut engine, "duration", value, at(i));
        }
        tick(&mut engine, at(10));
        assert_eq!(worst(&engine), expected, "{value}");
        let verdict = verdicts(&engine)[0];
        assert_eq!(verdict.limit, 2.4);
        let evidence = verdict.evidence.unwrap();
        assert_eq!((evidence.baseline, evidence.p_value), (Some(2.0), None));
        if value > 2.4 {
            assert!((evidence.change.unwrap() - 0.205).abs() < 1e-9);
        }
    }
}

#[test]
fn case_13_the_mean_of_the_last_five_decides() {
    let mut engine = judging(guide(regression("duration", "mean", 5, HIGH)));
    set_number(&mut engine, "duration", 10.0, None);
    let mut fired = Vec::new();
    for (i, value) in [9.0, 10.0, 11.0, 16.0, 17.0].into_iter().enumerate() {
        let now = at(10 * (i as u64 + 1));
        say(&mut engine, "duration", value, now);
        let effects = tick(&mut engine, now);
        let changes = effects.changes.iter();
        if changes.filter(|one| one.change == Change::Fired).count() > 0 {
            fired.push((value, verdicts(&engine)[0].value));
        }
    }
    assert_eq!(fired, [(17.0, Some(12.6))]);
}

#[test]
fn case_14_a_rule_without_its_baseline_says_so() {
    let mut engine = judging(guide(regression("duration", "mean", 5, HIGH)));
    say(&mut engine, "duration", 99.0, at(1));
    tick(&mut engine, at(10));
    assert_eq!(verdicts(&engine)[0].standing, Standing::Insufficient);
    let (_, _, state) = engine.rules().next().unwrap();
    let instance = state.instances.values().next().unwrap();
    let lacks = instance.by.compared().unwrap().found.lacks;
    assert_eq!(
        lacks.map(condition::Lack::as_str),
        Some("no baseline of that name for this instance")
    );
}

#[test]
fn case_15_accuracy_falls_by_percent() {
    let levels = [(Severity::High, 0.05), (Severity::Critical, 0.1)];
    for (value, expected) in [
        (0.78, None),
        (0.74, Some(Severity::High)),
        (0.70, Some(Severity::Critical)),
    ] {
        let mut engine = judging(guide(regression("accuracy", "mean", 5, &levels)));
        set_number(&mut engine, "accuracy", 0.8, None);
        say(&mut engine, "accuracy", value, at(1));
        tick(&mut engine, at(10));
        assert_eq!(worst(&engine), expected, "{value}");
    }
}

#[test]
fn case_16_accuracy_falls_by_standard_deviations() {
    let levels = [(Severity::Medium, 2.0), (Severity::Critical, 3.0)];
    for (value, expected) in [
        (0.78, None),
        (0.755, Some(Severity::Medium)),
        // Three and a tiny bit, in floats.
        (0.74, Some(Severity::Critical)),
    ] {
        let rule = guide(in_sds(regression("accuracy", "mean", 5, &levels)));
        let mut engine = judging(rule);
        set_number(&mut engine, "accuracy", 0.8, Some(0.02));
        say(&mut engine, "accuracy", value, at(1));
        tick(&mut engine, at(10));
        assert_eq!(worst(&engine), expected, "{value}");
    }
}

#[test]
fn case_17_a_drop_is_told_with_its_baseline_and_its_size() {
    let rule = guide(regression("accuracy", "mean", 1, &[(Severity::High, 0.05)]));
    let mut engine = judging(rule);
    let all = |accuracy| Draft {
        operation: "op",
        quality: vec![
            ("accuracy", accuracy),
            ("precision", 0.88),
            ("recall", 0.92),
            ("f1", 0.90),
            ("auc", 0.95),
        ],
        ..Draft::default()
    };
    for i in 0..20 {
        send(&mut engine, vec![all(0.90)], None, at(i));
    }
    set_measured(&mut engine, "accuracy", at(20));
    send(&mut engine, vec![all(0.75)], None, at(30));
    tick(&mut engine, at(30));
    assert_eq!(worst(&engine), Some(Severity::High));
    let evidence = verdicts(&engine)[0].evidence.unwrap();
    assert_eq!((evidence.baseline, evidence.baseline_n), (Some(0.9), 20));
    assert!((evidence.change.unwrap() + 0.166_67).abs() < 1e-5);
}

#[test]
fn case_18_z_at_95_percent_and_percent_where_there_is_no_spread() {
    let z = &[(Severity::High, 1.96)];
    for (value, expected) in [(0.82, None), (0.70, Some(Severity::High))] {
        let rule = guide(in_sds(regression("accuracy", "mean", 5, z)));
        let mut engine = judging(rule);
        set_number(&mut engine, "accuracy", 0.85, Some(0.05));
        say(&mut engine, "accuracy", value, at(1));
        tick(&mut engine, at(10));
        assert_eq!(worst(&engine), expected, "{value}");
    }
    // Without a spread the rule in percent decides.
    let percent = guide(regression("accuracy", "mean", 5, &[(Severity::High, 0.1)]));
    let mut engine = judging(percent);
    set_number(&mut engine, "accuracy", 0.85, Some(0.0));
    say(&mut engine, "accuracy", 0.70, at(1));
    tick(&mut engine, at(10));
    assert_eq!(worst(&engine), Some(Severity::High));
    let change = verdicts(&engine)[0].evidence.unwrap().change.unwrap();
    assert!((change + 0.176_47).abs() < 1e-5, "{change}");
}

#[test]
fn case_21_fewer_than_ten_values_are_insufficient() {
    let rule = regression("accuracy", "median", 15, &[(Severity::High, 0.05)]);
    let mut engine = judging(rule);
    for i in 0..30 {
        say(
            &mut engine,
            "accuracy",
            noisy(i, 0.9, 0.002),
            at(u64::from(i)),
        );
    }
    set_measured(&mut engine, "accuracy", at(30));
    for i in 0..15_u32 {
        let now = at(40 + 10 * u64::from(i));
        say(&mut engine, "accuracy", 0.9 - 0.01 * f64::from(i), now);
        tick(&mut engine, now);
        let standing = verdicts(&engine)[0].standing;
        assert_eq!(
            standing == Standing::Insufficient,
            i < 9,
            "{i}: {standing:?}"
        );
    }
    assert_eq!(
        worst(&engine),
        Some(Severity::High),
        "{:?}",
        verdicts(&engine)
    );
}

/// Two looks that are healthy again are not yet the end; the third one is.
#[test]
fn case_22_three_metrics_degrade_and_recover_in_three_steps() {
    let named = |name: &str, metric: &str, limit: f64| Rule {
        name: name.into(),
        condition: Condition::Regression(guide(regression(
            metric,
            "mean",
            1,
            &[(Severity::High, limit)],
        ))),
        hold: Hold {
            keep_firing_for: Duration::from_secs(20),
            ..Hold::default()
        },
        ..rule()
    };
    let mut rules = group(named("Accuracy", "accuracy", 0.05));
    rules.rules.push(named("Precision", "precision", 0.05));
    rules.rules.push(named("Latency", "duration", 0.2));
    let settings = Settings {
        groups: vec![rules],
        ..Settings::default()
    };
    let mut engine = Engine::new(settings, at(0));
    let all = |accuracy, precision, seconds| Draft {
        operation: "op",
        quality: vec![("accuracy", accuracy), ("precision", precision)],
        duration_seconds: Some(seconds),
        ..Draft::default()
    };
    for i in 0..20_u32 {
        let more = 0.001 * f64::from(i);
        let good = all(0.90 + more, 0.88 + more, 0.05 + 0.01 * more);
        send(&mut engine, vec![good], None, at(u64::from(i)));
    }
    for metric in ["accuracy", "precision", "duration"] {
        set_measured(&mut engine, metric, at(20));
    }
    let states = |engine: &Engine| {
        let states = engine.rules().map(|(_, _, state)| {
            let instance = state.instances.values().next().unwrap();
            match instance.levels[0].state {
                AlertState::Firing {
                    keep_since: Some(_),
                    ..
                } => "recovering",
                AlertState::Firing { .. } => "degraded",
                _ => "healthy",
            }
        });
        states.collect::<Vec<_>>()
    };
    for (second, sent, expected) in [
        (30, all(0.82, 0.80, 0.075), "degraded"),
        (40, all(0.91, 0.89, 0.05), "recovering"),
        (50, all(0.91, 0.89, 0.05), "recovering"),
        (60, all(0.91, 0.89, 0.05), "healthy"),
    ] {
        send(&mut engine, vec![sent], None, at(second));
        tick(&mut engine, at(second));
        assert_eq!(states(&engine), [expected; 3], "at {second}");
    }
}

/// A rule against a measured baseline after so many operations as there are values, and an hour for its decision.
fn after(regression: Regression, baseline: &[f64], values: &[f64]) -> Engine {
    let mut engine = judging(regression);
    for (i, value) in (0..).zip(baseline) {
        say(&mut engine, "duration", *value, at(i));
    }
    set_measured(&mut engine, "duration", at(1_000));
    for (i, value) in (1_001..).zip(values) {
        say(&mut engine, "duration", *value, at(i));
    }
    tick(&mut engine, at(1_500));
    tick(&mut engine, at(6_000));
    engine
}

#[test]
fn case_26_one_value_is_insufficient() {
    let baseline: Vec<f64> = (0..60).map(|i| noisy(i, 1.0, 0.1)).collect();
    let rule = regression("duration", "median", 50, HIGH);
    let engine = after(rule, &baseline, &[1.21]);
    assert_eq!(verdicts(&engine)[0].standing, Standing::Insufficient);
}

#[test]
fn case_27_one_slow_run_of_a_hundred_is_no_regression_of_the_location() {
    let mut values = vec![1.0; 99];
    values.push(25.0);
    for stat in ["mean", "median"] {
        let engine = after(
            regression("duration", stat, 100, HIGH),
            &[1.0; 100],
            &values,
        );
        let verdict = verdicts(&engine)[0];
        assert_eq!(verdict.standing, Standing::Holds, "{verdict:?}");
    }
}

#[test]
fn case_28_a_slow_tenth_is_a_matter_of_p95() {
    let mut values = vec![1.0; 100];
    values.iter_mut().step_by(10).for_each(|value| *value = 2.5);
    for (stat, expected) in [
        ("p95", Standing::Breached),
        ("mean", Standing::Holds),
        ("median", Standing::Holds),
    ] {
        let engine = after(
            regression("duration", stat, 100, HIGH),
            &[1.0; 100],
            &values,
        );
        let verdict = verdicts(&engine)[0];
        assert_eq!(verdict.standing, expected, "{stat}: {verdict:?}");
    }
}

#[test]
fn case_29_a_slow_drift_is_seen_beside_a_pinned_baseline_and_not_beside_last_week() {
    let levels = &[(Severity::High, 0.15)];
    let pinned = regression("duration", "median", 24, levels);
    let rolling = Regression {
        against: Against::Rolling(Duration::from_secs(7 * DAY)),
        ..pinned.clone()
    };
    let fires_on = |regression: Regression| {
        let mut engine = judging(regression);
        for hour in 0..40 * 24_u32 {
            let now = at(u64::from(hour) * 3_600);
            let day = f64::from(hour) / 24.0;
            let drift = 1.01_f64.powf((day - 5.0).max(0.0));
            say(&mut engine, "duration", noisy(hour, drift, 0.05), now);
            if hour == 5 * 24 {
                set_measured(&mut engine, "duration", now);
            }
            let effects = tick(&mut engine, now);
            let mut changes = effects.changes.iter();
            if changes.any(|one| one.change == Change::Fired) {
                return Some(hour / 24);
            }
        }
        None
    };
    let day = fires_on(pinned);
    assert!(day.is_some_and(|day| (18..=25).contains(&day)), "{day:?}");
    assert_eq!(fires_on(rolling), None);
}

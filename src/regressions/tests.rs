//! The cases of a comparison, by their numbers.

use super::*;
use crate::engine::measurement::{Draft, Measurement};

fn durations(values: &[f64]) -> Vec<Measurement> {
    let of = |value: &f64| Draft {
        operation: "detect",
        duration_seconds: Some(*value),
        ..Draft::default()
    };
    values
        .iter()
        .map(|value| Measurement::new(of(value)).unwrap())
        .collect()
}

fn scores(name: &str, values: &[f64]) -> Vec<Measurement> {
    let of = |value: &f64| Draft {
        operation: "detect",
        quality: vec![(name, *value)],
        ..Draft::default()
    };
    values
        .iter()
        .map(|value| Measurement::new(of(value)).unwrap())
        .collect()
}

/// Samples and seconds of each operation.
fn throughputs(values: &[f64]) -> Vec<Measurement> {
    let of = |value: &f64| Draft {
        operation: "detect",
        samples: Some(1_000),
        duration_seconds: Some(1_000.0 / value),
        ..Draft::default()
    };
    values
        .iter()
        .map(|value| Measurement::new(of(value)).unwrap())
        .collect()
}

fn guide(threshold: f64, critical: f64) -> Question {
    Question {
        stat: Stat::Mean,
        threshold,
        critical,
        is_guide: true,
        min_samples: 1,
        ..Question::default()
    }
}

fn found(
    question: &Question,
    metric: &str,
    before: &[Measurement],
    now: &[Measurement],
) -> Finding {
    let findings = compare(
        question,
        &Set::of(question, before),
        &Set::of(question, now),
    );
    let mut rows = findings.rows.into_iter();
    rows.find(|row| row.metric == Metric::named(metric))
        .unwrap()
}

/// Noise that is the same every time.
fn noisy(n: u32, around: f64, spread: f64) -> Vec<f64> {
    let wave = |i: u32| f64::from((i * 7_919) % 101) / 50.0 - 1.0;
    (0..n).map(|i| around * (1.0 + spread * wave(i))).collect()
}

#[test]
fn case_12_a_fifth_more_is_no_regression_and_a_hair_beyond_is_one() {
    let question = guide(0.2, 0.5);
    let baseline = durations(&[2.0]);
    assert_eq!(
        found(&question, "duration", &baseline, &durations(&[2.4])).status,
        Status::Stable
    );
    let worse = found(&question, "duration", &baseline, &durations(&[2.41]));
    assert_eq!(worse.status, Status::Regressed(Level::Warning));
    assert_eq!(worse.change.map(show::percent).as_deref(), Some("+20.5%"));
}

#[test]
fn case_15_accuracy_falls_by_levels() {
    let question = guide(0.05, 0.1);
    let baseline = scores("accuracy", &[0.8]);
    for (value, expected) in [
        (0.78, Status::Stable),
        (0.74, Status::Regressed(Level::Warning)),
        (0.70, Status::Regressed(Level::Critical)),
    ] {
        let now = scores("accuracy", &[value]);
        assert_eq!(
            found(&question, "accuracy", &baseline, &now).status,
            expected,
            "{value}"
        );
    }
}

#[test]
fn case_18_the_fall_is_given_in_percent_of_the_baseline() {
    let baseline = scores("accuracy", &[0.85]);
    let now = scores("accuracy", &[0.70]);
    let change = found(&guide(0.1, 0.5), "accuracy", &baseline, &now).change;
    assert!((change.unwrap() + 0.176_47).abs() < 1e-5, "{change:?}");
}

#[test]
fn case_19_scores_of_a_test_set_fall_together() {
    let baseline = scores("accuracy", &[0.85, 0.86, 0.85, 0.84, 0.86, 0.85]);
    let same = scores("accuracy", &[0.85, 0.86, 0.84, 0.87, 0.85]);
    let worse = scores("accuracy", &[0.75, 0.74, 0.73, 0.72, 0.71]);
    let weighed = Question {
        threshold: 0.05,
        critical: 0.1,
        min_samples: 5,
        ..Question::default()
    };
    for question in [guide(0.05, 0.1), weighed] {
        assert_eq!(
            found(&question, "accuracy", &baseline, &same).status,
            Status::Stable
        );
        assert_eq!(
            found(&question, "accuracy", &baseline, &worse).status,
            Status::Regressed(Level::Critical)
        );
    }
}

#[test]
fn case_21_a_falling_end_is_a_regression_and_too_short_an_end_says_so() {
    let question = Question {
        threshold: 0.05,
        critical: 0.2,
        ..Question::default()
    };
    let baseline = scores("accuracy", &noisy(30, 0.9, 0.005));
    let falling: Vec<f64> = (0..15).map(|i| 0.9 - 0.01 * f64::from(i)).collect();
    let end = found(
        &question,
        "accuracy",
        &baseline,
        &scores("accuracy", &falling),
    );
    assert_eq!(end.status, Status::Regressed(Level::Warning), "{end}");
    let short = found(
        &question,
        "accuracy",
        &baseline,
        &scores("accuracy", &falling[..9]),
    );
    assert_eq!(
        short.status,
        Status::Insufficient("too few values in the window".to_owned())
    );
}

#[test]
fn case_23_what_gets_better_is_an_improvement() {
    let question = Question::default();
    let (low, high) = (noisy(40, 0.6, 0.02), noisy(40, 0.85, 0.02));
    for (metric, before, now) in [
        (
            "accuracy",
            scores("accuracy", &low),
            scores("accuracy", &high),
        ),
        ("duration", durations(&high), durations(&low)),
        ("throughput", throughputs(&low), throughputs(&high)),
    ] {
        let better = found(&question, metric, &before, &now);
        assert_eq!(better.status, Status::Improved, "{better}");
        let worse = found(&question, metric, &now, &before);
        assert!(matches!(worse.status, Status::Regressed(_)), "{worse}");
    }
}

#[test]
fn case_24_throughput_and_accuracy_fall() {
    let question = Question {
        critical: 0.46,
        ..Question::default()
    };
    let before = throughputs(&noisy(40, 100.0, 0.05));
    let fall = found(
        &question,
        "throughput",
        &before,
        &throughputs(&noisy(40, 10.0, 0.05)),
    );
    assert_eq!(fall.status, Status::Regressed(Level::Critical), "{fall}");
    assert_eq!(fall.change.map(show::percent).as_deref(), Some("-90.0%"));
    let before = scores("accuracy", &noisy(40, 0.95, 0.01));
    let fall = found(
        &question,
        "accuracy",
        &before,
        &scores("accuracy", &noisy(40, 0.5, 0.01)),
    );
    assert_eq!(fall.status, Status::Regressed(Level::Critical), "{fall}");
    assert_eq!(fall.change.map(show::percent).as_deref(), Some("-47.4%"));
}

#[test]
fn case_25_zeros_and_negative_baselines_have_a_defined_result() {
    let zeros = durations(&[0.0; 30]);
    let some = durations(&noisy(30, 1.0, 0.1));
    for question in [guide(0.2, 0.5), Question::default()] {
        let same = found(&question, "duration", &zeros, &zeros);
        assert_eq!((same.status, same.change), (Status::Stable, Some(0.0)));
        let from_nothing = found(&question, "duration", &zeros, &some);
        assert_eq!(from_nothing.change, None);
        assert_eq!(from_nothing.status, Status::Regressed(Level::Critical));
        let to_nothing = found(&question, "duration", &some, &zeros);
        assert_eq!(to_nothing.status, Status::Improved);
        // A score may be negative; -1 to -2 is a fall by all of it.
        let worse = Question {
            worse: [("gain".to_owned(), Worse::Down)].into(),
            ..question
        };
        let (before, now) = (noisy(30, -1.0, 0.05), noisy(30, -2.0, 0.05));
        let fall = found(
            &worse,
            "gain",
            &scores("gain", &before),
            &scores("gain", &now),
        );
        assert_eq!(fall.status, Status::Regressed(Level::Critical), "{fall}");
        assert!((fall.change.unwrap() + 1.0).abs() < 0.05, "{fall}");
    }
    for value in [f64::NAN, f64::INFINITY, -1.0] {
        let draft = Draft {
            operation: "detect",
            duration_seconds: Some(value),
            ..Draft::default()
        };
        assert!(Measurement::new(draft).is_err(), "{value}");
    }
}

#[test]
fn case_26_one_value_is_too_few() {
    let question = Question::default();
    let baseline = durations(&noisy(60, 1.0, 0.1));
    let one = found(&question, "duration", &baseline, &durations(&[1.21]));
    assert!(matches!(one.status, Status::Insufficient(_)), "{one}");
    let one = found(
        &guide(0.2, 0.5),
        "duration",
        &durations(&[1.0]),
        &durations(&[1.21]),
    );
    assert_eq!(one.status, Status::Regressed(Level::Warning));
}

#[test]
fn case_27_one_slow_run_of_a_hundred_moves_no_location() {
    let baseline = durations(&[1.0; 100]);
    let mut values = vec![1.0; 99];
    values.push(25.0);
    for stat in [Stat::Mean, Stat::Quantile(0.5)] {
        let question = Question {
            stat,
            ..Question::default()
        };
        let row = found(&question, "duration", &baseline, &durations(&values));
        assert_eq!(row.status, Status::Stable, "{row}");
    }
}

#[test]
fn case_28_a_slow_tenth_is_seen_at_p95_and_not_in_the_mean() {
    let baseline = durations(&[1.0; 100]);
    let mut values = vec![1.0; 100];
    for value in values.iter_mut().step_by(10) {
        *value = 2.5;
    }
    let now = durations(&values);
    let at = |stat| {
        let question = Question {
            stat,
            ..Question::default()
        };
        found(&question, "duration", &baseline, &now).status
    };
    assert_eq!(at(Stat::Quantile(0.95)), Status::Regressed(Level::Critical));
    assert_eq!(at(Stat::Mean), Status::Stable);
    assert_eq!(at(Stat::Quantile(0.5)), Status::Stable);
}

#[test]
fn failures_are_shares_and_no_durations() {
    let of = |failed: bool| {
        let draft = Draft {
            operation: "detect",
            duration_seconds: Some(if failed { 99.0 } else { 1.0 }),
            outcome: Some(match failed {
                true => crate::engine::measurement::Outcome::Failure,
                false => crate::engine::measurement::Outcome::Success,
            }),
            ..Draft::default()
        };
        Measurement::new(draft).unwrap()
    };
    let question = Question::default();
    let good: Vec<_> = (0..200).map(|i| of(i % 50 == 0)).collect();
    let bad: Vec<_> = (0..200).map(|i| of(i % 5 == 0)).collect();
    let share = found(&question, "error_ratio", &good, &bad);
    assert_eq!(share.status, Status::Regressed(Level::Critical), "{share}");
    assert_eq!((share.baseline, share.current), (Some(0.02), Some(0.2)));
    let duration = found(&question, "duration", &good, &bad);
    assert_eq!(duration.status, Status::Stable, "{duration}");
}

#[test]
fn what_is_on_one_side_only_is_new_or_missing_and_scores_without_direction_are_told() {
    let question = Question::default();
    let before = [durations(&[1.0]), scores("brier", &[0.2])].concat();
    let now = scores("accuracy", &[0.9]);
    let (before, now) = (Set::of(&question, &before), Set::of(&question, &now));
    let findings = compare(&question, &before, &now);
    let words = findings
        .rows
        .iter()
        .map(|row| (row.metric.to_string(), row.status.as_str()));
    let words: Vec<_> = words.collect();
    let expected = [
        ("duration", "missing"),
        ("error_ratio", "missing"),
        ("accuracy", "new"),
    ];
    assert_eq!(
        words,
        expected.map(|(metric, word)| (metric.to_owned(), word))
    );
    assert_eq!(findings.undirected, ["brier"]);
    assert!(!findings.has_compared() && !findings.has_regressed());
}

#[test]
fn a_question_that_makes_no_sense_is_refused() {
    let good = Question::default;
    for (question, expected) in [
        (
            Question {
                critical: 0.1,
                ..good()
            },
            "critical at 10% is not beyond the threshold of 20%",
        ),
        (
            Question {
                stat: Stat::Max,
                ..good()
            },
            "`max` cannot be compared",
        ),
        (
            Question {
                is_guide: true,
                ..good()
            },
            "the original guide compares means",
        ),
        (
            Question {
                metrics: vec![Metric::Rate],
                ..good()
            },
            "`rate` has no values",
        ),
        (
            Question {
                metrics: vec![Metric::named("brier")],
                ..good()
            },
            "which way score `brier` gets worse is not known; brier=up or brier=down says so",
        ),
        (
            Question {
                worse: [("duration".to_owned(), Worse::Down)].into(),
                ..good()
            },
            "`duration` does not get worse that way",
        ),
    ] {
        let error = question.check().unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!(good().check(), Ok(()));
}

#[test]
fn the_store_takes_the_same_values_of_a_measurement() {
    use crate::engine::admission::Batch;
    use crate::engine::time::Now;
    use crate::engine::window::Reach;
    use crate::engine::{Engine, Settings, selector::Selector};
    use std::time::Duration;
    let of = |i: u32| Draft {
        operation: "detect",
        duration_seconds: (!i.is_multiple_of(3)).then(|| f64::from(i)),
        setup_seconds: Some(0.5),
        cleanup_seconds: Some(0.25),
        cpu_cores: Some(f64::from(i)),
        memory_bytes: Some(5.0),
        memory_peak_bytes: Some(6.0),
        samples: Some(u64::from(i)),
        outcome: i
            .is_multiple_of(4)
            .then_some(crate::engine::measurement::Outcome::Failure),
        quality: vec![("accuracy", f64::from(i) / 20.0)],
        quality_samples: i.is_multiple_of(2).then_some(u64::from(i) + 1),
        ..Draft::default()
    };
    let measurements: Vec<_> = (0..20).map(|i| Measurement::new(of(i)).unwrap()).collect();
    let question = Question::default();
    let set = Set::of(&question, &measurements);
    let now = Now::invented(Duration::from_secs(1_000_000));
    let mut engine = Engine::new(Settings::default(), now);
    let records = measurements.into_iter().map(Ok).collect();
    let (admitted, _) = engine.admit(
        Batch {
            origin: None,
            records,
        },
        now,
    );
    engine.apply(&admitted, now);
    let instances = engine.instances(&Selector::default(), &question.by);
    let (labels, series) = instances.first_key_value().unwrap();
    assert_eq!(set.keys().count(), 10);
    for (_, name) in set.keys() {
        let ours = set.get(&(labels.clone(), name.clone())).unwrap();
        let gathered = engine.gather(
            series,
            &Metric::named(name),
            Reach::Runs(100),
            (None, None),
            now.wall,
        );
        let ours = ours.cohort(None, None).unwrap().summary;
        let stored = gathered.summary.unwrap();
        assert_eq!(
            (ours.n, ours.mean, ours.min, ours.max),
            (stored.n, stored.mean, stored.min, stored.max),
            "{name}"
        );
        let (ours, stored) = (ours.sd.unwrap(), stored.sd.unwrap());
        assert!((ours - stored).abs() <= 1e-12 * stored, "{name}");
    }
}

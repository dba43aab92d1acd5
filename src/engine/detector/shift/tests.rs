mod families;

use super::*;

/// Scores of an independent implementation over four series of 288 points a day, from a warm-up of two days and a budget of
/// one false alarm in 30: a step of 16 %, a spread that grows by 70 % in dependent noise, a tail in which one point of eight
/// is larger by 60 %, and a slow decline by 40 %, over points of which 15 % and a stretch of 40 are missing. A score that is left
/// out is that of the line before.
fn reference() -> Vec<[(Option<f64>, f64); 4]> {
    let text = include_str!("expected.csv");
    let mut scores = [0.0; 4];
    let lines = text.lines().skip(1).map(|line| {
        let cells: Vec<Option<f64>> = line.split(',').map(|cell| cell.parse().ok()).collect();
        std::array::from_fn(|series| {
            scores[series] = cells[4 + series].unwrap_or(scores[series]);
            (cells[series], scores[series])
        })
    });
    lines.collect()
}

fn whole_days() -> Settings {
    Settings::new(288, 288.0, 576, 30.0).unwrap()
}

fn settings() -> Settings {
    Settings::new(96, 96.0, 192, 30.0).unwrap()
}

/// Values without a random generator: quantiles of a logistic distribution of scale 1.
fn logistic(i: u32) -> f64 {
    let u = (f64::from(i.wrapping_mul(2_654_435_761) % 10_007) + 0.5) / 10_007.0;
    (u / (1.0 - u)).ln()
}

fn run(settings: Settings, values: impl IntoIterator<Item = Option<f64>>) -> (Shift, Vec<Verdict>) {
    let mut shift = Shift::new(settings);
    let verdicts = values.into_iter().map(|value| shift.push(value)).collect();
    (shift, verdicts)
}

#[test]
fn scores_are_those_of_an_independent_implementation() {
    let lines = reference();
    for series in 0..4 {
        let (_, verdicts) = run(whole_days(), lines.iter().map(|line| line[series].0));
        for (i, (verdict, line)) in verdicts.iter().zip(&lines).enumerate() {
            let error = (verdict.score - line[series].1).abs();
            assert!(
                error < 1e-6,
                "series {series}, point {i}: {verdict:?}, not {}",
                line[series].1
            );
        }
    }
}

#[test]
fn a_change_is_told_with_its_channel_its_time_and_its_size() {
    let lines = reference();
    let expected = [
        (Channel::Level, 900, 1.16),
        (Channel::Spread, 800, 1.7),
        (Channel::Tail, 850, 2.3),
        (Channel::Drift, 900, 0.6),
    ];
    for (series, (channel, since, times)) in expected.into_iter().enumerate() {
        let (_, verdicts) = run(whole_days(), lines.iter().map(|line| line[series].0));
        let strongest = verdicts.iter().max_by(|a, b| a.score.total_cmp(&b.score));
        let strongest = strongest.unwrap();
        let change = strongest.change.unwrap();
        let Size::Times(found) = change.size else {
            panic!("{change:?}");
        };
        assert!(strongest.is_open && change.channel == channel, "{change:?}");
        assert!(change.since.abs_diff(since) <= 160, "{change:?}");
        assert!((found / times).ln().abs() < 0.25, "{change:?}");
    }
}

#[test]
fn the_level_of_values_of_both_signs_moves_by_an_amount() {
    let values = (0..900).map(|i| Some(3.0 * logistic(i) + if i < 500 { 0.0 } else { 6.0 }));
    let (_, verdicts) = run(settings(), values);
    let verdict = verdicts.iter().find(|verdict| verdict.is_open).unwrap();
    let change = verdict.change.unwrap();
    let Size::By(amount) = change.size else {
        panic!("{change:?}");
    };
    assert!(
        (4.0..8.0).contains(&amount) && !change.is_larger,
        "{change:?}"
    );
    assert!(change.since.abs_diff(500) < 12, "{change:?}");
}

#[test]
fn a_change_far_beyond_the_noise_is_one_of_the_level_and_larger_than_said() {
    let values =
        (0..900).map(|i| Some((0.1 * logistic(i)).exp() * if i < 500 { 1.0 } else { 9.0 }));
    let (_, verdicts) = run(settings(), values);
    let change = verdicts.last().unwrap().change.unwrap();
    assert!(
        change.channel == Channel::Level && change.is_larger,
        "{change:?}"
    );
    assert!(change.since.abs_diff(500) < 12, "{change:?}");
}

#[test]
fn nothing_is_said_of_a_series_in_which_nothing_changes() {
    for values in [
        |_| Some(5.0),
        |_| Some(0.0),
        |_| Some(-1e300),
        |i| Some((0.3 * logistic(i)).exp()),
        |i| (i % 3 > 0).then(|| logistic(i)),
        |_| None,
        |i| Some([f64::NAN, f64::INFINITY][usize::from(i % 2 == 0)]),
        |i| Some([f64::MAX, f64::MIN, 0.0, 1e-300][usize::try_from(i % 4).unwrap()]),
    ] as [fn(u32) -> Option<f64>; 8]
    {
        let (_, verdicts) = run(settings(), (0..1_500).map(values));
        for verdict in verdicts {
            assert!(
                verdict.score < 1.0 && verdict.evidence.is_finite(),
                "{verdict:?}"
            );
        }
    }
}

#[test]
fn a_gap_longer_than_a_season_begins_a_new_warm_up() {
    let values = |i: u32| Some((0.2 * logistic(i)).exp());
    let (mut shift, verdicts) = run(settings(), (0..400).map(values));
    assert!(verdicts[190].is_warming_up() && !verdicts[193].is_warming_up());
    for _ in 0..96 {
        assert!(!shift.push(None).is_warming_up());
    }
    assert!(shift.push(None).is_warming_up());
    assert_eq!(shift.warm_up_left(), 192);
    // Elsewhere, at another level: that is what the series is like now.
    let mut verdict = Verdict::default();
    for i in 0..600 {
        verdict = shift.push(values(i).map(|value| 9.0 * value + if i < 400 { 0.0 } else { 9.0 }));
        assert!(i > 400 || !verdict.is_open, "{i} {verdict:?}");
    }
    let change = verdict.change.unwrap();
    assert!(change.since.abs_diff(400 + 97 + 400) < 12, "{change:?}");
}

#[test]
fn a_warm_up_with_too_few_values_begins_anew() {
    let values = |i: u32| (i.is_multiple_of(4) || i >= 192).then(|| (0.2 * logistic(i)).exp());
    let (shift, verdicts) = run(settings(), (0..400).map(values));
    assert!(verdicts[383].is_warming_up() && !verdicts[384].is_warming_up());
    assert_eq!(shift.warm_up_left(), 0);
}

#[test]
fn noise_that_is_too_slow_for_the_warm_up_is_named() {
    let mut level = 0.0;
    let walk: Vec<_> = (0..200)
        .map(|i| {
            level = 0.97 * level + logistic(i);
            Some(level)
        })
        .collect();
    let (_, verdicts) = run(settings(), walk);
    assert!(
        verdicts.last().unwrap().is_too_slow(),
        "{:?}",
        verdicts.last()
    );
}

#[test]
fn the_state_stays_below_eight_kilobytes() {
    let (shift, _) = run(settings(), (0..400).map(|i| Some(logistic(i))));
    assert!(shift.size() < 8_000, "{}", shift.size());
}

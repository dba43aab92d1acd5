use super::*;
use crate::engine::detector::noise::noise;
use dictionary::{Dictionary, Patterns};
use proptest::prelude::*;

const FIVE_MINUTES: f64 = 288.0;

/// The series of `expected.csv`, by their names.
fn series(name: &str) -> (Settings, Vec<Option<f64>>) {
    let all = |n, seed, value: &dyn Fn(usize, f64) -> Option<f64>| -> Vec<Option<f64>> {
        let noise = noise(seed).take(n).enumerate();
        noise.map(|(at, noise)| value(at, noise)).collect()
    };
    let (points_per_day, entries, values) = match name {
        "spikes" => (FIVE_MINUTES, 128, {
            all(1_000, 1, &|at, noise| {
                let is_spike = [300, 450, 451, 700, 900].contains(&at);
                Some(if is_spike { 9_000.0 } else { 1_000.0 + noise } / 100.0)
            })
        }),
        "plateau" => (FIVE_MINUTES, 128, {
            all(900, 2, &|at, noise| {
                let is_high = (400..460).contains(&at) || (700..760).contains(&at);
                Some(if is_high { 50.0 } else { 10.0 } + noise / 1_000.0)
            })
        }),
        "season" => (24.0, 128, {
            all(960, 3, &|at, noise| {
                let hour = (at % 24).abs_diff(12) as f64 * 100.0;
                let odd = match at {
                    600 => 1_500.0,
                    800 => -600.0,
                    _ => 0.0,
                };
                Some((hour + odd + noise / 10.0) / 10.0)
            })
        }),
        "gaps" => (FIVE_MINUTES, 128, {
            all(600, 4, &|at, noise| match at {
                _ if at % 7 == 3 || (200..260).contains(&at) => None,
                305 | 306 | 310 => Some(400.0),
                _ => Some(noise / 10.0),
            })
        }),
        "constant" => (1_440.0, 128, {
            all(700, 1, &|at, _| {
                let is_other = [500, 501, 502, 600, 640, 650].contains(&at);
                Some(if is_other { 6.0 } else { 5.0 })
            })
        }),
        "walk" => (FIVE_MINUTES, 16, {
            let walk = noise(5).scan(0.0, |level, noise| {
                *level += noise - 500.0;
                Some(Some(*level / 10.0))
            });
            walk.take(1_500).collect()
        }),
        "long" => (1_440.0, 32, {
            all(12_000, 6, &|at, noise| {
                let is_odd = at % 1_999 == 0;
                Some(if is_odd { 3_000.0 + at as f64 } else { noise } / 10.0)
            })
        }),
        // A peak of eight hours; that of day 17 does not come.
        "peaks" => (96.0, 128, {
            all(96 * 24, 7, &|at, noise| {
                let (day, slot) = (at / 96, at % 96);
                let is_peak = (36..68).contains(&slot) && day != 17;
                let level = if is_peak { 5_000.0 } else { 1_000.0 };
                (at % 50 != 7).then_some((level + noise) / 10.0)
            })
        }),
        _ => panic!("no series {name}"),
    };
    let settings = Settings {
        entries,
        ..Settings::new(points_per_day)
    };
    (settings, values)
}

fn verdicts(settings: &Settings, values: &[Option<f64>]) -> Vec<Verdict> {
    let mut detector = Novelty::new(settings);
    values.iter().map(|value| detector.push(*value)).collect()
}

/// The points of which `expected.csv` speaks, as it writes them.
fn spoken(name: &str) -> Vec<String> {
    let (settings, values) = series(name);
    let verdicts = verdicts(&settings, &values);
    let spoken = verdicts.iter().enumerate();
    let spoken = spoken.filter(|(_, verdict)| verdict.score >= 0.2);
    spoken
        .map(|(at, verdict)| line(name, at, verdict))
        .collect()
}

fn line(name: &str, at: usize, verdict: &Verdict) -> String {
    let Verdict {
        score,
        held,
        distance,
        ..
    } = verdict;
    let aspect = format!("{:?}", verdict.aspect).to_lowercase();
    let nearest = match verdict.nearest {
        Some(Pattern::One(value)) => format!("{value:?}"),
        Some(Pattern::Three(values)) => values.map(|value| format!("{value:?}")).join(" "),
        None => String::new(),
    };
    format!("{name},{at},{score:?},{held:?},{aspect},{distance:?},{nearest}")
}

/// Fields of numbers may differ by one in a million, others not at all.
fn same(one: &str, other: &str) -> bool {
    let fields =
        |line: &str| -> Vec<String> { line.split([',', ' ']).map(str::to_owned).collect() };
    let (one, other) = (fields(one), fields(other));
    let same = |(a, b): (&String, &String)| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 1e-6 * a.abs().max(1.0),
        _ => a == b,
    };
    one.len() == other.len() && one.iter().zip(&other).all(same)
}

/// The scores of an implementation in Python, with plain arrays that are searched from end to end.
#[test]
fn scores_are_those_of_an_independent_implementation() {
    let expected = include_str!("expected.csv");
    for name in [
        "spikes", "plateau", "season", "gaps", "constant", "walk", "long", "peaks",
    ] {
        let expected = expected.lines().filter(|line| line.starts_with(name));
        let expected: Vec<&str> = expected.collect();
        let spoken = spoken(name);
        assert!(!spoken.is_empty(), "{name}");
        assert_eq!(spoken.len(), expected.len(), "{name}");
        for (spoken, expected) in spoken.iter().zip(expected) {
            assert!(same(spoken, expected), "{spoken}\n{expected}");
        }
    }
}

#[test]
fn an_incident_alerts_once_and_is_known_afterwards() {
    let (settings, values) = series("plateau");
    let alerts: Vec<usize> = verdicts(&settings, &values)
        .iter()
        .enumerate()
        .filter(|(_, verdict)| verdict.alert)
        .map(|(at, _)| at)
        .collect();
    // Up and down. By the second time both ways are known.
    assert_eq!(alerts, [400, 461]);
}

#[test]
fn a_stricter_budget_asks_for_a_rarer_point() {
    let (settings, values) = series("spikes");
    let alerts = |days_per_false_alarm| {
        let settings = Settings {
            days_per_false_alarm,
            ..settings
        };
        let verdicts = verdicts(&settings, &values);
        verdicts.iter().filter(|verdict| verdict.alert).count()
    };
    assert!((Settings::new(288.0).threshold() - 1.0).abs() < 1e-12);
    assert_eq!([alerts(1.0), alerts(10.0), alerts(10_000.0)], [2, 1, 0]);
}

#[test]
fn missing_and_impossible_values_teach_the_experts_nothing() {
    let (settings, values) = series("spikes");
    let (mut detector, mut without) = (Novelty::new(&settings), Novelty::new(&settings));
    for value in values {
        for nothing in [None, Some(f64::NAN), Some(f64::INFINITY), Some(-1e300)] {
            detector.push(nothing);
        }
        detector.push(value);
        without.push(value);
    }
    assert_eq!(detector.value, without.value);
    assert_eq!(detector.shape, without.shape);
    assert_eq!(detector.level, without.level);
}

fn alerts(name: &str) -> Vec<(usize, Aspect)> {
    let (settings, values) = series(name);
    let verdicts = verdicts(&settings, &values);
    let alerts = verdicts.iter().enumerate();
    let alerts = alerts.filter(|(_, verdict)| verdict.alert);
    alerts.map(|(at, verdict)| (at, verdict.aspect)).collect()
}

#[test]
fn a_peak_that_does_not_come_is_odd() {
    let alerts = alerts("peaks");
    let later = alerts.iter().filter(|(at, _)| *at >= 7 * 96);
    let later: Vec<&(usize, Aspect)> = later.collect();
    // From the slot on that has nothing but the peak around it on other days.
    assert_eq!(later, [&(17 * 96 + 55, Aspect::Season)], "{alerts:?}");
}

#[test]
fn a_constant_series_is_judged_once_it_has_changed_three_times() {
    let first = alerts("constant").first().copied();
    assert_eq!(first, Some((601, Aspect::Shape)));
}

#[test]
fn times_a_day_follow_from_the_score() {
    let verdict = Verdict {
        score: 3.0,
        ..Verdict::NONE
    };
    assert!((verdict.times_per_day() - 0.01).abs() < 1e-12);
}

#[test]
fn a_packed_detector_goes_on_as_if_nothing_had_been() {
    for name in ["season", "gaps", "walk", "long", "peaks"] {
        let (settings, values) = series(name);
        let mut detector = Novelty::new(&settings);
        for (at, value) in values.iter().enumerate() {
            let verdict = detector.push(*value);
            if at % 97 == 1 {
                let bytes = detector.pack();
                assert!(bytes.len() <= 8_000, "{}", bytes.len());
                let unpacked = Novelty::unpack(&settings, &bytes).unwrap();
                assert_eq!(unpacked.pack(), bytes);
                let (mut one, mut other) = (unpacked, detector.clone());
                for value in values.iter().skip(at + 1).take(40) {
                    assert_eq!(one.push(*value), other.push(*value), "{verdict:?}");
                }
            }
        }
    }
}

#[test]
fn bytes_that_are_no_detector_are_refused() {
    let (settings, values) = series("plateau");
    let mut detector = Novelty::new(&settings);
    values.iter().for_each(|value| {
        detector.push(*value);
    });
    let bytes = detector.pack();
    let refused = |bytes: &[u8]| Novelty::unpack(&settings, bytes).is_none();
    for length in 0..bytes.len() {
        assert!(refused(&bytes[..length]), "{length}");
    }
    let changed = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        bytes
    };
    assert!(refused(&changed(0, 2)), "another form");
    assert!(
        refused(&[bytes.as_slice(), &[0]].concat()),
        "something more"
    );
    let fewer = Settings {
        entries: 16,
        ..settings
    };
    assert!(Novelty::unpack(&fewer, &bytes).is_none(), "no room");
    // Whatever else has changed, nothing panics.
    for (at, byte) in bytes.iter().enumerate() {
        if let Some(mut damaged) = Novelty::unpack(&settings, &changed(at, !byte)) {
            assert!(damaged.push(Some(1.0)).score.is_finite());
        }
    }
}

/// Patterns as a plain list in order of age.
#[derive(Clone, Debug)]
struct Plain(Vec<Vec<f64>>);

impl Plain {
    fn distance(one: &[f64], other: &[f64]) -> f64 {
        let squares = one.iter().zip(other).map(|(a, b)| (a - b) * (a - b));
        (squares.sum::<f64>() / one.len() as f64).sqrt()
    }

    fn nearest(&self, to: &[f64]) -> (f64, Vec<f64>) {
        let mut best = (f64::INFINITY, Vec::new());
        for pattern in &self.0 {
            let distance = Self::distance(pattern, to);
            if distance < best.0 {
                best = (distance, pattern.clone());
            }
        }
        best
    }

    fn thin(&mut self, radius: f64) {
        let before = std::mem::take(&mut self.0);
        for pattern in before {
            if self.nearest(&pattern).0 > radius {
                self.0.push(pattern);
            }
        }
    }
}

/// Whatever is learned and merged, patterns are those of a plain list.
fn check<P: Patterns>(values: &[i32]) {
    let to_vec = |pattern: P::Pattern| pattern.as_ref().to_vec();
    let mut dictionary: Dictionary<P> = Dictionary::new(12);
    let mut plain = Plain(Vec::new());
    for window in values.windows(3) {
        let means: Vec<f64> = window.iter().map(|value| f64::from(*value)).collect();
        let pattern = P::pattern(&means).unwrap();
        let as_vec = to_vec(pattern);
        let (distance, nearest) = plain.nearest(&as_vec);
        assert!(
            (dictionary.patterns.distance(&pattern) - distance).abs() < 1e-9 || plain.0.is_empty()
        );
        let found = dictionary.patterns.nearest(&pattern).map(to_vec);
        assert_eq!(found.unwrap_or_default(), nearest);
        let before = dictionary.radius;
        dictionary.learn(pattern, dictionary.patterns.distance(&pattern));
        if distance > before {
            let mut radius = before;
            while radius < dictionary.radius {
                if radius <= 0.0 {
                    let pairs = plain
                        .0
                        .iter()
                        .flat_map(|a| plain.0.iter().map(move |b| (a, b)));
                    let distances = pairs.map(|(a, b)| Plain::distance(a, b));
                    radius = distances.filter(|d| *d > 0.0).fold(f64::INFINITY, f64::min);
                }
                radius *= 1.3;
                plain.thin(radius);
            }
            plain.0.push(as_vec);
        }
        assert_eq!(dictionary.patterns.len(), plain.0.len());
        assert!(plain.0.len() <= 12);
    }
}

proptest! {
    #[test]
    fn sorted_values_are_found_and_merged_as_a_plain_list(values in prop::collection::vec(-60..60, 3..200)) {
        check::<Scalars>(&values);
    }

    #[test]
    fn triples_are_found_and_merged_as_a_plain_list(values in prop::collection::vec(-9..9, 3..200)) {
        check::<Triples>(&values);
    }

    #[test]
    fn no_series_makes_a_score_that_is_not_a_number(
        values in prop::collection::vec(prop::option::of(prop::sample::select(&[
            0.0, -0.0, 1.0, 1.5, 5e-324, -1e-300, 1e149, -1e149, 1e10, f64::MAX, f64::NEG_INFINITY,
        ][..])), 0..400),
    ) {
        let mut settings = Settings::new(f64::NAN);
        settings.entries = 0;
        for verdict in verdicts(&settings, &values) {
            prop_assert!(verdict.score.is_finite() && verdict.held.is_finite());
            prop_assert!(!verdict.distance.is_nan());
        }
    }
}

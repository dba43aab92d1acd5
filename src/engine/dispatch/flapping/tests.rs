//! What flaps is told at growing distances, what does not as ever, and in the end everybody knows how it stands.

use std::collections::BTreeMap;

use super::super::muting::tests::{at, dispatcher, is, told, update};
use super::super::{Dispatcher, NotifyReason};
use super::*;
use NotifyReason::{AllResolved, First, NewFiring, Repeat};

const HOUR: u64 = 3_600;

/// Looked at every 100 s; at the latest repeated after 1 000 s.
fn damping() -> Dispatcher {
    dispatcher(|routing| routing.flapping = Some(FlapSettings::default()))
}

/// What is told in a stretch in which an alert begins each time at the first number and ends at the second of each period.
fn flap(
    d: &mut Dispatcher,
    stretch: std::ops::Range<u64>,
    period: u64,
) -> Vec<(u64, NotifyReason)> {
    let mut all = Vec::new();
    let mut began = 0;
    for seconds in stretch.step_by(10) {
        match seconds % period {
            0 => {
                began = seconds;
                update(d, &[("n", "1")], began, None);
            }
            // In the middle of the period it is over.
            rest if rest == period / 20 * 10 => update(d, &[("n", "1")], began, Some(seconds)),
            _ => {}
        }
        for notification in d.flush(at(seconds)) {
            all.push((seconds, notification.reason));
        }
    }
    all
}

#[test]
fn an_alert_that_flaps_is_told_at_distances_that_double() {
    let mut d = damping();
    // It begins every 100 s: in ten hours 360 times.
    let all = flap(&mut d, HOUR..11 * HOUR, 100);
    let flapping: Vec<u64> = (all.iter())
        .filter(|(_, reason)| *reason == NotifyReason::Flapping)
        .map(|(at, _)| *at)
        .collect();
    // From the fifth beginning on, and then ever more rarely, but not more rarely than it would be repeated.
    assert!((HOUR + 400..HOUR + 600).contains(&flapping[0]), "{all:?}");
    let distances: Vec<u64> = flapping.windows(2).map(|two| two[1] - two[0]).collect();
    assert_eq!(distances[..4], [200, 400, 800, 1_000], "{all:?}");
    assert!(
        distances[4..].iter().all(|one| *one <= 1_200),
        "{distances:?}"
    );
    // All that was told before it flapped, and nothing else since.
    let others = all.iter().filter(|(at, _)| *at > flapping[0]);
    assert!(
        others
            .clone()
            .all(|(_, reason)| *reason == NotifyReason::Flapping),
        "{all:?}"
    );
    let flaps = d.flaps(fingerprint(&d), at(11 * HOUR)).unwrap();
    assert!(flaps.is_flapping && flaps.score > 20.0, "{flaps:?}");
    assert_eq!((flaps.times, d.flapping_count(at(11 * HOUR))), (MOST, 1));
    let held = d.held_back().counts();
    assert_eq!(held[2].0, "flapping");
}

fn fingerprint(d: &Dispatcher) -> u64 {
    *d.flapping.histories.keys().next().unwrap()
}

#[test]
fn what_it_says_is_in_an_annotation_and_its_end_is_told_once_it_is_quiet() {
    let mut d = damping();
    let all = flap(&mut d, HOUR..HOUR + 1_000, 200);
    let before = all.iter().map(|(_, reason)| *reason).collect::<Vec<_>>();
    assert_eq!(before.last(), Some(&NotifyReason::Flapping), "{all:?}");
    update(&mut d, &[("n", "1")], HOUR + 1_000, None);
    let mut said = Vec::new();
    for seconds in (HOUR + 1_000..HOUR + 1_400).step_by(10) {
        said.extend(d.flush(at(seconds)));
    }
    let text = said[0].alerts[0].annotations.get("flapping").to_owned();
    assert!(text.starts_with("6 times in the last "), "{text}");
    // While it may begin again nothing is said of its end, for hours.
    update(&mut d, &[("n", "1")], HOUR + 1_000, Some(HOUR + 1_500));
    let mut ends = Vec::new();
    for seconds in (HOUR + 1_500..8 * HOUR).step_by(100) {
        ends.extend(d.flush(at(seconds)).into_iter().map(|one| (seconds, one)));
    }
    let [(when, end)] = ends.as_slice() else {
        panic!("{ends:?}")
    };
    assert_eq!((end.reason, end.status()), (AllResolved, "resolved"));
    // A score of 6 has fallen to 1 after somewhat more than two half-lives.
    assert!((3 * HOUR..5 * HOUR).contains(when), "{when}");
    assert_eq!(d.flapping_count(at(8 * HOUR)), 0);
    assert_eq!((d.group_count(), d.next_due()), (0, None));
    // It is forgotten.
    d.flush(at(20 * HOUR));
    assert!(d.flapping.histories.is_empty());
}

#[test]
fn what_fires_now_and_then_is_told_as_ever() {
    let (mut with, mut without) = (damping(), dispatcher(|_| ()));
    // Every half an hour, for two days.
    let one = flap(&mut with, HOUR..49 * HOUR, 1_800);
    let other = flap(&mut without, HOUR..49 * HOUR, 1_800);
    assert_eq!(one, other);
    assert!(one.len() > 150, "{}", one.len());
    // And four times in a row.
    let (mut with, mut without) = (damping(), dispatcher(|_| ()));
    let one = flap(&mut with, HOUR..HOUR + 800, 200);
    assert_eq!(one, flap(&mut without, HOUR..HOUR + 800, 200));
    let reasons: Vec<_> = one.into_iter().map(|(_, reason)| reason).collect();
    assert_eq!(reasons[..3], [First, AllResolved, NewFiring]);
}

#[test]
fn others_of_its_group_are_told_as_ever_and_it_beside_them() {
    let mut d = damping();
    flap(&mut d, HOUR..HOUR + 2_000, 100);
    update(&mut d, &[("n", "2")], HOUR + 2_000, None);
    let reasons: Vec<_> = (HOUR + 2_000..HOUR + 2_200)
        .step_by(10)
        .flat_map(|seconds| told(&mut d, seconds))
        .collect();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert_eq!(reasons[0], is(NewFiring, &["2"])[0]);
}

/// Numbers that look random.
fn numbers(mut seed: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    }
}

/// Whatever a few alerts do for hours: once they have been quiet for long, the last word on each is how it stands.
#[test]
fn in_the_end_the_last_word_on_each_alert_is_how_it_stands() {
    for seed in 0..60 {
        let mut next = numbers(seed);
        let mut d = dispatcher(|routing| {
            routing.flapping = Some(FlapSettings {
                score: 2.0 + (seed % 3) as f64,
                half_life: Duration::from_secs(600),
            });
        });
        let names = ["1", "2", "3"];
        let mut began: [Option<u64>; 3] = [None; 3];
        // Who listens: the last word on each alert.
        let mut words: BTreeMap<String, bool> = BTreeMap::new();
        let mut sent = 0;
        let mut listen = |d: &mut Dispatcher, seconds: u64| {
            for notification in d.flush(at(seconds)) {
                sent += 1;
                for alert in &notification.alerts {
                    words.insert(alert.labels.get("n").to_owned(), alert.is_firing());
                }
                assert!(
                    notification.reason != Repeat || notification.status() == "firing",
                    "{seed}"
                );
            }
        };
        let mut seconds = HOUR;
        while seconds < 4 * HOUR {
            seconds += 10 + next(120);
            let which = usize::try_from(next(3)).unwrap();
            let (name, began) = (names[which], &mut began[which]);
            match *began {
                Some(from) => {
                    update(&mut d, &[("n", name)], from, Some(seconds));
                    *began = None;
                }
                None => {
                    update(&mut d, &[("n", name)], seconds, None);
                    *began = Some(seconds);
                }
            }
            listen(&mut d, seconds);
        }
        for seconds in (4 * HOUR..16 * HOUR).step_by(50) {
            listen(&mut d, seconds);
        }
        for (name, began) in names.iter().zip(began) {
            let word = words.get(*name).copied().unwrap_or_default();
            assert_eq!(word, began.is_some(), "{seed} {name}");
        }
        assert!(sent < 200, "{seed}: {sent}");
    }
}

//! Steps and drifts in noise of several kinds: what each is told as, and whether its date holds. `benches/detection/shapes` does
//! the same at length.

use super::*;

/// Points of a day.
const DAY: u32 = 96;
/// When the change comes, in days.
const CHANGES: u32 = 5;

/// Normal noise of standard deviation 1, from twelve uniform numbers of the C standard's generator.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        let mut sum = 0.0;
        for _ in 0..12 {
            self.0 = (self.0 * 1_103_515_245 + 12_345) % 2_147_483_648;
            sum += f64::from(u16::try_from(self.0 / 65_536 % 1_000).unwrap()) / 1_000.0;
        }
        sum - 6.0
    }
}

#[derive(Clone, Copy)]
struct Family {
    season: f64,
    phi: f64,
}

const FAMILIES: [Family; 4] = [
    Family {
        season: 0.0,
        phi: 0.0,
    },
    Family {
        season: 0.3,
        phi: 0.0,
    },
    Family {
        season: 0.0,
        phi: 0.5,
    },
    Family {
        season: 0.3,
        phi: 0.8,
    },
];

/// The last that is told of a series, of standard deviation 0.1, by days after it has changed as said; a day before there are
/// no alarms.
fn told(family: Family, seed: u64, days: u32, by: impl Fn(f64) -> f64) -> Option<Change> {
    let mut noise = Noise(seed);
    let mut slow = 0.0;
    let begin = CHANGES * DAY;
    let values = (0..begin + days * DAY).map(|i| {
        slow = family.phi * slow + (1.0 - family.phi * family.phi).sqrt() * noise.next();
        let phase = std::f64::consts::TAU * f64::from(i % DAY) / f64::from(DAY);
        let after = (i >= begin).then(|| by(f64::from(i - begin) / f64::from(DAY)));
        Some((family.season * phase.sin() + 0.1 * slow + after.unwrap_or(0.0)).exp())
    });
    let (_, verdicts) = run(settings(), values);
    let before = usize::try_from(begin - DAY).unwrap();
    let is_false = verdicts[before..before + 96]
        .iter()
        .any(|verdict| verdict.is_open);
    let last = verdicts[before + 96..]
        .iter()
        .rev()
        .find(|verdict| verdict.is_open);
    last.filter(|_| !is_false)
        .and_then(|verdict| verdict.change)
}

fn holds(change: &Change) -> bool {
    let begin = u64::from(CHANGES * DAY);
    (change.within.0..=change.within.1).contains(&begin)
}

#[test]
fn a_step_is_no_drift_and_is_dated() {
    let (mut all, mut drifts, mut dated) = (0, 0, 0);
    for family in FAMILIES {
        for (seed, percent) in (1..).zip([8, 12, 15, 20, 30, 50, 100, -20]) {
            let size = (1.0 + f64::from(percent) / 100.0).ln();
            if let Some(change) = told(family, seed * 7_919, 3, |_| size) {
                all += 1;
                drifts += u32::from(change.channel == Channel::Drift);
                dated += u32::from(holds(&change));
            }
        }
    }
    // One in twenty may be either, as it is.
    assert!(
        all >= 28 && drifts <= 2 && dated >= all - 4,
        "{all} {drifts} {dated}"
    );
}

#[test]
fn a_drift_is_told_as_one_with_its_slope_and_the_day_on_which_it_began() {
    let (mut all, mut drifts, mut dated, mut sized) = (0, 0, 0, 0);
    for family in FAMILIES {
        for (seed, percent) in (1..).zip([5, 8, 10, 12, 15, -10]) {
            let slope = (1.0 + f64::from(percent) / 100.0).ln();
            let Some(change) = told(family, seed * 104_729, 6, |days| slope * days) else {
                continue;
            };
            all += 1;
            if let Some((_, (Size::Times(low), Size::Times(high)))) = change.per_day {
                drifts += 1;
                dated += u32::from(holds(&change));
                sized += u32::from((low..=high).contains(&slope.exp()));
            }
        }
    }
    assert!(all >= 22 && drifts >= all - 2, "{all} {drifts}");
    assert!(
        dated >= drifts - 4 && sized >= drifts - 4,
        "{drifts} {dated} {sized}"
    );
}

#[test]
fn a_drift_that_has_ended_was_one() {
    let slope = 1.1_f64.ln();
    let change = told(FAMILIES[1], 5, 6, |days| slope * days.min(3.0)).unwrap();
    assert!(
        change.channel == Channel::Drift && holds(&change),
        "{change:?}"
    );
    let Size::Times(by_now) = change.size else {
        panic!("{change:?}");
    };
    assert!(
        (by_now / (3.0 * slope).exp()).ln().abs() < 0.05,
        "{change:?}"
    );
}

#[test]
fn what_was_saved_in_the_middle_of_a_drift_goes_on() {
    let mut noise = Noise(3);
    let values: Vec<f64> = (0..14 * DAY)
        .map(|i| {
            (0.1 * noise.next() + 0.05 * f64::from(i.saturating_sub(5 * DAY)) / f64::from(DAY))
                .exp()
        })
        .collect();
    let mut whole = Shift::new(settings());
    let mut parts = Shift::new(settings());
    for (i, value) in values.iter().enumerate() {
        let (one, other) = (whole.push(Some(*value)), parts.push(Some(*value)));
        assert_eq!(one, other, "{i}");
        if i % 131 == 0 {
            parts = Shift::unpack(settings(), &parts.pack()).unwrap();
        }
    }
    assert_eq!(whole, parts);
    let change = whole.push(None).change.unwrap();
    assert_eq!(change.channel, Channel::Drift, "{change:?}");
}

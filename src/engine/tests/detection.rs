//! Rules with a detector, through the engine: what is found in a stream, of which kind, and when it began.

use super::restart::Kept;
use super::*;
use crate::engine::alert::Change;
use crate::engine::condition::{Budget, Detected, Detection, Feature, Finds, Standing};
use crate::engine::detector::noise::noise;
use crate::engine::detector::{novelty, shift};
use crate::engine::metric::Worse;
use crate::engine::time::Timestamp;

pub(super) const DAY: u64 = 86_400;
/// Seconds of a block.
pub(super) const BLOCK: u64 = 300;
/// Blocks of a day.
pub(super) const PER_DAY: u64 = 288;

pub(super) fn then(seconds: u64) -> Now {
    Now::invented(Duration::from_secs(20_000 * DAY + seconds))
}

fn detection(finds: Finds) -> Detection {
    Detection {
        metric: Metric::Duration,
        stat: Stat::Mean,
        block: Duration::from_secs(BLOCK),
        towards: match finds {
            Finds::Changes(_) => Some(Worse::Up),
            Finds::Anomalies(_) => None,
        },
        warm_up: match finds {
            Finds::Changes(_) => 2 * PER_DAY,
            Finds::Anomalies(_) => PER_DAY,
        },
        finds,
        levels: vec![level(Severity::Medium, 0.0)],
        budget: Budget {
            alarms: 1.0,
            per: Duration::from_secs(20 * DAY),
        },
    }
}

fn changes() -> Finds {
    Finds::Changes(shift::Settings::new(288, 288.0, 576, 20.0).unwrap())
}

fn anomalies() -> Finds {
    Finds::Anomalies(novelty::Settings {
        days_per_false_alarm: 20.0,
        ..novelty::Settings::new(288.0)
    })
}

/// Two rules, one for each kind of detector, that are judged each minute.
pub(super) fn detecting() -> Engine {
    Engine::new(settings(), then(0))
}

pub(super) fn settings() -> Settings {
    let rule = |name: &str, definition, finds| Rule {
        name: name.into(),
        condition: Condition::Detection(detection(finds)),
        labels: Vec::new(),
        annotations: Vec::new(),
        definition,
        ..rule()
    };
    let group = RuleGroup {
        interval: Duration::from_secs(60),
        rules: vec![rule("Changed", 1, changes()), rule("Odd", 2, anomalies())],
        ..group(super::rule())
    };
    Settings {
        groups: vec![group],
        ..Settings::default()
    }
}

/// Normal noise of standard deviation 1, from twelve uniform numbers.
pub(super) fn normal(seed: u64) -> impl Iterator<Item = f64> {
    let mut uniform = noise(seed);
    std::iter::repeat_with(move || {
        let sum: f64 = uniform.by_ref().take(12).sum();
        (sum + 6.0) / 1_000.0 - 6.0
    })
}

/// Seconds of a run: with a daily season and noise of 10 %.
pub(super) fn usual(block: u64, normal: f64) -> f64 {
    let phase = std::f64::consts::TAU * (block % PER_DAY) as f64 / PER_DAY as f64;
    (0.2 * phase.sin() + 0.1 * normal).exp()
}

/// What became of which alert in which block.
pub(super) type Story = Vec<(String, bool, u64)>;

/// A run in each of these blocks as `of` says by block and noise, none where that is no number, and an evaluation each minute.
pub(super) fn live(
    engine: &mut Engine,
    blocks: std::ops::Range<u64>,
    noise: &mut dyn Iterator<Item = f64>,
    of: &dyn Fn(u64, f64) -> f64,
) -> Story {
    let mut story = Story::new();
    for block in blocks {
        let start = block * BLOCK;
        let seconds = of(block, noise.next().unwrap());
        if seconds.is_finite() {
            measure(engine, "op", seconds, then(start + 100));
        }
        for minute in 1..=5 {
            for change in tick(engine, then(start + minute * 60)).changes {
                let fired = match change.change {
                    Change::Fired => true,
                    Change::Resolved(_) => false,
                    _ => continue,
                };
                story.push((change.labels.get("alertname").to_owned(), fired, block));
            }
        }
    }
    story
}

pub(super) fn detected(engine: &Engine, rule: usize) -> Detected {
    let state = &engine.groups()[0].rules[rule];
    let instance = state.instances.values().next().unwrap();
    instance.by.detecting().unwrap().detected
}

/// The block that a moment is in.
fn block_of(at: Timestamp) -> u64 {
    let seconds = at.millis() / 1_000 - i64::try_from(20_000 * DAY).unwrap();
    u64::try_from(seconds).unwrap() / BLOCK
}

/// Whether the verdict of a rule's only level is that.
fn stands(engine: &Engine, rule: usize) -> Standing {
    let state = &engine.groups()[0].rules[rule];
    let instance = state.instances.values().next().unwrap();
    instance.levels[0].verdict.unwrap().standing
}

/// Of seven days the last one with something in it.
fn with(of: &dyn Fn(u64, f64) -> f64, days: u64) -> (Engine, Story) {
    let mut engine = detecting();
    let mut noise = normal(7);
    let story = live(&mut engine, 0..days * PER_DAY, &mut noise, of);
    (engine, story)
}

/// When the changes began of which the story tells first.
fn found(story: &Story, rule: &str) -> u64 {
    let first = story.iter().find(|(name, fired, _)| name == rule && *fired);
    first.unwrap_or_else(|| panic!("{story:?}")).2
}

const CHANGED: u64 = 5 * PER_DAY;

#[test]
fn a_step_of_a_tenth_is_found_dated_and_measured() {
    let step = |block, noise| usual(block, noise) * if block >= CHANGED { 1.1 } else { 1.0 };
    let (engine, story) = with(&step, 7);
    let at = found(&story, "Changed");
    assert!((CHANGED..CHANGED + PER_DAY / 2).contains(&at), "{story:?}");
    assert!(story.iter().all(|(name, ..)| name != "Odd"), "{story:?}");
    let change = detected(&engine, 0).found.unwrap();
    assert_eq!(change.feature, Feature::Level);
    assert!(change.is_rise);
    assert!(block_of(change.began).abs_diff(CHANGED) <= 24, "{change:?}");
    let (earliest, latest) = change.within.unwrap();
    let within = block_of(earliest)..=block_of(latest);
    assert!(within.contains(&CHANGED), "{change:?}");
    assert!(earliest <= change.began && change.began <= latest);
    let (low, high) = change.interval.unwrap();
    assert!(low < 0.1 && 0.1 < high && low > 0.0, "{change:?}");
    assert_eq!(engine.groups()[0].rules[0].alerts().count(), 1);
}

#[test]
fn values_that_scatter_more_have_changed_in_spread() {
    let wider =
        |block, noise: f64| usual(block, if block >= CHANGED { 2.0 * noise } else { noise });
    let (engine, story) = with(&wider, 7);
    let at = found(&story, "Changed");
    assert!((CHANGED..CHANGED + PER_DAY).contains(&at), "{story:?}");
    let change = detected(&engine, 0).found.unwrap();
    assert_eq!(change.feature, Feature::Spread, "{change:?}");
    assert!(block_of(change.began).abs_diff(CHANGED) <= 72, "{change:?}");
}

#[test]
fn a_drift_of_three_per_cent_a_day_is_found() {
    let drifts = |block: u64, noise| {
        let days = block.saturating_sub(CHANGED) as f64 / PER_DAY as f64;
        usual(block, noise) * 1.03_f64.powf(days)
    };
    let (engine, story) = with(&drifts, 9);
    let at = found(&story, "Changed");
    assert!((CHANGED..CHANGED + 3 * PER_DAY).contains(&at), "{story:?}");
    let change = detected(&engine, 0).found.unwrap();
    assert_eq!(change.feature, Feature::Drift);
    let (earliest, latest) = change.within.unwrap();
    let within = block_of(earliest)..=block_of(latest);
    assert!(within.contains(&CHANGED), "{change:?}");
    let (_, (low, high)) = change.per_day.unwrap();
    assert!((low..=high).contains(&0.03), "{change:?}");
}

#[test]
fn a_spike_is_odd_and_no_change() {
    let spike = |block, noise| usual(block, noise) * if block == CHANGED { 6.0 } else { 1.0 };
    let (engine, story) = with(&spike, 7);
    assert_eq!(
        story,
        [
            ("Odd".to_owned(), true, CHANGED + 1),
            ("Odd".to_owned(), false, CHANGED + 3)
        ]
    );
    assert_eq!(stands(&engine, 0), Standing::Holds);
}

#[test]
fn a_quiet_stream_with_a_season_is_left_alone() {
    let (engine, story) = with(&usual, 8);
    assert_eq!(story, []);
    assert_eq!(stands(&engine, 0), Standing::Holds);
    assert_eq!(stands(&engine, 1), Standing::Holds);
}

#[test]
fn before_two_seasons_nothing_is_judged() {
    let (engine, story) = with(&usual, 1);
    assert_eq!(story, []);
    assert_eq!(stands(&engine, 0), Standing::Insufficient);
    let left = detected(&engine, 0).left;
    assert!((PER_DAY..=PER_DAY + 2).contains(&left), "{left}");
}

/// What was saved after any block goes on in another engine as in the first.
#[test]
fn a_restart_changes_nothing() {
    let step = |block, noise| usual(block, noise) * if block >= CHANGED { 1.15 } else { 1.0 };
    let spiked = |block, noise| step(block, noise) * if block == 1_000 { 5.0 } else { 1.0 };
    let story_of = |restarts: &[u64]| {
        let (mut engine, mut noise, mut kept) = (detecting(), normal(11), Kept::default());
        let mut story = Story::new();
        let mut from = 0;
        for to in restarts.iter().copied().chain([6 * PER_DAY]) {
            story.extend(live(&mut engine, from..to, &mut noise, &spiked));
            from = to;
            if to < 6 * PER_DAY {
                kept.save(&mut engine);
                engine = restored(&kept, to, &spiked);
            }
        }
        (story, detected(&engine, 0), detected(&engine, 1))
    };
    let whole = story_of(&[]);
    assert!(whole.0.len() >= 3, "{whole:?}");
    assert_eq!(story_of(&[100, 700, 1_001, CHANGED + 20, 1_500]), whole);
}

/// A new engine with the measurements of before, and what was kept.
fn restored(kept: &Kept, block: u64, of: &dyn Fn(u64, f64) -> f64) -> Engine {
    let mut engine = detecting();
    for (before, noise) in (0..block).zip(normal(11)) {
        let now = then(before * BLOCK + 100);
        measure(&mut engine, "op", of(before, noise), now);
        engine.store.sweep(now);
    }
    kept.restore_into(&mut engine, then(block * BLOCK));
    engine
}

/// A change that was found goes on while no values come: nothing has said that it is over.
#[test]
fn a_gap_neither_ends_a_change_nor_makes_it_a_new_one() {
    let story_of = |gap: u64| {
        let from = CHANGED + PER_DAY / 2;
        let of = |block, noise| match block {
            _ if (from..from + gap).contains(&block) => f64::NAN,
            CHANGED.. => 1.2 * usual(block, noise),
            _ => usual(block, noise),
        };
        let (_, story) = with(&of, 8);
        let of_change = story.into_iter().filter(|(name, ..)| name == "Changed");
        of_change.map(|(_, fired, _)| fired).collect::<Vec<_>>()
    };
    // `stale_after` is an hour, 12 blocks.
    for gap in [6, 36, 96, 150, 220, 280] {
        assert_eq!(story_of(gap), [true], "{gap} blocks");
    }
    // After a gap longer than a season the detector learns anew.
    assert_eq!(story_of(PER_DAY + 2), [true, false]);
}

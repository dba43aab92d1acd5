//! A level that turns out to be a drift, through the engine: who has been told of the level hears of the drift, once.

use super::detection::{BLOCK, DAY, PER_DAY, normal, settings, then, usual};
use super::restart::Kept;
use super::*;
use crate::engine::condition::Feature;
use crate::engine::dispatch::acknowledgement::Wish;
use crate::engine::dispatch::{GroupBy, Integration, News, Timing};

const CHANGED: u64 = 5 * PER_DAY;

/// Only changes, told after this time again where nothing is new.
fn telling(repeat: u64) -> Settings {
    let mut settings = settings();
    settings.groups[0].rules.truncate(1);
    settings.route = Some(Route::root(
        "team",
        GroupBy::Labels(Vec::new()),
        Timing {
            repeat_interval: Duration::from_secs(repeat),
            ..Timing::default()
        },
    ));
    settings.receivers = vec![Receiver {
        name: "team".into(),
        integrations: vec![Integration {
            send_resolved: true,
        }],
    }];
    settings
}

/// Why people were told, by what of the whole and of the alert, and of which kind of change.
type Story = Vec<(&'static str, News, Option<Feature>)>;

fn live(
    engine: &mut Engine,
    blocks: std::ops::Range<u64>,
    noise: &mut dyn Iterator<Item = f64>,
    of: &dyn Fn(u64, f64) -> f64,
    acknowledges: bool,
) -> Story {
    let mut story = Story::new();
    for block in blocks {
        let start = block * BLOCK;
        let seconds = of(block, noise.next().unwrap());
        measure(engine, "op", seconds, then(start + 100));
        for minute in 1..=5 {
            let now = then(start + minute * 60);
            tick(engine, now);
            for told in engine.flush(now) {
                let alert = &told.alerts[0];
                let feature = alert.evidence.unwrap().feature;
                story.push((told.reason.as_str(), told.news_of(alert), feature));
                let wish = Wish {
                    by: "ann".into(),
                    comment: String::new(),
                    expires_after: None,
                };
                if acknowledges && alert.is_firing() {
                    engine
                        .acknowledge(alert.fingerprint, None, wish, now)
                        .unwrap();
                }
            }
        }
    }
    story
}

fn drifts(block: u64, noise: f64) -> f64 {
    let days = block.saturating_sub(CHANGED) as f64 / PER_DAY as f64;
    usual(block, noise) * 1.03_f64.powf(days)
}

/// The same level again, so that it is a step.
fn steps(block: u64, noise: f64) -> f64 {
    usual(block, noise) * if block >= CHANGED { 1.1 } else { 1.0 }
}

/// Undone after two days.
fn passes(block: u64, noise: f64) -> f64 {
    let is_on = (CHANGED..CHANGED + 2 * PER_DAY).contains(&block);
    usual(block, noise) * if is_on { 1.3 } else { 1.0 }
}

/// With restarts before these blocks.
fn story_of(of: &dyn Fn(u64, f64) -> f64, repeat: u64, restarts: &[u64], acks: bool) -> Story {
    let mut engine = Engine::new(telling(repeat), then(0));
    let (mut noise, mut kept) = (normal(7), Kept::default());
    let (mut story, mut from, end) = (Story::new(), 0, 9 * PER_DAY);
    for to in restarts.iter().copied().chain([end]) {
        story.extend(live(&mut engine, from..to, &mut noise, of, acks));
        from = to;
        if to < end {
            kept.save(&mut engine);
            engine = Engine::new(telling(repeat), then(0));
            for (before, noise) in (0..to).zip(normal(7)) {
                let now = then(before * BLOCK + 100);
                measure(&mut engine, "op", of(before, noise), now);
                engine.store.sweep(now);
            }
            kept.restore_into(&mut engine, then(to * BLOCK));
        }
    }
    story
}

#[test]
fn a_level_that_turns_out_to_be_a_drift_is_told_as_one_once_over_restarts() {
    let never = 1_000 * DAY;
    let expected = [
        ("first", News::Fired, Some(Feature::Level)),
        ("reclassified", News::Reclassified, Some(Feature::Drift)),
    ];
    let whole = story_of(&drifts, never, &[], false);
    assert_eq!(whole, expected);
    let restarts: Vec<u64> = (CHANGED..9 * PER_DAY).step_by(200).collect();
    assert_eq!(story_of(&drifts, never, &restarts, false), expected);
    // Who looks after it does so by what they were told.
    assert_eq!(story_of(&drifts, never, &[], true), expected);
}

#[test]
fn a_step_stays_what_it_was_told_as() {
    let story = story_of(&steps, 1_000 * DAY, &[], false);
    assert_eq!(story, [("first", News::Fired, Some(Feature::Level))]);
}

/// Telling of the drift takes the place of a repeat: no message is added where somebody is told again anyway.
#[test]
fn the_drift_is_told_in_the_place_of_a_repeat() {
    let story = story_of(&drifts, DAY / 2, &[], false);
    let kinds: Vec<_> = story.iter().map(|(reason, ..)| *reason).collect();
    let at = (kinds.iter().position(|one| *one == "reclassified")).unwrap();
    assert!(kinds[1..at].iter().all(|one| *one == "repeat"), "{story:?}");
    assert!(
        kinds[at + 1..].iter().all(|one| *one == "repeat"),
        "{story:?}"
    );
    assert!(kinds.len() > at + 2, "{story:?}");
}

#[test]
fn the_end_of_a_change_is_told_with_what_it_was() {
    use crate::engine::alert::EndReason;
    for restarts in [&[][..], &[CHANGED + PER_DAY, CHANGED + 2 * PER_DAY + 20]] {
        let story = story_of(&passes, 1_000 * DAY, restarts, false);
        let level = Some(Feature::Level);
        assert_eq!(
            story,
            [
                ("first", News::Fired, level),
                ("all_resolved", News::Ended(EndReason::Recovered), level)
            ]
        );
    }
}

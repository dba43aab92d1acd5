//! Rules that are newer than what was measured learn from the log.

use super::detection::{
    BLOCK, PER_DAY, Story, detected, detecting, live, normal, settings, then, usual,
};
use std::hash::{Hash, Hasher};

use super::restart::Kept;
use super::*;
use crate::engine::backfill::{Adopted, Learner, Wanted};
use crate::engine::condition::Detected;
use crate::engine::judge::{BackFill, Detector};

/// A step of 15 % after six days, and a spike in the sixth.
fn stepped(block: u64, noise: f64) -> f64 {
    let step = if block >= 6 * PER_DAY { 1.15 } else { 1.0 };
    let spike = if block == 5 * PER_DAY + 100 { 5.0 } else { 1.0 };
    usual(block, noise) * step * spike
}

/// What an engine without rules has measured by that block.
fn measured(blocks: u64) -> Engine {
    let mut engine = Engine::new(Settings::default(), then(0));
    let mut noise = normal(3);
    live(&mut engine, 0..blocks, &mut noise, &stepped);
    engine
}

/// The log by that block, in the order of times.
fn log(blocks: u64) -> impl Iterator<Item = (Timestamp, Measurement)> {
    log_of(blocks, &stepped)
}

/// The same of what is as `of` says by block and noise.
pub(super) fn log_of(
    blocks: u64,
    of: &dyn Fn(u64, f64) -> f64,
) -> impl Iterator<Item = (Timestamp, Measurement)> {
    (0..blocks).zip(normal(3)).map(move |(block, noise)| {
        let draft = Draft {
            operation: "op",
            duration_seconds: Some(of(block, noise)),
            ..Draft::default()
        };
        let at = then(block * BLOCK + 100).wall;
        (at, Measurement::new(draft).unwrap())
    })
}

/// Gives new rules to an engine, and has them learn from the log.
fn add_rules(engine: &mut Engine, blocks: u64) -> Adopted {
    add_rules_under(engine, settings(), blocks, log(blocks))
}

/// The same under that configuration, from that log.
pub(super) fn add_rules_under(
    engine: &mut Engine,
    settings: Settings,
    blocks: u64,
    log: impl Iterator<Item = (Timestamp, Measurement)>,
) -> Adopted {
    let now = then(blocks * BLOCK);
    engine.reconfigure(settings, now);
    let lesson = engine.lesson(now).unwrap();
    assert_eq!(lesson.rules(), 2);
    let mut wanted = Wanted::of(&lesson);
    let mut learner = Learner::new(lesson, then(100).wall);
    for (at, measurement) in log {
        assert!(wanted.has(at, &measurement));
        assert!(learner.take(at, measurement));
    }
    let adopted = engine.adopt(learner.learned(), now);
    assert_eq!(engine.lesson(now).map(|lesson| lesson.rules()), None);
    adopted
}

/// What is known of the detector of a rule, but for what it has learned from.
#[derive(Debug, PartialEq)]
pub(super) struct Known {
    taken: Option<Timestamp>,
    since: Option<Timestamp>,
    points: u64,
    detected: Detected,
    hash: u64,
}

/// The detectors of both rules.
pub(super) fn detectors(engine: &Engine) -> Vec<Known> {
    let rules = engine.groups()[0].rules.iter();
    rules
        .map(|rule| {
            let instance = rule.instances.values().next().unwrap();
            let detecting = instance.by.detecting().unwrap();
            let mut hasher = std::hash::DefaultHasher::new();
            match &detecting.detector {
                Detector::Novelty(novelty) => novelty.pack().hash(&mut hasher),
                Detector::Shift(shift) => shift.pack().hash(&mut hasher),
            }
            Known {
                taken: detecting.taken,
                since: detecting.since,
                points: detecting.points,
                detected: detecting.detected,
                hash: hasher.finish(),
            }
        })
        .collect()
}

#[test]
fn a_new_rule_is_as_it_would_be_had_it_always_been_there() {
    for blocks in [700, 6 * PER_DAY + 60] {
        let mut always = detecting();
        let mut noise = normal(3);
        live(&mut always, 0..blocks, &mut noise, &stepped);
        let mut new = measured(blocks);
        let adopted = add_rules(&mut new, blocks);
        assert_eq!(adopted.detectors, 2);
        assert!(
            (blocks - 1..=blocks).contains(&(adopted.blocks / 2)),
            "{adopted:?}"
        );
        tick(&mut new, then(blocks * BLOCK));
        tick(&mut always, then(blocks * BLOCK));
        assert_eq!(detectors(&new), detectors(&always), "{blocks}");
        // And so it goes on.
        let mut again = normal(4);
        let more = |engine: &mut Engine, noise: &mut dyn Iterator<Item = f64>| -> Story {
            let to = blocks + PER_DAY / 2;
            live(engine, blocks..to, noise, &stepped)
        };
        let before = always.groups()[0].rules[0].alerts().count();
        let (of_always, of_new) = (
            more(&mut always, &mut again),
            more(&mut new, &mut normal(4)),
        );
        let found = |story: &Story| -> Vec<_> {
            story
                .iter()
                .filter(|(.., block)| *block > blocks)
                .cloned()
                .collect()
        };
        assert_eq!(found(&of_new), found(&of_always), "{blocks}");
        assert_eq!(before, 1);
        assert_eq!(detectors(&new), detectors(&always), "{blocks}");
    }
}

#[test]
fn what_is_over_is_not_alerted_on_and_what_goes_on_is() {
    // The step is an hour old and not evident yet; the spike was a day ago.
    let quiet = 6 * PER_DAY + 6;
    let mut engine = measured(quiet);
    add_rules(&mut engine, quiet);
    assert_eq!(tick(&mut engine, then(quiet * BLOCK)).changes, []);
    assert!(detected(&engine, 0).left == 0);
    // A day after the step it goes on.
    let later = 7 * PER_DAY;
    let mut engine = measured(later);
    add_rules(&mut engine, later);
    let effects = tick(&mut engine, then(later * BLOCK));
    let fired: Vec<_> = (effects.changes.iter())
        .map(|change| change.labels.get("alertname"))
        .collect();
    assert_eq!(fired, ["Changed"]);
    let change = detected(&engine, 0).found.unwrap();
    let block = |at: Timestamp| at.since(then(0).wall).as_secs() / BLOCK;
    let (earliest, latest) = change.within.unwrap();
    assert!(
        (block(earliest)..=block(latest)).contains(&(6 * PER_DAY)),
        "{change:?}"
    );
}

#[test]
fn of_a_rule_only_what_is_new_is_looked_for() {
    let blocks = PER_DAY;
    let mut engine = measured(blocks);
    add_rules(&mut engine, blocks);
    let of = |operation| {
        let draft = Draft {
            operation,
            duration_seconds: Some(1.0),
            ..Draft::default()
        };
        Measurement::new(draft).unwrap()
    };
    let now = then(blocks * BLOCK);
    let batch = Batch {
        origin: None,
        records: vec![Ok(of("other"))],
    };
    let (admitted, _) = engine.admit(batch, now);
    engine.apply(&admitted, now);
    let later = then((blocks + 1) * BLOCK);
    tick(&mut engine, later);
    let mut wanted = Wanted::of(&engine.lesson(later).unwrap());
    let is_wanted = ["op", "other"].map(|name| wanted.has(now.wall, &of(name)));
    assert_eq!(is_wanted, [false, true]);
}

#[test]
fn what_was_learned_from_the_log_is_saved_and_not_looked_for_again() {
    let blocks = 3 * PER_DAY;
    let mut engine = measured(blocks);
    let adopted = add_rules(&mut engine, blocks);
    tick(&mut engine, then(blocks * BLOCK));
    let mut kept = Kept::default();
    kept.save(&mut engine);
    let mut restored = measured(blocks);
    restored.reconfigure(settings(), then(blocks * BLOCK));
    kept.restore_into(&mut restored, then(blocks * BLOCK));
    assert!(restored.lesson(then(blocks * BLOCK)).is_none());
    let of = |engine: &Engine| {
        let instance = engine.groups()[0].rules[1]
            .instances
            .values()
            .next()
            .unwrap();
        instance.by.detecting().unwrap().clone()
    };
    assert_eq!(of(&restored).since, Some(then(0).wall));
    assert_eq!(of(&restored).back_fill, of(&engine).back_fill);
    let until = then(blocks * BLOCK - BLOCK).wall;
    assert_eq!(
        of(&engine).back_fill,
        BackFill::Until(until, adopted.blocks / 2)
    );
    assert_eq!(detectors(&restored), detectors(&engine));
}

/// What has learned more than is left in the log goes on, and where nothing is left it learns from now on.
#[test]
fn the_log_teaches_nothing_to_those_that_know_more() {
    let blocks = 2 * PER_DAY;
    let mut engine = detecting();
    live(&mut engine, 0..blocks, &mut normal(3), &stepped);
    let now = then(blocks * BLOCK);
    let lesson = engine.lesson(now).unwrap();
    let before = detectors(&engine);
    let mut learner = Learner::new(lesson, then(PER_DAY * BLOCK + 100).wall);
    for (at, measurement) in log(blocks).skip(usize::try_from(PER_DAY).unwrap()) {
        learner.take(at, measurement);
    }
    assert_eq!(engine.adopt(learner.learned(), now), Adopted::default());
    assert_eq!(detectors(&engine), before);
    assert!(engine.lesson(now).is_none());

    let mut engine = measured(20);
    engine.reconfigure(settings(), then(20 * BLOCK));
    let lesson = engine.lesson(then(20 * BLOCK)).unwrap();
    let nothing = Learner::new(lesson, Timestamp::default()).forgotten();
    assert_eq!(engine.adopt(nothing, then(20 * BLOCK)), Adopted::default());
    assert!(engine.lesson(then(20 * BLOCK)).is_none());
}

//! The same detectors by every way in: live, replayed, restarted on the way, learned from a log, and over a table.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::engine::admission::Batch;
use crate::engine::alert;
use crate::engine::backfill::Learner;
use crate::engine::condition::{Budget, Change, Condition, Detection as Rules, Finds, Level};
use crate::engine::detector::{novelty, shift};
use crate::engine::measurement::{Draft, Measurement};
use crate::engine::metric::{Metric, Stat};
use crate::engine::rule::{Hold, Mode, OnError, Rule, RuleGroup};
use crate::engine::selector::Selector;
use crate::engine::time::{Now, Timestamp};
use crate::engine::{Engine, Settings};
use crate::replay::{Recording, Setting, replay};

/// Blocks of an hour, because the store keeps these for as long as anything.
const BLOCK: u64 = 3_600;
const PER_DAY: usize = 24;
const DAY: Duration = Duration::from_secs(24 * 3_600);
const DAYS: f64 = 20.0;

fn then(seconds: u64) -> Now {
    Now::invented(Duration::from_secs(20_000 * 24 * BLOCK + seconds))
}

fn rule(name: &str, definition: u64, finds: Finds, warm_up: u64) -> Rule {
    Rule {
        name: name.into(),
        select: Selector::default(),
        by: vec!["operation".into()],
        condition: Condition::Detection(Rules {
            metric: Metric::Duration,
            stat: Stat::Mean,
            block: Duration::from_secs(BLOCK),
            finds,
            towards: None,
            levels: vec![Level {
                severity: None,
                limit: 0.0,
                recover: None,
            }],
            budget: Budget {
                alarms: 1.0,
                per: DAY.mul_f64(DAYS),
            },
            warm_up,
        }),
        // Missing blocks end no alert, so that there is one for each change.
        hold: Hold {
            stale_after: 3 * DAY,
            ..Hold::default()
        },
        on_error: OnError::Keep,
        depends_on: Vec::new(),
        actions: Vec::new(),
        mode: Mode::Active,
        labels: Vec::new(),
        annotations: Vec::new(),
        definition,
    }
}

fn settings() -> Settings {
    let changes = shift::Settings::new(PER_DAY, 24.0, 2 * PER_DAY, DAYS).unwrap();
    let anomalies = novelty::Settings {
        days_per_false_alarm: DAYS,
        ..novelty::Settings::new(24.0)
    };
    Settings {
        groups: vec![RuleGroup {
            file: "rules.yaml".into(),
            name: "g".into(),
            interval: Duration::from_secs(BLOCK / 6),
            limit: 0,
            rules: vec![
                rule("Changed", 1, Finds::Changes(changes), 2 * PER_DAY as u64),
                rule("Odd", 2, Finds::Anomalies(anomalies), 0),
            ],
        }],
        ..Settings::default()
    }
}

/// A stream: of each block its value, or none.
#[derive(Clone, Debug)]
struct Stream(Vec<Option<f64>>);

impl Stream {
    fn measurements(&self, blocks: std::ops::Range<usize>) -> Vec<(Now, Measurement)> {
        let present = blocks.filter_map(|block| Some((block, self.0[block]?)));
        let measured = present.map(|(block, value)| {
            let draft = Draft {
                operation: "op",
                duration_seconds: Some(value),
                ..Draft::default()
            };
            let now = then(block as u64 * BLOCK + 100);
            (now, Measurement::new(draft).unwrap())
        });
        measured.collect()
    }
}

/// Which rules began to fire, each with the block that had ended.
type Fired = Vec<(String, u64)>;

fn feed(engine: &mut Engine, now: Now, measurement: Measurement) {
    let batch = Batch {
        origin: None,
        records: vec![Ok(measurement)],
    };
    let (admitted, _) = engine.admit(batch, now);
    engine.apply(&admitted, now);
}

/// The number of the last block that had ended at a moment.
fn ended(at: Timestamp) -> u64 {
    at.since(then(15).wall).as_secs() / BLOCK - 1
}

/// Lives through blocks.
fn live(engine: &mut Engine, stream: &Stream, blocks: std::ops::Range<usize>) -> Fired {
    let mut fired = Fired::new();
    for block in blocks {
        for (now, measurement) in stream.measurements(block..block + 1) {
            feed(engine, now, measurement);
        }
        for step in 1..=6 {
            let now = then(block as u64 * BLOCK + step * BLOCK / 6);
            for due in engine.due(now) {
                let answer = engine.answer(due, now);
                for change in engine.evaluate(due, &answer, now).changes {
                    if change.change == alert::Change::Fired {
                        fired.push((change.labels.get("alertname").to_owned(), ended(now.wall)));
                    }
                }
            }
        }
    }
    fired
}

/// An engine in which everything is as it was in another that has ended.
fn restarted(mut engine: Engine, stream: &Stream, blocks: usize, kept: &mut Kept) -> Engine {
    for saved in engine.take_changed_rules() {
        match saved.body {
            Some(body) => kept.insert(saved.key, body),
            None => kept.remove(&saved.key),
        };
    }
    let mut new = Engine::new(Settings::default(), then(0));
    for (now, measurement) in stream.measurements(0..blocks) {
        new.due(now);
        feed(&mut new, now, measurement);
    }
    let now = then(blocks as u64 * BLOCK);
    new.reconfigure(settings(), now);
    for (key, body) in kept {
        new.restore_rule(key, body, now).unwrap();
    }
    new
}

type Kept = BTreeMap<String, Vec<u8>>;

/// An engine whose rules came after so many blocks, and have learned from the log.
fn back_filled(stream: &Stream, blocks: usize) -> Engine {
    let mut engine = Engine::new(Settings::default(), then(0));
    live(&mut engine, stream, 0..blocks);
    let now = then(blocks as u64 * BLOCK);
    engine.reconfigure(settings(), now);
    let log = stream.measurements(0..blocks);
    if let (Some(lesson), Some((first, _))) = (engine.lesson(now), log.first()) {
        let mut learner = Learner::new(lesson, first.wall);
        for (now, measurement) in log {
            assert!(learner.take(now.wall, measurement));
        }
        engine.adopt(learner.learned(), now);
    }
    engine
}

/// The rows at which alerts begin over the table of the same values.
fn over_a_table(stream: &Stream, kind: Kind) -> Vec<u64> {
    let points = stream.0.iter().enumerate();
    let points = points.map(|(row, value)| read::Point {
        at: At::Index(row as u64),
        value: *value,
        missing_before: 0,
    });
    let series = Series {
        points: points.collect(),
        step: None,
    };
    let question = Question {
        step: Duration::from_secs(BLOCK),
        budget: Some(Budget {
            alarms: 1.0,
            per: DAY.mul_f64(DAYS),
        }),
        kind,
        season: DAY,
        warm_up: None,
    };
    let detection = detect(&series, &question).unwrap();
    detection
        .alerts
        .iter()
        .map(|alert| alert.row as u64)
        .collect()
}

fn of(fired: &Fired, name: &str) -> Vec<u64> {
    let own = fired.iter().filter(|(rule, _)| rule == name);
    own.map(|(_, block)| *block).collect()
}

/// What the rule on changes has found last.
fn found(engine: &Engine) -> Option<Change> {
    let state = engine.groups().first()?.rules.first()?;
    let instance = state.instances.values().next()?;
    instance.by.detecting()?.detected.found
}

/// Noise around a season, with a step, a drift, spikes and gaps.
fn stream() -> impl Strategy<Value = Stream> {
    let blocks = 16 * PER_DAY;
    let noise = prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64), blocks);
    let spikes = prop::collection::vec((0..blocks, 2.0..20.0_f64), 0..4);
    let gaps = prop::collection::vec((0..blocks, 1..30_usize), 0..3);
    let drift = prop_oneof![Just(0.0), -0.1..0.1_f64];
    (
        noise,
        0..blocks,
        0.7..2.0_f64,
        (0..blocks, drift),
        spikes,
        gaps,
    )
        .prop_map(
            move |(noise, changed, times, (drifts, drift), spikes, gaps)| {
                let mut values: Vec<Option<f64>> = (noise.iter().enumerate())
                    .map(|(block, (u, v))| {
                        let phase =
                            std::f64::consts::TAU * (block % PER_DAY) as f64 / PER_DAY as f64;
                        let z = (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos();
                        let step = if block >= changed { times } else { 1.0 };
                        let days = block.saturating_sub(drifts) as f64 / PER_DAY as f64;
                        Some(step * (0.2 * phase.sin() + 0.1 * z + drift * days).exp())
                    })
                    .collect();
                for (block, times) in spikes {
                    values[block] = values[block].map(|value| times * value);
                }
                for (from, length) in gaps {
                    values
                        .iter_mut()
                        .skip(from)
                        .take(length)
                        .for_each(|value| *value = None);
                }
                // A rule is learned from the first value on.
                values[0] = Some(1.0);
                Stream(values)
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn live_replayed_restarted_learned_and_over_a_table_it_is_the_same(
        stream in stream(),
        restarts in prop::collection::btree_set(1..16 * PER_DAY, 0..4),
        new_at in 1..16 * PER_DAY,
    ) {
        let blocks = stream.0.len();
        let mut living = Engine::new(settings(), then(0));
        let lived = live(&mut living, &stream, 0..blocks);

        let mut fired = Fired::new();
        let (mut engine, mut kept, mut from) = (Engine::new(settings(), then(0)), Kept::new(), 0);
        for to in restarts {
            fired.extend(live(&mut engine, &stream, from..to));
            engine = restarted(engine, &stream, to, &mut kept);
            from = to;
        }
        fired.extend(live(&mut engine, &stream, from..blocks));
        prop_assert_eq!(&fired, &lived, "restarted");
        prop_assert_eq!(found(&engine), found(&living), "restarted");

        let measurements = stream.measurements(0..blocks);
        let recording = Recording::new(measurements.into_iter().map(|(now, one)| (now.wall, one)));
        let setting = Setting {
            engine: settings(),
            from: Some(then(0).wall),
            until: Some(then(blocks as u64 * BLOCK).wall),
            ..Setting::default()
        };
        let replayed = replay(&recording, &setting).unwrap();
        let mut fired: Fired = (replayed.alerts.iter())
            .map(|alert| (alert.labels.get("alertname").to_owned(), ended(alert.fired_at)))
            .collect();
        fired.sort_by_key(|(rule, block)| (*block, rule.clone()));
        let mut sorted = lived.clone();
        sorted.sort_by_key(|(rule, block)| (*block, rule.clone()));
        prop_assert_eq!(&fired, &sorted, "replayed");

        // What goes on when the rule comes fires at once; later it is the same.
        let mut engine = back_filled(&stream, new_at);
        let after: Fired = live(&mut engine, &stream, new_at..blocks);
        let later = |fired: &Fired| -> Fired {
            let later = fired.iter().filter(|(_, block)| *block > new_at as u64);
            later.cloned().collect()
        };
        prop_assert_eq!(later(&after), later(&lived), "learned from the log");
        prop_assert_eq!(found(&engine), found(&living), "learned from the log");

        // A block without a value is no alert; where a change is found there it is told with the next value, unless so many
        // are missing by then that all is learned anew.
        let told = |row: u64| {
            let (before, from) = stream.0.split_at(usize::try_from(row).unwrap());
            let more = from.iter().position(Option::is_some)?;
            let missing = before.iter().rev().take_while(|value| value.is_none()).count();
            (more == 0 || missing + more <= PER_DAY).then_some(row + more as u64)
        };
        let changes = over_a_table(&stream, Kind::Regression);
        let changes: Vec<u64> = changes.into_iter().filter_map(told).filter(|row| *row < blocks as u64 - 1).collect();
        prop_assert_eq!(of(&lived, "Changed"), changes, "a table of changes");
        // An anomaly that goes on is one alert live.
        let odd = over_a_table(&stream, Kind::Anomaly);
        for block in of(&lived, "Odd") {
            prop_assert!(odd.contains(&block), "{} is not among {:?}", block, odd);
        }
        if let Some(first) = odd.first().filter(|first| **first < blocks as u64 - 1) {
            prop_assert_eq!(of(&lived, "Odd").first().copied(), Some(*first));
        }
    }
}

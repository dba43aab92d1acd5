//! The start from what was kept: the store is opened, and the engine goes on from what was in it.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::driver::Group;
use crate::engine::dispatch::Notification;
use crate::engine::judge::Effects;
use crate::engine::saved::notification_from_bytes;
use crate::engine::time::Timestamp;
use crate::engine::{Engine, Restored};
use crate::storage::{self, Found, Kind, Opened, Storage, StoreStats};

/// An engine that goes on where the one before ended, its clock, and where it commits.
pub(super) struct Start {
    pub(super) engine: Engine,
    pub(super) clock: Clock,
    pub(super) storage: Storage<Group>,
    pub(super) stats: Arc<StoreStats>,
    /// What came of rules that are no longer there.
    pub(super) effects: Vec<Effects>,
    /// Notifications that had not been delivered.
    pub(super) waiting: Vec<Notification>,
}

/// Opens the data directory of the configuration, if it has one, and makes the engine.
pub(super) fn start(config: &Config) -> Start {
    let stats = Arc::new(StoreStats::default());
    let Some(path) = &config.data_dir else {
        let clock = Clock::start();
        return Start {
            engine: Engine::new(config.engine_settings(), clock.now()),
            clock,
            storage: Storage::memory(),
            stats,
            effects: Vec::new(),
            waiting: Vec::new(),
        };
    };
    let Opened {
        storage,
        found,
        clock,
    } = storage::open(path, config.max_disk, config.store.retention, &stats);
    let mut engine = Engine::new(config.engine_settings(), clock.now());
    if storage.is_durable() {
        engine.begin_saving();
    }
    let (effects, waiting) = restore(&mut engine, found, clock, &stats);
    Start {
        engine,
        clock,
        storage,
        stats,
        effects,
        waiting,
    }
}

fn restore(
    engine: &mut Engine,
    found: Found,
    clock: Clock,
    stats: &StoreStats,
) -> (Vec<Effects>, Vec<Notification>) {
    let begin = clock.now();
    let mut restored = Restored::default();
    let mut series = 0_usize;
    let (mut rules, mut dispatch, mut waiting) = (Vec::new(), None, Vec::new());
    let mut clocks = None;
    let mut is_damaged = found.is_damaged;
    let mut left_out = |what: &str, error: &dyn std::fmt::Display| {
        stats.set_aside.inc();
        is_damaged = true;
        tracing::error!(what, %error, "left out a part of what was kept");
    };
    for row in found.rows {
        let Ok(body) = row.body else { continue };
        match (row.kind, body) {
            (Kind::Series, body) => {
                restored.note(&row.key, row.as_of);
                engine.resume_sequence(row.as_of);
                if let Some(body) = body {
                    match engine.restore_series(&row.key, &body, begin) {
                        Ok(()) => series += 1,
                        Err(error) => left_out(&row.key, &error),
                    }
                }
            }
            (Kind::Rule, Some(body)) => rules.push((row.key, body)),
            (Kind::Clocks, Some(body)) => clocks = Some(body),
            (Kind::Dispatch, Some(body)) => dispatch = Some(body),
            (Kind::Notification, Some(body)) => match notification_from_bytes(&body) {
                Ok(notification) => waiting.push(notification),
                Err(error) => left_out("notification", &error),
            },
            _ => {}
        }
    }
    // The clocks first, because by them measurements find their place, and what was told, so that its end is as well.
    if let Some(body) = clocks
        && let Err(error) = engine.restore_clocks(&body)
    {
        left_out("clocks", &error);
    }
    if let Some(body) = dispatch
        && let Err(error) = engine.restore_dispatch(&body, begin)
    {
        left_out("what was told", &error);
    }
    // At the very first start there was no process before.
    if found.clock.now.wall != Timestamp::default() {
        engine.resume_clocks(found.clock.now, begin);
    }
    let mut measurements = 0;
    for group in found.log {
        let Ok(body) = group.body else { continue };
        match engine.replay(group.sequence, &body, group.now, group.judged, &restored) {
            Ok(applied) => measurements += applied,
            Err(error) => left_out("log", &error),
        }
    }
    engine.resume_sequence(found.clock.sequence);
    let mut effects = Vec::new();
    for (key, body) in rules {
        match engine.restore_rule(&key, &body, begin) {
            Ok(ended) => effects.push(ended),
            Err(error) => left_out(&key, &error),
        }
    }
    // Of those that fire for others, but whose rule's record is lost, nobody else would tell the end.
    effects.push(engine.end_unknown(begin));
    if is_damaged {
        engine.forget_saved();
    }
    let took = clock.now().steady.saturating_sub(begin.steady);
    tracing::info!(
        series,
        measurements_after = measurements,
        seconds = took.as_secs_f64(),
        rules = effects.len(),
        notifications = waiting.len(),
        "restored what was kept"
    );
    (effects, waiting)
}

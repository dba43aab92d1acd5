//! The start from what was kept: the store is opened, and the engine goes on from what was in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::driver::Group;
use crate::engine::dispatch::Notification;
use crate::engine::judge::Effects;
use crate::engine::saved::notification_from_bytes;
use crate::engine::time::Now;
use crate::engine::{Engine, Restored};
use crate::storage::{self, Found, Kind, Logged, Opened, Row, Storage, StoreStats};

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
    let mut is_damaged = found.is_damaged;
    let mut left_out = |what: &str, error: &dyn std::fmt::Display| {
        stats.set_aside.inc();
        is_damaged = true;
        tracing::error!(what, %error, "left out a part of what was kept");
    };
    let measured = measured(engine, found.rows, found.log, begin, &mut left_out);
    let (mut rules, mut dispatch, mut waiting) = (Vec::new(), None, Vec::new());
    let mut changes = BTreeMap::new();
    for row in measured.others {
        let Ok(Some(body)) = row.body else { continue };
        match row.kind {
            Kind::Change => {
                changes.insert(row.as_of, body);
            }
            Kind::Rule => rules.push((row.key, body)),
            Kind::Dispatch => dispatch = Some(body),
            Kind::Notification => match notification_from_bytes(&body) {
                Ok(notification) => waiting.push(notification),
                Err(error) => left_out("notification", &error),
            },
            Kind::Clock | Kind::Series | Kind::Seen => {}
        }
    }
    engine.resume_sequence(found.clock.sequence);
    // The dispatcher first, so that it knows who has been told of what.
    let mut effects = Vec::new();
    if let Some(body) = dispatch
        && let Err(error) = engine.restore_dispatch(&body, begin)
    {
        left_out("what was told", &error);
    }
    for (number, body) in changes {
        if let Err(error) = engine.restore_change(number, &body) {
            left_out("history of alerts", &error);
        }
    }
    for (key, body) in rules {
        match engine.restore_rule(&key, &body, begin) {
            Ok(ended) => effects.push(ended),
            Err(error) => left_out(&key, &error),
        }
    }
    let rules = effects.len();
    // Of those that fire for others, but whose rule's record is lost, nobody else would tell the end.
    effects.push(engine.end_unknown(begin));
    if is_damaged {
        engine.forget_saved();
    }
    let took = clock.now().steady.saturating_sub(begin.steady);
    tracing::info!(
        series = measured.series,
        measurements_after = measured.measurements,
        seconds = took.as_secs_f64(),
        rules,
        notifications = waiting.len(),
        "restored what was kept"
    );
    (effects, waiting)
}

/// What was measured, as it was restored.
pub(super) struct Measured {
    /// Series that were saved.
    series: usize,
    /// Measurements that came after that.
    measurements: usize,
    /// The rows of the state that are of something else.
    others: Vec<Row>,
}

/// Restores the series with the ids and answers that are remembered, and applies the measurements that came after they
/// were saved.
pub(super) fn measured(
    engine: &mut Engine,
    rows: Vec<Row>,
    log: Vec<Logged>,
    begin: Now,
    mut left_out: impl FnMut(&str, &dyn std::fmt::Display),
) -> Measured {
    let mut restored = Restored::default();
    let (mut series, mut measurements, mut others) = (0, 0, Vec::new());
    for row in rows {
        match (row.kind, &row.body) {
            (Kind::Series, Ok(body)) => {
                restored.note(&row.key, row.as_of);
                engine.resume_sequence(row.as_of);
                if let Some(body) = body {
                    match engine.restore_series(&row.key, body, begin) {
                        Ok(()) => series += 1,
                        Err(error) => left_out(&row.key, &error),
                    }
                }
            }
            (Kind::Seen, Ok(Some(body))) => {
                engine.resume_sequence(row.as_of);
                if let Err(error) = engine.restore_seen(body) {
                    left_out("ids and answers", &error);
                }
            }
            _ => others.push(row),
        }
    }
    for group in log {
        let Ok(body) = group.body else { continue };
        match engine.replay(group.sequence, &body, group.now, group.judged, &restored) {
            Ok(applied) => measurements += applied,
            Err(error) => left_out("log", &error),
        }
    }
    Measured {
        series,
        measurements,
        others,
    }
}

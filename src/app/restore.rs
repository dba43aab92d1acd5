//! The start from what was kept: the store is opened, and the engine goes on from what was in it.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::driver::Group;
use crate::engine::{Engine, Restored};
use crate::storage::{self, Found, Kind, Opened, Storage, StoreStats};

/// An engine that goes on where the one before ended, its clock, and where it commits.
pub(super) struct Start {
    pub(super) engine: Engine,
    pub(super) clock: Clock,
    pub(super) storage: Storage<Group>,
    pub(super) stats: Arc<StoreStats>,
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
    restore(&mut engine, found, clock, &stats);
    Start {
        engine,
        clock,
        storage,
        stats,
    }
}

fn restore(engine: &mut Engine, found: Found, clock: Clock, stats: &StoreStats) {
    let begin = clock.now();
    let mut restored = Restored::default();
    let mut series = 0_usize;
    let mut is_damaged = found.is_damaged;
    let mut left_out = |what: &str, error: &dyn std::fmt::Display| {
        stats.set_aside.inc();
        is_damaged = true;
        tracing::error!(what, %error, "left out a part of what was kept");
    };
    for row in found.rows {
        let (Kind::Series, Ok(body)) = (row.kind, row.body) else {
            continue;
        };
        restored.note(&row.key, row.as_of);
        engine.resume_sequence(row.as_of);
        if let Some(body) = body {
            match engine.restore_series(&row.key, &body, begin) {
                Ok(()) => series += 1,
                Err(error) => left_out(&row.key, &error),
            }
        }
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
    if is_damaged {
        engine.forget_saved();
    }
    let took = clock.now().steady.saturating_sub(begin.steady);
    tracing::info!(
        series,
        measurements_after = measurements,
        seconds = took.as_secs_f64(),
        "restored what was kept"
    );
}

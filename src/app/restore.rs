//! The start from what was kept: the store is opened, and the engine goes on from what was in it.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::driver::Group;
use crate::engine::dispatch::Notification;
use crate::engine::judge::Effects;
use crate::engine::saved::{Damaged, notification_from_bytes};
use crate::engine::time::Now;
use crate::engine::{Engine, Restored};
use crate::forms::kept::Kept;
use crate::forms::{baselines, maintenance, silences};
use crate::storage::{self, Beside, Found, Kind, Storage, StoreStats};

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
    let mut opened = storage::open(path, config.max_disk, &stats);
    let clock = opened.clock;
    let mut engine = Engine::new(config.engine_settings(), clock.now());
    engine.begin_saving();
    let (effects, waiting) = restore(&mut engine, &mut opened.found, clock);
    let storage = opened.storage();
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
    found: &mut Found,
    clock: Clock,
) -> (Vec<Effects>, Vec<Notification>) {
    let begin = clock.now();
    let measured = measured(engine, found, begin);
    let (mut rules, mut waiting, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for ((kind, key), body) in measured.others {
        match kind {
            Kind::Change => changes.push(body),
            Kind::Rule => rules.push((key, body)),
            Kind::Notification => match notification_from_bytes(&body) {
                Ok(notification) => waiting.push(notification),
                Err(error) => found.leave_out("notification", &error),
            },
            Kind::Baseline => {
                if let Err(error) = engine.restore_baseline(&body) {
                    found.leave_out(&key, &error);
                }
            }
            Kind::Incident => {
                if let Err(error) = engine.restore_incident(&body) {
                    found.leave_out("incident", &error);
                }
            }
            Kind::Action => {
                if let Err(error) = engine.restore_action(&body) {
                    found.leave_out("action", &error);
                }
            }
            Kind::Silence => {
                if let Err(error) = engine.restore_silence(&body) {
                    found.leave_out(&key, &error);
                }
            }
            Kind::Maintenance => {
                if let Err(error) = engine.restore_maintenance(&body) {
                    found.leave_out(&key, &error);
                }
            }
            Kind::Acknowledgement => {
                if let Err(error) = engine.restore_acknowledgement(&body) {
                    found.leave_out(&key, &error);
                }
            }
            Kind::Clock | Kind::Series | Kind::Seen | Kind::Dispatch | Kind::ClockEvents => {}
        }
    }
    take_back(
        found,
        Beside::Baselines,
        baselines::from_text,
        begin,
        |one| engine.take_back_baseline(one),
    );
    take_back(found, Beside::Silences, silences::from_text, begin, |one| {
        engine.take_back_silence(&one)
    });
    take_back(
        found,
        Beside::Maintenance,
        maintenance::from_text,
        begin,
        |one| engine.take_back_maintenance(&one),
    );
    if let Err(error) = engine.restore_changes(&changes) {
        found.leave_out("history of alerts", &error);
    }
    let mut effects = Vec::new();
    for (key, body) in rules {
        match engine.restore_rule(&key, &body, begin) {
            Ok(ended) => effects.push(ended),
            Err(error) => found.leave_out(&key, &error),
        }
    }
    let rules = effects.len();
    // Of those that fire for others, but whose rule's record is lost, nobody else would tell the end.
    effects.push(engine.end_unknown(begin));
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

/// Takes back what lies in a file beside the database and is not in it, where something of the database could not be read.
/// A whole database knows better: what it does not have was removed. `take` says whether one was taken.
fn take_back<T>(
    found: &Found,
    file: Beside,
    read: fn(&str) -> Kept<T>,
    begin: Now,
    take: impl FnMut(T) -> bool,
) {
    let Some(beside) = found.beside(file) else {
        return;
    };
    let kept = read(&beside.text);
    if beside.is_needed {
        let taken = kept
            .items
            .into_iter()
            .map(take)
            .filter(|is_taken| *is_taken);
        found.took_back(file, taken.count() as u64);
    }
    if !kept.faults.is_empty() {
        found.beside_is_damaged(file, &kept.faults, begin.wall);
    }
}

/// What was measured, as it was restored.
pub(super) struct Measured {
    /// Series that were saved.
    series: usize,
    /// Measurements that came after that.
    measurements: usize,
    /// The rows of the state that are of something else, in the order in which they were first written.
    others: Vec<((Kind, String), Vec<u8>)>,
}

/// Restores the clocks, the series with the ids and answers that are remembered, and what has been told of alerts; then
/// applies the measurements that came after the series were saved.
pub(super) fn measured(engine: &mut Engine, found: &mut Found, begin: Now) -> Measured {
    let mut restored = Restored::default();
    let (mut series, mut measurements) = (0, 0);
    let mut others: Vec<((Kind, String), Vec<u8>)> = Vec::new();
    let mut faults: Vec<(String, Damaged)> = Vec::new();
    found.each_row(|row| {
        let Ok(body) = row.body else { return };
        match (row.kind, body) {
            (Kind::Series, body) => {
                restored.note(&row.key, row.as_of);
                engine.resume_sequence(row.as_of);
                match body.map(|body| engine.restore_series(&row.key, &body, begin)) {
                    Some(Ok(())) => series += 1,
                    Some(Err(error)) => faults.push((row.key, error)),
                    None => engine.drop_series(&row.key),
                }
            }
            (Kind::Seen, Some(body)) => {
                engine.resume_sequence(row.as_of);
                if let Err(error) = engine.restore_seen(&body) {
                    faults.push(("ids and answers".to_owned(), error));
                }
            }
            (kind, body) => {
                // The later row of a kind and key counts, also where it says that there is none any more.
                let name = (kind, row.key);
                others.retain(|(other, _)| *other != name);
                others.extend(body.map(|body| (name, body)));
            }
        }
    });
    let of = |kind| {
        let row = others.iter().find(|((other, _), _)| *other == kind);
        row.map(|(_, body)| body)
    };
    // The clocks first, because by them measurements find their place; then what was told, because how long judging was
    // paused is part of it.
    if let Some(body) = of(Kind::ClockEvents)
        && let Err(error) = engine.restore_clocks(body)
    {
        faults.push(("clocks".to_owned(), error));
    }
    if let Some(body) = of(Kind::Dispatch)
        && let Err(error) = engine.restore_dispatch(body, begin)
    {
        faults.push(("what was told".to_owned(), error));
    }
    // At the very first start there was no process before.
    if !found.is_new() {
        engine.resume_clocks(found.clock.now, begin);
    }
    found.each_group(|group| {
        let Ok(body) = group.body else { return };
        match engine.replay(group.sequence, &body, group.now, group.judged, &restored) {
            Ok(applied) => measurements += applied,
            Err(error) => faults.push(("log".to_owned(), error)),
        }
    });
    engine.resume_sequence(found.clock.sequence);
    for (what, error) in faults {
        found.leave_out(&what, &error);
    }
    Measured {
        series,
        measurements,
        others,
    }
}

//! What of the engine's state goes to disk when, and what is done about a disk that fails.

use std::sync::Arc;
use std::time::Duration;

use super::Driver;
use crate::engine::dispatch::Notification;
use crate::engine::saved::notification_to_bytes;
use crate::engine::time::Now;
use crate::engine::{Engine, Unsaved};
use crate::notify::Fortune;
use crate::storage::{Commit, Health, Kind, Orders, Write, rows_of};

/// The clocks are saved at least this often, so that little of their time is lost with the process.
const CLOCK_EVERY: Duration = Duration::from_secs(10);
/// Of the state so much is saved at once; at the end, when nobody waits, more.
const SAVED_AT_ONCE: usize = 4 << 20;
const SAVED_BETWEEN_TICKS: usize = 1 << 20;
/// Measurements after which it is looked whether too many are unsaved.
const LOOK_EVERY: usize = 20_000;
const SAVED_AT_THE_END: usize = 16 << 20;

/// The generations of what people have set, as they were last handed to a commit to be written beside the database.
#[derive(Debug, Default)]
pub(super) struct Handed {
    baselines: Option<u64>,
    silences: Option<u64>,
    maintenance: Option<u64>,
}

impl Handed {
    /// What is to be written because it has changed since it last was; it counts as handed.
    pub(super) fn hand(&mut self, engine: &Engine) -> Orders {
        fn anew<T>(handed: &mut Option<u64>, generation: u64, all: &Arc<T>) -> Option<Arc<T>> {
            (handed.replace(generation) != Some(generation)).then(|| all.clone())
        }
        let (baselines, silences) = (engine.baselines(), engine.silences());
        let maintenance = engine.maintenance();
        Orders {
            baselines: anew(&mut self.baselines, baselines.generation(), baselines),
            silences: anew(&mut self.silences, silences.generation(), silences),
            maintenance: anew(&mut self.maintenance, maintenance.generation(), maintenance),
        }
    }
}

impl Driver {
    /// Hands what is due of the state to the next commit, and looks after a disk that has failed.
    pub(super) fn save(&mut self, now: Now, notifications: &[Notification]) {
        if !self.storage.is_durable() {
            return;
        }
        let (engine, saved_up_to) = (&self.engine, self.storage.durable_up_to());
        let trial = || Commit {
            sequence: engine.sequence(),
            now,
            judged: engine.judged(now),
            admitted: None,
            // What has been handed to commits that failed counts as saved with the engine, but is not.
            saved_up_to: Some(saved_up_to),
            kept_from: engine.kept_from(now),
            writes: Vec::new(),
            anew_from: None,
            beside: Orders::default(),
        };
        self.storage.look_after(now.steady, trial);
        match self.storage.health() {
            Health::Degraded { .. } => {
                // Everything is saved anew later, and what is not there then is deleted.
                self.anew_from = None;
                self.engine.forget_gone();
                if let Some(keeper) = self.notifiers.keeper() {
                    keeper.take();
                }
                return;
            }
            Health::CatchingUp if self.anew_from.is_none() => self.begin_anew(),
            Health::CatchingUp | Health::Good => {}
        }
        // What waits for its commit already is enough for one.
        if self.gathering.writes.is_empty() {
            let unsaved = self.engine.take_unsaved(now, SAVED_AT_ONCE);
            self.gather_unsaved(unsaved);
        }
        self.gather_alerts(notifications);
        // The first time at once: then it is known whether the disk can be written to.
        let is_time = self
            .clock_saved
            .is_none_or(|saved| now.steady.saturating_sub(saved) >= CLOCK_EVERY);
        let is_anew = self.anew_from.is_some() && self.engine.is_saved_anew();
        if !self.gathering.writes.is_empty() || is_time || is_anew {
            self.clock_saved = Some(now.steady);
            self.gathering.clock = true;
        }
    }

    /// Has everything saved anew.
    pub(super) fn begin_anew(&mut self) {
        let from = self.engine.forget_saved(self.storage.durable_up_to());
        // What was gathered before is among it, but for notifications that have not been sent yet.
        let writes = &mut self.gathering.writes;
        writes.retain(|write| write.kind == Kind::Notification);
        writes.iter_mut().for_each(|write| write.as_of = from);
        self.anew_from = Some(from);
        self.is_outbox_unsaved = true;
        self.handed = Handed::default();
    }

    /// What has changed of alerts, what has been told of them, and the notifications that say so, together.
    pub(super) fn gather_alerts(&mut self, notifications: &[Notification]) {
        let as_of = self.engine.sequence();
        let writes = &mut self.gathering.writes;
        for (place, body) in self.engine.take_unsaved_changes() {
            writes.push(Write {
                kind: Kind::Change,
                key: place.to_string(),
                as_of,
                body: Some(body),
            });
        }
        let mut put = |kind, key, body| {
            writes.push(Write {
                kind,
                key,
                as_of,
                body,
            });
        };
        for rule in self.engine.take_changed_rules() {
            put(Kind::Rule, rule.key, rule.body);
        }
        for (key, body) in self.engine.take_changed_incidents() {
            put(Kind::Incident, key, body);
        }
        if let Some(body) = self.engine.save_dispatch() {
            put(Kind::Dispatch, String::new(), Some(body));
        }
        for notification in notifications {
            let body = notification_to_bytes(notification);
            put(Kind::Notification, notification.id.clone(), Some(body));
        }
        self.gather_orders();
        self.gather_fortunes();
    }

    /// Has what people have set written with the next commit: baselines, silences, maintenance and
    /// acknowledgements, and what has become of actions.
    pub(super) fn gather_orders(&mut self) {
        let as_of = self.engine.sequence();
        let baselines = self.engine.take_unsaved_baselines().into_iter();
        let baselines = baselines.map(|one| (Kind::Baseline, one.key, one.body));
        let silences = self.engine.take_unsaved_silences().into_iter();
        let silences = silences.map(|(id, body)| (Kind::Silence, id, body));
        let maintenance = self.engine.take_unsaved_maintenance().into_iter();
        let maintenance = maintenance.map(|(id, body)| (Kind::Maintenance, id, body));
        let actions = self.engine.take_changed_actions().into_iter();
        let actions = actions.map(|(key, body)| (Kind::Action, key, body));
        let acknowledgements = self.engine.take_unsaved_acknowledgements().into_iter();
        let acknowledgements =
            acknowledgements.map(|(key, body)| (Kind::Acknowledgement, key, body));
        let orders = baselines.chain(silences).chain(maintenance);
        let all = orders.chain(acknowledgements).chain(actions);
        let writes = all.map(|(kind, key, body)| Write {
            kind,
            key,
            as_of,
            body,
        });
        self.gathering.writes.extend(writes);
    }

    /// What the clocks have done, together with the moment that is committed next.
    pub(super) fn gather_clocks(&mut self) {
        if let Some(body) = self.engine.save_clocks() {
            self.gathering.writes.push(Write {
                kind: Kind::ClockEvents,
                key: String::new(),
                as_of: self.engine.sequence(),
                body: Some(body),
            });
        }
    }

    /// Saves at once what has become of notifications, so that after a crash few are sent again.
    pub(super) fn save_fortunes(&mut self) {
        if self.storage.is_durable() && !matches!(self.storage.health(), Health::Degraded { .. }) {
            self.gather_fortunes();
            self.begin_commit();
        }
    }

    fn gather_fortunes(&mut self) {
        let Some(keeper) = self.notifiers.keeper() else {
            return;
        };
        let mut fortunes = keeper.take();
        if std::mem::take(&mut self.is_outbox_unsaved) {
            fortunes.extend(self.notifiers.undelivered());
        }
        let as_of = self.engine.sequence();
        let writes = fortunes.into_iter().map(|fortune| {
            let (key, body) = match fortune {
                Fortune::Settled(id) => (id, None),
                Fortune::Changed(one) => (one.id.clone(), Some(notification_to_bytes(&one))),
            };
            Write {
                kind: Kind::Notification,
                key,
                as_of,
                body,
            }
        });
        self.gathering.writes.extend(writes);
    }

    /// Between two ticks: saves a little where measurements come so fast that a start would have to apply too many.
    pub(super) fn keep_up(&mut self, applied: usize, now: Now) {
        self.since_kept_up += applied;
        if self.since_kept_up < LOOK_EVERY {
            return;
        }
        self.since_kept_up = 0;
        if self.storage.is_durable()
            && self.storage.health() == Health::Good
            && self.gathering.writes.is_empty()
            && self.engine.is_behind()
        {
            let unsaved = self.engine.take_unsaved(now, SAVED_BETWEEN_TICKS);
            self.gather_unsaved(unsaved);
            self.gathering.clock = true;
        }
    }

    fn gather_unsaved(&mut self, unsaved: Unsaved) {
        let rows = rows_of(unsaved, self.engine.sequence());
        self.gathering.writes.extend(rows);
    }

    /// Saves everything, so that the next start has nothing to apply again; also where the disk failed before.
    pub(super) async fn save_all(&mut self) {
        if !self.storage.is_durable() {
            return;
        }
        let was_good = self.storage.health() == Health::Good;
        if !self.storage.insist().await {
            tracing::error!("the disk does not work: what is not on it is lost");
            return;
        }
        if !was_good {
            self.begin_anew();
        }
        loop {
            let unsaved = self.engine.take_all_unsaved(SAVED_AT_THE_END);
            let is_last = unsaved.is_empty();
            self.gather_unsaved(unsaved);
            self.gather_alerts(&[]);
            self.gathering.clock = true;
            self.begin_commit();
            let group = self.storage.committed().await;
            self.apply(group);
            if !self.storage.is_written() {
                tracing::error!(
                    saved_up_to = self.storage.durable_up_to(),
                    taken_up_to = self.engine.sequence(),
                    "the disk does not work: what is not on it is lost"
                );
                return;
            }
            if is_last {
                return;
            }
        }
    }
}

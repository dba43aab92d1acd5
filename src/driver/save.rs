//! What of the engine's state goes to disk when, and what is done about a disk that fails.

use std::time::Duration;

use super::Driver;
use crate::engine::dispatch::Notification;
use crate::engine::saved::notification_to_bytes;
use crate::engine::store::SavedSeries;
use crate::engine::time::Now;
use crate::storage::{Commit, Health, Kind, Write};

/// The clocks are saved at least this often, so that little of their time is lost with the process.
const CLOCK_EVERY: Duration = Duration::from_secs(10);
/// Of the state so much is saved at once; at the end, when nobody waits, more.
const SAVED_AT_ONCE: usize = 4 << 20;
const SAVED_AT_THE_END: usize = 16 << 20;

impl Driver {
    /// Hands what is due of the state to the next commit, and looks after a disk that has failed.
    pub(super) fn save(&mut self, now: Now, notifications: &[Notification]) {
        if !self.storage.is_durable() {
            return;
        }
        let (engine, health) = (&self.engine, self.storage.health());
        let trial = || Commit {
            sequence: engine.sequence(),
            now,
            judged: engine.judged(now),
            admitted: None,
            saved_up_to: Some(engine.saved_up_to()),
            writes: Vec::new(),
        };
        if self.storage.look_after(now.steady, trial) {
            self.engine.forget_saved();
            self.recovering_to = Some(self.engine.sequence());
        }
        if matches!(health, Health::Degraded { .. }) {
            return;
        }
        if let Some(sequence) = self.recovering_to
            && !self.storage.is_busy()
            && self.gathering.writes.is_empty()
            && self.engine.saved_up_to() >= sequence
        {
            self.recovering_to = None;
            self.storage.caught_up();
        }
        // What waits for its commit already is enough for one.
        if self.gathering.writes.is_empty() {
            let saved = self.engine.take_unsaved(now, SAVED_AT_ONCE);
            self.gather_series(saved);
        }
        self.gather_alerts(notifications);
        let waited = now.steady.saturating_sub(self.clock_saved);
        if !self.gathering.writes.is_empty() || waited >= CLOCK_EVERY {
            self.clock_saved = now.steady;
            self.gathering.clock = true;
            self.begin_commit();
        }
    }

    /// What has changed of alerts, what has been told of them, and the notifications that say so, together.
    fn gather_alerts(&mut self, notifications: &[Notification]) {
        let as_of = self.engine.sequence();
        let mut put = |kind, key, body| {
            self.gathering.writes.push(Write {
                kind,
                key,
                as_of,
                body,
            });
        };
        for rule in self.engine.take_changed_rules() {
            put(Kind::Rule, rule.key, rule.body);
        }
        if let Some(body) = self.engine.save_dispatch() {
            put(Kind::Dispatch, String::new(), Some(body));
        }
        for id in self.notifiers.take_settled() {
            put(Kind::Notification, id, None);
        }
        for notification in notifications {
            let body = notification_to_bytes(notification);
            put(Kind::Notification, notification.id.clone(), Some(body));
        }
        self.gathering.has_notifications |= !notifications.is_empty();
    }

    /// What the clocks have done, together with the moment that is committed next.
    pub(super) fn gather_clocks(&mut self) {
        if let Some(body) = self.engine.save_clocks() {
            self.gathering.writes.push(Write {
                kind: Kind::Clocks,
                key: String::new(),
                as_of: self.engine.sequence(),
                body: Some(body),
            });
        }
    }

    fn gather_series(&mut self, saved: Vec<SavedSeries>) {
        let as_of = self.engine.sequence();
        let writes = saved.into_iter().map(|series| Write {
            kind: Kind::Series,
            key: series.key,
            as_of,
            body: series.body,
        });
        self.gathering.writes.extend(writes);
    }

    /// Saves everything, so that the next start has nothing to apply again.
    pub(super) async fn save_all(&mut self) {
        if !self.storage.is_durable() {
            return;
        }
        loop {
            let saved = self.engine.take_all_unsaved(SAVED_AT_THE_END);
            let is_last = saved.is_empty();
            self.gather_series(saved);
            self.gather_alerts(&[]);
            self.gathering.clock = true;
            self.begin_commit();
            let group = self.storage.committed().await;
            self.apply(group);
            if is_last || self.storage.health() != Health::Good {
                return;
            }
        }
    }
}

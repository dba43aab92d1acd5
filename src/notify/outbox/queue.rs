//! What an outbox decides: what is sent next and when, what becomes of a failure, and how news of one group come together.

mod joined;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::joined::{join, sort};
use super::super::keeper::Fortune;
use super::super::{NotifyError, backoff};
use crate::engine::dispatch::{Announced, Notification};
use crate::engine::series::Fnv1a;
use crate::engine::time::{Now, Timestamp};

/// A notification is given up this long after its first attempt.
const GIVE_UP: Duration = Duration::from_secs(3_600);
/// So long is remembered that an end has been told.
const DAY: Duration = Duration::from_secs(86_400);

/// The notifications of one integration that are not delivered yet.
#[derive(Debug)]
pub(super) struct Queue {
    capacity: usize,
    waiting: VecDeque<Entry>,
    sending: Option<Entry>,
    /// Ends that are told together with their beginning, by group and alert, so that they are not told again.
    told_ends: HashMap<(String, u64), Timestamp>,
    draining: bool,
    /// Nobody is to be told any more: nothing is taken in, and nothing tried again.
    closed: bool,
    /// What has become of notifications since it was last asked for.
    fortunes: Vec<Fortune>,
}

#[derive(Clone, Debug)]
struct Entry {
    notification: Arc<Notification>,
    /// The ids of all notifications that have gone into it.
    ids: Vec<String>,
    attempts: u32,
    first_attempt: Option<Duration>,
    /// On the steady clock; `None` once a draining queue has tried it for the last time.
    due: Option<Duration>,
    /// Ends of alerts that it tells together with their beginning.
    ends: Vec<(u64, Timestamp)>,
}

impl Entry {
    /// Has it kept under the id that it has now, in the place of all that have gone into it.
    fn change(&mut self, fortunes: &mut Vec<Fortune>) {
        let id = &self.notification.id;
        let former = self.ids.drain(..).filter(|former| former != id);
        fortunes.extend(former.map(Fortune::Settled));
        fortunes.push(Fortune::Changed(self.notification.clone()));
        self.ids.push(id.clone());
    }
}

/// What to do now.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Send this, then call [`Queue::delivered`] or [`Queue::failed`].
    Send(Arc<Notification>),
    /// Nothing until then, on the steady clock.
    WaitUntil(Duration),
    /// Nothing until something new comes.
    Idle,
}

/// What becomes of a failed attempt.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fate {
    /// It is tried again after this.
    Again(Duration),
    /// It was the last attempt.
    GivenUp,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            waiting: VecDeque::new(),
            sending: None,
            told_ends: HashMap::new(),
            draining: false,
            closed: false,
            fortunes: Vec::new(),
        }
    }

    /// Whether nobody is to be told any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Notifications that are not delivered.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + usize::from(self.sending.is_some())
    }

    /// Takes a notification, together with what its group still has waiting. Returns what had to go for it if the queue
    /// is full, and itself if it is closed.
    pub(super) fn push(
        &mut self,
        mut notification: Notification,
        now: Now,
    ) -> Option<Arc<Notification>> {
        let key = |alert: &Announced| (notification.group_key.clone(), alert.fingerprint);
        let news = |alert: &Arc<Announced>| match alert.ended {
            Some((end, _)) => self.told_ends.get(&key(alert)) != Some(&end),
            None => true,
        };
        let alerts = notification.alerts.iter().filter(|alert| news(alert));
        notification.alerts = alerts.cloned().collect();
        let id = notification.id.clone();
        if notification.alerts.is_empty() {
            self.fortunes.push(Fortune::Settled(id));
            return None;
        }
        if self.closed {
            self.fortunes.push(Fortune::Settled(id));
            return Some(Arc::new(notification));
        }
        let same_group =
            |entry: &&mut Entry| entry.notification.group_key == notification.group_key;
        if let Some(entry) = self.waiting.iter_mut().find(same_group) {
            entry.notification = Arc::new(join(&entry.notification, notification, now));
            entry.ids.push(id);
            entry.first_attempt = None;
            return None;
        }
        let full = self.len() >= self.capacity;
        let dropped = full.then(|| self.waiting.pop_front()).flatten();
        let dropped = dropped.map(|entry| {
            self.settle(entry.ids);
            entry.notification
        });
        if let Some(dropped) = &dropped {
            self.forget_ends(dropped);
        }
        self.waiting.push_back(Entry {
            notification: Arc::new(notification),
            ids: vec![id],
            attempts: 0,
            first_attempt: None,
            due: Some(now.steady),
            ends: Vec::new(),
        });
        dropped
    }

    /// Takes word that an alert has ended: where it was never told as firing, it is now told as both, once.
    ///
    /// Receivers with `send_resolved: false` hear of an end only in this way.
    pub(super) fn ended(&mut self, alert: &Arc<Announced>) {
        let Some((end, _)) = alert.ended else { return };
        for entry in self.waiting.iter_mut().chain(&mut self.sending) {
            let held = |held: &Arc<Announced>| {
                let same = held.fingerprint == alert.fingerprint;
                same && held.is_firing() && held.starts_at <= end
            };
            if !entry.notification.alerts.iter().any(held) {
                continue;
            }
            let mut notification = Notification::clone(&entry.notification);
            for place in notification.alerts.iter_mut().filter(|place| held(place)) {
                *place = alert.clone();
            }
            sort(&mut notification.alerts);
            // A receiver that got an attempt without our knowing would take the same id for a repeat.
            if entry.first_attempt.is_some() {
                notification.id = derived_id(&notification.id, alert);
            }
            entry.notification = Arc::new(notification);
            entry.ends.push((alert.fingerprint, end));
            entry.change(&mut self.fortunes);
        }
    }

    /// Makes ends that nobody gets to know news again.
    fn forget_ends(&mut self, dead: &Notification) {
        for alert in &dead.alerts {
            let key = (dead.group_key.clone(), alert.fingerprint);
            self.told_ends.remove(&key);
        }
    }

    /// What to do now.
    pub(super) fn next(&mut self, now: Now) -> Step {
        let due = |entry: &Entry| entry.due.unwrap_or(Duration::MAX);
        let Some((place, at)) = self
            .waiting
            .iter()
            .map(due)
            .enumerate()
            .min_by_key(|(_, at)| *at)
        else {
            return Step::Idle;
        };
        if at == Duration::MAX {
            return Step::Idle;
        }
        if at > now.steady {
            return Step::WaitUntil(at);
        }
        let Some(mut entry) = self.waiting.remove(place) else {
            return Step::Idle;
        };
        entry.first_attempt.get_or_insert(now.steady);
        let notification = entry.notification.clone();
        // The engine tells of an end within a few group intervals, which a day is long enough for.
        self.told_ends.retain(|_, end| now.wall.since(*end) < DAY);
        for (fingerprint, end) in &entry.ends {
            let key = (notification.group_key.clone(), *fingerprint);
            self.told_ends.insert(key, *end);
        }
        self.sending = Some(entry);
        Step::Send(notification)
    }

    /// Notes that what [`Queue::next`] handed out is delivered.
    pub(super) fn delivered(&mut self) {
        if let Some(entry) = self.sending.take() {
            self.settle(entry.ids);
        }
    }

    fn settle(&mut self, ids: Vec<String>) {
        self.fortunes.extend(ids.into_iter().map(Fortune::Settled));
    }

    /// What has become of notifications since this was last asked.
    pub(super) fn take_fortunes(&mut self) -> Vec<Fortune> {
        std::mem::take(&mut self.fortunes)
    }

    /// Everything that is not delivered, as it stands now.
    pub(super) fn undelivered(&mut self) -> Vec<Fortune> {
        let mut fortunes = Vec::new();
        for entry in self.sending.iter_mut().chain(&mut self.waiting) {
            entry.change(&mut fortunes);
        }
        fortunes
    }

    /// Takes a notification that was on its way when the process before ended, and that may have arrived.
    pub(super) fn push_again(
        &mut self,
        notification: Notification,
        now: Now,
    ) -> Option<Arc<Notification>> {
        let id = notification.id.clone();
        let dropped = self.push(notification, now);
        let is_it = |entry: &&mut Entry| entry.notification.id == id;
        if let Some(entry) = self.waiting.iter_mut().find(is_it) {
            entry.first_attempt = Some(now.steady);
        }
        dropped
    }

    /// Decides what becomes of what was sent, and returns it as it stands now.
    pub(super) fn failed(
        &mut self,
        error: &NotifyError,
        now: Now,
        random: f64,
    ) -> Option<(Arc<Notification>, Fate)> {
        let mut entry = self.sending.take()?;
        let notification = entry.notification.clone();
        entry.attempts = entry.attempts.saturating_add(1);
        let give_up_at = entry.first_attempt.unwrap_or(now.steady) + GIVE_UP;
        if !error.is_transient() || now.steady >= give_up_at || self.closed {
            self.forget_ends(&notification);
            self.settle(entry.ids);
            return Some((notification, Fate::GivenUp));
        }
        let wait =
            backoff::wait(entry.attempts, random).max(error.retry_after().unwrap_or_default());
        // However long the server asks to wait, there is one attempt at the end of the hour.
        let due = (now.steady.saturating_add(wait)).min(give_up_at);
        entry.due = (!self.draining).then_some(due);
        let same_group =
            |newer: &&mut Entry| newer.notification.group_key == notification.group_key;
        if let Some(newer) = self.waiting.iter_mut().find(same_group) {
            let news = Notification::clone(&newer.notification);
            newer.notification = Arc::new(join(&notification, news, now));
            newer.ends.extend(entry.ends);
            newer.ids.extend(entry.ids);
            if !self.draining {
                newer.attempts = entry.attempts;
                newer.due = entry.due;
            }
        } else {
            self.waiting.push_front(entry);
        }
        Some((notification, Fate::Again(due.saturating_sub(now.steady))))
    }

    /// Goes on with other settings, which may be all that was needed: what waits is due at once.
    pub(super) fn go_on(&mut self, now: Now) {
        self.closed = false;
        for entry in &mut self.waiting {
            entry.due = entry.due.map(|due| due.min(now.steady));
        }
    }

    /// Gives up what waits and hands it out; what is under way has its attempt, but no other.
    pub(super) fn close(&mut self) -> Vec<Arc<Notification>> {
        self.closed = true;
        let mut dead = Vec::new();
        for entry in std::mem::take(&mut self.waiting) {
            self.forget_ends(&entry.notification);
            self.settle(entry.ids);
            dead.push(entry.notification);
        }
        dead
    }

    /// Makes everything due at once and for the last time.
    pub(super) fn drain(&mut self, now: Now) {
        self.draining = true;
        for entry in &mut self.waiting {
            entry.due = Some(now.steady);
        }
    }

    /// Hands out everything that is not delivered.
    pub(super) fn clear(&mut self) -> Vec<Arc<Notification>> {
        let entries = self
            .sending
            .take()
            .into_iter()
            .chain(self.waiting.drain(..));
        entries.map(|entry| entry.notification).collect()
    }
}

/// The id of a notification whose content has changed since an attempt.
fn derived_id(id: &str, alert: &Announced) -> String {
    let mut hash = Fnv1a::new();
    hash.add(id.as_bytes());
    hash.add(&alert.fingerprint.to_le_bytes());
    let end = alert.ended.map_or(0, |(end, _)| end.millis());
    hash.add(&end.to_le_bytes());
    format!("{:016x}", hash.finish())
}

#[cfg(test)]
mod tests;

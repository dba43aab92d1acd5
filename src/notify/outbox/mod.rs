//! The outbox of one integration: at least once, one message at a time, and no faster than the receiver can bear.

mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::queue::{Fate, Queue, Step};
use super::keeper::{Fortune, Keeper};
use super::prepared::Made;
use super::{Notifier, backoff};
use crate::clock::Clock;
use crate::engine::dispatch::{Announced, Notification};

/// Most undelivered notifications of one integration; of a group there is one at most.
const CAPACITY: usize = 1_000;

/// Counts of one integration since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Deliveries {
    /// Notifications that the receiver has taken.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// Notifications given up: refused for good, after an hour, for want of room, or at the end of the program.
    pub dead_letters: u64,
    /// Seconds from the beginning to the end of all attempts, together.
    pub attempt_seconds: f64,
    /// Attempts.
    pub attempts: u64,
}

/// The outbox of one integration.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) receiver: String,
    pub(super) integration: usize,
    notifier: Notifier,
    /// Who keeps what waits over a restart.
    keeper: Option<Arc<Keeper>>,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    counts: Deliveries,
}

/// How a task is told to end.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    /// Deliver what there is once more, then end.
    pub(super) drain: CancellationToken,
    /// End now.
    pub(super) stop: CancellationToken,
}

impl Outbox {
    pub(super) fn new(made: Made, keeper: Option<Arc<Keeper>>) -> Self {
        Self {
            receiver: made.receiver,
            integration: made.integration,
            notifier: made.notifier,
            keeper,
            state: Mutex::new(State {
                queue: Queue::new(CAPACITY),
                counts: Deliveries::default(),
            }),
            wake: Notify::new(),
        }
    }

    /// By which means it delivers.
    pub(super) fn kind(&self) -> &'static str {
        self.notifier.kind()
    }

    /// Its counts, and how many notifications wait of how many that can.
    pub(super) fn stats(&self) -> (Deliveries, usize, usize) {
        let state = self.lock();
        (state.counts, state.queue.len(), CAPACITY)
    }

    /// Takes a notification to deliver.
    pub(super) fn push(&self, notification: Notification, clock: Clock) {
        self.take_in(|queue| queue.push(notification, clock.now()));
    }

    /// Takes one that the process before had not delivered, as far as it knew.
    pub(super) fn push_again(&self, notification: Notification, clock: Clock) {
        self.take_in(|queue| queue.push_again(notification, clock.now()));
    }

    fn take_in(&self, push: impl FnOnce(&mut Queue) -> Option<Arc<Notification>>) {
        let mut state = self.lock();
        if let Some(dropped) = push(&mut state.queue) {
            state.counts.dead_letters += 1;
            self.bury(&dropped, "there is no room for it");
        }
        self.tell_keeper(&mut state);
        drop(state);
        self.wake.notify_one();
    }

    /// Takes word that an alert has ended.
    pub(super) fn ended(&self, alert: &Arc<Announced>) {
        let mut state = self.lock();
        state.queue.ended(alert);
        self.tell_keeper(&mut state);
    }

    /// Everything that is not delivered, as it is to be kept.
    pub(super) fn undelivered(&self) -> Vec<Fortune> {
        self.lock().queue.undelivered()
    }

    fn tell_keeper(&self, state: &mut State) {
        let fortunes = state.queue.take_fortunes();
        if let Some(keeper) = &self.keeper {
            keeper.note(fortunes);
        }
    }

    /// Delivers until told to end.
    pub(super) async fn run(&self, clock: Clock, ending: Ending) {
        let work = self.deliver_all(clock, &ending.drain);
        let ended = ending.stop.run_until_cancelled(work).await;
        let left = self.lock().queue.clear();
        if self.keeper.is_some() {
            for notification in left {
                info!(
                    receiver = self.receiver,
                    kind = self.kind(),
                    id = notification.id,
                    "notification not delivered before the end: it is kept for the next start"
                );
            }
            return;
        }
        self.lock().counts.dead_letters += u64::try_from(left.len()).unwrap_or_default();
        for notification in left {
            let why = match ended {
                Some(()) => "the last attempt at the end of the program failed",
                None => "the program ended before",
            };
            self.bury(&notification, why);
        }
    }

    async fn deliver_all(&self, clock: Clock, drain: &CancellationToken) {
        let mut draining = false;
        loop {
            if drain.is_cancelled() && !draining {
                draining = true;
                self.lock().queue.drain(clock.now());
            }
            let step = self.lock().queue.next(clock.now());
            let until = match step {
                Step::Send(notification) => {
                    self.attempt(&notification, clock).await;
                    continue;
                }
                Step::WaitUntil(until) => until.saturating_sub(clock.now().steady),
                Step::Idle if draining => return,
                Step::Idle => Duration::MAX,
            };
            tokio::select! {
                () = tokio::time::sleep(until) => {}
                () = self.wake.notified() => {}
                () = drain.cancelled(), if !draining => {}
            }
        }
    }

    async fn attempt(&self, notification: &Notification, clock: Clock) {
        let begin = clock.now();
        let result = self.notifier.deliver(notification).await;
        let now = clock.now();
        let mut state = self.lock();
        state.counts.attempts += 1;
        state.counts.attempt_seconds += now.steady.saturating_sub(begin.steady).as_secs_f64();
        let error = match result {
            Ok(()) => {
                state.queue.delivered();
                state.counts.delivered += 1;
                self.tell_keeper(&mut state);
                info!(
                    receiver = self.receiver,
                    kind = self.kind(),
                    id = notification.id,
                    reason = notification.reason.as_str(),
                    "notification delivered"
                );
                return;
            }
            Err(error) => error,
        };
        state.counts.failed_attempts += 1;
        let failed = state.queue.failed(&error, now, backoff::random());
        self.tell_keeper(&mut state);
        match failed {
            Some((notification, Fate::GivenUp)) => {
                state.counts.dead_letters += 1;
                self.bury(&notification, &error.to_string());
            }
            Some((notification, Fate::Again(wait))) => warn!(
                receiver = self.receiver, kind = self.kind(), id = notification.id, %error,
                retry_in_seconds = wait.as_secs_f64(), "notification not delivered yet"
            ),
            None => {}
        }
    }

    /// The line of a notification that nobody gets: all there is to know of it later.
    fn bury(&self, notification: &Notification, why: &str) {
        let alerts: Vec<String> = notification
            .alerts
            .iter()
            .map(|a| a.labels.to_string())
            .collect();
        warn!(
            receiver = self.receiver,
            kind = self.kind(),
            id = notification.id,
            group = notification.group_key,
            status = notification.status(),
            alerts = alerts.join(" "),
            error = why,
            "dead letter: notification given up"
        );
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if something did, counts may be off by one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The outbox of one integration: at least once, one message at a time, and no faster than the receiver can bear.

mod queue;

use std::collections::BTreeMap;
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
/// Why what is for an integration that has gone is given up.
const NOT_CONFIGURED: &str = "the configuration has no such integration any more";

/// What became of the notifications for one integration.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegrationStats {
    /// Name of its receiver.
    pub receiver: String,
    /// Its number within the receiver.
    pub integration: usize,
    /// By which means it delivers: `email` or `webhook`.
    pub kind: &'static str,
    /// What was delivered and what was not.
    pub deliveries: Deliveries,
    /// Notifications that wait.
    pub queue_length: usize,
    /// Most notifications that can wait; 0 where the configuration has no such integration any more.
    pub queue_capacity: usize,
}

/// Counts of one integration since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Deliveries {
    /// Notifications that the receiver has taken.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// Notifications given up: refused for good, after an hour, for want of room, because the integration is no longer
    /// configured, or at the end of the program.
    pub dead_letters: u64,
    /// Seconds from the beginning to the end of all attempts, together.
    pub attempt_seconds: f64,
    /// Attempts.
    pub attempts: u64,
}

/// The outbox of one integration. It lives as long as the program, whatever becomes of its settings: so what waits and what
/// is under way stay in one order, and counts never go back.
#[derive(Debug)]
pub(super) struct Outbox {
    receiver: String,
    integration: usize,
    /// Who keeps what waits over a restart.
    keeper: Option<Arc<Keeper>>,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug)]
struct State {
    /// By which means it delivers, or did last.
    notifier: Arc<Notifier>,
    queue: Queue,
    /// By kind, because another configuration may give its number to another kind.
    counts: BTreeMap<&'static str, Deliveries>,
}

impl State {
    fn count(&mut self, kind: &'static str) -> &mut Deliveries {
        self.counts.entry(kind).or_default()
    }
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
        let notifier = made.notifier;
        Self {
            receiver: made.receiver,
            integration: made.integration,
            keeper,
            state: Mutex::new(State {
                counts: [(notifier.kind(), Deliveries::default())].into(),
                notifier: Arc::new(notifier),
                queue: Queue::new(CAPACITY),
            }),
            wake: Notify::new(),
        }
    }

    /// Whether it is the one of this integration.
    pub(super) fn is_for(&self, receiver: &str, integration: usize) -> bool {
        self.receiver == receiver && self.integration == integration
    }

    /// What became of its notifications, for each kind that it has had.
    pub(super) fn stats(&self) -> Vec<IntegrationStats> {
        let state = self.lock();
        let of = |(kind, deliveries): (&&'static str, &Deliveries)| {
            let is_now = *kind == state.notifier.kind();
            let can_wait = is_now && !state.queue.is_closed();
            IntegrationStats {
                receiver: self.receiver.clone(),
                integration: self.integration,
                kind,
                deliveries: *deliveries,
                queue_length: if is_now { state.queue.len() } else { 0 },
                queue_capacity: if can_wait { CAPACITY } else { 0 },
            }
        };
        state.counts.iter().map(of).collect()
    }

    /// Goes on by these means. What is under way ends its attempt by those before, and nothing overtakes it.
    pub(super) fn go_on_with(&self, notifier: Notifier, clock: Clock) {
        let mut state = self.lock();
        // Shown from the beginning, with zeros.
        state.count(notifier.kind());
        state.notifier = Arc::new(notifier);
        state.queue.go_on(clock.now());
        drop(state);
        self.wake.notify_one();
    }

    /// Gives up what waits, because there is no such integration any more.
    ///
    /// It is not delivered by the means it had: who takes a receiver out of the configuration wants nothing to go there,
    /// and a start with that configuration would give up the same. Whoever gets the alerts instead is told of them anew.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        for notification in state.queue.close() {
            self.give_up(&mut state, &notification, NOT_CONFIGURED);
        }
        self.tell_keeper(&mut state);
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
            let why = if state.queue.is_closed() {
                NOT_CONFIGURED
            } else {
                "there is no room for it"
            };
            self.give_up(&mut state, &dropped, why);
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
        let mut state = self.lock();
        let left = state.queue.clear();
        let kind = state.notifier.kind();
        if self.keeper.is_some() {
            for notification in left {
                info!(
                    receiver = self.receiver,
                    kind,
                    id = notification.id,
                    "notification not delivered before the end: it is kept for the next start"
                );
            }
            return;
        }
        for notification in left {
            let why = match ended {
                Some(()) => "the last attempt at the end of the program failed",
                None => "the program ended before",
            };
            self.give_up(&mut state, &notification, why);
        }
    }

    async fn deliver_all(&self, clock: Clock, drain: &CancellationToken) {
        let mut draining = false;
        loop {
            if drain.is_cancelled() && !draining {
                draining = true;
                self.lock().queue.drain(clock.now());
            }
            let (step, notifier) = {
                let mut state = self.lock();
                (state.queue.next(clock.now()), state.notifier.clone())
            };
            let until = match step {
                Step::Send(notification) => {
                    self.attempt(&notification, &notifier, clock).await;
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

    async fn attempt(&self, notification: &Notification, notifier: &Notifier, clock: Clock) {
        let kind = notifier.kind();
        let begin = clock.now();
        let result = notifier.deliver(notification).await;
        let now = clock.now();
        let mut state = self.lock();
        let counts = state.count(kind);
        counts.attempts += 1;
        counts.attempt_seconds += now.steady.saturating_sub(begin.steady).as_secs_f64();
        match &result {
            Ok(()) => counts.delivered += 1,
            Err(_) => counts.failed_attempts += 1,
        }
        let error = match result {
            Ok(()) => {
                state.queue.delivered();
                self.tell_keeper(&mut state);
                info!(
                    receiver = self.receiver,
                    kind,
                    id = notification.id,
                    reason = notification.news().as_str(),
                    "notification delivered"
                );
                return;
            }
            Err(error) => error,
        };
        let failed = state.queue.failed(&error, now, backoff::random());
        self.tell_keeper(&mut state);
        match failed {
            Some((notification, Fate::GivenUp)) => {
                self.give_up(&mut state, &notification, &error.to_string());
            }
            Some((notification, Fate::Again(wait))) => warn!(
                receiver = self.receiver, kind, id = notification.id, %error,
                retry_in_seconds = wait.as_secs_f64(), "notification not delivered yet"
            ),
            None => {}
        }
    }

    /// Counts a notification that nobody gets and writes a line of it: all there is to know of it later.
    fn give_up(&self, state: &mut State, notification: &Notification, why: &str) {
        let kind = state.notifier.kind();
        state.count(kind).dead_letters += 1;
        let alerts: Vec<String> = notification
            .alerts
            .iter()
            .map(|a| a.labels.to_string())
            .collect();
        warn!(
            receiver = self.receiver,
            kind,
            id = notification.id,
            group = notification.group_key,
            status = notification.status(),
            reason = notification.news().as_str(),
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

//! The running set of integrations and Alertmanagers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use super::action::Caller;
use super::alertmanager::{Alertmanager, AlertmanagerStats};
use super::keeper::{Fortune, Keeper};
use super::outbox::{Ending, IntegrationStats, Outbox};
use super::prepared::Prepared;
use super::{NotifySettings, SettingFault};
use crate::clock::Clock;
use crate::engine::dispatch::{Announced, Notification};
use crate::engine::time::Timestamp;

/// Everyone who is told. Dropping it ends all its tasks at once; [`Notifiers::drain`] lets them finish.
#[derive(Debug)]
pub struct Notifiers {
    set: Mutex<Set>,
    clock: Clock,
    keeper: Option<Arc<Keeper>>,
    /// Notifications for integrations that there are not.
    homeless: AtomicU64,
    tasks: TaskTracker,
    ending: Ending,
    _stop_when_dropped: DropGuard,
}

/// All that there are or were since the start, those of the configuration first and in its order.
///
/// Those that it does not have any more are kept for their counts, and for the day they come back. There are never more of
/// them than the names that have been in use, which people choose.
#[derive(Debug, Default)]
struct Set {
    outboxes: Vec<Arc<Outbox>>,
    alertmanagers: Vec<Arc<Alertmanager>>,
    callers: Vec<Arc<Caller>>,
}

/// What became of everything that was to be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NotifyStats {
    /// Of each integration, in the order of the configuration, then of those that it does not have any more. One that has
    /// become of another kind is listed once for each.
    pub integrations: Vec<IntegrationStats>,
    /// Of each Alertmanager, in the same order.
    pub alertmanagers: Vec<AlertmanagerStats>,
}

/// Takes out the first that is it.
fn take<T>(all: &mut Vec<Arc<T>>, is_it: impl Fn(&T) -> bool) -> Option<Arc<T>> {
    let place = all.iter().position(|one| is_it(one))?;
    Some(all.remove(place))
}

impl Notifiers {
    /// Starts a task for each integration and Alertmanager. They end when `shutdown` is cancelled, without waiting for
    /// anything. `keeper` is told what becomes of notifications. To be called within a Tokio runtime.
    ///
    /// # Errors
    /// Every fault of the settings, as [`NotifySettings::check`]; then nothing is started.
    pub fn start(
        settings: &NotifySettings,
        clock: Clock,
        keeper: Option<Arc<Keeper>>,
        shutdown: &CancellationToken,
    ) -> Result<Self, Vec<SettingFault>> {
        let prepared = settings.prepare(clock)?;
        let stop = shutdown.child_token();
        let notifiers = Self {
            set: Mutex::default(),
            clock,
            keeper,
            homeless: AtomicU64::new(0),
            tasks: TaskTracker::new(),
            ending: Ending {
                drain: CancellationToken::new(),
                stop: stop.clone(),
            },
            _stop_when_dropped: stop.drop_guard(),
        };
        notifiers.reconfigure(prepared);
        Ok(notifiers)
    }

    /// Goes on with other settings. An integration is still the same where its receiver has the same name and it has the
    /// same number there, as the engine and the store see it, and an Alertmanager where its address is the same: what waits
    /// there is delivered by the new means. What waits for others is given up. To be called within a Tokio runtime.
    pub fn reconfigure(&self, prepared: Prepared) {
        let (clock, ending) = (self.clock, &self.ending);
        let mut set = self.set();
        let mut before = std::mem::take(&mut *set);
        set.callers = prepared.callers;
        for made in prepared.integrations {
            let is_it = |outbox: &Outbox| outbox.is_for(&made.receiver, made.integration);
            if let Some(outbox) = take(&mut before.outboxes, is_it) {
                outbox.go_on_with(made.notifier, clock);
                set.outboxes.push(outbox);
                continue;
            }
            let outbox = Arc::new(Outbox::new(made, self.keeper.clone()));
            set.outboxes.push(outbox.clone());
            let ending = ending.clone();
            self.tasks
                .spawn(async move { outbox.run(clock, ending).await });
        }
        for way in prepared.alertmanagers {
            let is_it = |alertmanager: &Alertmanager| alertmanager.is_reached_by(&way);
            if let Some(alertmanager) = take(&mut before.alertmanagers, is_it) {
                alertmanager.go_on_with(way);
                set.alertmanagers.push(alertmanager);
                continue;
            }
            let alertmanager = Arc::new(Alertmanager::new(way));
            set.alertmanagers.push(alertmanager.clone());
            let ending = ending.clone();
            self.tasks
                .spawn(async move { alertmanager.run(clock, ending).await });
        }
        before.outboxes.iter().for_each(|outbox| outbox.close());
        let gone = before.alertmanagers.iter();
        gone.for_each(|alertmanager| alertmanager.close());
        set.outboxes.append(&mut before.outboxes);
        set.alertmanagers.append(&mut before.alertmanagers);
    }

    fn set(&self) -> MutexGuard<'_, Set> {
        // Nothing panics while it holds the lock.
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes notifications to deliver.
    pub fn send(&self, notifications: Vec<Notification>) {
        for notification in notifications {
            if let Some(outbox) = self.outbox_of(&notification) {
                outbox.push(notification, self.clock);
            }
        }
    }

    /// Takes notifications that the process before had not delivered, as far as it knew.
    pub fn send_again(&self, notifications: Vec<Notification>) {
        for notification in notifications {
            if let Some(outbox) = self.outbox_of(&notification) {
                outbox.push_again(notification, self.clock);
            }
        }
    }

    fn outbox_of(&self, notification: &Notification) -> Option<Arc<Outbox>> {
        let (receiver, integration) = (&notification.receiver, notification.integration);
        let is_it = |outbox: &&Arc<Outbox>| outbox.is_for(receiver, integration);
        let outbox = self.set().outboxes.iter().find(is_it).cloned();
        if outbox.is_none() {
            error!(
                receiver = notification.receiver,
                integration = notification.integration,
                id = notification.id,
                "dead letter: there is no such integration"
            );
            self.homeless.fetch_add(1, Ordering::Relaxed);
            if let Some(keeper) = &self.keeper {
                keeper.note(vec![Fortune::Settled(notification.id.clone())]);
            }
        }
        outbox
    }

    /// The way to call an action; none where there is no such action.
    pub fn caller(&self, action: &str) -> Option<Arc<Caller>> {
        let set = self.set();
        set.callers.iter().find(|one| one.name() == action).cloned()
    }

    /// Who is told what becomes of notifications.
    pub fn keeper(&self) -> Option<&Arc<Keeper>> {
        self.keeper.as_ref()
    }

    /// Everything that is not delivered, as it is to be kept.
    pub fn undelivered(&self) -> Vec<Fortune> {
        let set = self.set();
        let undelivered = set.outboxes.iter().map(|outbox| outbox.undelivered());
        undelivered.flatten().collect()
    }

    /// Takes the latest word on alerts, so that what ended before an integration could be told is told as both in one message,
    /// also to those that do not hear of ends otherwise.
    pub fn announced(&self, alerts: &[Arc<Announced>]) {
        let set = self.set();
        for alert in alerts.iter().filter(|alert| !alert.is_firing()) {
            for outbox in &set.outboxes {
                outbox.ended(alert);
            }
        }
    }

    /// Takes the latest word on alerts for all Alertmanagers, each with the `endsAt` to send.
    pub fn alertmanagers(&self, alerts: &[(Arc<Announced>, Timestamp)]) {
        for alertmanager in &self.set().alertmanagers {
            alertmanager.push(alerts);
        }
    }

    /// Notifications given up so far, those to Alertmanagers included.
    pub fn dropped(&self) -> u64 {
        let stats = self.stats();
        let letters = stats
            .integrations
            .iter()
            .map(|one| one.deliveries.dead_letters);
        let lost = stats.alertmanagers.iter().map(|one| one.dropped);
        let homeless = self.homeless.load(Ordering::Relaxed);
        letters.chain(lost).sum::<u64>() + homeless
    }

    /// What became of everything so far.
    pub fn stats(&self) -> NotifyStats {
        let set = self.set();
        let integrations = set.outboxes.iter().flat_map(|outbox| outbox.stats());
        let alertmanagers = set.alertmanagers.iter();
        NotifyStats {
            integrations: integrations.collect(),
            alertmanagers: alertmanagers
                .map(|alertmanager| alertmanager.stats())
                .collect(),
        }
    }

    /// Tries everything that waits once more, then ends all tasks, at the latest after `deadline`. What is sent later is
    /// not delivered.
    pub async fn drain(&self, deadline: Duration) {
        self.ending.drain.cancel();
        self.tasks.close();
        if tokio::time::timeout(deadline, self.tasks.wait())
            .await
            .is_err()
        {
            warn!("not everything could be delivered before the end");
            self.ending.stop.cancel();
            self.tasks.wait().await;
        }
    }
}

//! The running set of integrations and Alertmanagers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use super::alertmanager::{Alertmanager, AlertmanagerStats};
use super::keeper::{Fortune, Keeper};
use super::outbox::{Deliveries, Ending, Outbox};
use super::{NotifySettings, SettingFault};
use crate::clock::Clock;
use crate::engine::dispatch::{Announced, Notification};
use crate::engine::time::Timestamp;

/// Everyone who is told. Dropping it ends all its tasks at once; [`Notifiers::drain`] lets them finish.
#[derive(Debug)]
pub struct Notifiers {
    outboxes: Vec<Arc<Outbox>>,
    alertmanagers: Vec<Arc<Alertmanager>>,
    clock: Clock,
    keeper: Option<Arc<Keeper>>,
    /// Notifications for integrations that there are not.
    homeless: AtomicU64,
    tasks: TaskTracker,
    drain: CancellationToken,
    stop: CancellationToken,
    _stop_when_dropped: DropGuard,
}

/// What became of everything that was to be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NotifyStats {
    /// Of each integration, in the order of the configuration.
    pub integrations: Vec<IntegrationStats>,
    /// Of each Alertmanager, in the order of the configuration.
    pub alertmanagers: Vec<AlertmanagerStats>,
}

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
    /// Most notifications that can wait.
    pub queue_capacity: usize,
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
        let integrations = prepared.integrations.into_iter();
        let outboxes = integrations.map(|made| Outbox::new(made, keeper.clone()));
        let alertmanagers = prepared.alertmanagers.into_iter().map(Alertmanager::new);
        let stop = shutdown.child_token();
        let notifiers = Self {
            outboxes: outboxes.map(Arc::new).collect(),
            alertmanagers: alertmanagers.map(Arc::new).collect(),
            clock,
            keeper,
            homeless: AtomicU64::new(0),
            tasks: TaskTracker::new(),
            drain: CancellationToken::new(),
            stop: stop.clone(),
            _stop_when_dropped: stop.drop_guard(),
        };
        let ending = Ending {
            drain: notifiers.drain.clone(),
            stop: notifiers.stop.clone(),
        };
        for outbox in &notifiers.outboxes {
            let (outbox, ending) = (outbox.clone(), ending.clone());
            notifiers
                .tasks
                .spawn(async move { outbox.run(clock, ending).await });
        }
        for alertmanager in &notifiers.alertmanagers {
            let (alertmanager, ending) = (alertmanager.clone(), ending.clone());
            notifiers
                .tasks
                .spawn(async move { alertmanager.run(clock, ending).await });
        }
        Ok(notifiers)
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

    fn outbox_of(&self, notification: &Notification) -> Option<&Outbox> {
        let mut outboxes = self.outboxes.iter();
        let outbox = outboxes.find(|outbox| {
            outbox.receiver == notification.receiver
                && outbox.integration == notification.integration
        });
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
        outbox.map(|outbox| &**outbox)
    }

    /// Who is told what becomes of notifications.
    pub fn keeper(&self) -> Option<&Arc<Keeper>> {
        self.keeper.as_ref()
    }

    /// Everything that is not delivered, as it is to be kept.
    pub fn undelivered(&self) -> Vec<Fortune> {
        let outboxes = self.outboxes.iter();
        outboxes.flat_map(|outbox| outbox.undelivered()).collect()
    }

    /// Takes the latest word on alerts, so that what ended before an integration could be told is told as both in one message,
    /// also to those that do not hear of ends otherwise.
    pub fn announced(&self, alerts: &[Arc<Announced>]) {
        for alert in alerts.iter().filter(|alert| !alert.is_firing()) {
            for outbox in &self.outboxes {
                outbox.ended(alert);
            }
        }
    }

    /// Takes the latest word on alerts for all Alertmanagers, each with the `endsAt` to send.
    pub fn alertmanagers(&self, alerts: &[(Arc<Announced>, Timestamp)]) {
        for alertmanager in &self.alertmanagers {
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
        let of_outbox = |outbox: &Arc<Outbox>| {
            let (deliveries, queue_length, queue_capacity) = outbox.stats();
            IntegrationStats {
                receiver: outbox.receiver.clone(),
                integration: outbox.integration,
                kind: outbox.kind(),
                deliveries,
                queue_length,
                queue_capacity,
            }
        };
        let alertmanagers = self.alertmanagers.iter();
        NotifyStats {
            integrations: self.outboxes.iter().map(of_outbox).collect(),
            alertmanagers: alertmanagers
                .map(|alertmanager| alertmanager.stats())
                .collect(),
        }
    }

    /// Tries everything that waits once more, then ends all tasks, at the latest after `deadline`. What is sent later is
    /// not delivered.
    pub async fn drain(&self, deadline: Duration) {
        self.drain.cancel();
        self.tasks.close();
        if tokio::time::timeout(deadline, self.tasks.wait())
            .await
            .is_err()
        {
            warn!("not everything could be delivered before the end");
            self.stop.cancel();
            self.tasks.wait().await;
        }
    }
}

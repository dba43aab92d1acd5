//! The running set of integrations and Alertmanagers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{error, warn};

use super::alertmanager::{Alertmanager, AlertmanagerStats};
use super::email::Email;
use super::keeper::{Fortune, Keeper};
use super::outbox::{Deliveries, Ending, Outbox};
use super::webhook::Webhook;
use super::{Notifier, NotifySettings, SettingFault};
use crate::clock::Clock;
use crate::document::Place;
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

/// Everything that could be made of the settings, and what is wrong with the rest.
fn build(
    settings: &NotifySettings,
    clock: Clock,
    keeper: Option<&Arc<Keeper>>,
) -> (Vec<Outbox>, Vec<Alertmanager>, Vec<SettingFault>) {
    let mut faults = Vec::new();
    let mut outboxes = Vec::new();
    let url = settings.external_url.as_str();
    for (number, receiver) in settings.receivers.iter().enumerate() {
        let place = Place::root().key("receivers").index(number);
        let mail = receiver
            .email_configs
            .iter()
            .enumerate()
            .map(|(number, config)| {
                let place = place.key("email_configs").index(number);
                let email = Email::new(&settings.smtp, config, url, &place);
                email.map(|email| Notifier::Email(Box::new(email)))
            });
        let webhooks = receiver
            .webhook_configs
            .iter()
            .enumerate()
            .map(|(number, config)| {
                let place = place.key("webhook_configs").index(number);
                let webhook = Webhook::new(config, url, clock, &place);
                webhook.map(|webhook| Notifier::Webhook(Box::new(webhook)))
            });
        for (integration, made) in mail.chain(webhooks).enumerate() {
            match made {
                Ok(notifier) => {
                    outboxes.push(Outbox::new(
                        &receiver.name,
                        integration,
                        notifier,
                        keeper.cloned(),
                    ));
                }
                Err(wrong) => faults.extend(wrong),
            }
        }
    }
    let mut alertmanagers = Vec::new();
    for (number, config) in settings.alertmanagers.iter().enumerate() {
        let place = Place::root().key("alertmanagers").index(number);
        match Alertmanager::new(config, &place) {
            Ok(alertmanager) => alertmanagers.push(alertmanager),
            Err(wrong) => faults.push(wrong),
        }
    }
    // A fault of what receivers share is the same fault for each of them.
    let mut seen = Vec::new();
    faults.retain(|fault| {
        let new = !seen.contains(fault);
        if new {
            seen.push(fault.clone());
        }
        new
    });
    (outboxes, alertmanagers, faults)
}

impl NotifySettings {
    /// Everything that is wrong with the settings beyond their form, unreadable files included. Starts nothing.
    pub fn check(&self) -> Vec<SettingFault> {
        let (_, _, faults) = build(self, Clock::start(), None);
        faults
    }
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
        let (outboxes, alertmanagers, faults) = build(settings, clock, keeper.as_ref());
        if !faults.is_empty() {
            return Err(faults);
        }
        let stop = shutdown.child_token();
        let notifiers = Self {
            outboxes: outboxes.into_iter().map(Arc::new).collect(),
            alertmanagers: alertmanagers.into_iter().map(Arc::new).collect(),
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

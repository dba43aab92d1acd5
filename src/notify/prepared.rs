//! Everyone who is to be told, made of the settings and not started.

use std::sync::Arc;

use super::action::Caller;
use super::alertmanager::Way;
use super::email::Email;
use super::webhook::Webhook;
use super::{Notifier, NotifySettings, SettingFault};
use crate::clock::Clock;
use crate::document::Place;

/// What [`super::Notifiers`] are to be from now on. Nothing is running of it.
#[derive(Debug)]
pub struct Prepared {
    pub(super) integrations: Vec<Made>,
    pub(super) alertmanagers: Vec<Way>,
    pub(super) callers: Vec<Arc<Caller>>,
}

/// The means of one integration of one receiver.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) receiver: String,
    pub(super) integration: usize,
    pub(super) notifier: Notifier,
}

impl NotifySettings {
    /// Everything that is wrong with the settings beyond their form, unreadable files included. Starts nothing.
    pub fn check(&self) -> Vec<SettingFault> {
        self.prepare(Clock::start()).err().unwrap_or_default()
    }

    /// Makes everything that they say.
    ///
    /// # Errors
    /// Every fault, as [`NotifySettings::check`].
    pub fn prepare(&self, clock: Clock) -> Result<Prepared, Vec<SettingFault>> {
        let mut faults = Vec::new();
        let mut integrations = Vec::new();
        let url = self.external_url.as_str();
        for (number, receiver) in self.receivers.iter().enumerate() {
            let place = Place::root().key("receivers").index(number);
            let mail = receiver.email_configs.iter().enumerate();
            let mail = mail.map(|(number, config)| {
                let place = place.key("email_configs").index(number);
                let email = Email::new(&self.smtp, config, url, &place);
                email.map(|email| Notifier::Email(Box::new(email)))
            });
            let webhooks = receiver.webhook_configs.iter().enumerate();
            let webhooks = webhooks.map(|(number, config)| {
                let place = place.key("webhook_configs").index(number);
                let webhook = Webhook::new(config, url, clock, &place);
                webhook.map(|webhook| Notifier::Webhook(Box::new(webhook)))
            });
            for (integration, made) in mail.chain(webhooks).enumerate() {
                match made {
                    Ok(notifier) => integrations.push(Made {
                        receiver: receiver.name.clone(),
                        integration,
                        notifier,
                    }),
                    Err(wrong) => faults.extend(wrong),
                }
            }
        }
        let mut alertmanagers = Vec::new();
        for (number, config) in self.alertmanagers.iter().enumerate() {
            let place = Place::root().key("alertmanagers").index(number);
            match Way::new(config, self.resolved_retention, &place) {
                Ok(way) => alertmanagers.push(way),
                Err(wrong) => faults.push(wrong),
            }
        }
        let mut callers = Vec::new();
        for (number, config) in self.actions.iter().enumerate() {
            let place = Place::root().key("actions").index(number);
            match Caller::new(config, (url, &self.callback_url), clock, &place) {
                Ok(caller) => callers.push(Arc::new(caller)),
                Err(wrong) => faults.extend(wrong),
            }
        }
        if faults.is_empty() {
            return Ok(Prepared {
                callers,
                integrations,
                alertmanagers,
            });
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
        Err(faults)
    }
}

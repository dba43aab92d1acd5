//! Results go out: mail and webhooks through an outbox per integration, and every alert to Alertmanagers.
//!
//! [`Notifiers`] is the running set. The engine's notifications go in with [`Notifiers::send`], its word for Alertmanagers
//! with [`Notifiers::alertmanagers`], and what alerts do meanwhile with [`Notifiers::announced`]; none of them waits. Each
//! integration and each Alertmanager is a task of its own, so that one that is slow or down delays no other. Other settings
//! come in with [`Notifiers::reconfigure`]: the tasks go on with them.

pub mod action;
pub mod alertmanager;
mod backoff;
pub mod client;
mod credential;
pub mod email;
pub mod endpoint;
#[cfg(test)]
mod fixture;
mod keeper;
pub mod message;
mod outbox;
pub mod payload;
mod prepared;
pub mod reach;
mod running;
mod smtp;
pub mod tls;
pub mod trial;
pub mod webhook;

pub(crate) use self::message::reason::acknowledged;

use std::time::Duration;

use serde::Deserialize;

use self::action::ActionConfig;
use self::alertmanager::AlertmanagerConfig;
use self::email::{Email, EmailConfig, SmtpConfig};
use self::payload::Preset;
use self::webhook::{Webhook, WebhookConfig};
use crate::document::Place;
use crate::engine::alert::RESOLVED_RETENTION;
use crate::engine::dispatch::{Integration, Notification, Receiver};
pub use keeper::{Fortune, Keeper};
pub use outbox::{Deliveries, IntegrationStats};
pub use prepared::Prepared;
pub use running::{Notifiers, NotifyStats};

/// Someone to be told, and by which means.
///
/// Its integrations count from 0 in this order: `email_configs` as listed, then `webhook_configs` as listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReceiverConfig {
    /// The name that routes use.
    pub name: String,
    /// Mail.
    pub email_configs: Vec<EmailConfig>,
    /// Webhooks.
    pub webhook_configs: Vec<WebhookConfig>,
}

impl ReceiverConfig {
    /// Its integrations that know what they are told of by its group, by their numbers.
    pub fn told_by_group(&self) -> impl Iterator<Item = (String, usize)> {
        let webhooks = (self.email_configs.len()..).zip(&self.webhook_configs);
        let by_group =
            webhooks.filter(|(_, config)| config.preset.is_some_and(Preset::is_by_group));
        by_group.map(|(number, _)| (self.name.clone(), number))
    }

    /// What the engine has to know of it.
    pub fn receiver(&self) -> Receiver {
        let mail = self.email_configs.iter().map(|config| config.send_resolved);
        let webhooks = self
            .webhook_configs
            .iter()
            .map(|config| config.send_resolved);
        Receiver {
            name: self.name.clone(),
            integrations: mail
                .chain(webhooks)
                .map(|send_resolved| Integration { send_resolved })
                .collect(),
        }
    }
}

/// Everything that telling others depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct NotifySettings {
    /// The mail server of receivers without their own.
    pub smtp: SmtpConfig,
    /// Who can be told.
    pub receivers: Vec<ReceiverConfig>,
    /// Alertmanagers that are told of every alert.
    pub alertmanagers: Vec<AlertmanagerConfig>,
    /// Address of this opwatch as others reach it, for links in messages.
    pub external_url: String,
    /// How long Alertmanagers are told of an alert that has ended.
    pub resolved_retention: Duration,
    /// What alerts bring about.
    pub actions: Vec<ActionConfig>,
    /// Where whoever acts reaches the ingest listener, without a slash at its end.
    pub callback_url: String,
}

impl Default for NotifySettings {
    fn default() -> Self {
        Self {
            smtp: SmtpConfig::default(),
            receivers: Vec::new(),
            alertmanagers: Vec::new(),
            external_url: String::new(),
            resolved_retention: RESOLVED_RETENTION,
            actions: Vec::new(),
            callback_url: String::new(),
        }
    }
}

/// A setting that cannot work, and where it stands in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct SettingFault {
    /// The setting, for example `receivers[0].webhook_configs[1].url_file`.
    pub place: Place,
    /// What is wrong with it and what is allowed.
    pub message: String,
}

impl SettingFault {
    fn new(place: Place, message: &str) -> Self {
        Self {
            place,
            message: message.to_owned(),
        }
    }
}

/// Why a notification was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// Another attempt may be good.
    #[error("{message}")]
    Transient {
        /// What was attempted and what came of it.
        message: String,
        /// How long the receiver asks to wait.
        retry_after: Option<Duration>,
    },
    /// The same attempt would fail again.
    #[error("{message}")]
    Permanent {
        /// What was attempted and what came of it.
        message: String,
    },
}

/// How long to wait after so many failed attempts: with jitter, and no less than the receiver asks for.
pub fn again_after(error: &NotifyError, attempts: u32) -> Duration {
    let wait = backoff::wait(attempts, backoff::random());
    wait.max(error.retry_after().unwrap_or_default())
}

impl NotifyError {
    fn transient(message: impl Into<String>) -> Self {
        Self::Transient {
            message: message.into(),
            retry_after: None,
        }
    }

    fn permanent(message: impl Into<String>) -> Self {
        Self::Permanent {
            message: message.into(),
        }
    }

    /// Whether another attempt may be good.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }

    /// How long the receiver asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Transient { retry_after, .. } => *retry_after,
            Self::Permanent { .. } => None,
        }
    }
}

/// A means of telling a receiver.
#[derive(Debug)]
pub enum Notifier {
    /// Mail.
    Email(Box<Email>),
    /// A webhook.
    Webhook(Box<Webhook>),
}

impl Notifier {
    /// As metrics and logs name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Webhook(_) => "webhook",
        }
    }

    /// Where it delivers to, without what is secret in it.
    pub fn destination(&self) -> String {
        match self {
            Self::Email(email) => email.destination(),
            Self::Webhook(webhook) => webhook.destination(),
        }
    }

    /// Makes one attempt to deliver a notification.
    ///
    /// # Errors
    /// Why it is not known to be delivered; after a transient error it may still have arrived.
    pub async fn deliver(&self, notification: &Notification) -> Result<(), NotifyError> {
        match self {
            Self::Email(email) => email.deliver(notification).await,
            Self::Webhook(webhook) => webhook.deliver(notification).await,
        }
    }
}

//! A receiver tried out: a message that says that it is a test, sent by the means of the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Notifier, NotifyError, NotifySettings, SettingFault};
use crate::clock::Clock;
use crate::engine::alert::EndReason;
use crate::engine::dispatch::{Announced, Notification, NotifyReason};
use crate::engine::onset::Onset;
use crate::engine::series::{Fnv1a, Labels};
use crate::engine::time::Timestamp;

/// The name of the alert of a test.
const NAME: &str = "OpwatchTest";

/// Why a receiver cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// There is none of that name.
    #[error("there is no receiver {name:?}, allowed: {}", if known.is_empty() { "none, `receivers` has none".to_owned() } else { known.join(", ") })]
    NoReceiver {
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// It has nothing by which it could be told.
    #[error("receiver {0:?} has no email_configs and no webhook_configs")]
    Nothing(String),
    /// The settings cannot work.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Settings(Vec<SettingFault>),
}

/// A receiver that can be tried.
#[derive(Debug)]
pub struct Trial {
    receiver: String,
    labels: Labels,
    clock: Clock,
    notifiers: Vec<Notifier>,
}

impl Trial {
    /// Prepares the means of a receiver; `external` are the labels that all alerts have.
    ///
    /// # Errors
    /// When there is no such receiver, or its settings cannot work.
    pub fn of(
        settings: &NotifySettings,
        name: &str,
        external: &Labels,
        clock: Clock,
    ) -> Result<Self, TrialError> {
        let found = settings.receivers.iter().find(|one| one.name == name);
        let Some(receiver) = found else {
            let known = settings.receivers.iter().map(|one| one.name.clone());
            return Err(TrialError::NoReceiver {
                name: name.to_owned(),
                known: known.collect(),
            });
        };
        // Faults of others do not matter now.
        let alone = NotifySettings {
            receivers: vec![receiver.clone()],
            alertmanagers: Vec::new(),
            actions: Vec::new(),
            ..settings.clone()
        };
        let prepared = alone.prepare(clock).map_err(TrialError::Settings)?;
        let made = prepared.integrations.into_iter();
        let notifiers: Vec<Notifier> = made.map(|made| made.notifier).collect();
        if notifiers.is_empty() {
            return Err(TrialError::Nothing(name.to_owned()));
        }
        let mut labels = external.clone();
        for (name, value) in [
            ("alertname", NAME),
            ("operation", "test"),
            ("severity", "low"),
        ] {
            labels.set(name, value);
        }
        Ok(Self {
            receiver: name.to_owned(),
            labels,
            clock,
            notifiers,
        })
    }

    /// By which means it is told, in the order of the file.
    pub fn notifiers(&self) -> &[Notifier] {
        &self.notifiers
    }

    /// Makes one attempt by one of its means; how long that took. An alert that has ended is told where `ended` says so.
    ///
    /// # Errors
    /// Why it is not known to be delivered.
    pub async fn attempt(&self, notifier: &Notifier, ended: bool) -> Result<Duration, NotifyError> {
        let before = self.clock.now();
        let notification = self.notification(before.wall, ended);
        notifier.deliver(&notification).await?;
        Ok(self.clock.now().steady.saturating_sub(before.steady))
    }

    fn notification(&self, now: Timestamp, ended: bool) -> Notification {
        let summary = format!(
            "This is a test of the receiver {:?}. Nothing is wrong, and there is nothing to do.",
            self.receiver
        );
        let alert = Announced {
            fingerprint: self.labels.fingerprint(),
            labels: self.labels.clone(),
            annotations: [("summary", summary.as_str())].into_iter().collect(),
            starts_at: now.before(Duration::from_secs(60)),
            onset: Onset::default(),
            ended: ended.then_some((now, EndReason::Recovered)),
            suppressed: false,
            generator_url: String::new(),
            rule: NAME.to_owned(),
            alert_type: "threshold_exceeded",
            metric: "duration".to_owned(),
            stat: "p95".to_owned(),
            value: Some(if ended { 8.0 } else { 12.0 }),
            limit: 10.0,
            n: 100,
            evidence: None,
            replaces: None,
            tally: None,
            pace: None,
        };
        // Each test is another message, but its end is known by its group.
        let mut id = Fnv1a::new();
        id.add(&now.millis().to_le_bytes());
        id.add(&[u8::from(ended)]);
        Notification {
            id: format!("{:016x}", id.finish()),
            receiver: self.receiver.clone(),
            integration: 0,
            group_key: format!("{{}}:{{alertname={NAME:?}}}"),
            group_labels: [("alertname", NAME)].into_iter().collect(),
            alerts: vec![Arc::new(alert)],
            incidents: Vec::new(),
            courses: Vec::new(),
            reason: if ended {
                NotifyReason::AllResolved
            } else {
                NotifyReason::First
            },
            remarks: BTreeMap::new(),
            escalation: None,
            at: now,
        }
    }
}

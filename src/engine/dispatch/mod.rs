//! Who is told what, and when: alerts are routed to receivers, grouped, and told once.

pub mod acknowledgement;
pub mod digest;
pub mod escalation;
#[cfg(test)]
pub(in crate::engine) mod fixture;
pub mod flapping;
mod group;
mod inhibit;
pub mod interval;
mod kind;
mod look;
pub mod maintenance;
pub mod matching;
mod muting;
mod news;
mod reason;
mod route;
pub mod silence;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::alert::EndReason;
use super::condition::{self, Evidence};
use super::incident::Tale;
use super::onset::Onset;
use super::series::Labels;
use super::tally::Tally;
use super::time::Timestamp;
pub use acknowledgement::{Acknowledgement, Acknowledgements, HandlingError};
pub use digest::Digest;
pub use escalation::Stage;
pub use flapping::{FlapSettings, Flaps};
pub use group::Dispatcher;
pub(in crate::engine) use group::{GroupId, Pace, Told};
pub use inhibit::InhibitRule;
pub use interval::{TimeInterval, TimeIntervals};
pub(in crate::engine) use kind::ToldKind;
pub use maintenance::Maintenance;
pub use muting::{HeldBack, Muted, Muting};
pub use news::{Escalated, News, Remark, Replaced};
pub use route::{GroupBy, Integration, Receiver, Route, Routing, Timing};
pub use silence::{Silence, SilenceError, SilenceState, Silences};

/// An alert as people and systems are told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Announced {
    /// Alertmanager's fingerprint of `labels`.
    pub fingerprint: u64,
    /// Its identity, with external labels.
    pub labels: Labels,
    /// What it says.
    pub annotations: Labels,
    /// When it began to fire.
    pub starts_at: Timestamp,
    /// When what it tells of began.
    pub onset: Onset,
    /// When and why it ended; `None` while it fires.
    pub ended: Option<(Timestamp, EndReason)>,
    /// An alert that its rule depends on fires as well: those who have not been told of it yet are not told now.
    pub suppressed: bool,
    /// Where its rule can be looked at.
    pub generator_url: String,
    /// The rule's name.
    pub rule: String,
    /// `threshold_exceeded`, `no_data`, …
    pub alert_type: &'static str,
    /// What was measured.
    pub metric: String,
    /// Which statistic of it.
    pub stat: String,
    /// Its latest value.
    pub value: Option<f64>,
    /// What it was compared with.
    pub limit: f64,
    /// On how many values it rests.
    pub n: u64,
    /// What a judgement by evidence rests on.
    pub evidence: Option<Evidence>,
    /// The alert of another level whose place it has taken.
    pub replaces: Option<Replaced>,
    /// How often it was found and when, and the worst of it; `None` where an older version did not say.
    pub tally: Option<Tally>,
    /// Where value and limit are slopes a day, what they are in: shares of the metric's level, or its unit.
    pub pace: Option<condition::Pace>,
}

impl Announced {
    /// Whether it fires.
    pub fn is_firing(&self) -> bool {
        self.ended.is_none()
    }
}

/// Why a notification is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyReason {
    /// The group has not been told of before.
    First,
    /// An alert has begun to fire.
    NewFiring,
    /// An alert has ended and others still fire.
    NewResolved,
    /// All alerts have ended.
    AllResolved,
    /// A silence has ended, and an alert that it silenced still fires.
    SilenceEnded,
    /// Maintenance has ended, and an alert of it still fires.
    MaintenanceEnded,
    /// An alert flaps, and it is time to tell of it again.
    Flapping,
    /// A change that was told has turned out to be of another kind.
    Reclassified,
    /// It is time for what was collected.
    Digest,
    /// Nothing is new, but it has been a while.
    Repeat,
    /// Alerts have fired for too long or too often.
    Escalated,
}

impl NotifyReason {
    /// All.
    pub const ALL: [Self; 11] = [
        Self::First,
        Self::NewFiring,
        Self::NewResolved,
        Self::AllResolved,
        Self::SilenceEnded,
        Self::MaintenanceEnded,
        Self::Flapping,
        Self::Reclassified,
        Self::Digest,
        Self::Repeat,
        Self::Escalated,
    ];

    /// As what is saved names it; people are told [`Notification::news`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::NewFiring => "new_firing",
            Self::NewResolved => "new_resolved",
            Self::AllResolved => "all_resolved",
            Self::SilenceEnded => "silence_ended",
            Self::MaintenanceEnded => "maintenance_ended",
            Self::Flapping => "flapping",
            Self::Reclassified => "reclassified",
            Self::Digest => "digest",
            Self::Repeat => "repeat",
            Self::Escalated => "escalated",
        }
    }
}

/// The course that an alert's value has taken, as those who are told of it see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// Of which alert.
    pub fingerprint: u64,
    /// How much time each value stands for.
    pub step: Duration,
    /// When it ends.
    pub to: Timestamp,
    /// The values, oldest first, in the unit of the alert's value; `None` where there was none.
    pub values: Vec<Option<f64>>,
    /// Between which values it mostly lay before the alert began; `None` where too little is known of that.
    pub usual: Option<(f64, f64)>,
}

/// One message to one integration of one receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// Stable over every attempt to deliver it, so that a receiver can tell a repeat: 16 hex digits.
    pub id: String,
    /// The receiver's name.
    pub receiver: String,
    /// Which of the receiver's integrations, counted over all of them in the order of the file.
    pub integration: usize,
    /// Alertmanager's key of the group: `{}:{alertname="A"}`.
    pub group_key: String,
    /// The labels its alerts share because they are grouped by them.
    pub group_labels: Labels,
    /// The alerts, firing ones first.
    pub alerts: Vec<Arc<Announced>>,
    /// What incidents the alerts belong to, the one of the first alert first; none where incidents are off.
    pub incidents: Vec<Tale>,
    /// The courses that values have taken, of some of the alerts.
    pub courses: Vec<Course>,
    /// Why it is sent.
    pub reason: NotifyReason,
    /// What is said of its alerts beside them, by their fingerprints.
    pub remarks: BTreeMap<u64, Remark>,
    /// The escalation that it comes of.
    pub escalation: Option<Escalated>,
    /// When it was decided.
    pub at: Timestamp,
}

impl Notification {
    /// `firing` while any alert fires, else `resolved`.
    pub fn status(&self) -> &'static str {
        if self.alerts.iter().any(|alert| alert.is_firing()) {
            "firing"
        } else {
            "resolved"
        }
    }

    /// The course of one of its alerts, where it is known.
    pub fn course_of(&self, alert: &Announced) -> Option<&Course> {
        let mut courses = self.courses.iter();
        courses.find(|course| course.fingerprint == alert.fingerprint)
    }
}

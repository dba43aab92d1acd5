//! Incidents, each by itself: what began when, and the latest word on its alerts.

use std::sync::Arc;

use prost::Message;

use super::announced::{AnnouncedMessage, OnsetMessage};
use super::{Damaged, decode, hash};
use crate::engine::Engine;
use crate::engine::incident::Incident;
use crate::engine::time::Timestamp;

const WHAT: &str = "incident";

#[derive(Clone, PartialEq, prost::Message)]
struct IncidentMessage {
    #[prost(fixed64, tag = "1")]
    id: u64,
    #[prost(message, optional, tag = "2")]
    onset: Option<OnsetMessage>,
    #[prost(sint64, tag = "3")]
    since: i64,
    #[prost(message, repeated, tag = "4")]
    members: Vec<AnnouncedMessage>,
    #[prost(string, repeated, tag = "5")]
    told_to: Vec<String>,
}

impl IncidentMessage {
    fn of(incident: &Incident) -> Self {
        let members = incident.members.values();
        Self {
            id: incident.id,
            onset: Some(OnsetMessage::of(incident.onset)),
            since: incident.since.millis(),
            members: members.map(|word| AnnouncedMessage::of(word)).collect(),
            told_to: incident.told_to.iter().cloned().collect(),
        }
    }
}

/// By what an incident is found again.
fn key(id: u64) -> String {
    format!("{id:016x}")
}

impl Engine {
    /// The incidents of which other bytes are to be saved than were last returned here or restored, each with its key; `None` for one
    /// that is to be deleted.
    pub fn take_changed_incidents(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        let gone = std::mem::take(&mut self.incidents.gone).into_iter();
        let mut changed: Vec<_> = gone.map(|id| (key(id), None)).collect();
        for incident in self.incidents.all_mut().filter(|one| one.touched) {
            incident.touched = false;
            let body = IncidentMessage::of(incident).encode_to_vec();
            let hash = Some(hash(&body));
            if std::mem::replace(&mut incident.saved, hash) != hash {
                changed.push((key(incident.id), Some(body)));
            }
        }
        changed
    }

    /// Has all incidents returned again by [`Self::take_changed_incidents`].
    pub(super) fn forget_saved_incidents(&mut self) {
        for incident in self.incidents.all_mut() {
            (incident.saved, incident.touched) = (None, true);
        }
    }

    /// Puts a saved incident back. To be called before the rules are restored, so that what they end ends in it.
    ///
    /// # Errors
    /// When it cannot be read; then its alerts that still fire make one anew.
    pub fn restore_incident(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let message: IncidentMessage = decode(WHAT, bytes)?;
        let onset = message
            .onset
            .ok_or_else(|| Damaged::new(WHAT, "it has no start"))?;
        let mut members = Vec::new();
        for member in message.members {
            members.push(Arc::new(member.read(WHAT)?));
        }
        if members.is_empty() {
            return Err(Damaged::new(WHAT, "it has no alert"));
        }
        let since = Timestamp::from_millis(message.since);
        let members = members.into_iter();
        let restored = self
            .incidents
            .restore(message.id, onset.read(), since, members);
        match restored {
            Some(incident) => {
                incident.told_to = message.told_to.into_iter().collect();
                incident.saved = Some(hash(bytes));
                incident.touched = false;
            }
            // There are no incidents any more.
            None => {
                self.incidents.gone.insert(message.id);
            }
        }
        Ok(())
    }
}

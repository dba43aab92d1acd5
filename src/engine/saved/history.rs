//! Changes of alerts, as the engine remembers the last of them.

use prost::Message;

use super::announced::end;
use super::{Damaged, Pairs, decode, labels};
use crate::engine::Engine;
use crate::engine::alert::Change;
use crate::engine::judge::{AlertChange, Effects};
use crate::engine::time::{Now, Timestamp};

const WHAT: &str = "change of an alert";

#[derive(Clone, PartialEq, prost::Message)]
struct ChangeMessage {
    #[prost(btree_map = "string, string", tag = "1")]
    labels: Pairs,
    /// 1 started, 2 dropped, 3 fired, 4 resolved.
    #[prost(uint32, tag = "2")]
    change: u32,
    #[prost(string, tag = "3")]
    reason: String,
    #[prost(sint64, tag = "4")]
    at: i64,
    #[prost(double, optional, tag = "5")]
    value: Option<f64>,
    #[prost(bool, tag = "6")]
    is_shadow: bool,
}

/// A change of an alert as bytes.
fn change_to_bytes(change: &AlertChange) -> Vec<u8> {
    let (kind, reason) = match change.change {
        Change::Started => (1, ""),
        Change::Dropped => (2, ""),
        Change::Fired => (3, ""),
        Change::Resolved(reason) => (4, reason.as_str()),
    };
    ChangeMessage {
        labels: change.labels.as_map().clone(),
        change: kind,
        reason: reason.to_owned(),
        at: change.at.millis(),
        value: change.value,
        is_shadow: change.is_shadow,
    }
    .encode_to_vec()
}

/// The reverse of [`change_to_bytes`].
fn change_from_bytes(bytes: &[u8]) -> Result<AlertChange, Damaged> {
    let message: ChangeMessage = decode(WHAT, bytes)?;
    Ok(AlertChange {
        labels: labels(message.labels),
        change: match message.change {
            1 => Change::Started,
            2 => Change::Dropped,
            3 => Change::Fired,
            4 => Change::Resolved(end(WHAT, &message.reason)?),
            other => return Err(Damaged::new(WHAT, format!("{other} is no change"))),
        },
        at: Timestamp::from_millis(message.at),
        value: message.value,
        is_shadow: message.is_shadow,
    })
}

impl Engine {
    /// The changes of alerts that have come since they were last returned here: number, in the order in which they came,
    /// and bytes. Those that the history does not hold any more are not among them.
    pub fn take_unsaved_changes(&mut self) -> Vec<(u64, Vec<u8>)> {
        let first = self.changes - self.history.len() as u64;
        let numbered = (first..).zip(&self.history);
        let unsaved = numbered.filter(|(number, _)| *number >= self.saving.changes);
        let unsaved = unsaved.map(|(number, change)| (number, change_to_bytes(change)));
        let unsaved = unsaved.collect();
        self.saving.changes = self.changes;
        unsaved
    }

    /// Puts a saved change back into the history, as the latest one. To be called before anything else changes.
    ///
    /// # Errors
    /// When the bytes cannot be read.
    pub fn restore_change(&mut self, number: u64, body: &[u8]) -> Result<(), Damaged> {
        let change = change_from_bytes(body)?;
        self.changes = number;
        self.saving.changes = number + 1;
        let effects = Effects {
            changes: vec![change],
            ..Effects::default()
        };
        self.note(&effects, Now::default());
        Ok(())
    }
}

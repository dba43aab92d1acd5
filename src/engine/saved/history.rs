//! Changes of alerts, as the engine remembers the last of them.

use prost::Message;

use super::announced::end;
use super::{Damaged, Pairs, decode, labels};
use crate::engine::alert::Change;
use crate::engine::judge::{AlertChange, Effects};
use crate::engine::time::{Now, Timestamp};
use crate::engine::{Engine, HISTORY};

const WHAT: &str = "change of an alert";

#[derive(Clone, PartialEq, prost::Message)]
struct ChangeMessage {
    #[prost(btree_map = "string, string", tag = "1")]
    labels: Pairs,
    /// 1 started, 2 dropped, 3 fired, 4 resolved, 20 acknowledged, 21 not any more, 22 escalated.
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
    /// Its place among all changes there ever were.
    #[prost(uint64, tag = "7")]
    number: u64,
    #[prost(bool, tag = "20")]
    is_raised: bool,
    #[prost(string, tag = "21")]
    note: String,
}

/// A change of an alert as bytes.
fn change_to_bytes(number: u64, change: &AlertChange) -> Vec<u8> {
    let (kind, reason) = match change.change {
        Change::Started => (1, ""),
        Change::Dropped => (2, ""),
        Change::Fired => (3, ""),
        Change::Resolved(reason) => (4, reason.as_str()),
        Change::Acknowledged => (20, ""),
        Change::Unacknowledged => (21, ""),
        Change::Escalated => (22, ""),
    };
    ChangeMessage {
        labels: change.labels.as_map().clone(),
        change: kind,
        reason: reason.to_owned(),
        at: change.at.millis(),
        value: change.value,
        is_shadow: change.is_shadow,
        number,
        is_raised: change.is_raised,
        note: change.note.clone(),
    }
    .encode_to_vec()
}

/// The reverse of [`change_to_bytes`].
fn change_from_bytes(bytes: &[u8]) -> Result<(u64, AlertChange), Damaged> {
    let message: ChangeMessage = decode(WHAT, bytes)?;
    // So that counting on from it cannot overflow.
    if message.number > u64::MAX / 2 {
        return Err(Damaged::new(
            WHAT,
            format!("{} is no place of a change", message.number),
        ));
    }
    let change = AlertChange {
        labels: labels(message.labels),
        change: match message.change {
            1 => Change::Started,
            2 => Change::Dropped,
            3 => Change::Fired,
            4 => Change::Resolved(end(WHAT, &message.reason)?),
            20 => Change::Acknowledged,
            21 => Change::Unacknowledged,
            22 => Change::Escalated,
            other => return Err(Damaged::new(WHAT, format!("{other} is no change"))),
        },
        at: Timestamp::from_millis(message.at),
        value: message.value,
        is_shadow: message.is_shadow,
        is_raised: message.is_raised,
        note: message.note,
    };
    Ok((message.number, change))
}

impl Engine {
    /// The changes of alerts that have come since they were last returned here: their places among as many as are
    /// remembered, and bytes. Those that the history does not hold any more are not among them.
    pub fn take_unsaved_changes(&mut self) -> Vec<(u64, Vec<u8>)> {
        let first = self.changes - self.history.len() as u64;
        let numbered = (first..).zip(&self.history);
        let unsaved = numbered.filter(|(number, _)| *number >= self.saving.changes);
        let unsaved = unsaved
            .map(|(number, change)| (number % HISTORY as u64, change_to_bytes(number, change)));
        let unsaved = unsaved.collect();
        self.saving.changes = self.changes;
        unsaved
    }

    /// Puts saved changes back into the history. To be called before anything else changes. What cannot be read is left out.
    ///
    /// # Errors
    /// The first that could not be read.
    pub fn restore_changes(&mut self, bodies: &[impl AsRef<[u8]>]) -> Result<(), Damaged> {
        let mut fault = None;
        let mut changes: Vec<(u64, AlertChange)> = (bodies.iter())
            .filter_map(|body| match change_from_bytes(body.as_ref()) {
                Ok(change) => Some(change),
                Err(damaged) => {
                    fault.get_or_insert(damaged);
                    None
                }
            })
            .collect();
        changes.sort_by_key(|(number, _)| *number);
        for (number, change) in changes {
            let effects = Effects {
                changes: vec![change],
                ..Effects::default()
            };
            // The first version saved no numbers. Two of one number must not make the count less than the history is long.
            self.changes = self.changes.max(number);
            self.note(&effects, Now::default());
            self.saving.changes = self.changes;
        }
        fault.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Settings;

    /// As the first version saved them.
    #[test]
    fn changes_without_a_number_keep_their_order_and_are_counted() {
        let without = |at| {
            ChangeMessage {
                change: 1,
                at,
                ..ChangeMessage::default()
            }
            .encode_to_vec()
        };
        let mut engine = Engine::new(Settings::default(), Now::default());
        engine
            .restore_changes(&[without(1), without(2), without(3)])
            .unwrap();
        let at: Vec<i64> = engine.history().map(|change| change.at.millis()).collect();
        assert_eq!(at, [1, 2, 3]);
        assert_eq!(engine.take_unsaved_changes(), []);
    }
}

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
pub fn change_to_bytes(change: &AlertChange) -> Vec<u8> {
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
pub fn change_from_bytes(bytes: &[u8]) -> Result<AlertChange, Damaged> {
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
    /// Puts a change back into the history, as the latest one.
    pub fn restore_change(&mut self, change: AlertChange) {
        let effects = Effects {
            changes: vec![change],
            ..Effects::default()
        };
        self.note(&effects, Now::default());
    }
}

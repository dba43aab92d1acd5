//! Maintenance that was started, as bytes.

use prost::Message;

use super::silence::{MatcherMessage, matchers};
use super::{Damaged, decode};
use crate::engine::Engine;
use crate::engine::dispatch::maintenance::Started;
use crate::engine::time::Timestamp;

const WHAT: &str = "maintenance";

#[derive(Clone, PartialEq, prost::Message)]
struct StartedMessage {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "3")]
    matchers: Vec<MatcherMessage>,
    #[prost(sint64, tag = "4")]
    starts_at: i64,
    #[prost(sint64, tag = "5")]
    ends_at: i64,
    #[prost(bool, tag = "6")]
    stops_learning: bool,
    #[prost(string, tag = "7")]
    created_by: String,
    #[prost(string, tag = "8")]
    comment: String,
}

fn to_bytes(one: &Started) -> Vec<u8> {
    StartedMessage {
        id: one.id.clone(),
        name: one.name.clone(),
        matchers: one.matchers.iter().map(MatcherMessage::of).collect(),
        starts_at: one.starts_at.millis(),
        ends_at: one.ends_at.millis(),
        stops_learning: one.stops_learning,
        created_by: one.created_by.clone(),
        comment: one.comment.clone(),
    }
    .encode_to_vec()
}

fn from_bytes(bytes: &[u8]) -> Result<Started, Damaged> {
    let message: StartedMessage = decode(WHAT, bytes)?;
    Ok(Started {
        id: message.id,
        name: message.name,
        matchers: matchers(WHAT, message.matchers)?,
        starts_at: Timestamp::from_millis(message.starts_at),
        ends_at: Timestamp::from_millis(message.ends_at),
        stops_learning: message.stops_learning,
        created_by: message.created_by,
        comment: message.comment,
    })
}

impl Engine {
    /// What is to be saved of maintenance since this was last asked: ids with what they say, or with nothing where what has
    /// been saved is to be deleted.
    pub fn take_unsaved_maintenance(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        std::mem::take(&mut self.saving.maintenance)
            .into_iter()
            .collect()
    }

    /// Notes that one is to be saved.
    pub(in crate::engine) fn note_maintenance(&mut self, one: &Started) {
        let body = Some(to_bytes(one));
        self.saving.maintenance.insert(one.id.clone(), body);
    }

    /// Notes that one has gone.
    pub(in crate::engine) fn note_maintenance_gone(&mut self, id: String) {
        self.saving.maintenance.insert(id, None);
    }

    /// Has all of it saved again, because what was saved could not be kept.
    pub(super) fn forget_saved_maintenance(&mut self) {
        for one in self.maintenance().clone().started() {
            self.note_maintenance(one);
        }
    }

    /// Takes back one that was saved.
    ///
    /// # Errors
    /// When it cannot be read; then there is none.
    pub fn restore_maintenance(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let one = from_bytes(bytes)?;
        std::sync::Arc::make_mut(&mut self.dispatcher.maintenance).take_back(one);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::dispatch::matching;

    #[test]
    fn maintenance_reads_back_as_it_was() {
        let one = Started {
            id: "x".into(),
            name: "nightly training".into(),
            matchers: matching::parse(r#"a="b",c!="d",e=~"f|g""#).unwrap(),
            starts_at: Timestamp::from_millis(1),
            ends_at: Timestamp::from_millis(2_000),
            stops_learning: true,
            created_by: "ann".into(),
            comment: "ä".into(),
        };
        assert_eq!(from_bytes(&to_bytes(&one)), Ok(one.clone()));
        let of_everything = Started {
            matchers: Vec::new(),
            ..one
        };
        assert!(from_bytes(&to_bytes(&of_everything)).is_err());
    }
}

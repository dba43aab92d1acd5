//! Acknowledgements, as bytes.

use prost::Message;

use super::{Damaged, decode};
use crate::engine::Engine;
use crate::engine::dispatch::Acknowledgement;
use crate::engine::time::Timestamp;

const WHAT: &str = "acknowledgement";

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct AcknowledgementMessage {
    #[prost(fixed64, tag = "1")]
    fingerprint: u64,
    #[prost(sint64, tag = "2")]
    starts_at: i64,
    #[prost(string, tag = "3")]
    by: String,
    #[prost(string, tag = "4")]
    comment: String,
    #[prost(sint64, tag = "5")]
    at: i64,
    #[prost(sint64, optional, tag = "6")]
    expires_at: Option<i64>,
}

impl AcknowledgementMessage {
    pub(super) fn of(one: &Acknowledgement) -> Self {
        Self {
            fingerprint: one.fingerprint,
            starts_at: one.starts_at.millis(),
            by: one.by.clone(),
            comment: one.comment.clone(),
            at: one.at.millis(),
            expires_at: one.expires_at.map(Timestamp::millis),
        }
    }

    pub(super) fn read(self) -> Acknowledgement {
        Acknowledgement {
            fingerprint: self.fingerprint,
            starts_at: Timestamp::from_millis(self.starts_at),
            by: self.by,
            comment: self.comment,
            at: Timestamp::from_millis(self.at),
            expires_at: self.expires_at.map(Timestamp::from_millis),
        }
    }
}

impl Engine {
    /// What is to be saved of the acknowledgements since this was last asked: keys with what they say, or with nothing
    /// where what has been saved is to be deleted.
    pub fn take_unsaved_acknowledgements(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        let unsaved = self.dispatcher.acknowledgements.take_unsaved();
        let bytes = |one: &Acknowledgement| AcknowledgementMessage::of(one).encode_to_vec();
        let unsaved = unsaved.into_iter();
        unsaved
            .map(|(fingerprint, one)| (format!("{fingerprint:016x}"), one.map(|one| bytes(&one))))
            .collect()
    }

    /// Has all acknowledgements saved again, because what was saved could not be kept.
    pub(super) fn forget_saved_acknowledgements(&mut self) {
        self.dispatcher.acknowledgements.forget_saved();
    }

    /// Takes back an acknowledgement that was saved.
    ///
    /// # Errors
    /// When it cannot be read; then there is none.
    pub fn restore_acknowledgement(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let message: AcknowledgementMessage = decode(WHAT, bytes)?;
        if message.by.is_empty() {
            return Err(Damaged::new(WHAT, "it is by nobody"));
        }
        (self.dispatcher.acknowledgements).take_back(message.read());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_read_back_as_they_were() {
        for expires_at in [None, Some(Timestamp::from_millis(9_000))] {
            let one = Acknowledgement {
                fingerprint: u64::MAX,
                starts_at: Timestamp::from_millis(1),
                by: "ann".into(),
                comment: "ä".into(),
                at: Timestamp::from_millis(2),
                expires_at,
            };
            let bytes = AcknowledgementMessage::of(&one).encode_to_vec();
            let back: AcknowledgementMessage = decode(WHAT, &bytes).unwrap();
            assert_eq!(back.read(), one);
        }
    }
}

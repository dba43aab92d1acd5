//! What of late has been taken in: ids of measurements and answers to batches, so that neither counts again when it comes
//! again after a restart.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;

use super::batch::AnswerMessage;
use super::{Damaged, decode};
use crate::engine::Engine;
use crate::engine::time::nanos;

#[derive(Clone, PartialEq, Message)]
struct SeenMessage {
    /// Ids as they are known, oldest first.
    #[prost(fixed64, repeated, tag = "1")]
    ids: Vec<u64>,
    /// When each came, on the steady clock in nanoseconds, as the distance to the one before.
    #[prost(uint64, repeated, tag = "2")]
    at: Vec<u64>,
    /// By client, the client that came first first; of each the oldest answer first.
    #[prost(message, repeated, tag = "3")]
    answers: Vec<AnswerMessage>,
}

impl Engine {
    /// What has been taken in of late, as bytes.
    pub(in crate::engine) fn seen_to_bytes(&self) -> Vec<u8> {
        let mut message = SeenMessage::default();
        let mut previous = 0;
        for (id, at) in self.admission.recent_ids() {
            message.ids.push(id);
            message.at.push(nanos(at).saturating_sub(previous));
            previous = nanos(at);
        }
        let answers = self.admission.recent_answers();
        message.answers = answers
            .map(|(client, sequence, answer)| AnswerMessage::of(client, sequence, answer))
            .collect();
        message.encode_to_vec()
    }

    /// Knows again what had been taken in when that was saved.
    ///
    /// # Errors
    /// When the bytes cannot be read.
    pub fn restore_seen(&mut self, body: &[u8]) -> Result<(), Damaged> {
        let message: SeenMessage = decode("ids and answers", body)?;
        let mut at = 0_u64;
        for (id, distance) in message.ids.into_iter().zip(message.at) {
            at = at.saturating_add(distance);
            self.admission.is_new(id, Duration::from_nanos(at));
        }
        for answer in message.answers {
            let (origin, answer) = answer.read();
            self.admission.remember(origin, Arc::new(answer));
        }
        Ok(())
    }
}

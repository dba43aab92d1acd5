//! The history of the clocks: which stretches were lived through, how often they jumped, and what retention waits for.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;

use super::{Damaged, decode};
use crate::engine::Engine;
use crate::engine::clocks::{ClockCounts, Clocks};
use crate::engine::time::{Timestamp, nanos};
use crate::engine::watched::Stretch;

#[derive(Clone, PartialEq, prost::Message)]
struct StretchMessage {
    #[prost(sint64, tag = "1")]
    from: i64,
    #[prost(sint64, tag = "2")]
    to: i64,
    #[prost(uint64, tag = "3")]
    ended: u64,
    #[prost(uint64, tag = "4")]
    unwatched: u64,
    #[prost(sint64, tag = "5")]
    ahead: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ClocksMessage {
    #[prost(message, repeated, tag = "1")]
    ended: Vec<StretchMessage>,
    /// When the present stretch began.
    #[prost(sint64, tag = "2")]
    from: i64,
    #[prost(uint64, tag = "3")]
    forward: u64,
    #[prost(uint64, tag = "4")]
    backward: u64,
    #[prost(uint64, tag = "5")]
    stalls: u64,
    /// By how much the wall clock is taken to be ahead of the steady one, and since when.
    #[prost(sint64, tag = "6")]
    held_offset: i64,
    #[prost(uint64, optional, tag = "7")]
    held_since: Option<u64>,
    /// When counting began.
    #[prost(sint64, tag = "8")]
    since: i64,
    #[prost(uint64, tag = "9")]
    stood_still: u64,
}

impl Engine {
    /// The history of the clocks as bytes; `None` where it is the same as at the last call. It is to be committed together
    /// with whatever tells the time of a later moment: else a jump before that moment would be forgotten.
    pub fn save_clocks(&mut self) -> Option<Vec<u8>> {
        let changes = Some(self.clocks.changes);
        if self.saving.clocks == changes {
            return None;
        }
        self.saving.clocks = changes;
        Some(ClocksMessage::of(&self.clocks).encode_to_vec())
    }

    /// Gives the clocks their history back.
    ///
    /// # Errors
    /// When the bytes cannot be read; then there is none.
    pub fn restore_clocks(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let message: ClocksMessage = decode("history of the clocks", bytes)?;
        message.read_into(&mut self.clocks);
        Ok(())
    }
}

impl ClocksMessage {
    fn of(clocks: &Clocks) -> Self {
        let stretch = |stretch: &Stretch| StretchMessage {
            from: stretch.from.millis(),
            to: stretch.to.millis(),
            ended: nanos(stretch.ended),
            unwatched: nanos(stretch.unwatched),
            ahead: stretch.ahead,
        };
        Self {
            ended: clocks.watched.ended.iter().map(stretch).collect(),
            from: clocks.watched.from.millis(),
            forward: clocks.counts.forward,
            backward: clocks.counts.backward,
            stalls: clocks.counts.stalls,
            since: clocks.counts.since.millis(),
            stood_still: nanos(clocks.stood_still),
            held_offset: clocks.hold.since.map_or(0, |(offset, _)| offset),
            held_since: clocks.hold.since.map(|(_, since)| nanos(since)),
        }
    }

    fn read_into(self, clocks: &mut Clocks) {
        let stretch = |message: StretchMessage| Stretch {
            from: Timestamp::from_millis(message.from),
            to: Timestamp::from_millis(message.to),
            ended: Duration::from_nanos(message.ended),
            unwatched: Duration::from_nanos(message.unwatched),
            ahead: message.ahead,
        };
        clocks.watched.ended = Arc::new(self.ended.into_iter().map(stretch).collect());
        clocks.watched.from = Timestamp::from_millis(self.from);
        clocks.counts = ClockCounts {
            forward: self.forward,
            backward: self.backward,
            stalls: self.stalls,
            since: Timestamp::from_millis(self.since),
        };
        clocks.stood_still = Duration::from_nanos(self.stood_still);
        clocks.hold.since =
            (self.held_since).map(|since| (self.held_offset, Duration::from_nanos(since)));
    }
}

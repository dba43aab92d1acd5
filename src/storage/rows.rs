//! What stands in the database: commits as they are written, rows and groups as they are read.

use std::sync::Arc;
use std::time::Duration;

use super::beside::Orders;
use super::frame::BadFrame;
use crate::engine::Unsaved;
use crate::engine::store::Admitted;
use crate::engine::time::{Now, Timestamp, nanos};

/// What a row of the state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Where the clocks stood.
    Clock = 0,
    /// A series.
    Series = 1,
    /// The alerts of a rule.
    Rule = 2,
    /// What has been told to whom.
    Dispatch = 3,
    /// A notification that has not been delivered.
    Notification = 4,
    /// Ids and answers that are remembered.
    Seen = 5,
    /// A change of an alert, by its place among as many as are remembered.
    Change = 6,
    /// What the clocks have done: when there was no process, and how they jumped.
    ClockEvents = 7,
    /// A baseline that was set, in one of its versions.
    Baseline = 8,
    /// An incident.
    Incident = 9,
    /// A silence.
    Silence = 10,
    /// Maintenance that was started.
    Maintenance = 12,
    /// An action that was taken.
    Action = 13,
}

impl Kind {
    /// The highest number of a kind that this version knows.
    pub(super) const LAST: i64 = Self::Action as i64;

    pub(super) fn of(number: i64) -> Option<Self> {
        [
            Self::Clock,
            Self::Series,
            Self::Rule,
            Self::Dispatch,
            Self::Notification,
            Self::Seen,
            Self::Change,
            Self::ClockEvents,
            Self::Baseline,
            Self::Incident,
            Self::Silence,
            Self::Maintenance,
            Self::Action,
        ]
        .into_iter()
        .find(|kind| *kind as i64 == number)
    }
}

/// A row of the state to be written in the place of the one with the same key.
#[derive(Debug)]
pub struct Write {
    /// What it is.
    pub kind: Kind,
    /// Whose it is.
    pub key: String,
    /// The last group of measurements in it.
    pub as_of: u64,
    /// What it says; `None` where it is to go.
    pub body: Option<Vec<u8>>,
}

/// What was measured and is to be saved, as rows as of that group.
pub fn rows_of(unsaved: Unsaved, as_of: u64) -> impl Iterator<Item = Write> {
    let row = move |kind, key, body| Write {
        kind,
        key,
        as_of,
        body,
    };
    let series = unsaved.series.into_iter();
    let series = series.map(move |series| row(Kind::Series, series.key, series.body));
    let seen = unsaved.seen.into_iter();
    series.chain(seen.map(move |body| row(Kind::Seen, String::new(), Some(body))))
}

/// What is written in one transaction.
#[derive(Debug)]
pub struct Commit {
    /// The number of the group of measurements.
    pub sequence: u64,
    /// When the group was closed.
    pub now: Now,
    /// The same on the clock of judging.
    pub judged: Duration,
    /// The measurements.
    pub admitted: Option<Arc<Admitted>>,
    /// The last group that need not be applied again at a start; with it the clocks are written as well.
    pub saved_up_to: Option<u64>,
    /// Measurements before that are not kept.
    pub kept_from: Timestamp,
    /// Rows of the state.
    pub writes: Vec<Write>,
    /// With this commit everything is saved anew as of that group: rows as of earlier ones are of what has gone meanwhile.
    pub anew_from: Option<u64>,
    /// What is to be written beside the database as well.
    pub beside: Orders,
}

/// A group of measurements as it stands in the log.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Its number.
    pub sequence: u64,
    /// When it was closed.
    pub now: Now,
    /// The same on the clock of judging.
    pub judged: Duration,
    /// What was in it.
    pub body: Result<Vec<u8>, BadFrame>,
}

/// A row of the state as it was read.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is.
    pub kind: Kind,
    /// Whose it is.
    pub key: String,
    /// The last group of measurements in it.
    pub as_of: u64,
    /// What it says; `None` where it has gone.
    pub body: Result<Option<Vec<u8>>, BadFrame>,
}

/// Where the clocks and the numbering stood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockRow {
    /// The clocks.
    pub now: Now,
    /// The last group of measurements.
    pub sequence: u64,
    /// The last group that need not be applied again.
    pub saved_up_to: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ClockMessage {
    #[prost(sint64, tag = "1")]
    wall: i64,
    #[prost(uint64, tag = "2")]
    steady: u64,
    #[prost(uint64, tag = "3")]
    sequence: u64,
    #[prost(uint64, tag = "4")]
    saved_up_to: u64,
}

impl ClockRow {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let message = ClockMessage {
            wall: self.now.wall.millis(),
            steady: nanos(self.now.steady),
            sequence: self.sequence,
            saved_up_to: self.saved_up_to,
        };
        prost::Message::encode_to_vec(&message)
    }

    /// The row from its bytes.
    ///
    /// # Errors
    /// When they are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        let message = <ClockMessage as prost::Message>::decode(bytes)?;
        Ok(Self {
            now: Now {
                wall: Timestamp::from_millis(message.wall),
                steady: Duration::from_nanos(message.steady),
            },
            sequence: message.sequence,
            saved_up_to: message.saved_up_to,
        })
    }
}

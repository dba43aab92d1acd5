//! What notifications say beside their alerts, as bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::acknowledgement::AcknowledgementMessage;
use super::{Damaged, named};
use crate::engine::dispatch::escalation::{Cause, Often};
use crate::engine::dispatch::{Escalated, News, Remark};
use crate::engine::time::nanos;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RemarkMessage {
    #[prost(fixed64, tag = "1")]
    fingerprint: u64,
    #[prost(string, tag = "2")]
    news: String,
    #[prost(message, optional, tag = "3")]
    acknowledged: Option<AcknowledgementMessage>,
    #[prost(string, tag = "4")]
    link: String,
}

impl RemarkMessage {
    pub(super) fn all(remarks: &BTreeMap<u64, Remark>) -> Vec<Self> {
        let of = |(fingerprint, remark): (&u64, &Remark)| Self {
            fingerprint: *fingerprint,
            news: remark.news.as_str().to_owned(),
            acknowledged: (remark.acknowledged.as_deref()).map(AcknowledgementMessage::of),
            link: remark.link.clone(),
        };
        remarks.iter().map(of).collect()
    }

    pub(super) fn read_all(
        what: &'static str,
        messages: Vec<Self>,
    ) -> Result<BTreeMap<u64, Remark>, Damaged> {
        let read = |one: Self| {
            let remark = Remark {
                news: named(what, &News::OF_FIRING, News::as_str, &one.news)?,
                acknowledged: one.acknowledged.map(|one| Arc::new(one.read())),
                link: one.link,
            };
            Ok((one.fingerprint, remark))
        };
        messages.into_iter().map(read).collect()
    }
}

/// Which escalation, and why.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EscalatedMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bool, tag = "2")]
    is_unacknowledged: bool,
    /// Of one that has fired too long: for how long, and what is too long.
    #[prost(uint64, optional, tag = "3")]
    fired_for: Option<u64>,
    #[prost(uint64, tag = "4")]
    after: u64,
    /// Of one that has fired too often: how often, and what is too often.
    #[prost(uint32, tag = "5")]
    times: u32,
    #[prost(uint32, tag = "6")]
    limit: u32,
    #[prost(uint64, tag = "7")]
    within: u64,
}

impl EscalatedMessage {
    pub(super) fn of(one: &Escalated) -> Self {
        let message = Self {
            name: one.name.clone(),
            is_unacknowledged: one.is_unacknowledged,
            ..Self::default()
        };
        match one.cause {
            Cause::Age { fired_for, after } => Self {
                fired_for: Some(nanos(fired_for)),
                after: nanos(after),
                ..message
            },
            Cause::Often { times, limit } => Self {
                times,
                limit: limit.times,
                within: nanos(limit.within),
                ..message
            },
        }
    }

    pub(super) fn read(self) -> Escalated {
        Escalated {
            name: self.name,
            cause: match self.fired_for {
                Some(fired_for) => Cause::Age {
                    fired_for: Duration::from_nanos(fired_for),
                    after: Duration::from_nanos(self.after),
                },
                None => Cause::Often {
                    times: self.times,
                    limit: Often {
                        times: self.limit,
                        within: Duration::from_nanos(self.within),
                    },
                },
            },
            is_unacknowledged: self.is_unacknowledged,
        }
    }
}

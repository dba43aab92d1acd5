//! What has been escalated, as part of the dispatcher's state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::announced::AnnouncedMessage;
use super::remark::EscalatedMessage;
use super::{Damaged, Pairs, labels};
use crate::engine::dispatch::escalation::{Escalations, Open, Seen};
use crate::engine::time::{Timestamp, nanos};

#[derive(Clone, PartialEq, prost::Message)]
struct SeenMessage {
    #[prost(fixed64, tag = "1")]
    fingerprint: u64,
    #[prost(sint64, tag = "2")]
    starts_at: i64,
    #[prost(uint64, optional, tag = "3")]
    since: Option<u64>,
    #[prost(uint64, repeated, tag = "4")]
    fired: Vec<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OpenMessage {
    #[prost(string, tag = "1")]
    stage: String,
    #[prost(string, tag = "2")]
    key: String,
    #[prost(btree_map = "string, string", tag = "3")]
    labels: Pairs,
    #[prost(fixed64, repeated, tag = "4")]
    firing: Vec<u64>,
    #[prost(message, repeated, tag = "5")]
    ended: Vec<AnnouncedMessage>,
    #[prost(message, optional, tag = "6")]
    escalated: Option<EscalatedMessage>,
    #[prost(uint64, tag = "7")]
    at: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OftenMessage {
    #[prost(string, tag = "1")]
    stage: String,
    #[prost(fixed64, tag = "2")]
    fingerprint: u64,
    #[prost(uint64, tag = "3")]
    at: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EscalationsMessage {
    #[prost(message, repeated, tag = "1")]
    seen: Vec<SeenMessage>,
    #[prost(message, repeated, tag = "2")]
    open: Vec<OpenMessage>,
    #[prost(message, repeated, tag = "3")]
    often: Vec<OftenMessage>,
}

impl EscalationsMessage {
    pub(super) fn of(escalations: &Escalations) -> Self {
        let seen = escalations
            .seen
            .iter()
            .map(|(fingerprint, seen)| SeenMessage {
                fingerprint: *fingerprint,
                starts_at: seen.starts_at.millis(),
                since: seen.since.map(nanos),
                fired: seen.fired.iter().copied().map(nanos).collect(),
            });
        let open = (escalations.open.iter()).map(|((stage, key), open)| OpenMessage {
            stage: stage.clone(),
            key: key.clone(),
            labels: open.labels.as_map().clone(),
            firing: open.firing.iter().copied().collect(),
            ended: (open.ended.values())
                .map(|alert| AnnouncedMessage::of(alert))
                .collect(),
            escalated: Some(EscalatedMessage::of(&open.escalated)),
            at: nanos(open.at),
        });
        let often = escalations.often.iter();
        let often = often.map(|((stage, fingerprint), at)| OftenMessage {
            stage: stage.clone(),
            fingerprint: *fingerprint,
            at: nanos(*at),
        });
        Self {
            seen: seen.collect(),
            open: open.collect(),
            often: often.collect(),
        }
    }

    /// Gives it back what was saved; all of it or, where something cannot be read, nothing.
    pub(super) fn read_into(
        self,
        what: &'static str,
        escalations: &mut Escalations,
    ) -> Result<(), Damaged> {
        let at = Duration::from_nanos;
        let mut open = BTreeMap::new();
        for one in self.open {
            let mut ended = BTreeMap::new();
            for alert in one.ended {
                let alert = alert.read(what)?;
                ended.insert(alert.fingerprint, Arc::new(alert));
            }
            let Some(escalated) = one.escalated else {
                return Err(Damaged::new(what, "an escalation does not say why"));
            };
            let told = Open {
                labels: labels(one.labels),
                firing: one.firing.into_iter().collect(),
                ended,
                escalated: escalated.read(),
                at: at(one.at),
            };
            open.insert((one.stage, one.key), told);
        }
        escalations.open = open;
        let seen = self.seen.into_iter().map(|one| {
            let seen = Seen {
                starts_at: Timestamp::from_millis(one.starts_at),
                since: one.since.map(at),
                fired: one.fired.into_iter().map(at).collect(),
            };
            (one.fingerprint, seen)
        });
        escalations.seen = seen.collect();
        let often = self.often.into_iter();
        escalations.often = often
            .map(|one| ((one.stage, one.fingerprint), at(one.at)))
            .collect();
        Ok(())
    }
}

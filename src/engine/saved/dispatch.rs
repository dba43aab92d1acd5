//! The dispatcher: its groups, what has been told of them, and the time in which judging was paused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use prost::Message;

use super::announced::{AnnouncedMessage, integration};
use super::escalation::EscalationsMessage;
use super::{Damaged, decode, hash};
use crate::engine::Engine;
use crate::engine::condition::Feature;
use crate::engine::dispatch::digest::{Collected, Entry};
use crate::engine::dispatch::flapping::{Damped, History};
use crate::engine::dispatch::{Announced, Dispatcher, GroupId, Pace, Told, ToldKind};
use crate::engine::time::{Now, Timestamp, nanos};

const WHAT: &str = "state of the dispatcher";

#[derive(Clone, PartialEq, prost::Message)]
struct ToldMessage {
    #[prost(string, tag = "1")]
    group: String,
    #[prost(string, tag = "2")]
    receiver: String,
    #[prost(uint64, tag = "3")]
    integration: u64,
    #[prost(fixed64, repeated, tag = "4")]
    firing: Vec<u64>,
    #[prost(fixed64, repeated, tag = "5")]
    resolved: Vec<u64>,
    #[prost(uint64, tag = "6")]
    at: u64,
    #[prost(message, repeated, tag = "20")]
    kinds: Vec<ToldKindMessage>,
}

/// As what a change was told.
#[derive(Clone, PartialEq, prost::Message)]
struct ToldKindMessage {
    #[prost(fixed64, tag = "1")]
    fingerprint: u64,
    #[prost(string, tag = "2")]
    feature: String,
    #[prost(bool, tag = "3")]
    was_drift: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct GroupMessage {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(uint64, tag = "2")]
    due: u64,
    #[prost(message, repeated, tag = "3")]
    alerts: Vec<AnnouncedMessage>,
    #[prost(uint32, tag = "4")]
    ordinal: u32,
    #[prost(bool, tag = "5")]
    is_waiting: bool,
    #[prost(fixed64, repeated, tag = "6")]
    silenced: Vec<u64>,
    #[prost(fixed64, repeated, tag = "20")]
    maintained: Vec<u64>,
    #[prost(message, repeated, tag = "21")]
    damped: Vec<DampedMessage>,
}

/// An alert of a group that was told to flap.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct DampedMessage {
    #[prost(fixed64, tag = "1")]
    fingerprint: u64,
    #[prost(uint64, tag = "2")]
    told_at: u64,
    #[prost(uint64, tag = "3")]
    distance: u64,
}

/// When an alert began to fire.
#[derive(Clone, PartialEq, prost::Message)]
struct HistoryMessage {
    #[prost(fixed64, tag = "1")]
    fingerprint: u64,
    #[prost(uint64, repeated, tag = "2")]
    begins: Vec<u64>,
    #[prost(sint64, tag = "3")]
    last: i64,
    #[prost(bool, tag = "4")]
    is_flapping: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PaceMessage {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(uint32, tag = "2")]
    ordinal: u32,
    #[prost(uint64, tag = "3")]
    due: u64,
    #[prost(uint64, tag = "4")]
    since: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DispatchMessage {
    #[prost(uint64, tag = "1")]
    sequence: u64,
    #[prost(message, repeated, tag = "2")]
    told: Vec<ToldMessage>,
    #[prost(message, repeated, tag = "3")]
    groups: Vec<GroupMessage>,
    #[prost(uint64, tag = "4")]
    paused: u64,
    #[prost(uint64, optional, tag = "5")]
    paused_since: Option<u64>,
    #[prost(message, repeated, tag = "6")]
    paces: Vec<PaceMessage>,
    #[prost(message, repeated, tag = "20")]
    histories: Vec<HistoryMessage>,
    #[prost(message, repeated, tag = "21")]
    collected: Vec<CollectedMessage>,
    #[prost(message, optional, tag = "22")]
    escalations: Option<EscalationsMessage>,
}

/// What has been collected for a digest.
#[derive(Clone, PartialEq, prost::Message)]
struct CollectedMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(sint64, tag = "2")]
    since: i64,
    #[prost(message, repeated, tag = "3")]
    entries: Vec<EntryMessage>,
    #[prost(uint64, tag = "4")]
    left_out: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EntryMessage {
    #[prost(message, optional, tag = "1")]
    alert: Option<AnnouncedMessage>,
    #[prost(uint64, tag = "2")]
    begins: u64,
    #[prost(uint64, tag = "3")]
    fired: u64,
    #[prost(uint64, optional, tag = "4")]
    fires_since: Option<u64>,
    #[prost(sint64, tag = "5")]
    last: i64,
}

impl EntryMessage {
    fn of(entry: &Entry) -> Self {
        Self {
            alert: Some(AnnouncedMessage::of(&entry.alert)),
            begins: entry.begins,
            fired: nanos(entry.fired),
            fires_since: entry.fires_since.map(nanos),
            last: entry.last.millis(),
        }
    }

    fn read(self) -> Result<Entry, Damaged> {
        let alert = self.alert.ok_or_else(|| Damaged::new(WHAT, "no alert"))?;
        Ok(Entry {
            alert: Arc::new(alert.read(WHAT)?),
            begins: self.begins,
            fired: Duration::from_nanos(self.fired),
            fires_since: self.fires_since.map(Duration::from_nanos),
            last: Timestamp::from_millis(self.last),
        })
    }
}

impl Engine {
    /// The state of the dispatcher and of pausing as bytes; `None` where they are the same as at the last call.
    pub fn save_dispatch(&mut self) -> Option<Vec<u8>> {
        let clock = (self.paused, self.paused_since);
        if !self.dispatcher.touched && self.saving.clock == clock {
            return None;
        }
        self.dispatcher.touched = false;
        self.saving.clock = clock;
        let bytes = DispatchMessage {
            paused: nanos(self.paused),
            paused_since: self.paused_since.map(nanos),
            ..message(&self.dispatcher)
        }
        .encode_to_vec();
        let hash = Some(hash(&bytes));
        (std::mem::replace(&mut self.saving.dispatch, hash) != hash).then_some(bytes)
    }

    /// Gives the dispatcher and pausing their saved state back, all of it or, where something cannot be read, nothing.
    /// Groups form by the routes of now; those that there were before are due when they were.
    pub fn restore_dispatch(&mut self, bytes: &[u8], now: Now) -> Result<(), Damaged> {
        let message: DispatchMessage = decode(WHAT, bytes)?;
        let (paused, paused_since) = (message.paused, message.paused_since);
        restore(&mut self.dispatcher, message, now)?;
        self.paused = Duration::from_nanos(paused);
        self.paused_since = paused_since.map(Duration::from_nanos);
        self.saving.dispatch = Some(hash(bytes));
        Ok(())
    }
}

fn message(dispatcher: &Dispatcher) -> DispatchMessage {
    // In an order of their own, so that equal states are equal bytes.
    let told: BTreeMap<_, _> = dispatcher.told.iter().collect();
    let told = told
        .into_iter()
        .map(|((group, receiver, integration), told)| ToldMessage {
            group: group.clone(),
            receiver: receiver.clone(),
            integration: u64::try_from(*integration).unwrap_or(u64::MAX),
            firing: told.firing.iter().copied().collect(),
            resolved: told.resolved.iter().copied().collect(),
            at: nanos(told.at),
            kinds: (told.kinds.iter())
                .map(|(fingerprint, kind)| ToldKindMessage {
                    fingerprint: *fingerprint,
                    feature: kind.feature.as_str().to_owned(),
                    was_drift: kind.was_drift,
                })
                .collect(),
        });
    let groups = dispatcher
        .groups
        .iter()
        .map(|((key, ordinal), group)| GroupMessage {
            key: key.clone(),
            due: nanos(group.due),
            alerts: (group.alerts.values())
                .map(|alert| AnnouncedMessage::of(alert))
                .collect(),
            ordinal: *ordinal,
            is_waiting: group.is_waiting,
            silenced: group.silenced.iter().copied().collect(),
            maintained: group.maintained.iter().copied().collect(),
            damped: (group.damped.iter())
                .map(|(fingerprint, damped)| DampedMessage {
                    fingerprint: *fingerprint,
                    told_at: nanos(damped.told_at),
                    distance: nanos(damped.distance),
                })
                .collect(),
        });
    let paces = dispatcher.paces.iter();
    let paces = paces.map(|((key, ordinal), pace)| PaceMessage {
        key: key.clone(),
        ordinal: *ordinal,
        due: nanos(pace.due),
        since: nanos(pace.since),
    });
    let histories = dispatcher.flapping.histories.iter();
    let histories = histories.map(|(fingerprint, history)| HistoryMessage {
        fingerprint: *fingerprint,
        begins: history.begins.iter().map(|at| nanos(*at)).collect(),
        last: history.last.millis(),
        is_flapping: history.is_flapping,
    });
    let collected = dispatcher.collected.iter();
    let collected = collected.map(|(name, collected)| CollectedMessage {
        name: name.clone(),
        since: collected.since.millis(),
        entries: collected.entries.values().map(EntryMessage::of).collect(),
        left_out: collected.left_out,
    });
    DispatchMessage {
        sequence: dispatcher.sequence,
        told: told.collect(),
        groups: groups.collect(),
        paces: paces.collect(),
        histories: histories.collect(),
        collected: collected.collect(),
        escalations: Some(EscalationsMessage::of(&dispatcher.escalations)),
        ..DispatchMessage::default()
    }
}

fn restore(dispatcher: &mut Dispatcher, message: DispatchMessage, now: Now) -> Result<(), Damaged> {
    let mut told = Vec::new();
    for one in message.told {
        let log = (one.group, one.receiver, integration(WHAT, one.integration)?);
        let said = Told {
            firing: one.firing.into_iter().collect(),
            resolved: one.resolved.into_iter().collect(),
            at: Duration::from_nanos(one.at),
            kinds: (one.kinds.iter())
                .filter_map(|one| {
                    // Of what a newer version has told no more is known than of what was not told.
                    let feature = Feature::named(&one.feature)?;
                    let was_drift = one.was_drift;
                    Some((one.fingerprint, ToldKind { feature, was_drift }))
                })
                .collect(),
        };
        told.push((log, said));
    }
    let mut groups = Vec::new();
    for group in message.groups {
        let mut alerts: Vec<Arc<Announced>> = Vec::new();
        for alert in group.alerts {
            alerts.push(Arc::new(alert.read(WHAT)?));
        }
        let damped = group.damped.iter().map(|one| {
            let [told_at, distance] = [one.told_at, one.distance].map(Duration::from_nanos);
            (one.fingerprint, Damped { told_at, distance })
        });
        let damped: BTreeMap<u64, Damped> = damped.collect();
        // What has ended opens no other group, but it may be told in one of what still fires.
        alerts.sort_by_key(|alert| !alert.is_firing());
        let [silenced, maintained] =
            [group.silenced, group.maintained].map(|all| all.into_iter().collect::<BTreeSet<_>>());
        let times = (Duration::from_nanos(group.due), group.is_waiting);
        groups.push((
            (group.key, group.ordinal),
            times,
            (silenced, maintained, damped),
            alerts,
        ));
    }
    let mut collected = BTreeMap::new();
    for one in message.collected {
        let mut all = Collected {
            since: Timestamp::from_millis(one.since),
            left_out: one.left_out,
            ..Collected::default()
        };
        for entry in one.entries {
            let entry = entry.read()?;
            all.entries.insert(entry.alert.fingerprint, entry);
        }
        collected.insert(one.name, all);
    }
    let digests = &dispatcher.routing().digests;
    collected.retain(|name, _| digests.iter().any(|one| one.name == *name));
    dispatcher.collected.extend(collected);
    if let Some(escalations) = message.escalations {
        escalations.read_into(WHAT, &mut dispatcher.escalations)?;
    }
    dispatcher.sequence = dispatcher.sequence.max(message.sequence);
    dispatcher.told.extend(told);
    let paces = message.paces.into_iter().map(|pace| {
        let (due, since) = (pace.due, pace.since);
        let [due, since] = [due, since].map(Duration::from_nanos);
        ((pace.key, pace.ordinal), Pace { due, since })
    });
    dispatcher.paces.extend(paces);
    let histories = message.histories.into_iter().map(|one| {
        let begins = one.begins.into_iter().map(Duration::from_nanos);
        let history = History {
            begins: begins.collect(),
            last: Timestamp::from_millis(one.last),
            is_flapping: one.is_flapping,
        };
        (one.fingerprint, history)
    });
    dispatcher.flapping.histories.extend(histories);
    let known: BTreeSet<GroupId> = groups.iter().map(|(id, ..)| id.clone()).collect();
    for (saved, (due, is_waiting), held, alerts) in groups {
        for alert in alerts {
            // Each group has its alerts back and no others: one may have been told of an end for which another waits.
            // Where it was alone and has ended its group is still looked at, so that it keeps its pace.
            let wanted = |id: &GroupId| match *id == saved {
                true => Some(true),
                // Routes may be others now; what has ended opens no group there that a restart alone would bring about.
                false => (alert.is_firing() && !known.contains(id)).then_some(false),
            };
            dispatcher.place(&alert, now, wanted);
        }
        if let Some(group) = dispatcher.groups.get_mut(&saved) {
            (group.due, group.is_waiting) = (due, is_waiting);
            (group.silenced, group.maintained, group.damped) = held;
        }
    }
    Ok(())
}

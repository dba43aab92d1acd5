//! What is saved of one rule: its instances, as far as there is anything to say of them, and their alerts.

use std::time::Duration;

use prost::Message;

use super::announced::call_off;
use super::state::{Orphan, TrackedMessage, is_worth_saving};
use super::{Damaged, Pairs, decode, labels};
use crate::engine::alert;
use crate::engine::alert::EndReason;
use crate::engine::condition::Decision;
use crate::engine::judge::{
    AlertChange, By, Compared, Effects, Instance, RuleState, Subject, Tracked,
};
use crate::engine::rule::{External, Mode};
use crate::engine::series::Labels;
use crate::engine::time::{Now, Timestamp, nanos};

const WHAT: &str = "state of a rule";

#[derive(Clone, PartialEq, prost::Message)]
struct InstanceMessage {
    #[prost(btree_map = "string, string", tag = "1")]
    labels: Pairs,
    #[prost(bool, tag = "2")]
    departed: bool,
    #[prost(uint64, optional, tag = "3")]
    seen: Option<u64>,
    #[prost(uint64, optional, tag = "4")]
    expected_since: Option<u64>,
    #[prost(bool, tag = "5")]
    stands_in: bool,
    #[prost(uint64, tag = "6")]
    arrivals: u64,
    #[prost(message, repeated, tag = "7")]
    levels: Vec<TrackedMessage>,
    #[prost(message, optional, tag = "8")]
    missing: Option<TrackedMessage>,
    #[prost(message, optional, tag = "9")]
    compared: Option<ComparedMessage>,
}

/// What an instance of a rule on a regression remembers, but what it has learned, which is saved by itself.
#[derive(Clone, PartialEq, prost::Message)]
struct ComparedMessage {
    #[prost(message, optional, tag = "1")]
    decision: Option<DecisionMessage>,
    #[prost(uint32, tag = "2")]
    version: u32,
    #[prost(sint64, repeated, tag = "3")]
    disturbed_from: Vec<i64>,
    #[prost(sint64, repeated, tag = "4")]
    disturbed_to: Vec<i64>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct DecisionMessage {
    #[prost(uint64, tag = "1")]
    arrivals: u64,
    #[prost(uint64, tag = "2")]
    at: u64,
    #[prost(double, tag = "3")]
    p: f64,
}

impl ComparedMessage {
    fn of(compared: &Compared) -> Option<Self> {
        let of = |at: &Timestamp| at.millis();
        let message = Self {
            decision: compared.decision.map(|decision| DecisionMessage {
                arrivals: decision.arrivals,
                at: nanos(decision.at),
                p: decision.p,
            }),
            version: compared.version,
            disturbed_from: compared
                .disturbed
                .iter()
                .map(|(from, _)| of(from))
                .collect(),
            disturbed_to: compared.disturbed.iter().map(|(_, to)| of(to)).collect(),
        };
        (message != Self::default()).then_some(message)
    }

    fn read_into(self, compared: &mut Compared) {
        compared.decision = self.decision.map(|decision| Decision {
            arrivals: decision.arrivals,
            at: Duration::from_nanos(decision.at),
            p: decision.p,
        });
        compared.version = self.version;
        let at = Timestamp::from_millis;
        let stretches = self.disturbed_from.into_iter().zip(self.disturbed_to);
        compared.disturbed = stretches.map(|(from, to)| (at(from), at(to))).collect();
    }
}

/// What is saved of one rule.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RuleMessage {
    #[prost(uint64, optional, tag = "1")]
    began: Option<u64>,
    /// The fingerprint of the external labels, which are part of what alerts are known by.
    #[prost(fixed64, tag = "2")]
    identity: u64,
    #[prost(bool, tag = "3")]
    is_shadow: bool,
    #[prost(message, repeated, tag = "4")]
    instances: Vec<InstanceMessage>,
    #[prost(message, optional, tag = "5")]
    trouble: Option<TrackedMessage>,
}

/// The bytes that are saved of a rule, if there is anything to say of it.
pub(super) fn to_bytes(rule: &RuleState, identity: u64) -> Option<Vec<u8>> {
    let kept = rule.instances.values().filter(|one| is_kept(one));
    let instances: Vec<_> = (kept.map(|one| instance_message(one, false)))
        .chain((rule.departed.iter()).map(|one| instance_message(one, true)))
        .collect();
    let trouble = rule.trouble.as_ref().filter(|one| is_worth_saving(one));
    if instances.is_empty() && trouble.is_none() {
        return None;
    }
    let trouble = trouble.map(|trouble| {
        let mut message = TrackedMessage::of(trouble);
        if let Subject::Failure(why) = &trouble.subject {
            message.failure.clone_from(why);
        }
        message
    });
    let message = RuleMessage {
        began: rule.began.map(nanos),
        identity,
        is_shadow: rule.rule.mode == Mode::Shadow,
        instances,
        trouble,
    };
    Some(message.encode_to_vec())
}

fn is_kept(instance: &Instance) -> bool {
    let compared = instance.by.compared();
    compared.and_then(ComparedMessage::of).is_some()
        || instance.seen.is_some()
        || instance.expected_since.is_some()
        || instance.tracked().any(is_worth_saving)
}

fn instance_message(instance: &Instance, departed: bool) -> InstanceMessage {
    InstanceMessage {
        labels: instance.labels.as_map().clone(),
        departed,
        seen: instance.seen.map(nanos),
        expected_since: instance.expected_since.map(nanos),
        stands_in: instance.stands_in,
        arrivals: instance.arrivals,
        levels: instance.levels.iter().map(TrackedMessage::of).collect(),
        missing: instance.missing.as_ref().map(TrackedMessage::of),
        compared: instance.by.compared().and_then(ComparedMessage::of),
    }
}

impl RuleMessage {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Damaged> {
        decode(WHAT, bytes)
    }

    /// Whether its alerts are known by the same external labels.
    pub(super) fn is_known_as(&self, identity: u64) -> bool {
        self.identity == identity
    }

    /// Gives a rule what was saved of it; all of it or, where something cannot be read, nothing.
    pub(super) fn read_into(
        self,
        rule: &mut RuleState,
        external: &External,
    ) -> Result<(), Damaged> {
        let definition = rule.rule.clone();
        let mut present = Vec::new();
        let mut departed = Vec::new();
        for message in self.instances {
            let is_departed = message.departed;
            let place = if is_departed {
                &mut departed
            } else {
                &mut present
            };
            let mut instance = Instance::new(&definition, &labels(message.labels), external);
            instance.seen = message.seen.map(Duration::from_nanos);
            instance.expected_since = message.expected_since.map(Duration::from_nanos);
            instance.stands_in = message.stands_in;
            instance.arrivals = message.arrivals;
            for (alert, saved) in instance.levels.iter_mut().zip(message.levels) {
                saved.read_into(alert)?;
            }
            if let (Some(alert), Some(saved)) = (&mut instance.missing, message.missing) {
                saved.read_into(alert)?;
            }
            if let (Some(compared), Some(saved)) = (instance.by.compared_mut(), message.compared) {
                saved.read_into(compared);
            }
            // What it has learned may have been restored before.
            if let Some(before) = rule.instances.get_mut(&instance.labels) {
                instance.has_learned_saved = before.has_learned_saved;
                match (&mut instance.by, &mut before.by) {
                    (By::Baseline(compared), By::Baseline(before)) => {
                        compared.learned = before.learned.take();
                        compared.is_learned_saved = before.is_learned_saved;
                    }
                    (By::Detector(detecting), By::Detector(before)) if before.is_saved => {
                        std::mem::swap(detecting, before);
                    }
                    _ => {}
                }
            }
            place.push(instance);
        }
        let trouble = match self.trouble {
            Some(saved) => {
                let subject = Subject::Failure(saved.failure.clone());
                let mut alert = Tracked::new(&definition, &Labels::default(), subject, external);
                saved.read_into(&mut alert)?;
                Some(alert)
            }
            None => None,
        };
        let present = present.into_iter();
        rule.instances
            .extend(present.map(|one| (one.labels.clone(), one)));
        rule.departed = departed;
        rule.trouble = trouble;
        rule.began = self.began.map(Duration::from_nanos);
        // Which series there are now is found at the next evaluation.
        rule.selection = None;
        Ok(())
    }

    /// Ends the alerts of a rule that is gone.
    pub(super) fn end(self, now: Now) -> Result<Effects, Damaged> {
        let instances = self.instances.into_iter();
        let alerts = instances.flat_map(|one| one.levels.into_iter().chain(one.missing));
        let orphans = (alerts.chain(self.trouble))
            .map(TrackedMessage::read_orphan)
            .collect::<Result<Vec<Orphan>, Damaged>>()?;
        let mut effects = Effects::default();
        for orphan in orphans {
            let (_, change) = alert::abandon(orphan.state, EndReason::RuleRemoved, now);
            if let Some(change) = change {
                effects.changes.push(AlertChange {
                    labels: orphan.labels,
                    change,
                    at: now.wall,
                    value: orphan.value,
                    is_shadow: self.is_shadow,
                    is_raised: false,
                    note: String::new(),
                });
            }
            if let Some(alert) = orphan.firing_as {
                call_off(alert, now, &mut effects);
            }
        }
        Ok(effects)
    }
}

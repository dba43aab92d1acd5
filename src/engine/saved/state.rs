//! One alert: where it stands, its latest verdict, and what others were told of it.

use std::sync::Arc;
use std::time::Duration;

use super::announced::{AnnouncedMessage, end};
use super::course::TallyMessage;
use super::{Damaged, Pairs, labels};
use crate::engine::alert::{AlertState, EndReason, Seen};
use crate::engine::condition::{Standing, Verdict};
use crate::engine::judge::{Told, Tracked};
use crate::engine::time::{Timestamp, nanos};

const WHAT: &str = "state of an alert";

#[derive(Clone, PartialEq, prost::Message)]
struct StateMessage {
    /// 0 inactive, 1 pending, 2 firing, 3 resolved.
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(sint64, tag = "2")]
    active_at: i64,
    #[prost(sint64, tag = "3")]
    fired_at: i64,
    #[prost(sint64, tag = "4")]
    resolved_at: i64,
    #[prost(uint64, tag = "5")]
    held: u64,
    #[prost(uint64, optional, tag = "6")]
    counted_at: Option<u64>,
    #[prost(fixed64, tag = "7")]
    seen_bits: u64,
    #[prost(uint32, tag = "8")]
    seen_count: u32,
    #[prost(uint64, optional, tag = "9")]
    blind_since: Option<u64>,
    #[prost(uint64, optional, tag = "10")]
    keep_since: Option<u64>,
    #[prost(uint64, tag = "11")]
    since: u64,
    #[prost(string, tag = "12")]
    reason: String,
    #[prost(bool, tag = "13")]
    is_dismissed: bool,
}

impl StateMessage {
    fn of(state: AlertState) -> Self {
        match state {
            AlertState::Inactive => Self::default(),
            AlertState::Pending {
                active_at,
                held,
                counted_at,
                seen,
                blind_since,
            } => {
                let (seen_bits, seen_count) = seen.parts();
                Self {
                    kind: 1,
                    active_at: active_at.millis(),
                    held: nanos(held),
                    counted_at: counted_at.map(nanos),
                    seen_bits,
                    seen_count,
                    blind_since: blind_since.map(nanos),
                    ..Self::default()
                }
            }
            AlertState::Firing {
                active_at,
                fired_at,
                keep_since,
                blind_since,
            } => Self {
                kind: 2,
                active_at: active_at.millis(),
                fired_at: fired_at.millis(),
                keep_since: keep_since.map(nanos),
                blind_since: blind_since.map(nanos),
                ..Self::default()
            },
            AlertState::Resolved {
                active_at,
                fired_at,
                resolved_at,
                since,
                reason,
                is_dismissed,
            } => Self {
                kind: 3,
                is_dismissed,
                active_at: active_at.millis(),
                fired_at: fired_at.millis(),
                resolved_at: resolved_at.millis(),
                since: nanos(since),
                reason: reason.as_str().to_owned(),
                ..Self::default()
            },
        }
    }

    fn read(&self) -> Result<AlertState, Damaged> {
        let active_at = Timestamp::from_millis(self.active_at);
        let fired_at = Timestamp::from_millis(self.fired_at);
        Ok(match self.kind {
            0 => AlertState::Inactive,
            1 => AlertState::Pending {
                active_at,
                held: Duration::from_nanos(self.held),
                counted_at: self.counted_at.map(Duration::from_nanos),
                seen: Seen::of_parts(self.seen_bits, self.seen_count),
                blind_since: self.blind_since.map(Duration::from_nanos),
            },
            2 => AlertState::Firing {
                active_at,
                fired_at,
                keep_since: self.keep_since.map(Duration::from_nanos),
                blind_since: self.blind_since.map(Duration::from_nanos),
            },
            3 => AlertState::Resolved {
                active_at,
                fired_at,
                resolved_at: Timestamp::from_millis(self.resolved_at),
                since: Duration::from_nanos(self.since),
                reason: end(WHAT, &self.reason)?,
                is_dismissed: self.is_dismissed,
            },
            other => return Err(Damaged::new(WHAT, format!("{other} is no state"))),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct VerdictMessage {
    /// 0 no data, 1 insufficient, 2 holds, 3 breached.
    #[prost(uint32, tag = "1")]
    standing: u32,
    #[prost(double, optional, tag = "2")]
    value: Option<f64>,
    #[prost(double, tag = "3")]
    limit: f64,
    #[prost(uint64, tag = "4")]
    n: u64,
    #[prost(bool, tag = "5")]
    gained: bool,
}

const STANDINGS: [Standing; 4] = [
    Standing::NoData,
    Standing::Insufficient,
    Standing::Holds,
    Standing::Breached,
];

impl VerdictMessage {
    fn of(verdict: &Verdict) -> Self {
        Self {
            standing: match verdict.standing {
                Standing::NoData => 0,
                Standing::Insufficient => 1,
                Standing::Holds => 2,
                Standing::Breached => 3,
            },
            value: verdict.value,
            limit: verdict.limit,
            n: verdict.n,
            gained: verdict.gained,
        }
    }

    fn read(&self) -> Result<Verdict, Damaged> {
        let standing = usize::try_from(self.standing).ok();
        let standing = standing.and_then(|place| STANDINGS.get(place));
        Ok(Verdict {
            standing: *standing
                .ok_or_else(|| Damaged::new(WHAT, format!("{} is no standing", self.standing)))?,
            value: self.value,
            limit: self.limit,
            n: self.n,
            gained: self.gained,
            // Found anew at the next evaluation.
            evidence: None,
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct ToldMessage {
    /// 0 nothing, 1 that it fires, 2 that it has ended.
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(sint64, tag = "2")]
    starts_at: i64,
    #[prost(sint64, tag = "3")]
    at: i64,
    #[prost(uint64, tag = "4")]
    since: u64,
    #[prost(string, tag = "5")]
    reason: String,
}

impl ToldMessage {
    fn of(told: Told) -> Self {
        match told {
            Told::Nothing => Self::default(),
            Told::Firing => Self {
                kind: 1,
                ..Self::default()
            },
            Told::Ended {
                starts_at,
                at,
                since,
                reason,
            } => Self {
                kind: 2,
                starts_at: starts_at.millis(),
                at: at.millis(),
                since: nanos(since),
                reason: EndReason::as_str(reason).to_owned(),
            },
        }
    }

    fn read(&self) -> Result<Told, Damaged> {
        Ok(match self.kind {
            0 => Told::Nothing,
            1 => Told::Firing,
            2 => Told::Ended {
                starts_at: Timestamp::from_millis(self.starts_at),
                at: Timestamp::from_millis(self.at),
                since: Duration::from_nanos(self.since),
                reason: end(WHAT, &self.reason)?,
            },
            other => return Err(Damaged::new(WHAT, format!("{other} is nothing told"))),
        })
    }
}

/// One alert.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TrackedMessage {
    #[prost(message, optional, tag = "1")]
    state: Option<StateMessage>,
    #[prost(double, optional, tag = "2")]
    value: Option<f64>,
    #[prost(message, optional, tag = "3")]
    verdict: Option<VerdictMessage>,
    #[prost(btree_map = "string, string", tag = "4")]
    annotations: Pairs,
    #[prost(sint64, optional, tag = "5")]
    changed_at: Option<i64>,
    #[prost(message, optional, tag = "6")]
    told: Option<ToldMessage>,
    #[prost(bool, tag = "7")]
    suppressed: bool,
    /// Its labels while it is pending or firing, by which history knows its end when its rule is gone.
    #[prost(btree_map = "string, string", tag = "8")]
    labels: Pairs,
    /// The latest word on it while others know it to fire.
    #[prost(message, optional, tag = "9")]
    firing_as: Option<AnnouncedMessage>,
    /// Why its rule fails, where that is what it says.
    #[prost(string, tag = "10")]
    pub(super) failure: String,
    #[prost(bool, tag = "11")]
    is_shift: bool,
    #[prost(message, optional, tag = "40")]
    tally: Option<TallyMessage>,
}

/// Whether an alert is other than a new one in what matters.
pub(super) fn is_worth_saving(alert: &Tracked) -> bool {
    alert.state != AlertState::Inactive || alert.told != Told::Nothing || alert.suppressed
}

impl TrackedMessage {
    pub(super) fn of(alert: &Tracked) -> Self {
        let changed_at = alert.changed_at.map(Timestamp::millis);
        if !is_worth_saving(alert) {
            // Its latest value would be another at every evaluation, and nothing depends on it.
            return Self {
                changed_at,
                ..Self::default()
            };
        }
        let is_active = alert.state.active_at().is_some();
        Self {
            state: (alert.state != AlertState::Inactive).then(|| StateMessage::of(alert.state)),
            value: alert.value,
            verdict: alert.verdict.as_ref().map(VerdictMessage::of),
            annotations: alert.annotations.as_map().clone(),
            changed_at,
            told: (alert.told != Told::Nothing).then(|| ToldMessage::of(alert.told)),
            suppressed: alert.suppressed,
            labels: if is_active {
                alert.labels.as_map().clone()
            } else {
                Pairs::new()
            },
            firing_as: (alert.firing_as.as_deref()).map(AnnouncedMessage::of),
            failure: String::new(),
            is_shift: alert.is_shift,
            tally: alert.tally.map(TallyMessage::of),
        }
    }

    /// Gives an alert, new but for its identity, what was saved of it.
    pub(super) fn read_into(self, alert: &mut Tracked) -> Result<(), Damaged> {
        let state = self.state.as_ref().map(StateMessage::read).transpose()?;
        alert.state = state.unwrap_or_default();
        alert.value = self.value;
        alert.verdict = self
            .verdict
            .as_ref()
            .map(VerdictMessage::read)
            .transpose()?;
        alert.annotations = labels(self.annotations);
        alert.changed_at = self.changed_at.map(Timestamp::from_millis);
        let told = self.told.as_ref().map(ToldMessage::read).transpose()?;
        alert.told = told.unwrap_or_default();
        alert.suppressed = self.suppressed;
        alert.is_shift = self.is_shift;
        alert.tally = self.tally.map(TallyMessage::read);
        let firing_as = self.firing_as.map(|word| word.read(WHAT)).transpose()?;
        alert.replaces = firing_as.as_ref().and_then(|word| word.replaces);
        alert.firing_as = firing_as.map(Arc::new);
        Ok(())
    }

    /// Reads what is needed to call the alert off although its rule is gone.
    pub(super) fn read_orphan(self) -> Result<Orphan, Damaged> {
        let state = self.state.as_ref().map(StateMessage::read).transpose()?;
        let firing_as = self.firing_as.map(|word| word.read(WHAT)).transpose()?;
        Ok(Orphan {
            labels: labels(self.labels),
            state: state.unwrap_or_default(),
            value: self.value,
            firing_as,
        })
    }
}

/// An alert whose rule is gone.
pub(super) struct Orphan {
    pub(super) labels: crate::engine::series::Labels,
    pub(super) state: AlertState,
    pub(super) value: Option<f64>,
    pub(super) firing_as: Option<crate::engine::dispatch::Announced>,
}

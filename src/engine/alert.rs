//! The life of an alert: one state, and one function that moves it.

use std::time::Duration;

use super::condition::{Standing, Verdict};
use super::rule::{ForSamples, Hold, NoData};
use super::time::{Now, Timestamp};

/// How long a resolved alert is remembered and told again, as in Prometheus.
pub const RESOLVED_RETENTION: Duration = Duration::from_secs(15 * 60);

/// Why a firing alert ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Its condition no longer holds.
    Recovered,
    /// Its data ended, and the rule says to resolve then or it has been stale for too long.
    NoData,
    /// Its series or its rule is gone.
    Gone,
}

impl EndReason {
    /// As the API and messages name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::NoData => "no_data",
            Self::Gone => "gone",
        }
    }
}

/// Where an alert stands. Wall-clock fields are what people are told; `Duration` fields are readings
/// of the steady clock, which holds and staleness are measured on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum AlertState {
    /// Nothing to see.
    #[default]
    Inactive,
    /// The condition is breached but has not stood long enough.
    Pending {
        /// When it was first breached.
        active_at: Timestamp,
        /// How long it has stood, counted between breached evaluations only.
        held: Duration,
        /// The last breached evaluation; `None` when the one before had nothing to judge.
        counted_at: Option<Duration>,
        /// The last evaluations that gained data.
        seen: Seen,
        /// Since when there has been nothing to judge.
        blind_since: Option<Duration>,
    },
    /// People are to know.
    Firing {
        /// When it was first breached.
        active_at: Timestamp,
        /// When it began to fire.
        fired_at: Timestamp,
        /// The first evaluation after the condition had ended, while the alert is kept.
        keep_since: Option<Duration>,
        /// Since when there has been nothing to judge.
        blind_since: Option<Duration>,
    },
    /// It has fired and is over; kept for a while so that it can be told again.
    Resolved {
        /// When it was first breached.
        active_at: Timestamp,
        /// When it began to fire.
        fired_at: Timestamp,
        /// When it ended.
        resolved_at: Timestamp,
        /// When it ended, on the steady clock.
        since: Duration,
        /// Why it ended.
        reason: EndReason,
    },
}

/// Which of the last evaluations that gained data were breached, the newest in the lowest bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    bits: u64,
    count: u32,
}

impl Seen {
    fn push(mut self, breached: bool) -> Self {
        self.bits = (self.bits << 1) | u64::from(breached);
        self.count = (self.count + 1).min(64);
        self
    }

    fn breached(self, of: u32) -> u32 {
        let mask = if of >= 64 { u64::MAX } else { (1 << of) - 1 };
        (self.bits & mask).count_ones()
    }
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It became pending.
    Started,
    /// A pending alert ended without ever firing.
    Dropped,
    /// It began to fire.
    Fired,
    /// It ended.
    Resolved(EndReason),
}

impl AlertState {
    /// Whether it fires.
    pub fn is_firing(&self) -> bool {
        matches!(self, Self::Firing { .. })
    }

    /// Whether it is pending.
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::Pending { .. })
    }

    /// When its condition was first breached, while pending or firing.
    pub fn active_at(&self) -> Option<Timestamp> {
        match self {
            Self::Pending { active_at, .. } | Self::Firing { active_at, .. } => Some(*active_at),
            Self::Inactive | Self::Resolved { .. } => None,
        }
    }

    /// As the Prometheus API names it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Inactive | Self::Resolved { .. } => "inactive",
            Self::Pending { .. } => "pending",
            Self::Firing { .. } => "firing",
        }
    }
}

/// The next state of an alert, and what changed, given the verdict of an evaluation at `now`.
///
/// Follows Prometheus (`rules/alerting.go`): a breach starts a pending alert, which fires at the first
/// evaluation that is at least `for` later, at once where `for` is zero; `keep_firing_for` counts from
/// the first evaluation that no longer matches. Beyond Prometheus: an evaluation that cannot judge
/// pauses the hold instead of ending or counting it.
pub fn advance(
    state: AlertState,
    verdict: &Verdict,
    hold: &Hold,
    now: Now,
) -> (AlertState, Option<Change>) {
    // A rule with `no_data: resolve` takes missing data for good news, as PromQL does.
    let standing = match verdict.standing {
        Standing::NoData | Standing::Insufficient if hold.no_data == NoData::Resolve => {
            Standing::Holds
        }
        standing => standing,
    };
    let state = match state {
        AlertState::Resolved { since, .. }
            if now.steady.saturating_sub(since) > RESOLVED_RETENTION =>
        {
            AlertState::Inactive
        }
        state => state,
    };
    match (state, standing) {
        (AlertState::Inactive | AlertState::Resolved { .. }, Standing::Breached) => {
            start(verdict, hold, now)
        }
        (AlertState::Inactive | AlertState::Resolved { .. }, _) => (state, None),
        (AlertState::Pending { .. }, _) => advance_pending(state, standing, verdict, hold, now),
        (AlertState::Firing { .. }, _) => advance_firing(state, standing, verdict, hold, now),
    }
}

fn start(verdict: &Verdict, hold: &Hold, now: Now) -> (AlertState, Option<Change>) {
    let pending = AlertState::Pending {
        active_at: now.wall,
        held: Duration::ZERO,
        counted_at: Some(now.steady),
        seen: Seen::default().push(true),
        blind_since: None,
    };
    match advance_pending(pending, Standing::Breached, verdict, hold, now) {
        (fired @ AlertState::Firing { .. }, change) => (fired, change),
        _ => (pending, Some(Change::Started)),
    }
}

fn advance_pending(
    state: AlertState,
    standing: Standing,
    verdict: &Verdict,
    hold: &Hold,
    now: Now,
) -> (AlertState, Option<Change>) {
    let AlertState::Pending {
        active_at,
        mut held,
        mut counted_at,
        mut seen,
        mut blind_since,
    } = state
    else {
        return (state, None);
    };
    // The evaluation that started it has been noted already.
    let first = counted_at == Some(now.steady) && held.is_zero();
    if verdict.gained && !first && standing != Standing::NoData {
        seen = seen.push(standing == Standing::Breached);
    }
    match standing {
        Standing::Breached => {
            if let Some(before) = counted_at {
                held += now.steady.saturating_sub(before);
            }
            counted_at = Some(now.steady);
            blind_since = None;
            if held >= hold.hold && enough(seen, hold.for_samples) {
                let firing = AlertState::Firing {
                    active_at,
                    fired_at: now.wall,
                    keep_since: None,
                    blind_since: None,
                };
                return (firing, Some(Change::Fired));
            }
        }
        Standing::Holds => {
            // With `k of n` a good evaluation among bad ones restarts the hold but ends nothing,
            // until no bad one is left among the last n.
            let any_left = hold.for_samples.is_some_and(|f| seen.breached(f.of) > 0);
            if !any_left {
                return (AlertState::Inactive, Some(Change::Dropped));
            }
            held = Duration::ZERO;
            counted_at = None;
            blind_since = None;
        }
        Standing::NoData | Standing::Insufficient => {
            counted_at = None;
            let since = *blind_since.get_or_insert(now.steady);
            if now.steady.saturating_sub(since) >= hold.stale_after {
                return (AlertState::Inactive, Some(Change::Dropped));
            }
        }
    }
    let pending = AlertState::Pending {
        active_at,
        held,
        counted_at,
        seen,
        blind_since,
    };
    (pending, None)
}

fn enough(seen: Seen, wanted: Option<ForSamples>) -> bool {
    wanted.is_none_or(|wanted| seen.breached(wanted.of) >= wanted.breached)
}

fn advance_firing(
    state: AlertState,
    standing: Standing,
    verdict: &Verdict,
    hold: &Hold,
    now: Now,
) -> (AlertState, Option<Change>) {
    let AlertState::Firing {
        active_at,
        fired_at,
        mut keep_since,
        mut blind_since,
    } = state
    else {
        return (state, None);
    };
    let ended = match standing {
        Standing::Breached => {
            keep_since = None;
            blind_since = None;
            None
        }
        Standing::Holds => {
            blind_since = None;
            let since = *keep_since.get_or_insert(now.steady);
            let reason = match verdict.standing {
                Standing::NoData | Standing::Insufficient => EndReason::NoData,
                Standing::Holds | Standing::Breached => EndReason::Recovered,
            };
            (now.steady.saturating_sub(since) >= hold.keep_firing_for).then_some(reason)
        }
        Standing::NoData | Standing::Insufficient => {
            let since = *blind_since.get_or_insert(now.steady);
            (now.steady.saturating_sub(since) >= hold.stale_after).then_some(EndReason::NoData)
        }
    };
    match ended {
        Some(reason) => end(active_at, fired_at, reason, now),
        None => (
            AlertState::Firing {
                active_at,
                fired_at,
                keep_since,
                blind_since,
            },
            None,
        ),
    }
}

fn end(
    active_at: Timestamp,
    fired_at: Timestamp,
    reason: EndReason,
    now: Now,
) -> (AlertState, Option<Change>) {
    let resolved = AlertState::Resolved {
        active_at,
        fired_at,
        resolved_at: now.wall,
        since: now.steady,
        reason,
    };
    (resolved, Some(Change::Resolved(reason)))
}

/// Ends an alert whose series or rule is gone.
pub fn abandon(state: AlertState, now: Now) -> (AlertState, Option<Change>) {
    match state {
        AlertState::Inactive | AlertState::Resolved { .. } => (state, None),
        AlertState::Pending { .. } => (AlertState::Inactive, Some(Change::Dropped)),
        AlertState::Firing {
            active_at,
            fired_at,
            ..
        } => end(active_at, fired_at, EndReason::Gone, now),
    }
}

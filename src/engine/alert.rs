//! The life of an alert: one state, and one function that moves it.

use std::time::Duration;

use super::condition::{Standing, Verdict};
use super::rule::{ForSamples, Hold, NoData};
use super::time::{Now, Timestamp};

/// How long a resolved alert is remembered and told again where nothing else is asked for, as in Prometheus.
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
    /// What it missed has been absent for longer than its rule remembers; it has not come back.
    Forgotten,
    /// A newer version has taken the place of the one that it is about.
    Superseded,
    /// Somebody said that what it found is usual from now on.
    Accepted,
}

impl EndReason {
    /// All.
    pub const ALL: [Self; 6] = [
        Self::Recovered,
        Self::NoData,
        Self::Gone,
        Self::Forgotten,
        Self::Superseded,
        Self::Accepted,
    ];

    /// As the API and messages name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::NoData => "no_data",
            Self::Gone => "gone",
            Self::Forgotten => "forgotten",
            Self::Superseded => "superseded",
            Self::Accepted => "accepted",
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
    /// What is saved of it: its bits, and how many of them count.
    pub(super) fn parts(self) -> (u64, u32) {
        (self.bits, self.count)
    }

    /// The reverse of [`Self::parts`].
    pub(super) fn of_parts(bits: u64, count: u32) -> Self {
        Self {
            bits,
            count: count.min(64),
        }
    }

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

    /// When it began to fire, once it has.
    pub fn fired_at(&self) -> Option<Timestamp> {
        match self {
            Self::Firing { fired_at, .. } | Self::Resolved { fired_at, .. } => Some(*fired_at),
            Self::Inactive | Self::Pending { .. } => None,
        }
    }

    /// When its condition was first breached, while pending or firing.
    pub fn active_at(&self) -> Option<Timestamp> {
        match self {
            Self::Pending { active_at, .. } | Self::Firing { active_at, .. } => Some(*active_at),
            Self::Inactive | Self::Resolved { .. } => None,
        }
    }

    /// When its condition was first breached, also once it has ended.
    pub fn breached_at(&self) -> Option<Timestamp> {
        match self {
            Self::Pending { active_at, .. }
            | Self::Firing { active_at, .. }
            | Self::Resolved { active_at, .. } => Some(*active_at),
            Self::Inactive => None,
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
/// pauses the hold instead of ending or counting it. A resolved alert is forgotten after `retention`.
pub fn advance(
    state: AlertState,
    verdict: &Verdict,
    hold: &Hold,
    retention: Duration,
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
        AlertState::Resolved { since, .. } if now.steady.saturating_sub(since) > retention => {
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

/// Ends an alert whose series or rule is gone or forgotten, which is the `reason`.
pub fn abandon(state: AlertState, reason: EndReason, now: Now) -> (AlertState, Option<Change>) {
    match state {
        AlertState::Inactive | AlertState::Resolved { .. } => (state, None),
        AlertState::Pending { .. } => (AlertState::Inactive, Some(Change::Dropped)),
        AlertState::Firing {
            active_at,
            fired_at,
            ..
        } => end(active_at, fired_at, reason, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Standing::{Breached, Holds, Insufficient, NoData as Blind};

    const INTERVAL: u64 = 10;

    /// Runs a state machine over standings an interval apart; one letter a step: `.` inactive,
    /// `p` pending, `F` firing, `r` resolved.
    fn run(hold: &Hold, standings: &[Standing]) -> String {
        let mut state = AlertState::Inactive;
        let mut letters = String::new();
        for (step, standing) in (100u64..).zip(standings) {
            let verdict = Verdict {
                standing: *standing,
                value: Some(1.0),
                limit: 0.0,
                n: 1,
                gained: *standing != Blind,
                evidence: None,
            };
            let now = Now::invented(Duration::from_secs(step * INTERVAL));
            (state, _) = advance(state, &verdict, hold, RESOLVED_RETENTION, now);
            letters.push(match state {
                AlertState::Inactive => '.',
                AlertState::Pending { .. } => 'p',
                AlertState::Firing { .. } => 'F',
                AlertState::Resolved { .. } => 'r',
            });
        }
        letters
    }

    fn standings(letters: &str) -> Vec<Standing> {
        letters
            .chars()
            .map(|letter| match letter {
                'B' => Breached,
                'h' => Holds,
                'i' => Insufficient,
                _ => Blind,
            })
            .collect()
    }

    fn hold(seconds: u64) -> Hold {
        Hold {
            hold: Duration::from_secs(seconds),
            ..Hold::default()
        }
    }

    fn check(hold: &Hold, cases: &[(&str, &str)]) {
        for (given, expected) in cases {
            assert_eq!(run(hold, &standings(given)), *expected, "{given} {hold:?}");
        }
    }

    #[test]
    fn pending_alert_fires_at_the_first_evaluation_after_its_hold() {
        check(&hold(0), &[("hBh", ".Fr"), ("BhB", "FrF")]);
        check(&hold(5), &[("BBh", "pFr"), ("BhB", "p.p")]);
        check(&hold(10), &[("BB", "pF")]);
        check(&hold(11), &[("BBB", "ppF")]);
        check(&hold(30), &[("BBBBB", "pppFF"), ("BBhBBBB", "pp.pppF")]);
    }

    #[test]
    fn missing_data_pauses_the_hold_and_neither_ends_nor_fires_it() {
        check(
            &hold(20),
            &[
                ("BB__BBB", "pppppFF"),
                ("BBiiBBB", "pppppFF"),
                ("B_B_B_B", "ppppppp"),
            ],
        );
    }

    #[test]
    fn pending_ends_when_data_has_been_missing_for_too_long() {
        let hold = Hold {
            stale_after: Duration::from_secs(30),
            ..hold(60)
        };
        check(&hold, &[("B____B", "pppp.p"), ("B___B", "ppppp")]);
    }

    #[test]
    fn a_firing_alert_keeps_through_a_gap_until_it_is_stale() {
        let hold = Hold {
            stale_after: Duration::from_secs(30),
            ..hold(0)
        };
        check(
            &hold,
            &[("B___B", "FFFFF"), ("B____", "FFFFr"), ("Bi_ih", "FFFFr")],
        );
    }

    #[test]
    fn no_data_resolve_takes_missing_data_for_good_news() {
        let hold = Hold {
            no_data: NoData::Resolve,
            ..hold(10)
        };
        check(&hold, &[("BB_B", "pFrp"), ("B_BB", "p.pF"), ("BBi", "pFr")]);
    }

    #[test]
    fn keep_firing_for_counts_from_the_first_good_evaluation_and_starts_again_with_a_bad_one() {
        let hold = Hold {
            keep_firing_for: Duration::from_secs(20),
            ..hold(0)
        };
        check(&hold, &[("Bhhhh", "FFFrr"), ("BhBhhh", "FFFFFr")]);
    }

    #[test]
    fn for_samples_counts_among_the_last_evaluations_that_gained_data() {
        let hold = Hold {
            for_samples: Some(ForSamples { breached: 3, of: 5 }),
            ..hold(0)
        };
        check(
            &hold,
            &[
                ("BBB", "ppF"),
                ("BhBhB", "ppppF"),
                ("BhhBhhB", "ppppppp"),
                ("Bhhhhh", "ppppp."),
                ("B_B_B", "ppppF"),
            ],
        );
    }

    #[test]
    fn a_resolved_alert_is_forgotten_after_its_retention() {
        let resolved = AlertState::Resolved {
            active_at: Timestamp::default(),
            fired_at: Timestamp::default(),
            resolved_at: Timestamp::default(),
            since: Duration::ZERO,
            reason: EndReason::Recovered,
        };
        let verdict = Verdict {
            standing: Holds,
            value: None,
            limit: 0.0,
            n: 0,
            gained: false,
            evidence: None,
        };
        for (seconds, kept) in [(900, true), (901, false)] {
            let now = Now::invented(Duration::from_secs(seconds));
            let (state, change) = advance(
                resolved,
                &verdict,
                &Hold::default(),
                RESOLVED_RETENTION,
                now,
            );
            assert_eq!((state == resolved, change), (kept, None));
        }
    }

    #[test]
    fn times_tell_when_it_was_first_breached_when_it_fired_and_when_it_ended() {
        let at = |seconds| Now::invented(Duration::from_secs(seconds));
        let verdict = |standing| Verdict {
            standing,
            value: None,
            limit: 0.0,
            n: 1,
            gained: true,
            evidence: None,
        };
        let (pending, change) = advance(
            AlertState::Inactive,
            &verdict(Breached),
            &hold(10),
            RESOLVED_RETENTION,
            at(100),
        );
        assert_eq!(change, Some(Change::Started));
        let (firing, change) = advance(
            pending,
            &verdict(Breached),
            &hold(10),
            RESOLVED_RETENTION,
            at(110),
        );
        assert_eq!(change, Some(Change::Fired));
        let (ended, change) = advance(
            firing,
            &verdict(Holds),
            &hold(10),
            RESOLVED_RETENTION,
            at(120),
        );
        assert_eq!(change, Some(Change::Resolved(EndReason::Recovered)));
        let AlertState::Resolved {
            active_at,
            fired_at,
            resolved_at,
            ..
        } = ended
        else {
            panic!("{ended:?}");
        };
        let seconds = [active_at, fired_at, resolved_at].map(Timestamp::millis);
        assert_eq!(seconds, [100_000, 110_000, 120_000]);
    }
}

//! A group of rules: when it is due, and what it takes over from the one that it replaces.

use std::time::Duration;

use super::RuleState;
use crate::engine::rule::RuleGroup;
use crate::engine::time::{Now, Timestamp};

/// A group with its rules' state.
#[derive(Debug)]
pub struct GroupState {
    /// The file it comes from.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Time between evaluations.
    pub interval: Duration,
    /// Most alerts a rule may have; 0 is no limit.
    pub limit: usize,
    /// Its rules, in order.
    pub rules: Vec<RuleState>,
    /// When it is due next, on the steady clock.
    pub due: Duration,
    /// When it was last evaluated.
    pub evaluated_at: Option<Timestamp>,
    /// How long that took.
    pub took: Duration,
    /// Evaluations so far.
    pub iterations: u64,
    /// Evaluations left out because the one before took too long.
    pub missed: u64,
}

impl GroupState {
    /// A group that is first due at the next multiple of its interval on the wall clock, so that
    /// windows that are a multiple of it end on the grid of the buckets.
    pub fn new(group: RuleGroup, now: Now) -> Self {
        let interval = group.interval.as_millis().max(1);
        let since = u128::try_from(now.wall.millis()).unwrap_or_default() % interval;
        let wait = if since == 0 { 0 } else { interval - since };
        Self {
            file: group.file,
            name: group.name,
            interval: group.interval,
            limit: group.limit,
            rules: group.rules.into_iter().map(RuleState::new).collect(),
            due: now.steady + Duration::from_millis(u64::try_from(wait).unwrap_or_default()),
            evaluated_at: None,
            took: Duration::ZERO,
            iterations: 0,
            missed: 0,
        }
    }

    /// Notes that an evaluation begins and sets the next one; evaluations whose time has passed
    /// meanwhile are left out and counted.
    pub fn begin(&mut self, now: Now) {
        self.evaluated_at = Some(now.wall);
        self.iterations += 1;
        self.took = Duration::ZERO;
        let (missed, rest) = self.late(now);
        self.missed += missed;
        self.due = now.steady.saturating_sub(rest) + self.interval;
    }

    /// When the evaluation that has begun was due, on the steady clock.
    pub fn scheduled(&self, now: Now) -> Duration {
        self.due.saturating_sub(self.interval).min(now.steady)
    }

    /// Moves the next evaluation past `now` without counting those between as missed.
    pub fn skip_to(&mut self, now: Now) {
        let (_, rest) = self.late(now);
        if self.due < now.steady {
            let last = now.steady.saturating_sub(rest);
            self.due = last + if rest.is_zero() { rest } else { self.interval };
        }
    }

    /// How late `now` is for the next evaluation: whole intervals and the rest. Computed, not counted,
    /// because after a long stop there may be very many.
    fn late(&self, now: Now) -> (u64, Duration) {
        let late = now.steady.saturating_sub(self.due).as_nanos();
        let interval = self.interval.as_nanos().max(1);
        let part = |nanos: u128| u64::try_from(nanos).unwrap_or(u64::MAX);
        let rest = Duration::from_nanos(part(late % interval));
        (part(late / interval), rest)
    }

    /// Takes over state from the group that this one replaces: of rules whose definition is the same.
    pub fn inherit(&mut self, old: &mut GroupState) {
        self.evaluated_at = old.evaluated_at;
        self.iterations = old.iterations;
        self.missed = old.missed;
        if self.interval == old.interval {
            self.due = old.due;
        }
        for rule in &mut self.rules {
            let same = |r: &RuleState| {
                r.rule.name == rule.rule.name && r.rule.definition == rule.rule.definition
            };
            if let Some(place) = old.rules.iter().position(same) {
                let new = rule.rule.clone();
                *rule = old.rules.swap_remove(place);
                rule.rule = new;
            }
        }
    }
}

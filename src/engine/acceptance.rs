//! Accepting a change: what a rule has found to be worse is what is usual from now on.

use super::Engine;
use super::condition::{Against, Condition, Finds};
use super::judge::Effects;
use super::rule::Mode;
use super::selector::Selector;
use super::series::Labels;
use super::time::{Now, Timestamp};

/// An instance of which a change was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// Its labels.
    pub labels: Labels,
    /// Nothing from before then is learned from any more.
    pub since: Timestamp,
}

/// Why nothing is accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// There is no such rule.
    #[error("there is no rule {rule:?}, allowed: {}", known.join(", "))]
    NoRule {
        /// What was asked for.
        rule: String,
        /// The rules that learn what is usual.
        known: Vec<String>,
    },
    /// It does not learn what is usual.
    #[error("{rule:?} {why}")]
    Otherwise {
        /// The rule.
        rule: String,
        /// What it is judged by, and what can be done.
        why: &'static str,
    },
    /// None of its instances that are selected has an alert.
    #[error(
        "no alert of {rule:?} is pending or fires for {select}, so that there is no change to accept"
    )]
    NoAlert {
        /// The rule.
        rule: String,
        /// Which instances were selected.
        select: String,
    },
}

impl Engine {
    /// Accepts the change that a rule by that name has found, in each of its instances that `select` takes and that has an
    /// alert: the alert ends as accepted, and the rule learns what is usual anew, from when the change began on.
    ///
    /// # Errors
    /// When there is no such rule, when it does not learn what is usual, or when it has no such alert.
    pub fn accept(
        &mut self,
        rule: &str,
        select: &Selector,
        now: Now,
    ) -> Result<(Vec<Accepted>, Effects), AcceptError> {
        let named = |name: &str| name == rule;
        let mut refusal = None;
        let scopes: Vec<_> = (self.groups.iter())
            .map(|group| self.scope(now, group.interval))
            .collect();
        let (mut accepted, mut effects) = (Vec::new(), Effects::default());
        for (group, scope) in self.groups.iter_mut().zip(&scopes) {
            let rules = group.rules.iter_mut();
            for state in rules.filter(|state| named(&state.rule.name)) {
                match not_learned(&state.rule.condition) {
                    Some(why) => refusal = refusal.or(Some(why)),
                    None => accepted.extend(state.accept(select, scope, &mut effects)),
                }
            }
        }
        self.note(&effects, now);
        if !accepted.is_empty() {
            return Ok((accepted, effects));
        }
        let rule = rule.to_owned();
        if let Some(why) = refusal {
            return Err(AcceptError::Otherwise { rule, why });
        }
        let known: Vec<String> = self.learning().collect();
        if known.contains(&rule) {
            let select = select.to_string();
            return Err(AcceptError::NoAlert { rule, select });
        }
        Err(AcceptError::NoRule { rule, known })
    }

    /// The names of the rules that learn what is usual.
    fn learning(&self) -> impl Iterator<Item = String> {
        self.rules()
            .map(|(_, _, state)| &state.rule)
            .filter(|rule| rule.mode != Mode::Off && not_learned(&rule.condition).is_none())
            .map(|rule| rule.name.clone())
    }
}

/// Why a change cannot be accepted that such a rule has found; `None` where it can.
pub(super) fn not_learned(condition: &Condition) -> Option<&'static str> {
    if let Condition::Detection(detection) = condition {
        return match detection.finds {
            Finds::Changes(_) => None,
            Finds::Anomalies(_) => {
                Some("looks for anomalies, which end by themselves or become usual as they last")
            }
        };
    }
    match condition.against() {
        Some(Against::Rolling(_) | Against::Offset(_) | Against::Seasonal(_)) => None,
        Some(Against::Pinned(_)) => {
            Some("is judged against a baseline that was set: set it anew by `opwatch set-baseline`")
        }
        Some(Against::PreviousVersion) => Some(
            "compares a version with the one before: its alert ends with the next version, and a silence quietens it until then",
        ),
        None => Some("does not learn what is usual: change its limit"),
    }
}

//! Cost shifts: parts of a whole that have become worse while others have become better, and the whole has not become worse.
//!
//! A whole is an instance of another rule that looks at the same in the same way, over fewer labels: a regression of an
//! operation is the whole of regressions of each of its algorithms. Where work has only moved between the parts, nobody
//! who waits for the whole is worse off. The alert of such a part fires and is shown, with that reason, but nobody is told
//! until the whole has become worse as well.

use super::{Instance, RuleState, Scope};
use crate::engine::condition::{Against, Condition};
use crate::engine::rule::{Mode, Rule};
use crate::engine::series::Labels;

/// What is known of the wholes of a rule's instances.
#[derive(Clone, Debug, Default)]
pub struct Wholes {
    /// The labels of those that have not become worse, as far as that is sure.
    not_worse: Vec<Labels>,
    /// One has not been judged since the start: what was a shift is still one.
    is_unknown: bool,
}

/// Whether a rule is about the wholes of the parts that another is about.
pub(in crate::engine) fn is_whole_of(whole: &Rule, part: &Rule) -> bool {
    let (Condition::Regression(one), Condition::Regression(other)) =
        (&whole.condition, &part.condition)
    else {
        return false;
    };
    whole.mode == Mode::Active
        && part.mode == Mode::Active
        && whole.by.len() < part.by.len()
        && whole.by.iter().all(|name| part.by.contains(name))
        && (&one.metric, one.stat, one.reach) == (&other.metric, other.stat, other.reach)
        && are_alike(&one.against, &other.against)
        && whole.select.to_string() == part.select.to_string()
}

/// Whether two baselines say what was usual at the same time; those that were set are taken to.
fn are_alike(one: &Against, other: &Against) -> bool {
    let are_set = matches!((one, other), (Against::Pinned(_), Against::Pinned(_)));
    are_set || one == other
}

impl Wholes {
    /// Adds those of a rule.
    pub(in crate::engine) fn add(&mut self, state: &RuleState) {
        let Condition::Regression(regression) = &state.rule.condition else {
            return;
        };
        self.is_unknown |= state.evaluations == 0;
        let instances = state.instances.values();
        let sure = instances.filter(|one| {
            let compared = one.by.compared();
            compared.is_some_and(|compared| regression.is_not_worse(&compared.found))
        });
        self.not_worse.extend(sure.map(|one| one.labels.clone()));
    }

    /// Those that an instance is a part of.
    fn of<'a>(&'a self, part: &'a Labels) -> impl Iterator<Item = &'a Labels> {
        (self.not_worse.iter()).filter(|whole| is_part(part, whole))
    }
}

fn is_part(part: &Labels, whole: &Labels) -> bool {
    whole.iter().all(|(name, value)| part.get(name) == value)
}

/// Notes of each instance of a rule whether it is a part of a cost shift.
pub(super) fn note<'a>(
    rule: &Rule,
    instances: impl Iterator<Item = &'a mut Instance>,
    scope: &Scope,
) {
    let Condition::Regression(regression) = &rule.condition else {
        return;
    };
    let mut instances: Vec<&mut Instance> = instances.collect();
    if scope.wholes.is_unknown {
        for instance in &mut instances {
            instance.is_shift = instance.levels.iter().any(|level| level.is_shift);
        }
        return;
    }
    let better: Vec<Labels> = (instances.iter())
        .filter(|one| {
            let compared = one.by.compared();
            compared.is_some_and(|compared| regression.is_better(&compared.found))
        })
        .map(|one| one.labels.clone())
        .collect();
    for instance in &mut instances {
        // What the others are compared with may have learned meanwhile that they are better: what was a shift stays one
        // while it fires and the whole is not worse.
        let was_shift = instance.levels.iter().any(|level| level.is_shift);
        let has_better = |whole: &Labels| better.iter().any(|other| is_part(other, whole));
        let is_shift = (scope.wholes.of(&instance.labels)).any(|one| was_shift || has_better(one));
        instance.is_shift = is_shift;
    }
}

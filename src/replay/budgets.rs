//! The same rules with other budgets of false alarms.

use super::{Recording, ReplayError, Replayed, Setting, replay};
use crate::engine::condition::{Budget, Condition};

/// A replay of the rules that have a budget, under each of these budgets. Without any such rule there is nothing to
/// replay, and the answer is empty.
///
/// # Errors
/// As [`replay`] has them.
pub fn replay_budgets(
    recording: &Recording,
    setting: &Setting,
    budgets: &[Budget],
) -> Result<Vec<Replayed>, ReplayError> {
    let mut setting = setting.clone();
    for group in &mut setting.engine.groups {
        (group.rules).retain(
            |rule| matches!(&rule.condition, Condition::Regression(one) if one.weighs_evidence),
        );
        for rule in &mut group.rules {
            // The rules that they depend on may be gone.
            rule.depends_on.clear();
        }
    }
    setting
        .engine
        .groups
        .retain(|group| !group.rules.is_empty());
    if setting.engine.groups.is_empty() {
        return Ok(Vec::new());
    }
    let under = |budget: &Budget| {
        let rules = setting.engine.groups.iter().cloned().map(|mut group| {
            for rule in &mut group.rules {
                if let Condition::Regression(regression) = &mut rule.condition {
                    regression.budget = *budget;
                }
            }
            group
        });
        let mut setting = setting.clone();
        setting.engine.groups = rules.collect();
        replay(recording, &setting)
    };
    budgets.iter().map(under).collect()
}

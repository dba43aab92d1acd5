//! Rule files that are part of the program: `guide_rules` and `self_rules` of the configuration switch them on.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::{Loaded, Surroundings, load};
use crate::engine::rule::RuleGroup;

/// A rule file that is part of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    /// The default thresholds of the original guide.
    Guide,
    /// What opwatch says of itself.
    Own,
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Guide, Self::Own];

    /// The name of the file, in the API and in `rule_files` of a rule test.
    pub fn name(self) -> &'static str {
        match self {
            Self::Guide => "built-in:guide",
            Self::Own => "built-in:opwatch",
        }
    }

    /// Its text.
    pub fn text(self) -> &'static str {
        match self {
            Self::Guide => include_str!("../../rules/guide.yaml"),
            Self::Own => include_str!("../../rules/opwatch.yaml"),
        }
    }

    /// The file of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Whether a group comes from one of them.
    pub fn has(group: &RuleGroup) -> bool {
        Self::named(&group.file).is_some()
    }

    /// Its rules, but those whose place others of the same name have taken.
    pub(super) fn load(self, taken: &BTreeSet<String>, around: Surroundings) -> Loaded {
        let mut loaded = load(self.name(), self.text().to_owned(), around);
        for group in &mut loaded.groups {
            group.rules.retain(|rule| !taken.contains(&rule.name));
        }
        loaded.groups.retain(|group| !group.rules.is_empty());
        loaded.references.retain(|one| !taken.contains(&one.rule));
        loaded
    }
}

/// Names of all rules that are built in.
pub(super) fn rule_names() -> &'static BTreeSet<String> {
    static NAMES: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let load = |one: BuiltIn| load(one.name(), one.text().to_owned(), Surroundings::default());
        BuiltIn::ALL
            .into_iter()
            .flat_map(|one| load(one).names)
            .collect()
    });
    &NAMES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_is_without_fault_whatever_surrounds_it() {
        let around = Surroundings {
            evaluation_interval: std::time::Duration::from_secs(3_600),
            ..Surroundings::default()
        };
        for one in BuiltIn::ALL {
            assert_eq!(BuiltIn::named(one.name()), Some(one));
            let loaded = one.load(&BTreeSet::new(), around);
            assert_eq!(loaded.findings.faults, []);
            assert_eq!(loaded.findings.warnings, []);
        }
        assert!(rule_names().contains("ExecutionTime"));
        assert!(rule_names().contains("OpwatchIngestRefused"));
    }
}

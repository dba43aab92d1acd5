//! In which order rules are evaluated: as in their files, but a rule after those that it depends on, and one over parts after
//! one over their wholes.

use std::collections::{BTreeMap, BTreeSet};

use super::Due;
use super::condition::Condition;
use super::judge::GroupState;
use super::judge::shift::is_whole_of;
use super::rule::Mode;

/// What depends on what, worked out once for a configuration.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Of each rule that depends on others, the places of those.
    parents: BTreeMap<Due, Vec<Due>>,
    /// Of each rule over parts, the places of those over wholes.
    wholes: BTreeMap<Due, Vec<Due>>,
    /// How many rules stand one above another over a rule; 0, left out here, for one that depends on none.
    depth: BTreeMap<Due, usize>,
}

impl Order {
    pub(super) fn of(groups: &[GroupState]) -> Self {
        let rules = || {
            groups.iter().enumerate().flat_map(|(group, state)| {
                let rules = state.rules.iter().enumerate();
                rules.map(move |(rule, state)| (Due { group, rule }, &state.rule))
            })
        };
        let mut named: BTreeMap<&str, Vec<Due>> = BTreeMap::new();
        // Of a rule in shadow nobody hears, so nobody is kept from hearing by it.
        for (due, rule) in rules().filter(|(_, rule)| rule.mode == Mode::Active) {
            named.entry(&rule.name).or_default().push(due);
        }
        let parents: BTreeMap<Due, Vec<Due>> = rules()
            .filter(|(_, rule)| !rule.depends_on.is_empty())
            .map(|(due, rule)| {
                let parents = rule
                    .depends_on
                    .iter()
                    .filter_map(|name| named.get(name.as_str()));
                (due, parents.flatten().copied().collect())
            })
            .collect();
        let regressions =
            || rules().filter(|(_, rule)| matches!(rule.condition, Condition::Regression(_)));
        let wholes: BTreeMap<Due, Vec<Due>> = regressions()
            .map(|(due, part)| {
                let wholes = regressions().filter(|(_, whole)| is_whole_of(whole, part));
                (due, wholes.map(|(due, _)| due).collect())
            })
            .filter(|(_, wholes): &(Due, Vec<Due>)| !wholes.is_empty())
            .collect();
        let mut order = Self {
            parents,
            wholes,
            depth: BTreeMap::new(),
        };
        let dependent: Vec<Due> = (order.parents.keys().chain(order.wholes.keys()))
            .copied()
            .collect();
        for due in dependent {
            order.measure(due, &mut BTreeSet::new());
        }
        order
    }

    /// The depth of a rule. Rule files have no cycles; in one that came some other way each counts as a start.
    fn measure(&mut self, due: Due, above: &mut BTreeSet<Due>) -> usize {
        if let Some(known) = self.depth.get(&due) {
            return *known;
        }
        if !above.insert(due) {
            return 0;
        }
        let mut parents = self.parents(due).to_vec();
        parents.extend(self.wholes(due));
        let deepest = parents
            .into_iter()
            .map(|parent| self.measure(parent, above))
            .max();
        above.remove(&due);
        let depth = deepest.map_or(0, |deepest| deepest + 1);
        if depth > 0 {
            self.depth.insert(due, depth);
        }
        depth
    }

    /// Puts rules that are due into their order.
    pub(super) fn arrange(&self, due: &mut [Due]) {
        if !self.depth.is_empty() {
            due.sort_by_key(|due| self.depth.get(due).copied().unwrap_or_default());
        }
    }

    /// The rules over wholes of which a rule is about parts.
    pub(super) fn wholes(&self, due: Due) -> &[Due] {
        self.wholes.get(&due).map_or(&[], Vec::as_slice)
    }

    /// The rules that a rule depends on.
    pub(super) fn parents(&self, due: Due) -> &[Due] {
        self.parents.get(&due).map_or(&[], Vec::as_slice)
    }
}

//! What rules name: other rules (`depends_on`), which may stand in any file, and actions, which stand in the configuration.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::did_you_mean;
use super::{Loaded, wire};
use crate::document::{Document, Fault, Place};

/// That one rule depends on another.
#[derive(Debug)]
pub(super) struct Reference {
    /// The rule.
    pub(super) rule: String,
    /// What it depends on.
    pub(super) on: String,
    /// Where it says so; without a message.
    pub(super) at: Fault,
}

/// Finds references to rules that there are not, and rules that depend on themselves.
pub(super) fn check(loaded: &mut Loaded) {
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for reference in &loaded.references {
        edges
            .entry(&reference.rule)
            .or_default()
            .insert(&reference.on);
    }
    let fault = |reference: &Reference| {
        let Reference { rule, on, .. } = reference;
        if !loaded.names.contains(on) && !loaded.incomplete {
            let hint = did_you_mean(on, loaded.names.iter().map(String::as_str));
            return Some(format!(
                "no rule has the name {on:?},{hint} allowed: names of rules, in this or another file"
            ));
        }
        let way = way(&edges, on, rule)?;
        Some(format!(
            "rule {rule:?} depends on itself: {}, allowed: no circle",
            [vec![rule.as_str()], way].concat().join(" → ")
        ))
    };
    let faults: Vec<Fault> = (loaded.references.iter())
        .filter_map(|reference| {
            let message = fault(reference)?;
            Some(Fault {
                message,
                ..reference.at.clone()
            })
        })
        .collect();
    loaded.findings.faults.extend(faults);
}

/// The names on the way from one rule to another along what they depend on, both included.
fn way<'a>(
    edges: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    from: &'a str,
    to: &str,
) -> Option<Vec<&'a str>> {
    let mut reached: BTreeMap<&str, Option<&str>> = [(from, None)].into();
    let mut next = vec![from];
    while let Some(name) = next.pop() {
        if name == to {
            let mut way = vec![name];
            while let Some(Some(before)) = way.last().and_then(|name| reached.get(name)) {
                way.push(before);
            }
            way.reverse();
            return Some(way);
        }
        for on in edges.get(name).into_iter().flatten() {
            if !reached.contains_key(on) {
                reached.insert(on, Some(name));
                next.push(on);
            }
        }
    }
    None
}

/// The actions that the rules of a file name, each with where.
pub(super) fn actions(written: &wire::File, document: &Document) -> Vec<(String, Fault)> {
    let mut actions = Vec::new();
    for (index, group) in written.groups.iter().enumerate() {
        let place = Place::root().key("groups").index(index).key("rules");
        for (index, rule) in group.rules.iter().enumerate() {
            let place = place.index(index).key("actions");
            let names = rule.actions.iter().enumerate();
            let at = |index| document.fault(&place.index(index), "");
            actions.extend(names.map(|(index, name)| (name.clone(), at(index))));
        }
    }
    actions
}

impl Loaded {
    /// The actions that rules name.
    pub fn named_actions(&self) -> BTreeSet<&str> {
        self.actions.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// A fault for each place where a rule names an action that is not among those.
    pub fn unknown_actions(&self, known: &BTreeSet<&str>) -> Vec<Fault> {
        let unknown = self
            .actions
            .iter()
            .filter(|(name, _)| !known.contains(name.as_str()));
        unknown
            .map(|(name, at)| {
                let hint = did_you_mean(name, known.iter().copied());
                let allowed = match known.is_empty() {
                    true => "a name of `actions` in the configuration, which there are none of"
                        .to_owned(),
                    false => known.iter().copied().collect::<Vec<_>>().join(", "),
                };
                Fault {
                    message: format!("unknown action {name:?},{hint} allowed: {allowed}"),
                    ..at.clone()
                }
            })
            .collect()
    }
}

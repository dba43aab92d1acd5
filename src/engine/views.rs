//! What an engine shows to those who only read.

use super::admission::IngestCounts;
use super::incident::Incidents;
use super::judge::{AlertChange, GroupState, RuleState};
use super::rule::External;
use super::store::Store;
use super::{Due, Engine};

impl Engine {
    /// The store, for reading.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The groups with their rules and alerts, for reading.
    pub fn groups(&self) -> &[GroupState] {
        &self.groups
    }

    /// Every rule with its group and the place by which it is known where it is due.
    pub fn rules(&self) -> impl Iterator<Item = (Due, &GroupState, &RuleState)> {
        (self.groups.iter().enumerate()).flat_map(|(group, of)| {
            let rules = of.rules.iter().enumerate();
            rules.map(move |(rule, state)| (Due { group, rule }, of, state))
        })
    }

    /// The rule that is due.
    pub fn rule(&self, due: Due) -> Option<&RuleState> {
        self.groups.get(due.group)?.rules.get(due.rule)
    }

    /// The incidents that are open, and the last that are over.
    pub fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    /// Counts of what came in.
    pub fn ingest_counts(&self) -> IngestCounts {
        self.admission.counts
    }

    /// What all alerts share.
    pub fn external(&self) -> &External {
        &self.external
    }

    /// The last changes of alerts, oldest first.
    pub fn history(&self) -> impl DoubleEndedIterator<Item = &AlertChange> {
        self.history.iter()
    }
}

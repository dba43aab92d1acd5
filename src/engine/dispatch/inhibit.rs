//! Inhibition: while one alert fires, others that follow from it are not told.

use std::collections::HashMap;
use std::sync::Arc;

use super::Announced;
use crate::engine::selector::Selector;
use crate::engine::series::Labels;

/// While an alert that `source` takes fires, alerts that `target` takes and that have the same values of `equal` are not
/// told. A missing label counts as empty. An alert that both take is not inhibited by one that both take as well, so none
/// inhibits itself.
#[derive(Clone, Debug, PartialEq)]
pub struct InhibitRule {
    /// The alerts that inhibit.
    pub source: Selector,
    /// The alerts that are inhibited.
    pub target: Selector,
    /// Labels whose values must be the same on both.
    pub equal: Vec<String>,
}

impl InhibitRule {
    fn shared<'a>(&self, labels: &'a Labels) -> Vec<&'a str> {
        self.equal.iter().map(|name| labels.get(name)).collect()
    }
}

/// What is inhibited at one moment: the firing alerts that can inhibit, by what they share with their targets.
pub(super) struct Inhibition<'a> {
    rules: Vec<(&'a InhibitRule, Sources<'a>)>,
}

/// Fingerprints of sources by their values of `equal`, and whether the target side takes them as well.
type Sources<'a> = HashMap<Vec<&'a str>, Vec<(u64, bool)>>;

impl<'a> Inhibition<'a> {
    /// Of the alerts that fire now.
    pub(super) fn of(rules: &'a [InhibitRule], firing: &[&'a Arc<Announced>]) -> Self {
        let sources = |rule: &'a InhibitRule| {
            let mut sources = Sources::new();
            for alert in firing {
                let labels = &alert.labels;
                if rule.source.matches(|name| labels.get(name)) {
                    let both = rule.target.matches(|name| labels.get(name));
                    let shared = sources.entry(rule.shared(labels)).or_default();
                    shared.push((alert.fingerprint, both));
                }
            }
            sources
        };
        Self {
            rules: rules.iter().map(|rule| (rule, sources(rule))).collect(),
        }
    }

    /// The alerts that inhibit one with these labels.
    pub(super) fn by(&self, labels: &Labels) -> Vec<u64> {
        let mut inhibiting = Vec::new();
        for (rule, sources) in &self.rules {
            if sources.is_empty() || !rule.target.matches(|name| labels.get(name)) {
                continue;
            }
            let is_source = rule.source.matches(|name| labels.get(name));
            let shared = sources.get(&rule.shared(labels));
            let counts = |(_, both): &&(u64, bool)| !(is_source && *both);
            let found = shared.into_iter().flatten().filter(counts);
            inhibiting.extend(found.map(|(fingerprint, _)| *fingerprint));
        }
        inhibiting.sort_unstable();
        inhibiting.dedup();
        inhibiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::dispatch::fixture::alert;

    fn rule(source: &str, target: &str, equal: &[&str]) -> InhibitRule {
        InhibitRule {
            source: Selector::parse(source).unwrap(),
            target: Selector::parse(target).unwrap(),
            equal: equal.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    /// The names of those that inhibit the last of `alerts`.
    fn inhibiting(rules: &[InhibitRule], alerts: &[&[(&str, &str)]]) -> Vec<String> {
        let alerts: Vec<_> = alerts
            .iter()
            .map(|labels| Arc::new(alert(labels)))
            .collect();
        let firing: Vec<_> = alerts.iter().collect();
        let inhibition = Inhibition::of(rules, &firing);
        let by = inhibition.by(&alerts.last().unwrap().labels);
        let named = alerts.iter().filter(|a| by.contains(&a.fingerprint));
        named.map(|a| a.labels.get("n").to_owned()).collect()
    }

    #[test]
    fn a_source_inhibits_targets_that_share_the_labels() {
        let rules = [rule("severity=critical", "severity=warning", &["host"])];
        let critical = [("n", "1"), ("severity", "critical"), ("host", "a")];
        let other_host = [("n", "2"), ("severity", "warning"), ("host", "b")];
        let target = [("n", "3"), ("severity", "warning"), ("host", "a")];
        assert_eq!(inhibiting(&rules, &[&critical, &target]), ["1"]);
        assert!(inhibiting(&rules, &[&critical, &other_host]).is_empty());
        assert!(inhibiting(&rules, &[&target, &critical]).is_empty());
    }

    #[test]
    fn a_label_that_is_missing_on_both_is_the_same() {
        let rules = [rule(
            "severity=critical",
            "severity=warning",
            &["host", "zone"],
        )];
        let critical = [("n", "1"), ("severity", "critical")];
        let target = [("n", "2"), ("severity", "warning"), ("host", "")];
        assert_eq!(inhibiting(&rules, &[&critical, &target]), ["1"]);
    }

    #[test]
    fn alerts_that_are_both_source_and_target_do_not_inhibit_themselves_or_each_other() {
        let rules = [rule("team=ml", "severity=~\".+\"", &[])];
        let both = [("n", "1"), ("team", "ml"), ("severity", "low")];
        let both_too = [("n", "2"), ("team", "ml"), ("severity", "high")];
        assert!(inhibiting(&rules, &[&both]).is_empty());
        assert!(inhibiting(&rules, &[&both, &both_too]).is_empty());
        // One that is a source alone inhibits both.
        let source = [("n", "3"), ("team", "ml")];
        assert_eq!(inhibiting(&rules, &[&source, &both_too, &both]), ["3"]);
    }
}

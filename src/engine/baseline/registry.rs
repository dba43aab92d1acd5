//! The baselines that were set, by name, with their earlier versions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Baseline, Content};
use crate::engine::metric::Metric;
use crate::engine::series::Labels;
use crate::engine::time::Timestamp;

/// Versions kept of each; the oldest goes first.
pub const MAX_VERSIONS: usize = 10;
/// Baselines that may be set, versions not counted.
const MAX_BASELINES: usize = 10_000;

/// Why a baseline is not set.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SetError {
    /// There are too many.
    #[error(
        "there are {MAX_BASELINES} baselines already, which is as many as are kept; remove some first"
    )]
    TooMany,
}

/// Whose a baseline is: its name, its metric as it is written, and its labels.
type Key = (String, String, Labels);

/// The baselines that were set, with their earlier versions.
#[derive(Clone, Debug, Default)]
pub struct Baselines {
    /// Each with its versions, the newest last.
    named: BTreeMap<Key, Vec<Arc<Baseline>>>,
    /// By name and metric, the names of labels that baselines of them have: few, also where there is one for each of
    /// thousands of operations, so that the one of an instance is looked up and not searched.
    shapes: BTreeMap<(String, String), BTreeSet<Vec<String>>>,
    generation: u64,
}

impl Baselines {
    /// Changes whenever a baseline is set or removed.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Sets a baseline; it becomes the newest version of its name, metric and labels. Returns it, and the versions that
    /// are no longer kept.
    ///
    /// # Errors
    /// When there are too many.
    pub fn set(
        &mut self,
        name: &str,
        metric: Metric,
        labels: Labels,
        content: Content,
        at: Timestamp,
    ) -> Result<(Arc<Baseline>, Vec<Arc<Baseline>>), SetError> {
        let key = (name.to_owned(), metric.to_string(), labels.clone());
        if self.named.len() >= MAX_BASELINES && !self.named.contains_key(&key) {
            return Err(SetError::TooMany);
        }
        let versions = self.versions(key);
        let baseline = Arc::new(Baseline {
            name: name.to_owned(),
            metric,
            labels,
            version: versions
                .last()
                .map_or(1, |last| last.version.saturating_add(1)),
            set_at: at,
            content,
        });
        versions.push(baseline.clone());
        let excess = versions.len().saturating_sub(MAX_VERSIONS);
        let dropped = versions.drain(..excess).collect();
        self.generation += 1;
        Ok((baseline, dropped))
    }

    /// Puts back a baseline that was saved, in the place of its version.
    pub fn restore(&mut self, baseline: Baseline) {
        let key = (
            baseline.name.clone(),
            baseline.metric.to_string(),
            baseline.labels.clone(),
        );
        let versions = self.versions(key);
        versions.retain(|other| other.version != baseline.version);
        let place = versions.partition_point(|other| other.version < baseline.version);
        versions.insert(place, Arc::new(baseline));
        self.generation += 1;
    }

    /// The versions of one, also where there are none yet.
    fn versions(&mut self, key: Key) -> &mut Vec<Arc<Baseline>> {
        let (name, metric, labels) = &key;
        let shape = labels.iter().map(|(name, _)| name.to_owned()).collect();
        let shapes = self.shapes.entry((name.clone(), metric.clone()));
        shapes.or_default().insert(shape);
        self.named.entry(key).or_default()
    }

    /// Removes all versions of the baselines of that name, of one metric where one is given; returns them.
    pub fn remove(&mut self, name: &str, metric: Option<&Metric>) -> Vec<Arc<Baseline>> {
        let metric = metric.map(ToString::to_string);
        let mut removed = Vec::new();
        self.named.retain(|(other, of, _), versions| {
            let goes = other == name && metric.as_ref().is_none_or(|metric| metric == of);
            if goes {
                removed.append(versions);
            }
            !goes
        });
        self.shapes.retain(|(other, of), _| {
            !(other == name && metric.as_ref().is_none_or(|metric| metric == of))
        });
        self.generation += u64::from(!removed.is_empty());
        removed
    }

    /// The newest version of each.
    pub fn newest(&self) -> impl Iterator<Item = &Arc<Baseline>> {
        self.named.values().filter_map(|versions| versions.last())
    }

    /// All versions of all, the oldest of each first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Baseline>> {
        self.named.values().flatten()
    }

    /// The baseline of that name for an instance: of those whose labels it has all, the one with the most.
    pub fn find(&self, name: &str, metric: &Metric, instance: &Labels) -> Option<&Arc<Baseline>> {
        let of = (name.to_owned(), metric.to_string());
        let found = self.shapes.get(&of)?.iter().filter_map(|shape| {
            let pairs = shape.iter().map(|name| (&**name, instance.get(name)));
            let key = (of.0.clone(), of.1.clone(), pairs.collect());
            self.named.get(&key)?.last()
        });
        found.max_by_key(|baseline| baseline.labels.iter().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: f64) -> Content {
        Content::Number { value, sd: None }
    }

    #[test]
    fn the_baseline_with_the_most_labels_of_an_instance_holds_for_it() {
        let mut baselines = Baselines::default();
        let of = |labels: &[(&str, &str)]| labels.iter().copied().collect::<Labels>();
        for (labels, value) in [(of(&[]), 1.0), (of(&[("operation", "a")]), 2.0)] {
            baselines
                .set(
                    "good",
                    Metric::Duration,
                    labels,
                    number(value),
                    Timestamp::default(),
                )
                .unwrap();
        }
        let value = |baselines: &Baselines, labels: &[(&str, &str)]| {
            let found = baselines.find("good", &Metric::Duration, &of(labels))?;
            Some(found.content.clone())
        };
        assert_eq!(
            value(&baselines, &[("operation", "a"), ("algorithm", "x")]),
            Some(number(2.0))
        );
        assert_eq!(value(&baselines, &[("operation", "b")]), Some(number(1.0)));
        assert!(baselines.find("good", &Metric::Cpu, &of(&[])).is_none());
        assert_eq!(baselines.remove("good", Some(&Metric::Duration)).len(), 2);
        assert_eq!(value(&baselines, &[]), None);
    }

    #[test]
    fn setting_again_makes_a_version_and_the_oldest_go() {
        let mut baselines = Baselines::default();
        let mut gone = Vec::new();
        for n in 1..=12_u32 {
            let (set, dropped) = baselines
                .set(
                    "good",
                    Metric::Cpu,
                    Labels::default(),
                    number(f64::from(n)),
                    Timestamp::default(),
                )
                .unwrap();
            assert_eq!(set.version, n);
            gone.extend(dropped.iter().map(|one| one.version));
        }
        assert_eq!(gone, [1, 2]);
        assert_eq!(baselines.all().count(), MAX_VERSIONS);
        let mut again = Baselines::default();
        for one in baselines
            .all()
            .cloned()
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
        {
            again.restore((*one).clone());
        }
        assert!(again.all().eq(baselines.all()));
    }
}

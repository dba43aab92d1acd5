//! All metrics of all instances, against an earlier set or a baseline that was set.

use std::collections::BTreeSet;

use super::{Findings, Question, Reference, Set, judge};
use crate::engine::baseline::{Baseline, Baselines, Content};
use crate::engine::cohort::{Cohort, Scale};
use crate::engine::metric::Metric;
use crate::engine::series::Labels;
use crate::engine::time::Timestamp;

/// Compares a set with an earlier one.
pub fn compare(question: &Question, baseline: &Set, current: &Set) -> Findings {
    let keys: BTreeSet<_> = baseline.keys().chain(current.keys()).collect();
    let (mut rows, mut undirected) = (Vec::new(), BTreeSet::new());
    for key in keys {
        let (labels, name) = key;
        let metric = Metric::named(name);
        if question.worse(&metric).is_none() {
            undirected.insert(name.clone());
        }
        if !question.asks_of(&metric) {
            continue;
        }
        let before = baseline
            .get(key)
            .and_then(|values| values.cohort(None, None));
        let scale = before.as_ref().map(|before| before.scale);
        let now = current
            .get(key)
            .and_then(|values| values.cohort(scale, None));
        let reference = before.as_ref().map(Reference::Cohort);
        rows.push(judge(question, labels, &metric, now.as_ref(), reference));
    }
    Findings::new(rows, undirected)
}

/// Compares with a baseline that was set, by its name. `instances` have values now; `current` gives those of one that came
/// after a time, on a scale. `None` where there is no baseline of that name.
pub fn compare_with_pinned(
    question: &Question,
    baselines: &Baselines,
    name: &str,
    instances: &BTreeSet<(Labels, String)>,
    current: impl Fn(&Labels, &Metric, Option<Scale>, Option<Timestamp>) -> Option<Cohort>,
) -> Option<Findings> {
    let set: Vec<_> = baselines.newest().filter(|one| one.name == name).collect();
    if set.is_empty() {
        return None;
    }
    let mut rows = Vec::new();
    let mut used = BTreeSet::new();
    for (labels, metric) in instances {
        let metric = Metric::named(metric);
        if !question.asks_of(&metric) || !question.asks_for(labels.get("operation")) {
            continue;
        }
        let Some(baseline) = baselines.find(name, &metric, labels) else {
            // Of a baseline it is known which metrics it is of: the others are no news unless they are asked for.
            if !question.metrics.is_empty() {
                let now = current(labels, &metric, None, None);
                if now.is_some() {
                    rows.push(judge(question, labels, &metric, now.as_ref(), None));
                }
            }
            continue;
        };
        used.insert((baseline.labels.clone(), metric.to_string()));
        let (reference, scale, after) = parts(baseline);
        let now = current(labels, &metric, scale, after);
        rows.push(judge(
            question,
            labels,
            &metric,
            now.as_ref(),
            Some(reference),
        ));
    }
    for baseline in set {
        let key = (baseline.labels.clone(), baseline.metric.to_string());
        let operation = baseline.labels.get("operation");
        let is_asked = operation.is_empty() || question.asks_for(operation);
        if is_asked && question.asks_of(&baseline.metric) && !used.contains(&key) {
            let (reference, ..) = parts(baseline);
            rows.push(judge(
                question,
                &baseline.labels,
                &baseline.metric,
                None,
                Some(reference),
            ));
        }
    }
    Some(Findings::new(rows, BTreeSet::new()))
}

/// What a baseline says, the scale that values are compared with it on, and the time up to which they are its own.
fn parts(baseline: &Baseline) -> (Reference<'_>, Option<Scale>, Option<Timestamp>) {
    match &baseline.content {
        Content::Number { value, sd } => (Reference::Number(*value, *sd), None, None),
        Content::Measured { cohort, to, .. } => {
            (Reference::Cohort(cohort), Some(cohort.scale), Some(*to))
        }
    }
}

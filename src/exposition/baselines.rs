//! Families of baselines: those that were set, and those that rules have learned.

use std::cmp::Reverse;
use std::io;
use std::sync::Arc;

use super::family::{Emit, Family, Value};
use super::labels::{LabelText, Rendered};
use super::page::Page;
use crate::engine::Engine;
use crate::engine::baseline::{Baseline, stat_of};
use crate::engine::cohort::Cohort;
use crate::engine::condition::Condition;
use crate::engine::metric::{Metric, Stat};
use crate::engine::series::{Labels, is_label_name};
use crate::engine::time::Timestamp;
use crate::rulefile::against_name;

const LABELS: &str = "those of the baseline, `baseline`, `metric`";
const STATS: &str = "those of the baseline, `baseline`, `metric`, `stat`";
/// Baselines on a page; those that were set come first.
const MAX_SHOWN: usize = 2_000;
/// What is shown of each.
const SHOWN: [(&str, Stat); 4] = [
    (r#"stat="mean""#, Stat::Mean),
    (r#"stat="median""#, Stat::Quantile(0.5)),
    (r#"stat="p95""#, Stat::Quantile(0.95)),
    (r#"stat="p99""#, Stat::Quantile(0.99)),
];

pub(super) const FAMILIES: &[Family] = &[
    Family::gauge(
        "opwatch_baseline_value",
        STATS,
        "What a metric is like when all is well: as it was set, or as a rule has learned it; a number is every statistic.",
        |page, emit| {
            rows(page, |row| {
                SHOWN
                    .iter()
                    .try_for_each(|(extra, stat)| match row.says.stat(*stat) {
                        Some(value) => {
                            emit(Rendered::with(&row.labels, extra), Value::Number(value))
                        }
                        None => Ok(()),
                    })
            })
        },
    ),
    Family::gauge(
        "opwatch_baseline_samples",
        LABELS,
        "On how many values a baseline rests; 0 for a number.",
        |page, emit| one(page, emit, |row| Value::Count(row.says.samples())),
    ),
    Family::gauge(
        "opwatch_baseline_timestamp",
        LABELS,
        "When a baseline was set or last learned, as Unix time.",
        |page, emit| one(page, emit, |row| Value::unix_time(row.at)),
    )
    .seconds(),
];

fn rows(page: &Page, each: impl FnMut(&BaselineRow) -> io::Result<()>) -> io::Result<()> {
    page.snapshot.baselines.iter().try_for_each(each)
}

fn one(
    page: &Page,
    emit: &mut Emit<'_>,
    value: fn(&BaselineRow) -> Value<'static>,
) -> io::Result<()> {
    rows(page, |row| emit(Rendered::new(&row.labels), value(row)))
}

/// One baseline.
#[derive(Debug)]
pub(super) struct BaselineRow {
    pub(super) labels: Box<str>,
    /// When it was set or learned.
    at: Timestamp,
    says: Says,
}

/// What it says; shared, so that nothing is worked out before it is written.
#[derive(Debug)]
enum Says {
    Set(Arc<Baseline>),
    Learned(Arc<Cohort>),
}

impl Says {
    fn stat(&self, stat: Stat) -> Option<f64> {
        match self {
            Self::Set(baseline) => baseline.stat(stat),
            Self::Learned(cohort) => stat_of(cohort, stat),
        }
    }

    fn samples(&self) -> u64 {
        match self {
            Self::Set(baseline) => baseline.samples(),
            Self::Learned(cohort) => cohort.summary.n,
        }
    }
}

impl BaselineRow {
    /// The rows of what the engine has, sorted by labels; counts in `omitted` those for which there is no room.
    pub(super) fn all(engine: &Engine, omitted: &mut u64) -> Vec<Self> {
        let set = engine.baselines().newest().map(|baseline| Self {
            labels: rendered(&baseline.labels, &baseline.name, &baseline.metric),
            at: baseline.set_at,
            says: Says::Set(baseline.clone()),
        });
        let rules = engine.groups().iter().flat_map(|group| &group.rules);
        let learned = rules.flat_map(|rule| {
            let regression = match &rule.rule.condition {
                Condition::Regression(regression) => Some(regression),
                _ => None,
            };
            regression.into_iter().flat_map(|regression| {
                let name = against_name(&regression.against);
                rule.instances.values().filter_map(move |instance| {
                    let learned = instance.by.compared()?.learned()?;
                    Some(Self {
                        labels: rendered(&instance.labels, &name, &regression.metric),
                        at: learned.at,
                        says: Says::Learned(learned.cohort.clone()),
                    })
                })
            })
        });
        let mut rows: Vec<Self> = set.take(MAX_SHOWN).collect();
        *omitted += engine
            .baselines()
            .newest()
            .count()
            .saturating_sub(MAX_SHOWN) as u64;
        let room = MAX_SHOWN - rows.len();
        let mut learned: Vec<Self> = learned.collect();
        // Rules may share a reference; the one that was learned last stays.
        learned.sort_by(|a, b| (&a.labels, Reverse(a.at)).cmp(&(&b.labels, Reverse(b.at))));
        learned.dedup_by(|a, b| a.labels == b.labels);
        *omitted += learned.len().saturating_sub(room) as u64;
        rows.extend(learned.into_iter().take(room));
        // Stable: of a set and a learned one with equal labels the one that was set stays.
        rows.sort_by(|a, b| a.labels.cmp(&b.labels));
        let before = rows.len();
        rows.dedup_by(|a, b| a.labels == b.labels);
        *omitted += (before - rows.len()) as u64;
        rows
    }
}

fn rendered(labels: &Labels, name: &str, metric: &Metric) -> Box<str> {
    // The instance's labels come sorted; ours follow, so that equal label sets render equally.
    let is_own = |name: &str| ["baseline", "metric", "stat"].contains(&name);
    let others = labels
        .iter()
        .filter(|(name, _)| is_label_name(name) && !is_own(name));
    let mut text = LabelText::of(others);
    text.push("baseline", name);
    text.push("metric", &metric.to_string());
    text.into_boxed()
}

//! Setting baselines: from what was measured, or as numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Engine;
use super::baseline::{
    Baseline, Baselines, Content, Gathered, SetError, Source, gather, is_by_factors,
};
use super::cohort::Cohort;
use super::metric::Metric;
use super::selector::Selector;
use super::series::Labels;
use super::store::SeriesId;
use super::time::{Now, Timestamp};
use super::window::Reach;

/// A baseline that somebody wants to set.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Of which metric.
    pub metric: Metric,
    /// What it is to say.
    pub content: WantedContent,
}

/// What a baseline is to say.
#[derive(Clone, Debug)]
pub enum WantedContent {
    /// A number, or what was measured elsewhere or before.
    Given {
        /// Whose it is.
        labels: Labels,
        /// What it says.
        content: Content,
    },
    /// What was measured: a baseline for each instance that is selected.
    Measured {
        /// Which series.
        select: Selector,
        /// Labels that make an instance.
        by: Vec<String>,
        /// How far back.
        reach: Reach,
        /// Up to when; without, up to now.
        until: Option<Timestamp>,
    },
}

/// Why no baseline is set.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WantedError {
    /// Nothing was selected.
    #[error("nothing that was measured is selected by {select}")]
    NoSeries {
        /// The selector.
        select: String,
    },
    /// What was selected has no values of the metric in that window.
    #[error("no value of `{metric}` was measured in that window, of {}", listed(.instances))]
    NoData {
        /// The metric.
        metric: Metric,
        /// Who was selected.
        instances: Vec<Labels>,
    },
    /// There are too many.
    #[error(transparent)]
    Set(#[from] SetError),
}

/// The first few of them, and how many more there are.
fn listed(instances: &[Labels]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = instances
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect();
    let mut text = shown.join(", ");
    let more = instances.len().saturating_sub(SHOWN);
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}

/// Baselines that were set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Set {
    /// They.
    pub baselines: Vec<Arc<Baseline>>,
    /// Who was selected as well, but has no value in that window, so that nothing was set.
    pub without_values: Vec<Labels>,
}

impl Engine {
    /// The baselines that were set.
    pub fn baselines(&self) -> &Arc<Baselines> {
        &self.baselines
    }

    /// Takes baselines that were set elsewhere in the place of its own.
    pub fn take_baselines(&mut self, baselines: Arc<Baselines>) {
        self.baselines = baselines;
    }

    /// Sets what is wanted: all of it, or nothing.
    ///
    /// # Errors
    /// When there is nothing to set, or no room for it.
    pub fn set_baselines(&mut self, wanted: &[Wanted], now: Now) -> Result<Set, WantedError> {
        let mut baselines = (*self.baselines).clone();
        let (mut set, mut gone) = (Set::default(), Vec::new());
        for one in wanted {
            for (labels, content) in self.contents(one, now, &mut set.without_values)? {
                let metric = one.metric.clone();
                let (baseline, dropped) =
                    baselines.set(&one.name, metric, labels, content, now.wall)?;
                gone.extend(dropped);
                set.baselines.push(baseline);
            }
        }
        self.baselines = Arc::new(baselines);
        for baseline in &set.baselines {
            self.note_baseline(baseline, false);
        }
        for baseline in &gone {
            self.note_baseline(baseline, true);
        }
        Ok(set)
    }

    /// What is wanted, for each whose it is.
    fn contents(
        &self,
        wanted: &Wanted,
        now: Now,
        without_values: &mut Vec<Labels>,
    ) -> Result<Vec<(Labels, Content)>, WantedError> {
        let (select, by, reach, until) = match &wanted.content {
            WantedContent::Given { labels, content } => {
                return Ok(vec![(labels.clone(), content.clone())]);
            }
            WantedContent::Measured {
                select,
                by,
                reach,
                until,
            } => (select, by, *reach, *until),
        };
        let instances = self.instances(select, by);
        if instances.is_empty() {
            return Err(WantedError::NoSeries {
                select: select.to_string(),
            });
        }
        let (mut contents, mut without) = (Vec::new(), Vec::new());
        for (labels, series) in instances {
            match self.measured(&series, &wanted.metric, reach, until, now.wall) {
                Some(content) => contents.push((labels, content)),
                None => without.push(labels),
            }
        }
        if contents.is_empty() {
            return Err(WantedError::NoData {
                metric: wanted.metric.clone(),
                instances: without,
            });
        }
        without_values.append(&mut without);
        Ok(contents)
    }

    /// Takes a baseline back that was kept elsewhere than with the engine's state, unless that version or a later one is
    /// there; whether it was taken.
    pub fn take_back_baseline(&mut self, baseline: Baseline) -> bool {
        let is_there = self.baselines.newest().any(|other| {
            other.name == baseline.name
                && other.metric == baseline.metric
                && other.labels == baseline.labels
                && other.version >= baseline.version
        });
        if !is_there {
            self.note_baseline(&baseline, false);
            Arc::make_mut(&mut self.baselines).restore(baseline);
        }
        !is_there
    }

    /// Removes all versions of the baselines of that name, of one metric where one is given; how many.
    pub fn remove_baselines(&mut self, name: &str, metric: Option<&Metric>) -> usize {
        let removed = Arc::make_mut(&mut self.baselines).remove(name, metric);
        for baseline in &removed {
            self.note_baseline(baseline, true);
        }
        removed.len()
    }

    /// The series that are selected, by the labels that make an instance. Overflow series only where they are asked for.
    pub fn instances(&self, select: &Selector, by: &[String]) -> BTreeMap<Labels, Vec<SeriesId>> {
        let overflow_asked = select.matchers().iter().any(|m| m.name() == "overflow");
        let mut instances: BTreeMap<Labels, Vec<SeriesId>> = BTreeMap::new();
        for (id, series) in self.store.series() {
            let key = &series.key;
            if (!key.is_overflow() || overflow_asked) && select.matches(|name| key.get(name)) {
                let labels = by
                    .iter()
                    .map(|name| (name.as_str(), key.get(name)))
                    .collect();
                instances.entry(labels).or_default().push(id);
            }
        }
        instances
    }

    /// The values of a metric over several series that came after `after`, up to `until`, or to `now`.
    pub fn gather(
        &self,
        series: &[SeriesId],
        metric: &Metric,
        reach: Reach,
        (after, until): (Option<Timestamp>, Option<Timestamp>),
        now: Timestamp,
    ) -> Gathered {
        let divisor = match metric {
            Metric::CpuRatio => match self.cpu_limit {
                Some(limit) => Some(limit),
                None => return Gathered::default(),
            },
            _ => None,
        };
        let source = Source {
            store: &self.store,
            series,
            metric,
            divisor,
            until,
        };
        gather(source, reach, after, until.unwrap_or(now), &[])
    }

    fn measured(
        &self,
        series: &[SeriesId],
        metric: &Metric,
        reach: Reach,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Content> {
        let gathered = self.gather(series, metric, reach, (None, until), now);
        let (from, to) = gathered.span?;
        let cohort = Cohort::of(
            &gathered.course,
            gathered.summary,
            is_by_factors(metric),
            None,
        )?;
        Some(Content::Measured {
            cohort: Arc::new(cohort),
            from,
            to,
        })
    }
}

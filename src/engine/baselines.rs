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
    /// A number, for every instance with these labels.
    Number {
        /// Whose it is.
        labels: Labels,
        /// The number.
        value: f64,
        /// The standard deviation that goes with it.
        sd: Option<f64>,
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
    #[error("no series is selected")]
    NoSeries,
    /// What was selected has no values of the metric in that window.
    #[error("no value of `{metric}` was measured in that window")]
    NoData {
        /// The metric.
        metric: Metric,
    },
    /// There are too many.
    #[error(transparent)]
    Set(#[from] SetError),
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

    /// Sets a baseline for each instance that is selected and has values; returns them.
    ///
    /// # Errors
    /// When there is nothing to set, or no room for it.
    pub fn set_baseline(
        &mut self,
        wanted: &Wanted,
        now: Now,
    ) -> Result<Vec<Arc<Baseline>>, WantedError> {
        let contents = match &wanted.content {
            WantedContent::Number { labels, value, sd } => {
                let number = Content::Number {
                    value: *value,
                    sd: *sd,
                };
                vec![(labels.clone(), number)]
            }
            WantedContent::Measured {
                select,
                by,
                reach,
                until,
            } => {
                let end = until.unwrap_or(now.wall);
                let instances = self.instances(select, by);
                if instances.is_empty() {
                    return Err(WantedError::NoSeries);
                }
                (instances.into_iter())
                    .filter_map(|(labels, series)| {
                        Some((labels, self.measured(&series, &wanted.metric, *reach, end)?))
                    })
                    .collect()
            }
        };
        if contents.is_empty() {
            return Err(WantedError::NoData {
                metric: wanted.metric.clone(),
            });
        }
        let mut set = Vec::new();
        for (labels, content) in contents {
            let baselines = Arc::make_mut(&mut self.baselines);
            let metric = wanted.metric.clone();
            let (baseline, dropped) =
                baselines.set(&wanted.name, metric, labels, content, now.wall)?;
            for gone in &dropped {
                self.note_baseline(gone, true);
            }
            self.note_baseline(&baseline, false);
            set.push(baseline);
        }
        Ok(set)
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

    /// The values of a metric over several series.
    pub fn gather(
        &self,
        series: &[SeriesId],
        metric: &Metric,
        reach: Reach,
        end: Timestamp,
    ) -> Gathered {
        self.gather_after(series, metric, reach, None, end)
    }

    /// The same of what came after a time, where one is given.
    pub fn gather_after(
        &self,
        series: &[SeriesId],
        metric: &Metric,
        reach: Reach,
        after: Option<Timestamp>,
        end: Timestamp,
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
        };
        gather(source, reach, after, end, &[])
    }

    fn measured(
        &self,
        series: &[SeriesId],
        metric: &Metric,
        reach: Reach,
        end: Timestamp,
    ) -> Option<Content> {
        let gathered = self.gather(series, metric, reach, end);
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

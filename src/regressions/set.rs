//! The values of measurements, by instance and metric.

use std::collections::BTreeMap;

use super::Question;
use crate::engine::baseline::is_by_factors;
use crate::engine::cohort::{Cohort, Course, Scale, Summary};
use crate::engine::measurement::{Measurement, Outcome, count};
use crate::engine::metric::{Metric, Stat};
use crate::engine::series::Labels;
use crate::engine::stats::{Moments, linear};
use crate::engine::time::Timestamp;

/// An instance and the name of a metric.
type Key = (Labels, String);

/// The values of one metric, in the order of their time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    values: Vec<f64>,
    /// When each was, where that is known.
    times: Vec<Option<Timestamp>>,
    /// The weight of each.
    weights: Vec<f64>,
    is_by_factors: bool,
}

impl Values {
    fn add(&mut self, metric: &Metric, at: Option<Timestamp>, value: f64, weight: f64) {
        self.is_by_factors = is_by_factors(metric);
        self.values.push(value);
        self.times.push(at);
        self.weights.push(weight);
    }

    /// A statistic of them, exact; `None` without any.
    pub(super) fn stat(&self, stat: Stat) -> Option<f64> {
        match stat {
            Stat::Quantile(q) => {
                let mut sorted = self.values.clone();
                sorted.sort_by(f64::total_cmp);
                linear(&sorted, q)
            }
            _ => Moments::of(&self.values, &self.weights).mean(),
        }
    }

    /// Single values of equal weight, in their order.
    pub(super) fn of(metric: &Metric, values: impl IntoIterator<Item = f64>) -> Self {
        let mut all = Self::default();
        for value in values {
            all.add(metric, None, value, 1.0);
        }
        all
    }

    /// Those that came after a time, where one is given, as a cohort, on a scale where one is given; `None` without any.
    pub fn cohort(&self, scale: Option<Scale>, after: Option<Timestamp>) -> Option<Cohort> {
        let first = after.map_or(0, |after| {
            self.times.partition_point(|at| *at <= Some(after))
        });
        let values = self.values.get(first..)?;
        let moments = Moments::of(values, self.weights.get(first..)?);
        let summary = Summary {
            n: moments.count(),
            mean: moments.mean()?,
            sd: moments.std_dev(),
            min: moments.min()?,
            max: moments.max()?,
        };
        let course = Course::of(values.iter().copied());
        Cohort::of(&course, Some(summary), self.is_by_factors, scale)
    }
}

/// The values of measurements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Set(BTreeMap<Key, Values>);

impl Set {
    /// The values of measurements, which are in the order of their time, as far as the question asks for them.
    pub fn of<'m>(
        question: &Question,
        measurements: impl IntoIterator<Item = &'m Measurement>,
    ) -> Self {
        let mut set = Self::default();
        for measurement in measurements {
            set.add(question, measurement);
        }
        set
    }

    fn add(&mut self, question: &Question, measurement: &Measurement) {
        let Some(labels) = instance(question, measurement) else {
            return;
        };
        for_each_value(measurement, |metric, value, weight| {
            let of_metric = self.0.entry((labels.clone(), metric.to_string()));
            let of_metric = of_metric.or_default();
            of_metric.add(&metric, measurement.at, value, weight);
        });
    }

    /// Whether there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The instances with their metrics.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.keys()
    }

    /// The values of one of them.
    pub fn get(&self, key: &Key) -> Option<&Values> {
        self.0.get(key)
    }
}

/// The instance that a measurement is of; `None` where the question does not ask for it.
fn instance(question: &Question, measurement: &Measurement) -> Option<Labels> {
    let key = &measurement.key;
    if key.is_overflow() || !question.asks_for(key.operation()) {
        return None;
    }
    let labels = question.by.iter();
    let labels = labels.map(|name| (name.as_str(), key.get(name)));
    Some(labels.filter(|(_, value)| !value.is_empty()).collect())
}

/// A run of continuous integration.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What its label says; of a measurement without one when it was made, or its place among all.
    pub name: String,
    /// When the first of its measurements was made, where that is known.
    pub at: Option<Timestamp>,
}

/// The values of measurements, run by run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Runs {
    /// The runs, in the order of the first measurement of each.
    pub runs: Vec<Run>,
    /// What was measured, by the place of the run.
    pub(super) values: BTreeMap<Key, BTreeMap<usize, Values>>,
}

impl Runs {
    /// The runs of measurements, which are in the order of their time. What has the same value of that label is of one run;
    /// what has none is one by itself.
    pub fn of(question: &Question, label: &str, measurements: &[Measurement]) -> Self {
        let mut all = Self::default();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for measurement in measurements {
            let Some(labels) = instance(question, measurement) else {
                continue;
            };
            let named = measurement.key.get(label);
            let known = places.get(named).copied().filter(|_| !named.is_empty());
            let place = known.unwrap_or_else(|| {
                let place = all.runs.len();
                let name = match (named, measurement.at) {
                    ("", Some(at)) => at.to_string(),
                    ("", None) => format!("#{}", place + 1),
                    (named, _) => named.to_owned(),
                };
                places.insert(named.to_owned(), place);
                let at = measurement.at;
                all.runs.push(Run { name, at });
                place
            });
            for_each_value(measurement, |metric, value, weight| {
                let of_metric = all.values.entry((labels.clone(), metric.to_string()));
                let of_run = of_metric.or_default().entry(place).or_default();
                of_run.add(&metric, measurement.at, value, weight);
            });
        }
        all
    }
}

/// What a measurement says, as the store takes it: an operation that failed has no duration, throughput or score.
pub(crate) fn for_each_value(m: &Measurement, mut each: impl FnMut(Metric, f64, f64)) {
    let failed = m.outcome == Outcome::Failure;
    let succeeded = |value: Option<f64>| value.filter(|_| !failed);
    let outcome = m.is_operation.then_some(f64::from(u8::from(failed)));
    let plain = [
        (Metric::ErrorRatio, outcome),
        (Metric::Duration, succeeded(m.duration_seconds)),
        (Metric::Setup, succeeded(m.setup_seconds)),
        (Metric::Cleanup, succeeded(m.cleanup_seconds)),
        (Metric::Cpu, m.cpu_cores),
        (Metric::Memory, m.memory_bytes),
        (Metric::MemoryPeak, m.memory_peak_bytes),
        (Metric::Samples, m.samples.map(count)),
    ];
    for (metric, value) in plain {
        if let Some(value) = value {
            each(metric, value, 1.0);
        }
    }
    if let Some(throughput) = succeeded(m.throughput()) {
        each(
            Metric::Throughput,
            throughput,
            m.duration_seconds.unwrap_or(1.0),
        );
    }
    if !failed {
        let weight = m.quality_samples.map_or(1.0, count);
        for (name, value) in &m.quality {
            each(Metric::Score(name.as_ref().into()), *value, weight);
        }
    }
}

//! What was seen: the values of each series of each metric of each operation, in the order of their time.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::metric::{Metric, Stat};
use crate::engine::series::SeriesKey;
use crate::engine::stats::linear;
use crate::engine::time::Timestamp;
use crate::regressions::for_each_value;
use crate::replay::Recording;

/// The values of one metric of one series.
#[derive(Clone, Debug)]
pub struct Course {
    /// Whose they are.
    pub key: SeriesKey,
    /// Times and values, the earliest first.
    pub values: Vec<(Timestamp, f64)>,
}

/// One operation.
#[derive(Clone, Debug, Default)]
pub struct Operation {
    /// Each metric by its name, with the series that have it.
    pub metrics: BTreeMap<String, (Metric, Vec<Course>)>,
    /// When its operations ended, whether they succeeded or failed.
    pub ends: Vec<Timestamp>,
}

/// The operations by name; series that share what others had no room for are left out.
pub fn operations(recording: &Recording) -> BTreeMap<String, Operation> {
    let mut all: BTreeMap<String, Operation> = BTreeMap::new();
    let mut places: BTreeMap<(SeriesKey, String), usize> = BTreeMap::new();
    for measurement in recording.measurements() {
        let key = &measurement.key;
        let Some(at) = measurement.at.filter(|_| !key.is_overflow()) else {
            continue;
        };
        if !all.contains_key(key.operation()) {
            all.insert(key.operation().to_owned(), Operation::default());
        }
        let Some(operation) = all.get_mut(key.operation()) else {
            continue;
        };
        if measurement.is_operation {
            operation.ends.push(at);
        }
        for_each_value(measurement, |metric, value, _| {
            let name = metric.to_string();
            let of_metric = operation.metrics.entry(name.clone());
            let (_, courses) = of_metric.or_insert_with(|| (metric, Vec::new()));
            let place = *places.entry((key.clone(), name)).or_insert_with(|| {
                courses.push(Course {
                    key: key.clone(),
                    values: Vec::new(),
                });
                courses.len() - 1
            });
            if let Some(course) = courses.get_mut(place) {
                course.values.push((at, value));
            }
        });
    }
    all
}

/// The values of several series as those of one, in the order of their time.
pub fn together<'a>(courses: impl IntoIterator<Item = &'a Course>) -> Vec<(Timestamp, f64)> {
    let values = courses
        .into_iter()
        .flat_map(|course| course.values.iter().copied());
    let mut values: Vec<_> = values.collect();
    values.sort_by_key(|(at, _)| *at);
    values
}

/// The `q`-quantile of values.
pub fn quantile(values: impl IntoIterator<Item = f64>, q: f64) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    linear(&values, q)
}

/// The values of a label of these series, the empty one where a series does not have it.
pub fn values_of<'a>(label: &str, courses: &[&'a Course]) -> BTreeSet<&'a str> {
    courses.iter().map(|course| course.key.get(label)).collect()
}

/// The share of a quantile as a number between 0 and 1; `None` of other statistics.
pub fn share(stat: Stat) -> Option<f64> {
    match stat {
        Stat::Quantile(q) => Some(q),
        _ => None,
    }
}

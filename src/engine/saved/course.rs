//! What an alert has found so far, and the course that its value has taken.

use std::time::Duration;

use crate::engine::dispatch::Course;
use crate::engine::tally::Tally;
use crate::engine::time::{Timestamp, nanos};

/// What an alert has found so far.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct TallyMessage {
    #[prost(uint64, tag = "1")]
    evaluations: u64,
    #[prost(uint64, tag = "2")]
    values: u64,
    #[prost(sint64, tag = "3")]
    first: i64,
    #[prost(sint64, tag = "4")]
    last: i64,
    #[prost(double, optional, tag = "5")]
    worst: Option<f64>,
}

impl TallyMessage {
    pub(super) fn of(tally: Tally) -> Self {
        Self {
            evaluations: tally.evaluations,
            values: tally.values,
            first: tally.first.millis(),
            last: tally.last.millis(),
            worst: tally.worst,
        }
    }

    pub(super) fn read(self) -> Tally {
        Tally {
            evaluations: self.evaluations,
            values: self.values,
            first: Timestamp::from_millis(self.first),
            last: Timestamp::from_millis(self.last),
            worst: self.worst,
        }
    }
}

/// The course that an alert's value has taken.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CourseMessage {
    #[prost(fixed64, tag = "1")]
    fingerprint: u64,
    #[prost(uint64, tag = "2")]
    step: u64,
    #[prost(sint64, tag = "3")]
    to: i64,
    /// NaN where there was none.
    #[prost(double, repeated, tag = "4")]
    values: Vec<f64>,
    #[prost(double, optional, tag = "5")]
    low: Option<f64>,
    #[prost(double, optional, tag = "6")]
    high: Option<f64>,
}

impl CourseMessage {
    pub(super) fn of(course: &Course) -> Self {
        let values = course.values.iter();
        Self {
            fingerprint: course.fingerprint,
            step: nanos(course.step),
            to: course.to.millis(),
            values: values.map(|value| value.unwrap_or(f64::NAN)).collect(),
            low: course.usual.map(|(low, _)| low),
            high: course.usual.map(|(_, high)| high),
        }
    }

    pub(super) fn read(self) -> Course {
        let values = self.values.into_iter();
        Course {
            fingerprint: self.fingerprint,
            step: Duration::from_nanos(self.step),
            to: Timestamp::from_millis(self.to),
            values: values
                .map(|value| (!value.is_nan()).then_some(value))
                .collect(),
            usual: self.low.zip(self.high),
        }
    }
}

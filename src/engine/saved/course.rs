//! The courses of values that go with a notification, as they are saved.

use std::time::Duration;

use crate::engine::dispatch::Course;
use crate::engine::time::{Timestamp, nanos};

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

//! What an instance is judged by, with what is remembered of it.

use super::charted::Chart;
use super::compared::Compared;
use super::detecting::Detecting;
use crate::engine::condition::Condition;

/// What an instance is judged by: its rule says which, and it stays so.
#[derive(Clone, Debug)]
pub enum By {
    /// Its window beside fixed limits, or when it was last seen: nothing is remembered.
    Window,
    /// Its window beside a baseline.
    Baseline(Box<Compared>),
    /// The trend of the buckets of its window.
    Trend(Box<Chart>),
    /// A detector that it feeds with blocks.
    Detector(Box<Detecting>),
}

impl By {
    /// That of an instance of which nothing is known.
    pub(super) fn of(condition: &Condition) -> Self {
        match condition {
            Condition::Detection(detection) => Self::Detector(Box::new(Detecting::new(detection))),
            Condition::Trend(_) => Self::Trend(Box::default()),
            Condition::Threshold(_) | Condition::Regression(_) | Condition::Absence(_) => {
                match condition.against() {
                    Some(_) => Self::Baseline(Box::default()),
                    None => Self::Window,
                }
            }
        }
    }

    /// What is remembered of a comparison with a baseline.
    pub fn compared(&self) -> Option<&Compared> {
        match self {
            Self::Baseline(compared) => Some(compared),
            Self::Window | Self::Trend(_) | Self::Detector(_) => None,
        }
    }

    pub(in crate::engine) fn compared_mut(&mut self) -> Option<&mut Compared> {
        match self {
            Self::Baseline(compared) => Some(compared),
            Self::Window | Self::Trend(_) | Self::Detector(_) => None,
        }
    }

    /// What is remembered of a trend.
    pub fn chart(&self) -> Option<&Chart> {
        match self {
            Self::Trend(chart) => Some(chart),
            Self::Window | Self::Baseline(_) | Self::Detector(_) => None,
        }
    }

    /// What a detector remembers.
    pub fn detecting(&self) -> Option<&Detecting> {
        match self {
            Self::Detector(detecting) => Some(detecting),
            Self::Window | Self::Baseline(_) | Self::Trend(_) => None,
        }
    }

    pub(in crate::engine) fn detecting_mut(&mut self) -> Option<&mut Detecting> {
        match self {
            Self::Detector(detecting) => Some(detecting),
            Self::Window | Self::Baseline(_) | Self::Trend(_) => None,
        }
    }
}

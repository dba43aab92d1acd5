//! One alert an incident: what an alert raises comes down by itself.

/// Days over which the bar comes down by a factor of e ...
const DAYS: f64 = 0.5;
/// ... but at most this share of the points so far, and so many points more: a short history forgets soon.
const SHARE: f64 = 0.05;
const POINTS: f64 = 10.0;
/// How far above the score of an alert the bar is set. At 1 an incident would alert again, at 2 it would hide the next.
const RISE: f64 = 1.25;

/// The bar that the next alert has to pass.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bar {
    pub(super) height: f64,
    /// Points with a value so far.
    pub(super) points: u64,
    pub(super) longest: f64,
}

impl Bar {
    pub(super) fn new(points_per_day: f64) -> Self {
        Self {
            height: 0.0,
            points: 0,
            longest: DAYS * points_per_day,
        }
    }

    /// Goes on by one point, with a value or without.
    pub(super) fn ease(&mut self, has_value: bool) {
        if self.height > 0.0 {
            let slow = SHARE * (self.points as f64 + 1.0) + POINTS;
            self.height *= (-1.0 / self.longest.min(slow)).exp();
        }
        self.points += u64::from(has_value);
    }

    /// The score where it passes, else 0. One that alerts raises the bar.
    pub(super) fn hold(&mut self, score: f64, threshold: f64) -> f64 {
        if score <= self.height {
            return 0.0;
        }
        if score >= threshold {
            self.height = score * RISE;
        }
        score
    }
}

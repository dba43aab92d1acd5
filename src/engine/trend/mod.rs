//! Trends: values bucketed by time, whether they rise or fall, how fast, and when they reach a value.

mod points;

use std::time::Duration;

use super::measurement::count;
use super::metric::Worse;
use super::stats::drift::{Drift, drift};
use super::stats::trend::{Line, line};
use super::time::{Timestamp, millis};
pub use points::{Frame, FrameError, gather, settled};

/// A direction is named where chance alone makes one so clear in at most one of so many cases, to either side: with it
/// flat series are stable in 99 % of cases also where their noise is slow ([`super::stats::drift`]).
pub const EVIDENCE: f64 = 1e-3;
/// A trend rests on at least so many buckets, unless somebody says otherwise; independent ones.
pub const LEAST_BUCKETS: u64 = 10;
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The values of one bucket of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// After which time it begins.
    pub begin: Timestamp,
    /// When it ends; what came at that moment belongs to it.
    pub end: Timestamp,
    /// The statistic of its values.
    pub value: f64,
    /// How many they are.
    pub n: u64,
    /// Whether values of it are missing or may still come; then it says nothing about the trend.
    pub is_partial: bool,
}

/// Where values go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// There are too few buckets to tell, or too few independent ones.
    #[default]
    Insufficient,
    /// There is no evidence that they go anywhere.
    Stable,
    /// Up.
    Rising,
    /// Down.
    Falling,
}

impl Direction {
    /// In words; which way is worse makes it `degrading` or `improving`.
    pub fn word(self, worse: Option<Worse>) -> &'static str {
        match (self, worse) {
            (Self::Insufficient, _) => "insufficient data",
            (Self::Stable, _) => "stable",
            (Self::Rising, Some(Worse::Up)) | (Self::Falling, Some(Worse::Down)) => "degrading",
            (Self::Rising, Some(Worse::Down)) | (Self::Falling, Some(Worse::Up)) => "improving",
            (Self::Rising, None) => "rising",
            (Self::Falling, None) => "falling",
        }
    }
}

/// The line through the values. Slopes are per day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fitted {
    /// Slope with its interval, evidence, and how many independent buckets it rests on.
    pub drift: Drift,
    /// The line of least squares; its intercept is at the middle of the first bucket.
    pub line: Option<Line>,
    /// The middle of the first bucket, at which the intercepts are.
    pub first: Timestamp,
    /// From there to the middle of the last bucket, in days.
    pub span: f64,
    /// The value of the line in the middle of that.
    pub level: f64,
}

/// The trend of a series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Trend {
    /// Where values go.
    pub direction: Direction,
    /// How many buckets say so: whole ones with values.
    pub buckets: u64,
    /// How many values are in them.
    pub samples: u64,
    /// The line through them; `None` under three.
    pub fitted: Option<Fitted>,
}

/// When a line reaches a value, in days from the moment that was asked about; 0 where it has already.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// By the line.
    pub after: f64,
    /// By the steepest line of the 95 % interval.
    pub earliest: f64,
    /// By the flattest; `None` for never.
    pub latest: Option<f64>,
}

/// The trend of points in the order of time; partial ones do not count. `bucket` is how long each is, and with at least
/// `least` independent buckets a direction is named.
///
/// Buckets shorter than a day that divide it have a season of a day taken off as soon as five days have come, see
/// [`super::stats::drift`].
pub fn of(points: &[Point], bucket: Duration, least: u64) -> Trend {
    let whole: Vec<&Point> = points.iter().filter(|point| !point.is_partial).collect();
    let mut trend = Trend {
        direction: Direction::Insufficient,
        buckets: whole.len() as u64,
        samples: whole.iter().map(|point| point.n).sum(),
        fitted: None,
    };
    let Some(first) = whole.first().map(|point| middle(point)) else {
        return trend;
    };
    let times: Vec<f64> = whole.iter().map(|p| days(first, middle(p))).collect();
    let values: Vec<f64> = whole.iter().map(|point| point.value).collect();
    let phases = phases(&whole, bucket);
    let Some(drift) = drift(&times, &values, phases.as_deref()) else {
        return trend;
    };
    let span = times.last().copied().unwrap_or_default();
    trend.fitted = Some(Fitted {
        drift,
        line: line(&times, &values),
        first,
        span,
        level: drift.intercept + drift.slope.value * span / 2.0,
    });
    let enough = count(least);
    trend.direction = if count(trend.buckets) < enough || drift.effective < enough {
        Direction::Insufficient
    } else if drift.p_rise <= EVIDENCE {
        Direction::Rising
    } else if drift.p_fall <= EVIDENCE {
        Direction::Falling
    } else {
        Direction::Stable
    };
    trend
}

impl Fitted {
    /// The slope per day as a share of the level; `None` where that is 0.
    pub fn relative(&self) -> Option<f64> {
        share(self.drift.slope.value, self.level)
    }

    /// From the beginning of the line to its end.
    pub fn change(&self) -> f64 {
        self.drift.slope.value * self.span
    }

    /// The same as a share of the beginning, with its 95 % interval.
    pub fn change_ratio(&self) -> Option<(f64, (f64, f64))> {
        let of = |slope: f64| share(slope * self.span, self.drift.intercept);
        let interval = self.drift.slope.interval;
        let ends = (of(interval.low), of(interval.high));
        let infinite = |end: Option<f64>, sign: f64| end.unwrap_or(sign * f64::INFINITY);
        Some((
            of(self.drift.slope.value)?,
            (infinite(ends.0, -1.0), infinite(ends.1, 1.0)),
        ))
    }

    /// The slope per day with which the line would reach a value just at that time, turned about its middle.
    pub fn slope_to(&self, value: f64, at: Timestamp) -> Option<f64> {
        let ahead = self.ahead(at);
        (ahead > 0.0).then(|| (value - self.level) / ahead)
    }

    /// When the line reaches a value, seen from `now`; `None` where it goes the other way, or is flat.
    pub fn reaches(&self, value: f64, now: Timestamp) -> Option<Forecast> {
        let slope = self.drift.slope;
        let ahead = self.ahead(now);
        // From the middle, about which the line may turn.
        let days = |slope: f64| (value - self.level) / slope - ahead;
        let after = |other: f64| (other * slope.value > 0.0).then(|| days(other).max(0.0));
        let by_line = days(slope.value);
        // What lies before its beginning was never reached.
        if !by_line.is_finite() || by_line < -(ahead + self.span / 2.0) {
            return None;
        }
        let (steepest, flattest) = if slope.value > 0.0 {
            (slope.interval.high, slope.interval.low)
        } else {
            (slope.interval.low, slope.interval.high)
        };
        Some(Forecast {
            after: by_line.max(0.0),
            earliest: after(steepest).unwrap_or_default(),
            latest: after(flattest),
        })
    }

    fn ahead(&self, at: Timestamp) -> f64 {
        days(self.first, at) - self.span / 2.0
    }
}

fn share(part: f64, whole: f64) -> Option<f64> {
    let share = part / whole.abs();
    share.is_finite().then_some(share)
}

/// The middle of a bucket.
fn middle(point: &Point) -> Timestamp {
    let (begin, end) = (point.begin.millis(), point.end.millis());
    Timestamp::from_millis(begin + end.saturating_sub(begin) / 2)
}

/// Days from one time to another; below 0 where the other is earlier.
fn days(from: Timestamp, to: Timestamp) -> f64 {
    (to.seconds() - from.seconds()) / DAY.as_secs_f64()
}

/// The time of day of each bucket, by its number; `None` where buckets do not divide the day.
fn phases(points: &[&Point], bucket: Duration) -> Option<Vec<usize>> {
    let (day, bucket) = (millis(DAY), millis(bucket));
    if bucket <= 0 || bucket >= day || day % bucket != 0 {
        return None;
    }
    let phase = |point: &&Point| usize::try_from(point.begin.millis().rem_euclid(day) / bucket);
    points.iter().map(|point| phase(point).ok()).collect()
}

#[cfg(test)]
mod tests;

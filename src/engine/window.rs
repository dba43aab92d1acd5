//! A series, or several merged, cut to a span of time or to the last runs.

use std::time::Duration;

use super::distribution::Distribution;
use super::measurement::count;
use super::metric::Stat;
use super::sample::Sample;
use super::stats::{self, Moments};

/// How far back a window reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The last stretch of time.
    Time(Duration),
    /// The last so many values.
    Runs(u32),
}

/// What a rule sees of its data at one moment.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Count, sums and extremes: exact.
    pub moments: Moments,
    /// The value with the latest time.
    pub last: Option<Sample>,
    /// The values; empty unless a quantile was asked for.
    pub distribution: Distribution,
    /// The stretch of time the values really cover.
    pub covered: Duration,
    /// How many values the series have ever taken in this column; it grows when the window gains data.
    pub arrivals: u64,
}

impl Window {
    /// Number of values.
    pub fn count(&self) -> u64 {
        self.moments.count()
    }

    /// A statistic of the values; `None` where it is undefined.
    pub fn stat(&self, stat: Stat) -> Option<f64> {
        if self.count() == 0 {
            return None;
        }
        match stat {
            Stat::Mean => self.moments.mean(),
            Stat::Quantile(q) => {
                // An estimate never leaves the range of what was measured, which is known exactly.
                let (min, max) = (self.moments.min()?, self.moments.max()?);
                Some(self.distribution.quantile(q)?.clamp(min, max))
            }
            Stat::Min => self.moments.min(),
            Stat::Max => self.moments.max(),
            Stat::Last => self.last.map(|reading| reading.value),
            Stat::Sum => Some(self.moments.sum()),
            Stat::Count => Some(count(self.count())),
            // Two passes over the values themselves, where they are at hand, are the more accurate way.
            Stat::StdDev => match self.distribution.exact() {
                Some(values) if !values.is_empty() => stats::std_dev(values),
                _ => self.moments.std_dev(),
            },
            Stat::PerSecond => {
                let seconds = self.covered.as_secs_f64();
                (seconds > 0.0).then(|| count(self.count()) / seconds)
            }
        }
        .filter(|value| value.is_finite())
    }
}

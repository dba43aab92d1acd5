//! A series, or several merged, cut to a span of time or to the last runs.

use std::fmt;
use std::time::Duration;

use super::distribution::Distribution;
use super::measurement::count;
use super::metric::{Metric, Stat};
use super::sample::Sample;
use super::stats::{self, Moments};
use super::time::Timestamp;

/// How far back a window reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The last stretch of time.
    Time(Duration),
    /// The last so many values.
    Runs(u32),
    /// The last stretch of time; where it holds fewer values than this, the last so many.
    AtLeast(Duration, u32),
}

impl Reach {
    /// How much time it reaches back, where it is a stretch of time.
    pub fn span(self) -> Option<Duration> {
        match self {
            Self::Time(span) | Self::AtLeast(span, _) => Some(span),
            Self::Runs(_) => None,
        }
    }

    /// How many values it may look back at one by one.
    pub fn runs(self) -> Option<u32> {
        match self {
            Self::Runs(runs) | Self::AtLeast(_, runs) => Some(runs),
            Self::Time(_) => None,
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(span) => write!(f, "{}ms", span.as_millis()),
            Self::Runs(runs) => write!(f, "{runs} runs"),
            Self::AtLeast(span, runs) => write!(f, "{}ms, at least {runs} runs", span.as_millis()),
        }
    }
}

/// A statistic of a window, and on how many values it rests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// The statistic, where it is defined.
    pub value: Option<f64>,
    /// The number of values.
    pub n: u64,
    /// Whether one of them is negative.
    pub has_negative: bool,
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
    /// When its content next changes although no series does, because values leave or enter it; `None` for never.
    /// [`Window::covered`] changes all the time.
    pub until: Option<Timestamp>,
    /// What the metric is a share of; the values themselves are whole.
    pub divisor: Option<f64>,
}

impl Window {
    /// Notes that the content changes at that time, in milliseconds since 1970.
    pub(super) fn changes_at(&mut self, millis: i64) {
        let at = Timestamp::from_millis(millis);
        self.until = Some(self.until.map_or(at, |until| until.min(at)));
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.moments.count()
    }

    /// The window as it is for a metric: `cpu_ratio` is CPU as a share of the limit, in cores. Without a known limit
    /// that is no data, which never alarms.
    pub fn of_metric(self, metric: &Metric, cpu_limit: Option<f64>) -> Self {
        match (metric, cpu_limit) {
            (Metric::CpuRatio, None) => Self::default(),
            (Metric::CpuRatio, Some(_)) => Self {
                divisor: cpu_limit,
                ..self
            },
            _ => self,
        }
    }

    /// A statistic of the values with their number.
    pub fn read(&self, stat: Stat) -> Reading {
        Reading {
            value: self.stat(stat),
            n: self.count(),
            has_negative: self.moments.min().is_some_and(|min| min < 0.0),
        }
    }

    /// A statistic of the values; `None` where it is undefined.
    pub fn stat(&self, stat: Stat) -> Option<f64> {
        let whole = self.whole(stat)?;
        let value = match (stat, self.divisor) {
            // How many values there are does not depend on their unit.
            (Stat::Count | Stat::PerSecond, _) | (_, None) => whole,
            (_, Some(divisor)) => whole / divisor,
        };
        Some(value).filter(|value| value.is_finite())
    }

    fn whole(&self, stat: Stat) -> Option<f64> {
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_scales_every_statistic_but_counts() {
        let mut window = Window {
            covered: Duration::from_secs(2),
            ..Window::default()
        };
        for value in [1.0, 2.0, 6.0] {
            window.moments.add(value, 1.0);
            window.distribution.add(value);
        }
        let cpu = |stat| window.clone().of_metric(&Metric::Cpu, Some(4.0)).stat(stat);
        let ratio = |limit, stat| {
            window
                .clone()
                .of_metric(&Metric::CpuRatio, limit)
                .stat(stat)
        };
        for stat in [
            Stat::Mean,
            Stat::Quantile(0.5),
            Stat::Min,
            Stat::Max,
            Stat::Sum,
            Stat::StdDev,
        ] {
            let expected = cpu(stat).map(|cores| cores / 4.0);
            assert_eq!(ratio(Some(4.0), stat), expected, "{stat}");
            assert_eq!(ratio(None, stat), None, "{stat}");
        }
        assert_eq!(ratio(Some(4.0), Stat::Count), Some(3.0));
        assert_eq!(ratio(Some(4.0), Stat::PerSecond), Some(1.5));
    }
}

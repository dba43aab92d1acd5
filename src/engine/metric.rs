//! What can be judged: the columns the store keeps, and the metrics and statistics a rule may name.

use std::fmt;
use std::sync::Arc;

/// What the store keeps of each measurement, a column per kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    /// 0 for a success and 1 for a failure, of every operation: its count, sum and mean are the
    /// operations, the errors and the error ratio.
    Outcome,
    /// Seconds of successful operations.
    Duration,
    /// Seconds of the setup phase.
    Setup,
    /// Seconds of the cleanup phase.
    Cleanup,
    /// Mean CPU in cores.
    Cpu,
    /// Resident bytes at the end.
    Memory,
    /// Resident bytes at the peak.
    MemoryPeak,
    /// Samples processed.
    Samples,
    /// Samples per second of successful operations, weighted by their seconds.
    Throughput,
    /// A score, by its number in the store's list of score names; weighted by its samples.
    Score(u16),
    /// On how many samples the scores of a report rest.
    ScoreSamples,
}

impl Column {
    /// The column that weights this one's mean.
    pub fn weights(self) -> Option<Self> {
        match self {
            Self::Throughput => Some(Self::Duration),
            Self::Score(_) => Some(Self::ScoreSamples),
            _ => None,
        }
    }
}

/// The unit of a metric, which a limit in a rule must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Durations.
    Seconds,
    /// Memory.
    Bytes,
    /// Shares between 0 and 1.
    Ratio,
    /// Processor time per time; 1.0 is one core busy.
    Cores,
    /// Plain numbers.
    None,
}

impl Unit {
    /// Its name; `None` of plain numbers.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Seconds => Some("seconds"),
            Self::Bytes => Some("bytes"),
            Self::Ratio => Some("ratio"),
            Self::Cores => Some("cores"),
            Self::None => None,
        }
    }
}

/// Which way is worse for a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worse {
    /// More is worse, as for durations.
    Up,
    /// Less is worse, as for throughput and accuracy.
    Down,
}

impl Worse {
    /// 1 where more is worse, −1 where less is.
    pub fn sign(self) -> f64 {
        match self {
            Self::Up => 1.0,
            Self::Down => -1.0,
        }
    }
}

/// A metric as a rule names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// `duration`, of successful operations.
    Duration,
    /// `setup`.
    Setup,
    /// `cleanup`.
    Cleanup,
    /// `cpu`.
    Cpu,
    /// `cpu_ratio`: CPU as a share of the limit.
    CpuRatio,
    /// `memory`.
    Memory,
    /// `memory_peak`.
    MemoryPeak,
    /// `samples`.
    Samples,
    /// `throughput`.
    Throughput,
    /// `rate`: operations per second.
    Rate,
    /// `errors`: failed operations.
    Errors,
    /// `error_ratio`: failed operations by all.
    ErrorRatio,
    /// A quality score by name.
    Score(Arc<str>),
}

/// The fixed metric names.
pub struct MetricName;

impl MetricName {
    /// All names with their metric; any other name is a quality score.
    pub const ALL: &'static [(&'static str, Metric)] = &[
        ("duration", Metric::Duration),
        ("setup", Metric::Setup),
        ("cleanup", Metric::Cleanup),
        ("cpu", Metric::Cpu),
        ("cpu_ratio", Metric::CpuRatio),
        ("memory", Metric::Memory),
        ("memory_peak", Metric::MemoryPeak),
        ("samples", Metric::Samples),
        ("throughput", Metric::Throughput),
        ("rate", Metric::Rate),
        ("errors", Metric::Errors),
        ("error_ratio", Metric::ErrorRatio),
    ];

    /// Names that later versions use; taken already, so that no score collides with them.
    pub const RESERVED: &'static [&'static str] = &["dataset_size", "outcome"];

    /// Whether a score may not have this name.
    pub fn is_taken(name: &str) -> bool {
        Self::RESERVED.contains(&name) || Self::ALL.iter().any(|(taken, _)| *taken == name)
    }
}

impl Metric {
    /// The metric of that name; names that are no metric's are quality scores.
    pub fn named(name: &str) -> Self {
        MetricName::ALL
            .iter()
            .find_map(|(n, metric)| (*n == name).then(|| metric.clone()))
            .unwrap_or_else(|| Self::Score(name.into()))
    }

    /// Its unit.
    pub fn unit(&self) -> Unit {
        match self {
            Self::Duration | Self::Setup | Self::Cleanup => Unit::Seconds,
            Self::Memory | Self::MemoryPeak => Unit::Bytes,
            Self::Cpu => Unit::Cores,
            Self::CpuRatio | Self::ErrorRatio => Unit::Ratio,
            Self::Samples | Self::Throughput | Self::Rate | Self::Errors | Self::Score(_) => {
                Unit::None
            }
        }
    }

    /// Which way is worse; `None` for a score that is not a known one.
    pub fn worse(&self) -> Option<Worse> {
        match self {
            Self::Duration
            | Self::Setup
            | Self::Cleanup
            | Self::Cpu
            | Self::CpuRatio
            | Self::Memory
            | Self::MemoryPeak
            | Self::Errors
            | Self::ErrorRatio => Some(Worse::Up),
            Self::Samples | Self::Throughput | Self::Rate => Some(Worse::Down),
            Self::Score(name) => {
                matches!(&**name, "accuracy" | "precision" | "recall" | "f1").then_some(Worse::Down)
            }
        }
    }

    /// The statistic of a metric that is one itself and takes no `stat`.
    pub fn own_stat(&self) -> Option<Stat> {
        match self {
            Self::Rate => Some(Stat::PerSecond),
            Self::Errors => Some(Stat::Sum),
            Self::ErrorRatio => Some(Stat::Mean),
            _ => None,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Score(name) = self {
            return f.write_str(name);
        }
        let name = MetricName::ALL.iter().find(|(_, metric)| metric == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// A statistic of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stat {
    /// Arithmetic mean; weighted where the metric has weights.
    Mean,
    /// A quantile, 0 to 1.
    Quantile(f64),
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// The value with the latest time.
    Last,
    /// Sum of values.
    Sum,
    /// Number of values.
    Count,
    /// Sample standard deviation (n − 1).
    StdDev,
    /// Number of values per second of the window.
    PerSecond,
}

impl Stat {
    /// Names a rule may use, for messages.
    pub const ALLOWED: &'static str =
        "mean, median, p50 to p99.9, min, max, last, sum, count, stddev";

    /// The statistic of that name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "mean" => Self::Mean,
            "median" => Self::Quantile(0.5),
            "min" => Self::Min,
            "max" => Self::Max,
            "last" => Self::Last,
            "sum" => Self::Sum,
            "count" => Self::Count,
            "stddev" => Self::StdDev,
            _ => {
                let digits = name.strip_prefix('p')?;
                let well_formed = digits.starts_with(|c: char| c.is_ascii_digit())
                    && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
                let percent: f64 = digits.parse().ok().filter(|_| well_formed)?;
                return (50.0..=99.9)
                    .contains(&percent)
                    .then_some(Self::Quantile(percent / 100.0));
            }
        })
    }
}

impl fmt::Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mean => f.write_str("mean"),
            // Rounded, because 0.999 × 100 is not quite 99.9 in binary.
            Self::Quantile(q) => write!(f, "p{}", (q * 1e5).round() / 1e3),
            Self::Min => f.write_str("min"),
            Self::Max => f.write_str("max"),
            Self::Last => f.write_str("last"),
            Self::Sum => f.write_str("sum"),
            Self::Count => f.write_str("count"),
            Self::StdDev => f.write_str("stddev"),
            Self::PerSecond => f.write_str("rate"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_names_read_back_as_they_print() {
        for (name, metric) in MetricName::ALL {
            assert_eq!(Metric::named(name), *metric);
            assert_eq!(metric.to_string(), *name);
        }
        assert_eq!(Metric::named("f1"), Metric::Score("f1".into()));
    }

    #[test]
    fn stats_are_named_as_in_rules() {
        for (name, expected) in [
            ("median", Some("p50")),
            ("p95", Some("p95")),
            ("p99.9", Some("p99.9")),
            ("p99.95", None),
            ("p49", None),
            ("p", None),
            ("pinf", None),
            ("average", None),
        ] {
            let printed = Stat::named(name).map(|stat| stat.to_string());
            assert_eq!(printed.as_deref(), expected, "{name}");
        }
    }
}

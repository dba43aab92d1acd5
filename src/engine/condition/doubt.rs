//! What a statistic could have been, had its window been lived through as a whole.
//!
//! A verdict on a window of time that a break cuts (see [`crate::engine::watched`]) is given only where no value that
//! was missed could change it; else there is no data, and the rule's `no_data` decides. So:
//!
//! | Statistic | A missed value could | Certain, although values were missed |
//! |---|---|---|
//! | `count`, `rate`, `errors` | only add | breach of `above`, no breach of `below` |
//! | `sum` | only add, where no value seen is negative | as `count`; else nothing |
//! | `max` | only raise it | as `count` |
//! | `min` | only lower it | breach of `below`, no breach of `above` |
//! | `error_ratio` | move it either way, as many as came at the pace of the part that was seen | what holds if all of them had failed, and if none had |
//! | `mean`, quantiles, `stddev`, `last` | move it either way, but not rather one way than the other | everything: they are estimates from what is there, and `min_samples` says how much must be |
//!
//! The error ratio is bounded although it is a mean, because few values decide it: after ten minutes without a process
//! one early failure is a ratio of 1. Of the time before the start of service nobody knows of operations, and
//! mostly there were none: it only keeps counts, rates and sums from being taken for too low.
//!
//! A window that mixes times, because the clock was set back, may hold values too many as well as too few: nothing is
//! certain. Windows of runs have neither fault. Conditions that go by *when* values came (trends, anomalies, seasons)
//! have to take any cut window for no data: across a break distances in time are not what they seem.

use crate::engine::measurement::count;
use crate::engine::metric::{Metric, Stat};
use crate::engine::watched::Coverage;
use crate::engine::window::Reading;

/// The least and the most that the statistic could have been.
pub(super) fn range(
    metric: &Metric,
    stat: Stat,
    reading: Reading,
    coverage: Coverage,
) -> Option<(f64, f64)> {
    const ALL: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
    let value = reading.value?;
    if !coverage.is_partial() {
        return Some((value, value));
    }
    if coverage.is_mixed {
        return Some(ALL);
    }
    let range = match stat {
        Stat::Sum if reading.has_negative => ALL,
        Stat::Count | Stat::PerSecond | Stat::Sum => (value, f64::INFINITY),
        _ if coverage.missed.is_zero() => (value, value),
        Stat::Max => (value, f64::INFINITY),
        Stat::Min => (f64::NEG_INFINITY, value),
        Stat::Mean if *metric == Metric::ErrorRatio => ratio(value, reading.n, coverage),
        Stat::Mean | Stat::Quantile(_) | Stat::Last | Stat::StdDev => (value, value),
    };
    Some(range)
}

/// The ratio if none and if all of the operations that were missed had failed.
fn ratio(value: f64, n: u64, coverage: Coverage) -> (f64, f64) {
    let since_start = coverage.span.saturating_sub(coverage.before);
    let lived = since_start.saturating_sub(coverage.missed);
    if lived.is_zero() {
        return (0.0, 1.0);
    }
    let missed = coverage.missed.as_secs_f64() / lived.as_secs_f64() * count(n);
    let (failed, all) = (value * count(n), count(n) + missed);
    (failed / all, (failed + missed) / all)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const INFINITY: f64 = f64::INFINITY;

    fn range_of(metric: &Metric, stat: Stat, missed: u64, is_mixed: bool) -> (f64, f64) {
        let reading = Reading {
            value: Some(0.5),
            n: 10,
            has_negative: false,
        };
        let coverage = Coverage {
            span: Duration::from_secs(100),
            missed: Duration::from_secs(missed),
            before: Duration::ZERO,
            is_mixed,
        };
        range(metric, stat, reading, coverage).unwrap()
    }

    #[test]
    fn missed_values_leave_each_statistic_open_to_its_side() {
        let duration = Metric::Duration;
        for (stat, expected) in [
            (Stat::Count, (0.5, INFINITY)),
            (Stat::PerSecond, (0.5, INFINITY)),
            (Stat::Sum, (0.5, INFINITY)),
            (Stat::Max, (0.5, INFINITY)),
            (Stat::Min, (-INFINITY, 0.5)),
            (Stat::Mean, (0.5, 0.5)),
            (Stat::Quantile(0.95), (0.5, 0.5)),
            (Stat::StdDev, (0.5, 0.5)),
            (Stat::Last, (0.5, 0.5)),
        ] {
            assert_eq!(range_of(&duration, stat, 50, false), expected, "{stat}");
            assert_eq!(range_of(&duration, stat, 0, false), (0.5, 0.5), "{stat}");
            let anything = (-INFINITY, INFINITY);
            assert_eq!(range_of(&duration, stat, 0, true), anything, "{stat}");
        }
    }

    #[test]
    fn a_ratio_is_bounded_by_what_would_have_come_at_the_same_pace() {
        let ratio = |missed| range_of(&Metric::ErrorRatio, Stat::Mean, missed, false);
        assert_eq!(ratio(0), (0.5, 0.5));
        assert_eq!(ratio(50), (0.25, 0.75));
        assert_eq!(ratio(100), (0.0, 1.0));
        let (low, high) = ratio(1);
        assert!(low > 0.49 && high < 0.51, "{low} {high}");
    }

    #[test]
    fn a_sum_of_values_of_either_sign_is_open_to_both_sides() {
        let reading = Reading {
            value: Some(1.0),
            n: 2,
            has_negative: true,
        };
        let coverage = Coverage {
            span: Duration::from_secs(10),
            before: Duration::from_secs(1),
            ..Coverage::default()
        };
        let score = Metric::named("gain");
        let open = range(&score, Stat::Sum, reading, coverage);
        assert_eq!(open, Some((-INFINITY, INFINITY)));
        assert_eq!(range(&score, Stat::Sum, Reading::default(), coverage), None);
    }
}

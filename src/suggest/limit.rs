//! Limits from what was seen: how far beyond it they lie, and how they are written.

use crate::document::units::Quantity;
use crate::engine::metric::{Metric, Unit, Worse};
use crate::shown::amount::without_zeros;

/// The least share of failures that is worth an alarm.
const LEAST_ERROR_RATIO: f64 = 0.05;
/// A score between 0 and 1 has at least this much room for what is missing to 1.
const LEAST_SHORTFALL: f64 = 0.01;
/// Smaller values are nothing: what a limit near them would find is rounding.
const NOTHING: f64 = 1e-12;

/// A limit, or where an alert recovers: as a rule file has it, and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// `250ms`, `1.5GiB`, `7.5%`, `0.85`.
    pub text: String,
    /// In the unit of the metric.
    pub value: f64,
}

/// The limit that lies `times` as far out as `usual`, rounded to two significant digits away from it: `usual · times` where
/// more is worse, `usual / times` where less is, and `1 − (1 − usual) · times` of a score between 0 and 1. `None` where no
/// value could breach it, or where what is usual is nothing.
pub fn limit(metric: &Metric, usual: f64, times: f64) -> Option<Limit> {
    let is_score = matches!(metric, Metric::Score(_));
    let is_reachable = |limit: &Limit| limit.value > 0.0 && limit.value.is_finite();
    match metric.worse()? {
        Worse::Up if *metric == Metric::ErrorRatio => {
            let limit = written(metric, (usual * times).max(LEAST_ERROR_RATIO), Rounding::Up);
            limit.filter(|limit| limit.value < 1.0)
        }
        Worse::Up if usual > NOTHING => {
            written(metric, usual * times, Rounding::Up).filter(is_reachable)
        }
        Worse::Down if is_score => {
            let shortfall = ((1.0 - usual) * times).max(LEAST_SHORTFALL);
            written(metric, 1.0 - shortfall, Rounding::Down).filter(is_reachable)
        }
        Worse::Down if usual > NOTHING => {
            written(metric, usual / times, Rounding::Down).filter(is_reachable)
        }
        Worse::Up | Worse::Down => None,
    }
}

/// Where an alert over that limit recovers: halfway between the limit and what is usual. `None` where rounding leaves no
/// such place.
pub fn recovery(metric: &Metric, usual: f64, limit: &Limit) -> Option<Limit> {
    let (rounding, is_between): (_, fn(f64, f64) -> bool) = match metric.worse()? {
        Worse::Up => (Rounding::Up, |value, limit| value > 0.0 && value < limit),
        Worse::Down => (Rounding::Down, |value, limit| value > limit),
    };
    let mut halfway = written(metric, f64::midpoint(usual, limit.value), rounding)?;
    if metric.unit() == Unit::Ratio {
        // In percent it would be a share of the limit.
        halfway.text = two_digits(halfway.value, Rounding::Up);
    }
    is_between(halfway.value, limit.value).then_some(halfway)
}

/// To which side a number is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the next higher one.
    Up,
    /// To the next lower one.
    Down,
}

/// A positive value of a metric with two significant digits, in the unit in which they are easiest to read.
pub fn written(metric: &Metric, value: f64, rounding: Rounding) -> Option<Limit> {
    if !(value.is_finite() && value > 0.0) {
        return None;
    }
    let text = match metric.unit() {
        Unit::Seconds => in_units(value, &SECONDS, rounding),
        Unit::Bytes => in_units(value, &BYTES, rounding),
        Unit::Ratio => format!("{}%", two_digits(value * 100.0, rounding)),
        Unit::Cores => format!("{} cores", two_digits(value, rounding)),
        Unit::None => two_digits(value, rounding),
    };
    // What the reader of rule files makes of it, so that text and value cannot differ.
    let value = text.parse::<Quantity>().ok()?.value;
    Some(Limit { text, value })
}

const SECONDS: [(&str, f64); 6] = [
    ("us", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
];
const BYTES: [(&str, f64); 5] = [
    ("B", 1.0),
    ("KiB", 1_024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
];

/// The value in the largest unit of which it holds one, or would after rounding.
fn in_units(value: f64, units: &[(&str, f64)], rounding: Rounding) -> String {
    let mut text = String::new();
    for (index, (unit, size)) in units.iter().enumerate() {
        if index > 0 && value < *size {
            break;
        }
        let digits = two_digits(value / size, rounding);
        let next = units.get(index + 1).map(|(_, size)| *size);
        let reaches_next = |next: f64| digits.parse::<f64>().is_ok_and(|n| n * size >= next);
        text = match next.filter(|next| value < *next && reaches_next(*next)) {
            Some(_) => {
                let unit = units.get(index + 1).map_or("", |(unit, _)| unit);
                return format!("1{unit}");
            }
            None => format!("{digits}{unit}"),
        };
    }
    text
}

/// A positive number with two significant digits, without an exponent.
fn two_digits(value: f64, rounding: Rounding) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the exponent of a finite number is within ±330"
    )]
    let exponent = value.log10().floor() as i32 - 1;
    // A hair, so that 0.3 · 10 counts as the 3 that is meant.
    let scaled = value / 10f64.powi(exponent);
    let digits = match rounding {
        Rounding::Up => (scaled - 1e-9).ceil(),
        Rounding::Down => (scaled + 1e-9).floor(),
    };
    let decimals = usize::try_from(-exponent).unwrap_or(0);
    let rounded = if exponent >= 0 {
        digits * 10f64.powi(exponent)
    } else {
        digits / 10f64.powi(-exponent)
    };
    let text = format!("{rounded:.decimals$}");
    without_zeros(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_two_digits_away_from_what_was_seen_and_the_unit_of_the_metric() {
        use Rounding::{Down, Up};
        for (metric, value, rounding, expected, expected_value) in [
            ("duration", 0.2431, Up, "250ms", 0.25),
            ("duration", 0.25, Up, "250ms", 0.25),
            ("duration", 0.25, Down, "250ms", 0.25),
            ("duration", 0.996, Up, "1s", 1.0),
            ("duration", 0.000_012_1, Up, "13us", 13e-6),
            ("duration", 59.2, Up, "1m", 60.0),
            ("duration", 61.0, Up, "1.1m", 66.0),
            ("duration", 7_000.0, Up, "2h", 7_200.0),
            ("duration", 3.0 * 86_400.0, Up, "3d", 259_200.0),
            (
                "memory_peak",
                1.5 * 1_073_741_824.0,
                Up,
                "1.5GiB",
                1_610_612_736.0,
            ),
            ("memory_peak", 600e6, Up, "580MiB", 608_174_080.0),
            ("memory", 1_010.0, Up, "1KiB", 1_024.0),
            ("memory", 3.2, Down, "3.2B", 3.2),
            ("error_ratio", 0.0751, Up, "7.6%", 0.076),
            ("cpu", 0.7501, Up, "0.76 cores", 0.76),
            ("throughput", 12_345.0, Down, "12000", 12_000.0),
            ("accuracy", 0.8749, Down, "0.87", 0.87),
            ("samples", 0.3, Up, "0.3", 0.3),
        ] {
            let found = written(&Metric::named(metric), value, rounding).unwrap();
            assert_eq!(found.text, expected, "{metric} {value}");
            assert!(
                (found.value / expected_value - 1.0).abs() < 1e-9,
                "{found:?}"
            );
        }
        assert_eq!(written(&Metric::Duration, 0.0, Up), None);
        assert_eq!(written(&Metric::Duration, f64::NAN, Up), None);
    }

    #[test]
    fn limits_lie_on_the_worse_side() {
        for (metric, usual, times, expected) in [
            ("duration", 0.1, 1.5, Some("150ms")),
            ("duration", 0.0, 1.5, None),
            ("memory_peak", 400e6, 1.5, Some("580MiB")),
            ("throughput", 100.0, 1.5, Some("66")),
            ("throughput", 0.0, 1.5, None),
            ("accuracy", 0.9, 1.5, Some("0.85")),
            // Where nothing is missing there is room all the same.
            ("accuracy", 1.0, 1.5, Some("0.99")),
            ("accuracy", 0.3, 1.5, None),
            ("error_ratio", 0.0, 1.5, Some("5%")),
            ("error_ratio", 0.1, 1.5, Some("15%")),
            // It fails so often that no share would be worse.
            ("error_ratio", 0.7, 1.5, None),
            ("silhouette", 0.7, 1.5, None),
        ] {
            let found = limit(&Metric::named(metric), usual, times);
            let text = found.as_ref().map(|limit| limit.text.as_str());
            assert_eq!(text, expected, "{metric} {usual}");
        }
    }

    #[test]
    fn an_alert_recovers_between_the_limit_and_what_is_usual() {
        for (metric, usual, times, expected) in [
            ("duration", 0.1, 1.5, Some("130ms")),
            ("throughput", 100.0, 1.5, Some("83")),
            ("accuracy", 0.9, 1.5, Some("0.87")),
            ("accuracy", 1.0, 1.5, None),
            ("error_ratio", 0.0, 1.5, Some("0.025")),
        ] {
            let metric = Metric::named(metric);
            let limit = limit(&metric, usual, times).unwrap();
            let found = recovery(&metric, usual, &limit);
            let text = found.as_ref().map(|found| found.text.as_str());
            assert_eq!(text, expected, "{metric} {usual}");
        }
    }
}

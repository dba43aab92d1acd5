//! Values with units as people write them: durations, byte sizes, ratios, and numbers whose unit is checked later.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::text::deserialize_from_text;

/// Why a value with a unit could not be read: the value, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not the duration syntax of Prometheus, or more than it can hold.
    #[error(
        "invalid duration {0:?}, allowed: such as 1h30m or 250ms (y w d h m s ms, in this order), or 0"
    )]
    Period(String),
    /// Not a number of bytes.
    #[error("invalid size {0:?}, allowed: a whole number of bytes such as 4096, 512MiB or 1GB")]
    ByteSize(String),
    /// Not a ratio.
    #[error("invalid ratio {0:?}, allowed: a number not below 0, such as 0.8 or 80%")]
    Ratio(String),
    /// Not a number of cores.
    #[error(
        "invalid number of cores {0:?}, allowed: above 0, such as 2, 0.5, 2 cores or 500m (thousandths)"
    )]
    Cores(String),
    /// Not a number, or not a known unit.
    #[error(
        "invalid value {0:?}, allowed: a number, or one with a unit such as 250ms, 1m30s, 512MiB, 80% or 2 cores"
    )]
    Quantity(String),
}

/// Length of time in the syntax of Prometheus: `1d2h`, `250ms`, `0s`, and `0` alone.
///
/// Units `y w d h m s ms` in this order, each at most once, whole numbers; a day has 24 hours, a week 7 days, a year 365 days
/// (`ParseDuration` in prometheus/common `model/time.go`). At most what fits into 63 bits of nanoseconds, about 292 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(pub Duration);

/// Milliseconds of the units of a duration, in the order in which they are written.
const PERIOD_UNITS: [(&str, u64); 7] = [
    ("y", 31_536_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The longest duration Prometheus can hold, in milliseconds.
const MAX_PERIOD_MILLISECONDS: u64 = i64::MAX as u64 / 1_000_000;

/// Reads the duration syntax as milliseconds.
fn period_milliseconds(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut units = PERIOD_UNITS.iter();
    let mut total: u64 = 0;
    let mut rest = text;
    loop {
        let (number, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_where(after, |c| !c.is_ascii_alphabetic());
        let &(_, milliseconds) = units.find(|(name, _)| *name == unit)?;
        let part = number.parse::<u64>().ok()?.checked_mul(milliseconds)?;
        total = total.checked_add(part)?;
        if after.is_empty() {
            return Some(total).filter(|&total| total <= MAX_PERIOD_MILLISECONDS);
        }
        rest = after;
    }
}

/// Splits before the first character for which `ends` holds.
fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

impl FromStr for Period {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let milliseconds = period_milliseconds(text);
        let period = milliseconds.map(|value| Self(Duration::from_millis(value)));
        period.ok_or_else(|| UnitError::Period(excerpt(text)))
    }
}

impl From<Period> for Duration {
    fn from(period: Period) -> Self {
        period.0
    }
}

/// Prints what Prometheus would (`1h30m`), to the millisecond.
impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis();
        if rest == 0 {
            return formatter.write_str("0s");
        }
        for (unit, milliseconds) in PERIOD_UNITS {
            let milliseconds = u128::from(milliseconds);
            if rest >= milliseconds {
                write!(formatter, "{}{unit}", rest / milliseconds)?;
                rest %= milliseconds;
            }
        }
        Ok(())
    }
}

/// Number of bytes: `4096`, `512MiB`, `1GB`; powers of 1024 with `i`, of 1000 without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// Bytes of the units of size.
const BYTE_UNITS: [(&str, u32); 10] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    // Of these the factor is taken twice.
    ("TB", 1_000_000),
    ("TiB", 1 << 20),
];

/// Bytes in one of a unit of size.
fn bytes_per(unit: &str) -> Option<u64> {
    let (name, factor) = BYTE_UNITS.iter().find(|(name, _)| *name == unit)?;
    let factor = u64::from(*factor);
    Some(if name.starts_with('T') {
        factor * factor
    } else {
        factor
    })
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bytes = || {
            let (number, unit) = split_where(text, |c| !c.is_ascii_digit());
            let factor = if unit.is_empty() { 1 } else { bytes_per(unit)? };
            number.parse::<u64>().ok()?.checked_mul(factor).map(Self)
        };
        bytes().ok_or_else(|| UnitError::ByteSize(excerpt(text)))
    }
}

/// A share: `0.8` or `80%`; not negative, but it may be above 1 (`worse_by: 150%`).
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Ratio(pub f64);

impl FromStr for Ratio {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let quantity = text.parse::<Quantity>().ok();
        let ratio = quantity.filter(|quantity| {
            matches!(quantity.unit, Unit::None | Unit::Ratio) && quantity.value >= 0.0
        });
        let ratio = ratio.map(|quantity| Self(quantity.value));
        ratio.ok_or_else(|| UnitError::Ratio(excerpt(text)))
    }
}

/// Processor cores, above 0: `2`, `0.5`, `2 cores`, and as in Kubernetes `500m` for half a one.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Cores(pub f64);

impl FromStr for Cores {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let cores = match text.strip_suffix('m') {
            Some(thousandths) => thousandths.parse::<u32>().ok().map(|n| f64::from(n) / 1e3),
            None => text
                .parse::<Quantity>()
                .ok()
                .filter(|quantity| matches!(quantity.unit, Unit::None | Unit::Cores))
                .map(|quantity| quantity.value),
        };
        let cores = cores.filter(|cores| *cores > 0.0).map(Self);
        cores.ok_or_else(|| UnitError::Cores(excerpt(text)))
    }
}

/// What a quantity is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number without a unit, which fits every metric.
    None,
    /// Seconds of time.
    Seconds,
    /// Bytes of memory.
    Bytes,
    /// A share, 1 being the whole.
    Ratio,
    /// Processor cores, 1 being one core busy all the time.
    Cores,
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "no unit",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Ratio => "a ratio",
            Self::Cores => "cores",
        })
    }
}

/// A finite number with the unit it was written in, so that the reader can check that the unit fits: `5s`, `512MiB`, `80%`, `0.9`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity {
    /// The number in the base of its unit: seconds, bytes, 0.8 for `80%`, cores.
    pub value: f64,
    /// What it is measured in.
    pub unit: Unit,
}

/// Suffixes of a quantity other than bytes, with what a number is divided or multiplied by.
///
/// Small units divide, since 250 / 1000 is the nearest number to 0.25 and 250 × 0.001 is not always.
const SUFFIXES: [(&str, Unit, Scale); 13] = [
    ("", Unit::None, Scale::Times(1.0)),
    ("ns", Unit::Seconds, Scale::Per(1e9)),
    ("us", Unit::Seconds, Scale::Per(1e6)),
    ("µs", Unit::Seconds, Scale::Per(1e6)),
    ("ms", Unit::Seconds, Scale::Per(1e3)),
    ("s", Unit::Seconds, Scale::Times(1.0)),
    ("m", Unit::Seconds, Scale::Times(60.0)),
    ("h", Unit::Seconds, Scale::Times(3_600.0)),
    ("d", Unit::Seconds, Scale::Times(86_400.0)),
    ("w", Unit::Seconds, Scale::Times(604_800.0)),
    ("%", Unit::Ratio, Scale::Per(100.0)),
    ("core", Unit::Cores, Scale::Times(1.0)),
    ("cores", Unit::Cores, Scale::Times(1.0)),
];

#[derive(Clone, Copy)]
enum Scale {
    Times(f64),
    Per(f64),
}

/// Reads a number with an optional unit, or a duration of several parts (`1m30s`); finite numbers only.
fn quantity(text: &str) -> Option<Quantity> {
    let unit_begins =
        |(_, c): &(usize, char)| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E'));
    let end = text.char_indices().find(unit_begins);
    let (number, suffix) = text.split_at(end.map_or(text.len(), |(index, _)| index));
    let suffix = suffix.strip_prefix(' ').unwrap_or(suffix);
    let (scale, unit) = if let Some(bytes) = bytes_per(suffix) {
        // Exact: every factor is far below 2^53.
        (Scale::Times(bytes as f64), Unit::Bytes)
    } else if let Some(&(_, unit, scale)) = SUFFIXES.iter().find(|(name, ..)| *name == suffix) {
        (scale, unit)
    } else {
        let seconds = Duration::from_millis(period_milliseconds(text)?).as_secs_f64();
        return Some(Quantity {
            value: seconds,
            unit: Unit::Seconds,
        });
    };
    let number: f64 = number.parse().ok()?;
    let value = match scale {
        Scale::Times(factor) => number * factor,
        Scale::Per(parts) => number / parts,
    };
    value.is_finite().then_some(Quantity { value, unit })
}

impl FromStr for Quantity {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        quantity(text).ok_or_else(|| UnitError::Quantity(excerpt(text)))
    }
}

/// As much of a wrong value as a message should repeat.
fn excerpt(text: &str) -> String {
    const SHOWN: usize = 60;
    text.chars().take(SHOWN).collect()
}

deserialize_from_text! {
    Period: "a duration such as 1h30m or 250ms"
    ByteSize: "a size such as 4096, 512MiB or 1GB"
    Ratio: "a ratio such as 0.8 or 80%"
    Cores: "a number of cores such as 2, 0.5 or 500m"
    Quantity: "a number, or one with a unit such as 250ms, 512MiB or 80%"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_numbers_above_zero_also_in_thousandths() {
        for (text, expected) in [
            ("2", Some(2.0)),
            ("0.5", Some(0.5)),
            ("1.5 cores", Some(1.5)),
            ("500m", Some(0.5)),
            ("0", None),
            ("0m", None),
            ("-1", None),
            ("1.5m", None),
            ("50%", None),
            ("2s", None),
            ("many", None),
        ] {
            let cores = text.parse::<Cores>().ok().map(|cores| cores.0);
            assert_eq!(cores, expected, "{text}");
        }
    }

    #[test]
    fn durations_are_those_of_prometheus() {
        // From the tests of prometheus/common model/time_test.go, and the limits of its syntax.
        let good: [(&str, u64); 14] = [
            ("0", 0),
            ("0w", 0),
            ("0s", 0),
            ("324ms", 324),
            ("3s", 3_000),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("4d", 345_600_000),
            ("4d1h", 349_200_000),
            ("14d", 1_209_600_000),
            ("3w2d1h", 1_990_800_000),
            ("10y", 315_360_000_000),
            ("1y1w1d1h1m1s1ms", 32_230_861_001),
            ("292y", 9_208_512_000_000),
        ];
        for (text, milliseconds) in good {
            let expected = Period(Duration::from_millis(milliseconds));
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        let bad = [
            "",
            "1",
            "-1w",
            "1.5d",
            "d",
            "294y",
            "200y10400w",
            "107675d",
            "2584200h",
            "5 s",
            "1s1m",
            "1s1s",
            "1S",
            "00",
            "99999999999999999999s",
            "5min",
            "١s",
        ];
        for text in bad {
            let expected = Err(UnitError::Period(text.to_owned()));
            assert_eq!(text.parse::<Period>(), expected, "{text}");
        }
    }

    #[test]
    fn durations_print_as_they_are_read() {
        for text in ["0s", "324ms", "1h30m", "1y1w1d1h1m1s1ms", "5m"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
        assert_eq!("90m".parse::<Period>().unwrap().to_string(), "1h30m");
    }

    #[test]
    fn sizes_are_whole_bytes() {
        let good = [
            ("0", 0),
            ("4096", 4096),
            ("4096B", 4096),
            ("512MiB", 512 << 20),
            ("1GB", 1_000_000_000),
            ("1kB", 1_000),
            ("1KB", 1_000),
            ("3TiB", 3 << 40),
            ("2TB", 2_000_000_000_000),
        ];
        for (text, bytes) in good {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5GiB", "512 MiB", "1gb", "16777216TiB"] {
            let expected = Err(UnitError::ByteSize(text.to_owned()));
            assert_eq!(text.parse::<ByteSize>(), expected, "{text}");
        }
    }

    #[test]
    fn ratios_are_shares_or_percent() {
        for (text, ratio) in [
            ("0.8", 0.8),
            ("80%", 0.8),
            ("0", 0.0),
            ("150%", 1.5),
            ("7%", 0.07),
        ] {
            assert_eq!(text.parse(), Ok(Ratio(ratio)), "{text}");
        }
        for text in ["", "-1%", "80 percent", "%", "5s", "nan"] {
            let expected = Err(UnitError::Ratio(text.to_owned()));
            assert_eq!(text.parse::<Ratio>(), expected, "{text}");
        }
    }

    #[test]
    fn quantities_keep_their_unit() {
        let good = [
            ("5", 5.0, Unit::None),
            ("0.9", 0.9, Unit::None),
            ("-1e-3", -0.001, Unit::None),
            ("5s", 5.0, Unit::Seconds),
            ("250ms", 0.25, Unit::Seconds),
            ("1.5s", 1.5, Unit::Seconds),
            ("20us", 0.000_02, Unit::Seconds),
            ("20µs", 0.000_02, Unit::Seconds),
            ("2m", 120.0, Unit::Seconds),
            ("1m30s", 90.0, Unit::Seconds),
            ("1y", 31_536_000.0, Unit::Seconds),
            ("512MiB", 536_870_912.0, Unit::Bytes),
            ("1.5GB", 1.5e9, Unit::Bytes),
            ("80%", 0.8, Unit::Ratio),
            ("-7%", -0.07, Unit::Ratio),
            ("2 cores", 2.0, Unit::Cores),
            ("0.5cores", 0.5, Unit::Cores),
        ];
        for (text, value, unit) in good {
            assert_eq!(text.parse(), Ok(Quantity { value, unit }), "{text}");
        }
        for text in [
            "", "abc", "5 apples", "s", "nan", "inf", "1e999", "5  s", "1,5", "--1", "1e308%%",
        ] {
            let expected = Err(UnitError::Quantity(text.to_owned()));
            assert_eq!(text.parse::<Quantity>(), expected, "{text}");
        }
    }
}

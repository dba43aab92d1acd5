//! Time as a value: wall-clock timestamps, and the pair of clocks every decision takes as an argument.

use std::fmt;
use std::time::Duration;

/// A wall-clock instant in whole milliseconds since the Unix epoch, the resolution of Prometheus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The timestamp `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The timestamp of Unix seconds, rounded to milliseconds; `None` outside the years 1 to 9999.
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        const YEAR_1: f64 = -62_135_596_800.0;
        const YEAR_10000: f64 = 253_402_300_800.0;
        if !(YEAR_1..YEAR_10000).contains(&seconds) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the range check above keeps it within i64"
        )]
        Some(Self((seconds * 1e3).round() as i64))
    }

    /// Parses RFC 3339, for example `2026-01-31T12:00:00.5Z`.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed: jiff::Timestamp = text.parse().ok()?;
        Some(Self(parsed.as_millisecond()))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch.
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of any civil date are below 2^53"
    )]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e3
    }

    /// This instant moved `span` later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// This instant moved `span` earlier.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or_default())
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds, as Prometheus sends it to Alertmanager.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

/// Whole milliseconds of a span, saturating.
pub(crate) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// A reading of the steady clock in whole nanoseconds, which are enough for five centuries.
pub(crate) fn nanos(reading: Duration) -> u64 {
    u64::try_from(reading.as_nanos()).unwrap_or(u64::MAX)
}

/// The two clocks at one moment.
///
/// Windows look at `wall`; holds, staleness and repeats count on `steady`, which no clock
/// adjustment can move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The time of day.
    pub wall: Timestamp,
    /// A clock that only moves forward, from an arbitrary start.
    pub steady: Duration,
}

impl Now {
    /// A moment of invented time, `since_epoch` after the Unix epoch on both clocks.
    pub fn invented(since_epoch: Duration) -> Self {
        Self {
            wall: Timestamp::default().after(since_epoch),
            steady: since_epoch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_read_and_print_rfc_3339() {
        for (text, expected) in [
            ("2022-01-25T12:36:43Z", "2022-01-25T12:36:43.000Z"),
            ("2022-01-25T13:36:43.25+01:00", "2022-01-25T12:36:43.250Z"),
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), expected);
        }
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn seconds_outside_the_civil_calendar_are_no_timestamp() {
        for seconds in [f64::NAN, f64::INFINITY, 1e300, -1e12, 253_402_300_800.0] {
            assert_eq!(Timestamp::from_seconds(seconds), None, "{seconds}");
        }
        assert_eq!(
            Timestamp::from_seconds(1.5),
            Some(Timestamp::from_millis(1_500))
        );
    }
}

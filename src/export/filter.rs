//! Which measurements are meant.

use crate::document::units::Period;
use crate::engine::measurement::Measurement;
use crate::engine::time::Timestamp;

/// A choice of measurements; what is `None` does not restrict it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only what is later; a measurement of this very time is left out, as in every window, so that exports of
    /// consecutive spans neither overlap nor leave a gap.
    pub from: Option<Timestamp>,
    /// Only what is not later; a measurement of this very time is taken.
    pub to: Option<Timestamp>,
    /// Only what is of this operation.
    pub operation: Option<String>,
}

impl Filter {
    /// Whether it takes a measurement that counts for the time `at`.
    pub fn takes(&self, at: Timestamp, measurement: &Measurement) -> bool {
        self.from.is_none_or(|from| at > from)
            && self.to.is_none_or(|to| at <= to)
            && (self.operation.as_deref())
                .is_none_or(|operation| measurement.key.operation() == operation)
    }
}

/// A text that is no point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no time; an RFC 3339 time (2026-01-31T12:00:00Z), Unix seconds, `now`, or a time ago (-1h, -7d) is allowed"
)]
pub struct MomentError(String);

/// Reads a point in time as users write it: RFC 3339, Unix seconds, `now`, or how long before `now`, as in `-1h30m`.
///
/// # Errors
/// The text, where it is none of these.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, MomentError> {
    let ago = || {
        let period: Period = text.strip_prefix('-')?.parse().ok()?;
        Some(now.before(period.into()))
    };
    let named = || (text == "now").then_some(now);
    let seconds = || Timestamp::from_seconds(text.parse().ok().filter(|s: &f64| *s >= 0.0)?);
    (Timestamp::parse(text)
        .or_else(ago)
        .or_else(named)
        .or_else(seconds))
    .ok_or_else(|| MomentError(text.chars().take(60).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::measurement::Draft;

    #[test]
    fn a_span_is_open_at_its_start_and_closed_at_its_end() {
        let at = Timestamp::from_millis;
        let draft = Draft {
            operation: "detect",
            ..Draft::default()
        };
        let measurement = Measurement::new(draft).unwrap();
        let filter = Filter {
            from: Some(at(10)),
            to: Some(at(20)),
            operation: None,
        };
        let taken: Vec<i64> = (0..40)
            .filter(|millis| filter.takes(at(*millis), &measurement))
            .collect();
        assert_eq!(taken, (11..=20).collect::<Vec<_>>());
        assert!(Filter::default().takes(at(-5), &measurement));
        for (operation, expected) in [("detect", true), ("detec", false), ("train", false)] {
            let filter = Filter {
                operation: Some(operation.to_owned()),
                ..Filter::default()
            };
            assert_eq!(filter.takes(at(0), &measurement), expected, "{operation}");
        }
    }

    #[test]
    fn moments_are_absolute_or_ago() {
        let now = Timestamp::parse("2026-01-31T12:00:00Z").unwrap();
        for (text, expected) in [
            ("2026-01-30T12:00:00+01:00", "2026-01-30T11:00:00.000Z"),
            ("now", "2026-01-31T12:00:00.000Z"),
            ("1769860800.5", "2026-01-31T12:00:00.500Z"),
            ("-1h30m", "2026-01-31T10:30:00.000Z"),
            ("-7d", "2026-01-24T12:00:00.000Z"),
        ] {
            let read = moment(text, now).map(|at| at.to_string());
            assert_eq!(read.as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "-", "1h", "yesterday", "-1 h", "2026-01-30"] {
            let error = moment(text, now).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{text:?} is no time")),
                "{error}"
            );
        }
    }
}

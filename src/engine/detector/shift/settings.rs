//! What a shift detector is told about its series.

use super::profile::PAIRS;

/// What is known of a series before its first point, checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Points in a season.
    pub(super) season: usize,
    /// Points in a day.
    pub(super) points_per_day: f64,
    /// Points that are learnt from before any is judged.
    pub(super) warm_up: usize,
    /// Evidence at which the budget of false alarms is spent.
    pub(super) limit: f64,
}

/// Settings that no detector can work with.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidSettings {
    /// The season has too few or too many points.
    #[error("a season of {0} points is not allowed; 2 to {MAX_SEASON} are")]
    Season(usize),
    /// The warm-up has too few or too many points.
    #[error(
        "a warm-up of {given} points is not allowed; {least} (two seasons, and at least {MIN_WARM_UP}) to {MAX_WARM_UP} are"
    )]
    WarmUp {
        /// Points that were asked for.
        given: usize,
        /// The least that is allowed with this season.
        least: usize,
    },
    /// The number of points in a day is none.
    #[error("{0} points a day are not allowed; a finite number above 0 is")]
    PointsPerDay(f64),
    /// The budget is none.
    #[error("a false alarm in {0} days is not allowed; a finite number of days above 0 is")]
    Budget(f64),
}

/// The longest season: a week of points at ten seconds.
pub const MAX_SEASON: usize = 60_480;
/// The shortest warm-up: two of the short blocks that tell how slow the noise is.
pub const MIN_WARM_UP: usize = 48;
/// The longest warm-up; its points are held in memory until it ends, 16 bytes each.
pub const MAX_WARM_UP: usize = 4 * MAX_SEASON;

/// The logarithm of how much more often than one window of one channel the best of all windows crosses a limit: found once
/// on white noise, not on series with known regressions.
const SCAN: f64 = 0.95;

impl Settings {
    /// For a series with `points_per_day` points in a day and `season` points in a season (usually a day as well), that is
    /// learnt for `warm_up` points (at least two seasons) and then may raise one false alarm in `days`.
    ///
    /// # Errors
    /// When a number is out of its range.
    pub fn new(
        season: usize,
        points_per_day: f64,
        warm_up: usize,
        days: f64,
    ) -> Result<Self, InvalidSettings> {
        if !(2..=MAX_SEASON).contains(&season) {
            return Err(InvalidSettings::Season(season));
        }
        let least = MIN_WARM_UP.max(2 * season);
        if !(least..=MAX_WARM_UP).contains(&warm_up) {
            let given = warm_up;
            return Err(InvalidSettings::WarmUp { given, least });
        }
        if !points_per_day.is_finite() || points_per_day <= 0.0 {
            return Err(InvalidSettings::PointsPerDay(points_per_day));
        }
        if !days.is_finite() || days <= 0.0 {
            return Err(InvalidSettings::Budget(days));
        }
        // Three channels are looked at (Bonferroni). Below 1, about one alarm in eight hours, evidence would mean nothing.
        let limit = (days.ln() + 3f64.ln() + SCAN).max(1.0);
        Ok(Self {
            season,
            points_per_day,
            warm_up,
            limit,
        })
    }

    /// Points in a season.
    pub fn season(&self) -> usize {
        self.season
    }

    /// How many points are learnt from before any is judged.
    pub fn warm_up(&self) -> usize {
        self.warm_up
    }

    /// Pairs of sine and cosine that a season of so few points can tell apart.
    pub(super) fn pairs(&self) -> usize {
        PAIRS.min((self.season - 1) / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused() {
        let said = |season, per_day, warm_up, days| {
            let settings = Settings::new(season, per_day, warm_up, days);
            settings.map_err(|error| error.to_string())
        };
        assert!(said(288, 288.0, 576, 20.0).is_ok());
        for (asked, expected) in [
            (
                said(1, 1.0, 576, 20.0),
                "a season of 1 points is not allowed; 2 to 60480 are",
            ),
            (
                said(288, 288.0, 575, 20.0),
                "a warm-up of 575 points is not allowed; 576 (two seasons, and at least 48) to 241920 are",
            ),
            (
                said(2, 2.0, 4, 20.0),
                "a warm-up of 4 points is not allowed; 48 (two seasons, and at least 48) to 241920 are",
            ),
            (
                said(288, 0.0, 576, 20.0),
                "0 points a day are not allowed; a finite number above 0 is",
            ),
            (
                said(288, 288.0, 576, f64::NAN),
                "a false alarm in NaN days is not allowed; a finite number of days above 0 is",
            ),
        ] {
            assert_eq!(asked.unwrap_err(), expected);
        }
    }
}

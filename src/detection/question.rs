//! What is asked of a detector.

use std::time::Duration;

use clap::ValueEnum;

use crate::document::units::Period;
use crate::engine::condition::Budget;
use crate::engine::detector::{novelty, shift};

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Points unlike anything that has been seen in the series, as they come.
    Anomaly,
    /// Lasting changes of level, spread or tail, as they come.
    Regression,
    /// Where the series as a whole changes, seen from its end.
    Segments,
}

/// How much a detector of regressions learns from before it judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarmUp {
    /// So many points.
    Points(usize),
    /// So long.
    Time(Duration),
}

impl std::str::FromStr for WarmUp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(points) = text.parse() {
            return Ok(Self::Points(points));
        }
        let time: Result<Period, _> = text.parse();
        time.map(|Period(time)| Self::Time(time)).map_err(|_| {
            format!("{text:?} is not allowed; a number of points, or a time such as `2d`, is")
        })
    }
}

/// A detector and what it is told. What a detector has no use for is not looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// What is looked for.
    pub kind: Kind,
    /// How long a season of a regression's series is.
    pub season: Duration,
    /// How many false alarms a series may raise; of regressions one in 20 days by default, of anomalies one a day.
    pub budget: Option<Budget>,
    /// How much is learnt from before a regression can be; two seasons by default.
    pub warm_up: Option<WarmUp>,
    /// How far points are apart where their times do not say so.
    pub step: Duration,
}

/// What no detector can work with.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidQuestion {
    /// The season is too short for the step.
    #[error(
        "a season of {season} has too few points {step} apart; at least two steps, {least}, are allowed"
    )]
    Season {
        /// The season.
        season: Period,
        /// The step.
        step: Period,
        /// The shortest season.
        least: Period,
    },
    /// Something else is out of range.
    #[error(transparent)]
    Settings(#[from] shift::InvalidSettings),
}

const DAY: f64 = 86_400.0;

/// How far the points of a series are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Steps(Duration);

impl Steps {
    fn in_a(self, time: Duration) -> f64 {
        time.as_secs_f64() / self.0.as_secs_f64().max(1e-3)
    }

    fn whole_in_a(self, time: Duration) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and is checked by who is told"
        )]
        let whole = self.in_a(time).round() as usize;
        whole
    }
}

impl Question {
    /// The step of a series: that of its times, else the one that was said.
    pub(super) fn steps(&self, step: Option<Duration>) -> Steps {
        Steps(step.unwrap_or(self.step))
    }

    fn days(&self, default: f64) -> f64 {
        let days = |budget: Budget| budget.per.as_secs_f64() / DAY / budget.alarms;
        self.budget.map_or(default, days)
    }

    pub(super) fn regression(&self, steps: Steps) -> Result<shift::Settings, InvalidQuestion> {
        let season = steps.whole_in_a(self.season);
        if season < 2 {
            return Err(InvalidQuestion::Season {
                season: Period(self.season),
                step: Period(steps.0),
                least: Period(2 * steps.0),
            });
        }
        let warm_up = match self.warm_up {
            None => (2 * season).max(shift::MIN_WARM_UP),
            Some(WarmUp::Points(points)) => points,
            Some(WarmUp::Time(time)) => steps.whole_in_a(time),
        };
        let per_day = steps.in_a(Duration::from_secs(86_400));
        Ok(shift::Settings::new(
            season,
            per_day,
            warm_up,
            self.days(20.0),
        )?)
    }

    pub(super) fn anomaly(&self, steps: Steps) -> novelty::Settings {
        let mut settings = novelty::Settings::new(steps.in_a(Duration::from_secs(86_400)));
        settings.days_per_false_alarm = self.days(1.0);
        settings
    }
}

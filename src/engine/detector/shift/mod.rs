//! Lasting changes of a series: of its level, its spread, or its upper tail.
//!
//! A profile (`profile`, learnt by `fit`) takes the season and the dependence of neighbouring points out; what is new in
//! a point feeds three `channels`. Windows of 12 to 720 points are compared with everything before them (`windows`), under
//! the noise that means of blocks really have (`noise`). What they find is named (`naming`), dated (`dating`), and of a level it
//! is told whether it has moved at once or bit by bit (`shape`, from the `history` of weeks). The best evidence, as a share of what the budget of false alarms
//! asks for, is the score; it is held so that an incident alarms once (`holding`).
//!
//! The tests are generalised likelihood ratios with unknown noise: ½ f ln(1 + t² / f) with f degrees of freedom (D. Siegmund
//! and E. S. Venkatraman, *Using the generalized likelihood ratio statistic for sequential detection of a change-point*, 1995).

mod channels;
mod dating;
mod days;
mod fit;
mod history;
mod holding;
mod naming;
mod noise;
mod packed;
mod profile;
mod running;
mod settings;
mod shape;
mod sums;
mod told;
mod weekdays;
mod windows;

#[cfg(test)]
mod tests;

pub use channels::Channel;
use running::Running;
pub use settings::{InvalidSettings, MAX_SEASON, MAX_WARM_UP, MIN_WARM_UP, Settings};

/// Above this autocorrelation of neighbouring points, a warm-up of two days holds too few independent values: false alarms
/// come several times as often as the budget allows.
pub const SLOW_NOISE: f64 = 0.85;

/// The detector of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    settings: Settings,
    /// Points so far.
    points: u64,
    /// Points in a row that had no value.
    missing: u64,
    phase: Phase,
}

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    /// The points so far.
    WarmUp(Vec<Option<f64>>),
    /// The points before the warm-up began, and the detector.
    Running(u64, Box<Running>),
}

/// What a point says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Verdict {
    /// The evidence, held while its incident goes on, as a share of what the budget asks for: at 1 it is spent.
    pub score: f64,
    /// The evidence of this point alone: the logarithm of the odds for a change.
    pub evidence: f64,
    /// The change that the score tells of, from a half on.
    pub change: Option<Change>,
    /// Whether an incident is going on.
    pub is_open: bool,
    /// The autocorrelation of neighbouring points, 0 to 0.95; `None` in the warm-up.
    pub phi: Option<f64>,
    /// What the point would be like without any change, in the unit of the series; `None` in the warm-up.
    pub usual: Option<f64>,
}

/// A lasting change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// What has changed.
    pub channel: Channel,
    /// The first point after the change, from 0: the best estimate.
    pub since: u64,
    /// The interval in which that lies with 95 % confidence.
    pub within: (u64, u64),
    /// How large it is, at least: what lies 2.5 standard deviations of the noise away counts as no farther. Of a drift, how
    /// far it has gone by now.
    pub size: Size,
    /// The interval in which that lies with 95 % confidence, were the moment of the change known.
    pub interval: (Size, Size),
    /// Whether it may be much larger, because most points since lie that far away.
    pub is_larger: bool,
    /// By how much a drift goes each day, with the interval in which that lies with 95 % confidence.
    pub per_day: Option<(Size, (Size, Size))>,
    /// The logarithm of the odds for a change: of the channel that has the most.
    pub evidence: f64,
}

/// The size of a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// What was 1 is now this: of the level, the spread, or how far values reach into the upper tenth.
    Times(f64),
    /// The level has moved by this, in the unit of the series.
    By(f64),
}

impl Change {
    /// Whether it is upwards.
    pub fn is_rise(&self) -> bool {
        match self.size {
            Size::Times(times) => times > 1.0,
            Size::By(by) => by > 0.0,
        }
    }
}

impl Size {
    /// The change as a share of what there was before, 0.2 for 20 % more; `usual` is that of a level.
    pub fn relative(self, usual: Option<f64>) -> Option<f64> {
        let relative = match self {
            Self::Times(times) => times - 1.0,
            Self::By(by) => by / usual?.abs(),
        };
        relative.is_finite().then_some(relative)
    }
}

impl Verdict {
    /// Whether the series is still learnt from.
    pub fn is_warming_up(&self) -> bool {
        self.phi.is_none()
    }

    /// Whether the noise is too slow for the warm-up: more false alarms than the budget allows are to be expected.
    pub fn is_too_slow(&self) -> bool {
        self.phi.is_some_and(|phi| phi > SLOW_NOISE)
    }
}

impl Shift {
    /// A detector that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            points: 0,
            missing: 0,
            phase: Phase::WarmUp(Vec::new()),
        }
    }

    /// Judges the next point; a value that is not finite counts as missing.
    ///
    /// After a gap longer than a season the series is learnt anew, and so it is where less than half of the warm-up has
    /// values.
    pub fn push(&mut self, value: Option<f64>) -> Verdict {
        let value = value.filter(|value| value.is_finite());
        self.points += 1;
        self.missing = value.map_or(self.missing + 1, |_| 0);
        let is_gap = self.missing > self.settings.season as u64;
        match &mut self.phase {
            Phase::Running(origin, running) if !is_gap => {
                return running.push(value, *origin, &self.settings);
            }
            Phase::Running(..) => self.phase = Phase::WarmUp(Vec::new()),
            Phase::WarmUp(seen) => {
                // Nothing is learnt from waiting for the first value.
                if value.is_some() || !seen.is_empty() {
                    seen.push(value);
                }
                if seen.len() == self.settings.warm_up {
                    let origin = self.points - seen.len() as u64;
                    self.phase = match fit::fit(seen, &self.settings) {
                        Some(fitted) => {
                            Phase::Running(origin, Box::new(Running::new(fitted, &self.settings)))
                        }
                        None => Phase::WarmUp(Vec::new()),
                    };
                }
            }
        }
        Verdict::default()
    }

    /// Points that are missing until the first one is judged; 0 once one has been.
    pub fn warm_up_left(&self) -> usize {
        match &self.phase {
            Phase::WarmUp(seen) => self.settings.warm_up - seen.len(),
            Phase::Running(..) => 0,
        }
    }

    /// Bytes that the detector takes now.
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + match &self.phase {
                Phase::WarmUp(seen) => seen.capacity() * size_of::<Option<f64>>(),
                Phase::Running(..) => size_of::<Running>(),
            }
    }
}

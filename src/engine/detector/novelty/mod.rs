//! Anomalies in a stream: points whose short pattern is far from every pattern of the series so far.
//!
//! Spikes, plateaus and daily shapes that have been there before are known and stay quiet, however long ago they were.
//! Three experts look at the value, at the shape of three points and at the mean of three. Each keeps a bounded
//! dictionary of patterns and turns the distance to the nearest one into a surprise: how rarely the
//! series itself has been that far away. Two experts have to agree, and the bar is a rate in time, not per point, so that
//! one setting serves points of a minute and of an hour. Beside them the course of the day is watched for what is
//! known, but not at that time. After an alert the bar is raised for a while: one alert
//! an incident.
//!
//! Nothing is random, and nothing is allocated after the start.

mod bar;
mod dictionary;
mod expert;
mod packed;
mod scalars;
mod season;
mod tail;
mod triples;

use bar::Bar;
use expert::{Expert, Said};
use scalars::Scalars;
use season::Season;
use triples::Triples;

/// Added to the mean surprise of two experts. They are rarely surprised at once, so that their mean is smaller than the
/// surprise of one.
const AGREEMENT: f64 = 0.45;
/// The surprise below which no point alerts: the rarest eighth of them, where the points are rarer than hourly.
const LEAST_SURPRISE: f64 = 0.9;
/// Changes of the value before the first score: a series that has been constant gives no measure of what is far.
const CHANGES: u8 = 3;
/// Values from here on would leave the range of a float once squared.
const LARGEST: f64 = 1e150;

/// What a detector is told about its series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Points a day, from the length of a step. Below 2 it is taken as 2.
    pub points_per_day: f64,
    /// The budget of false alarms: one in so many days, 1 by default. Below 0.5 it is taken as 0.5.
    pub days_per_false_alarm: f64,
    /// Patterns that each expert remembers, 8 to 255. Twice as many gain nothing, half as many lose a little.
    pub entries: usize,
}

impl Settings {
    /// The defaults for a series of that many points a day.
    pub fn new(points_per_day: f64) -> Self {
        Self {
            points_per_day,
            days_per_false_alarm: 1.0,
            entries: 128,
        }
    }

    fn points_per_day(&self) -> f64 {
        self.points_per_day.max(2.0)
    }

    /// The score from which a point alerts: 1 is about once a day, and each ten times rarer adds 1.
    pub fn threshold(&self) -> f64 {
        1.0 + self.days_per_false_alarm.max(0.5).log10()
    }
}

/// What an expert looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// The value.
    Value,
    /// The last three values in their order.
    Shape,
    /// The mean of the last three values.
    Level,
    /// The mean of the slot of the day that has just ended, two hours or more.
    Season,
}

/// A pattern of the past, in the unit of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    /// A value, or the mean of several.
    One(f64),
    /// Three values, newest first.
    Three([f64; 3]),
}

/// What a detector says of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// How rare such a point is: 1 about once a day, 2 once in ten days, 0 not at all. 0 as well for the first 60 and
    /// where the value has not changed three times yet.
    pub score: f64,
    /// The score where it is above the bar that an earlier alert has left, else 0.
    pub held: f64,
    /// Whether that reaches the budget's threshold.
    pub alert: bool,
    /// What is odd most.
    pub aspect: Aspect,
    /// How far away the nearest known pattern is, in typical steps from one point to the next, or
    /// from one day to another.
    pub distance: f64,
    /// The nearest known pattern, of points whose score reaches the threshold.
    pub nearest: Option<Pattern>,
    /// What that is to be compared with: the value, the mean of three, or that of the slot of the day.
    pub seen: Option<f64>,
}

impl Verdict {
    const NONE: Self = Self {
        score: 0.0,
        held: 0.0,
        alert: false,
        aspect: Aspect::Value,
        distance: 0.0,
        nearest: None,
        seen: None,
    };

    /// How often such a point is expected, in times a day.
    pub fn times_per_day(&self) -> f64 {
        10f64.powf(1.0 - self.score)
    }
}

/// A detector of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Novelty {
    threshold: f64,
    /// The surprise of what is seen once a day.
    daily: f64,
    value: Expert<Scalars>,
    shape: Expert<Triples>,
    level: Expert<Scalars>,
    /// The last values, newest first, and how many of them there are.
    recent: [f64; 3],
    known: usize,
    /// How often a value differed from the one before, counted up to what is needed.
    changes: u8,
    season: Season,
    bar: Bar,
}

impl Novelty {
    /// A detector that has seen nothing.
    pub fn new(settings: &Settings) -> Self {
        let day = settings.points_per_day();
        Self {
            threshold: settings.threshold(),
            daily: (day.log10() - AGREEMENT).max(LEAST_SURPRISE),
            value: Expert::new(1, settings.entries),
            shape: Expert::new(3, settings.entries),
            level: Expert::new(3, settings.entries),
            recent: [0.0; 3],
            known: 0,
            changes: 0,
            season: Season::new(day),
            bar: Bar::new(day),
        }
    }

    /// The score from which a point alerts.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Points that a slot of the day has, about.
    pub fn slot_points(&self) -> f64 {
        self.season.points_per_day / self.season.slots.max(1) as f64
    }

    /// Takes the next point. A value that is not finite, or beyond ±1e150, is as none. Without a value the experts neither say
    /// nor learn anything, but the bar goes down, and a slot of the day may end.
    pub fn push(&mut self, value: Option<f64>) -> Verdict {
        let value = value.filter(|value| value.abs() < LARGEST);
        self.bar.ease(value.is_some());
        let season = self.season.push(value);
        let mut verdict = value.map_or(Verdict::NONE, |value| self.novelty(value));
        if let Some(odd) = season.filter(|odd| odd.score > verdict.score) {
            verdict.score = odd.score;
            verdict.aspect = Aspect::Season;
            verdict.distance = odd.distance;
            verdict.nearest = Some(Pattern::One(odd.nearest));
            verdict.seen = Some(odd.mean);
        }
        verdict.nearest = (verdict.nearest).filter(|_| verdict.score >= self.threshold);
        verdict.held = self.bar.hold(verdict.score, self.threshold);
        verdict.alert = verdict.held >= self.threshold;
        verdict
    }

    /// What the experts say of a value.
    fn novelty(&mut self, value: f64) -> Verdict {
        let [newest, middle, _] = self.recent;
        if self.known > 0 && value != newest {
            self.changes = CHANGES.min(self.changes + 1);
        }
        self.recent = [value, newest, middle];
        self.known = (self.known + 1).min(3);
        let odd = (self.changes >= CHANGES).then_some(self.daily);
        let said = [
            (Aspect::Value, self.value.push(value, odd)),
            (Aspect::Shape, self.shape.push(value, odd)),
            (Aspect::Level, self.level.push(self.mean(), odd)),
        ];
        let (score, aspect, distance) = self.agreed(said);
        let nearest = (score >= self.threshold).then(|| self.nearest(aspect));
        Verdict {
            score,
            aspect,
            distance,
            nearest: nearest.flatten(),
            seen: Some(match aspect {
                Aspect::Level => self.mean(),
                Aspect::Value | Aspect::Shape | Aspect::Season => value,
            }),
            ..Verdict::NONE
        }
    }

    /// The mean of the last three values, or of fewer at the start.
    fn mean(&self) -> f64 {
        let [newest, middle, oldest] = self.recent;
        match self.known {
            0 | 1 => newest,
            2 => (middle + newest) / 2.0,
            _ => (oldest + middle + newest) / 3.0,
        }
    }

    /// The score from the mean of the two largest surprises, with the aspect and distance of the largest.
    fn agreed(&self, said: [(Aspect, Said); 3]) -> (f64, Aspect, f64) {
        let [mut first, mut second, third] = said;
        if second.1.surprise > first.1.surprise {
            std::mem::swap(&mut first, &mut second);
        }
        if third.1.surprise > first.1.surprise {
            (first, second) = (third, first);
        } else if third.1.surprise > second.1.surprise {
            second = third;
        }
        let mean = f64::midpoint(first.1.surprise, second.1.surprise);
        let score = (1.0 + mean - self.daily).max(0.0);
        (score, first.0, first.1.distance)
    }

    fn nearest(&self, aspect: Aspect) -> Option<Pattern> {
        match aspect {
            Aspect::Value => self.value.nearest().map(|[value]| Pattern::One(value)),
            Aspect::Shape => self.shape.nearest().map(Pattern::Three),
            Aspect::Level => self.level.nearest().map(|[value]| Pattern::One(value)),
            Aspect::Season => None,
        }
    }
}

#[cfg(test)]
mod tests;

//! The detector after its warm-up.

use super::channels::{Channel, Channels, channels, is_hot, zip};
use super::dating::{date, oldest};
use super::fit::{CLIP, Fitted};
use super::history::{Block, History};
use super::holding::Holding;
use super::naming::name;
use super::noise::Noise;
use super::profile::{Profile, Waves, waves};
use super::settings::Settings;
use super::shape::{Given, Kind, Shape, shape};
use super::sums::{BLOCK, Sums};
use super::told::{change, kept, shaped};
use super::weekdays::{Corrected, Weekdays};
use super::windows::{Windows, Zone};
use super::{Change, Verdict};

/// The least shift of the level, as a share of half the range of a day: weekdays differ by as much.
const SEASON_ZONE: f64 = 0.07;
/// How fast the profile follows: so much over the number of points so far.
const GAIN: f64 = 2.0;
/// It follows points that are farther off no faster than these.
const FOLLOWED: f64 = 2.0;

/// From this score on what is found is dated.
const TOLD: f64 = 0.5;
/// How a level has changed is looked at each so many points, as long as that is open and once it is known: it costs as much
/// as a hundred points.
const OPEN_EVERY: u64 = 2 * BLOCK;
const KNOWN_EVERY: u64 = 4 * BLOCK;
/// The season of a day that is far off is not that of the others: until so many points after it, in windows shorter than a
/// season, a shift of the level by less than this share of half the daily range is none.
const FAR_ZONE: f64 = 0.5;
const FAR_POINTS: u64 = 48;

/// The state of a series that is judged.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Running {
    pub profile: Profile,
    pub sums: Sums,
    pub weekdays: Weekdays,
    pub noise: Noise,
    pub windows: Windows,
    /// The alarm that is held.
    pub holding: Holding<Change>,
    /// The residual of the point before, clipped, in standard deviations; 0 where it was missing.
    pub last: f64,
    /// Whether the point before was far out.
    pub was_hot: bool,
    /// The evidence of the point before.
    pub evidence: f64,
    /// What the level has been.
    pub history: History,
    /// How it has changed, while an alarm is held.
    pub shape: Option<Shape>,
}

impl Running {
    /// Begins with what the warm-up has taught.
    pub fn new(fitted: Fitted, settings: &Settings) -> Self {
        let Fitted {
            profile,
            points,
            residuals,
            last,
        } = fitted;
        let mut was_hot = false;
        let mut warm: Vec<Option<Channels>> = Vec::with_capacity(points.len());
        for u in points {
            let seen = u.map(|u| channels(u, profile.decile, was_hot).0);
            warm.push(seen);
            // A missing point of the warm-up counts as one without anything new.
            was_hot = is_hot(u.unwrap_or(0.0), profile.decile);
        }
        let ended_hot = points_end_hot(&warm, was_hot);
        let present = warm.iter().flatten();
        let count = present.clone().count().max(1) as f64;
        let sum = present.fold([0.0; 3], |sum, values| zip(sum, *values, |a, b| a + b));
        let mean = sum.map(|sum| sum / count);
        let values: Vec<Channels> = warm.iter().map(|values| values.unwrap_or(mean)).collect();
        let mut sums = Sums::default();
        let noise = Noise::learn(&values);
        let mut weekdays = Weekdays::new(settings.season, settings.points_per_day);
        for values in &values {
            sums.add(*values);
            weekdays.follow(&sums, &noise);
        }
        let mut history = History::default();
        for (n, residual) in (0..).zip(residuals) {
            let noise = profile.noise_at(&waves_at(n, settings)) * profile.innovation;
            history.add(n, residual, noise, profile.phi);
        }
        Self {
            noise,
            weekdays,
            holding: Holding {
                peak: 0.0,
                since: settings.warm_up as u64,
                found: None,
            },
            profile,
            sums,
            windows: Windows::default(),
            last,
            was_hot: ended_hot,
            evidence: 0.0,
            history,
            shape: None,
        }
    }

    /// Judges the next point; `origin` points came before the warm-up.
    pub fn push(&mut self, value: Option<f64>, origin: u64, settings: &Settings) -> Verdict {
        let t = self.sums.n;
        let waves = waves_at(t, settings);
        let noise = self.profile.noise_at(&waves);
        let scaled = value.and_then(|value| self.profile.scale.of(value));
        let z = scaled.map_or(0.0, |y| self.profile.residual(y, &waves) / noise);
        let phi = self.profile.phi;
        let expected = phi * self.last;
        let u = (z - expected) / self.profile.innovation;
        let (values, is_hot) = channels(u, self.profile.decile, self.was_hot);
        let nothing_new = self.nothing_new(t);
        let [level, spread, tail] = values;
        let [_, no_spread, no_tail] = nothing_new;
        self.sums.add(match scaled {
            // So far off a point lies at the end of every channel, whatever it varies by.
            Some(_) if self.weekdays.is_far(t) => [level, no_spread, no_tail],
            Some(_) => [level, spread, tail],
            None => nothing_new,
        });
        self.last = match scaled {
            Some(_) => expected + u.clamp(-CLIP, CLIP) * self.profile.innovation,
            None => 0.0,
        };
        self.was_hot = is_hot && scaled.is_some();
        let innovation = noise * self.profile.innovation;
        (self.history).add(t, scaled.map(|_| z * noise), innovation, phi);

        if scaled.is_none() {
            self.holding.wait(t);
        }
        let is_quiet = self.holding.is_quiet();
        if is_quiet && scaled.is_some() {
            let step = GAIN / self.sums.n as f64 * z.clamp(-FOLLOWED, FOLLOWED) * noise;
            self.profile.follow(step, &waves, settings.pairs());
        }
        self.weekdays.follow(&self.sums, &self.noise);
        let sums = Corrected {
            sums: &self.sums,
            weekdays: &self.weekdays,
        };
        self.noise.follow(sums, is_quiet);

        // A unit of the level channel on the scale of the values.
        let unit = noise * self.profile.innovation / (1.0 - phi);
        let is_far = self.weekdays.is_far(t) || self.weekdays.is_far(t.saturating_sub(FAR_POINTS));
        let far = if is_far { FAR_ZONE } else { 0.0 };
        let half_range = self.profile.half_range / unit;
        let zone = Zone {
            any: SEASON_ZONE * half_range,
            within_season: far * half_range,
        };
        let (evidence, best) = (self.windows).judge(
            sums,
            &self.noise,
            (zone, self.profile.is_rare),
            self.evidence,
            settings,
        );
        self.evidence = evidence;
        let profile = &self.profile;
        // What came before the change, or all that has come, at this place of the season.
        let mean = best.map_or_else(
            || sums.mean_level(),
            |best| match best.channel {
                Channel::Level | Channel::Drift => best.means.0,
                Channel::Spread | Channel::Tail => sums.mean_level(),
            },
        );
        let [weekday, ..] = self.weekdays.of(t);
        let usual = profile.usual((mean + weekday) * unit, &waves);
        let season = settings.season as u64;
        let told = evidence / settings.limit;
        let profile = &self.profile;
        if self.holding.is_over(t, told) {
            self.history.from = self.holding.since;
            self.shape = None;
        }
        let is_open = told >= 1.0 || self.holding.is_open(t);
        let is_due = match self.shape {
            None => true,
            Some(shape) if shape.kind == Kind::Open => sums.n().is_multiple_of(OPEN_EVERY),
            Some(_) => sums.n().is_multiple_of(KNOWN_EVERY),
        };
        let looks = is_open && is_due;
        if looks {
            let blocks = blocks(&self.history, sums, profile);
            let given = given(profile, &self.noise, settings);
            let was = self.shape.map_or(Kind::Open, |shape| shape.kind);
            self.shape = shape(&blocks, &given, was);
        }
        let shape = self.shape;
        let earlier = self.holding.found.filter(|_| self.holding.is_open(t));
        let is_block = sums.n().is_multiple_of(BLOCK);
        let change = || {
            // To date it costs more than all the rest: nobody asks for one that is far from being told, and in one that has
            // been told of a few points change little.
            let best = best.filter(|_| told >= TOLD)?;
            if let Some(earlier) = earlier.filter(|_| !is_block) {
                return Some(Change {
                    evidence,
                    ..earlier
                });
            }
            let best = name(best, sums, &self.noise, profile.decile, season);
            let dated = date(&best, sums, &self.noise, season);
            let change = change(best, dated, evidence, unit, profile, origin);
            let change = kept(change, earlier.as_ref(), origin + oldest(sums.n()));
            Some(shaped(change, shape.as_ref(), profile, origin, settings))
        };
        let score = self.holding.hold(t, told, change);
        // A drift that goes on is known better each time, also where its evidence has been greater.
        if looks && self.shape.is_some_and(|shape| shape.kind == Kind::Drift) {
            let found = self.holding.found;
            self.holding.found =
                found.map(|found| shaped(found, shape.as_ref(), profile, origin, settings));
        }
        Verdict {
            score,
            evidence,
            change: self.holding.found.filter(|_| score > 0.0),
            is_open: score >= 1.0,
            phi: Some(phi),
            usual: Some(usual),
        }
    }
}

impl Running {
    /// What moves no mean: the mean of all, and what is expected of the day.
    fn nothing_new(&self, t: u64) -> Channels {
        let sums = Corrected {
            sums: &self.sums,
            weekdays: &self.weekdays,
        };
        let n = t.max(1) as f64;
        zip(sums.now(), self.weekdays.of(t), |sum, day| sum / n + day)
    }
}

/// Whether the last point of the warm-up has a value and is hot.
fn points_end_hot(warm: &[Option<Channels>], was_hot: bool) -> bool {
    was_hot && warm.last().is_some_and(Option::is_some)
}

fn waves_at(n: u64, settings: &Settings) -> Waves {
    let slot = usize::try_from(n % settings.season as u64).unwrap_or_default();
    waves(slot, settings.season)
}

/// The blocks of a history without what was to be expected of their days.
fn blocks(history: &History, sums: Corrected<'_>, profile: &Profile) -> Vec<Block> {
    let unit = profile.noise * profile.innovation / (1.0 - profile.phi);
    let expected = |n: u64| {
        let [level, ..] = sums.weekdays.at(n);
        level * unit
    };
    let mut blocks = history.blocks(sums.n());
    for block in &mut blocks {
        block.mean -= (expected(block.end) - expected(block.begin)) / block.points();
    }
    blocks
}

fn given(profile: &Profile, noise: &Noise, settings: &Settings) -> Given {
    let unit = profile.noise * profile.innovation / (1.0 - profile.phi);
    let [single, ..] = noise.single;
    Given {
        variance: single * unit * unit,
        season: settings.season as f64,
        pairs: settings.pairs() as f64,
    }
}

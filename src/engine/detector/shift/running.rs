//! The detector after its warm-up.

use super::channels::{Channel, Channels, channels, is_hot, zip};
use super::dating::{Dated, date};
use super::fit::{CLIP, Fitted};
use super::holding::Holding;
use super::noise::Noise;
use super::profile::{Profile, waves};
use super::settings::Settings;
use super::sums::Sums;
use super::weekdays::{Corrected, Weekdays};
use super::windows::{Best, Windows};
use super::{Change, Size, Verdict};

/// The least shift of the level, as a share of half the range of a day: weekdays differ by as much.
const SEASON_ZONE: f64 = 0.07;
/// The quantile of the normal distribution beyond which a fortieth lies.
const NORMAL_975: f64 = 1.959_963_984_540_054;
/// How fast the profile follows: so much over the number of points so far.
const GAIN: f64 = 2.0;
/// It follows points that are farther off no faster than these.
const FOLLOWED: f64 = 2.0;

/// From this score on what is found is dated.
const TOLD: f64 = 0.5;
/// On days that are expected to be farther off than this, in standard deviations of what is new, spread and tail say nothing.
const FAR: f64 = 1.0;
/// A mean of the level channel beyond this is made of clipped values.
const MOSTLY_CLIPPED: f64 = 2.0;

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
}

impl Running {
    /// Begins with what the warm-up has taught.
    pub fn new(fitted: Fitted, settings: &Settings) -> Self {
        let Fitted {
            profile,
            points,
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
        }
    }

    /// Judges the next point; `origin` points came before the warm-up.
    pub fn push(&mut self, value: Option<f64>, origin: u64, settings: &Settings) -> Verdict {
        let t = self.sums.n;
        let season = settings.season as u64;
        let slot = usize::try_from(t % season).unwrap_or_default();
        let waves = waves(slot, settings.season);
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
        let [expected_level, ..] = self.weekdays.of(t);
        self.sums.add(match scaled {
            // So far off a point lies at the end of every channel, whatever it varies by.
            Some(_) if expected_level.abs() > FAR => [level, no_spread, no_tail],
            Some(_) => [level, spread, tail],
            None => nothing_new,
        });
        self.last = match scaled {
            Some(_) => expected + u.clamp(-CLIP, CLIP) * self.profile.innovation,
            None => 0.0,
        };
        self.was_hot = is_hot && scaled.is_some();

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
        let zone = SEASON_ZONE * self.profile.half_range / unit;
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
                Channel::Level => best.means.0,
                Channel::Spread | Channel::Tail => sums.mean_level(),
            },
        );
        let [weekday, ..] = self.weekdays.of(t);
        let usual = profile.usual((mean + weekday) * unit, &waves);
        let season = settings.season as u64;
        let told = evidence / settings.limit;
        let change = || {
            // To date it costs as much as all the rest, and nobody asks for one that is far from being told.
            let best = best.filter(|_| told >= TOLD)?;
            let dated = date(&best, sums, &self.noise, season);
            Some(change(best, dated, evidence, unit, profile, origin))
        };
        let score = self.holding.hold(t, told, change);
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

fn change(
    best: Best,
    dated: Dated,
    evidence: f64,
    unit: f64,
    profile: &Profile,
    origin: u64,
) -> Change {
    let (before, since) = dated.means;
    let size = |since: f64| match best.channel {
        Channel::Level if profile.scale.is_log => Size::Times(((since - before) * unit).exp()),
        Channel::Level => Size::By((since - before) * unit * profile.scale.typical),
        Channel::Spread | Channel::Tail => Size::Times(since.max(0.0) / before.max(1e-9)),
    };
    let margin = NORMAL_975 * dated.error;
    let interval = (size(since - margin), size(since + margin));
    let size = size(since);
    Change {
        channel: best.channel,
        since: origin + dated.before,
        within: (origin + dated.within.0, origin + dated.within.1),
        size,
        interval,
        is_larger: best.channel == Channel::Level && since.abs() > MOSTLY_CLIPPED,
        evidence,
    }
}

//! Alerts that begin and end again and again are told of at growing distances, so that they do not drown what is new.
//!
//! How much an alert flaps is the figure of merit of route flap damping (RFC 2439, section 4.2): each time that it begins to
//! fire adds 1, and what has been added halves within a half-life. An alert flaps from when its score reaches a threshold on,
//! until it has fallen to a quarter of that. All of it goes by the steady clock and by nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::Announced;
use crate::engine::template::humanize;
use crate::engine::time::Timestamp;

/// Beginnings that are remembered of one alert: its score is never higher.
pub const MOST: usize = 32;
/// An alert flaps no more when its score has fallen to this part of the threshold.
const QUIET: f64 = 0.25;
/// After so many half-lives a beginning counts for nothing.
const FORGOTTEN: u32 = 10;
/// The annotation of an alert that flaps.
const ANNOTATION: &str = "flapping";

/// When an alert flaps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlapSettings {
    /// From this score on; above 1 and at most [`MOST`].
    pub score: f64,
    /// In which what each beginning has added to the score halves.
    pub half_life: Duration,
}

impl Default for FlapSettings {
    /// Five times within an hour or a little more often; something that fires now and then never comes to that.
    fn default() -> Self {
        Self {
            score: 4.0,
            half_life: Duration::from_secs(3_600),
        }
    }
}

/// How much an alert flaps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flaps {
    /// 1 for each time that it began to fire just now, half of that for each a half-life ago.
    pub score: f64,
    /// Whether it counts as flapping.
    pub is_flapping: bool,
    /// How often it began to fire, of what is remembered.
    pub times: usize,
    /// In how long.
    pub over: Duration,
}

/// When one alert began to fire, on the steady clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine) struct History {
    pub(in crate::engine) begins: VecDeque<Duration>,
    /// The latest by the wall clock, by which it is known again.
    pub(in crate::engine) last: Timestamp,
    pub(in crate::engine) is_flapping: bool,
}

/// When all alerts began to fire.
#[derive(Debug, Default)]
pub(in crate::engine) struct Flapping {
    settings: Option<FlapSettings>,
    pub(in crate::engine) histories: BTreeMap<u64, History>,
}

/// How an alert that flaps was last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Damped {
    /// When, on the steady clock.
    pub(in crate::engine) told_at: Duration,
    /// It is told again after this at the earliest.
    pub(in crate::engine) distance: Duration,
}

/// What is to be said of an alert at a look at its group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Say {
    /// As ever.
    Plainly,
    /// That it flaps: it is time.
    Flaps(Flaps),
    /// Nothing new, whatever it has done: it was told a short while ago that it flaps.
    Nothing(Flaps),
    /// It has become quiet, and how often it began since it was last told is news.
    HasFlapped(Flaps),
    /// It has become quiet, and its end has been told.
    IsQuiet,
}

impl History {
    fn score(&self, half_life: Duration, now: Duration) -> f64 {
        let half_life = half_life.as_secs_f64().max(f64::MIN_POSITIVE);
        let age = |begin: &Duration| now.saturating_sub(*begin).as_secs_f64();
        let scores = self
            .begins
            .iter()
            .map(|begin| (-age(begin) / half_life).exp2());
        scores.sum()
    }
}

impl Flapping {
    /// Takes when alerts flap, as the configuration has it now.
    pub(super) fn configure(&mut self, settings: Option<FlapSettings>) {
        self.settings = settings;
    }

    /// Takes word that an alert fires: a beginning, if it is not known.
    pub(super) fn note(&mut self, alert: &Announced, now: Duration) {
        let Some(settings) = self.settings else {
            return;
        };
        let history = self.histories.entry(alert.fingerprint).or_default();
        if history.last == alert.starts_at {
            return;
        }
        history.last = alert.starts_at;
        let quiet = settings.score * QUIET;
        history.is_flapping &= history.score(settings.half_life, now) > quiet;
        history.begins.push_back(now);
        if history.begins.len() > MOST {
            history.begins.pop_front();
        }
        history.is_flapping |= history.score(settings.half_life, now) >= settings.score;
    }

    /// How much an alert flaps; `None` where it has not begun lately, or alerts are not looked at in this way.
    pub(super) fn of(&self, fingerprint: u64, now: Duration) -> Option<Flaps> {
        let settings = self.settings?;
        let history = self.histories.get(&fingerprint)?;
        let score = history.score(settings.half_life, now);
        let first = history.begins.front()?;
        Some(Flaps {
            score,
            is_flapping: history.is_flapping && score > settings.score * QUIET,
            times: history.begins.len(),
            over: now.saturating_sub(*first),
        })
    }

    /// How many flap.
    pub(super) fn count(&self, now: Duration) -> usize {
        let all = self.histories.keys();
        all.filter(|fp| self.of(**fp, now).is_some_and(|flaps| flaps.is_flapping))
            .count()
    }

    /// Forgets what counts for nothing any more, but what still fires.
    pub(super) fn forget(&mut self, now: Duration, fires: impl Fn(u64) -> bool) {
        let Some(settings) = self.settings else {
            self.histories.clear();
            return;
        };
        let kept = settings.half_life.saturating_mul(FORGOTTEN);
        self.histories.retain(|fingerprint, history| {
            let begins = &mut history.begins;
            while begins
                .front()
                .is_some_and(|at| now.saturating_sub(*at) >= kept)
            {
                begins.pop_front();
            }
            !begins.is_empty() || fires(*fingerprint)
        });
    }

    /// What is to be said of an alert that was told in this way before, if it was.
    pub(super) fn say(&self, fingerprint: u64, damped: Option<&Damped>, now: Duration) -> Say {
        let flaps = self.of(fingerprint, now);
        let began_since = |damped: &Damped| {
            let history = self.histories.get(&fingerprint);
            history.is_some_and(|one| one.begins.back().is_some_and(|at| *at > damped.told_at))
        };
        match (flaps.filter(|flaps| flaps.is_flapping), damped) {
            (Some(flaps), None) => Say::Flaps(flaps),
            (Some(flaps), Some(damped)) => {
                let is_time = now.saturating_sub(damped.told_at) >= damped.distance;
                match is_time && began_since(damped) {
                    true => Say::Flaps(flaps),
                    false => Say::Nothing(flaps),
                }
            }
            (None, None) => Say::Plainly,
            (None, Some(damped)) => match flaps.filter(|_| began_since(damped)) {
                Some(flaps) => Say::HasFlapped(flaps),
                None => Say::IsQuiet,
            },
        }
    }
}

impl Damped {
    /// After it was told now: twice as long as before, but no longer than until it would be repeated anyhow.
    pub(super) fn after(
        before: Option<Self>,
        now: Duration,
        first: Duration,
        most: Duration,
    ) -> Self {
        let distance = before.map_or(first, |before| before.distance);
        Self {
            told_at: now,
            distance: (distance.saturating_mul(2)).min(most.max(first)),
        }
    }
}

/// The alert with an annotation that says how it flaps, unless it has one of that name already.
pub(super) fn annotated(alert: &Arc<Announced>, flaps: &Flaps) -> Arc<Announced> {
    if !alert.annotations.get(ANNOTATION).is_empty() {
        return alert.clone();
    }
    let mut said = Announced::clone(alert);
    let times = match flaps.times {
        MOST => format!("at least {MOST}"),
        times => times.to_string(),
    };
    let over = humanize::span(flaps.over);
    let text = format!("{times} times in the last {over}, so that it is told at growing distances");
    said.annotations.set(ANNOTATION, text);
    Arc::new(said)
}

#[cfg(test)]
mod tests;

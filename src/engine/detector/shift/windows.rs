//! The newest points against all before them, over windows of several lengths.

use std::sync::LazyLock;

use super::channels::{Channel, Channels, zip};
use super::noise::Noise;
use super::settings::Settings;
use super::sums::BLOCK;
use super::weekdays::Corrected;

/// Lengths of the windows in points.
const LENGTHS: [u64; WINDOWS] = [12, 18, 27, 40, 60, 96, 144, 216, 324, 480, 720];
/// How many windows there are.
pub(super) const WINDOWS: usize = 11;
/// Longer windows begin where a block of the sums does, so they are up to 11 points longer.
const LONGEST_EXACT: u64 = 48;
/// The shortest windows in which level, spread and tail are judged.
const SHORTEST: [u64; 3] = [12, 18, 48];
/// The newest third of a window must carry the change over this.
const WENT_AWAY: f64 = 1.4;
/// A spread that has changed by less than this share is none: traffic alone moves noise by about a tenth.
const SPREAD_ZONE: f64 = 0.12;
/// Degrees of freedom of the noise: so many, and one more in each 48 points.
const FREEDOM: f64 = 15.0;
const FREEDOM_PER_POINT: f64 = 1.0 / 48.0;
/// Of the level in windows that its long blocks speak for: these are fewer. Shifts of the level are most of all false alarms.
const FREEDOM_LONG: f64 = 10.0;
const FREEDOM_LONG_PER_POINT: f64 = 1.0 / 96.0;
/// Each window learns its own noise: from so many values at first, each sixth point, none above the cap, and not while
/// there is evidence.
const PRIOR: f64 = 20.0;
const LEARN_EVERY: u64 = 6;
const MOST: f64 = 6.0;
const NO_EVIDENCE: f64 = 4.0;
/// Windows beyond a day are looked at less than once a day, and need less evidence for it: but no less than this (the
/// logarithm of a day of five-minute points over the longest window), or coarse series would need none.
const LEAST_RARE: f64 = -0.931_5;

/// A change of the spread is told as one of the level where that has this share of the evidence.
pub(super) const LEVEL_FIRST: f64 = 0.4;

/// A window of a certain length.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    points: u64,
    length: f64,
    ln: f64,
    /// The share of the long blocks in its noise, and that of days in what these leave.
    slow: f64,
    slower: f64,
    /// What a point is of it.
    share: f64,
    /// The points of its newest third, and what one is of them.
    third: u64,
    of_third: f64,
}

/// Points of a block.
const PHASES: usize = 12;
const _: () = assert!(PHASES as u64 == BLOCK);

/// Each window at each phase of a block.
static SPANS: LazyLock<[[Span; PHASES]; WINDOWS]> = LazyLock::new(|| {
    LENGTHS.map(|length| {
        std::array::from_fn(|phase| {
            let longer = if length > LONGEST_EXACT {
                phase as u64
            } else {
                0
            };
            let points = length + longer;
            let length = points as f64;
            Span {
                points,
                length,
                ln: length.ln(),
                slow: ((length / 12.0).ln() / 8f64.ln()).clamp(0.0, 1.0),
                slower: ((length - 96.0) / 192.0).clamp(0.0, 1.0),
                share: 1.0 / length,
                third: (points / 3).max(4),
                of_third: 1.0 / (points / 3).max(4) as f64,
            }
        })
    })
});

/// The window with the most evidence, in units of noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Best {
    pub channel: Channel,
    /// Points before the change.
    pub before: u64,
    /// The mean before and since the change.
    pub means: (f64, f64),
    /// The standard error of their difference.
    pub error: f64,
}

/// A shift of the level that is none yet, in units of noise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zone {
    pub any: f64,
    /// What is added in windows shorter than a season.
    pub within_season: f64,
}

/// How much more than expected each window has varied so far.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Windows {
    /// Σ of the weighted squares of each channel, in expected variances.
    pub squares: [Channels; WINDOWS],
    /// Σ of the weights.
    pub weights: [f64; WINDOWS],
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            squares: [[PRIOR; 3]; WINDOWS],
            weights: [PRIOR; WINDOWS],
        }
    }
}

impl Windows {
    /// The most evidence that any window gives for a change, as a logarithm of odds, and where it does; `zone` is the shift of
    /// the level that is none yet, with whether what varies are few points, `before` the evidence at the point before.
    pub fn judge(
        &mut self,
        sums: Corrected<'_>,
        noise: &Noise,
        (zone, is_rare): (Zone, bool),
        before: f64,
        settings: &Settings,
    ) -> (f64, Option<Best>) {
        let n = sums.n();
        let sums_now = sums.now();
        let phase = usize::try_from(n % BLOCK).unwrap_or_default();
        let season = settings.season as f64;
        let pairs = 2.0 * settings.pairs() as f64;
        let ln_day = settings.points_per_day.ln();
        let learns = (n - 1).is_multiple_of(LEARN_EVERY);
        let (mut most, mut best) = (0.0, None);
        let (mut most_of_level, mut best_of_level) = (0.0, None);
        let of_days = noise.of_days(&sums.weekdays.days);
        let own = self.squares.iter_mut().zip(&mut self.weights);
        for (spans, (squares, weight)) in SPANS.iter().zip(own) {
            let Some(span) = spans.get(phase) else {
                continue;
            };
            let tau = n.saturating_sub(span.points);
            if tau < settings.season as u64 {
                continue;
            }
            let reference = tau as f64;
            let of_reference = 1.0 / reference;
            let then = if span.points > LONGEST_EXACT {
                sums.at_block(tau)
            } else {
                sums.at(tau)
            };
            let m0 = then.map(|sum| sum * of_reference);
            let m1 = zip(sums_now, then, |now, then| (now - then) * span.share);
            let d = zip(m1, m0, |m1, m0| m1 - m0);
            // The profile is known from the reference only: a window shorter than a season sees its error.
            let profile = pairs * (1.0 - span.length / season).max(0.0);
            let share = span.share + (1.0 + profile) * of_reference;
            let blocks = zip(noise.of_short, noise.of_long, |short, long| {
                (1.0 - span.slow) * short + span.slow * long
            });
            let days = zip(noise.of_long, of_days, |long, days| {
                span.slower * (days - long)
            });
            let expected = zip(blocks, days, |blocks, days| (blocks + days) * share);
            let of_weight = 1.0 / *weight;
            let own = squares.map(|squares| (squares * of_weight).max(1.0));
            let variance = zip(expected, own, |expected, own| expected * own);
            if learns {
                let gain = LEARN_EVERY as f64 / span.points_nominal();
                let news = if before < NO_EVIDENCE {
                    zip(d, expected, |d, expected| (d * d / expected).min(MOST))
                } else {
                    squares.map(|squares| squares / *weight)
                };
                *squares = zip(*squares, news, |old, new| old + new * gain);
                *weight += gain;
            }
            let third = sums.at(n - span.third);
            let d3 = zip(sums_now, third, |now, then| (now - then) * span.of_third);
            let d3 = zip(d3, m0, |m3, m0| m3 - m0);
            let held = zip(d, d3, |d, d3| {
                if d * d3 > 0.0 {
                    d.abs().min(WENT_AWAY * d3.abs())
                } else {
                    0.0
                }
            });
            let [_, m0_spread, _] = m0;
            let is_within = span.points < settings.season as u64;
            let of_level = zone.any + if is_within { zone.within_season } else { 0.0 };
            let zones = [of_level, SPREAD_ZONE * m0_spread, 0.0];
            let effect = zip(held, zones, |held, zone| (held - zone).max(0.0));
            let ratio = zip(effect, variance, |a, variance| a * a / variance);
            let freedom = FREEDOM + FREEDOM_PER_POINT * reference;
            let long = FREEDOM_LONG + FREEDOM_LONG_PER_POINT * reference;
            let freedoms = [freedom + span.slow * (long - freedom), freedom, freedom];
            let rare = (ln_day - span.ln).max(LEAST_RARE);
            let means = zip(m0, m1, |m0, m1| (m0, m1));
            let each = zip(zip(ratio, means, |a, b| (a, b)), variance, |a, b| (a, b));
            let channels = [Channel::Level, Channel::Spread, Channel::Tail];
            for (((channel, shortest), freedom), ((ratio, means), variance)) in
                (channels.into_iter().zip(SHORTEST)).zip(freedoms).zip(each)
            {
                let is_level = channel == Channel::Level;
                let to_beat = if is_level { most_of_level } else { most };
                // Evidence is below this bound, so most windows need no logarithm.
                if span.points < shortest || 0.5 * ratio - rare <= to_beat {
                    continue;
                }
                let mut evidence = 0.5 * freedom * (ratio / freedom).ln_1p();
                if channel == Channel::Tail || (is_rare && channel == Channel::Spread) {
                    evidence *= rate_function(means);
                }
                evidence -= rare;
                let here = (ratio > 0.0).then_some(Best {
                    channel,
                    before: tau,
                    means,
                    error: variance.sqrt(),
                });
                if is_level && evidence > most_of_level {
                    (most_of_level, best_of_level) = (evidence, here);
                }
                if evidence > most {
                    (most, best) = (evidence, here);
                }
            }
        }
        // A shift of the level moves the spread as well, and not the other way round.
        let is_spread = best.is_some_and(|best| best.channel == Channel::Spread);
        if is_spread && best_of_level.is_some() && most_of_level >= LEVEL_FIRST * most {
            best = best_of_level;
        }
        (most, best)
    }
}

impl Span {
    /// The length without what it is longer at this phase.
    fn points_nominal(&self) -> f64 {
        let exact = self.points <= LONGEST_EXACT;
        (if exact {
            self.points
        } else {
            self.points / BLOCK * BLOCK
        }) as f64
    }
}

/// What the logarithm of the odds of a normal sum is multiplied by where the sum is one of few rare events: the ratio of the
/// rate functions of Poisson's and the normal distribution, 2 (r ln r − r + 1) / (r − 1)² with r the ratio of the means.
/// Fewer of them are no change for the worse.
pub(super) fn rate_function((before, since): (f64, f64)) -> f64 {
    if since <= before {
        return 0.0;
    }
    let r = (since / before.max(1e-9)).max(1.000_1);
    2.0 * (r * r.ln() - r + 1.0) / (r - 1.0).powi(2)
}

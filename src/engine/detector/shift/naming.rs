//! What a change is called where several channels see it: a level that moves takes spread and tail with it.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::channels::{Channel, Channels, LEVEL_CLIP, SPREAD_CLIP, TAIL_CLIP, zip};
use super::dating::date;
use super::noise::Noise;
use super::sums::{BLOCK, FINE};
use super::weekdays::Corrected;
use super::windows::{Best, LEVEL_FIRST};
use crate::engine::stats::normal;

/// A level that moves by more than this is clipped as a whole.
const FARTHEST: f64 = 8.0;
/// Halvings of that.
const HALVINGS: usize = 24;

/// What the best window has found, as a shift of the level where that explains it: where no more is left for the other channel
/// than a share of the evidence for such a shift, when what that does to the other channel is taken off.
///
/// The least shift that counts for the level beside a season does not count here: the alarm is that of the other channel.
pub(super) fn name(
    best: Best,
    sums: Corrected<'_>,
    noise: &Noise,
    decile: f64,
    season: u64,
) -> Best {
    let place = match best.channel {
        Channel::Level | Channel::Drift => return best,
        Channel::Spread => 1,
        Channel::Tail => 2,
    };
    let (n, now) = (sums.n(), sums.now());
    let after = |tau: u64| {
        let then = if n - tau < FINE as u64 - BLOCK {
            sums.at(tau)
        } else {
            sums.at_block(tau)
        };
        let since = (n - tau) as f64;
        let m0 = then.map(|sum| sum / tau.max(1) as f64);
        (m0, zip(now, then, |now, then| (now - then) / since))
    };
    let of = |channels: Channels| channels.get(place).copied().unwrap_or_default();
    let share = |tau: u64| 1.0 / tau.max(1) as f64 + 1.0 / (n - tau) as f64;
    let [level_variance, ..] = zip(noise.of_short, noise.of_long, f64::max);
    let (m0, m1) = after(best.before);
    let ([level_before, ..], [level_since, ..]) = (m0, m1);
    let level = Best {
        channel: Channel::Level,
        before: best.before,
        means: (level_before, level_since),
        error: (level_variance * share(best.before)).sqrt(),
    };
    let is_explained = |moved: u64, chosen: f64| {
        let (at, since) = after(moved);
        let ([level_before, spread_before, _], [level_since, spread_since, _]) = (at, since);
        let shift = level_since - level_before;
        let by = unclipped(shift.abs());
        let spread_explained = spread(by) / spread(0.0);
        let explained = match best.channel {
            // A level that falls makes no tail.
            Channel::Tail if shift < 0.0 => 1.0,
            Channel::Tail => {
                let tail = |by: f64| above(decile - by) - above(decile + TAIL_CLIP - by);
                tail(by) / tail(0.0).max(1e-9)
            }
            _ => spread_explained,
        };
        let part = (n - moved) as f64 / (n - best.before) as f64;
        let more = of(m1) - of(m0) * (1.0 + part * (explained - 1.0));
        // What is less than the shift explains is left to nobody.
        let left = (more * (of(m1) - of(m0)).signum()).max(0.0);
        // More of what is rare varies more,
        let left = left * left / (best.error * best.error * explained.max(1.0));
        // and so does a level whose spread has grown.
        let noisier = (spread_since / (spread_before * spread_explained).max(1e-9)).max(1.0);
        let evidence = shift * shift / (level_variance * share(moved) * noisier * noisier);
        LEVEL_FIRST * (evidence - chosen) >= left
    };
    // Where in the window the level has moved is chosen among as many points: the evidence pays for it.
    let moved = || {
        let dated = date(&level, sums, noise, season);
        dated.before.max(best.before).min(n - 1)
    };
    let choice = 2.0 * ((n - best.before) as f64).ln();
    if is_explained(best.before, 0.0) || is_explained(moved(), choice) {
        level
    } else {
        best
    }
}

fn survival(z: f64) -> f64 {
    normal::survival(z).unwrap_or_default()
}

/// The mean of what a standard normal value is above `a`.
fn above(a: f64) -> f64 {
    let density = (-0.5 * a * a).exp() * FRAC_1_SQRT_2 / PI.sqrt();
    density - a * survival(a)
}

/// The mean of a standard normal value that has moved by this, as the level channel clips it.
fn clipped(shift: f64) -> f64 {
    let low = -LEVEL_CLIP - shift;
    low + shift + above(low) - above(LEVEL_CLIP - shift)
}

/// The mean of how far such a value lies from 0, as the spread channel clips it.
fn spread(shift: f64) -> f64 {
    let side = |shift: f64| above(-shift) - above(SPREAD_CLIP - shift);
    side(shift) + side(-shift)
}

/// How far a value must have moved for that mean of the level channel.
fn unclipped(mean: f64) -> f64 {
    let (mut low, mut high) = (0.0, FARTHEST);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if clipped(middle) < mean {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_of_what_is_clipped_are_those_of_the_normal_distribution() {
        // By summing over the density.
        let mean = |of: &dyn Fn(f64) -> f64| -> f64 {
            let at = (-8_000..8_000).map(|i| (f64::from(i) + 0.5) / 1_000.0);
            at.map(|z| of(z) * (-0.5 * z * z).exp() / (2.0 * PI).sqrt() / 1_000.0)
                .sum()
        };
        for shift in [0.0, 0.3, 1.0, 2.5, 4.0] {
            let expected = mean(&|z| (z + shift).clamp(-2.5, 2.5));
            assert!((clipped(shift) - expected).abs() < 1e-5, "{shift}");
            let expected = mean(&|z| (z + shift).abs().min(3.0));
            assert!((spread(shift) - expected).abs() < 1e-5, "{shift}");
            assert!((unclipped(clipped(shift)) - shift).abs() < 1e-4, "{shift}");
        }
        assert!((above(1.0) - mean(&|z| (z - 1.0).max(0.0))).abs() < 1e-5);
    }
}

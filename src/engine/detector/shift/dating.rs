//! When a change began: the windows tell that there is one, but begin at few points only.

use super::channels::{Channel, zip};
use super::noise::Noise;
use super::sums::{BLOCK, BLOCKS, FINE};
use super::weekdays::Corrected;
use super::windows::{Best, rate_function};

/// Points are compared one by one in the last so many, and blocks of 12 before that.
const EXACT: u64 = FINE as u64 - BLOCK;
/// The fewest points after a change.
const LEAST: u64 = 4;
/// Moments with less evidence than the best by more than this are too unlikely: with −ln(1 − √0.95) the set of the others
/// holds the true one in 95 % of cases (D. Siegmund, *Confidence sets in change-point problems*, 1988: the largest excess
/// to either side of the true moment is about exponential).
pub(super) const MARGIN: f64 = 3.676;

/// The first moment that is still known when there are `n` points.
pub(super) fn oldest(n: u64) -> u64 {
    (n / BLOCK).saturating_sub(BLOCKS as u64 - 2) * BLOCK
}

/// A change with when it began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dated {
    /// Points before it: the best estimate.
    pub before: u64,
    /// The fewest and most points before it.
    pub within: (u64, u64),
    /// The means before and since.
    pub means: (f64, f64),
    /// The standard error of their difference.
    pub error: f64,
}

/// Dates what the best window has found, by the evidence of a change of that channel at each point that is still known; not
/// before the first season, which is compared with.
pub(super) fn date(best: &Best, sums: Corrected<'_>, noise: &Noise, season: u64) -> Dated {
    let n = sums.n();
    let place = match best.channel {
        Channel::Level | Channel::Drift => 0,
        Channel::Spread => 1,
        Channel::Tail => 2,
    };
    let of = |channels: [f64; 3]| channels.get(place).copied().unwrap_or_default();
    let now = of(sums.now());
    // The variance of a single value that its mean over the window has, as the window knows it.
    let length = (n - best.before) as f64;
    let share = 1.0 / length + 1.0 / best.before.max(1) as f64;
    let longest = of(zip(noise.of_short, noise.of_long, f64::max));
    let variance = longest.max(best.error * best.error / share);
    let look = |tau: u64, then: f64| {
        let (before, since) = (tau as f64, (n - tau) as f64);
        let means = (then / before, (now - then) / since);
        let share = 1.0 / before + 1.0 / since;
        let moved = (means.1 - means.0).powi(2) / (2.0 * variance * share);
        let rarity = match best.channel {
            Channel::Tail => rate_function(means),
            _ => 1.0,
        };
        (moved * rarity, tau, means)
    };
    let exact = (n.saturating_sub(EXACT)..=n.saturating_sub(LEAST)).map(|tau| (tau, true));
    let blocks =
        (oldest(n) / BLOCK..=n.saturating_sub(EXACT) / BLOCK).map(|block| (block * BLOCK, false));
    let looks: Vec<_> = blocks
        .chain(exact)
        .filter(|(tau, _)| *tau >= season.max(1))
        .map(|(tau, is_exact)| {
            let then = if is_exact {
                sums.at(tau)
            } else {
                sums.at_block(tau)
            };
            look(tau, of(then))
        })
        // Only what goes the way that the window has.
        .filter(|(_, _, means)| (means.1 - means.0) * (best.means.1 - best.means.0) > 0.0)
        .collect();
    let Some((most, before, means)) = looks
        .iter()
        .copied()
        .max_by(|one, other| one.0.total_cmp(&other.0))
    else {
        return Dated {
            before: best.before,
            within: (best.before, best.before),
            means: best.means,
            error: best.error,
        };
    };
    // How much more a value varies since: in square with its spread, and with the number of large values. What separates the
    // moments is weighed by the noise of both sides.
    let ratio = (means.1 / means.0.max(1e-9)).max(1.0);
    let more = match best.channel {
        Channel::Level | Channel::Drift => 1.0,
        Channel::Spread => ratio * ratio,
        Channel::Tail => ratio,
    };
    let error = (variance * (1.0 / before as f64 + more / (n - before) as f64)).sqrt();
    let likely = looks.iter().filter(|look| look.0 >= most - MARGIN * more);
    let (first, last) = likely.fold((before, before), |(first, last), look| {
        (first.min(look.1), last.max(look.1))
    });
    // Blocks stand for all points up to the next one.
    let step = |tau: u64| if tau + EXACT < n { BLOCK - 1 } else { 0 };
    Dated {
        before,
        within: (first.saturating_sub(step(first)), last + step(last)),
        means,
        error,
    }
}

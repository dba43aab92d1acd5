//! The profile, fitted once to the points of the warm-up.

use super::profile::{NOISE_PAIRS, PAIRS, Profile, Scale, Waves, dot, waves};
use super::settings::Settings;

/// A median absolute deviation times this is the standard deviation of normal noise.
const NORMAL: f64 = 1.4826;
/// Rounds of the robust fit.
const ROUNDS: usize = 6;
/// Residuals beyond this many standard deviations weigh less (P. J. Huber, *Robust Statistics*, 1981).
const HUBER: f64 = 1.5;
/// Keeps the equations solvable where a day has no values.
const RIDGE: f64 = 1e-6;
/// A pair of waves must carry this many times its own error variance, or it goes.
const SHRINK: f64 = 1.5;
/// Variance of the logarithm of the absolute value of normal noise, clipped as here, for two coefficients.
const LOG_VARIANCE: f64 = 2.4;
/// Clipped logarithms understate how the noise varies; raised by as little as keeps it safe.
const LOG_GAIN: f64 = 0.8;
/// Residuals end here where dependence is estimated, in standard deviations.
pub(super) const CLIP: f64 = 3.0;
/// Autocorrelation below this is taken for chance.
const LEAST_PHI: f64 = 0.1;
const MOST_PHI: f64 = 0.95;

/// The profile, and the points of the warm-up in units of its noise.
pub(super) struct Fitted {
    pub profile: Profile,
    pub points: Vec<Option<f64>>,
    /// How far they lie from the profile.
    pub residuals: Vec<Option<f64>>,
    /// The residual of the last point, clipped; 0 where it is missing.
    pub last: f64,
}

/// Fits the profile; `None` where less than half of the points have a value.
pub(super) fn fit(values: &[Option<f64>], settings: &Settings) -> Option<Fitted> {
    let present: Vec<f64> = values.iter().flatten().copied().collect();
    if present.len() < values.len() / 2 {
        return None;
    }
    let magnitudes = present.iter().map(|value| value.abs()).collect();
    let typical = median(magnitudes).filter(|typical| *typical > 0.0);
    let scale = Scale {
        is_log: present.iter().all(|value| *value >= 0.0),
        typical: typical.unwrap_or(1.0),
    };
    let y: Vec<Option<f64>> = (values.iter())
        .map(|value| value.and_then(|value| scale.of(value)))
        .collect();
    let season: Vec<Waves> = (0..settings.season)
        .map(|slot| waves(slot, settings.season))
        .collect();
    let at = || season.iter().cycle();
    let pairs = settings.pairs();
    let (level, mut coefficients, spread) = least_squares(&y, &season, pairs)?;

    // A pair of waves is believed as far as it stands out of the noise at its own frequency: the spectrum of noise in which
    // each point depends on the one before.
    let residuals = |coefficients: &Waves| -> Vec<Option<f64>> {
        let off =
            |(y, waves): (&Option<f64>, &Waves)| y.map(|y| y - level - dot(coefficients, waves));
        y.iter().zip(at()).map(off).collect()
    };
    let clip = CLIP * spread;
    let clipped = clamp(&residuals(&coefficients), clip);
    let phi = lag_one(&clipped).clamp(0.0, 0.97);
    let n = values.len() as f64;
    let (used, _) = coefficients.as_chunks_mut::<2>();
    for (pair, number) in used.iter_mut().zip(1..) {
        let frequency = std::f64::consts::TAU / settings.season as f64 * f64::from(number);
        let spectrum = (1.0 - phi * phi) / (1.0 - 2.0 * phi * frequency.cos() + phi * phi);
        let error = 2.0 * spread * spread / n * spectrum;
        let power = dot(pair, pair) / 2.0;
        let share = (1.0 - SHRINK * error / power.max(1e-30)).max(0.0);
        pair.iter_mut()
            .for_each(|coefficient| *coefficient *= share);
    }

    let residuals = residuals(&coefficients);
    let noise = noise_of_most(&residuals);
    let noise = noise.or_else(|| standard_deviation(&residuals).filter(|noise| *noise > 0.0));
    let mut profile = Profile {
        scale,
        level,
        season: coefficients,
        half_range: half_range(&coefficients, &season),
        noise: noise.unwrap_or(1e-6),
        noise_season: [0.0; 2 * NOISE_PAIRS],
        phi: 0.0,
        innovation: 1.0,
        decile: 0.0,
        is_rare: noise_of_most(&residuals).is_none(),
    };
    profile.noise_season = noise_season(&residuals, profile.noise, &season, pairs.min(NOISE_PAIRS));

    let standardised: Vec<Option<f64>> = (residuals.iter().zip(at()))
        .map(|(r, waves)| r.map(|r| r / profile.noise_at(waves)))
        .collect();
    let clipped = clamp(&standardised, CLIP);
    let phi = lag_one(&clipped).clamp(0.0, MOST_PHI);
    profile.phi = if phi < LEAST_PHI { 0.0 } else { phi };
    let before = std::iter::once(0.0).chain(clipped.iter().map(|z| z.unwrap_or(0.0)));
    let news: Vec<Option<f64>> = (standardised.iter().zip(before))
        .map(|(z, before)| z.map(|z| z - profile.phi * before))
        .collect();
    profile.innovation = deviation(&news).filter(|d| *d > 0.0).unwrap_or(1.0);
    let points: Vec<Option<f64>> = (news.iter())
        .map(|e| e.map(|e| e / profile.innovation))
        .collect();
    profile.decile = quantile(points.iter().flatten().copied().collect(), 0.9)?;
    let last = clipped.last().copied().flatten().unwrap_or(0.0);
    Some(Fitted {
        profile,
        points,
        residuals,
        last,
    })
}

/// A level for each season and one seasonal shape, by iteratively reweighted least squares: the mean of the levels, the
/// coefficients of the shape, and the standard deviation of the residuals.
fn least_squares(y: &[Option<f64>], season: &[Waves], pairs: usize) -> Option<(f64, Waves, f64)> {
    let days = y.len().div_ceil(season.len());
    let used = 2 * pairs;
    let size = days + used;
    let mut weights: Vec<f64> = y.iter().map(|y| f64::from(u8::from(y.is_some()))).collect();
    let mut solution = Vec::new();
    let mut spread = 0.0;
    for _ in 0..ROUNDS {
        let mut equations = Equations::new(size);
        for (day, (y, weights)) in y
            .chunks(season.len())
            .zip(weights.chunks(season.len()))
            .enumerate()
        {
            for ((y, weight), waves) in y.iter().zip(weights).zip(season) {
                if let Some(y) = y {
                    let row = std::iter::once((day, 1.0));
                    let row = row.chain((days..).zip(waves.iter().copied()).take(used));
                    equations.add(&row, *weight, *y);
                }
            }
        }
        solution = equations.solve()?;
        let (levels, shape) = solution.split_at_checked(days)?;
        let fitted = levels
            .iter()
            .flat_map(|level| season.iter().map(move |waves| level + dot(shape, waves)));
        let off: Vec<Option<f64>> = (y.iter().zip(fitted))
            .map(|(y, fitted)| y.map(|y| (y - fitted).abs()))
            .collect();
        spread = NORMAL * median(off.iter().flatten().copied().collect())? + 1e-12;
        for (weight, off) in weights.iter_mut().zip(&off) {
            *weight = off.map_or(0.0, |off| (HUBER * spread / off.max(1e-12)).min(1.0));
        }
    }
    let (levels, shape) = solution.split_at_checked(days)?;
    // A season without any value has no level.
    let known: Vec<f64> = (levels.iter().zip(y.chunks(season.len())))
        .filter(|(_, y)| y.iter().any(Option::is_some))
        .map(|(level, _)| *level)
        .collect();
    let mut coefficients = [0.0; 2 * PAIRS];
    coefficients
        .iter_mut()
        .zip(shape)
        .for_each(|(kept, found)| *kept = *found);
    Some((mean(&known)?, coefficients, spread))
}

/// How the logarithm of the noise varies over a season, as far as that stands out of chance.
fn noise_season(
    residuals: &[Option<f64>],
    noise: f64,
    season: &[Waves],
    pairs: usize,
) -> [f64; 2 * NOISE_PAIRS] {
    let logs: Vec<Option<f64>> = (residuals.iter())
        .map(|r| r.map(|r| (r.abs() / noise).clamp(0.1, 4.0).ln()))
        .collect();
    let present: Vec<f64> = logs.iter().flatten().copied().collect();
    let centre = mean(&present).unwrap_or(0.0);
    let n = residuals.len() as f64;
    let mut coefficients = [0.0; 2 * NOISE_PAIRS];
    for (log, waves) in logs.iter().zip(season.iter().cycle()) {
        let log = log.map_or(0.0, |log| log - centre);
        let used = coefficients.iter_mut().zip(waves).take(2 * pairs);
        used.for_each(|(sum, wave)| *sum += log * wave);
    }
    coefficients.map(|sum| {
        let gain = LOG_GAIN * 2.0 * sum / n;
        let chance = SHRINK * (LOG_VARIANCE / n) / (gain * gain).max(1e-12);
        gain * (1.0 - chance).max(0.0)
    })
}

fn half_range(coefficients: &Waves, season: &[Waves]) -> f64 {
    let (low, high) = season
        .iter()
        .map(|waves| dot(coefficients, waves))
        .fold((f64::MAX, f64::MIN), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    0.5 * (high - low)
}

/// Normal equations, symmetric, as rows of the lower half and the right side.
struct Equations {
    size: usize,
    lower: Vec<f64>,
    right: Vec<f64>,
}

impl Equations {
    fn new(size: usize) -> Self {
        let mut equations = Self {
            size,
            lower: vec![0.0; size * size],
            right: vec![0.0; size],
        };
        for i in 0..size {
            *equations.at(i, i) = RIDGE;
        }
        equations
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "both below the size, which the matrix was made for"
    )]
    fn at(&mut self, i: usize, j: usize) -> &mut f64 {
        &mut self.lower[i * self.size + j]
    }

    /// Adds an equation: the coefficients that are not 0, by ascending place, all below the size.
    fn add(&mut self, row: &(impl Iterator<Item = (usize, f64)> + Clone), weight: f64, y: f64) {
        for (i, a) in row.clone() {
            for (j, b) in row.clone().take_while(|(j, _)| *j <= i) {
                *self.at(i, j) += weight * a * b;
            }
            if let Some(right) = self.right.get_mut(i) {
                *right += weight * a * y;
            }
        }
    }

    /// The solution, by the square root of the matrix (Cholesky); `None` where it is not positive.
    #[expect(clippy::indexing_slicing, reason = "all places are below the size")]
    fn solve(mut self) -> Option<Vec<f64>> {
        let n = self.size;
        let mut x = std::mem::take(&mut self.right);
        for i in 0..n {
            for j in 0..=i {
                let mut sum = *self.at(i, j);
                for k in 0..j {
                    sum -= *self.at(i, k) * *self.at(j, k);
                }
                if i == j {
                    if sum <= 0.0 || !sum.is_finite() {
                        return None;
                    }
                    *self.at(i, i) = sum.sqrt();
                } else {
                    let root = *self.at(j, j);
                    *self.at(i, j) = sum / root;
                }
            }
        }
        for i in 0..n {
            for k in 0..i {
                x[i] -= *self.at(i, k) * x[k];
            }
            x[i] /= *self.at(i, i);
        }
        for i in (0..n).rev() {
            for k in i + 1..n {
                x[i] -= *self.at(k, i) * x[k];
            }
            x[i] /= *self.at(i, i);
        }
        Some(x)
    }
}

fn clamp(values: &[Option<f64>], limit: f64) -> Vec<Option<f64>> {
    let clamped = values
        .iter()
        .map(|value| value.map(|v| v.clamp(-limit, limit)));
    clamped.collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The `q`-quantile by linear interpolation between the two nearest values.
fn quantile(mut values: Vec<f64>, q: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    crate::engine::stats::linear(&values, q)
}

fn median(values: Vec<f64>) -> Option<f64> {
    quantile(values, 0.5)
}

/// The median absolute deviation from the median as the standard deviation of normal noise.
fn deviation(values: &[Option<f64>]) -> Option<f64> {
    let present: Vec<f64> = values.iter().flatten().copied().collect();
    let centre = median(present.clone())?;
    let off = present.iter().map(|value| (value - centre).abs()).collect();
    Some(NORMAL * median(off)?)
}

/// The noise of the greater part of the points; `None` where these do not vary.
fn noise_of_most(residuals: &[Option<f64>]) -> Option<f64> {
    deviation(residuals).filter(|noise| *noise > 1e-9)
}

/// The root of the mean squared distance from the mean.
fn standard_deviation(values: &[Option<f64>]) -> Option<f64> {
    let present: Vec<f64> = values.iter().flatten().copied().collect();
    let centre = mean(&present)?;
    let squares: f64 = present.iter().map(|value| (value - centre).powi(2)).sum();
    Some((squares / present.len() as f64).sqrt())
}

/// The correlation of neighbouring values; a missing one counts as the mean.
fn lag_one(values: &[Option<f64>]) -> f64 {
    let present: Vec<f64> = values.iter().flatten().copied().collect();
    let centre = mean(&present).unwrap_or(0.0);
    let off: Vec<f64> = (values.iter())
        .map(|value| value.map_or(0.0, |value| value - centre))
        .collect();
    let products: f64 = off.iter().zip(off.iter().skip(1)).map(|(a, b)| a * b).sum();
    products / dot(&off, &off).max(1e-12)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved() {
        let mut equations = Equations::new(3);
        // y = 2, -1, 0.5 of the unit vectors, and their sum.
        for (place, y) in [(0, 2.0), (1, -1.0), (2, 0.5)] {
            equations.add(&std::iter::once((place, 1.0)), 1.0, y);
        }
        equations.add(&(0..3).map(|place| (place, 1.0)), 2.0, 1.5);
        let solution = equations.solve().unwrap();
        for (found, expected) in solution.iter().zip([2.0, -1.0, 0.5]) {
            assert!((found - expected).abs() < 1e-5, "{solution:?}");
        }
    }

    #[test]
    fn a_season_is_found_whatever_a_few_odd_values_say() {
        let settings = Settings::new(48, 48.0, 144, 20.0).unwrap();
        let noise = |i: usize| ((i * 7_919) % 101) as f64 / 101.0 - 0.5;
        let values: Vec<_> = (0..144)
            .map(|i| {
                let phase = std::f64::consts::TAU * i as f64 / 48.0;
                let value = (4.0 + 0.5 * phase.sin() + 0.1 * noise(i)).exp();
                Some(if i % 37 == 5 { 50.0 * value } else { value })
            })
            .collect();
        let fitted = fit(&values, &settings).unwrap();
        let profile = fitted.profile;
        assert!(profile.scale.is_log);
        let [sine, cosine, ..] = profile.season;
        assert!(
            (sine - 0.5).abs() < 0.02 && cosine.abs() < 0.02,
            "{:?}",
            profile.season
        );
        assert!((profile.half_range - 0.5).abs() < 0.03, "{profile:?}");
        let mostly_missing: Vec<_> = (0..144).map(|i| (i % 3 == 0).then_some(1.0)).collect();
        assert!(fit(&mostly_missing, &settings).is_none());
    }
}

//! What a series is like when all is well: its level, its daily profile, and its noise.

/// Pairs of sine and cosine of the profile.
pub(super) const PAIRS: usize = 4;
/// Pairs of sine and cosine of how the noise varies over a season.
pub(super) const NOISE_PAIRS: usize = 2;

/// A share of the typical value that is added before the logarithm, so that 0 has one.
const LEAST_SHARE: f64 = 1e-3;
/// Scaled values end here: beyond it their squares lose all others.
const MOST: f64 = 1e12;

/// Sine and cosine of one to four times the phase of a season, in this order: what profiles are made of.
pub(super) type Waves = [f64; 2 * PAIRS];

/// The waves at a point of a season.
pub(super) fn waves(slot: usize, season: usize) -> Waves {
    let phase = std::f64::consts::TAU * slot as f64 / season as f64;
    let (s1, c1) = phase.sin_cos();
    // Angle addition is cheaper than three more calls, and as exact.
    let next = |s: f64, c: f64| (s * c1 + c * s1, c * c1 - s * s1);
    let (s2, c2) = next(s1, c1);
    let (s3, c3) = next(s2, c2);
    let (s4, c4) = next(s3, c3);
    [s1, c1, s2, c2, s3, c3, s4, c4]
}

/// Σ aᵢ bᵢ over the shorter of the two.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// How values are scaled: relative changes count where no value is negative, absolute ones elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Scale {
    /// Whether the logarithm is taken.
    pub is_log: bool,
    /// The median of the absolute values, in the unit of the series; 1 where that is 0.
    pub typical: f64,
}

impl Scale {
    /// The value scaled; `None` where that leaves the range of a float.
    pub fn of(&self, value: f64) -> Option<f64> {
        let scaled = if self.is_log {
            (value.max(0.0) + LEAST_SHARE * self.typical).ln()
        } else {
            (value / self.typical).clamp(-MOST, MOST)
        };
        scaled.is_finite().then_some(scaled)
    }
}

impl Scale {
    /// The value that was scaled.
    pub fn back(&self, scaled: f64) -> f64 {
        if self.is_log {
            (scaled.exp() - LEAST_SHARE * self.typical).max(0.0)
        } else {
            scaled * self.typical
        }
    }
}

/// The profile of one series, on the scale of its [`Scale`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Profile {
    pub scale: Scale,
    pub level: f64,
    /// Coefficients of the daily profile.
    pub season: Waves,
    /// Half the range of the daily profile over a season.
    pub half_range: f64,
    /// Standard deviation of the noise.
    pub noise: f64,
    /// Coefficients of the logarithm of how the noise varies over a season.
    pub noise_season: [f64; 2 * NOISE_PAIRS],
    /// Autocorrelation of neighbouring points, 0 to 0.95.
    pub phi: f64,
    /// Standard deviation of what is new in a point, as a share of the noise.
    pub innovation: f64,
    /// Nine tenths of what is new lies below this, in its standard deviations.
    pub decile: f64,
    /// More than half of the points are the same but for the season: all that varies are a few others.
    pub is_rare: bool,
}

impl Profile {
    /// Standard deviation of the noise at a point of the season.
    pub fn noise_at(&self, waves: &Waves) -> f64 {
        self.noise * dot(&self.noise_season, waves).exp()
    }

    /// How far a scaled value lies from the profile.
    pub fn residual(&self, scaled: f64, waves: &Waves) -> f64 {
        scaled - self.level - dot(&self.season, waves)
    }

    /// What is usual at a point of the season where the level has moved by that on the scale, in the unit of the series.
    pub fn usual(&self, moved: f64, waves: &Waves) -> f64 {
        self.scale
            .back(self.level + dot(&self.season, waves) + moved)
    }

    /// Draws the profile towards a value that lies `step` from it.
    pub fn follow(&mut self, step: f64, waves: &Waves, pairs: usize) {
        let used = self.season.iter_mut().zip(waves).take(2 * pairs);
        used.for_each(|(coefficient, wave)| *coefficient += step * wave);
    }
}

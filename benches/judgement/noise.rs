//! Noise of which the truth is known: seeded, so that a table can be made again.

/// A small generator of random numbers: Sebastiano Vigna's xoshiro256++, 2019.
pub struct Random([u64; 4]);

impl Random {
    /// A generator of that seed.
    pub fn new(seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x1234_5678_9ABC_DEF0;
        let mut split = || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        };
        Self([split(), split(), split(), split()])
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits")]
        let bits = (self.next() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}

/// Lognormal runs around 1 s whose logarithms have that standard deviation and follow a first-order autoregression.
pub struct Runs {
    random: Random,
    sd: f64,
    rho: f64,
    /// Share of runs that take twenty times as long.
    slow: f64,
    state: f64,
}

impl Runs {
    /// Runs in their stationary state.
    pub fn new(seed: u64, sd: f64, rho: f64, slow: f64) -> Self {
        let mut random = Random::new(seed);
        let state = random.normal();
        Self {
            random,
            sd,
            rho,
            slow,
            state,
        }
    }

    /// The seconds of the next run.
    pub fn next(&mut self) -> f64 {
        self.state =
            self.rho * self.state + (1.0 - self.rho * self.rho).sqrt() * self.random.normal();
        let slow = if self.slow > 0.0 && self.random.uniform() < self.slow {
            20.0
        } else {
            1.0
        };
        (self.sd * self.state).exp() * slow
    }
}

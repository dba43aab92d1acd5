//! Noise for tests, the same everywhere: whole numbers alone make it.

/// Whole numbers from 0 to 999 (the generator of the C standard's example).
pub(in crate::engine) fn noise(seed: u64) -> impl Iterator<Item = f64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
        (state / 65_536 % 1_000) as f64
    })
}

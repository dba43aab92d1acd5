//! How long to wait before the next attempt, with jitter so that many senders do not come at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The wait after the first failed attempt, before jitter.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait, before jitter.
const LONGEST: Duration = Duration::from_secs(60);

/// The wait after `attempts` failed attempts: doubled by each from 1 s to 60 s, then between half of that and all of it as
/// `random`, from 0 to 1, says ("equal jitter", Amazon's "Exponential Backoff And Jitter").
pub(super) fn wait(attempts: u32, random: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let full = (FIRST * 2_u32.pow(doublings)).min(LONGEST);
    full.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
}

/// A number from 0 to 1, different at each call: enough to spread attempts, not for secrets.
pub(super) fn random() -> f64 {
    // Every `RandomState` has keys of its own; 32 bits fit into a double exactly.
    let bits = RandomState::new().hash_one(0) >> 32;
    bits as f64 / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_jitter_takes_away_up_to_half() {
        for (attempts, random, seconds) in [
            (1, 1.0, 1.0),
            (1, 0.0, 0.5),
            (2, 1.0, 2.0),
            (4, 0.5, 6.0),
            (7, 1.0, 60.0),
            (u32::MAX, 1.0, 60.0),
            (u32::MAX, 0.0, 30.0),
        ] {
            let expected = Duration::from_secs_f64(seconds);
            assert_eq!(wait(attempts, random), expected, "{attempts} {random}");
        }
    }

    #[test]
    fn random_numbers_are_in_range_and_differ() {
        let numbers: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(numbers.iter().all(|n| (0.0..=1.0).contains(n)));
        assert!(numbers.windows(2).any(|pair| pair[0] != pair[1]));
    }
}

//! How much days differ from one another, beyond what the noise within a day makes of it.
//!
//! Long blocks say nothing of days that are each a little off as a whole. The squared differences of neighbouring days do; of
//! these the lower half alone counts, so that neither a change nor a weekend is taken for noise.

use super::channels::Channels;

/// Days that are remembered: three weeks.
pub(super) const DAYS: usize = 21;

/// The newest differences that do not count: a change that has just begun makes one.
const NEWEST: usize = 1;
/// Means of the lower half of 1, 2, ... squared differences of neighbours, halved, among normal values of variance 1. By
/// simulation with numpy: `np.sort(np.diff(rng.normal(size=(200_000, k + 1))) ** 2 / 2)[:, : (k + 1) // 2].mean()`.
const LOWER_HALF: [f64; DAYS - 1 - NEWEST] = [
    0.999, 0.446, 0.518, 0.301, 0.356, 0.251, 0.292, 0.223, 0.258, 0.207, 0.235, 0.196, 0.22,
    0.189, 0.21, 0.183, 0.202, 0.179, 0.195,
];
/// Spread and tail follow traffic, and their changes are few: of them so many standard errors are taken off.
const CAUTION: f64 = 3.0;
/// What days have varied by counts against what is expected of so many of them.
const PRIOR: f64 = 5.0;

/// What is known of how much days vary.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Days {
    /// The variance of the mean of a day, times its points.
    of_day: Channels,
    /// Of how many differences that is known.
    known: f64,
}

impl Days {
    /// Looks at the means of the last days of `points` points, the newest first, without what is expected of weekdays.
    pub fn learn(days: &[Channels], points: f64) -> Self {
        let [level, spread, tail] = [0, 1, 2].map(|place: usize| {
            let of = |day: &Channels| day.get(place).copied().unwrap_or_default();
            let off = days.iter().zip(days.iter().skip(1));
            let mut squares: Vec<f64> = off
                .skip(NEWEST)
                .map(|(later, earlier)| (of(later) - of(earlier)).powi(2) / 2.0)
                .collect();
            squares.sort_unstable_by(f64::total_cmp);
            let lower = squares.len().div_ceil(2);
            let sum: f64 = squares.iter().take(lower).sum();
            let expected = squares.len().checked_sub(1);
            let expected = expected.and_then(|place| LOWER_HALF.get(place));
            expected.map_or(0.0, |expected| points * sum / lower as f64 / expected)
        });
        let known = days.len().saturating_sub(1 + NEWEST) as f64;
        let least = 1.0 + CAUTION / known.max(1.0).sqrt();
        Self {
            of_day: [level, spread / least, tail / least],
            known,
        }
    }

    /// The variance of a mean of a day or more, times its points: of what is expected and what has been seen.
    pub fn noise(&self, expected: f64, seen: f64) -> f64 {
        expected.max((PRIOR * expected + self.known * seen) / (PRIOR + self.known))
    }

    /// The variance of the mean of a day as it has been seen, times its points.
    pub fn seen(&self) -> Channels {
        self.of_day
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::detector::noise::noise;

    /// Days that differ by chance, with a standard deviation of `size`: sums of twelve even numbers are all but normal.
    fn days(seed: u64, number: usize, size: f64) -> Vec<Channels> {
        let mut even = noise(seed).map(|whole| whole / 1_000.0 - 0.4995);
        let mut day = || even.by_ref().take(12).sum::<f64>();
        (0..number).map(|_| [size * day(); 3]).collect()
    }

    fn seen(days: &[Channels]) -> Channels {
        Days::learn(days, 288.0).seen()
    }

    #[test]
    fn days_vary_by_as_much_as_they_do_whatever_number_is_known() {
        for number in 3..=DAYS {
            let all = (0..400).map(|seed| seen(&days(7 * seed + 1, number, 0.1)));
            let sum = all.fold([0.0; 3], |sum, one| {
                super::super::channels::zip(sum, one, |sum, one| sum + one)
            });
            let [level, spread, tail] = sum.map(|sum| sum / 400.0 / (288.0 * 0.01));
            assert!((0.8..1.25).contains(&level), "{number}: {level}");
            assert!(spread < 0.6 * level && spread == tail, "{number}: {spread}");
        }
    }

    #[test]
    fn one_step_among_days_is_no_noise() {
        for at in 1..14 {
            let mut stepped = days(5, 15, 0.1);
            let [still, ..] = seen(&stepped);
            let after = stepped.iter_mut().take(at).flatten();
            after.for_each(|mean| *mean += 10.0);
            let [level, ..] = seen(&stepped);
            assert!(level < 2.0 * still, "{at}: {level} {still}");
        }
    }

    #[test]
    fn what_is_seen_counts_by_how_many_days_it_is_known_of() {
        let few = Days::learn(&days(1, 4, 1.0), 288.0);
        let many = Days::learn(&days(1, 21, 1.0), 288.0);
        assert!((few.noise(1.0, 8.0) - 3.0).abs() < 1e-12);
        assert!(many.noise(1.0, 8.0) > 6.0);
        assert_eq!(many.noise(1.0, 0.5), 1.0, "never less than is expected");
        for number in 0..3 {
            let none = Days::learn(&days(1, number, 1.0), 288.0);
            assert_eq!(none.seen(), [0.0; 3], "{number}");
            assert_eq!(none.noise(1.5, 0.0), 1.5);
        }
    }
}

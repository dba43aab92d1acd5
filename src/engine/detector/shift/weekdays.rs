//! Weekdays that differ: what is expected of a day beside the others of its week, once that has been seen to come back.
//!
//! Sums are never changed. What is expected is taken off where they are compared, also of the weeks in which it was not
//! known yet, so that no Sunday of the past makes the days of now look high.

use super::channels::{Channels, zip};
use super::days::{DAYS, Days};
use super::noise::Noise;
use super::sums::{BLOCK, Sums};

/// Days of a week.
const WEEK: usize = 7;
const _: () = assert!(DAYS == 3 * WEEK);
/// What differs by no more than so many standard errors of a day is chance.
const CHANCE: f64 = 2.0;
/// In its first two weeks nothing has come back yet. Then days that differ together are believed if they are no more than
/// these, and others before and after them are not like them.
const LONGEST_RUN: usize = 3;
/// On days that are expected to be farther off than this, in standard deviations of what is new, spread and tail say nothing.
const FAR: f64 = 1.0;

/// What is known of weekdays.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weekdays {
    /// Points of a day; 0 where seasons are no days.
    day: u64,
    /// The sums where the open day began.
    pub begun: Channels,
    /// The means of the last days, in a ring by the number of the day.
    pub means: [Channels; DAYS],
    /// The sums of what is expected before each day of a week, and of a whole one.
    pub expected: [Channels; WEEK + 1],
    /// Whether nothing is expected.
    is_flat: bool,
    /// How much days vary besides: follows from the means.
    pub days: Days,
}

impl Weekdays {
    /// Nothing yet; `season` and `day` are their points.
    pub fn new(season: usize, day: f64) -> Self {
        let is_day = (season as f64 - day).abs() < 0.5 && season as u64 >= 2 * BLOCK;
        Self {
            day: if is_day { season as u64 } else { 0 },
            begun: [0.0; 3],
            means: [[0.0; 3]; DAYS],
            expected: [[0.0; 3]; WEEK + 1],
            is_flat: true,
            days: Days::default(),
        }
    }

    /// Looks again whether nothing is expected when there have been `n` points, and how much days vary besides.
    pub fn look(&mut self, n: u64) {
        self.is_flat = self.expected.iter().flatten().all(|sum| *sum == 0.0);
        let Some(full) = n.checked_div(self.day) else {
            return;
        };
        let numbers = (full.saturating_sub(DAYS as u64)..full).rev();
        let means = numbers.filter_map(|number| {
            let mean = self.means.get(place(number, DAYS))?;
            Some(zip(*mean, self.of(number * self.day), |mean, expected| {
                mean - expected
            }))
        });
        let means: Vec<Channels> = means.collect();
        self.days = Days::learn(&means, self.day as f64);
    }

    /// Whether the day of the point before which there were `n` is expected to be far off.
    pub fn is_far(&self, n: u64) -> bool {
        let [level, ..] = self.of(n);
        level.abs() > FAR
    }

    /// Looks whether a day has ended, and learns from it.
    pub fn follow(&mut self, sums: &Sums, noise: &Noise) {
        if self.day == 0 || !sums.n.is_multiple_of(self.day) {
            return;
        }
        let length = self.day as f64;
        let mean = zip(sums.now, self.begun, |now, then| (now - then) / length);
        self.begun = sums.now;
        let number = sums.n / self.day - 1;
        if let Some(kept) = self.means.get_mut(place(number, DAYS)) {
            *kept = mean;
        }
        let noise = zip(noise.of_short, noise.of_long, f64::max);
        self.learn(number, noise.map(|noise| CHANCE * (noise / length).sqrt()));
        self.look(sums.n);
    }

    /// Learns what is expected of weekdays from the days up to the newest; what differs by no more than `chance` is none.
    fn learn(&mut self, newest: u64, chance: Channels) {
        let known = (newest + 1).min(DAYS as u64);
        if known <= WEEK as u64 {
            return;
        }
        let mut single = [[0.0; 3]; WEEK];
        for channel in 0..3 {
            let of = |channels: &Channels| channels.get(channel).copied().unwrap_or_default();
            let days = (0..known).map(|ago| self.means.get(place(newest - ago, DAYS)));
            let days: Vec<f64> = days.map(|means| means.map_or(0.0, of)).collect();
            for (ago, beyond) in (0_u64..).zip(believed(&days, of(&chance))) {
                let weekday = single.get_mut(place(newest + WEEK as u64 - ago, WEEK));
                if let Some(value) = weekday.and_then(|of| of.get_mut(channel)) {
                    *value = beyond * self.day as f64;
                }
            }
        }
        self.level_out(newest, &mut single);
        let mut sum = [0.0; 3];
        for (kept, single) in self.expected.iter_mut().skip(1).zip(single) {
            sum = zip(sum, single, |sum, one| sum + one);
            *kept = sum;
        }
    }

    /// Spread and tail of days that are far off say nothing, not even that they are less there: whatever they were on those of
    /// the last week is taken off, as it is where nothing has been added for them.
    fn level_out(&self, newest: u64, single: &mut [Channels; WEEK]) {
        let mean = |ago: u64| self.means.get(place(newest - ago, DAYS)).copied();
        let week: [Channels; WEEK] =
            std::array::from_fn(|ago| mean(ago as u64).unwrap_or_default());
        let [_, spreads, tails] = [0, 1, 2].map(|channel: usize| {
            let mut of = week.map(|day| day.get(channel).copied().unwrap_or_default());
            of.sort_unstable_by(f64::total_cmp);
            of.get(WEEK / 2).copied().unwrap_or_default()
        });
        for (ago, [_, spread, tail]) in (0_u64..).zip(week) {
            let weekday = single.get_mut(place(newest + WEEK as u64 - ago, WEEK));
            if let Some([level, of_spread, of_tail]) = weekday
                && level.abs() > FAR * self.day as f64
            {
                *of_spread = (spread - spreads) * self.day as f64;
                *of_tail = (tail - tails) * self.day as f64;
            }
        }
    }

    /// The sum of what is expected of the first `n` points.
    pub fn at(&self, n: u64) -> Channels {
        if self.is_flat {
            return [0.0; 3];
        }
        let days = n / self.day;
        let share = (n % self.day) as f64 / self.day as f64;
        let weeks = (days / WEEK as u64) as f64;
        let (before, after) = self.around(days);
        let [.., week] = self.expected;
        let open = zip(before, after, |before, after| {
            before + share * (after - before)
        });
        zip(open, week, |open, week| open + weeks * week)
    }

    /// What is expected of the point before which there were `n`.
    pub fn of(&self, n: u64) -> Channels {
        if self.is_flat {
            return [0.0; 3];
        }
        let (before, after) = self.around(n / self.day);
        zip(before, after, |before, after| {
            (after - before) / self.day as f64
        })
    }

    /// The sums of what is expected of a week before a day, and after it.
    fn around(&self, day: u64) -> (Channels, Channels) {
        let place = place(day, WEEK);
        let of = |place: usize| self.expected.get(place).copied().unwrap_or_default();
        (of(place), of(place + 1))
    }
}

/// What is believed of the last seven days, the newest first: by how much each differs from the middle one of its week,
/// as far as that came back.
fn believed(days: &[f64], chance: f64) -> [f64; WEEK] {
    let weeks: Vec<[f64; WEEK]> = days
        .as_chunks::<WEEK>()
        .0
        .iter()
        .map(|week| {
            let mut sorted = *week;
            sorted.sort_unstable_by(f64::total_cmp);
            let middle = sorted.get(WEEK / 2).copied().unwrap_or_default();
            week.map(|day| day - middle)
        })
        .collect();
    let mut believed = match weeks.as_slice() {
        [newest, before, oldest] => std::array::from_fn(|day| middle(newest, before, oldest, day)),
        [newest, before] => std::array::from_fn(|day| middle(newest, before, &[0.0; WEEK], day)),
        _ => once(days, chance),
    };
    for value in &mut believed {
        *value *= (1.0 - (chance / value.abs().max(1e-12)).powi(2)).max(0.0);
    }
    believed
}

/// The middle one of what three weeks say of a day: two of them have to agree.
fn middle(a: &[f64; WEEK], b: &[f64; WEEK], c: &[f64; WEEK], day: usize) -> f64 {
    let of = |week: &[f64; WEEK]| week.get(day).copied().unwrap_or_default();
    agreed(of(a), of(b), of(c))
}

/// The middle one of three.
fn agreed(a: f64, b: f64, c: f64) -> f64 {
    a.max(b).min(a.min(b).max(c))
}

/// Days of less than two weeks that differ from the middle one together, and others before and after them do not: a
/// weekend. A change that has come to stay has no days after it.
fn once(days: &[f64], chance: f64) -> [f64; WEEK] {
    let mut sorted = days.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.get(days.len() / 2).copied().unwrap_or_default();
    let sign = |day: f64| {
        let off = day - middle;
        if off.abs() > 2.0 * chance {
            off.signum()
        } else {
            0.0
        }
    };
    let mut found = [0.0; WEEK];
    let mut from = 0;
    for run in days.chunk_by(|a, b| sign(*a) == sign(*b)) {
        let to = from + run.len();
        let is_bounded = from > 0 && to < days.len();
        let is_out = run.first().is_some_and(|day| sign(*day) != 0.0);
        if is_out && is_bounded && run.len() <= LONGEST_RUN {
            for (place, day) in (from..).zip(run) {
                if let Some(found) = found.get_mut(place) {
                    *found = day - middle;
                }
            }
        }
        from = to;
    }
    // What has been seen a week before as well has come back, or not.
    for (place, (day, before)) in days.iter().zip(days.iter().skip(WEEK)).enumerate() {
        if let Some(found) = found.get_mut(place) {
            *found = agreed(day - middle, before - middle, 0.0);
        }
    }
    found
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "below the length of an array"
)]
fn place(number: u64, length: usize) -> usize {
    (number % length as u64) as usize
}

/// Sums without what was to be expected of their days.
#[derive(Clone, Copy, Debug)]
pub(super) struct Corrected<'a> {
    pub sums: &'a Sums,
    pub weekdays: &'a Weekdays,
}

impl Corrected<'_> {
    /// Points so far.
    pub fn n(&self) -> u64 {
        self.sums.n
    }

    /// The sums now.
    pub fn now(&self) -> Channels {
        self.less(self.sums.now, self.sums.n)
    }

    /// As [`Sums::at`].
    pub fn at(&self, n: u64) -> Channels {
        self.less(self.sums.at(n), n)
    }

    /// As [`Sums::at_block`].
    pub fn at_block(&self, n: u64) -> Channels {
        self.less(self.sums.at_block(n), n / BLOCK * BLOCK)
    }

    /// The mean of the level channel over all points.
    pub fn mean_level(&self) -> f64 {
        let [level, ..] = self.now();
        level / self.sums.n.max(1) as f64
    }

    fn less(&self, sums: Channels, n: u64) -> Channels {
        zip(sums, self.weekdays.at(n), |sum, expected| sum - expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days of which a week has two that are lower by 3, but for a step on a certain day.
    fn days(number: usize, first: usize, step: Option<usize>) -> Vec<f64> {
        let value = |day: usize| {
            let weekend = if (day + 7 - first) % 7 < 2 { -3.0 } else { 0.0 };
            weekend
                + if step.is_some_and(|step| day >= step) {
                    2.0
                } else {
                    0.0
                }
        };
        (0..number).rev().map(value).collect()
    }

    #[test]
    fn a_weekend_is_believed_once_it_is_over_and_a_step_never_is() {
        // The newest day is the first: of nine days the weekend was two and three days ago.
        let seen = believed(&days(9, 5, None), 0.1);
        let expected = [0.0, 0.0, -3.0, -3.0, 0.0, 0.0, 0.0];
        for (seen, expected) in seen.into_iter().zip(expected) {
            assert!((seen - expected).abs() < 0.01, "{seen} {expected}");
        }
        // Over three weeks, wherever it lies, and with a step besides.
        for first in 0..7 {
            for step in [None, Some(9), Some(16)] {
                let seen = believed(&days(21, first, step), 0.1);
                for (ago, seen) in seen.into_iter().enumerate() {
                    let is_weekend = (20 - ago + 7 - first) % 7 < 2;
                    let expected = if is_weekend { -3.0 } else { 0.0 };
                    assert!(
                        (seen - expected).abs() < 0.02,
                        "{first} {step:?} {ago}: {seen}"
                    );
                }
            }
        }
        for number in [8, 10, 13, 14, 20, 21] {
            for step in 1..number {
                let steps: Vec<f64> = (0..number)
                    .rev()
                    .map(|day| if day >= step { 2.0 } else { 0.0 })
                    .collect();
                assert_eq!(believed(&steps, 0.1), [0.0; 7], "{number} {step}");
            }
        }
    }

    #[test]
    fn what_is_expected_adds_up_over_any_stretch() {
        let mut weekdays = Weekdays::new(24, 24.0);
        let single = [0.0, 1.0, 0.0, 0.0, -2.0, 0.0, 0.5];
        let mut sum = 0.0;
        for (kept, single) in weekdays.expected.iter_mut().skip(1).zip(single) {
            sum += 24.0 * single;
            *kept = [sum; 3];
        }
        weekdays.look(0);
        let mut all = 0.0;
        for n in 0..1_000_u64 {
            assert!((weekdays.at(n)[1] - all).abs() < 1e-9, "{n}");
            let of = single[usize::try_from(n / 24 % 7).unwrap()];
            assert_eq!(weekdays.of(n), [of; 3]);
            all += of;
        }
    }
}

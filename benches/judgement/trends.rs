//! Trends: how often flat series are called stable, which slopes are found, and how soon a slow drift is.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a table for people, of figures that are made here"
)]

use std::time::{Duration, Instant};

use opwatch::engine::condition::{Budget, Charted, Level, Pace, Standing, Trend};
use opwatch::engine::metric::{Metric, Stat, Worse};
use opwatch::engine::time::Timestamp;
use opwatch::engine::trend::{self, Direction, Frame, LEAST_BUCKETS, Point};

use crate::noise::{Random, Runs};

const HOUR: Duration = Duration::from_secs(3_600);

/// Of a series of buckets: how many, how long, their persistence, the height of a daily season, and a slope as a share
/// of the level over the whole window.
struct Series {
    buckets: u32,
    bucket: Duration,
    rho: f64,
    season: f64,
    rise: f64,
}

impl Series {
    fn points(&self, seed: u64) -> Vec<Point> {
        let mut runs = Runs::new(seed, 0.3, self.rho, 0.0);
        let millis = i64::try_from(self.bucket.as_millis()).unwrap_or(i64::MAX);
        let of = |number: u32| {
            let begin = i64::from(number) * millis;
            let day = begin.rem_euclid(86_400_000);
            let season = if day < 28_800_000 { self.season } else { 0.0 };
            let share = f64::from(number) / f64::from(self.buckets);
            Point {
                begin: Timestamp::from_millis(begin),
                end: Timestamp::from_millis(begin + millis),
                value: runs.next() + season + self.rise * share,
                n: 1,
                is_partial: false,
            }
        };
        (0..self.buckets).map(of).collect()
    }

    /// Shares of stable, rising and falling ones, and of those with too little to tell.
    fn shares(&self, trials: u64) -> [f64; 4] {
        let mut counts = [0u64; 4];
        for seed in 0..trials {
            let points = self.points(seed * 7_919 + u64::from(self.buckets));
            let place = match trend::of(&points, self.bucket, LEAST_BUCKETS).direction {
                Direction::Stable => 0,
                Direction::Rising => 1,
                Direction::Falling => 2,
                Direction::Insufficient => 3,
            };
            counts[place] += 1;
        }
        counts.map(|count| 100.0 * count as f64 / trials as f64)
    }
}

/// Prints all tables.
pub fn print(trials: u64) {
    println!(
        "buckets bucket persistence season rise | stable rising falling insufficient (% of {trials})"
    );
    let day = HOUR * 24;
    let flat = [
        (10, day, 0.0),
        (14, day, 0.0),
        (30, day, 0.0),
        (56, HOUR * 3, 0.0),
        (168, HOUR, 0.0),
        (168, HOUR, 1.0),
        (168, HOUR, 5.0),
        (720, HOUR, 1.0),
    ];
    for (buckets, bucket, season) in flat {
        for rho in [0.0, 0.5, 0.8, 0.95] {
            for rise in [0.0, 0.21, 0.5] {
                if rise > 0.0 && (rho > 0.9 || season > 1.0) {
                    continue;
                }
                let series = Series {
                    buckets,
                    bucket,
                    rho,
                    season,
                    rise,
                };
                let trials = if buckets > 200 {
                    trials / 20
                } else if buckets > 100 {
                    trials / 4
                } else {
                    trials
                };
                let [stable, rising, falling, too_few] = series.shares(trials.max(20));
                println!(
                    "{buckets:7} {:5}h {rho:11} {season:6} {rise:4} | {stable:6.2} {rising:6.2} {falling:7.2} {too_few:6.2}",
                    bucket.as_secs() / 3_600
                );
            }
        }
    }
    for (window, bucket) in [
        (14, HOUR),
        (14, HOUR * 6),
        (14, day),
        (30, HOUR),
        (30, HOUR * 6),
        (30, day),
    ] {
        drift(window, bucket, (trials / 20).max(50));
    }
    cost();
}

/// A rule `rising: 0.5% per day` over lognormal runs, a hundred a day, that take 1 % longer each day from day 30 on:
/// after how many days it is found, and how often before.
fn drift(window: u32, bucket: Duration, seeds: u64) {
    let Ok(frame) = Frame::new(HOUR * 24 * window, bucket) else {
        return;
    };
    let level = Level {
        severity: None,
        limit: 0.005,
        recover: Some(0.004),
    };
    let rule = Trend {
        metric: Metric::Duration,
        stat: Stat::Quantile(0.5),
        frame,
        towards: Worse::Up,
        levels: vec![level],
        pace: Pace::Relative,
        reaches: None,
        recover: 0.8,
        budget: Budget::default(),
        min_samples: LEAST_BUCKETS,
    };
    let per_day = u32::try_from(86_400 / bucket.as_secs()).unwrap_or(1);
    let (mut delays, mut missed, mut early) = (Vec::new(), 0u32, 0u32);
    for seed in 0..seeds {
        let mut runs = Runs::new(seed * 31 + 7, 0.3, 0.0, 0.0);
        let mut random = Random::new(seed);
        let mut points: Vec<Point> = Vec::new();
        let mut found = None;
        for number in 0..(90 * per_day) {
            let day = f64::from(number) / f64::from(per_day);
            let factor = 1.01_f64.powf((day - 30.0).max(0.0));
            // Runs come by chance, so that buckets hold more or fewer of them.
            let n = (0..100)
                .filter(|_| random.uniform() < 1.0 / f64::from(per_day))
                .count();
            let mut values: Vec<f64> = (0..n).map(|_| runs.next() * factor).collect();
            values.sort_by(f64::total_cmp);
            let begin = i64::from(number) * i64::try_from(bucket.as_millis()).unwrap_or(0);
            let end = Timestamp::from_millis(begin).after(bucket);
            if n > 0 {
                points.push(Point {
                    begin: Timestamp::from_millis(begin),
                    end,
                    value: 0.5 * (values[(n - 1) / 2] + values[n / 2]),
                    n: n as u64,
                    is_partial: false,
                });
            }
            points.retain(|point| point.begin >= frame.start(end));
            // A look each six hours is nearly the same and a tenth of the time.
            if (number * 4) % per_day.max(4) != 0 || day < f64::from(window) {
                continue;
            }
            let charted = Charted {
                trend: trend::of(&points, bucket, LEAST_BUCKETS),
                n: points.iter().map(|point| point.n).sum(),
                is_mixed: false,
            };
            if rule.judge(&level, &charted, false, true, end).standing == Standing::Breached {
                found = Some(day);
                if day >= 30.0 {
                    break;
                }
                early += 1;
            }
        }
        match found {
            Some(day) if day >= 30.0 => delays.push(day - 30.0),
            _ => missed += 1,
        }
    }
    delays.sort_by(f64::total_cmp);
    let at = |q: f64| delays.get((q * delays.len() as f64) as usize).copied();
    println!(
        "drift of 1 % a day, window {window}d of {}h: median {:?} days, 90 % within {:?}, missed {missed} of {seeds}, breaches before it {early}",
        bucket.as_secs() / 3_600,
        at(0.5),
        at(0.9)
    );
}

fn cost() {
    for buckets in [14, 168, 720, 1_000] {
        let series = Series {
            buckets,
            bucket: HOUR,
            rho: 0.5,
            season: 1.0,
            rise: 0.0,
        };
        let points = series.points(1);
        let start = Instant::now();
        for _ in 0..10 {
            std::hint::black_box(trend::of(&points, HOUR, LEAST_BUCKETS));
        }
        println!("{buckets} buckets: {:?} each", start.elapsed() / 10);
    }
}

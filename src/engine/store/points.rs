//! The values of several series cut into pieces of equal length, for plots and for what looks at a course over time.

use std::ops::ControlFlow;
use std::time::Duration;

use super::buckets::{Buckets, slot, steps};
use super::tier::Held;
use super::{SeriesId, Store};
use crate::engine::metric::Column;
use crate::engine::time::{Timestamp, millis};
use crate::engine::watched::Watched;
use crate::engine::window::Window;

/// Which stretch of time is cut into pieces of which length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// What is earlier, or of this very time, is left out, but for the rest of the stored bucket around it.
    pub from: Timestamp,
    /// What is later is left out, but for the rest of the stored bucket around it.
    pub to: Timestamp,
    /// The length of a piece, a multiple of the length of every stored bucket (see [`Store::step`]).
    pub step: Duration,
    /// Whether quantiles will be asked for.
    pub with_quantiles: bool,
}

/// Pieces of equal length, each (start, end] with multiples of the length since 1970 as its bounds. Each value is in
/// exactly one of them.
#[derive(Clone, Debug)]
pub struct Points {
    cut: Cut,
    now: Timestamp,
    /// In the order of time, with their numbers.
    points: Vec<(i64, Point)>,
}

/// One piece that holds values.
#[derive(Clone, Debug)]
pub struct Point {
    /// Where it begins, this moment excluded; within the piece where that begins before what was asked for.
    pub start: Timestamp,
    /// Where it ends, this moment included; within the piece where that goes on after what was asked for, or after now.
    pub end: Timestamp,
    /// Whether it may lack values of the piece, or hold values from beside it.
    pub is_partial: bool,
    /// The values; `until` and `arrivals` mean nothing here.
    pub window: Window,
}

impl Points {
    /// None yet. What is later than `now` is not cut: only what has come ahead of its time lies there.
    pub fn new(cut: Cut, now: Timestamp) -> Self {
        Self {
            cut: Cut {
                to: cut.to.min(now),
                ..cut
            },
            now,
            points: Vec::new(),
        }
    }

    /// The length of a piece.
    pub fn step(&self) -> Duration {
        self.cut.step
    }

    /// The values of the pieces that hold any, in the order of time, with where each begins.
    pub fn windows(self) -> impl Iterator<Item = (Timestamp, Window)> {
        let points = self.points.into_iter();
        points.map(|(_, point)| (point.start, point.window))
    }

    /// The pieces that hold values, in the order of time. What was not lived through whole is partial.
    pub fn finish(self, watched: &Watched) -> Vec<Point> {
        let step = millis(self.cut.step);
        let finish = |(number, mut point): (i64, Point)| {
            let (start, end) = bounds(number, step);
            let covered = point.end.since(point.start);
            point.window.covered = covered;
            point.is_partial |= point.start > start
                || point.end < end
                || watched.coverage(covered, point.end).is_partial();
            point
        };
        self.points.into_iter().map(finish).collect()
    }

    /// Adds the values of one column of one series.
    fn add(&mut self, buckets: &Buckets) {
        let (Cut { from, to, .. }, step) = (self.cut, millis(self.cut.step));
        if from >= to || step <= 0 {
            return;
        }
        let (now, quantiles) = (self.now, self.cut.with_quantiles);
        let mut cursor = 0;
        buckets.each_in(from, to, |begin, end, bucket| {
            let number = slot(end.min(to).millis(), step);
            let point = self.at(number, &mut cursor);
            let (start, whole) = bounds(number, step);
            point.start = point.start.min(begin.max(start));
            point.end = point.end.max(end.min(now).min(whole));
            // The stored bucket is longer than a piece: it has been merged since the length was chosen.
            point.is_partial |= begin < start;
            bucket.gather(&mut point.window, quantiles);
            ControlFlow::Continue(())
        });
    }

    /// The piece of that number. Buckets come in the order of time, so it is most often where the last one was.
    fn at(&mut self, number: i64, cursor: &mut usize) -> &mut Point {
        let is_here = |place: usize| self.points.get(place).is_some_and(|(n, _)| *n == number);
        if !is_here(*cursor) {
            let found = self.points.binary_search_by_key(&number, |(n, _)| *n);
            *cursor = found.unwrap_or_else(|place| {
                let (start, end) = bounds(number, millis(self.cut.step));
                // Without a bucket around it there is nothing between it and the bound of the finest.
                let finest = steps().next().unwrap_or(1);
                let from = slot(self.cut.from.millis() + 1, finest) * finest;
                let point = Point {
                    start: start.max(Timestamp::from_millis(from)),
                    end: end.min(self.cut.to),
                    is_partial: false,
                    window: Window::default(),
                };
                self.points.insert(place, (number, point));
                place
            });
        }
        #[expect(clippy::indexing_slicing, reason = "found or put there just above")]
        &mut self.points[*cursor].1
    }
}

/// Start and end of a piece.
fn bounds(number: i64, step: i64) -> (Timestamp, Timestamp) {
    let bound = |number: i64| Timestamp::from_millis(number.saturating_mul(step));
    (bound(number), bound(number.saturating_add(1)))
}

impl Buckets {
    /// Goes through the buckets that end after `from` and begin before `to`, with start and end of each, the coarsest
    /// first and so nearly always oldest first, until `each` has enough of those of one length.
    fn each_in(
        &self,
        from: Timestamp,
        to: Timestamp,
        mut each: impl FnMut(Timestamp, Timestamp, Held<'_>) -> ControlFlow<()>,
    ) {
        for (buckets, step) in self.tiers.iter().zip(steps()).rev() {
            let first = from.millis().div_euclid(step);
            // Whether it came to the end or not is all the same here.
            let _ = buckets.each_from(first, step, |number, bucket| {
                let (begin, end) = bounds(number, step);
                if begin >= to {
                    return ControlFlow::Break(());
                }
                each(begin, end, bucket)
            });
        }
    }
}

impl Store {
    /// The shortest length not below `wanted` into which the values of (from, to] can be cut: a multiple of the length of
    /// every bucket that holds some of them. The older they are, the longer these are.
    pub fn step(
        &self,
        ids: &[SeriesId],
        column: Column,
        from: Timestamp,
        to: Timestamp,
        wanted: Duration,
    ) -> Duration {
        let mut longest = steps().next().unwrap_or(1);
        for buckets in self.buckets(ids, column) {
            buckets.each_in(from, to, |begin, end, _| {
                longest = longest.max(end.millis() - begin.millis());
                ControlFlow::Break(())
            });
        }
        let longest = longest.unsigned_abs();
        let pieces = u64::try_from(wanted.as_millis())
            .unwrap_or(u64::MAX / 2)
            .div_ceil(longest)
            .max(1);
        Duration::from_millis(pieces.saturating_mul(longest))
    }

    /// Adds the values of `column` over several series to the pieces that are there: so what is very much need not be gone
    /// through in one go.
    pub fn add_points(&self, points: &mut Points, ids: &[SeriesId], column: Column) {
        self.buckets(ids, column)
            .for_each(|buckets| points.add(buckets));
    }

    /// The values of `column` over several series, merged and cut into pieces of the length that `cut` asks for, or of the
    /// next that is possible (see [`Store::step`]).
    pub fn points(&self, ids: &[SeriesId], column: Column, cut: Cut, now: Timestamp) -> Points {
        let step = self.step(ids, column, cut.from, cut.to.min(now), cut.step);
        let mut points = Points::new(Cut { step, ..cut }, now);
        self.add_points(&mut points, ids, column);
        points
    }

    /// How many values the series have ever taken in a column.
    pub fn arrivals(&self, ids: &[SeriesId], column: Column) -> u64 {
        self.buckets(ids, column).map(Buckets::arrivals).sum()
    }

    fn buckets(&self, ids: &[SeriesId], column: Column) -> impl Iterator<Item = &Buckets> {
        let series = ids.iter().filter_map(|id| self.get(*id));
        series.filter_map(move |series| {
            let column = series.columns.iter().find(|(c, _)| *c == column);
            column.map(|(_, buckets)| buckets)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::tests::{ids, lasting, put};
    use super::super::{Reach, StoreSettings};
    use super::*;
    use crate::engine::measurement::{Draft, count};
    use crate::engine::metric::Stat;
    use crate::engine::time::Now;

    const HOUR: u64 = 3_600;

    fn now(seconds: u64) -> Now {
        Now::invented(Duration::from_secs(seconds))
    }

    fn at(seconds: u64) -> Timestamp {
        now(seconds).wall
    }

    /// A store that lived through these seconds, and its values with their times.
    fn lived(seconds: impl Iterator<Item = u64>, end: u64) -> (Store, Vec<(Timestamp, f64)>) {
        let mut store = Store::new(StoreSettings::default());
        let mut all = Vec::new();
        for (number, second) in (0u32..).zip(seconds) {
            // The clock goes on in between.
            store.sweep(now(second));
            let value = f64::from(number % 97) + 1.0;
            // Some series have more than others, and a short run window is made of many.
            let host = format!("h{}", (number * number) % 23);
            let labels = vec![("host", host.as_str())];
            let draft = Draft {
                labels,
                ..lasting("op", value)
            };
            put(&mut store, draft, now(second));
            all.push((at(second), value));
        }
        store.sweep(now(end));
        (store, all)
    }

    fn cut(from: u64, to: u64, step: u64) -> Cut {
        Cut {
            from: at(from),
            to: at(to),
            step: Duration::from_secs(step),
            with_quantiles: true,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn case_35_every_value_is_in_exactly_one_piece(
            gaps in prop::collection::vec(prop_oneof![0..30u64, 0..400u64, 0..20_000u64], 1..300),
            from in 0.0..1.0f64,
            length in 0.0..1.0f64,
            step in prop_oneof![1..100u64, Just(60), Just(3_600), 1..100_000u64],
            idle in 0..2_000u64,
        ) {
            let mut second = 30 * HOUR;
            let seconds: Vec<u64> = gaps.iter().map(|gap| { second += gap; second }).collect();
            let end = second + idle;
            let (store, all) = lived(seconds.into_iter(), end);
            let share = |of: u64, share: f64| Duration::from_secs(of).mul_f64(share).as_secs();
            let from = share(end, from);
            let to = from + share(end - from, length) + 1;
            let now = at(end);
            let points = store.points(&ids(&store), Column::Duration, cut(from, to, step), now);
            let length = points.step();
            prop_assert!(length >= Duration::from_secs(step) && millis(length) % 10_000 == 0);
            let points = points.finish(&Watched::since(Timestamp::default()));
            let mut counted = BTreeSet::new();
            let mut before = Timestamp::default();
            for point in &points {
                prop_assert!(before <= point.start && point.start < point.end);
                before = point.end;
                let inside = |(at, _): &(Timestamp, f64)| *at > point.start && *at <= point.end;
                let places = all.iter().enumerate().filter(|(_, value)| inside(value));
                let (places, values): (Vec<usize>, Vec<f64>) =
                    places.map(|(place, (_, value))| (place, *value)).unzip();
                counted.extend(places);
                prop_assert_eq!(point.window.count(), values.len() as u64);
                prop_assert_eq!(point.window.stat(Stat::Sum), Some(values.iter().sum()));
                let max = values.iter().copied().fold(f64::MIN, f64::max);
                prop_assert_eq!(point.window.stat(Stat::Max), Some(max));
                let median = point.window.stat(Stat::Quantile(0.5)).unwrap();
                let exact = crate::engine::stats::linear(
                    &{ let mut sorted = values.clone(); sorted.sort_by(f64::total_cmp); sorted }, 0.5).unwrap();
                prop_assert!((median - exact).abs() <= 0.045 * exact, "{} {}", median, exact);
                let rate = point.window.stat(Stat::PerSecond).unwrap();
                let seconds = point.end.since(point.start).as_secs_f64();
                prop_assert!((rate * seconds - count(point.window.count())).abs() < 1e-6);
                let step = millis(length);
                let is_whole = millis(point.end.since(point.start)) == step
                    && point.start.millis() % step == 0;
                prop_assert_eq!(point.is_partial, !is_whole);
            }
            let asked: Vec<usize> = (0..all.len())
                .filter(|place| all[*place].0 > at(from) && all[*place].0 <= at(to).min(now))
                .collect();
            prop_assert!(asked.iter().all(|place| counted.contains(place)));
            let total: u64 = points.iter().map(|point| point.window.count()).sum();
            prop_assert_eq!(total, counted.len() as u64);
        }

        #[test]
        fn the_last_values_are_those_of_the_run_window_in_the_order_of_time(
            gaps in prop::collection::vec(0..30u64, 1..100),
            runs in 1..60usize,
        ) {
            let mut second = HOUR;
            let seconds: Vec<u64> = gaps.iter().map(|gap| { second += gap; second }).collect();
            let (store, all) = lived(seconds.into_iter(), second);
            let (ids, now) = (ids(&store), at(second));
            let found = store.recent_values(&ids, Column::Duration, runs, now);
            let found: Vec<Timestamp> = found.iter().map(|sample| sample.at).collect();
            let expected: Vec<Timestamp> = all.iter().rev().take(runs).rev().map(|(at, _)| *at).collect();
            prop_assert_eq!(&found, &expected);
            let reach = Reach::Runs(u32::try_from(runs).unwrap());
            let window = store.window(&ids, Column::Duration, reach, false, now);
            prop_assert_eq!(window.count(), found.len() as u64);
        }
    }

    #[test]
    fn where_fine_buckets_no_longer_reach_pieces_are_as_long_as_the_coarser_ones() {
        let end = 100 * HOUR + 5;
        let (store, all) = lived((0..end).step_by(30), end);
        let step = |back: u64, wanted| {
            let points = store.points(
                &ids(&store),
                Column::Duration,
                cut(end - back, end, wanted),
                at(end),
            );
            let step = points.step().as_secs();
            (step, points.finish(&Watched::since(at(0))).len())
        };
        assert_eq!(step(60, 10), (10, 2));
        assert_eq!(step(600, 15), (20, 20));
        assert_eq!(step(HOUR, 10), (60, 60));
        assert_eq!(step(24 * HOUR, 60), (600, 144));
        assert_eq!(step(90 * HOUR, 60), (HOUR, 90));
        assert_eq!(step(90 * HOUR, HOUR + 1), (2 * HOUR, 45));
        // Before anything came there is nothing, whatever is asked for.
        assert_eq!(all.len(), 12_001);
        assert_eq!(step(end, end).0, 101 * HOUR);
    }

    #[test]
    fn what_was_not_lived_through_is_partial() {
        let (store, _) = lived((0..2 * HOUR).step_by(7), 2 * HOUR);
        let mut watched = Watched::since(at(60));
        let seconds = Duration::from_secs;
        watched.cut(
            at(HOUR),
            seconds(HOUR),
            seconds(600),
            600_000,
            at(HOUR + 600),
        );
        let points = store.points(
            &ids(&store),
            Column::Duration,
            cut(0, 2 * HOUR, 900),
            at(2 * HOUR),
        );
        let partial: Vec<bool> = points
            .finish(&watched)
            .iter()
            .map(|p| p.is_partial)
            .collect();
        // Those before the hour are whole, the one after it lies in the break.
        assert_eq!(
            partial,
            [true, false, false, false, true, false, false, false]
        );
    }
}

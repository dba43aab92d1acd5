//! The buckets of a trend, from the store.

use std::time::Duration;

use crate::engine::baseline::Source;
use crate::engine::metric::{Column, Stat};
use crate::engine::store::{self, Cut, Points};
use crate::engine::time::{Timestamp, millis};
use crate::engine::watched::Watched;
use crate::engine::window::Window;

use super::Point;

/// A trend has at least so many buckets, and at most so many.
const BUCKETS: (u64, u64) = (5, 1_000);
/// Where values are counted or added up, a bucket of which one in so many parts was not watched is partial.
const UNWATCHED: u32 = 100;
/// Later than anything.
const LAST: Timestamp = Timestamp::from_millis(i64::MAX / 2);

/// Over which time a trend is looked at, and in pieces of what length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    window: Duration,
    bucket: Duration,
}

/// Why there is no such frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The window has not at least and at most so many buckets.
    Number(u64, u64),
    /// Buckets are not made of whole ones that the store keeps: multiples of this.
    Finer(Duration),
}

impl Frame {
    /// A frame of that window in buckets of that length.
    ///
    /// # Errors
    /// Where the buckets are too many, too few, or finer than what is kept.
    pub fn new(window: Duration, bucket: Duration) -> Result<Self, FrameError> {
        let number = (window.as_millis().checked_div(bucket.as_millis())).unwrap_or(u128::MAX);
        if !(u128::from(BUCKETS.0)..=u128::from(BUCKETS.1)).contains(&number) {
            return Err(FrameError::Number(BUCKETS.0, BUCKETS.1));
        }
        let step = store::step_at(window);
        if !bucket.as_millis().is_multiple_of(step.as_millis()) {
            return Err(FrameError::Finer(step));
        }
        Ok(Self { window, bucket })
    }

    /// The whole buckets between two times.
    pub(in crate::engine) fn between(from: Timestamp, to: Timestamp, bucket: Duration) -> Self {
        let length = millis(bucket).max(1);
        let number = to.millis().div_euclid(length) - from.millis().div_euclid(length);
        let number = u32::try_from(number).unwrap_or_default();
        Self {
            window: bucket.saturating_mul(number),
            bucket,
        }
    }

    /// How far back it reaches.
    pub fn window(&self) -> Duration {
        self.window
    }

    /// How long each piece is.
    pub fn bucket(&self) -> Duration {
        self.bucket
    }

    /// How many whole buckets it has.
    pub fn buckets(&self) -> u64 {
        let number = self.window.as_millis() / self.bucket.as_millis().max(1);
        u64::try_from(number).unwrap_or(u64::MAX)
    }

    /// When the bucket began that is still open.
    pub fn open(&self, now: Timestamp) -> Timestamp {
        let bucket = millis(self.bucket).max(1);
        Timestamp::from_millis(now.millis().div_euclid(bucket) * bucket)
    }

    /// When the first bucket begins.
    pub fn start(&self, now: Timestamp) -> Timestamp {
        let whole =
            millis(self.bucket).saturating_mul(i64::try_from(self.buckets()).unwrap_or(i64::MAX));
        Timestamp::from_millis(self.open(now).millis().saturating_sub(whole))
    }
}

/// The buckets that hold values, oldest first: those whole ones that have closed, and the open one, which is partial. They
/// begin at multiples of their length since 1970, in UTC, and each value is in one of them.
///
/// Partial is also a bucket of which retention has taken some; and where values are counted or added up, one that was not
/// watched for a hundredth of its length, or in which the series began.
pub fn gather(
    source: Source<'_>,
    stat: Stat,
    frame: Frame,
    watched: &Watched,
    now: Timestamp,
) -> Vec<Point> {
    let Some(column) = source.store.column(source.metric) else {
        return Vec::new();
    };
    let (start, open) = (frame.start(now), frame.open(now));
    let with_quantiles = matches!(stat, Stat::Quantile(_) | Stat::StdDev);
    let pieces = pieces(source, column, frame, (start, now), with_quantiles);
    let adds_up = matches!(stat, Stat::Count | Stat::Sum | Stat::PerSecond);
    let born = adds_up.then(|| born(&source)).flatten();
    let is_partial = |begin: Timestamp, end: Timestamp| {
        let kept = source.store.keeps(begin.after(Duration::from_millis(1)));
        let unwatched = || {
            let coverage = watched.coverage(frame.bucket, end);
            coverage.before + coverage.missed > frame.bucket / UNWATCHED
        };
        begin >= open || !kept || born.is_some_and(|born| born > begin) || (adds_up && unwatched())
    };
    let point = |(from, window): (Timestamp, Window)| {
        let begin = frame.open(from);
        let end = begin.after(frame.bucket);
        let window = Window {
            covered: end.min(now.max(begin)).since(begin),
            divisor: source.divisor,
            ..window
        };
        Some(Point {
            begin,
            end,
            value: window.stat(stat)?,
            n: window.count(),
            is_partial: is_partial(begin, end),
        })
    };
    pieces.filter_map(point).collect()
}

/// How many values have come that belong to buckets that had closed when the open one began, whether they are still kept
/// or not. While it is the same, so are those buckets.
pub fn settled(source: Source<'_>, frame: Frame, open: Timestamp) -> u64 {
    let Some(column) = source.store.column(source.metric) else {
        return 0;
    };
    // What is ahead of the clock as well.
    let since = pieces(source, column, frame, (open, LAST), false);
    let since: u64 = since.map(|(_, window)| window.count()).sum();
    let all = source.store.arrivals(source.series, column);
    all.saturating_sub(since)
}

/// The values of a stretch of time, bucket by bucket.
fn pieces(
    source: Source<'_>,
    column: Column,
    frame: Frame,
    (from, to): (Timestamp, Timestamp),
    with_quantiles: bool,
) -> impl Iterator<Item = (Timestamp, Window)> {
    let cut = Cut {
        from,
        to,
        step: frame.bucket,
        with_quantiles,
    };
    let mut pieces = Points::new(cut, to);
    source.store.add_points(&mut pieces, source.series, column);
    pieces.windows()
}

/// When the first of the series appeared.
fn born(source: &Source<'_>) -> Option<Timestamp> {
    let series = source.series.iter().filter_map(|id| source.store.get(*id));
    series.map(|series| series.totals.created).min()
}

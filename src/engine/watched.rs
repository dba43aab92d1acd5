//! Which stretches of the wall clock were lived through, and what that leaves open about a window or an absence.
//!
//! A *break* ends a stretch: the wall clock was set, the machine was suspended, the process stalled, or there was none.
//! Measurements keep the wall times that they came with, so that a window of time may then be wrong in two ways:
//!
//! - It **misses** values: part of it was never lived through, as during downtime, or before the start of service.
//! - It **mixes** times: the clock was set back, and what was measured before lies where it now passes again.
//!
//! Windows of runs know neither: they are the last values, whenever these came.

use std::sync::Arc;
use std::time::Duration;

use super::time::{Timestamp, millis};

/// A change of the wall clock up to this is none; more is a break.
pub const JUMP: Duration = Duration::from_secs(5);
/// Most stretches remembered. A window that reaches further back misses values, for all that is known.
const MAX_STRETCHES: usize = 64;
/// An operation is not taken to have come and gone in a break of less than one in so many parts of the time in which
/// it must come: with daily jobs every restart would else put off what is missed by a day.
const HIDES_FROM: u32 = 100;

/// A stretch of the wall clock that was lived through and has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// When it began.
    pub from: Timestamp,
    /// The latest time that the clock showed in it.
    pub to: Timestamp,
    /// When it ended, on the clock of judging, which stands still until the next one begins.
    pub ended: Duration,
    /// For how long nothing could be seen after it.
    pub unwatched: Duration,
    /// By how many milliseconds the clock was then ahead of the clock of now; negative where it was behind.
    pub ahead: i64,
}

/// What of a window of time was lived through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// How long the window is.
    pub span: Duration,
    /// How much of it was before the start of service.
    pub before: Duration,
    /// How much of it lay in breaks since.
    pub missed: Duration,
    /// Whether it may hold values that are not of its time.
    pub is_mixed: bool,
}

impl Coverage {
    /// Whether its values may be other than those of its time.
    pub fn is_partial(&self) -> bool {
        self.is_mixed || !self.before.is_zero() || !self.missed.is_zero()
    }
}

/// The stretches lived through, oldest first, and the one that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    pub(super) ended: Arc<Vec<Stretch>>,
    /// When the present one began.
    pub(super) from: Timestamp,
}

impl Watched {
    /// Service begins.
    pub fn since(from: Timestamp) -> Self {
        Self {
            ended: Arc::default(),
            from,
        }
    }

    /// The same, but service began by that time: of what comes from elsewhere it was seen all.
    pub(super) fn begun_by(mut self, from: Timestamp) -> Self {
        match Arc::make_mut(&mut self.ended).first_mut() {
            Some(first) => first.from = first.from.min(from),
            None => self.from = self.from.min(from),
        }
        self
    }

    /// Ends the present stretch, after which nothing could be seen for `unwatched`, and begins the next at `from`.
    /// `shift` is by how many milliseconds the clock was set forward in between.
    pub(super) fn cut(
        &mut self,
        to: Timestamp,
        ended: Duration,
        unwatched: Duration,
        shift: i64,
        from: Timestamp,
    ) {
        let stretches = Arc::make_mut(&mut self.ended);
        stretches.push(Stretch {
            from: self.from.min(to),
            to,
            ended,
            unwatched,
            ahead: 0,
        });
        for stretch in &mut *stretches {
            // Exact also where a suspended machine looks like a clock that was set: what is behind is never mixed in.
            stretch.ahead = stretch.ahead.saturating_sub(shift);
        }
        // A clock that stands still looks like one set back again and again.
        if let [.., before, last] = stretches.as_slice()
            && before.from <= last.from
            && last.to <= before.to
            && last.ahead <= before.ahead
            && last.unwatched.is_zero()
        {
            stretches.pop();
        }
        if stretches.len() > MAX_STRETCHES {
            let oldest =
                (0..stretches.len()).min_by_key(|place| stretches.get(*place).map(|s| s.to));
            stretches.remove(oldest.unwrap_or_default());
        }
        self.from = from;
    }

    /// What of the window (end − span, end] was lived through.
    pub fn coverage(&self, span: Duration, end: Timestamp) -> Coverage {
        let start = end.before(span);
        let jump = millis(JUMP);
        let overlaps = |stretch: &&Stretch| stretch.to > start && stretch.from <= end;
        let is_mixed = (self.ended.iter().filter(overlaps)).any(|stretch| stretch.ahead > jump);
        let mut coverage = Coverage {
            span,
            is_mixed,
            ..Coverage::default()
        };
        if self.from > start {
            let before = (self.ended.iter())
                .filter(|stretch| stretch.ahead <= jump)
                .map(|stretch| (stretch.from, stretch.to));
            let mut lived: Vec<_> = before.chain([(self.from, end)]).collect();
            lived.sort_unstable();
            let mut reached = None;
            for (from, to) in lived {
                match reached {
                    None => coverage.before = from.min(end).since(start),
                    Some(reached) => coverage.missed += from.min(end).since(reached),
                }
                reached = reached.max(Some(to.max(start)));
            }
        }
        coverage
    }

    /// Where on the clock of judging something happened that the wall clock showed as `at`; that is the time in which it
    /// could be waited for. What lies in a break happened at its end, when waiting went on. Of several moments that
    /// showed the same time it is the last, so that nothing is missed because a clock was set back.
    pub fn judged_at(&self, at: Timestamp, now: Timestamp, judged: Duration) -> Duration {
        if at >= self.from || self.ended.is_empty() {
            return judged.saturating_sub(now.since(at));
        }
        let in_it = |stretch: &&Stretch| stretch.from <= at && at <= stretch.to;
        let moment = |stretch: &Stretch| stretch.ended.saturating_sub(stretch.to.since(at));
        let within = self.ended.iter().filter(in_it).map(moment).max();
        let before = || (self.ended.iter().filter(|s| s.to < at)).max_by_key(|s| s.to);
        let moment = within
            .or_else(|| before().map(|stretch| stretch.ended))
            .or_else(|| self.ended.iter().map(moment).max())
            .unwrap_or_default();
        moment.min(judged)
    }

    /// Whether what has not been seen since `since` may have come unseen in a break: if it was due within `limit` and
    /// came then, the next is not due yet. All on the clock of judging.
    pub fn hides(&self, since: Duration, limit: Duration, judged: Duration) -> bool {
        // After twice the time it has been missed at least once, however often there was a break.
        let was_missed = judged.saturating_sub(since) > limit.saturating_mul(2);
        !was_missed
            && self.ended.iter().any(|stretch| {
                stretch.ended >= since
                    && stretch.unwatched.saturating_mul(HIDES_FROM) >= limit
                    && judged.saturating_sub(stretch.ended) <= limit
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Seconds in breaks, and whether times mix, of the last 100 seconds.
    fn look(watched: &Watched, end: i64) -> (u64, bool) {
        let coverage = watched.coverage(seconds(100), at(end));
        (coverage.missed.as_secs(), coverage.is_mixed)
    }

    #[test]
    fn downtime_is_missing_from_every_window_that_reaches_into_it() {
        let mut watched = Watched::since(at(1_000));
        let before = |end| watched.coverage(seconds(100), at(end)).before.as_secs();
        assert_eq!((before(1_040), before(1_100)), (60, 0));
        assert_eq!(look(&watched, 1_040), (0, false));
        watched.cut(at(2_000), seconds(1_000), seconds(30), 30_000, at(2_030));
        for (end, missing) in [(2_030, 30), (2_100, 30), (2_120, 10), (2_130, 0)] {
            assert_eq!(look(&watched, end), (missing, false), "{end}");
        }
    }

    #[test]
    fn what_was_measured_before_the_clock_was_set_back_mixes_in_until_it_has_passed() {
        let mut watched = Watched::since(at(1_000));
        watched.cut(
            at(2_000),
            seconds(1_000),
            Duration::ZERO,
            -500_000,
            at(1_500),
        );
        for (end, mixed) in [(1_500, true), (2_000, true), (2_099, true), (2_100, false)] {
            assert_eq!(look(&watched, end).1, mixed, "{end}");
        }
        // Once the clock is right again, what was measured before the mistake is where it belongs.
        watched.cut(at(1_560), seconds(1_060), seconds(500), 500_000, at(2_060));
        assert_eq!(look(&watched, 2_070), (60, false));
    }

    #[test]
    fn a_clock_that_ran_ahead_leaves_a_stretch_that_mixes_in_when_its_time_comes() {
        let mut watched = Watched::since(at(1_000));
        watched.cut(at(2_000), seconds(1_000), seconds(500), 500_000, at(2_500));
        watched.cut(
            at(2_550),
            seconds(1_050),
            Duration::ZERO,
            -500_000,
            at(2_050),
        );
        for (end, expected) in [
            (2_060, (50, false)),
            (2_149, (1, false)),
            (2_160, (0, false)),
            (2_499, (0, false)),
            (2_500, (0, true)),
            (2_649, (0, true)),
            (2_650, (0, false)),
        ] {
            assert_eq!(look(&watched, end), expected, "{end}");
        }
    }

    #[test]
    fn a_clock_that_stands_still_takes_no_more_room_than_one_that_was_set_back_once() {
        let mut watched = Watched::since(at(1_000));
        for _ in 0..100 {
            watched.cut(at(2_000), seconds(1_000), Duration::ZERO, -6_000, at(2_000));
        }
        assert!(watched.ended.len() <= 2, "{:?}", watched.ended);
        assert!(look(&watched, 2_099).1 && !look(&watched, 2_100).1);
        for n in 0..1_000 {
            let (to, from) = (at(3_000 + 100 * n), at(3_050 + 100 * n));
            watched.cut(to, seconds(1_000), seconds(50), 50_000, from);
        }
        assert_eq!(watched.ended.len(), MAX_STRETCHES);
    }

    #[test]
    fn what_happened_is_placed_on_the_clock_of_judging_by_the_stretch_it_happened_in() {
        let mut watched = Watched::since(at(1_000));
        let judged = |watched: &Watched, happened, now, judged: u64| {
            watched
                .judged_at(at(happened), at(now), seconds(judged))
                .as_secs()
        };
        assert_eq!(judged(&watched, 1_090, 1_100, 100), 90);
        watched.cut(at(2_000), seconds(1_000), seconds(500), 500_000, at(2_500));
        for (happened, expected) in [(2_510, 1_010), (2_300, 1_000), (1_990, 990), (900, 0)] {
            assert_eq!(judged(&watched, happened, 2_520, 1_020), expected);
        }
        watched.cut(
            at(2_600),
            seconds(1_100),
            Duration::ZERO,
            -650_000,
            at(1_950),
        );
        // 1 960 was twice.
        assert_eq!(judged(&watched, 1_960, 1_970, 1_120), 1_110);
    }

    #[test]
    fn only_a_break_long_enough_hides_what_was_due() {
        let mut watched = Watched::since(at(0));
        watched.cut(at(500), seconds(500), seconds(10), 10_000, at(510));
        let hides =
            |since, limit, judged| watched.hides(seconds(since), seconds(limit), seconds(judged));
        assert!(hides(490, 100, 595));
        assert!(hides(490, 100, 600));
        assert!(!hides(490, 100, 601));
        assert!(!hides(501, 100, 600));
        assert!(!hides(490, 10_000, 10_491));
        assert!(!hides(390, 100, 591));
    }
}

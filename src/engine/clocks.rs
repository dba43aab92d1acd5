//! Watches the clocks from call to call: wall-clock jumps, a machine that was suspended, a process that stalled.
//!
//! The wall and the steady clock run side by side. Where they part by more than [`JUMP`], the wall clock was set, or
//! the machine was suspended and its steady clock with it; which of the two cannot be known. A slow drift, as NTP makes
//! to correct a clock without a jump, is followed instead. Where both clocks ran on but nobody called for longer than
//! was promised, the process itself stood still; then the clock of judging leaves that time out, as it does of any other
//! time in which there was nothing to see.

use std::time::Duration;

use super::time::{Now, Timestamp, millis};
use super::watched::{JUMP, Watched};

/// Drift up to one in so many parts is no jump: NTP clients correct by up to a twelfth.
const DRIFT: i64 = 8;
/// Events kept until they are taken.
const MAX_EVENTS: usize = 100;

/// What happened to the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockEvent {
    /// The wall clock was set forward, or the machine was suspended and its steady clock stood still.
    Forward(Duration),
    /// The wall clock was set back, or stands still.
    Backward(Duration),
    /// Nobody called for so long, though both clocks ran on.
    Stalled(Duration),
    /// There was no process.
    Down(Duration),
}

/// How often each has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockCounts {
    /// Jumps forward.
    pub forward: u64,
    /// Jumps back.
    pub backward: u64,
    /// Stalls.
    pub stalls: u64,
    /// When counting began.
    pub since: Timestamp,
}

/// Time that a forward jump may have skipped wrongly: until the clock has been stable, what is kept is kept as if the
/// clock had gone on as before. Else a clock that is a year ahead for a second would cost everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// What the wall clock was ahead of the steady one before the jump, in milliseconds, and when the last jump was.
    pub(super) since: Option<(i64, Duration)>,
}

impl Hold {
    /// The wall clock, as it would be without jumps of less than `span` ago.
    pub fn wall(&self, now: Now, span: Duration) -> Timestamp {
        match self.since {
            Some((offset, since)) if now.steady.saturating_sub(since) < span => {
                let held = millis(now.steady).saturating_add(offset);
                now.wall.min(Timestamp::from_millis(held))
            }
            _ => now.wall,
        }
    }

    fn note(&mut self, shift: i64, offset: i64, now: Now, longest: Duration) {
        let is_held = |(_, since): &(i64, Duration)| now.steady.saturating_sub(*since) < longest;
        self.since = match self.since.filter(is_held) {
            Some((before, _)) => Some((before.min(offset), now.steady)),
            None => (shift > 0).then_some((offset, now.steady)),
        };
    }
}

/// What came of a look at the clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parted {
    /// By how many milliseconds the wall clock was set forward.
    pub shift: i64,
    /// How long nobody called.
    pub stalled: Duration,
}

/// The clocks as last seen, and what has happened to them.
#[derive(Clone, Debug)]
pub struct Clocks {
    /// The latest moment that was looked at.
    pub(super) last: Now,
    /// The latest wall time of the present stretch.
    reached: Timestamp,
    /// By how many milliseconds the wall clock is expected to be ahead of the steady one, and when that was corrected.
    expected: (i64, Duration),
    /// How often somebody promised to call.
    pub(super) every: Option<Duration>,
    pub(super) watched: Watched,
    pub(super) counts: ClockCounts,
    pub(super) hold: Hold,
    /// Time in which the process stood still; the clock of judging leaves it out.
    pub(super) stood_still: Duration,
    /// Grows whenever anything of it is to be saved.
    pub(super) changes: u64,
    events: Vec<ClockEvent>,
}

/// Retention is held for this long after a jump.
pub const HOLD_RETENTION: Duration = Duration::from_secs(24 * 3_600);
/// Buckets are not merged into coarser ones for this long after a jump: as long as the finest are kept anyway, so that
/// there are at most twice as many of them.
pub const HOLD_BUCKETS: Duration = Duration::from_secs(15 * 60);

impl Clocks {
    /// The clocks at the start of service.
    pub fn new(now: Now) -> Self {
        Self {
            last: now,
            reached: now.wall,
            expected: (offset(now), now.steady),
            every: None,
            watched: Watched::since(now.wall),
            counts: ClockCounts {
                since: now.wall,
                ..ClockCounts::default()
            },
            hold: Hold::default(),
            stood_still: Duration::ZERO,
            changes: 1,
            events: Vec::new(),
        }
    }

    /// Looks at the clocks; what has happened since the last look, if anything did. `judged` is what the clock of
    /// judging showed then. Moments out of order tell nothing.
    pub fn look(&mut self, now: Now, judged: Duration) -> Option<Parted> {
        let passed = now.steady.checked_sub(self.last.steady)?;
        let shift = offset(now).saturating_sub(self.expected.0);
        let jumped = span(shift) > JUMP;
        // What was promised counts: for so long it may well have run.
        let missed = (self.every).and_then(|every| passed.checked_sub(every));
        let stalled = missed.filter(|missed| *missed > JUMP).unwrap_or_default();
        if !jumped && stalled.is_zero() {
            self.follow(shift, now);
            self.last = now;
            self.reached = self.reached.max(now.wall);
            return None;
        }
        let parted = Parted {
            shift: if jumped { shift } else { 0 },
            stalled,
        };
        if parted.shift > 0 {
            self.counts.forward += 1;
            self.tell(ClockEvent::Forward(span(shift)));
        } else if parted.shift < 0 {
            self.counts.backward += 1;
            self.tell(ClockEvent::Backward(span(shift)));
        }
        if !stalled.is_zero() {
            self.counts.stalls += 1;
            self.tell(ClockEvent::Stalled(stalled));
        }
        self.part(parted, now, judged);
        Some(parted)
    }

    /// Goes on after a process that was last at `last`, when the clock of judging showed `judged`.
    pub fn resume(&mut self, last: Now, now: Now, judged: Duration) {
        let shift = offset(now).saturating_sub(offset(last));
        self.last = last;
        self.reached = last.wall;
        self.expected = (offset(last), last.steady);
        if span(shift) <= JUMP {
            self.last = now;
            self.reached = last.wall.max(now.wall);
            self.expected = (offset(now), now.steady);
            return;
        }
        if shift < 0 {
            self.counts.backward += 1;
            self.tell(ClockEvent::Backward(span(shift)));
        } else {
            self.tell(ClockEvent::Down(span(shift)));
        }
        let parted = Parted {
            shift,
            stalled: Duration::ZERO,
        };
        self.part(parted, now, judged);
    }

    /// What has happened since this was last asked.
    pub fn take_events(&mut self) -> Vec<ClockEvent> {
        std::mem::take(&mut self.events)
    }

    fn part(&mut self, Parted { shift, stalled }: Parted, now: Now, judged: Duration) {
        // A clock that was set forward and a machine that was suspended look the same, so that time counts as unseen.
        let unwatched = stalled
            + if shift > 0 {
                span(shift)
            } else {
                Duration::ZERO
            };
        self.watched
            .cut(self.reached, judged, unwatched, shift, now.wall);
        if shift != 0 {
            self.hold.note(shift, self.expected.0, now, HOLD_RETENTION);
        }
        self.last = now;
        self.reached = now.wall;
        self.expected = (offset(now), now.steady);
        self.changes += 1;
    }

    /// Follows a slow drift.
    fn follow(&mut self, shift: i64, now: Now) {
        let (expected, since) = self.expected;
        let allowed = millis(now.steady.saturating_sub(since)) / DRIFT;
        if allowed > 0 {
            let followed = expected.saturating_add(shift.clamp(-allowed, allowed));
            self.expected = (followed, now.steady);
        }
    }

    fn tell(&mut self, event: ClockEvent) {
        if self.events.len() < MAX_EVENTS {
            self.events.push(event);
        }
    }
}

/// By how many milliseconds the wall clock is ahead of the steady one.
fn offset(now: Now) -> i64 {
    now.wall.millis().saturating_sub(millis(now.steady))
}

fn span(shift: i64) -> Duration {
    Duration::from_millis(shift.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(wall_millis: i64, steady_millis: u64) -> Now {
        Now {
            wall: Timestamp::from_millis(1_000_000_000 + wall_millis),
            steady: Duration::from_millis(steady_millis),
        }
    }

    /// What is seen in an hour of looks a second apart, at which the clocks show what `of` says.
    fn events(every: Option<Duration>, of: impl Fn(i64) -> (i64, u64)) -> Vec<ClockEvent> {
        let at = |second| {
            let (wall, steady) = of(second);
            now(wall, steady)
        };
        let mut clocks = Clocks::new(at(0));
        clocks.every = every;
        for second in 1..3_600 {
            clocks.look(at(second), Duration::ZERO);
        }
        clocks.take_events()
    }

    fn steady(second: i64) -> u64 {
        u64::try_from(second * 1_000).unwrap()
    }

    const SECOND: Option<Duration> = Some(Duration::from_secs(1));

    /// R12: a leap second, a small step of NTP and a slow correction are no jump.
    #[test]
    fn leaps_of_a_second_and_slow_corrections_are_no_jump() {
        for drift in [-83, -1, 0, 1, 83] {
            let slewed = |second: i64| (second * (1_000 + drift), steady(second));
            assert_eq!(events(SECOND, slewed), [], "{drift}");
        }
        for step in [-5_000, -1_000, 1_000, 5_000] {
            let leapt = |s: i64| (s * 1_000 + if s > 1_800 { step } else { 0 }, steady(s));
            assert_eq!(events(SECOND, leapt), [], "{step}");
        }
    }

    /// R12: the wall clock is set by more than five seconds.
    #[test]
    fn a_clock_that_is_set_by_more_than_five_seconds_has_jumped_once() {
        for (step, expected) in [
            (5_001, ClockEvent::Forward(Duration::from_millis(5_001))),
            (-5_001, ClockEvent::Backward(Duration::from_millis(5_001))),
            (86_400_000, ClockEvent::Forward(Duration::from_secs(86_400))),
            (
                -86_400_000,
                ClockEvent::Backward(Duration::from_secs(86_400)),
            ),
        ] {
            let set = |s: i64| (s * 1_000 + if s > 1_800 { step } else { 0 }, steady(s));
            assert_eq!(events(SECOND, set), [expected]);
        }
    }

    /// R12: a machine is suspended, with a steady clock that stands still and one that does not.
    #[test]
    fn a_suspended_machine_is_noticed_whether_its_steady_clock_stands_still_or_not() {
        let hour = |s: i64| if s > 1_800 { 3_600_000 } else { 0 };
        let still = |s: i64| (s * 1_000 + hour(s), steady(s));
        let hour_long = Duration::from_secs(3_600);
        assert_eq!(events(SECOND, still), [ClockEvent::Forward(hour_long)]);
        let running = |s: i64| (s * 1_000 + hour(s), steady(s) + hour(s).unsigned_abs());
        assert_eq!(events(SECOND, running), [ClockEvent::Stalled(hour_long)]);
        // Whoever promised nothing may come whenever it likes.
        assert_eq!(events(None, running), []);
    }

    /// R12: the wall clock stands still.
    #[test]
    fn a_frozen_wall_clock_is_noticed_within_seconds() {
        let frozen = |s: i64| (s.min(1_800) * 1_000, steady(s));
        let seen = events(SECOND, frozen);
        assert!(seen.len() > 50, "{seen:?}");
        assert!(seen.iter().all(|e| matches!(e, ClockEvent::Backward(_))));
    }

    #[test]
    fn retention_is_held_after_a_jump_forward_until_the_clock_is_stable_or_comes_back() {
        let mut clocks = Clocks::new(now(0, 0));
        let (day, year) = (86_400_000, 365 * 86_400_000);
        clocks.look(now(year, 1_000), Duration::ZERO);
        let held = |clocks: &Clocks, wall, steady| {
            let now = now(wall, steady);
            let held = clocks.hold.wall(now, HOLD_RETENTION);
            now.wall.since(held).as_secs()
        };
        assert_eq!(held(&clocks, year, 1_000), 365 * 86_400 - 1);
        assert_eq!(held(&clocks, year + day, 86_401_000), 0);
        clocks.look(now(2_000, 2_000), Duration::ZERO);
        assert_eq!(held(&clocks, 3_000, 3_000), 0);
        // The jump back on its own holds nothing: what it was ahead of has gone.
        let mut back = Clocks::new(now(0, 0));
        back.look(now(-year, 1_000), Duration::ZERO);
        assert_eq!(back.hold, Hold::default());
    }

    #[test]
    fn time_without_a_process_is_a_break_and_a_quick_restart_is_none() {
        let mut clocks = Clocks::new(now(0, 0));
        clocks.resume(now(9_000, 9_000), now(12_000, 9_001), Duration::ZERO);
        assert_eq!(clocks.take_events(), []);
        clocks.resume(now(12_000, 10_000), now(72_000, 10_000), Duration::ZERO);
        let minute = Duration::from_secs(60);
        assert_eq!(clocks.take_events(), [ClockEvent::Down(minute)]);
        clocks.resume(now(72_000, 10_000), now(12_000, 10_000), Duration::ZERO);
        assert_eq!(clocks.take_events(), [ClockEvent::Backward(minute)]);
        assert_eq!((clocks.counts.forward, clocks.counts.backward), (0, 1));
        assert_eq!(clocks.watched.ended.len(), 2);
    }
}

//! The one reader of the system's clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::engine::time::{Now, Timestamp};

/// The clocks of this machine since a start; a copy of it goes to everyone who needs the time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose steady time begins now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place that reads the system's clocks"
    )]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The time of day and the steady time, read at one moment.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place that reads the system's clocks"
    )]
    pub fn now(&self) -> Now {
        let wall = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Timestamp::default().after(since),
            // A clock set to before 1970.
            Err(before) => Timestamp::default().before(before.duration()),
        };
        Now {
            wall,
            steady: Instant::now().saturating_duration_since(self.start),
        }
    }

    /// The moment of the runtime's clock at which the steady time is `steady`, to sleep until then.
    #[must_use]
    pub fn instant(&self, steady: Duration) -> Option<Instant> {
        self.start.checked_add(steady)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_time_only_moves_forward_and_wall_time_is_after_this_was_written() {
        let clock = Clock::start();
        let (first, second) = (clock.now(), clock.now());
        assert!(first.steady <= second.steady);
        assert!(first.wall > Timestamp::parse("2025-01-01T00:00:00Z").unwrap());
        assert!(clock.instant(Duration::ZERO) <= clock.instant(second.steady));
    }
}

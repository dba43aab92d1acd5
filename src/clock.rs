//! The one reader of the system clock; everywhere else time is an argument.

use std::time::{Duration, Instant, SystemTime};

use crate::engine::time::{Now, Timestamp};

/// Readings of the two clocks further apart than this are none of the same moment.
const CLOSE_TOGETHER: Duration = Duration::from_secs(1);

/// The clocks of this process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// What the steady clock showed then.
    from: Duration,
}

impl Clock {
    /// Starts the steady clock at zero.
    pub fn start() -> Self {
        Self::resume(Duration::ZERO)
    }

    /// Has the steady clock go on from a reading of before.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn resume(from: Duration) -> Self {
        Self {
            start: Instant::now(),
            from,
        }
    }

    /// Both clocks at this moment.
    pub fn now(&self) -> Now {
        let mut before = self.steady();
        loop {
            let (wall, after) = (wall(), self.steady());
            // A process that was stopped between the two readings would see a jump that there was not.
            if after.saturating_sub(before) < CLOSE_TOGETHER {
                return Now {
                    wall,
                    steady: after,
                };
            }
            before = after;
        }
    }

    fn steady(&self) -> Duration {
        self.from + self.start.elapsed()
    }

    /// How long from now until the steady clock shows `steady`; zero when it has passed.
    pub fn until(&self, steady: Duration) -> Duration {
        steady.saturating_sub(self.now().steady)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn wall() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::default().after(since_epoch)
}

//! How the engine takes moments: what its clocks have done since the last one, and what the clock of judging shows.

use std::time::Duration;

use super::Engine;
use super::clocks::{ClockCounts, ClockEvent};
use super::store::Admitted;
use super::time::Now;
use super::watched::Watched;

impl Engine {
    /// Promises a call of [`Engine::due`] or [`Engine::look_at_clocks`] at least this often: where none comes, the process
    /// stood still. Without a promise nothing is made of that, as over recorded data.
    pub fn promise_calls(&mut self, every: Duration) {
        self.clocks.every = Some(every);
    }

    /// Looks at what the clocks have done since they were last seen. To be called more often than others call anyway
    /// only by those who take their time.
    pub fn look_at_clocks(&mut self, now: Now) {
        let judged = self.judged(self.clocks.last);
        let Some(parted) = self.clocks.look(now, judged) else {
            return;
        };
        self.hold_retention(now);
        if !parted.stalled.is_zero() && self.paused_since.is_none() {
            // Whether the steady clock of a suspended machine goes on or not makes no difference to alerts.
            self.clocks.stood_still += parted.stalled;
            for group in &mut self.groups {
                group.skip_to(now);
            }
        }
    }

    /// Goes on after a process that was last at `last`: time in which there was none was not watched. To be called after
    /// clocks and dispatcher have been restored, and before measurements are applied again.
    pub fn resume_clocks(&mut self, last: Now, now: Now) {
        let judged = self.judged(last);
        self.clocks.resume(last, now, judged);
        self.hold_retention(now);
    }

    /// What has happened to the clocks since this was last asked, for the log.
    pub fn take_clock_events(&mut self) -> Vec<ClockEvent> {
        self.clocks.take_events()
    }

    /// Which stretches of the wall clock were lived through.
    pub fn watched(&self) -> &Watched {
        &self.clocks.watched
    }

    /// How often the clocks have jumped.
    pub fn clock_counts(&self) -> ClockCounts {
        self.clocks.counts
    }

    /// Has the stores follow at once: what comes before they are swept next is to find its place by the clock of now.
    fn hold_retention(&mut self, now: Now) {
        for store in [&mut self.store, &mut self.own.store] {
            store.hold = self.clocks.hold;
            store.move_on(now);
        }
    }

    /// Takes measurements at `now`, when the clock of judging showed `judged`.
    pub(super) fn record(
        &mut self,
        admitted: &Admitted,
        now: Now,
        judged: Duration,
        sequence: u64,
    ) {
        let watched = &self.clocks.watched;
        let seen = |at| watched.judged_at(at, now.wall, judged);
        self.store.record(admitted, now, &seen, sequence);
    }

    /// Stops judging; measurements are still taken in.
    pub fn pause(&mut self, now: Now) {
        self.paused_since.get_or_insert(now.steady);
    }

    /// Goes on judging. The time in between counts for no alert's clock.
    pub fn resume(&mut self, now: Now) {
        if let Some(since) = self.paused_since.take() {
            self.paused += now.steady.saturating_sub(since);
            for group in &mut self.groups {
                group.skip_to(now);
            }
        }
    }

    /// Whether judging is paused.
    pub fn is_paused(&self) -> bool {
        self.paused_since.is_some()
    }

    /// The clock of judging: the steady one without time in which judging was paused or the process stood still.
    pub fn judged(&self, now: Now) -> Duration {
        let pausing = self
            .paused_since
            .map_or(Duration::ZERO, |since| now.steady.saturating_sub(since));
        now.steady
            .saturating_sub(self.paused + self.clocks.stood_still + pausing)
    }
}

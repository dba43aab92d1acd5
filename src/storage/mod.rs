//! What must survive is committed here before it counts: to one SQLite database, by a thread of its own.
//!
//! A commit is a transaction. While one is under way its owner gathers the next group. A disk that fails, or takes longer
//! than two seconds, never stops anyone: from then on groups are in memory alone, which is counted and told, until the
//! disk has taken a trial; then everything is saved anew.

mod alone;
mod beside;
mod contents;
mod database;
mod folder;
mod frame;
pub mod inspect;
mod load;
mod pages;
mod rows;
mod stats;
mod writer;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Sleep;

pub use alone::{Alone, AloneError, Unread, open_alone};
pub use beside::{Beside, Orders};
pub use database::{Database, Unusable};
pub use folder::{FolderError, database as database_of};
pub use load::{Found, Opened, open};
pub use rows::{ClockRow, Commit, Kind, Logged, Row, Write, rows_of};
pub use stats::StoreStats;
use writer::Writer;

/// A commit that takes longer is no longer waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same at the end, when nobody waits for an answer.
const LAST_PATIENCE: Duration = Duration::from_secs(5);
/// Between trials of a disk that has failed.
const TRIAL_EVERY: Duration = Duration::from_secs(1);
/// A disk whose trial takes longer is not trusted yet.
const QUICK_ENOUGH: Duration = Duration::from_millis(1_000);

/// How it is with the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Everything that counts is on disk.
    Good,
    /// What comes is in memory alone.
    Degraded {
        /// When the next trial is due, on the steady clock.
        trial: Duration,
    },
    /// The disk takes what comes, but what came before is not all there yet.
    CatchingUp,
}

/// Where groups of admitted work are committed, one at a time: while one is under way the next gathers with its owner.
#[derive(Debug)]
pub struct Storage<Group> {
    disk: Option<Disk>,
    stats: Option<Arc<StoreStats>>,
    /// The group that has been handed in and not yet taken back.
    in_flight: Option<Group>,
    /// Whether it may be taken back at once.
    is_done: bool,
    /// Whether the group that was taken back last is on disk.
    is_written: bool,
}

#[derive(Debug)]
struct Disk {
    writer: Writer,
    /// A commit is with the thread, whether its group still waits or not.
    is_writing: bool,
    deadline: Option<Pin<Box<Sleep>>>,
    patience: Duration,
    health: Health,
    /// The last group that need not be applied again, as it stands on disk, and as the commit under way says.
    durable_up_to: u64,
    written_up_to: Option<u64>,
    stats: Arc<StoreStats>,
}

impl<Group> Storage<Group> {
    /// Storage that keeps nothing beyond the process.
    pub fn memory() -> Self {
        Self {
            disk: None,
            stats: None,
            in_flight: None,
            is_done: false,
            is_written: false,
        }
    }

    /// Storage on a disk that works, as far as is known. `is_behind` says that not everything is on it yet.
    fn on_disk(
        writer: Writer,
        is_behind: bool,
        durable_up_to: u64,
        stats: Arc<StoreStats>,
    ) -> Self {
        stats.set_degraded(is_behind);
        Self {
            disk: Some(Disk {
                writer,
                is_writing: false,
                deadline: None,
                patience: PATIENCE,
                health: if is_behind {
                    Health::CatchingUp
                } else {
                    Health::Good
                },
                durable_up_to,
                written_up_to: None,
                stats: stats.clone(),
            }),
            stats: Some(stats),
            ..Self::memory()
        }
    }

    /// Storage that should have a disk and has none.
    fn without_disk(stats: Arc<StoreStats>) -> Self {
        stats.set_degraded(true);
        Self {
            stats: Some(stats),
            ..Self::memory()
        }
    }

    /// Whether anything is kept beyond the process.
    pub fn is_durable(&self) -> bool {
        self.disk.is_some()
    }

    /// What became of what was to be kept; `None` where nothing was to be.
    pub fn stats(&self) -> Option<Arc<StoreStats>> {
        self.stats.clone()
    }

    /// Whether a commit is under way.
    pub fn is_busy(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Hands a group in with what is to be written for it, and how many measurements are in it. To be called only while no
    /// commit is under way.
    pub fn begin(&mut self, group: Group, commit: impl FnOnce() -> Commit, measurements: usize) {
        self.in_flight = Some(group);
        self.is_written = false;
        self.is_done = match (&mut self.disk, &self.stats) {
            (Some(disk), _) => !disk.begin(commit, measurements),
            (None, stats) => {
                // There should be a disk.
                if let Some(stats) = stats {
                    stats.uncommitted.inc_by(measurements as u64);
                }
                true
            }
        };
    }

    /// The group whose commit was under way, if that is done; waits for nothing.
    pub fn finished(&mut self) -> Option<Group> {
        if self.is_done {
            self.is_done = false;
            return self.in_flight.take();
        }
        None
    }

    /// Waits for the commit that is under way and gives its group back; never ready without one. Cancelling the wait
    /// loses nothing.
    pub async fn committed(&mut self) -> Group {
        if let (Some(disk), true, false) = (&mut self.disk, self.in_flight.is_some(), self.is_done)
        {
            self.is_written = disk.wait().await;
            self.is_done = true;
        }
        match self.finished() {
            Some(group) => group,
            None => std::future::pending().await,
        }
    }

    /// Whether the group that was taken back last is on disk.
    pub fn is_written(&self) -> bool {
        self.is_written
    }

    /// The last group that need not be applied again, as it stands on disk.
    pub fn durable_up_to(&self) -> u64 {
        self.disk.as_ref().map_or(0, |disk| disk.durable_up_to)
    }

    /// Looks after a disk that has failed: notes what has become of the last commit, and tries again with `trial` when it
    /// is time. Once it works again it is catching up: everything has to be saved anew.
    pub fn look_after(&mut self, now: Duration, trial: impl FnOnce() -> Commit) {
        let (Some(disk), None) = (&mut self.disk, &self.in_flight) else {
            return;
        };
        disk.note_late();
        if let Health::Degraded { trial: due } = disk.health
            && !disk.is_writing
            && due <= now
        {
            disk.health = Health::Degraded {
                trial: now + TRIAL_EVERY,
            };
            disk.send(trial());
        }
    }

    /// Notes that everything that was in memory alone has been saved.
    pub fn caught_up(&mut self) {
        if let Some(disk) = &mut self.disk
            && disk.health == Health::CatchingUp
        {
            disk.health = Health::Good;
            disk.stats.set_degraded(false);
            tracing::info!("everything is on disk again");
        }
    }

    /// How it is with the disk; good where there is none.
    pub fn health(&self) -> Health {
        self.disk
            .as_ref()
            .map_or(Health::Good, |disk| disk.health.clone())
    }

    /// For the end: waits for what is still being written, and from now on longer for every commit, whatever became of the
    /// last. Whether there is a disk and it takes commits.
    pub async fn insist(&mut self) -> bool {
        let Some(disk) = &mut self.disk else {
            return false;
        };
        disk.patience = LAST_PATIENCE;
        if disk.is_writing && self.in_flight.is_none() {
            disk.deadline = Some(Box::pin(tokio::time::sleep(disk.patience)));
            disk.wait().await;
        }
        if !disk.is_writing {
            disk.health = Health::CatchingUp;
        }
        !disk.is_writing
    }

    /// Closes the database.
    pub async fn close(self) {
        if let Some(disk) = self.disk {
            disk.writer.close().await;
        }
    }
}

impl Disk {
    /// Whether the group has to wait for its commit.
    fn begin(&mut self, commit: impl FnOnce() -> Commit, measurements: usize) -> bool {
        if self.is_writing || matches!(self.health, Health::Degraded { .. }) {
            self.stats.uncommitted.inc_by(measurements as u64);
            return false;
        }
        self.send(commit());
        if self.is_writing {
            self.deadline = Some(Box::pin(tokio::time::sleep(self.patience)));
        }
        self.is_writing
    }

    fn send(&mut self, commit: Commit) {
        self.written_up_to = commit.saved_up_to;
        self.is_writing = self.writer.commits.try_send(commit).is_ok();
        if !self.is_writing {
            self.fail("the thread that writes has ended");
        }
    }

    /// Waits until the commit is done or has taken too long; whether it is on disk.
    async fn wait(&mut self) -> bool {
        let Some(deadline) = &mut self.deadline else {
            return false;
        };
        tokio::select! {
            biased;
            done = self.writer.done.recv() => {
                self.deadline = None;
                self.is_writing = false;
                match done {
                    Some(Ok(_)) => {
                        self.durable_up_to = self.written_up_to.unwrap_or(self.durable_up_to);
                        return true;
                    }
                    Some(Err(why)) => self.fail(&why),
                    None => self.fail("the thread that writes has ended"),
                }
            }
            () = deadline => {
                self.deadline = None;
                self.stats.failures.inc();
                let waited = self.patience.as_secs();
                self.fail(&format!("a commit takes longer than {waited} s"));
            }
        }
        false
    }

    /// Takes word of a commit that nobody waits for any more, or of a trial.
    fn note_late(&mut self) {
        if !self.is_writing || self.deadline.is_some() {
            return;
        }
        match self.writer.done.try_recv() {
            Ok(Ok(took)) => {
                self.is_writing = false;
                if took <= QUICK_ENOUGH && matches!(self.health, Health::Degraded { .. }) {
                    self.health = Health::CatchingUp;
                    tracing::info!("the disk works again: saving everything");
                }
            }
            Ok(Err(why)) => {
                self.is_writing = false;
                tracing::debug!(why, "the disk still fails");
            }
            Err(_) => {}
        }
    }

    fn fail(&mut self, why: &str) {
        if !matches!(self.health, Health::Degraded { .. }) {
            tracing::error!(
                why,
                "cannot write to disk: going on from memory until it works again"
            );
        }
        self.health = Health::Degraded {
            trial: Duration::ZERO,
        };
        self.stats.set_degraded(true);
    }
}

#[cfg(test)]
mod tests;

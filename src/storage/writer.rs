//! The thread that writes: the only one that waits for the disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use super::StoreStats;
use super::beside::Orders;
use super::database::{Database, is_damage};
use super::folder::{self, Folder};
use super::rows::Commit;
use crate::clock::Clock;

/// How long deleting may keep commits waiting. What is left has its turn with the next clocks.
const TRIM_FOR: Duration = Duration::from_millis(200);

/// How long closing may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// What the thread writes to.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    /// None while it could not be taken.
    pub(super) folder: Option<Folder>,
    /// None while it could not be opened.
    pub(super) database: Option<Database>,
    /// What is in the file must not be written to: it goes out of the way first, and if this says so, what could be read of
    /// it is in memory alone then.
    pub(super) to_go: Option<bool>,
    pub(super) max_bytes: u64,
    pub(super) clock: Clock,
    pub(super) stats: Arc<StoreStats>,
    /// What is to be written beside the database.
    pub(super) beside: Orders,
    /// The same where that failed: it is tried again with the next clocks.
    pub(super) unwritten: Orders,
}

/// How a commit ended: in how much time, or why not.
pub(super) type Done = Result<Duration, String>;

/// The thread and the ways to it.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) commits: mpsc::SyncSender<Commit>,
    pub(super) done: tokio::sync::mpsc::Receiver<Done>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives none.
    pub(super) fn start(mut target: Target) -> std::io::Result<Self> {
        let (commits, jobs) = mpsc::sync_channel::<Commit>(1);
        let (reply, done) = tokio::sync::mpsc::channel(1);
        let thread = std::thread::Builder::new().name("storage".to_owned());
        thread.spawn(move || {
            // Making ready may take long; the first commit waits for it as for any other.
            if let Err(why) = target.ready() {
                tracing::warn!(why, "cannot write to disk yet");
            }
            while let Ok(commit) = jobs.recv() {
                let done = target.write(&commit);
                // What takes a moment only is done before the answer; a commit that took long would pass for a failure.
                if target.beside.is_short() {
                    target.write_beside();
                }
                if reply.blocking_send(done).is_err() {
                    break;
                }
                target.write_beside();
            }
            // Only then is it told that nothing is left to do.
            drop(target);
            drop(reply);
        })?;
        Ok(Self { commits, done })
    }

    /// Waits until everything is written and the database is closed, but not for a disk that hangs.
    pub(super) async fn close(self) {
        let Self { commits, mut done } = self;
        drop(commits);
        let closed = async { while done.recv().await.is_some() {} };
        if tokio::time::timeout(CLOSE_WITHIN, closed).await.is_err() {
            tracing::error!("the disk hangs: ending without closing the database");
        }
    }
}

impl Target {
    fn write(&mut self, commit: &Commit) -> Done {
        let begin = self.clock.now().steady;
        let written = match self.ready() {
            Ok(database) => database.write(commit).map_err(|error| {
                if is_damage(&error) {
                    // If it cannot be moved now, it is tried again before the next commit.
                    let moved = self.set_aside(&error.to_string(), true);
                    self.to_go = moved.is_err().then_some(true);
                }
                error.to_string()
            }),
            Err(why) => Err(why),
        };
        if written.is_err() {
            self.stats.failures.inc();
            // What was open may not be what is there when the disk is back.
            self.database = None;
        }
        written?;
        let took = self.clock.now().steady.saturating_sub(begin);
        self.stats.commits.inc();
        self.stats.commit_seconds.inc_by(took.as_secs_f64());
        // With the clocks, every few seconds: what is not needed any more is known then.
        if let Some(saved_up_to) = commit.saved_up_to {
            self.trim(commit, saved_up_to);
        }
        self.unwritten.drop_for(&commit.beside);
        if commit.saved_up_to.is_some() {
            self.beside.take(std::mem::take(&mut self.unwritten));
        }
        self.beside.take(commit.beside.clone());
        if commit.anew_from.is_some() {
            folder::all_is_saved(&self.path);
        }
        Ok(took)
    }

    /// The database, made ready for writing; one that could not be read before goes out of the way.
    fn ready(&mut self) -> Result<&mut Database, String> {
        if self.folder.is_none() {
            self.folder = Some(Folder::take(&self.path).map_err(|error| error.to_string())?);
        }
        // Only now is it known that it is nobody else's.
        if let Some(is_needed) = self.to_go {
            if folder::database(&self.path).exists() {
                self.set_aside("it could not be read at the start", is_needed)?;
            }
            self.to_go = None;
        }
        if self.database.is_none() {
            let opened = folder::open(&self.path, self.max_bytes);
            self.database = Some(opened.map_err(|error| error.to_string())?);
        }
        let database = self.database.as_mut().ok_or("the database is not open")?;
        database.prepare().map_err(|error| error.to_string())?;
        Ok(database)
    }

    /// Writes beside the database what is to be. The database has it, so that nobody has to wait if that fails.
    fn write_beside(&mut self) {
        let (unwritten, errors) = std::mem::take(&mut self.beside).write(&self.path);
        for (file, error) in errors {
            self.stats.failures.inc();
            let what = file.name();
            tracing::error!(what, %error, "cannot write them beside the database; they are in it");
        }
        self.unwritten.take(unwritten);
    }

    pub(super) fn set_aside(&mut self, why: &str, is_needed: bool) -> Result<(), String> {
        self.database = None;
        match folder::set_aside(&self.path, self.clock.now().wall, is_needed) {
            Ok(aside) => {
                self.stats.set_aside.inc();
                tracing::error!(why, to = %aside.display(), "set the database aside");
                Ok(())
            }
            Err(error) => {
                tracing::error!(why, %error, "cannot set the database aside");
                Err(error.to_string())
            }
        }
    }

    fn trim(&mut self, commit: &Commit, saved_up_to: u64) {
        let Some(database) = &mut self.database else {
            return;
        };
        let begin = self.clock.now().steady;
        let has_time = || self.clock.now().steady.saturating_sub(begin) < TRIM_FOR;
        let trimmed = database.trim(commit.kept_from, saved_up_to, has_time);
        let used = database.used_bytes();
        match trimmed.and_then(|trimmed| Ok((trimmed, used?))) {
            Ok((trimmed, used)) => {
                self.stats.set_bytes(used);
                if trimmed.dropped > 0 {
                    self.stats.dropped_events.inc_by(trimmed.dropped);
                    tracing::warn!(
                        events = trimmed.dropped,
                        "the oldest events of the log were dropped to keep to max_disk"
                    );
                }
            }
            Err(error) => tracing::warn!(%error, "cannot trim the database now"),
        }
    }
}

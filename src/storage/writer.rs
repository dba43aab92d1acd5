//! The thread that writes: the only one that waits for the disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::ErrorCode;

use super::StoreStats;
use super::database::Database;
use super::folder::{self, Folder};
use super::rows::Commit;
use crate::clock::Clock;

/// How long deleting may keep commits waiting. What is left has its turn with the next clocks.
const TRIM_FOR: Duration = Duration::from_millis(200);

/// What the thread writes to.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    /// None while it could not be taken.
    pub(super) folder: Option<Folder>,
    /// None while it could not be opened.
    pub(super) database: Option<Database>,
    /// What is in the file is in memory as well; before that it must not be written to.
    pub(super) is_loaded: bool,
    pub(super) max_bytes: u64,
    pub(super) retention: Duration,
    pub(super) clock: Clock,
    pub(super) stats: Arc<StoreStats>,
}

/// How a commit ended: in how much time, or why not.
pub(super) type Done = Result<Duration, String>;

/// The thread and the ways to it.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) commits: mpsc::SyncSender<Commit>,
    pub(super) done: tokio::sync::mpsc::Receiver<Done>,
    thread: JoinHandle<()>,
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
        let thread = thread.spawn(move || {
            // Making ready may take long; the first commit waits for it as for any other.
            if let Err(why) = target.ready() {
                tracing::warn!(why, "cannot write to disk yet");
            }
            while let Ok(commit) = jobs.recv() {
                if reply.blocking_send(target.write(&commit)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            commits,
            done,
            thread,
        })
    }

    /// Waits until everything is written and the database is closed.
    pub(super) fn close(self) {
        drop(self.commits);
        drop(self.done);
        // It has nothing to tell any more.
        let _ = self.thread.join();
    }
}

impl Target {
    fn write(&mut self, commit: &Commit) -> Done {
        let begin = self.clock.now().steady;
        let written = match self.ready() {
            Ok(database) => database.write(commit).map_err(|error| {
                if is_damage(&error) {
                    self.set_aside(&error.to_string());
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
        Ok(took)
    }

    /// The database, made ready for writing; one that could not be read before goes out of the way.
    fn ready(&mut self) -> Result<&mut Database, String> {
        if self.folder.is_none() {
            self.folder = Some(Folder::take(&self.path).map_err(|error| error.to_string())?);
        }
        // Only now is it known that it is nobody else's.
        if !self.is_loaded && folder::database(&self.path).exists() {
            self.set_aside("it could not be read at the start");
        }
        if self.database.is_none() {
            let opened = folder::open(&self.path, self.max_bytes);
            self.database = Some(opened.map_err(|error| error.to_string())?);
        }
        let database = self.database.as_mut().ok_or("the database is not open")?;
        database.prepare().map_err(|error| error.to_string())?;
        self.is_loaded = true;
        Ok(database)
    }

    pub(super) fn set_aside(&mut self, why: &str) {
        self.database = None;
        match folder::set_aside(&self.path, self.clock.now().wall) {
            Ok(aside) => {
                self.stats.set_aside.inc();
                tracing::error!(why, to = %aside.display(), "set the database aside");
            }
            Err(error) => tracing::error!(why, %error, "cannot set the database aside"),
        }
    }

    fn trim(&mut self, commit: &Commit, saved_up_to: u64) {
        let Some(database) = &mut self.database else {
            return;
        };
        let kept_from = commit.now.wall.before(self.retention);
        let begin = self.clock.now().steady;
        let has_time = || self.clock.now().steady.saturating_sub(begin) < TRIM_FOR;
        let trimmed = database.trim(kept_from, saved_up_to, has_time);
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

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

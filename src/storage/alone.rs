//! A data directory for a command that works on it alone: every write is waited for, and what a running opwatch would
//! work around is an error.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::StoreStats;
use super::database::{Database, Unusable};
use super::folder::{self, Folder, FolderError};
use super::load::{self, Found};
use super::rows::Commit;
use crate::clock::Clock;

/// A data directory that nobody else writes to.
#[derive(Debug)]
pub struct Alone {
    database: Database,
    retention: Duration,
    /// Given up last.
    _folder: Folder,
}

/// Why a data directory is not worked on.
#[derive(Debug, thiserror::Error)]
pub enum AloneError {
    /// It is another's, or cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Something in it cannot be read. To go on from the rest would make the loss final.
    #[error("{}: parts of it cannot be read; `opwatch store check` says more, and opwatch sets them aside when it starts", .0.display())]
    Damaged(PathBuf),
}

/// Opens a data directory, or makes it, and reads what is in it.
///
/// # Errors
/// When another opwatch uses it, or when not all of it can be read.
pub fn open_alone(
    path: &Path,
    max_bytes: u64,
    retention: Duration,
) -> Result<(Alone, Found, Clock), AloneError> {
    let folder = Folder::take(path)?;
    let mut database = folder::open(path, max_bytes)?;
    let found = load::read(&database, &StoreStats::default());
    if found.is_damaged {
        return Err(AloneError::Damaged(folder::database(path)));
    }
    database.prepare().map_err(|error| FolderError::Database {
        path: folder::database(path),
        source: Unusable::Sqlite(error),
    })?;
    let clock = Clock::resume(found.clock.now.steady);
    let alone = Alone {
        database,
        retention,
        _folder: folder,
    };
    Ok((alone, found, clock))
}

impl Alone {
    /// Writes all of a commit or nothing; where it says how far everything is saved, makes room as well. Gives how many
    /// events of the log went before the end of retention for want of room.
    ///
    /// # Errors
    /// When it could not be written; then nothing of it counts.
    pub fn write(&mut self, commit: &Commit) -> rusqlite::Result<u64> {
        self.database.write(commit)?;
        let Some(saved_up_to) = commit.saved_up_to else {
            return Ok(0);
        };
        let kept_from = commit.now.wall.before(self.retention);
        let trimmed = self.database.trim(kept_from, saved_up_to, || true)?;
        Ok(trimmed.dropped)
    }
}

//! A data directory for a command that works on it alone: every write is waited for, and what a running opwatch would
//! work around is an error.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::database::{Database, Unusable};
use super::folder::{self, Folder, FolderError};
use super::load::Found;
use super::rows::Commit;
use crate::clock::Clock;

/// A data directory that nobody else writes to.
#[derive(Debug)]
pub struct Alone {
    database: Database,
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

/// A data directory that is to be read before it is worked on.
#[derive(Debug)]
pub struct Unread {
    /// What is in it.
    pub found: Found,
    /// The clock, going on from where it stood.
    pub clock: Clock,
    folder: Folder,
    path: PathBuf,
}

/// Opens a data directory, or makes it.
///
/// # Errors
/// When another opwatch uses it, or when it cannot be used.
pub fn open_alone(path: &Path, max_bytes: u64) -> Result<Unread, AloneError> {
    let folder = Folder::take(path)?;
    if !folder::unsaved_aside(path).is_empty() {
        return Err(AloneError::Damaged(folder::database(path)));
    }
    let database = folder::open(path, max_bytes)?;
    let found = Found::of(vec![database], &Arc::default());
    Ok(Unread {
        clock: Clock::resume(found.clock.now.steady),
        found,
        folder,
        path: folder::database(path),
    })
}

impl Unread {
    /// The directory to work on, now that it has been read.
    ///
    /// # Errors
    /// When not all of it could be read, or it cannot be written to.
    pub fn alone(self) -> Result<Alone, AloneError> {
        let Self {
            found,
            folder,
            path,
            ..
        } = self;
        if found.is_damaged() {
            return Err(AloneError::Damaged(path));
        }
        let Some(mut database) = found.into_present() else {
            return Err(AloneError::Damaged(path));
        };
        database.prepare().map_err(|error| FolderError::Database {
            path,
            source: Unusable::Sqlite(error),
        })?;
        Ok(Alone {
            database,
            _folder: folder,
        })
    }
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
        let trimmed = self.database.trim(commit.kept_from, saved_up_to, || true)?;
        Ok(trimmed.dropped)
    }
}

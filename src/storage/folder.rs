//! The data directory: one process at a time, and whatever lies in it, a start is possible.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::database::{Database, Unusable, is_damage};
use crate::engine::time::Timestamp;

/// The database and the files that SQLite keeps beside it.
const FILES: [&str; 3] = ["opwatch.db", "opwatch.db-wal", "opwatch.db-shm"];
/// Damaged databases that are kept for a look at them.
const KEPT_ASIDE: usize = 3;
const ASIDE: &str = "set-aside-";
/// In a database set aside: what could be read of it is not all in the present one yet.
const UNSAVED: &str = "unsaved";

/// Why nothing is written to a data directory.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process writes to it.
    #[error("{}: another opwatch is using it", .0.display())]
    Locked(PathBuf),
    /// Something in it cannot be made or opened.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The database cannot be used now.
    #[error("{}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Unusable,
    },
}

impl FolderError {
    /// Whether it is the file that is wrong, so that it will not be better another time.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Locked(_) | Self::Io { .. } => false,
            Self::Database { source, .. } => match source {
                Unusable::Foreign | Unusable::Newer(_) => true,
                Unusable::Sqlite(error) => is_damage(error),
            },
        }
    }
}

/// A data directory that is ours alone for as long as this lives.
#[derive(Debug)]
pub struct Folder {
    _lock: File,
}

impl Folder {
    /// Makes the directory where there is none, and takes it.
    ///
    /// # Errors
    /// When it cannot be made or is another's.
    pub fn take(path: &Path) -> Result<Self, FolderError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| FolderError::Io { path, source }
        };
        fs::create_dir_all(path).map_err(failed(path))?;
        let name = path.join("lock");
        let mut options = File::options();
        let lock = options.create(true).truncate(false).write(true).open(&name);
        let lock = lock.map_err(failed(&name))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FolderError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(&name)(source)),
        }
    }
}

/// The database file of a data directory.
pub fn database(folder: &Path) -> PathBuf {
    folder.join(FILES[0])
}

/// Opens the database of a data directory, or makes it.
///
/// # Errors
/// When it cannot be used.
pub fn open(folder: &Path, max_bytes: u64) -> Result<Database, FolderError> {
    let path = database(folder);
    Database::open(&path, max_bytes).map_err(|source| FolderError::Database { path, source })
}

/// Moves the database out of the way, so that a new one can be made; where to. `is_needed` says that what could be read of
/// it is in memory alone: a start before it has been saved anew reads it from there.
///
/// # Errors
/// When it cannot be moved.
pub fn set_aside(folder: &Path, now: Timestamp, is_needed: bool) -> Result<PathBuf, FolderError> {
    let stamp = now.to_string().replace(':', "");
    let aside = folder.join(format!("{ASIDE}{stamp}"));
    let failed = |source| FolderError::Io {
        path: aside.clone(),
        source,
    };
    fs::create_dir_all(&aside).map_err(failed)?;
    if is_needed {
        let marked = File::create(aside.join(UNSAVED)).and_then(|mark| mark.sync_all());
        marked.map_err(failed)?;
    }
    for name in FILES {
        match fs::rename(folder.join(name), aside.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    forget_oldest_aside(folder);
    Ok(aside)
}

/// They are for a person to look at, who does not need all of a disk that goes on failing.
fn forget_oldest_aside(folder: &Path) {
    let mut aside = all_aside(folder);
    aside.retain(|path| !path.join(UNSAVED).exists());
    let excess = aside.len().saturating_sub(KEPT_ASIDE);
    for path in aside.into_iter().take(excess) {
        match fs::remove_dir_all(&path) {
            Ok(()) => tracing::warn!(path = %path.display(), "removed an old damaged database"),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot remove an old damaged database");
            }
        }
    }
}

/// Databases that were set aside, oldest first.
fn all_aside(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_aside = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(ASIDE))
    };
    let mut aside: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_aside).collect();
    aside.sort();
    aside
}

/// Databases that were set aside and whose content is not all in the present one, oldest first.
pub fn unsaved_aside(folder: &Path) -> Vec<PathBuf> {
    let mut aside = all_aside(folder);
    aside.retain(|path| path.join(UNSAVED).exists());
    aside
}

/// Notes that everything is in the present database: those set aside are there for a person to look at alone.
pub fn all_is_saved(folder: &Path) {
    for aside in unsaved_aside(folder) {
        if let Err(error) = fs::remove_file(aside.join(UNSAVED)) {
            tracing::warn!(path = %aside.display(), %error, "cannot note that a damaged database is not needed any more");
        }
    }
}

//! The start: everything that can be read is, and nothing that cannot keeps opwatch from starting.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::database::Database;
use super::folder::{self, Folder, FolderError};
use super::rows::{ClockRow, Kind, Logged, Row};
use super::writer::{Target, Writer};
use super::{Storage, StoreStats};
use crate::clock::Clock;

/// What the last commit may have taken beyond the last reading that is known.
const AFTER: Duration = Duration::from_millis(1);

/// What was found in a database.
#[derive(Debug, Default)]
pub struct Found {
    /// Where the clocks and the numbering stood.
    pub clock: ClockRow,
    /// The state.
    pub rows: Vec<Row>,
    /// Measurements that the state may lack, oldest first.
    pub log: Vec<Logged>,
    /// Something could not be read, so that everything is to be saved anew.
    pub is_damaged: bool,
    /// The file itself is broken.
    is_broken: bool,
}

/// A store that has been opened.
#[derive(Debug)]
pub struct Opened<Group> {
    /// Where to commit.
    pub storage: Storage<Group>,
    /// What was there.
    pub found: Found,
    /// The clock, going on from where it stood.
    pub clock: Clock,
}

/// Opens a data directory and reads what is in it. It always gives a storage: at worst one in memory, which tries to get
/// to its disk.
pub fn open<Group>(
    path: &Path,
    max_bytes: u64,
    retention: Duration,
    stats: &Arc<StoreStats>,
) -> Opened<Group> {
    let folder = match Folder::take(path) {
        Ok(folder) => Some(folder),
        // What lies there belongs to somebody else.
        Err(error @ FolderError::Locked(_)) => return without_disk(&error, stats),
        Err(error) => {
            tracing::error!(%error, "cannot write to the data directory");
            None
        }
    };
    let (mut database, mut found, mut is_loaded) = (None, Found::default(), true);
    match open_to_go_on(path, folder.is_some(), max_bytes) {
        // There may be one that cannot be seen yet, as where nothing is mounted so far.
        Ok(None) => is_loaded = false,
        Ok(Some((opened, can_write))) => {
            found = read(&opened, stats);
            database = Some(opened).filter(|_| can_write);
        }
        Err(error) => {
            tracing::error!(%error, "cannot use the database");
            stats.failures.inc();
            is_loaded = false;
        }
    }
    let clock = Clock::resume(found.clock.now.steady);
    let mut target = Target {
        path: path.to_owned(),
        folder,
        database,
        is_loaded,
        max_bytes,
        retention,
        clock,
        stats: stats.clone(),
    };
    if found.is_broken {
        // What could be read is in memory and is saved anew.
        target.set_aside("parts of it cannot be read");
    }
    let storage = match Writer::start(target) {
        Ok(writer) => Storage::on_disk(writer, stats.clone()),
        Err(error) => {
            tracing::error!(%error, "cannot start the thread that writes: everything is in memory alone");
            Storage::without_disk(stats.clone())
        }
    };
    Opened {
        storage,
        found,
        clock,
    }
}

/// The database and whether it can be written to; none where there is none and none can be made.
fn open_to_go_on(
    path: &Path,
    is_ours: bool,
    max_bytes: u64,
) -> Result<Option<(Database, bool)>, FolderError> {
    if is_ours {
        return folder::open(path, max_bytes).map(|opened| Some((opened, true)));
    }
    let path = folder::database(path);
    if !path.exists() {
        return Ok(None);
    }
    match Database::open_to_read(&path) {
        Ok(opened) => Ok(Some((opened, false))),
        Err(source) => Err(FolderError::Database { path, source }),
    }
}

/// In memory alone until the next start.
fn without_disk<Group>(error: &FolderError, stats: &Arc<StoreStats>) -> Opened<Group> {
    tracing::error!(%error, "cannot use the data directory: everything is in memory alone until the next start");
    stats.failures.inc();
    Opened {
        storage: Storage::without_disk(stats.clone()),
        found: Found::default(),
        clock: Clock::start(),
    }
}

/// Reads everything that can be read.
pub(super) fn read(database: &Database, stats: &StoreStats) -> Found {
    let mut found = Found::default();
    let state = database.state(|row| match (row.kind, &row.body) {
        (_, Err(bad)) => {
            stats.set_aside.inc();
            tracing::error!(kind = ?row.kind, key = row.key, %bad, "left out a row that cannot be read");
            found.is_damaged = true;
        }
        (Kind::Clock, Ok(Some(body))) => match ClockRow::from_bytes(body) {
            Ok(clock) => found.clock = clock,
            Err(_) => found.is_damaged = true,
        },
        (_, Ok(_)) => found.rows.push(row),
    });
    let mut is_damaged = false;
    if let Err(error) = state {
        tracing::error!(%error, "cannot read all of the state");
        found.is_broken = true;
    }
    let (mut log, mut last) = (Vec::new(), found.clock);
    let groups = database.measurements(found.clock.saved_up_to, |group| {
        if group.now.steady >= last.now.steady {
            last.now = group.now;
        }
        last.sequence = last.sequence.max(group.sequence);
        if let Err(bad) = &group.body {
            stats.set_aside.inc();
            tracing::error!(sequence = group.sequence, %bad, "left out measurements that cannot be read");
            is_damaged = true;
        } else {
            log.push(group);
        }
    });
    if let Err(error) = groups {
        tracing::error!(%error, "cannot read all of the log");
        found.is_broken = true;
    }
    last.now.steady += AFTER;
    found.clock = last;
    found.log = log;
    found.is_damaged |= is_damaged || found.is_broken;
    found
}

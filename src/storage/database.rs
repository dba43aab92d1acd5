//! The file: one SQLite database with an event log and the latest state, each row a sealed blob.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};

use super::frame;
use super::rows::{ClockRow, Commit, Kind};
use crate::engine::saved::admitted_to_bytes;
use crate::engine::time::{Timestamp, nanos};

/// Marks the file as ours ("opwt").
const APPLICATION: i32 = 0x6f70_7774;
/// The version of the tables. Fields within rows may be added without a new one.
const VERSION: i32 = 1;
/// Of the space it may take, the share above which the oldest events go.
const FULL_AT_PERCENT: u64 = 85;
/// Events, and bytes of them, that are deleted at once.
const DELETED_AT_ONCE: u32 = 10_000;
const BYTES_AT_ONCE: u32 = 8 << 20;

const TABLES: &str = "
    CREATE TABLE log(
        sequence INTEGER PRIMARY KEY, kind INTEGER NOT NULL,
        wall INTEGER NOT NULL, steady INTEGER NOT NULL, judged INTEGER NOT NULL, body BLOB NOT NULL);
    CREATE TABLE state(
        id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, key TEXT NOT NULL,
        as_of INTEGER NOT NULL, body BLOB, UNIQUE(kind, key));";

/// Events of the log.
pub(super) const MEASUREMENTS: i64 = 1;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It is no database of opwatch.
    #[error("it is not a database of opwatch")]
    Foreign,
    /// A later version has written it.
    #[error("it has version {0}, and this opwatch knows {VERSION} at most")]
    Newer(i32),
    /// SQLite cannot use it.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// The database, open.
#[derive(Debug)]
pub struct Database {
    pub(super) connection: Connection,
    max_bytes: u64,
    /// Nothing is in it yet, not even its tables.
    pub(super) is_empty: bool,
    is_prepared: bool,
}

/// What has been deleted to make room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Events of the log that went before the end of retention, for want of room.
    pub dropped: u64,
}

impl Database {
    /// Opens the file, or makes it. It will keep to about `max_bytes`. Nothing is written yet, so that a slow disk delays
    /// nobody who reads.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(path: &Path, max_bytes: u64) -> Result<Self, Unusable> {
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(Duration::from_millis(500))?;
        let number = |name: &str| -> rusqlite::Result<i32> {
            connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
        };
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let is_empty = match (number("application_id")?, number("user_version")?) {
            (0, 0) if tables == 0 => true,
            (APPLICATION, VERSION) => false,
            (APPLICATION, newer) if newer > VERSION => return Err(Unusable::Newer(newer)),
            _ => return Err(Unusable::Foreign),
        };
        // What is acknowledged has reached the disk, not only the system.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "journal_size_limit", 8 << 20)?;
        // Little is read twice; the default would keep 2 MB.
        connection.pragma_update(None, "cache_size", -1024)?;
        Ok(Self {
            connection,
            max_bytes,
            is_empty,
            is_prepared: false,
        })
    }

    /// Makes what is needed for writing. Does nothing the second time.
    ///
    /// # Errors
    /// When it cannot be written to.
    pub fn prepare(&mut self) -> rusqlite::Result<()> {
        if self.is_prepared {
            return Ok(());
        }
        if self.is_empty {
            self.connection
                .pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        if self.is_empty {
            self.connection.execute_batch(&format!(
                "BEGIN; {TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
            ))?;
        }
        self.is_empty = false;
        self.is_prepared = true;
        Ok(())
    }

    /// Opens the file for reading alone, also while another process writes it, and where nothing can be written at all.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open_to_read(path: &Path) -> Result<Self, Unusable> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let application = |connection: &Connection| -> rusqlite::Result<i32> {
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.query_row("PRAGMA application_id", [], |row| row.get(0))
        };
        let mut connection = Connection::open_with_flags(path, flags)?;
        let mut found = application(&connection);
        // Where SQLite cannot make its files beside this one, nobody else can write to it either. Then nothing is locked, and
        // the index of the write-ahead log is made in memory instead of in a file.
        if found.as_ref().is_err_and(|error| !is_damage(error))
            && let Some(uri) = address(path)
        {
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            let alone = Connection::open_with_flags(uri, flags)?;
            alone.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
            found = application(&alone);
            connection = alone;
        }
        if found? != APPLICATION {
            return Err(Unusable::Foreign);
        }
        Ok(Self {
            connection,
            max_bytes: u64::MAX,
            is_empty: false,
            is_prepared: false,
        })
    }

    /// Writes all of a commit or nothing.
    ///
    /// # Errors
    /// When it could not be written; then nothing of it counts.
    pub fn write(&mut self, commit: &Commit) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            if let Some(admitted) = &commit.admitted {
                let mut insert = transaction.prepare_cached(
                    "INSERT INTO log(sequence, kind, wall, steady, judged, body) VALUES(?, ?, ?, ?, ?, ?)",
                )?;
                insert.execute(params![
                    whole(commit.sequence),
                    MEASUREMENTS,
                    commit.now.wall.millis(),
                    whole(nanos(commit.now.steady)),
                    whole(nanos(commit.judged)),
                    frame::seal(&admitted_to_bytes(admitted)),
                ])?;
            }
            let mut upsert = transaction.prepare_cached(
                "INSERT INTO state(kind, key, as_of, body) VALUES(?, ?, ?, ?)
                 ON CONFLICT(kind, key) DO UPDATE SET as_of = excluded.as_of, body = excluded.body",
            )?;
            for write in &commit.writes {
                let blob = write.body.as_deref().map(frame::seal);
                let as_of = whole(write.as_of);
                upsert.execute(params![write.kind as i64, write.key, as_of, blob])?;
            }
            if let Some(saved_up_to) = commit.saved_up_to {
                let clock = ClockRow {
                    now: commit.now,
                    sequence: commit.sequence,
                    saved_up_to,
                };
                let blob = frame::seal(&clock.to_bytes());
                // Twice, because without it time would go back.
                for key in ["", "again"] {
                    let as_of = whole(commit.sequence);
                    upsert.execute(params![Kind::Clock as i64, key, as_of, blob])?;
                }
            }
            if let Some(from) = commit.anew_from {
                let mut delete = transaction
                    .prepare_cached("DELETE FROM state WHERE as_of < ? AND kind <= ?")?;
                delete.execute(params![whole(from), Kind::LAST])?;
            }
        }
        transaction.commit()
    }

    /// Deletes what is past `kept_from`, what has gone from the state, and, while the file is too large, the oldest
    /// events that no start needs; all of it only while `has_time` says so.
    ///
    /// # Errors
    /// When it could not be done now.
    pub fn trim(
        &mut self,
        kept_from: Timestamp,
        saved_up_to: u64,
        has_time: impl Fn() -> bool,
    ) -> rusqlite::Result<Trimmed> {
        let sequence = whole(saved_up_to);
        // Events stand in the order of time but for jumps of the clock, so the first that is kept ends the search.
        let first_kept: Option<i64> = self
            .connection
            .prepare_cached("SELECT sequence FROM log WHERE wall >= ? ORDER BY sequence LIMIT 1")?
            .query_row([kept_from.millis()], |row| row.get(0))
            .optional()?;
        let past = sequence.min(first_kept.map_or(i64::MAX, |first| first - 1));
        while self.delete_oldest(past)? > 0 && has_time() {}
        self.connection.execute(
            "DELETE FROM state WHERE body IS NULL AND as_of <= ?",
            [sequence],
        )?;
        let mut trimmed = Trimmed::default();
        while self.used_bytes()? > self.max_bytes / 100 * FULL_AT_PERCENT {
            let dropped = self.delete_oldest(sequence)?;
            trimmed.dropped += dropped;
            if dropped == 0 || !has_time() {
                break;
            }
        }
        self.connection
            .execute_batch("PRAGMA incremental_vacuum(256)")?;
        Ok(trimmed)
    }

    /// Deletes some of the oldest events up to that one; how many.
    fn delete_oldest(&self, up_to: i64) -> rusqlite::Result<u64> {
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM log WHERE sequence IN (
                 SELECT sequence FROM (
                     SELECT sequence, sum(length(body)) OVER (ORDER BY sequence) - length(body) AS before
                     FROM (SELECT sequence, body FROM log WHERE sequence <= ?1 ORDER BY sequence LIMIT ?2))
                 WHERE before < ?3)",
        )?;
        let deleted = delete.execute(params![up_to, DELETED_AT_ONCE, BYTES_AT_ONCE])?;
        Ok(deleted as u64)
    }

    /// Bytes of the file that hold something.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn used_bytes(&self) -> rusqlite::Result<u64> {
        let number = |name: &str| -> rusqlite::Result<u64> {
            self.connection
                .query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
                .map(|n| u64::try_from(n).unwrap_or_default())
        };
        let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
        Ok(pages * number("page_size")?)
    }
}

/// Whether it is the file that is wrong, and not the disk or the system.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// The address of a file that is read without locks.
fn address(path: &Path) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    let mut uri = "file:".to_owned();
    for byte in path.to_str()?.bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(byte)),
            plain if plain.is_ascii_alphanumeric() => uri.push(char::from(plain)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    Some(uri + "?mode=ro&vfs=unix-none")
}

/// SQLite has signed numbers only.
pub(super) fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

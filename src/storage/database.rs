//! The file: one SQLite database with an event log and the latest state, each row a sealed blob.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use super::frame::{self, BadFrame};
use crate::engine::saved::admitted_to_bytes;
use crate::engine::store::Admitted;
use crate::engine::time::{Now, Timestamp};

/// Marks the file as ours ("opwt").
const APPLICATION: i32 = 0x6f70_7774;
/// The version of the tables. Fields within rows may be added without a new one.
const VERSION: i32 = 1;
/// Of the space it may take, the share above which the oldest events go.
const FULL_AT_PERCENT: u64 = 85;
/// Events that are deleted at once.
const DELETED_AT_ONCE: u32 = 2_000;

const TABLES: &str = "
    CREATE TABLE log(
        id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, kind INTEGER NOT NULL,
        wall INTEGER NOT NULL, steady INTEGER NOT NULL, judged INTEGER NOT NULL, body BLOB NOT NULL);
    CREATE TABLE state(
        id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, key TEXT NOT NULL,
        as_of INTEGER NOT NULL, body BLOB, UNIQUE(kind, key));";

/// What a row of the state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Where the clocks stood.
    Clock = 0,
    /// A series.
    Series = 1,
    /// The alerts of a rule.
    Rule = 2,
    /// What has been told to whom.
    Dispatch = 3,
    /// A notification that has not been delivered.
    Notification = 4,
    /// What the clocks have done.
    Clocks = 5,
}

impl Kind {
    fn of(number: i64) -> Option<Self> {
        [
            Self::Clock,
            Self::Series,
            Self::Rule,
            Self::Dispatch,
            Self::Notification,
            Self::Clocks,
        ]
        .into_iter()
        .find(|kind| *kind as i64 == number)
    }
}

/// Events of the log.
const MEASUREMENTS: i64 = 1;

/// A row of the state to be written in the place of the one with the same key.
#[derive(Debug)]
pub struct Write {
    /// What it is.
    pub kind: Kind,
    /// Whose it is.
    pub key: String,
    /// The last group of measurements in it.
    pub as_of: u64,
    /// What it says; `None` where it is to go.
    pub body: Option<Vec<u8>>,
}

/// What is written in one transaction.
#[derive(Debug)]
pub struct Commit {
    /// The number of the group of measurements.
    pub sequence: u64,
    /// When the group was closed.
    pub now: Now,
    /// The same on the clock of judging.
    pub judged: Duration,
    /// The measurements.
    pub admitted: Option<Arc<Admitted>>,
    /// The last group that need not be applied again at a start; with it the clocks are written as well.
    pub saved_up_to: Option<u64>,
    /// Rows of the state.
    pub writes: Vec<Write>,
}

/// A group of measurements as it stands in the log.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Its number.
    pub sequence: u64,
    /// When it was closed.
    pub now: Now,
    /// The same on the clock of judging.
    pub judged: Duration,
    /// What was in it.
    pub body: Result<Vec<u8>, BadFrame>,
}

/// A row of the state as it was read.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is.
    pub kind: Kind,
    /// Whose it is.
    pub key: String,
    /// The last group of measurements in it.
    pub as_of: u64,
    /// What it says; `None` where it has gone.
    pub body: Result<Option<Vec<u8>>, BadFrame>,
}

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
    connection: Connection,
    max_bytes: u64,
}

/// What has been deleted to make room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Events of the log that went before the end of retention, for want of room.
    pub dropped: u64,
}

impl Database {
    /// Opens the file, or makes it. It will keep to about `max_bytes`.
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
        match (number("application_id")?, number("user_version")?) {
            (0, 0) if tables == 0 => {
                connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
                connection.pragma_update(None, "journal_mode", "WAL")?;
                connection.execute_batch(&format!(
                    "BEGIN; {TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
                ))?;
            }
            (APPLICATION, VERSION) => connection.pragma_update(None, "journal_mode", "WAL")?,
            (APPLICATION, newer) if newer > VERSION => return Err(Unusable::Newer(newer)),
            _ => return Err(Unusable::Foreign),
        }
        // What is acknowledged has reached the disk, not only the system.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "journal_size_limit", 8 << 20)?;
        // Little is read twice; the default would keep 2 MB.
        connection.pragma_update(None, "cache_size", -1024)?;
        Ok(Self {
            connection,
            max_bytes,
        })
    }

    /// Opens the file for reading alone, also while another process writes it.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open_to_read(path: &Path) -> Result<Self, Unusable> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        let application: i32 =
            connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
        if application != APPLICATION {
            return Err(Unusable::Foreign);
        }
        Ok(Self {
            connection,
            max_bytes: u64::MAX,
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
                    nanos(commit.now.steady),
                    nanos(commit.judged),
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
                upsert.execute(params![
                    Kind::Clock as i64,
                    "",
                    whole(commit.sequence),
                    blob
                ])?;
            }
        }
        transaction.commit()
    }

    /// Deletes what is past `kept_from`, what has gone from the state, and, while the file is too large, the oldest
    /// events that no start needs.
    ///
    /// # Errors
    /// When it could not be done now.
    pub fn trim(&mut self, kept_from: Timestamp, saved_up_to: u64) -> rusqlite::Result<Trimmed> {
        let oldest = "DELETE FROM log WHERE id IN (SELECT id FROM log WHERE sequence <= ?1 AND wall < ?2 ORDER BY id LIMIT ?3)";
        let sequence = whole(saved_up_to);
        let kept_from = kept_from.millis();
        self.connection
            .execute(oldest, params![sequence, kept_from, DELETED_AT_ONCE])?;
        self.connection.execute(
            "DELETE FROM state WHERE body IS NULL AND as_of <= ?",
            [sequence],
        )?;
        let mut trimmed = Trimmed::default();
        if self.used_bytes()? > self.max_bytes / 100 * FULL_AT_PERCENT {
            let dropped = self
                .connection
                .execute(oldest, params![sequence, i64::MAX, DELETED_AT_ONCE])?;
            trimmed.dropped = dropped as u64;
        }
        self.connection
            .execute_batch("PRAGMA incremental_vacuum(256)")?;
        Ok(trimmed)
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

    /// What SQLite finds wrong with the structure of the file.
    pub fn structure(&self) -> Vec<String> {
        let texts = || -> rusqlite::Result<Vec<String>> {
            let mut check = self.connection.prepare("PRAGMA quick_check(20)")?;
            check.query_map([], |row| row.get(0))?.collect()
        };
        let mut found = texts().unwrap_or_else(|error| vec![error.to_string()]);
        found.retain(|text| text != "ok");
        found
    }

    /// Reads every row of the state.
    ///
    /// # Errors
    /// When the rest cannot be read.
    pub fn state(&self, mut each: impl FnMut(Row)) -> rusqlite::Result<()> {
        let mut select = self
            .connection
            .prepare("SELECT kind, key, as_of, body FROM state ORDER BY id")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let Some(kind) = Kind::of(row.get(0)?) else {
                // A later version keeps more than this one knows.
                continue;
            };
            let blob = row.get_ref(3)?.as_blob_or_null()?;
            each(Row {
                kind,
                key: row.get(1)?,
                as_of: unsigned(row.get(2)?),
                body: blob.map(frame::open).transpose(),
            });
        }
        Ok(())
    }

    /// Reads the groups of measurements of the log from `after` on, or closed at `steady` or later, oldest first.
    ///
    /// # Errors
    /// When the rest cannot be read.
    pub fn measurements(
        &self,
        after: u64,
        steady: Duration,
        mut each: impl FnMut(Logged),
    ) -> rusqlite::Result<()> {
        let mut select = self.connection.prepare(
            "SELECT sequence, wall, steady, judged, body FROM log
             WHERE kind = ? AND (sequence > ? OR steady >= ?) ORDER BY id",
        )?;
        let mut rows = select.query(params![MEASUREMENTS, whole(after), nanos(steady)])?;
        while let Some(row) = rows.next()? {
            each(Logged {
                sequence: unsigned(row.get(0)?),
                now: Now {
                    wall: Timestamp::from_millis(row.get(1)?),
                    steady: Duration::from_nanos(unsigned(row.get(2)?)),
                },
                judged: Duration::from_nanos(unsigned(row.get(3)?)),
                body: frame::open(row.get_ref(4)?.as_blob()?),
            });
        }
        Ok(())
    }
}

/// Where the clocks and the numbering stood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockRow {
    /// The clocks.
    pub now: Now,
    /// The last group of measurements.
    pub sequence: u64,
    /// The last group that need not be applied again.
    pub saved_up_to: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct ClockMessage {
    #[prost(sint64, tag = "1")]
    wall: i64,
    #[prost(uint64, tag = "2")]
    steady: u64,
    #[prost(uint64, tag = "3")]
    sequence: u64,
    #[prost(uint64, tag = "4")]
    saved_up_to: u64,
}

impl ClockRow {
    fn to_bytes(self) -> Vec<u8> {
        let message = ClockMessage {
            wall: self.now.wall.millis(),
            steady: unsigned(nanos(self.now.steady)),
            sequence: self.sequence,
            saved_up_to: self.saved_up_to,
        };
        prost::Message::encode_to_vec(&message)
    }

    /// The row from its bytes.
    ///
    /// # Errors
    /// When they are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        let message = <ClockMessage as prost::Message>::decode(bytes)?;
        Ok(Self {
            now: Now {
                wall: Timestamp::from_millis(message.wall),
                steady: Duration::from_nanos(message.steady),
            },
            sequence: message.sequence,
            saved_up_to: message.saved_up_to,
        })
    }
}

/// SQLite has signed numbers only.
fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}

fn nanos(reading: Duration) -> i64 {
    i64::try_from(reading.as_nanos()).unwrap_or(i64::MAX)
}

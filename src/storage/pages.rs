//! The log read a row at a time, for readers that may be slow.

use std::ops::{ControlFlow, RangeInclusive};

use rusqlite::{OptionalExtension, params};

use super::contents::logged;
use super::database::{Database, MEASUREMENTS, whole};
use super::rows::Logged;
use crate::engine::time::Timestamp;

impl Database {
    /// Reads the groups of measurements that were closed at `since` or later and are there now, oldest first.
    ///
    /// Between two rows nothing is held of the database. A reader that takes its time over each would else keep SQLite
    /// from reusing its write-ahead log, which then grows for as long as the reader takes.
    ///
    /// # Errors
    /// When the rest cannot be read.
    pub fn page_through(
        &self,
        since: Timestamp,
        each: impl FnMut(Logged) -> ControlFlow<()>,
    ) -> rusqlite::Result<()> {
        self.page_through_some(0..=u64::MAX, since, each)
    }

    /// The same of the groups with these numbers alone.
    ///
    /// # Errors
    /// As [`Database::page_through`].
    pub fn page_through_some(
        &self,
        numbers: RangeInclusive<u64>,
        since: Timestamp,
        mut each: impl FnMut(Logged) -> ControlFlow<()>,
    ) -> rusqlite::Result<()> {
        if self.is_empty {
            return Ok(());
        }
        // What comes meanwhile is left for the next time, or a busy writer would never let a reader end.
        let last: Option<i64> =
            self.connection
                .query_row("SELECT max(sequence) FROM log", [], |row| row.get(0))?;
        let mut next = self.connection.prepare(
            "SELECT sequence, wall, steady, judged, body FROM log
             WHERE sequence > ? AND sequence <= ? AND kind = ? AND wall >= ? ORDER BY sequence LIMIT 1",
        )?;
        let last = last.map(|last| last.min(whole(*numbers.end())));
        let mut after = whole(*numbers.start()) - 1;
        loop {
            let from = params![after, last, MEASUREMENTS, since.millis()];
            let found = next.query_row(from, |row| Ok((row.get(0)?, logged(row)?)));
            let Some((sequence, group)) = found.optional()? else {
                return Ok(());
            };
            if each(group).is_break() {
                return Ok(());
            }
            after = sequence;
        }
    }
}

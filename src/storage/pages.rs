//! The log read a row at a time, for readers that may be slow.

use std::ops::ControlFlow;

use rusqlite::{OptionalExtension, Row, params};

use super::database::{Database, Logged, MEASUREMENTS};
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
        mut each: impl FnMut(Logged) -> ControlFlow<()>,
    ) -> rusqlite::Result<()> {
        // What comes meanwhile is left for the next time, or a busy writer would never let a reader end.
        let last: Option<i64> =
            self.connection
                .query_row("SELECT max(id) FROM log", [], |row| row.get(0))?;
        let mut next = self.connection.prepare(
            "SELECT sequence, wall, steady, judged, body, id FROM log
             WHERE id > ? AND id <= ? AND kind = ? AND wall >= ? ORDER BY id LIMIT 1",
        )?;
        let mut after = i64::MIN;
        while let Some((id, group)) = next
            .query_row(
                params![after, last, MEASUREMENTS, since.millis()],
                |row: &Row| Ok((row.get(5)?, Logged::of(row)?)),
            )
            .optional()?
        {
            if each(group).is_break() {
                break;
            }
            after = id;
        }
        Ok(())
    }
}

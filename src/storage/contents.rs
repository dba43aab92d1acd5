//! What the database holds, read: the state, the clocks, and the log.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::database::{Database, MEASUREMENTS, whole};
use super::frame;
use super::rows::{ClockRow, Kind, Logged, Row};
use crate::engine::time::{Now, Timestamp};

impl Database {
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
        if self.is_empty {
            return Ok(());
        }
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

    /// Where the clocks and the numbering stood, as far as that can be read, and whether all that says so can be.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn clock(&self) -> rusqlite::Result<(ClockRow, bool)> {
        let mut clock = ClockRow::default();
        if self.is_empty {
            return Ok((clock, true));
        }
        let mut select = self
            .connection
            .prepare("SELECT body FROM state WHERE kind = ? AND body IS NOT NULL")?;
        let bodies = select.query_map([Kind::Clock as i64], |row| {
            Ok(frame::open(row.get_ref(0)?.as_blob()?))
        })?;
        let mut is_whole = true;
        for body in bodies {
            match body?.ok().and_then(|body| ClockRow::from_bytes(&body).ok()) {
                Some(found) if found.now.steady >= clock.now.steady => clock = found,
                Some(_) => {}
                None => is_whole = false,
            }
        }
        // What was committed since then tells the time as well.
        let last = self.connection.query_row(
            "SELECT sequence, wall, steady FROM log ORDER BY sequence DESC LIMIT 1",
            [],
            |row| {
                let now = Now {
                    wall: Timestamp::from_millis(row.get(1)?),
                    steady: Duration::from_nanos(unsigned(row.get(2)?)),
                };
                Ok((unsigned(row.get(0)?), now))
            },
        );
        if let Some((sequence, now)) = last.optional()? {
            clock.sequence = clock.sequence.max(sequence);
            if now.steady >= clock.now.steady {
                clock.now = now;
            }
        }
        Ok((clock, is_whole))
    }

    /// Reads the groups of measurements of the log after that one, oldest first.
    ///
    /// # Errors
    /// When the rest cannot be read.
    pub fn measurements(&self, after: u64, mut each: impl FnMut(Logged)) -> rusqlite::Result<()> {
        if self.is_empty {
            return Ok(());
        }
        let mut select = self.connection.prepare(
            "SELECT sequence, wall, steady, judged, body FROM log
             WHERE kind = ? AND sequence > ? ORDER BY sequence",
        )?;
        let mut rows = select.query(params![MEASUREMENTS, whole(after)])?;
        while let Some(row) = rows.next()? {
            each(logged(row)?);
        }
        Ok(())
    }
}

/// A group of measurements from a row of `sequence, wall, steady, judged, body`.
pub(super) fn logged(row: &rusqlite::Row<'_>) -> rusqlite::Result<Logged> {
    Ok(Logged {
        sequence: unsigned(row.get(0)?),
        now: Now {
            wall: Timestamp::from_millis(row.get(1)?),
            steady: Duration::from_nanos(unsigned(row.get(2)?)),
        },
        judged: Duration::from_nanos(unsigned(row.get(3)?)),
        body: frame::open(row.get_ref(4)?.as_blob()?),
    })
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}

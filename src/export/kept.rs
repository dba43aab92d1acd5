//! Reads and writes what a database keeps.

use std::io;
use std::ops::ControlFlow;

use super::{Filter, Format, Writer};
use crate::engine::admission::MAX_AHEAD;
use crate::engine::measurement::Measurement;
use crate::engine::saved::admitted_from_bytes;
use crate::engine::time::Timestamp;
use crate::storage::Database;

/// What became of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Measurements written.
    pub measurements: u64,
    /// Groups of measurements that could not be read, and were left out.
    pub unreadable: u64,
}

/// Writes the measurements of a database that `filter` takes, in the order in which they came, holding one group of them
/// at a time; gives back where it was written to, flushed.
///
/// # Errors
/// What `out` answers; then the export is not whole.
pub fn write_kept<W: io::Write>(
    database: &Database,
    filter: &Filter,
    format: Format,
    out: W,
) -> io::Result<(Written, W)> {
    let mut writer = Writer::new(format, out);
    let (mut written, mut outcome) = (Written::default(), Ok(()));
    written.unreadable = read_kept(database, filter, |at, measurement| {
        outcome = writer.write(at, &measurement);
        match outcome {
            Ok(()) => {
                written.measurements += 1;
                ControlFlow::Continue(())
            }
            Err(_) => ControlFlow::Break(()),
        }
    });
    outcome?;
    Ok((written, writer.finish()?))
}

/// Gives the measurements of a database that `filter` takes, each with the time for which it counts, in the order in which
/// they came, holding one group of them at a time. `Break` ends the reading early. Returns how many groups could not be
/// read, and were left out.
pub fn read_kept(
    database: &Database,
    filter: &Filter,
    mut each: impl FnMut(Timestamp, Measurement) -> ControlFlow<()>,
) -> u64 {
    // No measurement is much later than its group, so those before need not even be decoded.
    let since = filter.from.map(|from| from.before(MAX_AHEAD));
    let since = since.unwrap_or(Timestamp::from_millis(i64::MIN));
    let mut unreadable = 0;
    let read = database.page_through(since, |group| {
        let batches = (group.body.ok()).and_then(|body| admitted_from_bytes(&body).ok());
        unreadable += u64::from(batches.is_none());
        for taken in batches.into_iter().flatten().flat_map(|batch| batch.taken) {
            if filter.takes(taken.at, &taken.measurement) {
                each(taken.at, taken.measurement)?;
            }
        }
        ControlFlow::Continue(())
    });
    unreadable + u64::from(read.is_err())
}

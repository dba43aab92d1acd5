//! Writes what a database keeps.

use std::io;
use std::ops::ControlFlow;

use super::{Filter, Format, Writer};
use crate::engine::admission::MAX_AHEAD;
use crate::engine::saved::admitted_from_bytes;
use crate::engine::time::Timestamp;
use crate::storage::{Database, Logged};

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
    // No measurement is much later than its group, so those before need not even be decoded.
    let since = filter.from.map(|from| from.before(MAX_AHEAD));
    let since = since.unwrap_or(Timestamp::from_millis(i64::MIN));
    let read = database.page_through(since, |group| {
        outcome = write_group(&mut writer, group, filter, &mut written);
        match outcome {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    outcome?;
    written.unreadable += u64::from(read.is_err());
    Ok((written, writer.finish()?))
}

fn write_group<W: io::Write>(
    writer: &mut Writer<W>,
    group: Logged,
    filter: &Filter,
    written: &mut Written,
) -> io::Result<()> {
    let batches = (group.body.ok()).and_then(|body| admitted_from_bytes(&body).ok());
    written.unreadable += u64::from(batches.is_none());
    for taken in batches.into_iter().flatten().flat_map(|batch| batch.taken) {
        if filter.takes(taken.at, &taken.measurement) {
            writer.write(taken.at, &taken.measurement)?;
            written.measurements += 1;
        }
    }
    Ok(())
}

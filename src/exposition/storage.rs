//! Families of what is kept on disk.

use std::io;

use super::family::{Emit, Family, Value};
use super::labels::Rendered;
use super::page::Page;
use super::usage::StorageUsage;

const NONE: &str = "";

pub(super) const FAMILIES: &[Family] = &[
    Family::gauge(
        "opwatch_store_degraded",
        NONE,
        "1 while what is taken in is in memory alone, because the disk fails or is too slow, else 0.",
        |page, emit| one(page, emit, |store| Value::Count(store.degraded.into())),
    ),
    Family::gauge(
        "opwatch_store_disk",
        NONE,
        "What the database holds; the file may be larger until its room is used again.",
        |page, emit| one(page, emit, |store| Value::Count(store.bytes)),
    )
    .bytes(),
    Family::counter(
        "opwatch_store_commits",
        NONE,
        "Transactions that reached the disk.",
        |page, emit| one(page, emit, |store| Value::Count(store.commits)),
    ),
    Family::counter(
        "opwatch_store_commit",
        NONE,
        "Time that transactions took to reach the disk.",
        |page, emit| one(page, emit, |store| Value::Number(store.commit_seconds)),
    )
    .seconds(),
    Family::counter(
        "opwatch_store_failures",
        NONE,
        "Transactions that failed or took too long.",
        |page, emit| one(page, emit, |store| Value::Count(store.failures)),
    ),
    Family::counter(
        "opwatch_store_uncommitted_measurements",
        NONE,
        "Measurements accepted while the disk failed: they are in memory alone until it works again.",
        |page, emit| one(page, emit, |store| Value::Count(store.uncommitted)),
    ),
    Family::counter(
        "opwatch_store_set_aside",
        NONE,
        "Rows and databases that could not be read and were left out.",
        |page, emit| one(page, emit, |store| Value::Count(store.set_aside)),
    ),
    Family::counter(
        "opwatch_store_restored_baselines",
        NONE,
        "Baselines that came back from the file beside the database, because the database did not have them.",
        |page, emit| one(page, emit, |store| Value::Count(store.restored_baselines)),
    ),
    Family::counter(
        "opwatch_store_restored_silences",
        NONE,
        "Silences that came back from the file beside the database, because the database did not have them.",
        |page, emit| one(page, emit, |store| Value::Count(store.restored_silences)),
    ),
    Family::counter(
        "opwatch_store_restored_maintenance",
        NONE,
        "Maintenance that was started and came back from the file beside the database, because the database did not have it.",
        |page, emit| one(page, emit, |store| Value::Count(store.restored_maintenance)),
    ),
    Family::counter(
        "opwatch_store_dropped_events",
        NONE,
        "Events of the log dropped before the end of retention, to keep to max_disk.",
        |page, emit| one(page, emit, |store| Value::Count(store.dropped_events)),
    ),
];

fn one(
    page: &Page,
    emit: &mut Emit<'_>,
    value: fn(&StorageUsage) -> Value<'static>,
) -> io::Result<()> {
    match &page.snapshot.internals.storage {
        Some(store) => emit(Rendered::new(""), value(store)),
        None => Ok(()),
    }
}

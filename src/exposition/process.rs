//! Families of the process that opwatch is, by the names that every Prometheus client has for them.

use std::io;

use super::family::{Emit, Family, Value};
use super::labels::Rendered;
use super::page::Page;
use super::usage::ProcessUsage;

const NONE: &str = "";

pub(super) const FAMILIES: &[Family] = &[
    Family::counter(
        "process_cpu",
        NONE,
        "CPU time that opwatch has used.",
        |page, emit| {
            one(page, emit, |process| {
                Some(Value::Number(process.cpu_seconds))
            })
        },
    )
    .seconds(),
    Family::gauge(
        "process_resident_memory",
        NONE,
        "Resident memory of opwatch.",
        |page, emit| {
            one(page, emit, |process| {
                Some(Value::Count(process.resident_bytes))
            })
        },
    )
    .bytes(),
    Family::gauge(
        "process_threads",
        NONE,
        "Threads of opwatch.",
        |page, emit| one(page, emit, |process| Some(Value::Count(process.threads))),
    ),
    Family::gauge(
        "process_open_fds",
        NONE,
        "Files and connections that opwatch has open.",
        |page, emit| one(page, emit, |process| process.open_files.map(Value::Count)),
    ),
    Family::gauge(
        "process_max_fds",
        NONE,
        "Files and connections that opwatch may have open; without a limit there is no value.",
        |page, emit| {
            one(page, emit, |process| {
                process.max_open_files.map(Value::Count)
            })
        },
    ),
    Family::gauge(
        "process_start_time",
        NONE,
        "When opwatch started, as Unix time; the same as opwatch_start_time_seconds.",
        |page, emit| match page.snapshot.internals.started_at {
            Some(at) => emit(Rendered::NONE, Value::unix_time(at)),
            None => Ok(()),
        },
    )
    .seconds(),
];

fn one(
    page: &Page,
    emit: &mut Emit<'_>,
    value: fn(&ProcessUsage) -> Option<Value<'static>>,
) -> io::Result<()> {
    match page.snapshot.internals.process.as_ref().and_then(value) {
        Some(value) => emit(Rendered::NONE, value),
        None => Ok(()),
    }
}

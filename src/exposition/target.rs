//! Families of the watched process.

use std::io;

use super::family::{Emit, Family, Value, labelled};
use super::page::Page;
use super::usage::TargetUsage;

const PROCESS: &str = "`process`";

pub(super) const FAMILIES: &[Family] = &[
    Family::counter(
        "opwatch_target_cpu",
        PROCESS,
        "CPU time that the watched process has used.",
        |page, emit| targets(page, emit, |target| Value::Number(target.cpu_seconds)),
    )
    .seconds(),
    Family::gauge(
        "opwatch_target_memory",
        PROCESS,
        "Resident memory of the watched process.",
        |page, emit| targets(page, emit, |target| Value::Count(target.memory_bytes)),
    )
    .bytes(),
    Family::gauge(
        "opwatch_target_memory_peak",
        PROCESS,
        "Most resident memory of the watched process so far.",
        |page, emit| targets(page, emit, |target| Value::Count(target.memory_peak_bytes)),
    )
    .bytes(),
    Family::gauge(
        "opwatch_target_threads",
        PROCESS,
        "Threads of the watched process.",
        |page, emit| {
            labelled(&page.snapshot.targets, emit, |target| {
                target.threads.map(Value::Count)
            })
        },
    ),
];

fn targets(
    page: &Page,
    emit: &mut Emit<'_>,
    value: fn(&TargetUsage) -> Value<'static>,
) -> io::Result<()> {
    labelled(&page.snapshot.targets, emit, |target| Some(value(target)))
}

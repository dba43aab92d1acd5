//! Families of what is watched: one process, or all of one name together.

use std::io;

use super::family::{Emit, Family, Value, labelled};
use super::labels::Rendered;
use super::page::Page;
use super::usage::TargetUsage;

const PROCESS: &str = "`process`";

pub(super) const FAMILIES: &[Family] = &[
    Family::counter(
        "opwatch_target_cpu",
        PROCESS,
        "CPU time that the watched processes have used; of one name together, those that have ended among them.",
        |page, emit| targets(page, emit, |target| Value::Number(target.cpu_seconds)),
    )
    .seconds(),
    Family::gauge(
        "opwatch_target_memory",
        PROCESS,
        "Resident memory of the watched processes.",
        |page, emit| targets(page, emit, |target| Value::Count(target.memory_bytes)),
    )
    .bytes(),
    Family::gauge(
        "opwatch_target_memory_peak",
        PROCESS,
        "Most resident memory of the watched processes in any reading so far.",
        |page, emit| targets(page, emit, |target| Value::Count(target.memory_peak_bytes)),
    )
    .bytes(),
    Family::gauge(
        "opwatch_target_threads",
        PROCESS,
        "Threads of the watched processes.",
        |page, emit| {
            labelled(&page.snapshot.targets, emit, |target| {
                target.threads.map(Value::Count)
            })
        },
    ),
    Family::gauge(
        "opwatch_target_cpu_limit_cores",
        "",
        "Cores that cpu_ratio is a share of: as configured, else the limit of the control group, else the CPUs.",
        |page, emit| match page.snapshot.internals.target_cpu_limit {
            Some(cores) => emit(Rendered::NONE, Value::Number(cores)),
            None => Ok(()),
        },
    ),
    Family::counter(
        "opwatch_target_read_failures",
        "`reason`",
        "Readings of a process that failed: there was none, or it may not be looked at.",
        |page, emit| {
            let failures = page.snapshot.internals.target_failures;
            emit(
                Rendered::new(r#"reason="not_found""#),
                Value::Count(failures.not_found),
            )?;
            emit(
                Rendered::new(r#"reason="unreadable""#),
                Value::Count(failures.unreadable),
            )
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

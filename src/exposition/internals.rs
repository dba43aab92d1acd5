//! Families of opwatch itself: what it takes in, keeps and serves, and which build it is.

use std::io;

use super::family::{Emit, Family, Value, labelled};
use super::labels::{LabelText, Rendered};
use super::page::Page;
use super::snapshot::Snapshot;
use super::usage::ListenerUsage;

const NONE: &str = "";
const LISTENER: &str = "`listener`";

pub(super) const FAMILIES: &[Family] = &[
    Family::gauge(
        "opwatch_config_last_reload_successful",
        NONE,
        "1 when the last attempt to read the configuration was good, else 0.",
        |page, emit| {
            maybe(page, emit, |s| {
                Some(Value::Count(s.internals.reload?.successful.into()))
            })
        },
    ),
    Family::gauge(
        "opwatch_config_last_reload_success_timestamp",
        NONE,
        "When the configuration in use was read, as Unix time.",
        |page, emit| {
            maybe(page, emit, |s| {
                Some(Value::unix_time(s.internals.reload?.succeeded_at))
            })
        },
    )
    .seconds(),
    Family::counter(
        "opwatch_ingest_records",
        "`result`",
        "Records received: accepted, duplicate or rejected.",
        |page, emit| {
            let counts = page.snapshot.ingest;
            let rejected = counts.invalid + counts.too_old + counts.future;
            emit(
                Rendered::new(r#"result="accepted""#),
                Value::Count(counts.accepted),
            )?;
            emit(
                Rendered::new(r#"result="duplicate""#),
                Value::Count(counts.duplicates),
            )?;
            emit(
                Rendered::new(r#"result="rejected""#),
                Value::Count(rejected),
            )
        },
    ),
    Family::counter(
        "opwatch_ingest_rejected",
        "`reason`",
        "Records rejected: in the future, invalid, or older than the retention.",
        |page, emit| {
            let counts = page.snapshot.ingest;
            emit(
                Rendered::new(r#"reason="future""#),
                Value::Count(counts.future),
            )?;
            emit(
                Rendered::new(r#"reason="invalid""#),
                Value::Count(counts.invalid),
            )?;
            emit(
                Rendered::new(r#"reason="too_old""#),
                Value::Count(counts.too_old),
            )
        },
    ),
    Family::counter(
        "opwatch_ingest_late",
        NONE,
        "Records accepted that were more than an hour old.",
        |page, emit| one(page, emit, |s| Value::Count(s.ingest.late)),
    ),
    Family::counter(
        "opwatch_ingest_batches_repeated",
        NONE,
        "Batches that a client sent again and that were answered as the first time.",
        |page, emit| one(page, emit, |s| Value::Count(s.ingest.repeated_batches)),
    ),
    Family::counter(
        "opwatch_ingest_ids_evicted",
        NONE,
        "Record ids forgotten early because there were too many; their repeats would count twice.",
        |page, emit| one(page, emit, |s| Value::Count(s.ingest.ids_evicted)),
    ),
    Family::counter(
        "opwatch_ingest_refused",
        "`reason`",
        "Requests refused because the memory for requests in flight, that of the store, or the queue was full; clients try again.",
        |page, emit| {
            let queue = page.snapshot.internals.queue;
            emit(
                Rendered::new(r#"reason="in_flight_full""#),
                Value::Count(queue.refused_in_flight),
            )?;
            let memory_full = Value::Count(queue.refused_for_memory);
            emit(Rendered::new(r#"reason="memory_full""#), memory_full)?;
            emit(
                Rendered::new(r#"reason="queue_full""#),
                Value::Count(queue.refused),
            )
        },
    ),
    Family::gauge(
        "opwatch_ingest_queue_length",
        NONE,
        "Batches that wait to be taken in.",
        |page, emit| one(page, emit, |s| Value::Count(s.internals.queue.length)),
    ),
    Family::gauge(
        "opwatch_ingest_queue_capacity",
        NONE,
        "Batches that may wait to be taken in.",
        |page, emit| one(page, emit, |s| Value::Count(s.internals.queue.capacity)),
    ),
    Family::gauge(
        "opwatch_ingest_in_flight",
        NONE,
        "Memory that requests in flight hold: bodies, what is read from them, and batches that wait.",
        |page, emit| one(page, emit, |s| Value::Count(s.internals.queue.in_flight_bytes)),
    )
    .bytes(),
    Family::gauge(
        "opwatch_ingest_in_flight_capacity",
        NONE,
        "Memory that requests in flight may hold together.",
        |page, emit| {
            one(page, emit, |s| {
                Value::Count(s.internals.queue.in_flight_capacity_bytes)
            })
        },
    )
    .bytes(),
    Family::gauge("opwatch_series", NONE, "Series held.", |page, emit| {
        one(page, emit, |s| Value::Count(s.usage.series as u64))
    }),
    Family::gauge(
        "opwatch_series_capacity",
        NONE,
        "Series kept apart; further ones share overflow series.",
        |page, emit| one(page, emit, |s| Value::Count(s.usage.max_series as u64)),
    ),
    Family::counter(
        "opwatch_series_overflow",
        NONE,
        "Records put into an overflow series because there were too many series.",
        |page, emit| one(page, emit, |s| Value::Count(s.ingest.overflow)),
    ),
    Family::counter(
        "opwatch_series_evicted",
        NONE,
        "Idle series removed to make room for new ones.",
        |page, emit| one(page, emit, |s| Value::Count(s.losses.evicted_series)),
    ),
    Family::gauge(
        "opwatch_store_memory",
        NONE,
        "Memory that the store holds.",
        |page, emit| one(page, emit, |s| Value::Count(s.usage.memory as u64)),
    )
    .bytes(),
    Family::gauge(
        "opwatch_store_memory_capacity",
        NONE,
        "Memory that the store may hold.",
        |page, emit| one(page, emit, |s| Value::Count(s.usage.max_memory as u64)),
    )
    .bytes(),
    Family::counter(
        "opwatch_store_history_rows_dropped",
        NONE,
        "Measurements of run windows given up because memory was short.",
        |page, emit| one(page, emit, |s| Value::Count(s.losses.history_rows)),
    ),
    Family::counter(
        "opwatch_store_buckets_dropped",
        NONE,
        "Buckets of time windows given up because memory was short.",
        |page, emit| one(page, emit, |s| Value::Count(s.losses.buckets)),
    ),
    Family::counter(
        "opwatch_store_scores_dropped",
        NONE,
        "Quality scores not kept because there were too many names.",
        |page, emit| one(page, emit, |s| Value::Count(s.losses.scores)),
    ),
    Family::gauge(
        "opwatch_http_connections",
        LISTENER,
        "Connections being served.",
        |page, emit| listeners(page, emit, |listener| listener.open),
    ),
    Family::counter(
        "opwatch_http_connections_accepted",
        LISTENER,
        "Connections accepted, refused ones among them.",
        |page, emit| listeners(page, emit, |listener| listener.accepted),
    ),
    Family::counter(
        "opwatch_http_connections_refused",
        LISTENER,
        "Connections refused because all others were busy.",
        |page, emit| listeners(page, emit, |listener| listener.refused),
    ),
    Family::counter(
        "opwatch_http_connections_evicted",
        LISTENER,
        "Idle connections closed in favour of new ones.",
        |page, emit| listeners(page, emit, |listener| listener.evicted),
    ),
    Family::counter(
        "opwatch_http_timeouts",
        LISTENER,
        "Clients given up on because they were too slow.",
        |page, emit| listeners(page, emit, |listener| listener.timeouts),
    ),
    Family::counter(
        "opwatch_http_accept_errors",
        LISTENER,
        "Times that the system could not accept a connection.",
        |page, emit| listeners(page, emit, |listener| listener.accept_errors),
    ),
    Family::counter(
        "opwatch_http_panics",
        LISTENER,
        "Requests whose handling panicked; each is a defect of opwatch.",
        |page, emit| listeners(page, emit, |listener| listener.panics),
    ),
    Family::gauge(
        "opwatch_exposition_omitted_series",
        NONE,
        "Label sets left out of this page because they are ill-formed or occur twice, as those of rules with the same name may.",
        |page, emit| one(page, emit, |s| Value::Count(s.omitted)),
    ),
    Family::counter(
        "opwatch_clock_jumps",
        "`kind`",
        "Jumps of the clocks, over restarts: the wall clock set back, forward (or the machine suspended), or a process that stood still.",
        |page, emit| {
            let counts = page.snapshot.clocks;
            for (labels, count) in [
                (r#"kind="backward""#, counts.backward),
                (r#"kind="forward""#, counts.forward),
                (r#"kind="stalled""#, counts.stalls),
            ] {
                emit(Rendered::new(labels).since(counts.since), Value::Count(count))?;
            }
            Ok(())
        },
    ),
    Family::gauge(
        "opwatch_build_info",
        "`revision`, `version`",
        "Which build this is; always 1.",
        |page, emit| {
            let build = &page.snapshot.internals.build;
            let revision = build.revision.unwrap_or_default();
            let labels = LabelText::of([("revision", revision), ("version", build.version)]);
            emit(Rendered::new(labels.as_str()), Value::Count(1))
        },
    ),
    Family::gauge(
        "opwatch_start_time",
        NONE,
        "When this process started, as Unix time.",
        |page, emit| maybe(page, emit, |s| s.internals.started_at.map(Value::unix_time)),
    )
    .seconds(),
];

fn one(page: &Page, emit: &mut Emit<'_>, value: fn(&Snapshot) -> Value<'static>) -> io::Result<()> {
    emit(Rendered::NONE, value(&page.snapshot))
}

fn maybe(
    page: &Page,
    emit: &mut Emit<'_>,
    value: fn(&Snapshot) -> Option<Value<'static>>,
) -> io::Result<()> {
    match value(&page.snapshot) {
        Some(value) => emit(Rendered::NONE, value),
        None => Ok(()),
    }
}

fn listeners(page: &Page, emit: &mut Emit<'_>, value: fn(&ListenerUsage) -> u64) -> io::Result<()> {
    labelled(&page.snapshot.listeners, emit, |listener| {
        Some(Value::Count(value(listener)))
    })
}

//! Families of the measured operations.

use std::io;

use super::family::{Buckets, Emit, Family, Value};
use super::labels::LabelText;
use super::page::Page;
use crate::engine::measurement::Outcome;
use crate::engine::store::{Histogram, Score, Totals};
use crate::engine::time::Timestamp;

const SERIES: &str = "series";
const BY_OUTCOME: &str = "series, `outcome`";
const BY_SCORE: &str = "series, `score`";

const SUCCESS: &str = r#"outcome="success""#;
const FAILURE: &str = r#"outcome="failure""#;

pub(super) const FAMILIES: &[Family] = &[
    Family::counter(
        "opwatch_operations",
        BY_OUTCOME,
        "Operations that have ended, by outcome.",
        |page, emit| {
            // Both outcomes of every operation, so that a ratio is defined before the first failure.
            let measured = |t: &Totals| t.successes > 0 || t.failures > 0;
            for (labels, totals) in page.series().filter(|(_, totals)| measured(totals)) {
                emit(labels.and(FAILURE), Value::Count(totals.failures))?;
                emit(labels.and(SUCCESS), Value::Count(totals.successes))?;
            }
            Ok(())
        },
    ),
    Family::histogram(
        "opwatch_operation_duration",
        BY_OUTCOME,
        "How long operations took, by outcome.",
        |page, emit| {
            for (labels, totals) in page.series() {
                for (outcome, extra) in [(Outcome::Failure, FAILURE), (Outcome::Success, SUCCESS)] {
                    if let Some(durations) = totals.durations(outcome) {
                        let buckets = Value::Buckets(Buckets::from(durations));
                        emit(labels.and(extra), buckets)?;
                    }
                }
            }
            Ok(())
        },
    )
    .seconds(),
    Family::histogram(
        "opwatch_operation_setup",
        SERIES,
        "How long the setup of successful operations took.",
        |page, emit| histograms(page, emit, |totals| totals.setup.as_ref()),
    )
    .seconds(),
    Family::histogram(
        "opwatch_operation_cleanup",
        SERIES,
        "How long the cleanup of successful operations took.",
        |page, emit| histograms(page, emit, |totals| totals.cleanup.as_ref()),
    )
    .seconds(),
    Family::histogram(
        "opwatch_operation_memory_peak",
        SERIES,
        "Most resident memory of an operation.",
        |page, emit| histograms(page, emit, |totals| totals.memory_peak.as_ref()),
    )
    .bytes(),
    Family::histogram(
        "opwatch_operation_cpu_cores",
        SERIES,
        "Cores that an operation kept busy on average.",
        |page, emit| histograms(page, emit, |totals| totals.cpu_cores.as_ref()),
    ),
    Family::histogram(
        "opwatch_operation_throughput",
        SERIES,
        "Samples per second that a successful operation processed.",
        |page, emit| histograms(page, emit, |totals| totals.throughput.as_ref()),
    ),
    Family::gauge(
        "opwatch_operation_memory",
        SERIES,
        "Resident memory at the end of the last operation that told it.",
        |page, emit| gauges(page, emit, |totals| totals.memory_bytes),
    )
    .bytes(),
    Family::gauge(
        "opwatch_operation_last_duration",
        SERIES,
        "How long the last successful operation took.",
        |page, emit| gauges(page, emit, |totals| totals.last_duration),
    )
    .seconds(),
    Family::gauge(
        "opwatch_operation_last_timestamp",
        SERIES,
        "End of the last measurement as Unix time; stays when the series is idle.",
        |page, emit| {
            // A series whose first measurement is still on its way to the disk has none.
            let measured = |totals: &Totals| totals.last_at != Timestamp::default();
            for (labels, totals) in page.all_series().filter(|(_, totals)| measured(totals)) {
                let seconds = Value::Number(totals.last_at.seconds());
                emit(labels, seconds)?;
            }
            Ok(())
        },
    )
    .seconds(),
    Family::gauge(
        "opwatch_operation_quality",
        BY_SCORE,
        "Last value of a quality score; stays when the series is idle.",
        |page, emit| scores(page, emit, |score| Some(Value::Number(score.value))),
    ),
    Family::gauge(
        "opwatch_operation_quality_samples",
        BY_SCORE,
        "On how many samples the last value of a quality score rests.",
        |page, emit| scores(page, emit, |score| score.samples.map(Value::Count)),
    ),
    Family::gauge(
        "opwatch_operation_quality_timestamp",
        BY_SCORE,
        "When the last value of a quality score was measured, as Unix time.",
        |page, emit| scores(page, emit, |score| Some(Value::Number(score.at.seconds()))),
    )
    .seconds(),
    Family::counter(
        "opwatch_operation_samples",
        SERIES,
        "Samples processed.",
        |page, emit| values(page, emit, |totals| totals.samples.map(Value::Count)),
    ),
    Family::counter(
        "opwatch_operation_cpu",
        SERIES,
        "CPU time used by operations that told both cores and duration.",
        |page, emit| {
            values(page, emit, |totals| {
                Some(Value::Number(totals.cpu_seconds.as_ref()?.get()))
            })
        },
    )
    .seconds(),
    Family::counter(
        "opwatch_operation_errors",
        "series, `error_class`",
        "Failed operations by class of error.",
        |page, emit| {
            for (labels, totals) in page.series() {
                let mut classes: Vec<_> = totals.errors.iter().collect();
                classes.sort_unstable();
                for (class, count) in classes {
                    let class = LabelText::of([("error_class", &**class)]);
                    emit(labels.and(class.as_str()), Value::Count(*count))?;
                }
            }
            Ok(())
        },
    ),
];

fn values<'p>(
    page: &'p Page,
    emit: &mut Emit<'_>,
    value: impl Fn(&'p Totals) -> Option<Value<'p>>,
) -> io::Result<()> {
    for (labels, totals) in page.series() {
        if let Some(value) = value(totals) {
            emit(labels, value)?;
        }
    }
    Ok(())
}

fn gauges(page: &Page, emit: &mut Emit<'_>, value: fn(&Totals) -> Option<f64>) -> io::Result<()> {
    values(page, emit, |totals| value(totals).map(Value::Number))
}

fn histograms(
    page: &Page,
    emit: &mut Emit<'_>,
    histogram: fn(&Totals) -> Option<&Histogram>,
) -> io::Result<()> {
    values(page, emit, |totals| {
        histogram(totals).map(|histogram| Value::Buckets(Buckets::from(histogram)))
    })
}

fn scores(
    page: &Page,
    emit: &mut Emit<'_>,
    value: fn(&Score) -> Option<Value<'static>>,
) -> io::Result<()> {
    for (labels, totals) in page.all_series() {
        for score in &totals.scores {
            if let Some(value) = value(score) {
                let name = LabelText::of([("score", &*score.name)]);
                emit(labels.and(name.as_str()), value)?;
            }
        }
    }
    Ok(())
}

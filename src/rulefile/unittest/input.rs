//! The input of a test: measurements over time, from `measurements` and from `input_series`.

use std::time::Duration;

use super::notation;
use super::wire;
use crate::document::Place;
use crate::engine::measurement::{Draft, Measurement, Outcome};
use crate::engine::metric::Metric;
use crate::engine::own;
use crate::engine::selector::Selector;
use crate::engine::series::OWN_OPERATION;
use crate::engine::time::{Now, Timestamp};
use crate::rulefile::{Checker, did_you_mean};

/// The input series that can be given, with the field of a measurement that each one fills.
const SERIES: [(&str, Field); 11] = [
    ("duration", Field::Duration),
    ("setup", Field::Setup),
    ("cleanup", Field::Cleanup),
    ("cpu", Field::Cpu),
    ("memory", Field::Memory),
    ("memory_peak", Field::MemoryPeak),
    ("samples", Field::Samples),
    ("accuracy", Field::Score),
    ("precision", Field::Score),
    ("recall", Field::Score),
    ("f1", Field::Score),
];

/// A measurement with the time at which it comes in.
pub(super) type Timed = (Duration, Measurement);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Duration,
    Setup,
    Cleanup,
    Cpu,
    Memory,
    MemoryPeak,
    Samples,
    QualitySamples,
    Score,
}

/// The values of one field over time.
struct Column<'a> {
    field: Field,
    /// The name of a score.
    score: &'a str,
    values: Vec<Option<f64>>,
    place: Place,
}

/// All measurements of a test in the order of time.
pub(super) fn measurements(
    test: &wire::Test,
    interval: Duration,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Vec<Timed> {
    let mut all = Vec::new();
    for (index, source) in test.measurements.iter().enumerate() {
        let place = place.key("measurements").index(index);
        from_source(source, interval, &place, checker, &mut all);
    }
    for (index, series) in test.input_series.iter().enumerate() {
        let place = place.key("input_series").index(index);
        from_series(series, interval, &place, checker, &mut all);
    }
    // Stable: what comes at the same time stays in the order of the file.
    all.sort_by_key(|(at, _)| *at);
    all
}

fn from_source(
    source: &wire::Measurements,
    interval: Duration,
    place: &Place,
    checker: &mut Checker<'_>,
    all: &mut Vec<Timed>,
) {
    let fields = [
        (
            "duration_seconds",
            Field::Duration,
            &source.duration_seconds,
        ),
        ("setup_seconds", Field::Setup, &source.setup_seconds),
        ("cleanup_seconds", Field::Cleanup, &source.cleanup_seconds),
        ("cpu_cores", Field::Cpu, &source.cpu_cores),
        ("memory_bytes", Field::Memory, &source.memory_bytes),
        (
            "memory_peak_bytes",
            Field::MemoryPeak,
            &source.memory_peak_bytes,
        ),
        ("samples", Field::Samples, &source.samples),
        (
            "quality_samples",
            Field::QualitySamples,
            &source.quality_samples,
        ),
    ];
    let mut columns = Vec::new();
    for (key, field, text) in fields {
        if let Some(text) = text {
            columns.extend(column(field, "", text, place.key(key), checker));
        }
    }
    for (score, text) in &source.quality {
        let place = place.key("quality").key(score);
        columns.extend(column(Field::Score, score, text, place, checker));
    }
    let given = fields.iter().any(|(_, _, text)| text.is_some()) || !source.quality.is_empty();
    if !given && checker.is_readable() {
        checker.fault(
            place,
            "measurements without values, allowed: at least one field such as duration_seconds or quality",
        );
    }
    let draft = Draft {
        operation: &source.operation,
        algorithm: &source.algorithm,
        version: &source.version,
        labels: source
            .labels
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect(),
        outcome: source.outcome.map(|outcome| match outcome {
            wire::Outcome::Success => Outcome::Success,
            wire::Outcome::Failure => Outcome::Failure,
        }),
        error_class: &source.error_class,
        ..Draft::default()
    };
    build(&draft, &columns, interval, place, checker, all);
}

fn from_series(
    series: &wire::InputSeries,
    interval: Duration,
    place: &Place,
    checker: &mut Checker<'_>,
    all: &mut Vec<Timed>,
) {
    let at = place.key("series");
    let (name, labels) = match series.series.find('{') {
        Some(brace) => series.series.split_at(brace),
        None => (series.series.as_str(), ""),
    };
    let name = name.trim();
    let Some((_, field)) = SERIES.iter().find(|(known, _)| *known == name) else {
        checker.fault(&at, unknown_series(name));
        return;
    };
    // A series is written like a selector that has nothing but `=`.
    let selector = match Selector::parse(labels) {
        Ok(selector) => selector,
        Err(error) => {
            checker.fault(&at, error.to_string());
            return;
        }
    };
    let mut pairs = Vec::new();
    for matcher in selector.matchers() {
        match matcher.equal_to() {
            Some(value) => pairs.push((matcher.name(), value)),
            None => {
                checker.fault(
                    &at,
                    format!("series has a matcher {matcher}, allowed: labels with = only"),
                );
                return;
            }
        }
    }
    let take = |name: &str| pairs.iter().find_map(|(n, v)| (*n == name).then_some(*v));
    let identity = ["operation", "algorithm", "version"];
    let draft = Draft {
        operation: take("operation").unwrap_or_default(),
        algorithm: take("algorithm").unwrap_or_default(),
        version: take("version").unwrap_or_default(),
        labels: pairs
            .iter()
            .copied()
            .filter(|(n, _)| !identity.contains(n))
            .collect(),
        ..Draft::default()
    };
    let columns: Vec<_> = column(*field, name, &series.values, place.key("values"), checker)
        .into_iter()
        .collect();
    build(&draft, &columns, interval, &at, checker, all);
}

fn unknown_series(name: &str) -> String {
    let names = SERIES.map(|(name, _)| name);
    if let metric @ (Metric::Throughput | Metric::Rate | Metric::Errors | Metric::ErrorRatio) =
        Metric::named(name)
    {
        return format!(
            "`{metric}` follows from measurements and cannot be given as a series, allowed: `measurements` with duration_seconds, samples and outcome"
        );
    }
    let hint = did_you_mean(name, names);
    let allowed = names.join(", ");
    format!(
        "series {name:?} is no metric of measurements,{hint} allowed: {allowed}; other scores by `measurements`"
    )
}

fn column<'a>(
    field: Field,
    score: &'a str,
    text: &str,
    place: Place,
    checker: &mut Checker<'_>,
) -> Option<Column<'a>> {
    match notation::expand(text) {
        Ok(values) => Some(Column {
            field,
            score,
            values,
            place,
        }),
        Err((column, message)) => {
            checker.fault_inside(&place, (1, column), message);
            None
        }
    }
}

/// A measurement for each interval at which any column has a value.
fn build(
    draft: &Draft<'_>,
    columns: &[Column<'_>],
    interval: Duration,
    place: &Place,
    checker: &mut Checker<'_>,
    all: &mut Vec<Timed>,
) {
    let longest = columns.iter().map(|c| c.values.len()).max().unwrap_or(0);
    for step in 0..longest {
        let mut draft = draft.clone();
        let mut any = false;
        for column in columns {
            let Some(Some(value)) = column.values.get(step) else {
                continue;
            };
            any = true;
            if !fill(&mut draft, column, *value) {
                checker.fault(
                    &column.place,
                    format!("value {value} is no count, allowed: whole numbers not below 0"),
                );
                return;
            }
        }
        if !any {
            continue;
        }
        let at = interval.saturating_mul(u32::try_from(step).unwrap_or(u32::MAX));
        draft.at = Some(Timestamp::default().after(at));
        // Only a test may say what opwatch measures of itself.
        let measurement = if draft.operation == OWN_OPERATION {
            own::measurement(draft)
        } else {
            Measurement::new(draft)
        };
        match measurement {
            Ok(measurement) => all.push((Now::invented(at).steady, measurement)),
            Err(fault) => {
                checker.fault(place, format!("`{}` {}", fault.field, fault.reason));
                return;
            }
        }
    }
}

fn fill<'a>(draft: &mut Draft<'a>, column: &Column<'a>, value: f64) -> bool {
    let slot = match column.field {
        Field::Duration => &mut draft.duration_seconds,
        Field::Setup => &mut draft.setup_seconds,
        Field::Cleanup => &mut draft.cleanup_seconds,
        Field::Cpu => &mut draft.cpu_cores,
        Field::Memory => &mut draft.memory_bytes,
        Field::MemoryPeak => &mut draft.memory_peak_bytes,
        Field::Score => {
            draft.quality.push((column.score, value));
            return true;
        }
        Field::Samples | Field::QualitySamples => {
            let count = whole(value);
            match column.field {
                Field::Samples => draft.samples = count,
                _ => draft.quality_samples = count,
            }
            return count.is_some();
        }
    };
    *slot = Some(value);
    true
}

/// The value as a count, if it is one.
fn whole(value: f64) -> Option<u64> {
    // Beyond 2^53 not every whole number is a float any more.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let is_whole = value.fract() == 0.0 && (0.0..=EXACT).contains(&value);
    // Through text, which is exact and cannot wrap around.
    is_whole
        .then(|| format!("{value:.0}").parse().ok())
        .flatten()
}

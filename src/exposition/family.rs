//! The families of the page: their names, types, units, help, and where their samples come from.

use std::io;

use super::labels::Rendered;
use super::page::Page;
use super::snapshot::Labelled;
use super::{actions, alerts, baselines, internals, judging, operations, process, storage, target};
use crate::engine::sketch::Sketch;
use crate::engine::store::{Exemplar, Histogram};
use crate::engine::time::Timestamp;

/// A family of samples. This table is the only place that says what it is called and what is in it.
#[derive(Debug)]
pub struct Family {
    /// Its name without unit and suffix.
    base: &'static str,
    /// What its values are measured in; part of the name.
    pub unit: Option<Unit>,
    /// Its type.
    pub kind: Kind,
    /// The labels of its samples, for the reference.
    pub labels: &'static str,
    /// What it means: one sentence without characters that any format escapes.
    pub help: &'static str,
    samples: Samples,
}

/// Hands every sample of a family to the encoder, sorted by labels.
type Samples = fn(&Page, &mut Emit<'_>) -> io::Result<()>;

/// Takes one sample.
pub(super) type Emit<'a> = dyn FnMut(Rendered<'_>, Value<'_>) -> io::Result<()> + 'a;

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows; `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by bucket, count and sum.
    Histogram,
}

impl Kind {
    /// As `# TYPE` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A base unit of Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// As names end.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
        }
    }
}

/// The value of a sample.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// A whole number.
    Count(u64),
    /// Any other number.
    Number(f64),
    /// A histogram.
    Buckets(Buckets<'a>),
}

impl Value<'_> {
    /// A point in time as seconds since 1970.
    pub(super) fn unix_time(at: Timestamp) -> Self {
        Self::Number(at.seconds())
    }
}

/// A histogram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buckets<'a> {
    /// Upper bounds of the classic form, ascending, without +Inf.
    pub(super) grid: &'a [f64],
    /// Values per bucket, not cumulative.
    pub(super) counts: &'a [u64],
    /// Number of values, those above the last bound included.
    pub(super) count: u64,
    /// Their sum.
    pub(super) sum: f64,
    /// The native form, where there is one.
    pub(super) native: Option<&'a Sketch>,
    /// An exemplar for each classic bucket that has one, that of +Inf last; may be empty.
    pub(super) exemplars: &'a [Option<Exemplar>],
}

impl<'a> From<&'a Histogram> for Buckets<'a> {
    fn from(histogram: &'a Histogram) -> Self {
        Self {
            grid: &histogram.grid,
            counts: histogram.counts(),
            count: histogram.count(),
            sum: histogram.sum(),
            native: Some(histogram.native()),
            exemplars: histogram.exemplars(),
        }
    }
}

impl<'a> Buckets<'a> {
    /// Bound and count of each finite bucket, cumulative.
    pub(super) fn finite(&self) -> impl Iterator<Item = (f64, u64)> {
        let pairs = self.grid.iter().copied().zip(self.counts.iter().copied());
        let finite = pairs.filter(|(bound, _)| bound.is_finite());
        finite.scan(0, |below, (bound, count)| {
            *below += count;
            Some((bound, *below))
        })
    }

    /// The exemplar of a bucket by its place among the finite ones, or one past them for +Inf.
    pub(super) fn exemplar(&self, bucket: usize) -> Option<&'a Exemplar> {
        self.exemplars.get(bucket)?.as_ref()
    }
}

impl Family {
    pub(super) const fn counter(
        base: &'static str,
        labels: &'static str,
        help: &'static str,
        samples: Samples,
    ) -> Self {
        Self {
            base,
            unit: None,
            kind: Kind::Counter,
            labels,
            help,
            samples,
        }
    }

    pub(super) const fn gauge(
        base: &'static str,
        labels: &'static str,
        help: &'static str,
        samples: Samples,
    ) -> Self {
        Self {
            kind: Kind::Gauge,
            ..Self::counter(base, labels, help, samples)
        }
    }

    pub(super) const fn histogram(
        base: &'static str,
        labels: &'static str,
        help: &'static str,
        samples: Samples,
    ) -> Self {
        Self {
            kind: Kind::Histogram,
            ..Self::counter(base, labels, help, samples)
        }
    }

    pub(super) const fn seconds(self) -> Self {
        Self {
            unit: Some(Unit::Seconds),
            ..self
        }
    }

    pub(super) const fn bytes(self) -> Self {
        Self {
            unit: Some(Unit::Bytes),
            ..self
        }
    }

    /// Its name with its unit, but without `_total`: what OpenMetrics calls the family.
    pub(super) fn stem(&self) -> String {
        let unit = self.unit.map(Unit::as_str);
        unit.map_or_else(
            || self.base.to_owned(),
            |unit| format!("{}_{unit}", self.base),
        )
    }

    /// Its name as Prometheus and its users know it: with unit, and `_total` for a counter.
    pub fn name(&self) -> String {
        let mut name = self.stem();
        if self.kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }

    /// Hands every sample to `emit`, in the order of the page. A number that is not one says nothing and is left out.
    pub(super) fn samples(&self, page: &Page, emit: &mut Emit<'_>) -> io::Result<()> {
        (self.samples)(page, &mut |labels, value| match value {
            Value::Number(number) if number.is_nan() => Ok(()),
            value => emit(labels, value),
        })
    }
}

/// Every family by subject, in the order of the page.
pub fn sections() -> [(&'static str, &'static [Family]); 9] {
    [
        ("Operations", operations::FAMILIES),
        ("Rules and alerts", alerts::FAMILIES),
        ("Baselines", baselines::FAMILIES),
        ("Actions", actions::FAMILIES),
        ("The watched process", target::FAMILIES),
        ("Judging and telling", judging::FAMILIES),
        ("opwatch itself", internals::FAMILIES),
        ("What is kept on disk", storage::FAMILIES),
        ("The process", process::FAMILIES),
    ]
}

/// Every family, in the order of the page.
pub(super) fn families() -> impl Iterator<Item = &'static Family> {
    sections().into_iter().flat_map(|(_, families)| families)
}

/// Hands on a value of each row that has one.
pub(super) fn labelled<T>(
    rows: &[Labelled<T>],
    emit: &mut Emit<'_>,
    value: impl Fn(&T) -> Option<Value<'static>>,
) -> io::Result<()> {
    for row in rows {
        if let Some(value) = value(&row.of) {
            emit(Rendered::new(&row.labels), value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::series::is_label_name;
    use std::collections::BTreeSet;

    #[test]
    fn families_are_well_formed_and_distinct() {
        let mut names = BTreeSet::new();
        for family in families() {
            let name = family.name();
            assert!(is_label_name(&name), "{name}");
            assert!(
                ["opwatch_", "process_", "ALERTS"]
                    .iter()
                    .any(|start| name.starts_with(start)),
                "{name}"
            );
            // A name that ends like a suffix would be read as a part of another family.
            for suffix in [
                "_total", "_bucket", "_count", "_sum", "_created", "_bytes", "_seconds",
            ] {
                assert!(
                    !family.base.ends_with(suffix),
                    "{name} brings {suffix} itself"
                );
            }
            assert!(family.help.ends_with('.'), "{name}");
            assert!(!family.help.contains(['\\', '"', '\n']), "{name}");
            assert!(names.insert(name.clone()), "{name} occurs twice");
        }
    }
}

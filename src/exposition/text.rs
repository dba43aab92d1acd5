//! The two text formats: Prometheus' classic 0.0.4 and OpenMetrics 1.0.
//!
//! They differ in so few places that one writer serves both. It is our own, because no library writes the
//! classic format, and prometheus-client's OpenMetrics has neither exemplars nor creation times of values that
//! it does not keep itself. References:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details> and
//! <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>.

use std::io::{self, Write};

use super::family::{Buckets, Family, Kind, Value, families};
use super::labels::Rendered;
use super::number::{bound, open_metrics_bound, push_count, push_value};
use super::page::Page;
use crate::engine::store::Exemplar;
use crate::engine::time::Timestamp;

/// Once a piece is this long it is handed on.
const PIECE_BYTES: usize = 16 << 10;

/// Which of the two is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Classic,
    OpenMetrics,
}

pub(super) fn write(dialect: Dialect, page: &Page, out: &mut dyn Write) -> io::Result<()> {
    let mut text = Text {
        dialect,
        out,
        piece: String::with_capacity(PIECE_BYTES + (PIECE_BYTES >> 2)),
        bounds: Bounds::default(),
        prefix: String::new(),
        began: page.began(),
    };
    for family in families() {
        let names = Names::of(family);
        let mut begun = false;
        family.samples(page, &mut |labels, value| {
            if !std::mem::replace(&mut begun, true) {
                text.header(family, &names);
            }
            text.sample(family.kind, &names, labels, value)
        })?;
    }
    if dialect == Dialect::OpenMetrics {
        text.piece.push_str("# EOF\n");
    }
    text.out.write_all(text.piece.as_bytes())
}

struct Text<'a> {
    dialect: Dialect,
    out: &'a mut dyn Write,
    piece: String,
    bounds: Bounds,
    /// What the bucket lines of one histogram begin with; kept for its capacity.
    prefix: String,
    /// When counters began of which nothing better is known.
    began: Option<Timestamp>,
}

/// What a family is called: without `_total`, and with it where it is a counter.
struct Names {
    stem: String,
    full: String,
}

impl Names {
    fn of(family: &Family) -> Self {
        Self {
            stem: family.stem(),
            full: family.name(),
        }
    }
}

/// The spelling of the last grid's finite bounds: neighbours on the page mostly share their grid.
#[derive(Default)]
struct Bounds {
    grid: Vec<f64>,
    texts: Vec<String>,
}

impl Bounds {
    fn of(&mut self, grid: &[f64], dialect: Dialect) -> &[String] {
        if self.grid != grid {
            self.grid = grid.to_vec();
            let finite = grid.iter().filter(|value| value.is_finite());
            let spell = match dialect {
                Dialect::Classic => bound,
                Dialect::OpenMetrics => open_metrics_bound,
            };
            self.texts = finite.map(|value| spell(*value)).collect();
        }
        &self.texts
    }
}

impl Text<'_> {
    fn header(&mut self, family: &Family, names: &Names) {
        // The classic format calls a counter by its whole name here.
        let name = match self.dialect {
            Dialect::Classic => &names.full,
            Dialect::OpenMetrics => &names.stem,
        };
        self.push(&["# HELP ", name, " ", family.help, "\n"]);
        self.push(&["# TYPE ", name, " ", family.kind.as_str(), "\n"]);
        if let (Dialect::OpenMetrics, Some(unit)) = (self.dialect, family.unit) {
            self.push(&["# UNIT ", name, " ", unit.as_str(), "\n"]);
        }
    }

    fn sample(
        &mut self,
        kind: Kind,
        names: &Names,
        labels: Rendered<'_>,
        value: Value<'_>,
    ) -> io::Result<()> {
        match value {
            Value::Count(count) => {
                self.name(&names.full, "", labels);
                self.count(" ", count);
            }
            Value::Number(number) => {
                self.name(&names.full, "", labels);
                self.number(number);
            }
            Value::Buckets(buckets) => self.histogram(&names.stem, labels, &buckets),
        }
        if self.dialect == Dialect::OpenMetrics
            && kind != Kind::Gauge
            && let Some(since) = labels.since.or(self.began)
        {
            self.name(&names.stem, "_created", labels);
            self.number(since.seconds());
        }
        if self.piece.len() >= PIECE_BYTES {
            self.out.write_all(self.piece.as_bytes())?;
            self.piece.clear();
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, labels: Rendered<'_>, buckets: &Buckets<'_>) {
        self.prefix.clear();
        let comma = if labels.is_empty() { "" } else { "," };
        for part in [
            name,
            "_bucket{",
            labels.base,
            labels.comma(),
            labels.extra,
            comma,
            "le=\"",
        ] {
            self.prefix.push_str(part);
        }
        let texts = self.bounds.of(buckets.grid, self.dialect);
        for (bucket, ((_, below), text)) in buckets.finite().zip(texts).enumerate() {
            self.piece.push_str(&self.prefix);
            self.piece.push_str(text);
            self.piece.push_str("\"} ");
            push_count(&mut self.piece, below);
            push_exemplar(&mut self.piece, self.dialect, buckets.exemplar(bucket));
            self.piece.push('\n');
        }
        let last = buckets.exemplar(texts.len());
        self.piece.push_str(&self.prefix);
        self.piece.push_str("+Inf\"} ");
        push_count(&mut self.piece, buckets.count);
        push_exemplar(&mut self.piece, self.dialect, last);
        self.piece.push('\n');
        self.name(name, "_sum", labels);
        self.number(buckets.sum);
        self.name(name, "_count", labels);
        self.count(" ", buckets.count);
    }

    fn count(&mut self, before: &str, count: u64) {
        self.piece.push_str(before);
        push_count(&mut self.piece, count);
        self.piece.push('\n');
    }

    fn number(&mut self, number: f64) {
        self.piece.push(' ');
        push_value(&mut self.piece, number);
        self.piece.push('\n');
    }

    fn name(&mut self, name: &str, suffix: &str, labels: Rendered<'_>) {
        self.push(&[name, suffix]);
        if !labels.is_empty() {
            self.push(&["{", labels.base, labels.comma(), labels.extra, "}"]);
        }
    }

    fn push(&mut self, parts: &[&str]) {
        for part in parts {
            self.piece.push_str(part);
        }
    }
}

/// Appends an exemplar to the line of its bucket. A trace has at most 32 digits, so that its label is never
/// longer than the 128 characters that are allowed.
fn push_exemplar(piece: &mut String, dialect: Dialect, exemplar: Option<&Exemplar>) {
    if let (Dialect::OpenMetrics, Some(exemplar)) = (dialect, exemplar) {
        piece.push_str(" # {trace_id=\"");
        piece.push_str(&exemplar.trace_id);
        piece.push_str("\"} ");
        push_value(piece, exemplar.value);
        piece.push(' ');
        push_value(piece, exemplar.at.seconds());
    }
}

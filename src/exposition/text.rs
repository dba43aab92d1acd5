//! The classic text format 0.0.4.
//!
//! Written by ourselves, because prometheus-client writes OpenMetrics only. Its reference is
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details>.

use std::fmt::{self, Write};

use super::family::{Buckets, Family, Value, families};
use super::labels::Rendered;
use super::number::{bound, push_count, push_value};
use super::page::Page;

/// Once a piece is this long it is handed on.
const PIECE_BYTES: usize = 16 << 10;

pub(super) fn write(page: &Page, out: &mut dyn Write) -> fmt::Result {
    let mut text = Text {
        out,
        piece: String::with_capacity(PIECE_BYTES + (PIECE_BYTES >> 2)),
        bounds: Bounds::default(),
        prefix: String::new(),
    };
    for family in families() {
        let name = family.name();
        let mut begun = false;
        family.samples(page, &mut |labels, value| {
            if !std::mem::replace(&mut begun, true) {
                text.header(family, &name)?;
            }
            text.sample(&name, labels, value)
        })?;
    }
    text.out.write_str(&text.piece)
}

struct Text<'a> {
    out: &'a mut dyn Write,
    piece: String,
    bounds: Bounds,
    /// What the bucket lines of one histogram begin with; kept for its capacity.
    prefix: String,
}

/// The spelling of the last grid's finite bounds: neighbours on the page mostly share their grid.
#[derive(Default)]
struct Bounds {
    grid: Vec<f64>,
    texts: Vec<String>,
}

impl Bounds {
    fn of(&mut self, grid: &[f64]) -> &[String] {
        if self.grid != grid {
            self.grid = grid.to_vec();
            let finite = grid.iter().filter(|value| value.is_finite());
            self.texts = finite.map(|value| bound(*value)).collect();
        }
        &self.texts
    }
}

impl Text<'_> {
    fn header(&mut self, family: &Family, name: &str) -> fmt::Result {
        // The type line of a counter has its whole name here, other than in OpenMetrics.
        let (help, kind) = (family.help, family.kind.as_str());
        writeln!(self.piece, "# HELP {name} {help}")?;
        writeln!(self.piece, "# TYPE {name} {kind}")
    }

    fn sample(&mut self, name: &str, labels: Rendered<'_>, value: Value<'_>) -> fmt::Result {
        match value {
            Value::Count(count) => {
                self.name(name, "", labels);
                self.count(" ", count);
            }
            Value::Number(number) => {
                self.name(name, "", labels);
                self.number(number);
            }
            Value::Buckets(buckets) => self.histogram(name, labels, &buckets),
        }
        if self.piece.len() >= PIECE_BYTES {
            self.out.write_str(&self.piece)?;
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
        let mut below = 0;
        let texts = self.bounds.of(buckets.grid);
        for ((_, count), text) in buckets.finite().zip(texts) {
            below += count;
            self.piece.push_str(&self.prefix);
            self.piece.push_str(text);
            self.piece.push_str("\"} ");
            push_count(&mut self.piece, below);
            self.piece.push('\n');
        }
        self.piece.push_str(&self.prefix);
        self.count("+Inf\"} ", buckets.count);
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
        self.piece.push_str(name);
        self.piece.push_str(suffix);
        if !labels.is_empty() {
            for part in ["{", labels.base, labels.comma(), labels.extra, "}"] {
                self.piece.push_str(part);
            }
        }
    }
}

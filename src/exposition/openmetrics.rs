//! OpenMetrics 1.0 text, by prometheus-client.

use std::fmt::{self, Write};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit as ClientUnit};

use super::family::{Family, Kind, Unit, Value, families};
use super::labels::Rendered;
use super::number::open_metrics_bound;
use super::page::Page;

/// Once a piece is this long it is handed on.
const PIECE_BYTES: usize = 16 << 10;

pub(super) fn write(page: Page, out: &mut dyn Write) -> fmt::Result {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(page));
    let mut canonical = Canonical {
        out,
        piece: String::with_capacity(PIECE_BYTES + (PIECE_BYTES >> 2)),
        seen: Seen::Other,
    };
    text::encode(&mut canonical, &registry)?;
    canonical.out.write_str(&canonical.piece)
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut buckets = Vec::new();
        for family in families() {
            // The header is written with the first sample: a header alone would be noise.
            let mut descriptor = Some(&mut encoder);
            let mut metric = None;
            family.samples(self, &mut |labels, value| {
                if let Some(descriptor) = descriptor.take() {
                    metric = Some(begin(descriptor, family)?);
                }
                let metric = metric.as_mut().ok_or(fmt::Error)?;
                if labels.is_empty() {
                    sample(metric, family.kind, value, &mut buckets)
                } else {
                    let mut metric = metric.encode_family(&labels)?;
                    sample(&mut metric, family.kind, value, &mut buckets)
                }
            })?;
        }
        Ok(())
    }
}

fn begin<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    family: &Family,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    // Bare names: the crate appends unit and suffix. It neither escapes help nor, for collectors, ends it with a dot.
    let unit = family.unit.map(|unit| match unit {
        Unit::Bytes => &ClientUnit::Bytes,
        Unit::Seconds => &ClientUnit::Seconds,
    });
    let kind = match family.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    encoder.encode_descriptor(family.base(), family.help, unit, kind)
}

/// `scratch` is for the buckets of a histogram, so that they need no allocation each.
fn sample(
    metric: &mut MetricEncoder<'_>,
    kind: Kind,
    value: Value<'_>,
    scratch: &mut Vec<(f64, u64)>,
) -> fmt::Result {
    match (value, kind) {
        (Value::Count(count), Kind::Counter) => {
            metric.encode_counter::<NoLabelSet, _, f64>(&count, None)
        }
        (Value::Number(number), Kind::Counter) => {
            metric.encode_counter::<NoLabelSet, _, f64>(&number, None)
        }
        (Value::Count(count), _) => metric.encode_gauge(&count),
        (Value::Number(number), _) => metric.encode_gauge(&number),
        (Value::Buckets(buckets), _) => {
            scratch.clear();
            scratch.extend(buckets.finite());
            let below: u64 = scratch.iter().map(|(_, count)| count).sum();
            scratch.push((f64::INFINITY, buckets.count.saturating_sub(below)));
            metric.encode_histogram::<NoLabelSet>(buckets.sum, buckets.count, scratch, None)
        }
    }
}

impl EncodeLabelSet for Rendered<'_> {
    /// Writes all labels at once. The crate would write each of their pieces by itself, on every line; its encoder of
    /// names hands text on as it is.
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let mut label = encoder.encode_label();
        let mut name = label.encode_label_key()?;
        name.write_str(self.base)?;
        if !self.extra.is_empty() {
            name.write_str(self.comma())?;
            name.write_str(self.extra)?;
        }
        Ok(())
    }
}

/// Puts the numbers that the crate spells in its own way right, and gathers its many small pieces.
///
/// The crate writes a number by itself, in one piece, and labels come rendered; so what is compared here can be nothing
/// that a client has sent.
struct Canonical<'a> {
    out: &'a mut dyn Write,
    piece: String,
    seen: Seen,
}

/// How far into a `le` label we are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Other,
    Name,
    Equals,
}

impl Write for Canonical<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let seen = self.seen;
        self.seen = Seen::Other;
        if seen == Seen::Equals {
            self.push_bound(text);
            return Ok(());
        }
        // A page is some hundred thousand pieces; most are told apart by their length.
        let text = match text.len() {
            2 if text == "le" => {
                self.seen = Seen::Name;
                text
            }
            2 if seen == Seen::Name && text == "=\"" => {
                self.seen = Seen::Equals;
                text
            }
            // An infinite gauge or sum.
            3 if text == "inf" => "+Inf",
            4 if text == "-inf" => "-Inf",
            _ => text,
        };
        self.piece.push_str(text);
        if self.piece.len() >= PIECE_BYTES {
            self.out.write_str(&self.piece)?;
            self.piece.clear();
        }
        Ok(())
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        self.seen = Seen::Other;
        self.piece.push(character);
        Ok(())
    }
}

impl Canonical<'_> {
    /// Bounds from 0.0001 to 999999 are canonical already; others have to be as `1e+06`.
    fn push_bound(&mut self, text: &str) {
        let whole = text.bytes().position(|byte| byte == b'.');
        let is_canonical = whole.is_some_and(|digits| digits <= 6)
            && !text.contains('e')
            && !text.starts_with("0.0000");
        if !is_canonical
            && let Ok(bound) = text.parse::<f64>()
            && bound.is_finite()
        {
            self.piece.push_str(&open_metrics_bound(bound));
        } else {
            self.piece.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_crate_are_put_right_and_nothing_else() {
        for (pieces, expected) in [
            (
                &["a{", "le", "=\"", "1000000.0", "\"", "} 1"][..],
                r#"a{le="1e+06"} 1"#,
            ),
            (
                &["a{", "le", "=\"", "0.005", "\"", "} 1"],
                r#"a{le="0.005"} 1"#,
            ),
            (
                &["a{", "le", "=\"", "2.5e-7", "\"", "} 1"],
                r#"a{le="2.5e-07"} 1"#,
            ),
            (
                &["a{", "le", "=\"", "+Inf", "\"", "} 1"],
                r#"a{le="+Inf"} 1"#,
            ),
            (&["a", " ", "inf", "\n", "b", " ", "-inf"], "a +Inf\nb -Inf"),
            (
                &["a{", "x=\"inf\"", "} ", "1000000.0"],
                "a{x=\"inf\"} 1000000.0",
            ),
            (
                &["a{", "le", "x=\"", "1000000.0", "\"}"],
                "a{lex=\"1000000.0\"}",
            ),
        ] {
            let mut found = String::new();
            let mut canonical = Canonical {
                out: &mut found,
                piece: String::new(),
                seen: Seen::Other,
            };
            for piece in pieces {
                canonical.write_str(piece).unwrap();
            }
            let Canonical { out, piece, .. } = canonical;
            out.write_str(&piece).unwrap();
            assert_eq!(found, expected);
        }
    }
}

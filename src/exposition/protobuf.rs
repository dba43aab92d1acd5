//! Prometheus' protobuf format: a stream of `MetricFamily` messages, each with its length before it.
//!
//! The only format of a scrape that has native histograms; the classic ones stand beside them. The messages are
//! the part of `io.prometheus.client` that we fill
//! (<https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto>).

use std::io::{self, Write};

use prost::Message;
use prost::encoding::{
    WireType, double, encode_key, encode_varint, encoded_len_varint, key_len, message, uint64,
};

use super::family::{Buckets, Family, Kind, Value, families};
use super::labels::Rendered;
use super::page::Page;
use crate::engine::measurement::count;
use crate::engine::sketch::Sketch;
use crate::engine::store::Exemplar as StoredExemplar;
use crate::engine::time::Timestamp as Time;

/// Once a piece is this long it is handed on.
const PIECE_BYTES: usize = 16 << 10;

/// Values up to here count as zero in a native histogram; what Prometheus' own clients use.
const ZERO_THRESHOLD: f64 = f64::from_bits((1023 - 128) << 52);
const ZERO_EXPONENT: i32 = -128;

/// The number of the field `metric` in a `MetricFamily`.
const METRIC_FIELD: u32 = 4;

/// A family up to this long is written from memory; a longer one is gone through twice.
const HELD_BYTES: usize = 256 << 10;

pub(super) fn write(page: &Page, out: &mut dyn Write) -> io::Result<()> {
    let mut piece = Vec::with_capacity(PIECE_BYTES + (PIECE_BYTES >> 2));
    let mut held = Vec::new();
    let mut metric = Encoder::new(page.began());
    for family in families() {
        // A message begins with its length. So what does not fit is forgotten again but for its length, and memory
        // stays flat however many series there are.
        let mut length = 0;
        held.clear();
        family.samples(page, &mut |labels, value| {
            let bytes = metric.encode(family.kind, labels, value);
            length += key_len(METRIC_FIELD) + encoded_len_varint(bytes.len() as u64) + bytes.len();
            if length <= HELD_BYTES {
                push_bytes(METRIC_FIELD, bytes, &mut held);
            }
            Ok(())
        })?;
        if length == 0 {
            continue;
        }
        let header = MetricFamily::of(family);
        encode_varint((header.encoded_len() + length) as u64, &mut piece);
        header.encode_raw(&mut piece);
        if length <= HELD_BYTES {
            for part in held.chunks(PIECE_BYTES >> 2) {
                piece.extend_from_slice(part);
                pass_on(&mut piece, out)?;
            }
            continue;
        }
        family.samples(page, &mut |labels, value| {
            let bytes = metric.encode(family.kind, labels, value);
            push_bytes(METRIC_FIELD, bytes, &mut piece);
            pass_on(&mut piece, out)
        })?;
    }
    out.write_all(&piece)
}

/// Writes what has gathered, once it is long enough.
fn pass_on(piece: &mut Vec<u8>, out: &mut dyn Write) -> io::Result<()> {
    if piece.len() >= PIECE_BYTES {
        out.write_all(piece)?;
        piece.clear();
    }
    Ok(())
}

/// Encodes one `Metric` after the other. Labels and classic buckets, which are most of a page, are spelled out
/// here: as messages of their own each would be allocated first.
struct Encoder {
    /// When counters began of which nothing better is known.
    began: Option<Time>,
    metric: Vec<u8>,
    histogram: Vec<u8>,
    part: Vec<u8>,
}

impl Encoder {
    fn new(began: Option<Time>) -> Self {
        Self {
            began,
            metric: Vec::new(),
            histogram: Vec::new(),
            part: Vec::new(),
        }
    }

    /// The message without its length.
    fn encode(&mut self, kind: Kind, labels: Rendered<'_>, value: Value<'_>) -> &[u8] {
        self.metric.clear();
        for (name, value) in labels.pairs() {
            self.part.clear();
            push_bytes(1, name.as_bytes(), &mut self.part);
            push_bytes(2, value.as_bytes(), &mut self.part);
            push_bytes(1, &self.part, &mut self.metric);
        }
        let created_timestamp = labels.since.or(self.began).map(Timestamp::of);
        let number = match value {
            Value::Count(n) => count(n),
            Value::Number(number) => number,
            Value::Buckets(buckets) => {
                self.encode_histogram(&buckets, created_timestamp);
                return &self.metric;
            }
        };
        let value = Some(number);
        if kind == Kind::Counter {
            let counter = Counter {
                value,
                created_timestamp,
            };
            message::encode(3, &counter, &mut self.metric);
        } else {
            message::encode(2, &Gauge { value }, &mut self.metric);
        }
        &self.metric
    }

    fn encode_histogram(&mut self, buckets: &Buckets<'_>, created_timestamp: Option<Timestamp>) {
        self.histogram.clear();
        let whole = Histogram {
            created_timestamp,
            ..Histogram::of(buckets)
        };
        whole.encode_raw(&mut self.histogram);
        let classic = buckets.finite().chain([(f64::INFINITY, buckets.count)]);
        for (place, (bound, below)) in classic.enumerate() {
            self.part.clear();
            uint64::encode(1, &below, &mut self.part);
            double::encode(2, &bound, &mut self.part);
            if let Some(exemplar) = buckets.exemplar(place) {
                message::encode(3, &Exemplar::of(exemplar), &mut self.part);
            }
            push_bytes(3, &self.part, &mut self.histogram);
        }
        push_bytes(7, &self.histogram, &mut self.metric);
    }
}

/// Appends a field that has its length before it: a message or a string.
fn push_bytes(field: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Everything of a family but its metrics, which are written one by one.
#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    help: Option<String>,
    #[prost(enumeration = "MetricType", optional, tag = "3")]
    kind: Option<i32>,
    #[prost(string, optional, tag = "5")]
    unit: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
enum MetricType {
    Counter = 0,
    Gauge = 1,
    Histogram = 4,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Gauge {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Counter {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
    #[prost(message, optional, tag = "3")]
    created_timestamp: Option<Timestamp>,
}

/// Without its classic buckets, which are written one by one.
#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<BucketSpan>,
    #[prost(sint64, repeated, packed = "false", tag = "13")]
    positive_delta: Vec<i64>,
    #[prost(message, optional, tag = "15")]
    created_timestamp: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct BucketSpan {
    #[prost(sint32, optional, tag = "1")]
    offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    length: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(double, optional, tag = "2")]
    value: Option<f64>,
    #[prost(message, optional, tag = "3")]
    timestamp: Option<Timestamp>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl MetricFamily {
    fn of(family: &Family) -> Self {
        let kind = match family.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
        };
        Self {
            name: Some(family.name()),
            help: Some(family.help.to_owned()),
            kind: Some(kind.into()),
            unit: family.unit.map(|unit| unit.as_str().to_owned()),
        }
    }
}

impl LabelPair {
    fn of(name: &str, value: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            value: Some(value.to_owned()),
        }
    }
}

impl Histogram {
    fn of(buckets: &Buckets<'_>) -> Self {
        let mut histogram = Self {
            sample_count: Some(buckets.count),
            sample_sum: Some(buckets.sum),
            ..Self::default()
        };
        if let Some(native) = buckets.native {
            histogram.add_native(native);
        }
        histogram
    }

    /// Adds the exponential buckets: runs of neighbours as spans, counts as differences to the one before.
    fn add_native(&mut self, native: &Sketch) {
        let scale = i32::from(native.scale());
        let zero_up_to = match u32::try_from(scale) {
            Ok(finer) => ZERO_EXPONENT << finer,
            Err(_) => ZERO_EXPONENT >> scale.unsigned_abs(),
        };
        let mut zeros = native.zeros();
        let mut next = 0;
        let mut before = 0;
        for (index, n) in native.positive() {
            if index <= zero_up_to {
                zeros += n;
                continue;
            }
            let n = n.cast_signed();
            match self.positive_span.last_mut() {
                Some(BucketSpan { length, .. }) if index == next => {
                    *length = length.map(|length| length + 1);
                }
                _ => self.positive_span.push(BucketSpan {
                    offset: Some(index - next),
                    length: Some(1),
                }),
            }
            self.positive_delta.push(n - before);
            (next, before) = (index + 1, n);
        }
        if self.positive_span.is_empty() {
            // Without any span a reader takes it for a classic histogram.
            self.positive_span.push(BucketSpan {
                offset: Some(0),
                length: Some(0),
            });
        }
        self.schema = Some(scale);
        self.zero_threshold = Some(ZERO_THRESHOLD);
        self.zero_count = Some(zeros);
    }
}

impl Exemplar {
    fn of(stored: &StoredExemplar) -> Self {
        Self {
            label: vec![LabelPair::of("trace_id", &stored.trace_id)],
            value: Some(stored.value),
            timestamp: Some(Timestamp::of(stored.at)),
        }
    }
}

impl Timestamp {
    fn of(time: Time) -> Self {
        let millis = time.millis();
        Self {
            seconds: millis.div_euclid(1_000),
            nanos: i32::try_from(millis.rem_euclid(1_000)).unwrap_or_default() * 1_000_000,
        }
    }
}

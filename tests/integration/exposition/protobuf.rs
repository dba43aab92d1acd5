//! Reads a protobuf page back, by messages of its own: what the other formats say, and what only this one does.

use std::collections::BTreeMap;

use prost::Message;

/// A page by name and labels, spelled as in the classic format.
#[derive(Default)]
pub struct Page {
    pub samples: BTreeMap<(String, Labels), f64>,
    pub created: BTreeMap<(String, Labels), f64>,
    pub native: BTreeMap<(String, Labels), Native>,
    /// Upper bound of the bucket; trace, value and Unix time.
    pub exemplars: Vec<(f64, (String, f64, u64))>,
}

type Labels = BTreeMap<String, String>;

pub struct Native {
    pub schema: i32,
    pub zeros: u64,
    pub buckets: BTreeMap<i32, u64>,
}

#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    help: String,
    #[prost(int32, tag = "3")]
    kind: i32,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
    #[prost(string, tag = "5")]
    unit: String,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Number>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Number>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Number {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(message, optional, tag = "3")]
    created: Option<Time>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(double, tag = "2")]
    sum: f64,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<Bucket>,
    #[prost(sint32, tag = "5")]
    schema: i32,
    #[prost(double, tag = "6")]
    zero_threshold: f64,
    #[prost(uint64, tag = "7")]
    zero_count: u64,
    #[prost(message, repeated, tag = "12")]
    span: Vec<Span>,
    #[prost(sint64, repeated, tag = "13")]
    delta: Vec<i64>,
    #[prost(message, optional, tag = "15")]
    created: Option<Time>,
}

#[derive(Clone, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, tag = "1")]
    below: u64,
    #[prost(double, tag = "2")]
    bound: f64,
    #[prost(message, optional, tag = "3")]
    exemplar: Option<Exemplar>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(sint32, tag = "1")]
    offset: i32,
    #[prost(uint32, tag = "2")]
    length: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(message, optional, tag = "3")]
    at: Option<Time>,
}

#[derive(Clone, PartialEq, Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// Reads every message of a page; each family may be there once.
pub fn read(mut bytes: &[u8]) -> Page {
    let mut page = Page::default();
    let mut names = Vec::new();
    while !bytes.is_empty() {
        let family = MetricFamily::decode_length_delimited(&mut bytes).unwrap();
        assert!(!names.contains(&family.name), "{} twice", family.name);
        assert!(
            !family.help.is_empty() && !family.metric.is_empty(),
            "{family:?}"
        );
        for metric in family.metric {
            page.add(&family.name, family.kind, metric);
        }
        names.push(family.name);
    }
    page
}

impl Page {
    fn add(&mut self, name: &str, kind: i32, metric: Metric) {
        let pairs = metric.label.into_iter().map(|pair| (pair.name, pair.value));
        let labels: Labels = pairs.collect();
        let stem = name.strip_suffix("_total").unwrap_or(name);
        let created = match (kind, metric.counter, metric.gauge, metric.histogram) {
            (0, Some(counter), None, None) => {
                self.insert(name, &labels, counter.value);
                counter.created
            }
            (1, None, Some(gauge), None) => {
                self.insert(name, &labels, gauge.value);
                None
            }
            (4, None, None, Some(histogram)) => {
                let created = histogram.created.clone();
                self.add_histogram(name, &labels, histogram);
                created
            }
            other => panic!("{name}: {other:?}"),
        };
        if let Some(created) = created {
            let seconds = created.seconds as f64 + f64::from(created.nanos) / 1e9;
            let name = format!("{stem}_created");
            self.created.insert((name, labels), seconds);
        }
    }

    fn add_histogram(&mut self, name: &str, labels: &Labels, histogram: Histogram) {
        self.insert(&format!("{name}_count"), labels, histogram.count as f64);
        self.insert(&format!("{name}_sum"), labels, histogram.sum);
        for bucket in histogram.bucket {
            let mut labels = labels.clone();
            labels.insert("le".to_owned(), bucket.bound.to_string());
            self.insert(&format!("{name}_bucket"), &labels, bucket.below as f64);
            if let Some(Exemplar { label, value, at }) = bucket.exemplar {
                assert_eq!(label.len(), 1);
                let at = u64::try_from(at.unwrap().seconds).unwrap();
                let exemplar = (label[0].value.clone(), value, at);
                self.exemplars.push((bucket.bound, exemplar));
            }
        }
        if !histogram.span.is_empty() {
            assert_eq!(histogram.zero_threshold, 2f64.powi(-128));
            let mut native = Native {
                schema: histogram.schema,
                zeros: histogram.zero_count,
                buckets: BTreeMap::new(),
            };
            let (mut index, mut count) = (0, 0);
            let mut deltas = histogram.delta.into_iter();
            for span in histogram.span {
                index += span.offset;
                for _ in 0..span.length {
                    count += deltas.next().unwrap();
                    native.buckets.insert(index, u64::try_from(count).unwrap());
                    index += 1;
                }
            }
            assert_eq!(deltas.next(), None);
            self.native
                .insert((name.to_owned(), labels.clone()), native);
        }
    }

    fn insert(&mut self, name: &str, labels: &Labels, value: f64) {
        let before = self
            .samples
            .insert((name.to_owned(), labels.clone()), value);
        assert_eq!(before, None, "{name} {labels:?} occurs twice");
    }
}

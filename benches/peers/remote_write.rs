//! Requests in Prometheus' remote-write protocol, version 1.

use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// Samples of series of its own, in order of time, as a receiver wants them.
pub struct Series {
    timeseries: Vec<TimeSeries>,
    millis: i64,
}

const METRICS: [&str; 5] = [
    "duration_seconds",
    "cpu_cores",
    "memory_bytes",
    "memory_peak_bytes",
    "samples",
];

impl Series {
    /// Five series for each of so many operations, of the connection with that number.
    pub fn new(operations: usize, connection: usize) -> Self {
        let label = |name: &str, value: String| Label {
            name: name.to_owned(),
            value,
        };
        let series = |operation: usize, metric: &str| TimeSeries {
            labels: vec![
                label("__name__", metric.to_owned()),
                label("algorithm", format!("iforest{connection}")),
                label("operation", format!("op{operation}")),
            ],
            samples: Vec::new(),
        };
        let all =
            (0..operations).flat_map(|operation| METRICS.map(|metric| series(operation, metric)));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self {
            timeseries: all.collect(),
            millis: i64::try_from(now.as_millis()).unwrap() - 60_000,
        }
    }

    /// The next `measurements` of all operations together, as a body.
    pub fn next(&mut self, measurements: usize, value: impl Fn(usize) -> f64) -> Vec<u8> {
        let operations = self.timeseries.len() / METRICS.len();
        for series in &mut self.timeseries {
            series.samples.clear();
        }
        for n in 0..measurements {
            let (operation, time) = (n % operations, self.millis + (n / operations) as i64);
            let values = [value(n), 0.8, 104_857_600.0, 209_715_200.0, 1_000.0];
            for (place, value) in values.into_iter().enumerate() {
                self.timeseries[operation * METRICS.len() + place]
                    .samples
                    .push(Sample {
                        value,
                        timestamp: time,
                    });
            }
        }
        self.millis += measurements.div_ceil(operations) as i64;
        let request = WriteRequest {
            timeseries: self.timeseries.clone(),
        };
        snappy(&request.encode_to_vec())
    }
}

/// A block in Snappy's format that holds the bytes as they are, in literals: compressing is the sender's pleasure.
fn snappy(bytes: &[u8]) -> Vec<u8> {
    let mut block = Vec::with_capacity(bytes.len() + bytes.len() / 1_000 + 16);
    prost::encoding::encode_varint(bytes.len() as u64, &mut block);
    for part in bytes.chunks(65_536) {
        // A tag that says that two bytes of the length less one follow.
        block.push(61 << 2);
        block.extend_from_slice(&u16::try_from(part.len() - 1).unwrap().to_le_bytes());
        block.extend_from_slice(part);
    }
    block
}

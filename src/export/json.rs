//! A measurement as a JSON object, as the ingest takes it.

use serde::{Serialize, Serializer};

use crate::engine::measurement::Measurement;
use crate::engine::time::Timestamp;

/// Appends the object of a measurement, without a line end.
pub(super) fn append(
    out: &mut Vec<u8>,
    at: Timestamp,
    measurement: &Measurement,
) -> serde_json::Result<()> {
    serde_json::to_writer(out, &Row::of(at, measurement))
}

/// A map in the order of its pairs.
pub(super) struct Map<'a, V>(pub(super) Vec<(&'a str, V)>);

impl<V> Map<'_, V> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<V: Serialize> Serialize for Map<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// One measurement under the names of the wire; what is absent is left out.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    pub(super) operation: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) algorithm: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) version: &'a str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) labels: Map<'a, &'a str>,
    #[serde(serialize_with = "as_text")]
    pub(super) timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) setup_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cleanup_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_cores: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_bytes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_peak_bytes: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) samples: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dataset_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_class: Option<&'a str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) quality: Map<'a, f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quality_samples: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trace_id: Option<&'a str>,
}

impl<'a> Row<'a> {
    pub(super) fn of(at: Timestamp, measurement: &'a Measurement) -> Self {
        let key = &measurement.key;
        let quality = measurement.quality.iter();
        Self {
            operation: key.operation(),
            algorithm: key.algorithm(),
            version: key.version(),
            labels: Map(key.labels().collect()),
            timestamp: at,
            duration_seconds: measurement.duration_seconds,
            setup_seconds: measurement.setup_seconds,
            cleanup_seconds: measurement.cleanup_seconds,
            cpu_cores: measurement.cpu_cores,
            memory_bytes: measurement.memory_bytes,
            memory_peak_bytes: measurement.memory_peak_bytes,
            samples: measurement.samples,
            dataset_size: measurement.dataset_size,
            // Saying how it ended would make an operation of a mere report.
            outcome: measurement
                .is_operation
                .then_some(measurement.outcome.as_str()),
            error_class: measurement.error_class.as_deref(),
            quality: Map(quality.map(|(name, value)| (&**name, *value)).collect()),
            quality_samples: measurement.quality_samples,
            id: measurement.id.as_deref(),
            trace_id: measurement.trace_id.as_deref(),
        }
    }
}

fn as_text<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

//! One report about an operation, checked once at the border and trusted everywhere after it.

use super::series::{FieldFault, Fnv1a, SeriesKey, check_text};
use super::time::Timestamp;

/// Most quality scores one measurement may carry.
pub const MAX_SCORES: usize = 32;
/// Most characters of a measurement's own id.
pub const MAX_ID_CHARS: usize = 128;

/// How an operation ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It did what it should.
    #[default]
    Success,
    /// It failed; its duration never mixes into latency, throughput or quality.
    Failure,
}

impl Outcome {
    /// The label value of the exposition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// The raw fields of a measurement, not yet checked; what the ways in fill.
#[derive(Clone, Debug, Default)]
pub struct Draft<'a> {
    /// Name of the operation; required.
    pub operation: &'a str,
    /// Algorithm or model name; empty when none.
    pub algorithm: &'a str,
    /// Model or build version; empty when none.
    pub version: &'a str,
    /// Further identity, at most eight, in any order.
    pub labels: Vec<(&'a str, &'a str)>,
    /// End of the operation; the time of receipt when absent.
    pub at: Option<Timestamp>,
    /// Seconds the operation took.
    pub duration_seconds: Option<f64>,
    /// Seconds of its setup phase.
    pub setup_seconds: Option<f64>,
    /// Seconds of its cleanup phase.
    pub cleanup_seconds: Option<f64>,
    /// Mean CPU in cores.
    pub cpu_cores: Option<f64>,
    /// Resident bytes at its end.
    pub memory_bytes: Option<f64>,
    /// Resident bytes at its peak.
    pub memory_peak_bytes: Option<f64>,
    /// Samples processed.
    pub samples: Option<u64>,
    /// Size of the data set.
    pub dataset_size: Option<u64>,
    /// How it ended; saying so makes the record an operation.
    pub outcome: Option<Outcome>,
    /// Class of the failure; empty when none.
    pub error_class: &'a str,
    /// Named scores.
    pub quality: Vec<(&'a str, f64)>,
    /// On how many samples the scores rest.
    pub quality_samples: Option<u64>,
    /// Identifies the report, so that a repeat counts once; empty when none.
    pub id: &'a str,
    /// Trace that the operation belongs to, in hex; empty when none.
    pub trace_id: &'a str,
}

impl Draft<'_> {
    /// The checked identity of its series.
    ///
    /// # Errors
    /// The first part of it that is not allowed.
    pub fn key(&mut self) -> Result<SeriesKey, FieldFault> {
        SeriesKey::new(
            self.operation,
            self.algorithm,
            self.version,
            &mut self.labels,
        )
    }
}

/// One checked report. All numbers are finite and not negative, except scores, which may be negative.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Whose it is.
    pub key: SeriesKey,
    /// End of the operation; the time of receipt when absent.
    pub at: Option<Timestamp>,
    /// Whether it counts as an operation in rates (it has a duration or an explicit outcome).
    pub is_operation: bool,
    /// How the operation ended.
    pub outcome: Outcome,
    /// Class of the failure.
    pub error_class: Option<Box<str>>,
    /// Seconds the operation took.
    pub duration_seconds: Option<f64>,
    /// Seconds of its setup phase.
    pub setup_seconds: Option<f64>,
    /// Seconds of its cleanup phase.
    pub cleanup_seconds: Option<f64>,
    /// Mean CPU in cores.
    pub cpu_cores: Option<f64>,
    /// Resident bytes at its end.
    pub memory_bytes: Option<f64>,
    /// Resident bytes at its peak.
    pub memory_peak_bytes: Option<f64>,
    /// Samples processed.
    pub samples: Option<u64>,
    /// Size of the data set.
    pub dataset_size: Option<u64>,
    /// Named scores, in the order given.
    pub quality: Vec<(Box<str>, f64)>,
    /// On how many samples the scores rest.
    pub quality_samples: Option<u64>,
    /// The report's own id, as it was given.
    pub id: Option<Box<str>>,
    /// Trace that the operation belongs to, 1 to 32 hex digits.
    pub trace_id: Option<Box<str>>,
}

impl Measurement {
    /// Checks a draft.
    ///
    /// # Errors
    /// The first field that is missing, out of range or ill-formed.
    pub fn new(mut draft: Draft<'_>) -> Result<Self, FieldFault> {
        let key = draft.key()?;
        Self::of(key, &draft)
    }

    /// Checks a draft whose key has been made before.
    ///
    /// # Errors
    /// The first other field that is out of range or ill-formed.
    pub fn of(key: SeriesKey, draft: &Draft<'_>) -> Result<Self, FieldFault> {
        check_numbers(draft)?;
        if !draft.error_class.is_empty() {
            check_text("error_class", draft.error_class)?;
            if draft.outcome != Some(Outcome::Failure) {
                return Err(FieldFault::new(
                    "error_class",
                    format!(
                        "{:?} is given without `outcome: failure`",
                        draft.error_class
                    ),
                ));
            }
        }
        if draft.quality.len() > MAX_SCORES {
            return Err(FieldFault::new(
                "quality",
                format!(
                    "{} scores given; at most {MAX_SCORES} are allowed",
                    draft.quality.len()
                ),
            ));
        }
        for (index, (name, value)) in draft.quality.iter().enumerate() {
            check_score(name, *value)?;
            // A row has one value a column; a second one would shift the column against its times.
            if draft.quality.iter().take(index).any(|(n, _)| n == name) {
                return Err(FieldFault::new(format!("quality.{name}"), "is given twice"));
            }
        }
        let id_chars = draft.id.chars().count();
        if id_chars > MAX_ID_CHARS {
            return Err(FieldFault::new(
                "id",
                format!("has {id_chars} characters; at most {MAX_ID_CHARS} are allowed"),
            ));
        }
        if draft.trace_id.len() > 32 || !draft.trace_id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(FieldFault::new(
                "trace_id",
                format!(
                    "{:?} is not allowed; 1 to 32 hex digits are",
                    draft.trace_id
                ),
            ));
        }
        Ok(Self {
            key,
            at: draft.at,
            is_operation: draft.duration_seconds.is_some() || draft.outcome.is_some(),
            outcome: draft.outcome.unwrap_or_default(),
            error_class: some_text(draft.error_class),
            duration_seconds: draft.duration_seconds,
            setup_seconds: draft.setup_seconds,
            cleanup_seconds: draft.cleanup_seconds,
            cpu_cores: draft.cpu_cores,
            memory_bytes: draft.memory_bytes,
            memory_peak_bytes: draft.memory_peak_bytes,
            samples: draft.samples,
            dataset_size: draft.dataset_size,
            quality: draft
                .quality
                .iter()
                .map(|(name, value)| ((*name).into(), *value))
                .collect(),
            quality_samples: draft.quality_samples,
            id: some_text(draft.id),
            trace_id: some_text(draft.trace_id),
        })
    }

    /// Samples per second, where both are known, the duration is not zero and the result is finite.
    pub fn throughput(&self) -> Option<f64> {
        let (samples, seconds) = (self.samples?, self.duration_seconds?);
        (seconds > 0.0)
            .then(|| count(samples) / seconds)
            .filter(|throughput| throughput.is_finite())
    }

    /// CPU seconds the operation used, where its mean CPU and duration are known and the result is finite.
    pub fn cpu_seconds(&self) -> Option<f64> {
        Some(self.cpu_cores? * self.duration_seconds?).filter(|seconds| seconds.is_finite())
    }
}

/// A count as a float; exact up to 2^53, which no real count passes.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts beyond 2^53 lose only the last digits"
)]
pub fn count(n: u64) -> f64 {
    n as f64
}

fn check_numbers(draft: &Draft<'_>) -> Result<(), FieldFault> {
    let numbers = [
        draft.duration_seconds,
        draft.setup_seconds,
        draft.cleanup_seconds,
        draft.cpu_cores,
        draft.memory_bytes,
        draft.memory_peak_bytes,
    ];
    let good = |number: &Option<f64>| number.is_none_or(|n| (0.0..=f64::MAX).contains(&n));
    let fields = [
        "duration_seconds",
        "setup_seconds",
        "cleanup_seconds",
        "cpu_cores",
        "memory_bytes",
        "memory_peak_bytes",
    ];
    match numbers.iter().zip(fields).find(|(number, _)| !good(number)) {
        Some((Some(number), field)) => Err(FieldFault::new(
            field,
            format!("{number} is not allowed; a finite number of at least 0 is"),
        )),
        _ => Ok(()),
    }
}

fn some_text(text: &str) -> Option<Box<str>> {
    (!text.is_empty()).then(|| text.into())
}

/// The 64-bit hash under which an id is remembered.
pub(super) fn hash(text: &str) -> u64 {
    let mut hash = Fnv1a::new();
    hash.add(text.as_bytes());
    hash.finish()
}

fn check_score(name: &str, value: f64) -> Result<(), FieldFault> {
    let well_formed = super::series::is_label_name(name) && name.len() <= 64;
    if !well_formed {
        return Err(FieldFault::new(
            "quality",
            format!("{name:?} is no score name; letters, digits and `_`, at most 64"),
        ));
    }
    let field = format!("quality.{name}");
    if MetricName::is_taken(name) {
        return Err(FieldFault::new(
            field,
            "is the name of a metric; a score needs another",
        ));
    }
    if !value.is_finite() {
        return Err(FieldFault::new(
            field,
            format!("{value} is not allowed; a finite number is"),
        ));
    }
    Ok(())
}

use super::metric::MetricName;

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft<'static> {
        Draft {
            operation: "detect",
            duration_seconds: Some(2.0),
            ..Draft::default()
        }
    }

    #[test]
    fn numbers_outside_their_range_are_refused_by_field() {
        for bad in [f64::NAN, f64::INFINITY, -1.0] {
            let fault = Measurement::new(Draft {
                cpu_cores: Some(bad),
                ..draft()
            })
            .unwrap_err();
            assert_eq!(fault.field, "cpu_cores");
            assert!(fault.reason.starts_with(&bad.to_string()), "{fault:?}");
        }
    }

    #[test]
    fn scores_may_be_negative_but_not_named_like_a_metric() {
        let with = |name: &'static str, value| {
            Measurement::new(Draft {
                quality: vec![(name, value)],
                ..draft()
            })
        };
        assert!(with("r2", -0.5).is_ok());
        assert_eq!(with("duration", 0.5).unwrap_err().field, "quality.duration");
        assert_eq!(with("f1", f64::NAN).unwrap_err().field, "quality.f1");
        assert_eq!(with("f-1", 0.5).unwrap_err().field, "quality");
        let twice = Measurement::new(Draft {
            quality: vec![("f1", 0.5), ("r2", 0.1), ("f1", 0.6)],
            ..draft()
        })
        .unwrap_err();
        assert_eq!(
            (&*twice.field, &*twice.reason),
            ("quality.f1", "is given twice")
        );
    }

    #[test]
    fn what_is_computed_from_extreme_numbers_is_finite_or_absent() {
        let extreme = Measurement::new(Draft {
            samples: Some(1),
            duration_seconds: Some(5e-324),
            ..draft()
        })
        .unwrap();
        assert_eq!(extreme.throughput(), None);
        let extreme = Measurement::new(Draft {
            cpu_cores: Some(1e300),
            duration_seconds: Some(1e300),
            ..draft()
        })
        .unwrap();
        assert_eq!(extreme.cpu_seconds(), None);
    }

    #[test]
    fn an_operation_has_a_duration_or_says_how_it_ended() {
        for (duration_seconds, outcome, expected) in [
            (Some(1.0), None, true),
            (None, Some(Outcome::Failure), true),
            (None, None, false),
        ] {
            let measurement = Measurement::new(Draft {
                duration_seconds,
                outcome,
                ..draft()
            })
            .unwrap();
            assert_eq!(measurement.is_operation, expected);
        }
    }

    #[test]
    fn throughput_needs_samples_and_a_duration_that_is_not_zero() {
        for (samples, duration_seconds, expected) in [
            (Some(100), Some(2.0), Some(50.0)),
            (Some(0), Some(2.0), Some(0.0)),
            (Some(100), Some(0.0), None),
            (None, Some(2.0), None),
            (Some(100), None, None),
        ] {
            let measurement = Measurement::new(Draft {
                samples,
                duration_seconds,
                ..draft()
            })
            .unwrap();
            assert_eq!(measurement.throughput(), expected);
        }
    }
}

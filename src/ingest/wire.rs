//! Private wire types of JSON records: borrowed from the body, lenient in form, strict in meaning.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use crate::engine::measurement::{Draft, Outcome};
use crate::engine::time::Timestamp;

/// One record as it stands in JSON.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    pub(super) operation: Text<'a>,
    #[serde(borrow)]
    pub(super) algorithm: Text<'a>,
    #[serde(borrow)]
    pub(super) version: Text<'a>,
    #[serde(borrow)]
    pub(super) labels: Pairs<'a, Text<'a>>,
    pub(super) timestamp: Option<Moment>,
    pub(super) duration_seconds: Option<f64>,
    pub(super) setup_seconds: Option<f64>,
    pub(super) cleanup_seconds: Option<f64>,
    pub(super) cpu_cores: Option<f64>,
    pub(super) memory_bytes: Option<f64>,
    pub(super) memory_peak_bytes: Option<f64>,
    pub(super) samples: Option<Whole>,
    pub(super) dataset_size: Option<Whole>,
    pub(super) outcome: Option<WireOutcome>,
    #[serde(borrow)]
    pub(super) error_class: Text<'a>,
    #[serde(borrow)]
    pub(super) quality: Pairs<'a, f64>,
    pub(super) quality_samples: Option<Whole>,
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) trace_id: Text<'a>,
}

impl Record<'_> {
    /// The record as a draft, not yet checked.
    pub(super) fn draft(&self) -> Draft<'_> {
        Draft {
            operation: &self.operation.0,
            algorithm: &self.algorithm.0,
            version: &self.version.0,
            labels: self.labels.0.iter().map(|(n, v)| (&*n.0, &*v.0)).collect(),
            at: self.timestamp.map(|moment| moment.0),
            duration_seconds: self.duration_seconds,
            setup_seconds: self.setup_seconds,
            cleanup_seconds: self.cleanup_seconds,
            cpu_cores: self.cpu_cores,
            memory_bytes: self.memory_bytes,
            memory_peak_bytes: self.memory_peak_bytes,
            samples: self.samples.map(|whole| whole.0),
            dataset_size: self.dataset_size.map(|whole| whole.0),
            outcome: self.outcome.map(|outcome| match outcome {
                WireOutcome::Success => Outcome::Success,
                WireOutcome::Failure => Outcome::Failure,
            }),
            error_class: &self.error_class.0,
            quality: self.quality.0.iter().map(|(n, v)| (&*n.0, *v)).collect(),
            quality_samples: self.quality_samples.map(|whole| whole.0),
            id: &self.id.0,
            trace_id: &self.trace_id.0,
        }
    }
}

/// How an operation ended, as written.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WireOutcome {
    Success,
    Failure,
}

/// Text borrowed from the body where it has no escapes; null counts as absent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A map as the pairs it was written as, so that a name given twice can be refused.
#[derive(Clone, Debug)]
pub(crate) struct Pairs<'a, V>(pub(crate) Vec<(Text<'a>, V)>);

impl<V> Default for Pairs<'_, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Pairs<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<V> {
            type Value = Pairs<'de, V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Pairs::default())
            }
        }
        deserializer.deserialize_any(PairsVisitor(PhantomData))
    }
}

/// A whole number of at least 0; `1000.0`, as some languages write it, is one too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole(pub(crate) u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeVisitor;
        impl Visitor<'_> for WholeVisitor {
            type Value = Whole;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number of at least 0")
            }
            fn visit_u64<E>(self, n: u64) -> Result<Whole, E> {
                Ok(Whole(n))
            }
            fn visit_f64<E: de::Error>(self, n: f64) -> Result<Whole, E> {
                const EXACT: f64 = 9_007_199_254_740_992.0;
                if n.fract() != 0.0 || !(0.0..=EXACT).contains(&n) {
                    return Err(E::invalid_value(de::Unexpected::Float(n), &self));
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "whole and in range by the check above"
                )]
                Ok(Whole(n as u64))
            }
        }
        deserializer.deserialize_any(WholeVisitor)
    }
}

/// A time as RFC 3339 or Unix seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(pub(super) Timestamp);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MomentVisitor;
        impl Visitor<'_> for MomentVisitor {
            type Value = Moment;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time or Unix seconds")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
                Timestamp::parse(text)
                    .map(Moment)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Moment, E> {
                Timestamp::from_seconds(seconds)
                    .map(Moment)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Float(seconds), &self))
            }
            #[expect(clippy::cast_precision_loss, reason = "civil times are far below 2^53")]
            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Moment, E> {
                self.visit_f64(seconds as f64)
            }
            #[expect(clippy::cast_precision_loss, reason = "civil times are far below 2^53")]
            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Moment, E> {
                self.visit_f64(seconds as f64)
            }
        }
        deserializer.deserialize_any(MomentVisitor)
    }
}

//! Baselines that were set, as bytes.

use std::sync::Arc;

use prost::Message;

use super::{Damaged, Pairs, decode, labels};
use crate::engine::Engine;
use crate::engine::baseline::{Baseline, Content};
use crate::engine::cohort::{Block, Cohort, Scale, Summary};
use crate::engine::metric::Metric;
use crate::engine::stats::Counted;
use crate::engine::time::Timestamp;

const WHAT: &str = "baseline";
/// Between the parts of a key: no name has it.
const SEPARATOR: char = '\u{1f}';

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CohortMessage {
    #[prost(uint64, tag = "1")]
    n: u64,
    #[prost(double, tag = "2")]
    mean: f64,
    #[prost(double, optional, tag = "3")]
    sd: Option<f64>,
    #[prost(double, tag = "4")]
    min: f64,
    #[prost(double, tag = "5")]
    max: f64,
    #[prost(double, repeated, tag = "6")]
    values: Vec<f64>,
    #[prost(uint64, repeated, tag = "7")]
    counts: Vec<u64>,
    #[prost(bool, tag = "8")]
    is_log: bool,
    #[prost(double, tag = "9")]
    center: f64,
    #[prost(double, tag = "10")]
    spread: f64,
    #[prost(double, repeated, tag = "11")]
    block_means: Vec<f64>,
    #[prost(double, repeated, tag = "12")]
    block_counts: Vec<f64>,
    #[prost(double, repeated, tag = "13")]
    apart_means: Vec<f64>,
    #[prost(double, repeated, tag = "14")]
    apart_counts: Vec<f64>,
}

impl CohortMessage {
    pub(super) fn of(cohort: &Cohort) -> Self {
        let Summary {
            n,
            mean,
            sd,
            min,
            max,
        } = cohort.summary;
        let (values, counts) = cohort.values.pairs().iter().copied().unzip();
        let unzip = |blocks: &[Block]| blocks.iter().map(|block| (block.mean, block.n)).unzip();
        let (block_means, block_counts) = unzip(&cohort.blocks);
        let (apart_means, apart_counts) = unzip(&cohort.apart);
        Self {
            n,
            mean,
            sd,
            min,
            max,
            values,
            counts,
            is_log: cohort.scale.is_log,
            center: cohort.scale.center,
            spread: cohort.scale.spread,
            block_means,
            block_counts,
            apart_means,
            apart_counts,
        }
    }

    pub(super) fn read(self) -> Result<Cohort, Damaged> {
        let damaged = |why: &str| Damaged::new(WHAT, why);
        let pairs = self.values.into_iter().zip(self.counts);
        let values = Counted::from_pairs(pairs);
        let values = values.ok_or_else(|| damaged("a value of it is none"))?;
        let summary = Summary {
            n: self.n,
            mean: self.mean,
            sd: self.sd,
            min: self.min,
            max: self.max,
        };
        let scale = Scale {
            is_log: self.is_log,
            center: self.center,
            spread: self.spread,
        };
        let zip = |means: Vec<f64>, counts: Vec<f64>| {
            let blocks = means.into_iter().zip(counts);
            blocks.map(|(mean, n)| Block { mean, n }).collect()
        };
        let blocks = (
            zip(self.block_means, self.block_counts),
            zip(self.apart_means, self.apart_counts),
        );
        Cohort::from_parts(summary, values, scale, blocks).map_err(damaged)
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct BaselineMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    metric: String,
    #[prost(btree_map = "string, string", tag = "3")]
    labels: Pairs,
    #[prost(uint32, tag = "4")]
    version: u32,
    #[prost(sint64, tag = "5")]
    set_at: i64,
    #[prost(double, optional, tag = "6")]
    number: Option<f64>,
    #[prost(double, optional, tag = "7")]
    sd: Option<f64>,
    #[prost(message, optional, tag = "8")]
    cohort: Option<CohortMessage>,
    #[prost(sint64, tag = "9")]
    from: i64,
    #[prost(sint64, tag = "10")]
    to: i64,
}

fn key(baseline: &Baseline) -> String {
    let parts = [
        baseline.name.clone(),
        baseline.metric.to_string(),
        baseline.labels.to_string(),
        baseline.version.to_string(),
    ];
    parts.join(&SEPARATOR.to_string())
}

fn to_bytes(baseline: &Baseline) -> Vec<u8> {
    let mut message = BaselineMessage {
        name: baseline.name.clone(),
        metric: baseline.metric.to_string(),
        labels: baseline.labels.as_map().clone(),
        version: baseline.version,
        set_at: baseline.set_at.millis(),
        ..BaselineMessage::default()
    };
    match &baseline.content {
        Content::Number { value, sd } => (message.number, message.sd) = (Some(*value), *sd),
        Content::Measured { cohort, from, to } => {
            message.cohort = Some(CohortMessage::of(cohort));
            (message.from, message.to) = (from.millis(), to.millis());
        }
    }
    message.encode_to_vec()
}

fn from_bytes(bytes: &[u8]) -> Result<Baseline, Damaged> {
    let message: BaselineMessage = decode(WHAT, bytes)?;
    let content = match (message.number, message.cohort) {
        (Some(value), None) if value.is_finite() => Content::Number {
            value,
            sd: message.sd.filter(|sd| sd.is_finite() && *sd >= 0.0),
        },
        (None, Some(cohort)) => Content::Measured {
            cohort: Arc::new(cohort.read()?),
            from: Timestamp::from_millis(message.from),
            to: Timestamp::from_millis(message.to),
        },
        _ => {
            return Err(Damaged::new(
                WHAT,
                "it says neither a number nor what was measured",
            ));
        }
    };
    Ok(Baseline {
        name: message.name,
        metric: Metric::named(&message.metric),
        labels: labels(message.labels),
        version: message.version,
        set_at: Timestamp::from_millis(message.set_at),
        content,
    })
}

/// A baseline that was set, as it is to be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedBaseline {
    /// Its name, metric, labels and version.
    pub key: String,
    /// What it says; without, what has been saved is to be deleted.
    pub body: Option<Vec<u8>>,
}

impl Engine {
    /// What is to be saved of the baselines that were set and removed since this was last asked.
    pub fn take_unsaved_baselines(&mut self) -> Vec<SavedBaseline> {
        let unsaved = std::mem::take(&mut self.saving.baselines);
        unsaved
            .into_iter()
            .map(|(key, body)| SavedBaseline { key, body })
            .collect()
    }

    /// Notes that a baseline is to be saved, or that it has gone.
    pub(in crate::engine) fn note_baseline(&mut self, baseline: &Baseline, is_gone: bool) {
        let body = (!is_gone).then(|| to_bytes(baseline));
        self.saving.baselines.insert(key(baseline), body);
    }

    /// Has all baselines saved again, because what was saved could not be kept.
    pub(super) fn forget_saved_baselines(&mut self) {
        let baselines = self.baselines.clone();
        for baseline in baselines.all() {
            self.note_baseline(baseline, false);
        }
    }

    /// Takes back a baseline that was saved.
    ///
    /// # Errors
    /// When it cannot be read; then there is none.
    pub fn restore_baseline(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let baseline = from_bytes(bytes)?;
        Arc::make_mut(&mut self.baselines).restore(baseline);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cohort::Course;

    #[test]
    fn baselines_read_back_as_they_were() {
        let course = Course::of((1..200).map(|n| f64::from(n % 17) + 0.5));
        let cohort = Arc::new(Cohort::of(&course, None, true, None).unwrap());
        let at = Timestamp::from_millis(1_234);
        for content in [
            Content::Number {
                value: 2.5,
                sd: None,
            },
            Content::Number {
                value: 0.8,
                sd: Some(0.02),
            },
            Content::Measured {
                cohort,
                from: at,
                to: at,
            },
        ] {
            let baseline = Baseline {
                name: "good".to_owned(),
                metric: Metric::MemoryPeak,
                labels: [("operation", "train")].into_iter().collect(),
                version: 3,
                set_at: at,
                content,
            };
            assert_eq!(from_bytes(&to_bytes(&baseline)), Ok(baseline));
        }
    }
}

//! A baseline in the form in which it is shown and travels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::engine::baseline::{Baseline, Content, stat_of};
use crate::engine::cohort::{Block, Cohort, Scale};
use crate::engine::metric::Stat;

/// A baseline as JSON. What does not apply is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Form {
    /// Its name.
    pub name: String,
    /// Of which metric.
    pub metric: String,
    /// Whose it is.
    pub labels: BTreeMap<String, String>,
    /// Counts up whenever it is set again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// When it was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_at: Option<String>,
    /// The number, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The end of the first measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The end of the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// How many there were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// Their mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Their standard deviation, or that which goes with the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sd: Option<f64>,
    /// The smallest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The largest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The one in the middle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median: Option<f64>,
    /// Nineteen of twenty are not larger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95: Option<f64>,
    /// Ninety-nine of a hundred are not larger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// All distinct values, ascending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<f64>>,
    /// How often each of them came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Vec<u64>>,
    /// The scale on which the blocks are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<ScaleForm>,
    /// What consecutive blocks were like, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks: Option<Vec<BlockForm>>,
    /// Only where it is asked for: what is to be measured, instead of what it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub select: Option<String>,
    /// Labels that make an instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Vec<String>>,
    /// How far back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// Up to when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// The scale on which values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleForm {
    /// Whether logarithms are compared.
    pub(super) is_log: bool,
    /// The median there.
    pub(super) center: f64,
    /// The standard deviation there.
    pub(super) spread: f64,
}

/// A block of consecutive values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockForm {
    /// Its mean on the scale.
    pub(super) mean: f64,
    /// How many values it has.
    pub(super) n: f64,
}

impl Form {
    /// A baseline as it is shown; with all its values where it `is_full`.
    pub fn of(baseline: &Baseline, is_full: bool) -> Self {
        let mut form = Self {
            name: baseline.name.clone(),
            metric: baseline.metric.to_string(),
            labels: baseline.labels.as_map().clone(),
            version: Some(baseline.version),
            set_at: Some(baseline.set_at.to_string()),
            ..Self::default()
        };
        match &baseline.content {
            Content::Number { value, sd } => (form.value, form.sd) = (Some(*value), *sd),
            Content::Measured { cohort, from, to } => {
                form.from = Some(from.to_string());
                form.to = Some(to.to_string());
                form.measured(cohort);
                if is_full {
                    form.whole(cohort);
                }
            }
        }
        form
    }

    fn measured(&mut self, cohort: &Cohort) {
        let summary = cohort.summary;
        self.n = Some(summary.n);
        self.mean = Some(summary.mean);
        self.sd = summary.sd;
        self.min = Some(summary.min);
        self.max = Some(summary.max);
        let quantile = |q| stat_of(cohort, Stat::Quantile(q));
        (self.median, self.p95, self.p99) = (quantile(0.5), quantile(0.95), quantile(0.99));
    }

    fn whole(&mut self, cohort: &Cohort) {
        let (values, counts) = cohort.values.pairs().iter().copied().unzip();
        let Scale {
            is_log,
            center,
            spread,
        } = cohort.scale;
        let blocks = cohort.blocks.iter();
        let blocks = blocks.map(|&Block { mean, n }| BlockForm { mean, n });
        self.values = Some(values);
        self.counts = Some(counts);
        self.scale = Some(ScaleForm {
            is_log,
            center,
            spread,
        });
        self.blocks = Some(blocks.collect());
    }
}

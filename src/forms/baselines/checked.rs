//! A baseline read from its form, every field checked.

use std::sync::Arc;

use super::form::{BlockForm, Form, ScaleForm};
use crate::engine::baseline::{Baseline, Content};
use crate::engine::cohort::{Block, Cohort, Scale, Summary};
use crate::engine::metric::Metric;
use crate::engine::series::{FieldFault, Labels, check_text, is_label_name};
use crate::engine::stats::Counted;
use crate::engine::time::Timestamp;
use crate::rulefile::read_metric;

/// Distinct values that one baseline may have, as many as a window has runs at most, and more.
const MAX_VALUES: usize = 100_000;
/// Blocks that one baseline may have: as many as are kept of one that was measured here.
const MAX_BLOCKS: usize = 1_024;
/// Labels that one baseline may have.
const MAX_LABELS: usize = 32;

impl Form {
    /// The name and the metric, checked.
    pub(super) fn subject(&self) -> Result<(String, Metric), FieldFault> {
        let allowed = "allowed: 1 to 200 characters without control characters";
        if self.name.is_empty() {
            return Err(FieldFault::new("name", format!("is missing, {allowed}")));
        }
        check_text("name", &self.name)?;
        if self.metric.is_empty() {
            return Err(FieldFault::new(
                "metric",
                "is missing, allowed: a metric such as duration or memory_peak, or a quality score",
            ));
        }
        let metric = read_metric(&self.metric).map_err(|why| FieldFault::new("metric", why))?;
        if matches!(metric, Metric::Rate | Metric::Errors) {
            return Err(FieldFault::new(
                "metric",
                format!(
                    "`{metric}` has no values that could be compared one by one, allowed: error_ratio, or a metric that each operation has"
                ),
            ));
        }
        Ok((self.name.clone(), metric))
    }

    /// Whose it is, checked.
    pub(super) fn owner(&self) -> Result<Labels, FieldFault> {
        if self.labels.len() > MAX_LABELS {
            let n = self.labels.len();
            return Err(FieldFault::new(
                "labels",
                format!("{n} labels, allowed: at most {MAX_LABELS}"),
            ));
        }
        for (name, value) in &self.labels {
            if !is_label_name(name) || name.starts_with("__") {
                return Err(FieldFault::new(
                    "labels",
                    format!(
                        "{name:?} is no label name, allowed: letters, digits and `_`, not starting with a digit or `__`"
                    ),
                ));
            }
            let field = format!("labels.{name}");
            check_text(&field, name)?;
            check_text(&field, value)?;
        }
        Ok(self.labels.iter().collect())
    }

    /// The number that it says, checked.
    pub(super) fn number(&self, value: f64, metric: &Metric) -> Result<Content, FieldFault> {
        self.lacks(
            &[
                ("n", self.n.is_some()),
                ("mean", self.mean.is_some()),
                ("values", self.values.is_some()),
            ],
            "goes with what was measured, not with `value`, allowed: one of the two",
        )?;
        check_value("value", value, metric)?;
        if let Some(sd) = self.sd.filter(|sd| !sd.is_finite() || *sd < 0.0) {
            return Err(FieldFault::new("sd", format!("{sd}, allowed: 0 or more")));
        }
        Ok(Content::Number { value, sd: self.sd })
    }

    /// Refuses what says what is to be measured, where it is said what was.
    pub(super) fn asks_for_nothing(&self) -> Result<(), FieldFault> {
        self.lacks(
            &[
                ("select", self.select.is_some()),
                ("by", self.by.is_some()),
                ("window", self.window.is_some()),
                ("until", self.until.is_some()),
            ],
            "says what to measure, but a value is given, allowed: one of the two",
        )
    }

    /// Refuses fields that are there and may not be.
    pub(super) fn lacks(&self, fields: &[(&str, bool)], why: &str) -> Result<(), FieldFault> {
        match fields.iter().find(|(_, is_there)| *is_there) {
            Some((field, _)) => Err(FieldFault::new(*field, why)),
            None => Ok(()),
        }
    }

    /// What was measured elsewhere, checked; up to `now` at the latest.
    pub(super) fn carried(
        &self,
        metric: &Metric,
        now: Option<Timestamp>,
    ) -> Result<Content, FieldFault> {
        let missing = |field: &str| {
            FieldFault::new(
                field,
                "is missing, allowed: a whole baseline, as GET /api/v1/baselines?full=true gives it",
            )
        };
        let needed = |field: &str, number: Option<f64>| number.ok_or_else(|| missing(field));
        let (from, to) = (
            moment("from", self.from.as_deref())?,
            moment("to", self.to.as_deref())?,
        );
        if from > to {
            return Err(FieldFault::new(
                "from",
                format!("{from} is after `to`, which is {to}, allowed: before it"),
            ));
        }
        if let Some(now) = now.filter(|now| to > *now) {
            return Err(FieldFault::new(
                "to",
                format!("{to} lies in the future, allowed: at most now, which is {now}"),
            ));
        }
        let values = self.values.as_deref().ok_or_else(|| missing("values"))?;
        let counts = self.counts.as_deref().ok_or_else(|| missing("counts"))?;
        let blocks = self.blocks.as_deref().ok_or_else(|| missing("blocks"))?;
        let scale = self.scale.ok_or_else(|| missing("scale"))?;
        let bounded = |field: &str, n: usize, most: usize| {
            if (1..=most).contains(&n) {
                return Ok(());
            }
            let why = format!("{n} of them, allowed: 1 to {most}");
            Err(FieldFault::new(field, why))
        };
        bounded("values", values.len(), MAX_VALUES)?;
        bounded("blocks", blocks.len(), MAX_BLOCKS)?;
        if counts.len() != values.len() {
            let (counts, values) = (counts.len(), values.len());
            return Err(FieldFault::new(
                "counts",
                format!("{counts} of them for {values} values, allowed: one for each value"),
            ));
        }
        for value in values {
            check_value("values", *value, metric)?;
        }
        let counted = Counted::from_pairs(values.iter().copied().zip(counts.iter().copied()));
        let counted = counted.ok_or_else(|| {
            FieldFault::new(
                "counts",
                format!("are too many, allowed: {} in all", Counted::MAX),
            )
        })?;
        let summary = Summary {
            n: self.n.ok_or_else(|| missing("n"))?,
            mean: needed("mean", self.mean)?,
            sd: self.sd,
            min: needed("min", self.min)?,
            max: needed("max", self.max)?,
        };
        let Summary {
            n, mean, min, max, ..
        } = summary;
        if n == 0 {
            return Err(FieldFault::new("n", "0, allowed: 1 or more"));
        }
        if let Some(sd) = self.sd.filter(|sd| !sd.is_finite() || *sd < 0.0) {
            return Err(FieldFault::new("sd", format!("{sd}, allowed: 0 or more")));
        }
        for (field, value) in [("min", min), ("mean", mean), ("max", max)] {
            check_value(field, value, metric)?;
        }
        // Rounding may have moved the mean of equal values off them.
        let room = min.abs().max(max.abs()) * 1e-9;
        if min > max || !(min - room..=max + room).contains(&mean) {
            return Err(FieldFault::new(
                "mean",
                format!("{mean} with min {min} and max {max}, allowed: min ≤ mean ≤ max"),
            ));
        }
        let ScaleForm {
            is_log,
            center,
            spread,
        } = scale;
        let scale = Scale {
            is_log,
            center,
            spread,
        };
        let blocks = blocks
            .iter()
            .map(|&BlockForm { mean, n }| Block { mean, n });
        let cohort = Cohort::from_parts(summary, counted, scale, (blocks.collect(), Vec::new()));
        let cohort = cohort.map_err(|why| {
            FieldFault::new("scale", format!("or blocks or values are none: {why}"))
        })?;
        Ok(Content::Measured {
            cohort: Arc::new(cohort),
            from,
            to,
        })
    }

    /// The baseline itself, with its version, as it was kept.
    ///
    /// # Errors
    /// Which field is wrong, and why.
    pub fn baseline(&self) -> Result<Baseline, FieldFault> {
        let (name, metric) = self.subject()?;
        self.asks_for_nothing()?;
        let version = self.version.filter(|version| *version > 0);
        Ok(Baseline {
            content: match self.value {
                Some(value) => self.number(value, &metric)?,
                None => self.carried(&metric, None)?,
            },
            name,
            labels: self.owner()?,
            metric,
            version: version
                .ok_or_else(|| FieldFault::new("version", "is missing, allowed: 1 or more"))?,
            set_at: moment("set_at", self.set_at.as_deref())?,
        })
    }
}

/// Refuses a number that the metric cannot have.
fn check_value(field: &str, value: f64, metric: &Metric) -> Result<(), FieldFault> {
    let (least, most) = match metric {
        Metric::Score(_) => (f64::MIN, f64::MAX),
        Metric::ErrorRatio => (0.0, 1.0),
        _ => (0.0, f64::MAX),
    };
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let allowed = match metric {
        Metric::Score(_) => "a finite number",
        Metric::ErrorRatio => "0 to 1",
        _ => "0 or more",
    };
    Err(FieldFault::new(
        field,
        format!("{value} is no `{metric}`, allowed: {allowed}"),
    ))
}

fn moment(field: &str, text: Option<&str>) -> Result<Timestamp, FieldFault> {
    let allowed = "allowed: RFC 3339 such as 2026-01-31T12:00:00Z";
    let Some(text) = text else {
        return Err(FieldFault::new(field, format!("is missing, {allowed}")));
    };
    Timestamp::parse(text).ok_or_else(|| {
        let shown: String = text.chars().take(60).collect();
        FieldFault::new(field, format!("{shown:?} is no time, {allowed}"))
    })
}

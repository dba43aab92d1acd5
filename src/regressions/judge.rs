//! One metric of one instance beside its baseline.

use super::{Finding, Level, Question, Status};
use crate::engine::baseline::stat_of;
use crate::engine::cohort::Cohort;
use crate::engine::condition::Lack;
use crate::engine::contrast::{self, Contrast, Feature};
use crate::engine::measurement::count;
use crate::engine::metric::{Metric, Stat, Worse};
use crate::engine::series::Labels;

/// Chance makes what counts as evidence in one comparison of so many.
const P: f64 = 1e-3;

/// What the current values are compared with.
#[derive(Clone, Copy, Debug)]
pub enum Reference<'a> {
    /// A number with the standard deviation that goes with it: a plain comparison.
    Number(f64, Option<f64>),
    /// What was measured.
    Cohort(&'a Cohort),
}

/// Judges the current values of one metric, which are on the scale of the reference.
pub fn judge(
    question: &Question,
    labels: &Labels,
    metric: &Metric,
    current: Option<&Cohort>,
    reference: Option<Reference<'_>>,
) -> Finding {
    let stat = question.stat_of(metric);
    let of = |cohort: &Cohort| stat_of(cohort, stat);
    let baseline = match reference {
        None => None,
        Some(Reference::Number(number, _)) => Some(number),
        Some(Reference::Cohort(cohort)) => of(cohort),
    };
    let mut finding = Finding {
        labels: labels.clone(),
        metric: metric.clone(),
        stat: stat.to_string(),
        status: Status::Stable,
        baseline,
        current: current.and_then(of),
        change: None,
        interval: None,
        p_value: None,
        baseline_n: match reference {
            Some(Reference::Cohort(cohort)) => cohort.summary.n,
            _ => 0,
        },
        n: current.map_or(0, |cohort| cohort.summary.n),
        began: None,
    };
    let lacks = |lack: Lack| Status::Insufficient(lack.as_str().to_owned());
    let (Some(reference), Some(current)) = (reference, current) else {
        finding.status = match (reference, current) {
            (None, Some(_)) => Status::New,
            (Some(_), None) => Status::Missing,
            _ => lacks(Lack::Data),
        };
        return finding;
    };
    let Some((contrast, is_weighed)) = contrast(question, stat, metric, current, reference) else {
        finding.status = lacks(Lack::Data);
        return finding;
    };
    let worse = question.worse(metric).unwrap_or(Worse::Up);
    finding.change = contrast.change.filter(|change| change.is_finite());
    if is_weighed {
        finding.interval = contrast.interval;
        finding.p_value = Some(contrast.p_rise.min(contrast.p_fall));
    }
    finding.status = match lacking(question, &contrast, current, is_weighed) {
        Some(lack) => lacks(lack),
        None => status(question, &contrast, worse, is_weighed),
    };
    finding
}

/// The comparison, and whether it weighs evidence.
fn contrast(
    question: &Question,
    stat: Stat,
    metric: &Metric,
    current: &Cohort,
    reference: Reference<'_>,
) -> Option<(Contrast, bool)> {
    let beside = |number, sd| {
        let value = stat_of(current, stat)?;
        Some((contrast::beside(value, number, sd), false))
    };
    match reference {
        Reference::Number(number, sd) => beside(number, sd),
        Reference::Cohort(cohort) if question.is_guide => {
            beside(stat_of(cohort, stat)?, cohort.summary.sd)
        }
        Reference::Cohort(cohort) => {
            let feature = match (metric, stat) {
                (Metric::ErrorRatio, _) => Feature::Share,
                (_, Stat::Quantile(0.5)) => Feature::Median,
                (_, Stat::Quantile(q)) => Feature::Quantile(q),
                _ => Feature::Mean,
            };
            Some((contrast::compare(feature, current, cohort)?, true))
        }
    }
}

fn lacking(
    question: &Question,
    contrast: &Contrast,
    current: &Cohort,
    is_weighed: bool,
) -> Option<Lack> {
    if question.is_guide {
        return None;
    }
    let least = count(question.min_samples);
    if current.summary.n < question.min_samples {
        Some(Lack::Values)
    } else if !is_weighed {
        None
    } else if contrast.effective < least {
        Some(Lack::Independence)
    } else if contrast.baseline_effective < least {
        Some(Lack::BaselineData)
    } else {
        None
    }
}

fn status(question: &Question, contrast: &Contrast, worse: Worse, is_weighed: bool) -> Status {
    let is_beyond = |share: f64, sign: f64| match contrast.change {
        // From nothing to something is more than any share of nothing.
        None => sign * (contrast.value - contrast.baseline) > 0.0,
        Some(change) if is_weighed => sign * change > share,
        // As a limit, so that 20 % more than 2 s is exactly 2.4 s.
        Some(_) => {
            let limit = contrast.baseline + sign * share * contrast.baseline.abs();
            sign * (contrast.value - limit) > 0.0
        }
    };
    let (p_worse, p_better) = match worse {
        Worse::Up => (contrast.p_rise, contrast.p_fall),
        Worse::Down => (contrast.p_fall, contrast.p_rise),
    };
    let is_evident = |p: f64| !is_weighed || p <= P;
    let sign = worse.sign();
    if is_evident(p_worse) && is_beyond(question.threshold, sign) {
        let is_critical = is_beyond(question.critical, sign);
        return Status::Regressed(match is_critical {
            true => Level::Critical,
            false => Level::Warning,
        });
    }
    if is_evident(p_better) && is_beyond(question.threshold, -sign) {
        return Status::Improved;
    }
    Status::Stable
}

//! Whether what an action has led to is good enough, in the sense of the rule that asked for it.

use crate::engine::condition::{Condition, Evidence};
use crate::engine::metric::{Metric, Worse};

/// What was known when it was decided to act.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::engine) struct Bar {
    /// The limit of the mildest level of the rule, in the unit of the value, as it was against the old reference.
    pub(in crate::engine) limit: Option<f64>,
    /// What was measured then.
    pub(in crate::engine) value: Option<f64>,
}

/// What has been measured since something new came into service.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::engine) struct Proof {
    /// On how many values it rests.
    pub(in crate::engine) n: u64,
    /// The statistic of the rule over them; `None` where it cannot be taken of them.
    pub(in crate::engine) value: Option<f64>,
    /// Whether the alert of the rule fires, by which it is judged else.
    pub(in crate::engine) is_firing: bool,
}

impl Proof {
    /// What speaks against it; `None` where nothing does.
    ///
    /// The size alone decides, without the evidence that a rule may ask for before it raises an alarm: what is new has to
    /// show that it is good.
    pub(in crate::engine) fn fault(&self, bar: Bar, condition: &Condition) -> Option<String> {
        let (metric, stat) = condition.measured();
        let (Some(value), Some(limit)) = (self.value, bar.limit.filter(|limit| limit.is_finite()))
        else {
            return self
                .is_firing
                .then(|| format!("the alert on {metric} still fires"));
        };
        let breached = match condition {
            Condition::Threshold(threshold) => threshold.comparison.breached(value, limit),
            _ => match worse(condition) {
                Some(worse) => worse.sign() * (value - limit) > 0.0,
                None => self.is_firing,
            },
        };
        breached.then(|| {
            format!(
                "{stat} of {metric} over {} runs since is {value:.6}, the limit was {limit:.6}",
                self.n
            )
        })
    }
}

/// Which way what a rule looks at gets worse.
pub(in crate::engine) fn worse(condition: &Condition) -> Option<Worse> {
    match condition {
        Condition::Threshold(threshold) => match threshold.comparison.rising() {
            Some(true) => Some(Worse::Up),
            Some(false) => Some(Worse::Down),
            None => threshold.metric.worse(),
        },
        Condition::Regression(regression) => Some(regression.worse),
        Condition::Trend(_) | Condition::Detection(_) => metric(condition)?.worse(),
        Condition::Absence(_) => None,
    }
}

/// What a rule looks at.
pub(in crate::engine) fn metric(condition: &Condition) -> Option<&Metric> {
    match condition {
        Condition::Threshold(threshold) => Some(&threshold.metric),
        Condition::Regression(regression) => Some(&regression.metric),
        Condition::Trend(trend) => Some(&trend.metric),
        Condition::Detection(detection) => Some(&detection.metric),
        Condition::Absence(_) => None,
    }
}

/// Fewer values than that tell nothing.
pub(in crate::engine) fn least(condition: &Condition) -> u64 {
    let least = match condition {
        Condition::Threshold(threshold) => threshold.min_samples,
        Condition::Regression(regression) => regression.min_samples,
        Condition::Trend(_) | Condition::Detection(_) | Condition::Absence(_) => 1,
    };
    least.max(1)
}

/// By how much a value is worse than its baseline, or than its limit where there is none, as a share; negative where it is
/// better.
pub(in crate::engine) fn degradation(
    condition: &Condition,
    value: Option<f64>,
    limit: Option<f64>,
    evidence: Option<Evidence>,
) -> Option<f64> {
    let over = match evidence.and_then(|evidence| evidence.change) {
        Some(change) => change,
        None => {
            let limit = limit.filter(|limit| *limit != 0.0)?;
            (value? - limit) / limit.abs()
        }
    };
    let over = worse(condition)?.sign() * over;
    over.is_finite().then_some(over)
}

//! Rules on a regression in invented time.

use super::*;
use crate::engine::alert::{AlertState, Change};
use crate::engine::baseline::Content;
use crate::engine::baselines::{Wanted, WantedContent};
use crate::engine::condition::{Against, Amount, Budget, Regression, Verdict};
use crate::engine::contrast::Feature;
use crate::engine::metric::Worse;

mod accepted;
mod acted;
mod after;
mod cases;
mod nothing;
pub(super) mod relative;
mod shift;

const DAY: u64 = 86_400;

/// A regression of a statistic of the last runs against the pinned baseline `good`.
fn regression(metric: &str, stat: &str, runs: u32, worse_by: &[(Severity, f64)]) -> Regression {
    let (metric, stat) = (Metric::named(metric), Stat::named(stat).unwrap());
    let levels = worse_by.iter().map(|(severity, limit)| Level {
        severity: Some(*severity),
        limit: *limit,
        recover: Some(limit * 0.8),
    });
    Regression {
        feature: match (&metric, stat) {
            (Metric::ErrorRatio, _) => Feature::Share,
            (_, Stat::Quantile(0.5)) => Feature::Median,
            (_, Stat::Quantile(q)) => Feature::Quantile(q),
            _ => Feature::Mean,
        },
        worse: metric.worse().unwrap_or(Worse::Up),
        metric,
        stat,
        reach: Reach::Runs(runs),
        against: Against::Pinned("good".to_owned()),
        levels: levels.collect(),
        amount: Amount::Relative,
        budget: Budget {
            alarms: 1.0,
            per: Duration::from_secs(30 * DAY),
        },
        min_samples: 10,
        weighs_evidence: true,
    }
}

/// The rule of the original guide.
fn guide(regression: Regression) -> Regression {
    Regression {
        min_samples: 1,
        weighs_evidence: false,
        ..regression
    }
}

fn in_sds(regression: Regression) -> Regression {
    Regression {
        amount: Amount::StandardDeviations,
        ..regression
    }
}

fn judging(regression: Regression) -> Engine {
    engine(Rule {
        name: "Worse".into(),
        condition: Condition::Regression(regression),
        ..rule()
    })
}

fn set_number(engine: &mut Engine, metric: &str, value: f64, sd: Option<f64>) {
    let content = WantedContent::Given {
        labels: Labels::default(),
        content: Content::Number { value, sd },
    };
    let wanted = Wanted {
        name: "good".to_owned(),
        metric: Metric::named(metric),
        content,
    };
    engine.set_baselines(&[wanted], at(0)).unwrap();
}

/// Sets what has been measured until now as the baseline.
fn set_measured(engine: &mut Engine, metric: &str, now: Now) {
    let content = WantedContent::Measured {
        select: Selector::default(),
        by: vec!["operation".into(), "algorithm".into()],
        reach: Reach::Runs(1_000),
        until: None,
    };
    let wanted = Wanted {
        name: "good".to_owned(),
        metric: Metric::named(metric),
        content,
    };
    engine.set_baselines(&[wanted], now).unwrap();
}

/// One successful operation that says this of a metric.
fn say(engine: &mut Engine, metric: &str, value: f64, now: Now) {
    let draft = match metric {
        "duration" => Draft {
            operation: "op",
            duration_seconds: Some(value),
            ..Draft::default()
        },
        score => Draft {
            operation: "op",
            quality: vec![(score, value)],
            ..Draft::default()
        },
    };
    send(engine, vec![draft], None, now);
}

/// The verdicts of the levels of the only instance, mildest first.
fn verdicts(engine: &Engine) -> Vec<Verdict> {
    let (_, _, state) = engine.rules().next().unwrap();
    let instance = state.instances.values().next().unwrap();
    let verdicts = instance.levels.iter().map(|level| level.verdict.unwrap());
    verdicts.collect()
}

/// The severity of the highest level that is breached.
fn worst(engine: &Engine) -> Option<Severity> {
    let (_, _, state) = engine.rules().next().unwrap();
    let instance = state.instances.values().next().unwrap();
    let mut levels = instance.levels.iter().rev();
    let breached = levels.find(|level| level.verdict.unwrap().standing == Standing::Breached)?;
    breached.level().unwrap().severity
}

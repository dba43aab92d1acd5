//! What makes a rule the same rule, as a number.

use std::fmt::Write;

use crate::engine::condition::Condition;
use crate::engine::rule::{OnError, Rule};
use crate::engine::series::Fnv1a;

/// A hash of everything that a rule's alerts depend on. Annotations are left out, so that a better wording keeps an
/// alert's state; so are `depends_on`, which only says who is told, and how things are written (`60s` or `1m`).
pub(super) fn hash(rule: &Rule) -> u64 {
    let mut hash = Fnv1a::new();
    for part in parts(rule) {
        hash.add(part.as_bytes());
        // A byte that UTF-8 never has, so that parts cannot run into each other.
        hash.add(&[0xff]);
    }
    hash.finish()
}

fn parts(rule: &Rule) -> Vec<String> {
    let hold = &rule.hold;
    let mut parts = vec![
        rule.name.clone(),
        rule.select.to_string(),
        rule.by.join(","),
        format!("{:?}", rule.mode),
    ];
    parts.extend(condition(&rule.condition));
    parts.extend([
        hold.hold.as_millis().to_string(),
        hold.for_samples
            .map_or_else(String::new, |f| format!("{} of {}", f.breached, f.of)),
        hold.keep_firing_for.as_millis().to_string(),
        format!("{:?}", hold.no_data),
        hold.stale_after.as_millis().to_string(),
    ]);
    for level in rule.condition.levels() {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{:?} {} {:?}",
            level.severity, level.limit, level.recover
        );
        parts.push(text);
    }
    if rule.on_error == OnError::Alert {
        parts.push("on_error alert".to_owned());
    }
    for label in &rule.labels {
        parts.push(label.name.clone());
        parts.push(label.template.source().to_owned());
    }
    parts
}

fn condition(condition: &Condition) -> Vec<String> {
    match condition {
        Condition::Threshold(threshold) => [
            threshold.metric.to_string(),
            threshold.stat.to_string(),
            threshold.reach.to_string(),
            threshold.comparison.operator().to_owned(),
            threshold.min_samples.to_string(),
        ]
        .into_iter()
        .chain((threshold.relative.iter()).map(|one| format!("{} {:?}", one.stat, one.against)))
        .collect(),
        Condition::Regression(regression) => vec![
            "regression".to_owned(),
            regression.metric.to_string(),
            regression.stat.to_string(),
            regression.reach.to_string(),
            format!("{:?}", regression.against),
            format!("{:?} {:?}", regression.worse, regression.amount),
            format!("{:?}", regression.budget),
            regression.min_samples.to_string(),
            regression.weighs_evidence.to_string(),
        ],
        Condition::Trend(trend) => vec![
            "trend".to_owned(),
            trend.metric.to_string(),
            trend.stat.to_string(),
            format!("{:?} {:?}", trend.frame, trend.towards),
            format!("{:?} {:?} {}", trend.pace, trend.reaches, trend.recover),
            format!("{:?}", trend.budget),
            trend.min_samples.to_string(),
        ],
        Condition::Detection(detection) => vec![
            "detection".to_owned(),
            detection.metric.to_string(),
            detection.stat.to_string(),
            format!("{:?} {:?}", detection.block, detection.finds),
            format!("{:?}", detection.towards),
            detection.warm_up.to_string(),
        ],
        Condition::Absence(absence) => ["absence".to_owned()]
            .into_iter()
            .chain(
                [absence.expect_every, absence.grace, absence.remember]
                    .map(|span| span.as_millis().to_string()),
            )
            .chain(absence.expect.iter().map(ToString::to_string))
            .collect(),
    }
}

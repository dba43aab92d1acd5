//! What an alert is called and what it says: its labels, rendered once, and its annotations.

use super::tracked::{Subject, Tracked};
use crate::engine::measurement::count;
use crate::engine::rule::{External, Rule, Severity};
use crate::engine::series::Labels;
use crate::engine::template::{Scope as Bindings, Value};
use crate::engine::url::percent_encoded;

/// What the alert says now, given the labels of its instance.
pub(super) fn annotations(
    alert: &Tracked,
    rule: &Rule,
    labels: &Labels,
    external: &External,
) -> Labels {
    let summary = |text: String| [("summary", text)].into_iter().collect();
    let (metric, stat) = rule.condition.measured();
    match &alert.subject {
        Subject::MissingData => return summary(format!("no data of {metric} for {labels}")),
        Subject::Failure(why) => return summary(format!("rule {} fails: {why}", rule.name)),
        Subject::Level(_) => {}
    }
    let (limit, n) = alert.verdict.map_or((f64::NAN, 0), |v| (v.limit, v.n));
    let evidence = alert.evidence.unwrap_or_default();
    let number = |number: Option<f64>| number.unwrap_or(f64::NAN);
    // What a detector finds began before it was found.
    let since = evidence
        .began
        .or(alert.state.active_at())
        .unwrap_or_default();
    let bindings = bindings(labels, external, alert.value.unwrap_or(f64::NAN))
        .bind("threshold", limit)
        .bind("n", count(n))
        .bind("metric", metric)
        .bind("stat", stat)
        .bind("severity", alert.labels.get("severity"))
        .bind("since", since.to_string())
        .bind("baseline", number(evidence.baseline))
        .bind("change", number(evidence.change))
        .bind("pvalue", number(evidence.p_value))
        .bind(
            "feature",
            evidence.feature.map_or("", |feature| feature.as_str()),
        )
        .bind("interval", evidence.interval_text())
        .bind("within", evidence.within_text())
        .bind("perday", evidence.per_day_text());
    rule.annotations
        .iter()
        .map(|a| (a.name.as_str(), a.template.expand(&bindings)))
        .collect()
}

/// Instance labels, over them the rule's, over them the level's severity and the name. Templates see
/// the instance's labels, before any is overridden, as in Prometheus.
pub(super) fn labels(
    rule: &Rule,
    instance: &Labels,
    subject: &Subject,
    external: &External,
) -> Labels {
    let mut labels = instance.clone();
    let bindings = bindings(instance, external, f64::NAN);
    for label in &rule.labels {
        labels.set(label.name.as_str(), label.template.expand(&bindings));
    }
    match subject {
        Subject::Level(level) => {
            if let Some(severity) = level.severity {
                labels.set("severity", severity.as_str());
            }
        }
        Subject::MissingData | Subject::Failure(_) => {
            labels.set("severity", Severity::Low.as_str());
            labels.set("alert_type", subject.alert_type(rule));
        }
    }
    labels.set("alertname", rule.name.as_str());
    labels
}

/// The labels with which an alert leaves: the external ones are added where it has none of their name.
pub(super) fn leaving(labels: &Labels, external: &External) -> Labels {
    let mut labels = labels.clone();
    for (name, value) in external.labels.iter() {
        if labels.get(name).is_empty() {
            labels.set(name, value);
        }
    }
    labels
}

/// Where the rule of an alert can be looked at.
pub(super) fn generator_url(rule: &Rule, external: &External) -> String {
    format!(
        "{}/api/v1/rules?rule_name[]={}",
        external.url,
        percent_encoded(&rule.name)
    )
}

/// What the templates of Prometheus may refer to.
fn bindings<'a>(labels: &Labels, external: &'a External, value: f64) -> Bindings<'a> {
    let strings =
        |labels: &Labels| Value::strings(labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())));
    Bindings::alert(
        strings(labels),
        strings(&external.labels),
        &external.url,
        value,
    )
}

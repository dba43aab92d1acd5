//! One rule of a file, from its keys to a [`Rule`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::absence;
use super::built_in;
use super::definition;
use super::detection;
use super::findings::{Checker, did_you_mean};
use super::regression;
use super::threshold::{self, Surroundings};
use super::trend;
use super::wire;
use crate::document::Place;
use crate::engine::condition::{Against, Condition, Regression};
use crate::engine::rule::{ForSamples, Hold, Rule, Severity, TEMPLATE_VARIABLES, Templated};
use crate::engine::selector::{Selector, SelectorError};
use crate::engine::series::{RESERVED_LABELS, check_text, is_label_name};
use crate::engine::template::{ALERT_VARIABLES, Template};

/// What makes an instance unless the rule says otherwise.
const DEFAULT_BY: [&str; 2] = ["operation", "algorithm"];
/// Reserved labels that series do have.
const IDENTITY: [&str; 4] = ["operation", "algorithm", "version", "overflow"];
/// Most evaluations that `for_samples` may look at.
const MAX_FOR_SAMPLES: u32 = 64;
/// The kinds of condition, of which a rule has one.
const KINDS: [&str; 6] = [
    "threshold",
    "regression",
    "trend",
    "anomaly",
    "absence",
    "expr",
];

/// Reads a rule with the labels of its group; `None` where a fault leaves nothing to evaluate.
pub(super) fn read(
    written: &wire::Rule,
    group_labels: &[Templated],
    around: Surroundings,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Rule> {
    let name = name(written, around.damaged, place, checker);
    let mut by = by(written.by.as_deref(), &place.key("by"), checker);
    let has_severity = |labels: &[Templated]| labels.iter().any(|label| label.name == "severity");
    let labelled = written.labels.contains_key("severity") || has_severity(group_labels);
    let severity = (!labelled).then_some(Severity::Medium);
    let condition = match check_kinds(written, around.damaged, place, checker) {
        Some(Kind::Threshold(threshold)) => {
            threshold::read(threshold, around, &place.key("threshold"), checker)
                .map(Condition::Threshold)
        }
        Some(Kind::Regression(regression)) => {
            let place = place.key("regression");
            match regression.baseline.change_point {
                Some(season) => {
                    detection::change_point(regression, season, severity, &place, checker)
                        .map(Condition::Detection)
                }
                None => regression::read(regression, severity, around, &place, checker)
                    .map(Condition::Regression),
            }
        }
        Some(Kind::Trend(trend)) => {
            trend::read(trend, severity, around, &place.key("trend"), checker).map(Condition::Trend)
        }
        Some(Kind::Anomaly(anomaly)) => {
            detection::anomaly(anomaly, severity, &place.key("anomaly"), checker)
                .map(Condition::Detection)
        }
        Some(Kind::Absence(absence)) => {
            refuse_on_data(written, place, checker);
            absence::read(absence, &by, severity, &place.key("absence"), checker)
                .map(Condition::Absence)
        }
        None => None,
    };
    if let Some(Condition::Regression(Regression {
        against: Against::PreviousVersion,
        ..
    })) = &condition
        && !by.iter().any(|name| name == "version")
    {
        by.push("version".to_owned());
    }
    let select = select(written.select.as_deref(), &place.key("select"), checker);
    let hold = hold(written, place, checker);
    let mut labels = labels(&written.labels, &place.key("labels"), checker);
    let annotations = annotations(&written.annotations, &place.key("annotations"), checker);
    let has_levels = (condition.as_ref())
        .is_some_and(|one| one.levels().iter().any(|level| level.severity.is_some()));
    if has_levels && written.labels.contains_key("severity") {
        checker.fault_at_key(
            &place.key("labels").key("severity"),
            "label `severity` is set by the levels of the rule, allowed: levels or this label",
        );
    }
    for label in group_labels {
        if !labels.iter().any(|own| own.name == label.name) {
            labels.push(label.clone());
        }
    }
    labels.sort_by(|one, other| one.name.cmp(&other.name));
    let mut rule = Rule {
        name: name?,
        select: select?,
        by,
        condition: condition?,
        hold,
        on_error: written.on_error.map(Into::into).unwrap_or_default(),
        depends_on: written.depends_on.clone(),
        actions: written.actions.clone(),
        mode: written.mode.map(Into::into).unwrap_or_default(),
        labels,
        annotations,
        definition: 0,
    };
    rule.definition = definition::hash(&rule);
    Some(rule)
}

/// Refuses what says how to go on without data on a rule for which missing data is the very matter.
fn refuse_on_data(written: &wire::Rule, place: &Place, checker: &mut Checker<'_>) {
    for (given, name) in [
        (written.no_data.is_some(), "no_data"),
        (written.stale_after.is_some(), "stale_after"),
        (written.for_samples.is_some(), "for_samples"),
    ] {
        if given {
            checker.fault_at_key(
                &place.key(name),
                format!("`{name}` has no meaning beside `absence`, which is itself about missing data, allowed: leave it out"),
            );
        }
    }
}

/// The name of the alert; recording rules are refused.
fn name(
    written: &wire::Rule,
    damaged: bool,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<String> {
    let at = place.key("alert");
    match (&written.alert, &written.record) {
        (Some(name), None) => {
            let fault = check_text("alert", name).err().map(|fault| fault.reason);
            let fault = if name.is_empty() {
                Some("is empty".to_owned())
            } else {
                fault
            };
            if let Some(reason) = fault {
                let allowed = "1 to 200 characters without control characters";
                checker.fault(&at, format!("alert name {reason}, allowed: {allowed}"));
            }
            return Some(name.clone());
        }
        (None, Some(_)) => checker.fault_at_key(
            &place.key("record"),
            "a recording rule needs a remote source, which is not available yet",
        ),
        (Some(_), Some(_)) => checker.fault_at_key(
            &place.key("record"),
            "both `alert` and `record` given, allowed: one of them",
        ),
        (None, None) if !damaged => {
            checker.fault(
                place,
                "missing field `alert`, the name of the rule's alerts",
            );
        }
        (None, None) => {}
    }
    None
}

/// The condition of a rule as it is written.
enum Kind<'a> {
    Threshold(&'a wire::Threshold),
    Regression(&'a wire::Regression),
    Trend(&'a wire::Trend),
    Anomaly(&'a wire::Anomaly),
    Absence(&'a wire::Absence),
}

/// Checks that there is one condition, of a kind that is available.
fn check_kinds<'a>(
    written: &'a wire::Rule,
    damaged: bool,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Kind<'a>> {
    let given = [
        written.threshold.is_some(),
        written.regression.is_some(),
        written.trend.is_some(),
        written.anomaly.is_some(),
        written.absence.is_some(),
        written.expr.is_some(),
    ];
    let given: Vec<&str> = KINDS
        .into_iter()
        .zip(given)
        .filter_map(|(kind, given)| given.then_some(kind))
        .collect();
    // One that is built in is switched off by its name alone.
    let is_built_in = |name: &String| built_in::rule_names().contains(name);
    let is_off = written.mode == Some(wire::RuleMode::Off);
    if given.is_empty() && is_off && written.alert.as_ref().is_some_and(is_built_in) {
        return None;
    }
    let allowed = "exactly one of threshold, regression, trend, anomaly, absence, expr";
    match given.as_slice() {
        [] if damaged => {}
        [] => checker.fault(place, format!("no condition given, allowed: {allowed}")),
        ["threshold"] => return written.threshold.as_ref().map(Kind::Threshold),
        ["regression"] => return written.regression.as_ref().map(Kind::Regression),
        ["trend"] => return written.trend.as_ref().map(Kind::Trend),
        ["anomaly"] => return written.anomaly.as_ref().map(Kind::Anomaly),
        ["absence"] => return written.absence.as_ref().map(Kind::Absence),
        // A recording rule has been refused already.
        ["expr"] if written.record.is_some() => {}
        ["expr"] => checker.fault_at_key(
            &place.key("expr"),
            "a rule with `expr` needs a remote source, which is not available yet",
        ),
        [_] => {}
        [one, other, ..] => {
            checker.fault_at_key(
                &place.key(other),
                format!("both `{one}` and `{other}` given, allowed: {allowed}"),
            );
            return written.threshold.as_ref().map(Kind::Threshold);
        }
    }
    None
}

/// Refuses labels that no series has, so that a rule that can never match is found here.
fn check_series_label(name: &str, place: &Place, what: &str, checker: &mut Checker<'_>) {
    if RESERVED_LABELS.contains(&name) && !IDENTITY.contains(&name) || name.starts_with("__") {
        let hint = did_you_mean(name, IDENTITY);
        checker.fault(
            place,
            format!("no series has the label `{name}` in `{what}`,{hint} allowed: operation, algorithm, version and labels that clients set"),
        );
    }
}

fn select(written: Option<&str>, place: &Place, checker: &mut Checker<'_>) -> Option<Selector> {
    let Some(text) = written else {
        return Some(Selector::default());
    };
    match Selector::parse(text) {
        Ok(selector) => {
            for matcher in selector.matchers() {
                check_series_label(matcher.name(), place, "select", checker);
            }
            Some(selector)
        }
        Err(error) => {
            let column = match &error {
                SelectorError::Syntax { at, .. } => *at,
                SelectorError::Regex { pattern, .. } => {
                    let before = text.find(pattern.as_str()).and_then(|at| text.get(..at));
                    before.map_or(0, |before| before.chars().count()) + 1
                }
            };
            checker.fault_inside(place, (1, column), error.to_string());
            None
        }
    }
}

fn by(written: Option<&[String]>, place: &Place, checker: &mut Checker<'_>) -> Vec<String> {
    let Some(names) = written else {
        return DEFAULT_BY.map(str::to_owned).to_vec();
    };
    for (index, name) in names.iter().enumerate() {
        let place = place.index(index);
        if !is_label_name(name) {
            checker.fault(&place, bad_label_name(name));
        } else if names.iter().take(index).any(|earlier| earlier == name) {
            checker.fault(&place, format!("label `{name}` is given twice in `by`"));
        } else {
            check_series_label(name, &place, "by", checker);
        }
    }
    names.to_vec()
}

pub(super) fn bad_label_name(name: &str) -> String {
    format!(
        "invalid label name {name:?}, allowed: letters, digits and _, not beginning with a digit"
    )
}

fn hold(written: &wire::Rule, place: &Place, checker: &mut Checker<'_>) -> Hold {
    let default = Hold::default();
    let or = |period: Option<crate::document::units::Period>, default: Duration| {
        period.map_or(default, Duration::from)
    };
    Hold {
        hold: or(written.hold, default.hold),
        for_samples: written
            .for_samples
            .as_deref()
            .and_then(|text| for_samples(text, &place.key("for_samples"), checker)),
        keep_firing_for: or(written.keep_firing_for, default.keep_firing_for),
        no_data: written.no_data.map_or(default.no_data, Into::into),
        stale_after: or(written.stale_after, default.stale_after),
    }
}

fn for_samples(text: &str, place: &Place, checker: &mut Checker<'_>) -> Option<ForSamples> {
    let parts = text.split_once(" of ");
    let numbers = parts.and_then(|(k, n)| Some((k.trim().parse().ok()?, n.trim().parse().ok()?)));
    let samples = numbers.map(|(breached, of)| ForSamples { breached, of });
    let samples =
        samples.filter(|s| 1 <= s.breached && s.breached <= s.of && s.of <= MAX_FOR_SAMPLES);
    if samples.is_none() {
        checker.fault(
            place,
            format!("invalid `for_samples` {text:?}, allowed: k of n such as `3 of 5`, with 1 ≤ k ≤ n ≤ {MAX_FOR_SAMPLES}"),
        );
    }
    samples
}

/// Reads labels of a rule or a group; they make an alert's identity, so they may not depend on its value.
pub(super) fn labels(
    written: &BTreeMap<String, String>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Vec<Templated> {
    let mut labels = Vec::new();
    for (name, text) in written {
        let place = place.key(name);
        if !is_label_name(name) || name.starts_with("__") {
            let mut message = bad_label_name(name);
            if name.starts_with("__") {
                message = format!(
                    "label name `{name}` is reserved, allowed: names that do not begin with __"
                );
            }
            checker.fault_at_key(&place, message);
        } else if name == "alertname" {
            checker.fault_at_key(
                &place,
                "label `alertname` is set by the name of the rule (`alert`), allowed: leave it out",
            );
        } else if let Some(template) = template(text, &ALERT_VARIABLES, &place, checker) {
            if template.uses("value") {
                checker.fault(
                    &place,
                    format!("label `{name}` uses the value, which would change the alert's identity at every evaluation, allowed: $labels, $externalLabels, $externalURL; put the value into an annotation"),
                );
            }
            labels.push(Templated {
                name: name.clone(),
                template,
            });
        }
    }
    labels
}

fn annotations(
    written: &BTreeMap<String, String>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Vec<Templated> {
    let mut annotations = Vec::new();
    for (name, text) in written {
        let place = place.key(name);
        if !is_label_name(name) {
            checker.fault_at_key(
                &place,
                bad_label_name(name).replacen("label", "annotation", 1),
            );
        } else if let Some(template) = template(text, TEMPLATE_VARIABLES, &place, checker) {
            annotations.push(Templated {
                name: name.clone(),
                template,
            });
        }
    }
    annotations
}

fn template(
    text: &str,
    variables: &[&str],
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Template> {
    Template::parse(text, variables)
        .map_err(|error| {
            let at = error.place();
            checker.fault_inside(place, (at.line, at.column), error.to_string());
        })
        .ok()
}

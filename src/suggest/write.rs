//! Suggested rules as a rule file, each with what it rests on and what came of it.

use std::fmt::Write as _;
use std::time::Duration;

use super::draft::{Draft, Kind, Tried};
use super::limit::recovery;
use super::split::Matched;
use super::{Asked, days, pace};
use crate::document::units::Period;
use crate::engine::metric::{Metric, Unit, Worse};
use crate::engine::time::Timestamp;
use crate::engine::window::Reach;
use crate::shown::amount;

/// Where the rules are from.
pub struct About<'a> {
    /// How they were asked for.
    pub asked: Asked,
    /// How many measurements there were.
    pub measurements: usize,
    /// When the first of them was.
    pub from: Timestamp,
    /// When the last one was.
    pub until: Timestamp,
    /// Time between evaluations.
    pub interval: Duration,
    /// What has no rule, and why.
    pub left_out: &'a [String],
}

/// The rule file; without `about` nothing but the rules.
pub fn file(rules: &[Draft], about: Option<&About<'_>>, interval: Duration) -> String {
    let mut text = String::new();
    if let Some(about) = about {
        text += &head(about);
    }
    text += "groups:\n";
    let mut group = None;
    for rule in rules {
        // Writing to a string cannot fail.
        if group != Some(&rule.operation) {
            let (name, interval) = (quoted(&rule.operation), Period(interval));
            let _ = writeln!(
                text,
                "  - name: {name}\n    interval: {interval}\n    rules:"
            );
            group = Some(&rule.operation);
        }
        if about.is_some() {
            for line in said(rule) {
                let _ = writeln!(text, "      # {}", harmless(&line));
            }
        }
        text += &written(rule);
    }
    text
}

fn head(about: &About<'_>) -> String {
    let asked = about.asked;
    let percent = |q: f64| (q * 1e5).round() / 1e3;
    let (budget, span) = (asked.budget, about.until.since(about.from));
    let mut lines = vec![
        format!(
            "Suggested from {} measurements from {} until {}, {}.",
            about.measurements,
            about.from,
            about.until,
            days(span)
        ),
        format!(
            "Limits: p{} of what was seen, times {} (p{}, divided by it, where less is worse), with two digits.",
            percent(asked.quantile),
            asked.times,
            percent(1.0 - asked.quantile)
        ),
        format!(
            "Alarms: what each rule would have raised over the same time. One of more than {} per {}, and more than 1, was loosened.",
            budget.alarms,
            period(budget.per)
        ),
    ];
    if !about.left_out.is_empty() {
        lines.push("Left out:".to_owned());
        lines.extend(about.left_out.iter().map(|line| format!("  {line}")));
    }
    lines.iter().fold(String::new(), |text, line| {
        text + "# " + &harmless(line) + "\n"
    })
}

/// What is said of a rule above it.
fn said(rule: &Draft) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(match &rule.kind {
        Kind::Threshold { times, .. } => format!("{}; limit × {times}.", rule.basis),
        Kind::Regression { .. } | Kind::Absence { .. } => format!("{}.", rule.basis),
    });
    if let Some((first, alarms)) = &rule.loosened {
        lines.push(format!(
            "Loosened: {first} would have raised {alarms} alarms."
        ));
    }
    if let Some(tried) = &rule.tried {
        lines.push(outcome(rule, tried));
    }
    lines
}

/// What came of it, as `opwatch replay` says it.
fn outcome(rule: &Draft, tried: &Tried) -> String {
    let alarms = match tried.alarms {
        1 => "1 alarm".to_owned(),
        n => format!("{n} alarms"),
    };
    let per_week = tried
        .per_week
        .map_or_else(String::new, |rate| format!(" ({rate:.1} per week)"));
    let Some((highest, lowest)) = tried.values else {
        return format!("{alarms}{per_week}; there never was enough to judge.");
    };
    let extreme = match &rule.kind {
        Kind::Threshold { metric, stat, .. } => {
            let name = if metric.own_stat().is_some() {
                metric.to_string()
            } else {
                stat_name(*stat)
            };
            extreme(metric, &name, highest, lowest)
        }
        Kind::Regression { metric, .. } => extreme(metric, "median", highest, lowest),
        Kind::Absence { .. } => {
            let silence = amount::of(&Metric::Duration, "", highest);
            format!("longest silence {silence}")
        }
    };
    format!("{alarms}{per_week}; {extreme}.")
}

fn extreme(metric: &Metric, stat: &str, highest: f64, lowest: f64) -> String {
    match metric.worse() {
        Some(Worse::Down) => format!("lowest {stat} {}", amount::of(metric, "", lowest)),
        _ => format!("highest {stat} {}", amount::of(metric, "", highest)),
    }
}

fn written(rule: &Draft) -> String {
    let mut text = String::new();
    let mut line = |indent: usize, line: &str| {
        let _ = writeln!(text, "{:indent$}{line}", "");
    };
    line(6, &format!("- alert: {}", quoted(&rule.alert)));
    line(8, &format!("select: {}", single(&selector(rule))));
    if rule.by != ["operation", "algorithm"] {
        let by: Vec<String> = rule.by.iter().map(|name| quoted(name)).collect();
        line(8, &format!("by: [{}]", by.join(", ")));
    }
    match &rule.kind {
        Kind::Threshold {
            metric,
            stat,
            reach,
            usual,
            limit,
            min_samples,
            ..
        } => {
            line(8, "threshold:");
            line(10, &format!("metric: {}", quoted(&metric.to_string())));
            if metric.own_stat().is_none() {
                line(10, &format!("stat: {}", stat_name(*stat)));
            }
            line(10, &format!("window: {}", window(*reach)));
            let side = match metric.worse() {
                Some(Worse::Down) => "below",
                _ => "above",
            };
            line(10, &format!("{side}: {}", limit.text));
            if let Some(recover) = recovery(metric, *usual, limit) {
                line(10, &format!("recover: {}", recover.text));
            }
            line(10, &format!("min_samples: {min_samples}"));
            let hold = pace::hold(*reach);
            if !hold.is_zero() {
                line(8, &format!("for: {}", Period(hold)));
            }
        }
        Kind::Regression {
            metric,
            reach,
            worse_by,
        } => {
            line(8, "regression:");
            line(10, &format!("metric: {}", quoted(&metric.to_string())));
            line(10, "stat: median");
            line(10, &format!("window: {}", window(*reach)));
            line(10, "baseline: {rolling: 7d}");
            line(10, &format!("worse_by: {worse_by}%"));
        }
        Kind::Absence { every, grace } => {
            line(8, "absence:");
            line(10, &format!("expect_every: {}", Period(*every)));
            line(10, &format!("grace: {}", Period(*grace)));
        }
    }
    line(8, "labels: {severity: medium}");
    line(8, "annotations:");
    line(10, &format!("summary: {}", single(&summary(rule))));
    text
}

fn stat_name(stat: crate::engine::metric::Stat) -> String {
    let name = stat.to_string();
    if name == "p50" {
        "median".to_owned()
    } else {
        name
    }
}

fn window(reach: Reach) -> String {
    match reach {
        Reach::Runs(runs) => format!("{runs} runs"),
        Reach::Time(span) | Reach::AtLeast(span, _) => Period(span).to_string(),
    }
}

fn period(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds > 0 && seconds.is_multiple_of(86_400) {
        format!("{}d", seconds / 86_400)
    } else {
        Period(span).to_string()
    }
}

/// What people are told, by the labels that the instance has.
fn summary(rule: &Draft) -> String {
    let mut who = "{{ $labels.operation }}".to_owned();
    let labels = rule.labels.iter().map(|(label, _)| label);
    for label in labels {
        let _ = write!(who, " ({label} {{{{ $labels.{label} }}}})");
    }
    let human = |metric: &Metric, variable: &str| match metric.unit() {
        Unit::Seconds => format!("{{{{ humanizeDuration {variable} }}}}"),
        Unit::Bytes => format!("{{{{ humanize1024 {variable} }}}}B"),
        Unit::Ratio => format!("{{{{ humanizePercentage {variable} }}}}"),
        Unit::Cores => format!("{{{{ printf \"%.3g\" {variable} }}}} cores"),
        Unit::None => format!("{{{{ printf \"%.4g\" {variable} }}}}"),
    };
    match &rule.kind {
        Kind::Threshold { metric, stat, .. } => {
            let what = match metric.own_stat() {
                Some(_) => metric.to_string(),
                None => format!("{} of {metric}", stat_name(*stat)),
            };
            let (value, limit) = (human(metric, "$value"), human(metric, "$threshold"));
            format!("{who}: {what} is {value} over {{{{ $n }}}} runs, limit {limit}")
        }
        Kind::Regression { metric, .. } => {
            let (value, before) = (human(metric, "$value"), human(metric, "$baseline"));
            format!(
                "{who}: median {metric} is {value}, it was {before} in the 7 days before ({{{{ $interval }}}})"
            )
        }
        Kind::Absence { .. } => format!(
            "{who} last ran {{{{ humanizeDuration $value }}}} ago, limit {{{{ humanizeDuration $threshold }}}}"
        ),
    }
}

fn selector(rule: &Draft) -> String {
    let mut matchers = vec![format!("operation={}", escaped(&rule.operation))];
    for (label, matched) in &rule.labels {
        let (values, is, is_one_of) = match matched {
            Matched::In(values) => (values, "=", "=~"),
            Matched::NotIn(values) => (values, "!=", "!~"),
        };
        matchers.push(match &values[..] {
            [value] => format!("{label}{is}{}", escaped(value)),
            values => {
                let values: Vec<String> = values.iter().map(|value| regex::escape(value)).collect();
                format!("{label}{is_one_of}{}", escaped(&values.join("|")))
            }
        });
    }
    format!("{{{}}}", matchers.join(", "))
}

/// A value between the double quotes of a selector.
fn escaped(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Text as YAML has it: as it is where it is a word that means nothing else, else between single quotes.
fn quoted(text: &str) -> String {
    const KEYWORDS: [&str; 10] = [
        "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan",
    ];
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !KEYWORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_word {
        text.to_owned()
    } else {
        single(text)
    }
}

fn single(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Text that stays within the line of its comment.
fn harmless(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    text.replace(breaks, "?")
}

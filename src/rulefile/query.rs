//! What a local rule asks, as PromQL over the metrics that opwatch itself exposes.

use std::time::Duration;

use crate::document::units::Period;
use crate::engine::condition::{Against, Comparison, Condition};
use crate::engine::metric::Worse;
use crate::engine::rule::Rule;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// The query that shows the same breaches in Prometheus: `opwatch_rule_value{…} > opwatch_rule_limit{…}`.
///
/// Both metrics have the labels of the instance, `alertname` and `severity`, so every level is compared with its own limit.
pub fn query(rule: &Rule) -> String {
    let name = escape(&rule.name);
    let operator = match &rule.condition {
        Condition::Threshold(threshold) => threshold.comparison.operator(),
        Condition::Regression(regression) => match regression.worse {
            Worse::Up => Comparison::Above.operator(),
            Worse::Down => Comparison::Below.operator(),
        },
        Condition::Trend(trend) => match trend.towards {
            Worse::Up => Comparison::Above.operator(),
            Worse::Down => Comparison::Below.operator(),
        },
        // Either way away from what is usual.
        Condition::Detection(detection) => match detection.towards {
            Some(Worse::Up) => Comparison::Above.operator(),
            Some(Worse::Down) => Comparison::Below.operator(),
            None => "!=",
        },
        Condition::Absence(_) => Comparison::Above.operator(),
    };
    format!(
        "opwatch_rule_value{{alertname=\"{name}\"}} {operator} opwatch_rule_limit{{alertname=\"{name}\"}}"
    )
}

/// What a window is compared with, as a rule file has it: `rolling 7d`; the name of a baseline that was set.
pub fn against_name(against: &Against) -> String {
    let span = |span: Duration| {
        let seconds = span.as_secs();
        if seconds > 0 && seconds.is_multiple_of(DAY) && span.subsec_nanos() == 0 {
            format!("{}d", seconds / DAY)
        } else {
            Period(span).to_string()
        }
    };
    match against {
        Against::Pinned(name) => name.clone(),
        Against::Rolling(long) => format!("rolling {}", span(*long)),
        Against::Offset(ago) => format!("offset {}", span(*ago)),
        Against::Seasonal(season) => format!("seasonal {}", span(*season)),
        Against::PreviousVersion => "previous version".to_owned(),
    }
}

/// Escapes what may not stand between double quotes in PromQL; names have no control characters.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rulefile::{Surroundings, load};
    use std::fmt::Write;
    use std::process::Command;

    fn rules() -> Vec<Rule> {
        let mut text = "groups: [{name: g, rules: [".to_owned();
        for (name, comparison) in [
            ("Plain", "above"),
            ("A \"quoted\" \\ name {{x}}", "below"),
            ("ünïcode 🙂", "at_least"),
            ("D", "at_most"),
            ("E", "equals"),
        ] {
            let name = name.replace('\\', "\\\\").replace('"', "\\\"");
            write!(text, "{{alert: \"{name}\", threshold: {{metric: auc, stat: last, window: 5m, {comparison}: 1}}}},").unwrap();
        }
        text.push_str("]}]");
        let loaded = load("f.yaml", text, Surroundings::default());
        assert_eq!(loaded.findings.faults, []);
        loaded.groups.into_iter().flat_map(|g| g.rules).collect()
    }

    #[test]
    fn a_query_compares_values_with_limits() {
        let queries: Vec<_> = rules().iter().map(query).collect();
        assert_eq!(
            queries[0],
            r#"opwatch_rule_value{alertname="Plain"} > opwatch_rule_limit{alertname="Plain"}"#
        );
        assert_eq!(
            queries[1],
            r#"opwatch_rule_value{alertname="A \"quoted\" \\ name {{x}}"} < opwatch_rule_limit{alertname="A \"quoted\" \\ name {{x}}"}"#
        );
    }

    #[test]
    fn prometheus_accepts_every_query() {
        let required = std::env::var_os("OPWATCH_TEST_PEERS").is_some();
        if !required && Command::new("promtool").arg("--version").output().is_err() {
            return;
        }
        let mut file = "groups:\n- name: g\n  rules:\n".to_owned();
        for (number, rule) in rules().iter().enumerate() {
            let query = serde_json::to_string(&query(rule)).unwrap();
            writeln!(file, "  - {{record: r{number}, expr: {query}}}").unwrap();
        }
        let path = std::env::temp_dir().join(format!("opwatch-query-{}.yaml", std::process::id()));
        std::fs::write(&path, file).unwrap();
        let output = Command::new("promtool")
            .args(["check", "rules"])
            .arg(&path)
            .output()
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("5 rules found"),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

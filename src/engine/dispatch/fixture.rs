//! Alerts as the tests of the engine tell of them.

use super::Announced;
use crate::engine::onset::Onset;
use crate::engine::series::Labels;
use crate::engine::time::Timestamp;

/// One that fires, with these labels, of the rule that `alertname` says; since when is up to the test.
pub(in crate::engine) fn alert(labels: &[(&str, &str)]) -> Announced {
    let labels: Labels = labels.iter().copied().collect();
    let rule = match labels.get("alertname") {
        "" => "Slow",
        name => name,
    };
    Announced {
        fingerprint: labels.fingerprint(),
        rule: rule.to_owned(),
        labels,
        annotations: Labels::default(),
        starts_at: Timestamp::default(),
        onset: Onset::default(),
        ended: None,
        suppressed: false,
        generator_url: String::new(),
        alert_type: "threshold_exceeded",
        metric: "duration".into(),
        stat: "p95".into(),
        value: Some(2.0),
        limit: 1.0,
        n: 20,
        evidence: None,
        replaces: None,
        tally: None,
        pace: None,
    }
}

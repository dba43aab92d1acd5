//! Findings as JSON: what the command writes, what the API answers, and what the command reads of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Began, Finding, Findings, History, Level, Question, Run, Status};
use crate::engine::metric::Metric;
use crate::engine::time::Timestamp;

/// Findings with what was asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Body {
    threshold: f64,
    critical: f64,
    min_samples: u64,
    compat: Option<String>,
    counts: BTreeMap<String, usize>,
    findings: Vec<Row>,
    #[serde(default)]
    undirected: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    history: Option<Looked>,
}

/// Of a history that was looked at.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Looked {
    runs: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    labels: BTreeMap<String, String>,
    metric: String,
    stat: String,
    status: String,
    severity: Option<String>,
    reason: Option<String>,
    baseline: Option<f64>,
    current: Option<f64>,
    change: Option<f64>,
    interval: Option<(f64, f64)>,
    p_value: Option<f64>,
    baseline_n: u64,
    n: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began: Option<Since>,
}

/// The run that began a change.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Since {
    run: String,
    at: Option<String>,
    evidence: f64,
}

impl Since {
    fn of(began: &Began) -> Self {
        Self {
            run: began.run.name.clone(),
            at: began.run.at.map(|at| at.to_string()),
            evidence: began.evidence,
        }
    }

    fn read(self) -> Began {
        Began {
            run: Run {
                name: self.run,
                at: self.at.as_deref().and_then(Timestamp::parse),
            },
            evidence: self.evidence,
        }
    }
}

impl Body {
    /// Findings and the question they answer.
    pub fn of(findings: &Findings, question: &Question) -> Self {
        let words = [
            "regressed",
            "improved",
            "stable",
            "insufficient",
            "new",
            "missing",
        ];
        Self {
            threshold: question.threshold,
            critical: question.critical,
            min_samples: question.min_samples,
            compat: question.is_guide.then(|| "guide".to_owned()),
            counts: words
                .map(|word| (word.to_owned(), findings.count(word)))
                .into(),
            findings: findings.rows.iter().map(Row::of).collect(),
            undirected: findings.undirected.clone(),
            history: findings.history.map(|one| Looked { runs: one.runs }),
        }
    }

    /// The findings; `None` where a status is none that is known.
    pub fn read(self) -> Option<Findings> {
        let rows: Option<Vec<Finding>> = self.findings.into_iter().map(Row::read).collect();
        Some(Findings {
            rows: rows?,
            undirected: self.undirected,
            history: self.history.map(|one| History { runs: one.runs }),
        })
    }
}

impl Row {
    fn of(row: &Finding) -> Self {
        let (severity, reason) = match &row.status {
            Status::Regressed(level) => (Some(level.as_str().to_owned()), None),
            Status::Insufficient(why) => (None, Some(why.clone())),
            _ => (None, None),
        };
        Self {
            labels: row.labels.as_map().clone(),
            metric: row.metric.to_string(),
            stat: row.stat.clone(),
            status: row.status.as_str().to_owned(),
            severity,
            reason,
            baseline: row.baseline,
            current: row.current,
            change: row.change,
            interval: row.interval,
            p_value: row.p_value,
            baseline_n: row.baseline_n,
            n: row.n,
            began: row.began.as_ref().map(Since::of),
        }
    }

    fn read(self) -> Option<Finding> {
        let status = match (self.status.as_str(), self.severity.as_deref()) {
            ("regressed", Some("critical")) => Status::Regressed(Level::Critical),
            ("regressed", _) => Status::Regressed(Level::Warning),
            ("improved", _) => Status::Improved,
            ("stable", _) => Status::Stable,
            ("insufficient", _) => Status::Insufficient(self.reason.unwrap_or_default()),
            ("new", _) => Status::New,
            ("missing", _) => Status::Missing,
            _ => return None,
        };
        Some(Finding {
            labels: self.labels.into_iter().collect(),
            metric: Metric::named(&self.metric),
            stat: self.stat,
            status,
            baseline: self.baseline,
            current: self.current,
            change: self.change,
            interval: self.interval,
            p_value: self.p_value,
            baseline_n: self.baseline_n,
            n: self.n,
            began: self.began.map(Since::read),
        })
    }
}

//! A question as it is written: in options of the command, and in the query of the API.

use super::{Question, QuestionError};
use crate::document::units::{Quantity, Unit};
use crate::engine::metric::{Metric, MetricName, Stat, Worse};
use crate::engine::series::{check_text, is_label_name};

/// Part of a question that is wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OptionError {
    /// There is no such part.
    #[error("{0:?} is not known; allowed are {known}", known = Question::PARTS.join(", "))]
    Unknown(String),
    /// What it says cannot be read.
    #[error("{part}: {value:?} {reason}")]
    Value {
        /// Which part.
        part: &'static str,
        /// What it says.
        value: String,
        /// What is wrong with it, and what is allowed.
        reason: String,
    },
    /// It makes no sense as a whole.
    #[error(transparent)]
    Whole(#[from] QuestionError),
}

impl Question {
    /// The parts of a question, some of which may be given several times.
    pub const PARTS: [&'static str; 9] = [
        "operation",
        "metric",
        "by",
        "worse",
        "stat",
        "threshold",
        "critical",
        "min_samples",
        "compat",
    ];

    /// Reads a question from its parts; what is not given is as by default.
    ///
    /// # Errors
    /// The first part that is wrong.
    pub fn read<'p>(
        parts: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> Result<Self, OptionError> {
        let mut question = Self::default();
        let (mut stat, mut critical, mut min_samples) = (None, None, None);
        for (name, text) in parts {
            let Some(part) = Self::PARTS.into_iter().find(|part| *part == name) else {
                return Err(OptionError::Unknown(name.chars().take(60).collect()));
            };
            let wrong = |reason: String| OptionError::Value {
                part,
                value: text.chars().take(60).collect(),
                reason,
            };
            match part {
                "operation" => {
                    check_text(part, text).map_err(|fault| wrong(fault.reason))?;
                    question.operations.push(text.to_owned());
                }
                "metric" => question.metrics.push(metric(text).map_err(wrong)?),
                "by" => question.by = by(text).map_err(wrong)?,
                "worse" => {
                    let (name, way) = worse(text).map_err(wrong)?;
                    question.worse.insert(name, way);
                }
                "stat" => {
                    let known = Stat::named(text);
                    stat = Some(known.ok_or_else(|| {
                        wrong("is no statistic; mean, median, p50 to p99.9 are allowed".to_owned())
                    })?);
                }
                "threshold" => question.threshold = share(text).map_err(wrong)?,
                "critical" => critical = Some(share(text).map_err(wrong)?),
                "min_samples" => {
                    let n = text.parse().ok().filter(|n: &u64| *n > 0);
                    min_samples = Some(n.ok_or_else(|| {
                        wrong("is no number of values; at least 1 is allowed".to_owned())
                    })?);
                }
                _ if text == "guide" => question.is_guide = true,
                _ => return Err(wrong("is not known; guide is allowed".to_owned())),
            }
        }
        question.critical = critical.unwrap_or_else(|| {
            let usual = Self::default().critical;
            // A threshold as far out as the usual one for critical takes it along.
            if question.threshold < usual {
                usual
            } else {
                question.threshold * 2.0
            }
        });
        if question.is_guide {
            question.stat = Stat::Mean;
            question.min_samples = 1;
        }
        question.stat = stat.unwrap_or(question.stat);
        question.min_samples = min_samples.unwrap_or(question.min_samples);
        question.check()?;
        Ok(question)
    }
}

/// A share as it is written: `20%` or `0.2`.
fn share(text: &str) -> Result<f64, String> {
    let quantity: Option<Quantity> = text.parse().ok();
    quantity
        .filter(|quantity| matches!(quantity.unit, Unit::Ratio | Unit::None))
        .map(|quantity| quantity.value)
        .filter(|value| value.is_finite() && *value > 0.0)
        .ok_or_else(|| "is no share; one above 0 such as 20% or 0.2 is allowed".to_owned())
}

fn metric(text: &str) -> Result<Metric, String> {
    if !is_label_name(text) || text.len() > 64 || MetricName::RESERVED.contains(&text) {
        let names = MetricName::ALL.iter().map(|(name, _)| *name);
        return Err(format!(
            "is no metric; {}, or the name of a quality score is allowed",
            names.collect::<Vec<_>>().join(", ")
        ));
    }
    Ok(Metric::named(text))
}

fn by(text: &str) -> Result<Vec<String>, String> {
    let names = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(str::to_owned).collect();
    match names.iter().find(|name| !is_label_name(name)) {
        None => Ok(names),
        Some(_) => {
            Err("is no list of labels; names such as operation,algorithm are allowed".to_owned())
        }
    }
}

fn worse(text: &str) -> Result<(String, Worse), String> {
    let allowed =
        || "does not say which way a score gets worse; NAME=up or NAME=down is allowed".to_owned();
    let (name, way) = text.split_once('=').ok_or_else(allowed)?;
    metric(name)?;
    match way {
        "up" => Ok((name.to_owned(), Worse::Up)),
        "down" => Ok((name.to_owned(), Worse::Down)),
        _ => Err(allowed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read_part_by_part() {
        let question = Question::read([
            ("operation", "a"),
            ("operation", "b"),
            ("metric", "duration"),
            ("metric", "brier"),
            ("worse", "brier=up"),
            ("by", "operation, version"),
            ("stat", "p95"),
            ("threshold", "60%"),
            ("min_samples", "3"),
        ])
        .unwrap();
        let expected = Question {
            by: vec!["operation".to_owned(), "version".to_owned()],
            operations: vec!["a".to_owned(), "b".to_owned()],
            metrics: vec![Metric::Duration, Metric::named("brier")],
            worse: [("brier".to_owned(), Worse::Up)].into(),
            stat: Stat::Quantile(0.95),
            threshold: 0.6,
            critical: 1.2,
            min_samples: 3,
            is_guide: false,
        };
        assert_eq!(question, expected);
        let guide = Question::read([("compat", "guide")]).unwrap();
        assert_eq!((guide.stat, guide.min_samples), (Stat::Mean, 1));
    }

    #[test]
    fn what_is_wrong_with_a_part_is_said_with_what_is_allowed() {
        for (name, value, expected) in [
            (
                "treshold",
                "1",
                "\"treshold\" is not known; allowed are operation, metric",
            ),
            (
                "threshold",
                "5s",
                "threshold: \"5s\" is no share; one above 0 such as 20% or 0.2 is allowed",
            ),
            ("threshold", "-1", "threshold: \"-1\" is no share"),
            (
                "critical",
                "10%",
                "critical at 10% is not beyond the threshold of 20%",
            ),
            ("stat", "average", "stat: \"average\" is no statistic"),
            (
                "metric",
                "a b",
                "metric: \"a b\" is no metric; duration, setup",
            ),
            ("metric", "outcome", "metric: \"outcome\" is no metric"),
            ("worse", "brier", "worse: \"brier\" does not say which way"),
            (
                "min_samples",
                "0",
                "min_samples: \"0\" is no number of values",
            ),
            (
                "compat",
                "promtool",
                "compat: \"promtool\" is not known; guide is allowed",
            ),
            ("by", "a-b", "by: \"a-b\" is no list of labels"),
        ] {
            let error = Question::read([(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}

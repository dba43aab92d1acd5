//! `/api/v1/regressions`: what has become worse than a baseline that was set, and what the rules on regressions say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use super::{Services, unavailable};
use crate::document::units::Period;
use crate::engine::Engine;
use crate::engine::baseline::is_by_factors;
use crate::engine::cohort::Cohort;
use crate::engine::condition::{Condition, Lack, Standing};
use crate::engine::judge::Tracked;
use crate::engine::metric::{Metric, MetricName};
use crate::engine::rule::Severity;
use crate::engine::selector::Selector;
use crate::engine::series::OWN_OPERATION;
use crate::engine::time::Now;
use crate::engine::window::Reach;
use crate::http::request::decode;
use crate::http::respond::{self, Body, ErrorType};
use crate::regressions::{Body as Comparison, Question, compare_with_pinned};

/// How far back what was measured is judged, unless the request says.
const WINDOW: Duration = Duration::from_secs(3_600);
/// Comparisons in one request: the engine does nothing else meanwhile.
const MAX_COMPARISONS: usize = 500;

/// What is asked for.
#[derive(Debug)]
struct Asked {
    question: Question,
    baseline: Option<String>,
    window: Duration,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, String> {
        let pairs = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(name), decode(&value.replace('+', " ")))
            });
        let (mut baseline, mut window, mut parts) = (None, WINDOW, Vec::new());
        for (name, value) in pairs {
            match name.as_str() {
                "baseline" => baseline = Some(value),
                "window" => {
                    let read: Result<Period, _> = value.parse();
                    window = read.map_err(|error| format!("window: {error}"))?.0;
                }
                _ => parts.push((name, value)),
            }
        }
        let question = Question::read(
            parts
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str())),
        );
        Ok(Self {
            question: question.map_err(|error| error.to_string())?,
            baseline,
            window,
        })
    }
}

#[derive(Serialize)]
struct Data {
    /// With the baseline that was named; without a name there is none.
    comparison: Option<Comparison>,
    rules: Vec<RuleBody>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleBody {
    file: String,
    group: String,
    rule: String,
    labels: BTreeMap<String, String>,
    metric: String,
    stat: String,
    /// Why nothing can be said, where that is so.
    reason: Option<&'static str>,
    value: Option<f64>,
    baseline: Option<f64>,
    change: Option<f64>,
    interval: Option<(f64, f64)>,
    p_value: Option<f64>,
    n: u64,
    baseline_n: u64,
    levels: Vec<LevelBody>,
}

#[derive(Serialize)]
struct LevelBody {
    severity: Option<&'static str>,
    verdict: &'static str,
    limit: Option<f64>,
    state: &'static str,
}

/// Why there is no answer.
enum Refusal {
    NoBaseline(String),
    TooMany(usize),
}

/// Compares what was measured last with a baseline, and says what the rules on regressions say.
pub async fn regressions(services: &Services, request: &Request<Incoming>) -> Response<Body> {
    let asked = match Asked::parse(request.uri().query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(error) => {
            return respond::api_error(StatusCode::BAD_REQUEST, ErrorType::BadData, &error);
        }
    };
    let answer = services
        .engine
        .read(move |engine, now| {
            let comparison = match &asked.baseline {
                Some(name) => Some(compare(engine, now, &asked, name)?),
                None => None,
            };
            let rules = rules(engine, &asked.question);
            Ok(Data { comparison, rules })
        })
        .await;
    match answer {
        Ok(Ok(data)) => respond::compress(request.headers(), respond::api_data(&data)).await,
        Ok(Err(Refusal::NoBaseline(name))) => {
            let message = format!("no baseline {name:?} is set");
            respond::api_error(StatusCode::NOT_FOUND, ErrorType::NotFound, &message)
        }
        Ok(Err(Refusal::TooMany(n))) => {
            let message = format!(
                "{n} metrics of instances would be compared; at most {MAX_COMPARISONS} at once are allowed, operation= and metric= choose among them"
            );
            respond::api_error(StatusCode::BAD_REQUEST, ErrorType::BadData, &message)
        }
        Err(refused) => unavailable(refused),
    }
}

fn compare(engine: &Engine, now: Now, asked: &Asked, name: &str) -> Result<Comparison, Refusal> {
    let question = &asked.question;
    let all = engine.instances(&Selector::default(), &question.by);
    let fixed = MetricName::ALL.iter().map(|(_, metric)| metric.clone());
    let scores = engine.store().score_names().iter().cloned();
    let metrics: Vec<Metric> = (fixed.chain(scores.map(Metric::Score)))
        .filter(|metric| !matches!(metric, Metric::Rate | Metric::Errors | Metric::CpuRatio))
        .collect();
    let baselines = engine.baselines();
    let mut instances = BTreeSet::new();
    for labels in all
        .keys()
        .filter(|one| one.get("operation") != OWN_OPERATION)
    {
        for metric in &metrics {
            if question.asks_of(metric)
                && question.asks_for(labels.get("operation"))
                && baselines.find(name, metric, labels).is_some()
            {
                instances.insert((labels.clone(), metric.to_string()));
            }
        }
    }
    if instances.len() > MAX_COMPARISONS {
        return Err(Refusal::TooMany(instances.len()));
    }
    let found = compare_with_pinned(
        question,
        baselines,
        name,
        &instances,
        |labels, metric, scale, after| {
            let series = all.get(labels)?;
            let reach = Reach::Time(asked.window);
            let gathered = engine.gather(series, metric, reach, (after, None), now.wall);
            Cohort::of(
                &gathered.course,
                gathered.summary,
                is_by_factors(metric),
                scale,
            )
        },
    );
    let found = found.ok_or_else(|| Refusal::NoBaseline(name.chars().take(200).collect()))?;
    Ok(Comparison::of(&found, question))
}

fn rules(engine: &Engine, question: &Question) -> Vec<RuleBody> {
    let mut bodies = Vec::new();
    for (_, group, state) in engine.rules() {
        let Condition::Regression(regression) = &state.rule.condition else {
            continue;
        };
        let is_asked = question.metrics.is_empty() || question.metrics.contains(&regression.metric);
        for instance in state.instances.values().filter(|_| is_asked) {
            let operation = instance.labels.get("operation");
            if !operation.is_empty() && !question.asks_for(operation) {
                continue;
            }
            let found = instance.by.compared().map(|compared| compared.found);
            let found = found.unwrap_or_default();
            let verdict = instance.levels.iter().find_map(|level| level.verdict);
            let evidence = verdict
                .and_then(|verdict| verdict.evidence)
                .unwrap_or_default();
            bodies.push(RuleBody {
                file: group.file.clone(),
                group: group.name.clone(),
                rule: state.rule.name.clone(),
                labels: instance.labels.as_map().clone(),
                metric: regression.metric.to_string(),
                stat: regression.stat.to_string(),
                reason: regression.lacking(&found).map(Lack::as_str),
                value: verdict.and_then(|verdict| verdict.value),
                baseline: evidence.baseline,
                change: evidence.change,
                interval: evidence.interval,
                p_value: evidence.p_value,
                n: found.n,
                baseline_n: evidence.baseline_n,
                levels: instance.levels.iter().map(level_body).collect(),
            });
        }
    }
    bodies
}

fn level_body(tracked: &Tracked) -> LevelBody {
    let severity = tracked.level().and_then(|level| level.severity);
    let limit = tracked.verdict.map(|verdict| verdict.limit);
    LevelBody {
        severity: severity.map(Severity::as_str),
        verdict: match tracked.verdict.map(|verdict| verdict.standing) {
            None | Some(Standing::NoData) => "no_data",
            Some(Standing::Insufficient) => "insufficient",
            Some(Standing::Holds) => "holds",
            Some(Standing::Breached) => "breached",
        },
        limit: limit.filter(|limit| limit.is_finite()),
        state: tracked.state.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_is_compared_and_a_misspelt_one_what_is_allowed() {
        let asked = Asked::parse(
            "baseline=last+good&window=30m&operation=a&operation=b&metric=duration&threshold=10%25",
        );
        let asked = asked.unwrap();
        assert_eq!(asked.baseline.as_deref(), Some("last good"));
        assert_eq!(asked.window, Duration::from_secs(1_800));
        assert_eq!(asked.question.operations, ["a", "b"]);
        assert_eq!(asked.question.threshold, 0.1);
        for (query, expected) in [
            (
                "treshold=1",
                "\"treshold\" is not known; allowed are operation,",
            ),
            ("window=1", "window: "),
            ("stat=max", "`max` cannot be compared"),
        ] {
            let error = Asked::parse(query).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}

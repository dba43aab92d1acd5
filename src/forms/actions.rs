//! Actions as the API tells of them, reports of what became of them, and both in words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::engine::action::{self, Actions, Case, EndsBy, Probation, Report, Reported, Stage};
use crate::engine::time::Timestamp;

/// Characters of a message that are taken.
const MOST_MESSAGE: usize = 2_000;
/// Scores that are taken.
const MOST_METRICS: usize = 64;

/// What somebody reports of a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportForm {
    status: Status,
    #[serde(default)]
    message: String,
    #[serde(default)]
    metrics: BTreeMap<String, f64>,
    in_service_since: Option<String>,
    // What services commonly add to an answer on the state of a job.
    #[serde(default)]
    #[expect(
        dead_code,
        reason = "taken and not needed: it is known which job was asked for"
    )]
    job: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    #[expect(dead_code, reason = "as job")]
    id: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    #[expect(dead_code, reason = "as job")]
    key: Option<serde::de::IgnoredAny>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    #[serde(alias = "pending", alias = "queued")]
    Running,
    Succeeded,
    Failed,
}

impl ReportForm {
    /// What it says.
    ///
    /// # Errors
    /// What is wrong with it, and what is allowed.
    pub fn report(self) -> Result<Report, String> {
        if self.message.chars().count() > MOST_MESSAGE {
            return Err(format!(
                "message: is too long, allowed: {MOST_MESSAGE} characters"
            ));
        }
        if self.metrics.len() > MOST_METRICS {
            let count = self.metrics.len();
            return Err(format!("metrics: {count} given, allowed: {MOST_METRICS}"));
        }
        let since = match &self.in_service_since {
            None => None,
            Some(text) => Some(Timestamp::parse(text).ok_or_else(|| {
                let shown: String = text.chars().take(60).collect();
                format!("in_service_since: {shown:?} is no time, allowed: RFC 3339 such as 2026-01-31T12:00:00Z")
            })?),
        };
        Ok(Report {
            status: match self.status {
                Status::Running => Reported::Running,
                Status::Succeeded => Reported::Succeeded,
                Status::Failed => Reported::Failed,
            },
            message: self.message,
            metrics: self.metrics,
            since,
        })
    }
}

/// All actions with what became of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// They, by name.
    pub actions: Vec<Action>,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Its name.
    pub name: String,
    /// `callback`, `poll` or `answer`.
    pub result: String,
    /// Seconds from one request to the next for the same identity.
    pub cooldown_seconds: f64,
    /// Seconds after which it has failed.
    pub timeout_seconds: f64,
    /// What a new reference has to pass; null where the baseline stays.
    pub probation: Option<String>,
    /// What became of it, for each rule and identity.
    pub cases: Vec<CaseBody>,
}

/// What became of an action for one rule and identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseBody {
    /// The rule.
    pub rule: String,
    /// What is acted on.
    pub identity: BTreeMap<String, String>,
    /// `idle`, `waiting`, `requested`, `running` or `probation`.
    pub state: String,
    /// What is under way, or was last.
    pub run: Option<RunBody>,
    /// Whether an alert says that it has failed.
    pub failing: bool,
    /// Those that are over, the latest first.
    pub history: Vec<PastBody>,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunBody {
    /// By what it is known.
    pub key: String,
    /// By what whoever was asked knows it.
    pub job: Option<String>,
    /// When the alert began to fire.
    pub since: String,
    /// When it was decided to act.
    pub requested_at: String,
    /// The last that was said of it.
    pub message: String,
    /// What was reported of what was made.
    pub metrics: BTreeMap<String, f64>,
    /// From when on what is measured counts, under probation.
    pub in_service_since: Option<String>,
}

/// A request that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastBody {
    /// By what it was known.
    pub key: String,
    /// When it was decided to act.
    pub requested_at: String,
    /// When it ended.
    pub ended_at: String,
    /// `succeeded`, `kept`, `reverted`, `refused`, `failed`, `timed_out` or `called_off`.
    pub outcome: String,
    /// Why, or what was said.
    pub message: String,
}

impl Told {
    /// What is to be told of all.
    pub fn of(actions: &Actions) -> Self {
        let told = actions.configured().map(|one| Action::of(one, actions));
        Self {
            actions: told.collect(),
        }
    }
}

impl Action {
    fn of(one: &action::Action, all: &Actions) -> Self {
        let cases = all.cases().filter(|case| case.action == one.name);
        Self {
            name: one.name.clone(),
            result: match one.ends_by {
                EndsBy::Callback => "callback",
                EndsBy::Poll => "poll",
                EndsBy::Answer => "answer",
            }
            .to_owned(),
            cooldown_seconds: one.cooldown.as_secs_f64(),
            timeout_seconds: one.timeout.as_secs_f64(),
            probation: one.probation.map(|probation| match probation {
                Probation::Time(span) => crate::document::units::Period(span).to_string(),
                Probation::Runs(runs) => format!("{runs} runs"),
            }),
            cases: cases.map(CaseBody::of).collect(),
        }
    }
}

impl CaseBody {
    /// What is to be told of one.
    pub fn of(case: &Case) -> Self {
        let run = case.run.as_ref().map(|run| RunBody {
            key: run.key.clone(),
            job: match &case.stage {
                Stage::Running { job } => job.clone(),
                _ => None,
            },
            since: run.since.to_string(),
            requested_at: run.at.to_string(),
            message: run.message.clone(),
            metrics: run.metrics.clone(),
            in_service_since: match &case.stage {
                Stage::Probation { from, .. } => Some(from.to_string()),
                _ => None,
            },
        });
        let history = case.history.iter().rev();
        Self {
            rule: case.rule.clone(),
            identity: case.identity.as_map().clone(),
            state: case.stage.as_str().to_owned(),
            run,
            failing: case.failing().is_some(),
            history: history
                .map(|past| PastBody {
                    key: past.key.clone(),
                    requested_at: past.at.to_string(),
                    ended_at: past.ended_at.to_string(),
                    outcome: past.outcome.as_str().to_owned(),
                    message: past.message.clone(),
                })
                .collect(),
        }
    }
}

/// All in words: an action a paragraph, what became of it for one rule and identity a line, and what was before below it
/// where `history` says so.
pub fn text(told: &Told, history: bool) -> String {
    if told.actions.is_empty() {
        return "there are no actions\n".to_owned();
    }
    let mut out = String::new();
    for action in &told.actions {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{} ({})", action.name, action.result);
        if action.cases.is_empty() {
            out.push_str("  has not been asked for\n");
        }
        for case in &action.cases {
            let labels: Vec<String> = case
                .identity
                .iter()
                .map(|(name, value)| format!("{name}={value:?}"))
                .collect();
            let failing = if case.failing { ", failing" } else { "" };
            let _ = writeln!(
                out,
                "  {:<9} {} {{{}}}{failing}",
                case.state,
                case.rule,
                labels.join(", ")
            );
            if let Some(run) = case.run.as_ref().filter(|_| case.state != "idle") {
                let _ = writeln!(out, "    {} since {}", run.key, run.requested_at);
                if !run.message.is_empty() {
                    let _ = writeln!(out, "    {}", run.message);
                }
            }
            let shown = if history { usize::MAX } else { 1 };
            for past in case.history.iter().take(shown) {
                let PastBody {
                    key,
                    ended_at,
                    outcome,
                    message,
                    ..
                } = past;
                let said = match message.is_empty() {
                    true => String::new(),
                    false => format!(": {message}"),
                };
                let _ = writeln!(out, "    {ended_at} {outcome} {key}{said}");
            }
        }
        out.push('\n');
    }
    out
}

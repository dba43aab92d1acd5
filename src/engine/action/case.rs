//! What becomes of one action for one identity: a state and what moves it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::{Action, Bar, CaseKey, Counts, EndsBy, Failure, Order, Work};
use crate::engine::dispatch::Announced;
use crate::engine::series::Labels;
use crate::engine::time::{Now, Timestamp};

/// How many that are over are remembered of each.
const HISTORY: usize = 10;
/// Characters of a message that are kept.
const MESSAGE: usize = 500;

/// What an action came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done, and no baseline depends on it.
    Succeeded,
    /// It was done, and what it led to has passed its probation.
    Kept,
    /// It was done, but what it led to has not passed: the old baseline stays.
    Reverted,
    /// By what was reported it is worse than what there is.
    Refused,
    /// It was refused, or failed.
    Failed,
    /// It had no end in time.
    TimedOut,
    /// What it was about is gone.
    CalledOff,
}

impl Outcome {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::Succeeded,
        Self::Kept,
        Self::Reverted,
        Self::Refused,
        Self::Failed,
        Self::TimedOut,
        Self::CalledOff,
    ];

    /// As the API and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Kept => "kept",
            Self::Reverted => "reverted",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::CalledOff => "called_off",
        }
    }

    /// Whether it is what was wanted.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Succeeded | Self::Kept)
    }

    /// Whether somebody should know.
    pub fn is_bad(self) -> bool {
        !self.is_good() && self != Self::CalledOff
    }
}

/// Where a case stands. `Duration`s are readings of the clock of judging.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Stage {
    /// Nothing is under way.
    #[default]
    Idle,
    /// The alert has to fire for longer.
    Waiting {
        /// Since when it does.
        since: Duration,
    },
    /// It is to be requested, and nobody has answered yet.
    Requested,
    /// Whoever was asked is at it.
    Running {
        /// By what they know it.
        job: Option<String>,
    },
    /// It was done, and what it led to has to prove itself.
    Probation {
        /// From when on what is measured counts.
        from: Timestamp,
        /// When it began.
        begun: Duration,
    },
}

impl Stage {
    /// As the API names it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting { .. } => "waiting",
            Self::Requested => "requested",
            Self::Running { .. } => "running",
            Self::Probation { .. } => "probation",
        }
    }

    /// Whether something has been asked for that has no end yet.
    pub fn is_in_flight(&self) -> bool {
        !matches!(self, Self::Idle | Self::Waiting { .. })
    }
}

/// A request and what has come of it so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// By what it is known.
    pub key: String,
    /// When the alert began to fire.
    pub since: Timestamp,
    /// The alert as it was when it was decided to act.
    pub alert: Arc<Announced>,
    /// When it was decided to act.
    pub at: Timestamp,
    /// The same on the clock of judging.
    pub(in crate::engine) begun: Duration,
    /// What has to be passed.
    pub(in crate::engine) bar: Bar,
    /// The last that was said of it: by whoever was asked, or why they could not be.
    pub message: String,
    /// What was reported of what was made.
    pub metrics: BTreeMap<String, f64>,
}

/// A request that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// By what it was known.
    pub key: String,
    /// When it was decided to act.
    pub at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What it came to.
    pub outcome: Outcome,
    /// Why, or what was said.
    pub message: String,
}

/// What is reported of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How it stands.
    pub status: Reported,
    /// What there is to say.
    pub message: String,
    /// How good what was made is, by the names of quality scores.
    pub metrics: BTreeMap<String, f64>,
    /// Since when what was made is in service; without, since the report.
    pub since: Option<Timestamp>,
}

/// How a request stands, as is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// Somebody is at it.
    Running,
    /// It was done.
    Succeeded,
    /// It could not be done.
    Failed,
}

/// Why a report is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// There is no such request.
    #[error("there is no request {0:?}, or it is no longer remembered")]
    NotFound(String),
    /// It is over, and in another way.
    #[error("request {key:?} is over: {outcome}")]
    Over {
        /// The request.
        key: String,
        /// What it came to.
        outcome: &'static str,
    },
}

/// One action for one rule and identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The name of the action.
    pub action: String,
    /// The rule.
    pub rule: String,
    /// What is acted on.
    pub identity: Labels,
    /// Where it stands.
    pub stage: Stage,
    /// What is under way, or was last.
    pub run: Option<Run>,
    /// When it last acted, on the clock of judging.
    pub(in crate::engine) acted: Option<Duration>,
    /// Times that somebody asked for it again for the same alert.
    pub(in crate::engine) attempt: u32,
    /// The alert that says that it failed.
    pub(in crate::engine) failure: Option<Failure>,
    /// Those that are over, oldest first.
    pub history: VecDeque<Past>,
    /// Whether it is in the hands of whoever sends it.
    pub(in crate::engine) is_handed: bool,
    /// The hash of what is saved of it.
    pub(in crate::engine) saved: Option<u64>,
    /// Whether that may have changed.
    pub(in crate::engine) touched: bool,
}

impl Case {
    pub(in crate::engine) fn new((action, rule, identity): CaseKey) -> Self {
        Self {
            action,
            rule,
            identity,
            stage: Stage::Idle,
            run: None,
            acted: None,
            attempt: 0,
            failure: None,
            history: VecDeque::new(),
            is_handed: false,
            saved: None,
            touched: true,
        }
    }

    /// Whether a request is or was its.
    pub fn has(&self, key: &str) -> bool {
        self.run.as_ref().is_some_and(|run| run.key == key)
            || self.history.iter().any(|past| past.key == key)
    }

    /// The alert that says that it failed, while that fires.
    pub fn failing(&self) -> Option<&Arc<Announced>> {
        let failure = self.failure.as_ref()?;
        failure.alert.is_firing().then_some(&failure.alert)
    }

    /// Whether nothing is lost with it that still matters.
    pub(super) fn is_forgettable(&self) -> bool {
        self.stage == Stage::Idle && self.failure.is_none()
    }

    /// Whether it has acted on the alert that began to fire then.
    pub(in crate::engine) fn has_acted_on(&self, since: Timestamp) -> bool {
        self.run.as_ref().is_some_and(|run| run.since == since)
    }

    /// Goes to another stage, in which whatever is to be sent is sent anew.
    pub(in crate::engine) fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.is_handed = false;
        self.touched = true;
    }

    /// Asks for it.
    pub(in crate::engine) fn request(&mut self, run: Run) {
        self.acted = Some(run.begun);
        self.run = Some(run);
        self.enter(Stage::Requested);
    }

    /// What is to be sent now that nobody sends yet.
    pub(in crate::engine) fn work(&mut self, action: &Action) -> Option<Work> {
        if self.is_handed {
            return None;
        }
        let run = self.run.as_ref()?;
        let work = match (&self.stage, action.ends_by) {
            (Stage::Requested, _) => Work::Request(Arc::new(Order {
                action: self.action.clone(),
                key: run.key.clone(),
                rule: self.rule.clone(),
                identity: self.identity.clone(),
                alert: run.alert.clone(),
                since: run.since,
                at: run.at,
            })),
            (Stage::Running { job }, EndsBy::Poll) => Work::Poll {
                action: self.action.clone(),
                key: run.key.clone(),
                job: job.clone().unwrap_or_else(|| run.key.clone()),
            },
            _ => return None,
        };
        self.is_handed = true;
        Some(work)
    }

    /// Whether it had no end in time.
    pub(in crate::engine) fn is_late(&self, action: &Action, steady: Duration) -> bool {
        let begun = self.run.as_ref().map(|run| run.begun);
        let waits = matches!(self.stage, Stage::Requested | Stage::Running { .. });
        waits && begun.is_some_and(|begun| steady.saturating_sub(begun) >= action.timeout)
    }

    /// Notes the last that was said of what is under way.
    pub(in crate::engine) fn say(&mut self, message: &str) {
        if let Some(run) = &mut self.run {
            run.message = message.chars().take(MESSAGE).collect();
            self.touched = true;
        }
    }

    /// Ends what is under way.
    pub(in crate::engine) fn end(
        &mut self,
        outcome: Outcome,
        message: &str,
        now: Now,
        counts: &mut Counts,
    ) {
        self.enter(Stage::Idle);
        self.say(message);
        let Some(run) = &self.run else { return };
        if let Some((_, count)) =
            (Outcome::ALL.iter().zip(&mut counts.ended)).find(|(one, _)| **one == outcome)
        {
            *count += 1;
        }
        counts.seconds += now.steady.saturating_sub(run.begun).as_secs_f64();
        self.history.push_back(Past {
            key: run.key.clone(),
            at: run.at,
            ended_at: now.wall,
            outcome,
            message: run.message.clone(),
        });
        let excess = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..excess);
    }

    /// What the request of that key has come to, where it is over.
    pub fn past(&self, key: &str) -> Option<&Past> {
        self.history.iter().find(|past| past.key == key)
    }
}

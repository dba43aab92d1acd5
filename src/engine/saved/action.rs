//! Actions that were taken, each by itself: where each stands, what was asked for, and what came of those before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;

use super::announced::AnnouncedMessage;
use super::{Damaged, Pairs, decode, hash, labels, named};
use crate::engine::Engine;
use crate::engine::action::{Bar, Case, CaseKey, Failure, Outcome, Past, Run, Stage};
use crate::engine::time::{Timestamp, nanos};

const WHAT: &str = "action";
/// Between the parts of a key: no name has it.
const SEPARATOR: char = '\u{1f}';

#[derive(Clone, PartialEq, prost::Message)]
struct CaseMessage {
    #[prost(string, tag = "1")]
    action: String,
    #[prost(string, tag = "2")]
    rule: String,
    #[prost(btree_map = "string, string", tag = "3")]
    identity: Pairs,
    #[prost(string, tag = "4")]
    stage: String,
    /// Since when it waits, or when its probation began.
    #[prost(uint64, tag = "5")]
    since: u64,
    /// From when on what is measured counts.
    #[prost(sint64, tag = "6")]
    from: i64,
    #[prost(string, optional, tag = "7")]
    job: Option<String>,
    #[prost(message, optional, tag = "8")]
    run: Option<RunMessage>,
    #[prost(uint64, optional, tag = "9")]
    acted: Option<u64>,
    #[prost(uint32, tag = "10")]
    attempt: u32,
    #[prost(message, optional, tag = "11")]
    failure: Option<FailureMessage>,
    #[prost(message, repeated, tag = "12")]
    history: Vec<PastMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RunMessage {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(sint64, tag = "2")]
    since: i64,
    #[prost(message, optional, tag = "3")]
    alert: Option<AnnouncedMessage>,
    #[prost(sint64, tag = "4")]
    at: i64,
    #[prost(uint64, tag = "5")]
    begun: u64,
    #[prost(double, optional, tag = "6")]
    limit: Option<f64>,
    #[prost(double, optional, tag = "7")]
    value: Option<f64>,
    #[prost(string, tag = "8")]
    message: String,
    #[prost(btree_map = "string, double", tag = "9")]
    metrics: BTreeMap<String, f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FailureMessage {
    #[prost(message, optional, tag = "1")]
    alert: Option<AnnouncedMessage>,
    #[prost(uint64, tag = "2")]
    since: u64,
    #[prost(bool, tag = "3")]
    with_cause: bool,
    #[prost(uint64, optional, tag = "4")]
    sent: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PastMessage {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(sint64, tag = "2")]
    at: i64,
    #[prost(sint64, tag = "3")]
    ended_at: i64,
    #[prost(string, tag = "4")]
    outcome: String,
    #[prost(string, tag = "5")]
    message: String,
}

const IDLE: &str = "idle";
const WAITING: &str = "waiting";
const REQUESTED: &str = "requested";
const RUNNING: &str = "running";
const PROBATION: &str = "probation";

impl CaseMessage {
    fn of(case: &Case) -> Self {
        let mut message = Self {
            action: case.action.clone(),
            rule: case.rule.clone(),
            identity: case.identity.as_map().clone(),
            stage: case.stage.as_str().to_owned(),
            run: case.run.as_ref().map(RunMessage::of),
            acted: case.acted.map(nanos),
            attempt: case.attempt,
            failure: case.failure.as_ref().map(FailureMessage::of),
            history: case.history.iter().map(PastMessage::of).collect(),
            ..Self::default()
        };
        match &case.stage {
            Stage::Idle | Stage::Requested => {}
            Stage::Waiting { since } => message.since = nanos(*since),
            Stage::Running { job } => message.job.clone_from(job),
            Stage::Probation { from, begun } => {
                (message.from, message.since) = (from.millis(), nanos(*begun));
            }
        }
        message
    }

    fn read(self) -> Result<(CaseKey, Case), Damaged> {
        let key = (self.action, self.rule, labels(self.identity));
        let mut case = Case::new(key.clone());
        let since = Duration::from_nanos(self.since);
        case.stage = match self.stage.as_str() {
            IDLE => Stage::Idle,
            WAITING => Stage::Waiting { since },
            REQUESTED => Stage::Requested,
            RUNNING => Stage::Running { job: self.job },
            PROBATION => Stage::Probation {
                from: Timestamp::from_millis(self.from),
                begun: since,
            },
            other => return Err(Damaged::new(WHAT, format!("stage {other:?} is unknown"))),
        };
        case.run = self.run.map(RunMessage::read).transpose()?;
        if case.run.is_none() && case.stage.is_in_flight() {
            return Err(Damaged::new(WHAT, "it says not what was asked for"));
        }
        case.acted = self.acted.map(Duration::from_nanos);
        case.attempt = self.attempt;
        case.failure = self.failure.map(FailureMessage::read).transpose()?;
        for past in self.history {
            case.history.push_back(past.read()?);
        }
        Ok((key, case))
    }
}

impl RunMessage {
    fn of(run: &Run) -> Self {
        Self {
            key: run.key.clone(),
            since: run.since.millis(),
            alert: Some(AnnouncedMessage::of(&run.alert)),
            at: run.at.millis(),
            begun: nanos(run.begun),
            limit: run.bar.limit,
            value: run.bar.value,
            message: run.message.clone(),
            metrics: run.metrics.clone(),
        }
    }

    fn read(self) -> Result<Run, Damaged> {
        Ok(Run {
            key: self.key,
            since: Timestamp::from_millis(self.since),
            alert: alert(self.alert)?,
            at: Timestamp::from_millis(self.at),
            begun: Duration::from_nanos(self.begun),
            bar: Bar {
                limit: self.limit,
                value: self.value,
            },
            message: self.message,
            metrics: self.metrics,
        })
    }
}

impl FailureMessage {
    fn of(failure: &Failure) -> Self {
        Self {
            alert: Some(AnnouncedMessage::of(&failure.alert)),
            since: nanos(failure.since),
            with_cause: failure.with_cause,
            sent: failure.sent.map(nanos),
        }
    }

    fn read(self) -> Result<Failure, Damaged> {
        Ok(Failure {
            alert: alert(self.alert)?,
            since: Duration::from_nanos(self.since),
            with_cause: self.with_cause,
            sent: self.sent.map(Duration::from_nanos),
            is_placed: false,
        })
    }
}

impl PastMessage {
    fn of(past: &Past) -> Self {
        Self {
            key: past.key.clone(),
            at: past.at.millis(),
            ended_at: past.ended_at.millis(),
            outcome: past.outcome.as_str().to_owned(),
            message: past.message.clone(),
        }
    }

    fn read(self) -> Result<Past, Damaged> {
        Ok(Past {
            key: self.key,
            at: Timestamp::from_millis(self.at),
            ended_at: Timestamp::from_millis(self.ended_at),
            outcome: named(WHAT, &Outcome::ALL, Outcome::as_str, &self.outcome)?,
            message: self.message,
        })
    }
}

fn alert(
    message: Option<AnnouncedMessage>,
) -> Result<Arc<crate::engine::dispatch::Announced>, Damaged> {
    let message = message.ok_or_else(|| Damaged::new(WHAT, "it has no alert"))?;
    message.read(WHAT).map(Arc::new)
}

/// By what a case is found again.
fn key((action, rule, identity): &CaseKey) -> String {
    format!("{action}{SEPARATOR}{rule}{SEPARATOR}{identity}")
}

impl Engine {
    /// The actions of which other bytes are to be saved than were last returned here or restored, each with its key; `None`
    /// for one that is to be deleted.
    pub fn take_changed_actions(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        let gone = std::mem::take(&mut self.actions.gone);
        let mut changed: Vec<_> = gone.iter().map(|gone| (key(gone), None)).collect();
        for (case_key, case) in &mut self.actions.cases {
            if !std::mem::replace(&mut case.touched, false) {
                continue;
            }
            let body = CaseMessage::of(case).encode_to_vec();
            let hash = Some(hash(&body));
            if std::mem::replace(&mut case.saved, hash) != hash {
                changed.push((key(case_key), Some(body)));
            }
        }
        changed
    }

    /// Has all of them returned again by [`Self::take_changed_actions`].
    pub(super) fn forget_saved_actions(&mut self) {
        for case in self.actions.cases.values_mut() {
            (case.saved, case.touched) = (None, true);
        }
    }

    /// Puts a saved one back, unless there is no such action any more: then what is saved of it is to be deleted. To be
    /// called before [`Engine::end_unknown`], which ends its alert then.
    ///
    /// # Errors
    /// When it cannot be read; then what it says is left out, and it may act again.
    pub fn restore_action(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        let (key, mut case) = decode::<CaseMessage>(WHAT, bytes)?.read()?;
        if self.actions.get(&key.0).is_none() {
            self.actions.gone.insert(key);
            return Ok(());
        }
        case.saved = Some(hash(bytes));
        case.touched = false;
        self.actions.cases.insert(key, case);
        Ok(())
    }
}

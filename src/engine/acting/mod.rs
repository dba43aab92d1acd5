//! Acting: what alerts bring about, what is reported of it, and what becomes of the baseline then.

mod asked;
mod proving;
mod reports;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

pub use asked::RunError;

use super::Engine;
use super::action::{self, Action, Actions, Bar, Case, Failure, Outcome, Run, Stage, Work};
use super::alert::EndReason;
use super::dispatch::Announced;
use super::judge::{Effects, Instance, RuleState};
use super::rule::Mode;
use super::series::Labels;
use super::time::{Now, Timestamp};

/// An alert that fires, with what an action needs to know of it.
#[derive(Clone)]
struct Cause {
    rule: String,
    identity: Labels,
    /// When the mildest of its levels began to fire.
    since: Timestamp,
    alert: Arc<Announced>,
    bar: Bar,
    degradation: Option<f64>,
}

impl Cause {
    /// Of an instance of which others are told; the highest level where several are.
    fn of(rule: &RuleState, instance: &Instance, external: &Labels) -> Option<Self> {
        let levels = || instance.levels.iter();
        let told = levels().rev().find(|level| level.firing_as.is_some())?;
        let alert = told.firing_as.clone().filter(|alert| !alert.suppressed)?;
        let firing = levels().filter(|level| level.state.is_firing());
        let since = firing.filter_map(|level| level.state.fired_at()).min()?;
        let mildest = instance.levels.first()?;
        let condition = &rule.rule.condition;
        Some(Self {
            rule: rule.rule.name.clone(),
            identity: action::identity(&instance.labels, external),
            since,
            bar: Bar {
                limit: mildest.limit,
                value: told.value,
            },
            degradation: action::degradation(condition, told.value, mildest.limit, told.evidence),
            alert,
        })
    }

    fn run(&self, key: String, now: Now) -> Run {
        Run {
            key,
            since: self.since,
            alert: self.alert.clone(),
            at: now.wall,
            begun: now.steady,
            bar: self.bar,
            message: String::new(),
            metrics: BTreeMap::new(),
        }
    }
}

impl Engine {
    /// What actions there are, and what came of those that were taken.
    pub fn actions(&self) -> &Actions {
        &self.actions
    }

    /// Takes what actions there are; the alerts of those that there are not any more end.
    pub(super) fn configure_actions(&mut self, actions: Vec<Action>, now: Now) -> Effects {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let named: BTreeSet<String> = rules
            .filter(|state| state.rule.mode == Mode::Active)
            .flat_map(|state| state.rule.actions.iter().cloned())
            .collect();
        let now = self.judging(now);
        let mut effects = Effects::default();
        for case in self.actions.configure(actions, named) {
            if let Some(mut failure) = case.failure.filter(Failure::is_firing) {
                failure.end(EndReason::Gone, now);
                failure.tell(self.resend_delay, &mut effects, now);
            }
        }
        effects
    }

    /// What both clocks show, the steady one without time in which judging was paused.
    fn judging(&self, now: Now) -> Now {
        Now {
            wall: now.wall,
            steady: self.judged(now),
        }
    }

    /// Acts on alerts that fire, and looks after what is under way. Gives what is to be sent now, each once; a request only
    /// once what has changed is on disk, else [`Engine::return_work`].
    pub fn act(&mut self, now: Now) -> (Vec<Work>, Effects) {
        let mut effects = Effects::default();
        if self.actions.is_idle() || self.paused_since.is_some() {
            return (Vec::new(), effects);
        }
        let judging = self.judging(now);
        let causes = self.causes();
        self.request(&causes, now, judging);
        self.look_after_cases(&causes, judging, &mut effects);
        self.note(&effects, now);
        let actions = &mut self.actions;
        let configured: HashMap<String, Arc<Action>> = (actions.configured())
            .map(|action| (action.name.clone(), action.clone()))
            .collect();
        let work = (actions.cases.values_mut())
            .filter_map(|case| case.work(configured.get(&case.action)?))
            .collect();
        (work, effects)
    }

    /// Takes back what could not be sent: it is given again.
    pub fn return_work(&mut self, key: &str) {
        if let Some(case) = self.actions.find(key) {
            case.is_handed = false;
        }
    }

    /// Whether somebody still has to send what was given for that request.
    pub fn wants_work(&self, work: &Work) -> bool {
        self.actions.cases().any(|case| {
            let is_it = case.run.as_ref().is_some_and(|run| run.key == work.key());
            is_it
                && match work {
                    Work::Request(_) => case.stage == Stage::Requested,
                    Work::Poll { .. } => matches!(case.stage, Stage::Running { .. }),
                }
        })
    }

    /// The instances of rules of which others are told that they fire, each with the actions for it.
    fn causes(&self) -> Vec<(Vec<Arc<Action>>, Cause)> {
        let external = &self.external.labels;
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let rules = rules.filter(|state| state.rule.mode == Mode::Active);
        rules
            .flat_map(|state| {
                let actions = self.actions.of_rule(&state.rule.actions);
                let instances = state.instances.values().filter(|one| one.is_firing());
                let causes = instances.filter_map(move |one| Cause::of(state, one, external));
                causes.map(move |cause| (actions.clone(), cause))
            })
            .collect()
    }

    /// Requests what is due.
    fn request(&mut self, causes: &[(Vec<Arc<Action>>, Cause)], now: Now, judging: Now) {
        let mut muted: Option<HashSet<u64>> = None;
        let mut waiting: HashSet<action::CaseKey> = HashSet::new();
        for (actions, cause) in causes {
            for action in actions {
                let key = (
                    action.name.clone(),
                    cause.rule.clone(),
                    cause.identity.clone(),
                );
                let case = self.actions.cases.get(&key);
                if case
                    .is_some_and(|case| case.stage.is_in_flight() || case.has_acted_on(cause.since))
                {
                    continue;
                }
                let is_bad_enough = (action.min_degradation)
                    .is_none_or(|least| cause.degradation.is_some_and(|by| by >= least));
                if !is_bad_enough || !action::takes(action, &cause.alert) {
                    continue;
                }
                let muted = muted.get_or_insert_with(|| {
                    let alerts = self.dispatcher.alerts(now).into_iter();
                    let muted = alerts.filter(|(_, muting)| muting.is_suppressed());
                    muted.map(|(alert, _)| alert.fingerprint).collect()
                });
                if muted.contains(&cause.alert.fingerprint) {
                    continue;
                }
                let since = match case.map(|case| &case.stage) {
                    Some(Stage::Waiting { since }) => *since,
                    _ => judging.steady,
                };
                let is_known = case.is_some();
                if judging.steady.saturating_sub(since) < action.delay {
                    if is_known || self.actions.make_room() {
                        waiting.insert(key.clone());
                        let case = self.case(&key);
                        if case.stage == Stage::Idle {
                            case.enter(Stage::Waiting { since });
                        }
                    }
                    continue;
                }
                let (identity, steady) = (&cause.identity, judging.steady);
                if self.actions.holds_back(action, identity, steady).is_some() {
                    // What it has waited for stays so.
                    waiting.insert(key);
                    continue;
                }
                if is_known || self.actions.make_room() {
                    let run = cause.run(action::key(&key, cause.since, 1), judging);
                    let case = self.case(&key);
                    case.attempt = 1;
                    case.request(run);
                }
            }
        }
        for (key, case) in &mut self.actions.cases {
            if matches!(case.stage, Stage::Waiting { .. }) && !waiting.contains(key) {
                case.enter(Stage::Idle);
            }
        }
    }

    fn case(&mut self, key: &action::CaseKey) -> &mut Case {
        self.actions.gone.remove(key);
        let cases = &mut self.actions.cases;
        (cases.entry(key.clone())).or_insert_with(|| Case::new(key.clone()))
    }

    /// Ends what is late, judges what is under probation, and tells of failures.
    fn look_after_cases(
        &mut self,
        causes: &[(Vec<Arc<Action>>, Cause)],
        now: Now,
        effects: &mut Effects,
    ) {
        let firing: HashSet<(&str, &Labels)> = (causes.iter())
            .map(|(_, cause)| (cause.rule.as_str(), &cause.identity))
            .collect();
        let keys: Vec<action::CaseKey> = self.actions.cases.keys().cloned().collect();
        for key in keys {
            let Some(action) = self.actions.get(&key.0).cloned() else {
                continue;
            };
            let fires = firing.contains(&(key.1.as_str(), &key.2));
            let Some(case) = self.actions.cases.get(&key) else {
                continue;
            };
            if case.is_late(&action, now.steady) {
                let said = case.run.as_ref().map_or("", |run| run.message.as_str());
                let message = match (&case.stage, said) {
                    (Stage::Requested, "") => "nobody has answered the request".to_owned(),
                    (_, "") => "nothing was reported".to_owned(),
                    (_, said) => said.to_owned(),
                };
                self.end(&key, Outcome::TimedOut, &message, now);
            } else if let Stage::Probation { from, begun } = case.stage {
                self.look_at_probation(&key, &action, (from, begun), now, effects);
            }
            self.tell_of_failure(&key, fires, now, effects);
        }
    }

    fn tell_of_failure(
        &mut self,
        key: &action::CaseKey,
        fires: bool,
        now: Now,
        effects: &mut Effects,
    ) {
        let (resend, retention) = (self.resend_delay, self.resolved_retention);
        let Some(case) = self.actions.cases.get_mut(key) else {
            return;
        };
        let Some(failure) = &mut case.failure else {
            return;
        };
        let before = failure.clone();
        // Whoever is to be told that it fires is told so before they are told of its end.
        if failure.sent.is_some() && failure.is_over(fires, now) {
            failure.end(EndReason::Recovered, now);
        }
        failure.tell(resend, effects, now);
        case.touched |= *failure != before;
        if failure.is_forgotten(retention, now) {
            case.failure = None;
            case.touched = true;
        }
    }

    /// The alerts on failures that others know of, also those that have ended not long ago.
    pub(super) fn failures(&self) -> impl Iterator<Item = &Arc<Announced>> {
        let failures = self
            .actions
            .cases()
            .filter_map(|case| case.failure.as_ref());
        failures
            .filter(|failure| failure.sent.is_some())
            .map(|failure| &failure.alert)
    }

    /// Ends the alert on a failure because somebody says so, until the action next fails; whether it was one that others
    /// know to fire.
    pub(super) fn end_failure(
        &mut self,
        fingerprint: u64,
        now: Now,
        effects: &mut Effects,
    ) -> bool {
        let (resend, now) = (self.resend_delay, self.judging(now));
        for case in self.actions.cases.values_mut() {
            let failure = case.failure.as_mut().filter(|failure| {
                let is_told = failure.is_firing() && failure.sent.is_some();
                is_told && failure.alert.fingerprint == fingerprint
            });
            if let Some(failure) = failure {
                failure.end(EndReason::ResolvedByHand, now);
                failure.tell(resend, effects, now);
                case.touched = true;
                return true;
            }
        }
        false
    }

    /// Ends what is under way, and raises or ends the alert that says so.
    fn end(&mut self, key: &action::CaseKey, outcome: Outcome, message: &str, now: Now) {
        let external = self.external.clone();
        let alerts = self.actions.get(&key.0).is_some_and(|action| action.alerts);
        let cause_fires = self
            .instance_of(key)
            .is_some_and(|(_, one)| one.is_firing());
        let mut counts = std::mem::take(self.actions.count(&key.0));
        if let Some(case) = self.actions.cases.get_mut(key) {
            case.end(outcome, message, now, &mut counts);
            if outcome.is_bad() && alerts {
                let before = case.failure.take();
                case.failure = Failure::of(case, outcome, cause_fires, &external, now)
                    .map(|failure| failure.after(before));
            } else if let Some(failure) = case.failure.as_mut().filter(|one| one.is_firing()) {
                failure.end(EndReason::Recovered, now);
            }
        }
        *self.actions.count(&key.0) = counts;
    }

    /// The instance of the rule that a case is about.
    fn instance_of(
        &self,
        (_, rule, identity): &action::CaseKey,
    ) -> Option<(&RuleState, &Instance)> {
        let external = &self.external.labels;
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let mut rules = rules.filter(|state| state.rule.name == *rule);
        rules.find_map(|state| {
            let mut instances = state.instances.values();
            let found =
                instances.find(|one| action::identity(&one.labels, external) == *identity)?;
            Some((state, found))
        })
    }
}

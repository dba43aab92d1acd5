//! Acting: what alerts bring about, what is reported of it, and what becomes of the baseline then.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::Engine;
use super::action::{
    self, Action, Actions, Bar, Case, EndsBy, Failure, Outcome, Probation, Proof, Report,
    ReportError, Reported, Run, Stage, Work,
};
use super::alert::EndReason;
use super::baseline::{Content, stat_of};
use super::baselines::{Wanted, WantedContent};
use super::cohort::Cohort;
use super::condition::{Against, Condition};
use super::dispatch::Announced;
use super::judge::{Effects, Instance, RuleState};
use super::metric::Metric;
use super::rule::Mode;
use super::series::Labels;
use super::time::{Now, Timestamp};
use super::window::Reach;

/// Runs that a new reference is made of, at most.
const MOST_RUNS: u32 = 10_000;

/// Why nothing is run that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// There is no such action.
    #[error("there is no action {name:?}, allowed: {}", listed(known))]
    NoAction {
        /// What was asked for.
        name: String,
        /// Those that are configured.
        known: Vec<String>,
    },
    /// There is no such alert.
    #[error(
        "no alert {0:?} fires, allowed: the fingerprint of an alert of a rule, or the name of a rule of which one alert fires"
    )]
    NoAlert(String),
    /// More than one alert fires by that name.
    #[error("{count} alerts {name:?} fire, allowed: the fingerprint of one of them")]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// How many.
        count: usize,
    },
    /// One is under way.
    #[error("it cannot be run now: {0}")]
    HeldBack(&'static str),
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "a name of `actions`, which there are none of".to_owned(),
        names => names.join(", "),
    }
}

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
        let resend = self.resend_delay;
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
        if failure.is_forgotten(now) {
            case.failure = None;
            case.touched = true;
        }
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

    fn look_at_probation(
        &mut self,
        key: &action::CaseKey,
        action: &Action,
        (from, begun): (Timestamp, std::time::Duration),
        now: Now,
        effects: &mut Effects,
    ) {
        let Some((state, instance)) = self.instance_of(key) else {
            self.end(
                key,
                Outcome::CalledOff,
                "its rule or what it was about is gone",
                now,
            );
            return;
        };
        let condition = state.rule.condition.clone();
        let proof = self.proof(instance, &condition, from, now);
        let least = action::least(&condition);
        let is_complete = match action.probation {
            None => true,
            Some(Probation::Runs(runs)) => proof.n >= u64::from(runs).max(least),
            Some(Probation::Time(span)) => {
                now.steady.saturating_sub(begun) >= span && proof.n >= least
            }
        };
        if !is_complete {
            return;
        }
        let bar = (self.actions.cases.get(key))
            .and_then(|case| case.run.as_ref())
            .map_or_else(Bar::default, |run| run.bar);
        if let Some(fault) = proof.fault(bar, &condition) {
            self.end(key, Outcome::Reverted, &fault, now);
            return;
        }
        let message = match self.move_baseline(key, from, now, effects) {
            Ok(()) => format!("passed its probation on {} runs", proof.n),
            Err(why) => format!("passed its probation on {} runs; {why}", proof.n),
        };
        self.end(key, Outcome::Kept, &message, now);
    }

    /// What has been measured of an instance since then.
    fn proof(
        &self,
        instance: &Instance,
        condition: &Condition,
        from: Timestamp,
        now: Now,
    ) -> Proof {
        let is_firing = instance.is_firing();
        let measured = condition.need().and_then(|need| {
            let metric = metric_of(condition)?;
            let (cohort, _) = self.measured_since(instance, metric, from, now.wall)?;
            Some((cohort.summary.n, stat_of(&cohort, need.stat)))
        });
        let (n, value) = measured.unwrap_or_default();
        Proof {
            n,
            value,
            is_firing,
        }
    }

    fn measured_since(
        &self,
        instance: &Instance,
        metric: &Metric,
        from: Timestamp,
        now: Timestamp,
    ) -> Option<(Cohort, (Timestamp, Timestamp))> {
        let reach = Reach::AtLeast(now.since(from), MOST_RUNS);
        let after = (Some(from), None);
        let gathered = self.gather(&instance.series, metric, reach, after, now);
        let by_factors = super::baseline::is_by_factors(metric);
        let cohort = Cohort::of(&gathered.course, gathered.summary, by_factors, None)?;
        Some((cohort, gathered.span?))
    }

    /// Has what was measured since then be the new reference of the rule.
    fn move_baseline(
        &mut self,
        key: &action::CaseKey,
        from: Timestamp,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let Some((state, instance)) = self.instance_of(key) else {
            return Err("its rule is gone".to_owned());
        };
        let (condition, labels) = (state.rule.condition.clone(), instance.labels.clone());
        if let (Some(Against::Pinned(name)), Some(metric)) =
            (condition.against(), metric_of(&condition))
        {
            let (cohort, (first, last)) = self
                .measured_since(instance, metric, from, now.wall)
                .ok_or("nothing was measured that a baseline can be made of")?;
            let wanted = Wanted {
                name: name.clone(),
                metric: metric.clone(),
                content: WantedContent::Given {
                    labels,
                    content: Content::Measured {
                        cohort: Arc::new(cohort),
                        from: first,
                        to: last,
                    },
                },
            };
            let set = self.set_baselines(&[wanted], now);
            return set.map(drop).map_err(|error| error.to_string());
        }
        if super::acceptance::not_learned(&condition).is_some() {
            return Ok(());
        }
        let scopes: Vec<_> = (self.groups.iter())
            .map(|group| super::judge::Scope {
                now,
                ..self.scope(now, group.interval)
            })
            .collect();
        for (group, scope) in self.groups.iter_mut().zip(&scopes) {
            let rules = group.rules.iter_mut();
            for state in rules.filter(|state| state.rule.name == key.1) {
                state.learn_anew(&labels, from, scope, effects);
            }
        }
        Ok(())
    }

    /// Takes word that whoever was asked has taken the request, with by what they know it, or has refused it for good.
    pub fn take_answer(&mut self, key: &str, answer: Result<Option<String>, String>, now: Now) {
        let judging = self.judging(now);
        let Some((case_key, action)) = self.under_way(key, |stage| *stage == Stage::Requested)
        else {
            return;
        };
        match answer {
            Ok(_) if action.ends_by == EndsBy::Answer => {
                self.succeed(&case_key, &action, judging.wall, judging);
            }
            Ok(job) => {
                let case = self.case(&case_key);
                case.say("");
                case.enter(Stage::Running { job });
            }
            Err(message) => self.end(&case_key, Outcome::Failed, &message, judging),
        }
    }

    /// Takes word that an attempt to request or to ask has failed and is made again.
    pub fn take_trouble(&mut self, key: &str, message: &str) {
        if let Some((case_key, _)) = self.under_way(key, Stage::is_in_flight) {
            self.actions.count(&case_key.0).failed_attempts += 1;
            self.case(&case_key).say(message);
        }
    }

    /// Takes what is reported of a request; gives how it stands then.
    ///
    /// # Errors
    /// When there is no such request, or it is over in another way.
    pub fn take_report(
        &mut self,
        key: &str,
        report: Report,
        now: Now,
    ) -> Result<Case, ReportError> {
        let judging = self.judging(now);
        let waits = |stage: &Stage| matches!(stage, Stage::Requested | Stage::Running { .. });
        let Some((case_key, action)) = self.under_way(key, waits) else {
            return self.told_again(key, &report);
        };
        if report.status == Reported::Running {
            let case = self.case(&case_key);
            if case.stage == Stage::Requested {
                case.enter(Stage::Running { job: None });
            }
            case.say(&report.message);
        } else if report.status == Reported::Failed {
            let message = match report.message.as_str() {
                "" => "reported without a reason",
                said => said,
            };
            self.end(&case_key, Outcome::Failed, message, judging);
        } else {
            let run = self.case(&case_key).run.as_mut();
            let begun = run.map_or(now.wall, |run| {
                run.metrics = report.metrics;
                run.at
            });
            self.case(&case_key).say(&report.message);
            let since = report
                .since
                .unwrap_or(now.wall)
                .clamp(begun, now.wall.max(begun));
            self.succeed(&case_key, &action, since, judging);
        }
        (self.actions.cases.get(&case_key).cloned())
            .ok_or_else(|| ReportError::NotFound(key.to_owned()))
    }

    /// How a request stands of which no more was to be reported: the same again is no fault.
    fn told_again(&mut self, key: &str, report: &Report) -> Result<Case, ReportError> {
        let not_found = || ReportError::NotFound(key.to_owned());
        let case = self.actions.find(key).ok_or_else(not_found)?;
        let is_in_probation = case.run.as_ref().is_some_and(|run| run.key == key)
            && matches!(case.stage, Stage::Probation { .. });
        let outcome = case.past(key).map(|past| past.outcome);
        let agrees = match (report.status, outcome) {
            (Reported::Failed, Some(Outcome::Failed)) => true,
            (Reported::Failed, _) => false,
            (Reported::Succeeded | Reported::Running, None) => is_in_probation,
            (Reported::Running, Some(_)) => false,
            (Reported::Succeeded, Some(outcome)) => !matches!(
                outcome,
                Outcome::Failed | Outcome::TimedOut | Outcome::CalledOff
            ),
        };
        if agrees {
            return Ok(case.clone());
        }
        Err(ReportError::Over {
            key: key.to_owned(),
            outcome: outcome.map_or("succeeded", Outcome::as_str),
        })
    }

    /// The case that has a request under way, where it is at such a stage, and its action.
    fn under_way(
        &mut self,
        key: &str,
        is_at: impl Fn(&Stage) -> bool,
    ) -> Option<(action::CaseKey, Arc<Action>)> {
        let cases = self.actions.cases.iter();
        let (case_key, _) = cases
            .filter(|(_, case)| case.run.as_ref().is_some_and(|run| run.key == key))
            .find(|(_, case)| is_at(&case.stage))?;
        let case_key = case_key.clone();
        let action = self.actions.get(&case_key.0)?.clone();
        Some((case_key, action))
    }

    /// Goes on after a success: what is worse than what there is is refused, and else what it led to has to prove itself.
    fn succeed(&mut self, key: &action::CaseKey, action: &Action, from: Timestamp, now: Now) {
        if let Some(fault) = self.is_worse(key) {
            self.end(key, Outcome::Refused, &fault, now);
        } else if action.probation.is_some() {
            let begun = now.steady;
            self.case(key).enter(Stage::Probation { from, begun });
        } else {
            let said = self.case(key).run.as_ref().map(|run| run.message.clone());
            self.end(key, Outcome::Succeeded, &said.unwrap_or_default(), now);
        }
    }

    /// Why what was made is worse than what there is, by what was reported of it.
    fn is_worse(&self, key: &action::CaseKey) -> Option<String> {
        let run = self.actions.cases.get(key)?.run.as_ref()?;
        let (state, instance) = self.instance_of(key)?;
        let condition = &state.rule.condition;
        let metric = metric_of(condition)?.to_string();
        let reported = *run.metrics.get(&metric)?;
        let current = instance.levels.iter().find_map(|level| level.value);
        let current = current.or(run.bar.value)?;
        let worse = action::worse(condition)?;
        (worse.sign() * (reported - current) > 0.0)
            .then(|| format!("{metric} was reported as {reported:.6}, now it is {current:.6}"))
    }

    /// Runs an action for an alert that fires because somebody asks for it, whatever the cooldown says; gives the key of the
    /// request. `alert` is a fingerprint, or the name of a rule of which one alert fires.
    ///
    /// # Errors
    /// When there is no such action or alert, or one is under way.
    pub fn run_action(&mut self, name: &str, alert: &str, now: Now) -> Result<String, RunError> {
        let Some(action) = self.actions.get(name).cloned() else {
            let known = self.actions.configured().map(|one| one.name.clone());
            return Err(RunError::NoAction {
                name: name.to_owned(),
                known: known.collect(),
            });
        };
        let mut causes = self.causes();
        let fingerprint = |cause: &Cause| format!("{:016x}", cause.alert.fingerprint);
        causes.retain(|(_, cause)| cause.rule == alert || fingerprint(cause) == alert);
        let cause = match causes.as_slice() {
            [] => return Err(RunError::NoAlert(alert.to_owned())),
            [(_, cause)] => cause.clone(),
            several => {
                return Err(RunError::Ambiguous {
                    name: alert.to_owned(),
                    count: several.len(),
                });
            }
        };
        let now = self.judging(now);
        let without_cooldown = Action {
            cooldown: std::time::Duration::ZERO,
            ..Action::clone(&action)
        };
        let held = (self.actions).holds_back(&without_cooldown, &cause.identity, now.steady);
        if let Some(why) = held {
            return Err(RunError::HeldBack(why));
        }
        let key = (name.to_owned(), cause.rule.clone(), cause.identity.clone());
        if !self.actions.cases.contains_key(&key) && !self.actions.make_room() {
            return Err(RunError::HeldBack("too many are under way"));
        }
        let case = self.case(&key);
        case.attempt = match case.has_acted_on(cause.since) {
            true => case.attempt + 1,
            false => 1,
        };
        let request = action::key(&key, cause.since, case.attempt);
        case.request(cause.run(request.clone(), now));
        Ok(request)
    }
}

fn metric_of(condition: &Condition) -> Option<&Metric> {
    action::metric(condition)
}

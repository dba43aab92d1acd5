//! The pure engine: measurements in, verdicts and notifications out.
//!
//! It does no I/O, reads no clock, logs nothing and never waits: time is an argument, and everything
//! that happens is a call with its time. So the same engine runs live, over recorded data and in rule
//! unit tests, with the same result every time.

pub mod time;

pub mod url;

pub mod watched;

pub mod clocks;

pub mod series;

pub mod selector;

pub mod metric;

pub mod measurement;

pub mod sample;

mod packing;

pub mod saved;

pub mod stats;

pub mod sketch;

pub mod distribution;

pub mod detector;

pub mod baseline;

pub mod cohort;

pub mod contrast;

pub mod window;

pub mod store;

pub mod trend;

pub mod comparison;

pub mod template;

pub mod condition;

pub mod rule;

pub mod alert;

pub mod onset;

pub mod tally;

pub mod dispatch;

pub mod incident;

pub mod admission;

pub mod own;

pub mod judge;

pub mod backfill;

pub mod baselines;

pub mod acceptance;

pub mod action;

pub mod acting;

mod course;

mod durable;

mod handling;

mod maintenance;

mod order;

mod scope;

mod settings;

mod silences;

mod timing;

mod views;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use action::Actions;
use admission::{Admission, Answer, Batch};
use baseline::Baselines;
use clocks::Clocks;
pub use clocks::{ClockCounts, ClockEvent};
use dispatch::{Dispatcher, Notification, Routing};
pub use durable::{Restored, Unsaved};
use incident::Incidents;
use judge::{AlertChange, Effects, GroupState, RuleState, Scope};
use order::Order;
use own::Own;
use rule::{External, Mode, Rule};
use series::OWN_OPERATION;
pub use settings::Settings;
use store::{Admitted, Store};
use time::Now;

/// The kinds of alerts, as [`judge::Subject::alert_type`] names them.
pub const ALERT_TYPES: [&str; 7] = [
    "threshold_exceeded",
    "degradation",
    "anomaly_detected",
    "absence",
    "no_data",
    "rule_error",
    action::ALERT_TYPE,
];

/// Changes of alerts that are remembered.
pub const HISTORY: usize = 1_000;

/// A rule that is due: its place among the groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    group: usize,
    rule: usize,
}

/// The engine. Its owner calls it with what happens, in order.
#[derive(Debug)]
pub struct Engine {
    clocks: Clocks,
    store: Store,
    own: Own,
    admission: Admission,
    /// The number of the last group of measurements that was applied.
    sequence: u64,
    groups: Vec<GroupState>,
    order: Order,
    dispatcher: Dispatcher,
    incidents: Incidents,
    actions: Actions,
    external: Arc<External>,
    resend_delay: Duration,
    resolved_retention: Duration,
    send_levels: bool,
    /// The baselines that were set.
    baselines: Arc<Baselines>,
    /// Cores that `cpu_ratio` is a share of.
    cpu_limit: Option<f64>,
    /// The last changes of alerts, oldest first, and how many there ever were.
    history: VecDeque<AlertChange>,
    changes: u64,
    paused_since: Option<Duration>,
    /// Time in which judging was paused; the clocks of alerts leave it out.
    paused: Duration,
    saving: saved::Saving,
}

impl Engine {
    /// An engine without any data.
    pub fn new(settings: Settings, now: Now) -> Self {
        let mut engine = Self {
            clocks: Clocks::new(now),
            store: Store::new(settings.store.clone()),
            own: Own::new(&settings.store),
            admission: Admission::default(),
            sequence: 0,
            groups: Vec::new(),
            order: Order::default(),
            dispatcher: Dispatcher::new(Routing::default()),
            incidents: Incidents::default(),
            actions: Actions::default(),
            external: Arc::default(),
            resend_delay: settings.resend_delay,
            resolved_retention: settings.resolved_retention,
            send_levels: false,
            cpu_limit: None,
            baselines: Arc::default(),
            history: VecDeque::new(),
            changes: 0,
            paused_since: None,
            paused: Duration::ZERO,
            saving: saved::Saving::default(),
        };
        engine.reconfigure(settings, now);
        engine.store.sweep(now);
        engine
    }

    /// Takes a new configuration. Rules whose definition is the same keep their state; alerts of the
    /// others end and are told so.
    pub fn reconfigure(&mut self, settings: Settings, now: Now) -> Effects {
        let longest_run = settings
            .groups
            .iter()
            .flat_map(|group| &group.rules)
            .filter_map(|rule| usize::try_from(rule.condition.need()?.reach.runs()?).ok())
            .max();
        self.store.need_history(longest_run.unwrap_or_default());
        self.own.store.need_history(longest_run.unwrap_or_default());
        self.own.set_settings(&settings.store);
        self.store.set_settings(settings.store);
        // What alerts share is part of their identity, so a change of it starts all of them anew.
        let same_identity = self.external.labels == settings.external.labels;
        let external_before = std::mem::replace(&mut self.external, Arc::new(settings.external));
        self.resend_delay = settings.resend_delay;
        self.resolved_retention = settings.resolved_retention;
        self.send_levels = settings.send_levels;
        self.incidents
            .configure(settings.incidents, settings.told_by_group);
        let mut old = std::mem::take(&mut self.groups);
        for group in settings.groups {
            let mut group = GroupState::new(group, now);
            let before = old
                .iter_mut()
                .find(|old| old.file == group.file && old.name == group.name);
            if let Some(before) = before.filter(|_| same_identity) {
                group.inherit(before);
            }
            self.groups.push(group);
        }
        let mut rules = self.groups.iter().flat_map(|group| &group.rules);
        self.own.is_judged = rules.any(|state| is_own(&state.rule));
        self.key_rules();
        self.order = Order::of(&self.groups);
        let mut effects = Effects::default();
        for mut group in old {
            let scope = Scope {
                // What ends was told with the labels of before, so its end is told with them as well.
                external: external_before.clone(),
                ..self.scope(now, group.interval)
            };
            for rule in &mut group.rules {
                self.saving.drop_rule(rule);
                rule.abandon(&scope, &mut effects);
            }
        }
        let ended = self.configure_actions(settings.actions, now);
        effects.append(ended);
        self.note(&effects, now);
        let routing = Routing {
            root: settings.route,
            receivers: settings.receivers,
            inhibit_rules: settings.inhibit_rules,
            time_intervals: settings.time_intervals,
            flapping: settings.flapping,
            digests: settings.digests,
            escalations: settings.escalations,
        };
        self.set_windows(settings.maintenance);
        self.dispatcher.replace(routing, now);
        effects
    }

    /// Takes how many cores `cpu_ratio` is a share of; it holds from the next evaluation on, for all of its window.
    /// Without one there is no data to judge.
    pub fn set_cpu_limit(&mut self, cores: Option<f64>) {
        self.cpu_limit = cores.filter(|cores| cores.is_finite() && *cores > 0.0);
    }

    /// How many cores `cpu_ratio` is a share of, where known.
    pub fn cpu_limit(&self) -> Option<f64> {
        self.cpu_limit
    }

    /// Decides over a batch: what is taken gets its place, what is not is answered with its reason.
    pub fn admit(&mut self, batch: Batch, now: Now) -> (Admitted, Arc<Answer>) {
        self.look_at_clocks(now);
        let seen = self.admission.additions;
        let admitted = self.admission.admit(batch, &mut self.store, now);
        if self.admission.additions != seen {
            self.note_seen(self.sequence + 1, now);
        }
        admitted
    }

    /// Whether memory is so short that nothing more should be taken in.
    pub fn is_full(&self) -> bool {
        self.store.is_full()
    }

    /// Takes what was admitted and has been committed. It cannot fail. `now` is when the group was closed, so that it has
    /// the same effect when it is applied again.
    pub fn apply(&mut self, admitted: &Admitted, now: Now) {
        self.sequence += 1;
        self.record(admitted, now, self.judged(now), self.sequence);
        self.saving.progress.note(self.sequence, admitted.len());
    }

    /// Moves time on in the store and begins every group that is due; returns their rules, in order.
    pub fn due(&mut self, now: Now) -> Vec<Due> {
        self.look_at_clocks(now);
        self.store.sweep(now);
        self.own
            .measure(self.admission.counts, self.store.losses, now);
        if self.paused_since.is_some() {
            return Vec::new();
        }
        let mut due = Vec::new();
        for (number, group) in self.groups.iter_mut().enumerate() {
            if group.due <= now.steady {
                group.begin(now);
                due.extend((0..group.rules.len()).map(|rule| Due {
                    group: number,
                    rule,
                }));
            }
        }
        self.order.arrange(&mut due);
        due
    }

    /// When the next group is due for judging or for telling, on the steady clock.
    pub fn next_due(&self) -> Option<Duration> {
        let judging = self.groups.iter().map(|group| group.due);
        judging
            .filter(|_| self.paused_since.is_none())
            .chain(self.dispatcher.next_due())
            .min()
    }

    /// The data of a rule from the local store, which answers at once.
    pub fn answer(&mut self, due: Due, now: Now) -> judge::Answer {
        let mut answer = judge::Answer::new();
        while !self.answer_part(due, &mut answer, usize::MAX, now) {}
        answer
    }

    /// Adds the data of the next instances of a rule to `answer`, at most `most`; whether that were all. So that a rule
    /// over very many need not be answered in one go.
    pub fn answer_part(
        &mut self,
        due: Due,
        answer: &mut judge::Answer,
        most: usize,
        now: Now,
    ) -> bool {
        let Some(scope) = self.scope_of(due, now) else {
            return true;
        };
        let Some(rule) = rule_of(&mut self.groups, due) else {
            return true;
        };
        let store = if is_own(&rule.rule) {
            &self.own.store
        } else {
            &self.store
        };
        let complete = rule.answer(answer, most, store, &scope);
        self.own.add(own::ABSENCE_FORGOTTEN, rule.take_given_up());
        complete
    }

    /// Judges a rule by its data.
    pub fn evaluate(&mut self, due: Due, answer: &judge::Answer, now: Now) -> Effects {
        let mut effects = Effects::default();
        let Some(scope) = self.scope_of(due, now) else {
            return effects;
        };
        let limit = self.groups.get(due.group).map_or(0, |group| group.limit);
        if let Some(rule) = rule_of(&mut self.groups, due) {
            rule.judge(answer, limit, &scope, &mut effects);
            let fired = (effects.changes.iter()).filter(|one| one.change == alert::Change::Fired);
            rule.fired += fired.count() as u64;
        }
        self.note(&effects, now);
        effects
    }

    fn note(&mut self, effects: &Effects, now: Now) {
        for announced in &effects.announced {
            self.incidents.take(announced);
            self.dispatcher.update(announced, now);
        }
        self.history.extend(effects.changes.iter().cloned());
        self.changes += effects.changes.len() as u64;
        let excess = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..excess);
    }

    /// Notes how long answering and judging a rule took, for the API and the engine's own metrics.
    pub fn note_duration(&mut self, due: Due, took: Duration) {
        if let Some(group) = self.groups.get_mut(due.group) {
            group.took += took;
            if let Some(rule) = group.rules.get_mut(due.rule) {
                rule.took = took;
                rule.spent += took;
            }
        }
    }

    /// The notifications that are to be sent now.
    pub fn flush(&mut self, now: Now) -> Vec<Notification> {
        self.forget_silences(now);
        self.forget_maintenance(now);
        self.incidents.align(&mut self.dispatcher, now);
        let notifications = self.dispatcher.flush(now);
        let mut told = self.incidents.tell(notifications);
        let escalated = self.dispatcher.escalate(now);
        self.note_escalated(&escalated, now);
        told.extend(escalated);
        self.add_courses(&mut told, now);
        // A digest is no word on an incident.
        told.extend(self.dispatcher.digests(now));
        told
    }

    /// What opwatch measures of itself: those who lose or refuse something tell it here.
    pub fn own(&mut self) -> &mut Own {
        &mut self.own
    }
}

/// Whether a rule is on what opwatch measures of itself.
fn is_own(rule: &Rule) -> bool {
    rule.select.names_operation(OWN_OPERATION)
}

/// The rule that is due, unless it is switched off.
fn rule_of(groups: &mut [GroupState], due: Due) -> Option<&mut RuleState> {
    groups
        .get_mut(due.group)?
        .rules
        .get_mut(due.rule)
        .filter(|rule| rule.rule.mode != Mode::Off)
}

#[cfg(test)]
mod tests;

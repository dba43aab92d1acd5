//! Judging: rules over the instances of their data, and the alerts that come of it.

mod instance;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::alert::{Change, RESOLVED_RETENTION};
use super::dispatch::Announced;
use super::rule::{External, Mode, Rule, RuleGroup};
use super::series::{Labels, SeriesKey};
use super::store::{SeriesId, Store};
use super::time::{Now, Timestamp};
use super::window::Window;
pub use instance::{Instance, Told, Tracked};

/// Whether a rule's last evaluation went well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It has not been evaluated.
    #[default]
    Unknown,
    /// It went well.
    Good,
    /// It failed, and why.
    Failed(String),
}

/// A rule with everything known of its instances.
#[derive(Debug)]
pub struct RuleState {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Its instances by their labels.
    pub instances: BTreeMap<Labels, Instance>,
    /// Instances that are gone but whose alerts are still told as resolved.
    pub departed: Vec<Instance>,
    /// How the last evaluation went.
    pub health: Health,
    /// When it was last evaluated.
    pub evaluated_at: Option<Timestamp>,
    /// How long that took.
    pub took: Duration,
    /// Evaluations so far.
    pub evaluations: u64,
    /// Of them, failed ones.
    pub failures: u64,
    /// The store's generation that `instances` was made for.
    selection: Option<u64>,
}

/// A group with its rules' state.
#[derive(Debug)]
pub struct GroupState {
    /// The file it comes from.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Time between evaluations.
    pub interval: Duration,
    /// Most alerts a rule may have; 0 is no limit.
    pub limit: usize,
    /// Its rules, in order.
    pub rules: Vec<RuleState>,
    /// When it is due next, on the steady clock.
    pub due: Duration,
    /// When it was last evaluated.
    pub evaluated_at: Option<Timestamp>,
    /// How long that took.
    pub took: Duration,
    /// Evaluations so far.
    pub iterations: u64,
    /// Evaluations left out because the one before took too long.
    pub missed: u64,
}

/// What an evaluation needs to know beside its data.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The clocks, without time in which judging was paused.
    pub now: Now,
    /// What all alerts share.
    pub external: Arc<External>,
    /// Time between evaluations of the rule's group.
    pub interval: Duration,
    /// How often Alertmanagers are told again.
    pub resend_delay: Duration,
    /// Announce every firing level instead of the highest only.
    pub send_levels: bool,
    /// Cores that `cpu_ratio` is a share of, where known.
    pub cpu_limit: Option<f64>,
}

/// A change of one alert, for history and logs.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertChange {
    /// The alert's labels.
    pub labels: Labels,
    /// What changed.
    pub change: Change,
    /// When.
    pub at: Timestamp,
    /// The value that decided it.
    pub value: Option<f64>,
}

/// What evaluations brought about.
#[derive(Debug, Default)]
pub struct Effects {
    /// Changes of alerts.
    pub changes: Vec<AlertChange>,
    /// The latest word on alerts that fire or have just ended, in the order they are to be told.
    pub announced: Vec<Arc<Announced>>,
    /// Those that Alertmanagers are to be told of now, with the time until which a firing one is valid.
    pub to_alertmanager: Vec<(Arc<Announced>, Timestamp)>,
}

/// The data of one rule: its instances' labels and windows.
pub type Answer = Vec<(Labels, Window)>;

impl GroupState {
    /// A group that is first due at the next multiple of its interval on the wall clock, so that
    /// windows that are a multiple of it end on the grid of the buckets.
    pub fn new(group: RuleGroup, now: Now) -> Self {
        let interval = group.interval.as_millis().max(1);
        let since = u128::try_from(now.wall.millis()).unwrap_or_default() % interval;
        let wait = if since == 0 { 0 } else { interval - since };
        Self {
            file: group.file,
            name: group.name,
            interval: group.interval,
            limit: group.limit,
            rules: group.rules.into_iter().map(RuleState::new).collect(),
            due: now.steady + Duration::from_millis(u64::try_from(wait).unwrap_or_default()),
            evaluated_at: None,
            took: Duration::ZERO,
            iterations: 0,
            missed: 0,
        }
    }

    /// Notes that an evaluation begins and sets the next one; evaluations whose time has passed
    /// meanwhile are left out and counted.
    pub fn begin(&mut self, now: Now) {
        self.evaluated_at = Some(now.wall);
        self.iterations += 1;
        let (missed, rest) = self.late(now);
        self.missed += missed;
        self.due = now.steady.saturating_sub(rest) + self.interval;
    }

    /// When the evaluation that has begun was due, on the steady clock.
    pub fn scheduled(&self, now: Now) -> Duration {
        self.due.saturating_sub(self.interval).min(now.steady)
    }

    /// Moves the next evaluation past `now` without counting those between as missed.
    pub fn skip_to(&mut self, now: Now) {
        let (_, rest) = self.late(now);
        if self.due < now.steady {
            let last = now.steady.saturating_sub(rest);
            self.due = last + if rest.is_zero() { rest } else { self.interval };
        }
    }

    /// How late `now` is for the next evaluation: whole intervals and the rest. Computed, not counted,
    /// because after a long stop there may be very many.
    fn late(&self, now: Now) -> (u64, Duration) {
        let late = now.steady.saturating_sub(self.due).as_nanos();
        let interval = self.interval.as_nanos().max(1);
        let part = |nanos: u128| u64::try_from(nanos).unwrap_or(u64::MAX);
        let rest = Duration::from_nanos(part(late % interval));
        (part(late / interval), rest)
    }

    /// Takes over state from the group that this one replaces: of rules whose definition is the same.
    pub fn inherit(&mut self, old: &mut GroupState) {
        self.evaluated_at = old.evaluated_at;
        self.iterations = old.iterations;
        self.missed = old.missed;
        if self.interval == old.interval {
            self.due = old.due;
        }
        for rule in &mut self.rules {
            let same = |r: &RuleState| {
                r.rule.name == rule.rule.name && r.rule.definition == rule.rule.definition
            };
            if let Some(place) = old.rules.iter().position(same) {
                let new = rule.rule.clone();
                *rule = old.rules.swap_remove(place);
                rule.rule = new;
            }
        }
    }
}

impl RuleState {
    /// A rule without any state.
    pub fn new(rule: Rule) -> Self {
        Self {
            rule: Arc::new(rule),
            instances: BTreeMap::new(),
            departed: Vec::new(),
            health: Health::Unknown,
            evaluated_at: None,
            took: Duration::ZERO,
            evaluations: 0,
            failures: 0,
            selection: None,
        }
    }

    /// All alerts of all instances, those of departed ones included.
    pub fn alerts(&self) -> impl Iterator<Item = &Tracked> {
        self.instances
            .values()
            .chain(&self.departed)
            .flat_map(Instance::tracked)
    }

    /// Brings the instances up to date with the series in the store and returns the window of each.
    pub fn answer(&mut self, store: &Store, scope: &Scope) -> Answer {
        if self.selection != Some(store.generation()) {
            self.select(store, scope);
        }
        let need = self.rule.condition.need();
        let with_quantiles = matches!(need.stat, super::metric::Stat::Quantile(_));
        let column = store.column(&need.metric);
        self.instances
            .iter()
            .map(|(labels, instance)| {
                let window = column.map_or_else(Window::default, |column| {
                    let now = scope.now.wall;
                    store.window(&instance.series, column, need.reach, with_quantiles, now)
                });
                let window = window.of_metric(&need.metric, scope.cpu_limit);
                (labels.clone(), window)
            })
            .collect()
    }

    /// Finds the series that the rule selects and sorts them into instances.
    fn select(&mut self, store: &Store, scope: &Scope) {
        let rule = self.rule.clone();
        let mut selected: BTreeMap<Labels, Vec<SeriesId>> = BTreeMap::new();
        for (id, series) in store.series() {
            let key = &series.key;
            let overflow_asked = || {
                rule.select
                    .matchers()
                    .iter()
                    .any(|m| m.name() == "overflow")
            };
            if rule.select.matches(|name| key.get(name)) && (!key.is_overflow() || overflow_asked())
            {
                selected
                    .entry(instance_labels(key, &rule.by))
                    .or_default()
                    .push(id);
            }
        }
        for (labels, instance) in std::mem::take(&mut self.instances) {
            if selected.contains_key(&labels) {
                self.instances.insert(labels, instance);
            } else {
                self.departed.push(instance);
            }
        }
        for (labels, series) in selected {
            let departed = &mut self.departed;
            self.instances
                .entry(labels)
                .or_insert_with_key(|labels| {
                    // One that comes back goes on where it was, so that its end is not told beside it.
                    match departed.iter().position(|gone| gone.labels == *labels) {
                        Some(place) => departed.swap_remove(place),
                        None => Instance::new(&rule, labels, &scope.external),
                    }
                })
                .series = series;
        }
        self.selection = Some(store.generation());
    }

    /// Judges the rule's data and adds what comes of it to `effects`.
    pub fn judge(
        &mut self,
        answer: &[(Labels, Window)],
        limit: usize,
        scope: &Scope,
        effects: &mut Effects,
    ) {
        self.evaluated_at = Some(scope.now.wall);
        self.evaluations += 1;
        let rule = self.rule.clone();
        if let Some(labels) = self.collision() {
            self.fail(format!(
                "two instances give the same alert labels {labels}; add labels to `by`"
            ));
            self.forget_departed(scope);
            return;
        }
        for (labels, window) in answer {
            if let Some(instance) = self.instances.get_mut(labels) {
                instance.judge(&rule, window, scope, effects);
            }
        }
        for instance in &mut self.departed {
            instance.depart(scope, effects);
        }
        let active = self
            .alerts()
            .filter(|a| a.state.active_at().is_some())
            .count();
        if limit > 0 && active > limit {
            for instance in self.instances.values_mut() {
                instance.depart(scope, effects);
            }
            self.fail(format!("exceeded limit of {limit} with {active} alerts"));
        } else {
            self.health = Health::Good;
        }
        for instance in self.instances.values_mut().chain(&mut self.departed) {
            if rule.mode == Mode::Active {
                instance.announce(&rule, scope, effects);
            }
        }
        self.forget_departed(scope);
    }

    /// Forgets departed instances of whose alerts nothing is left to tell.
    fn forget_departed(&mut self, scope: &Scope) {
        self.departed.retain(|instance| {
            instance.tracked().any(|alert| match alert.told {
                Told::Nothing => false,
                Told::Firing => true,
                Told::Ended { since, .. } => {
                    scope.now.steady.saturating_sub(since) <= RESOLVED_RETENTION
                }
            })
        });
    }

    /// Ends every alert, because the rule is gone.
    pub fn abandon(&mut self, scope: &Scope, effects: &mut Effects) {
        let rule = self.rule.clone();
        for instance in self.instances.values_mut().chain(&mut self.departed) {
            instance.depart(scope, effects);
            if rule.mode == Mode::Active {
                instance.announce(&rule, scope, effects);
            }
        }
    }

    fn fail(&mut self, why: String) {
        self.failures += 1;
        self.health = Health::Failed(why);
    }

    /// The label set of two instances' alerts that are the same, if any.
    fn collision(&self) -> Option<Labels> {
        let mut seen = BTreeSet::new();
        self.instances
            .values()
            .flat_map(Instance::tracked)
            .find_map(|alert| (!seen.insert(alert.fingerprint)).then(|| alert.labels.clone()))
    }
}

/// The labels of a series that make its instance.
fn instance_labels(key: &SeriesKey, by: &[String]) -> Labels {
    by.iter()
        .map(|name| (name.as_str(), key.get(name)))
        .collect()
}

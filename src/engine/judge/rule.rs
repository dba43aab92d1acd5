//! One rule: which instances it finds, and what becomes of their alerts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::compared::Before;
use super::tracked::{Subject, Tracked};
use super::{Answer, Effects, Health, Instance, Scope, absence, shift};
use crate::engine::acceptance::Accepted;
use crate::engine::alert::EndReason;
use crate::engine::condition::{Against, Condition, Standing, Verdict};
use crate::engine::rule::{Hold, Mode, OnError, Rule};
use crate::engine::selector::Selector;
use crate::engine::series::{Labels, SeriesKey};
use crate::engine::store::{Series, SeriesId, Store};
use crate::engine::time::Timestamp;

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
    /// How long all of them took.
    pub spent: Duration,
    /// How often an alert of it began to fire.
    pub fired: u64,
    /// The alert that says that the rule fails, where it asks for one.
    pub trouble: Option<Tracked>,
    /// Instances given up because there were too many, since they were last counted.
    pub(super) given_up: u64,
    /// Instances that have gone, of which what they had learned is to be deleted.
    pub(in crate::engine) unlearned: Vec<Labels>,
    /// When a rule on absence was first asked, on the clock of judging.
    pub(in crate::engine) began: Option<Duration>,
    /// Overflow series that may hold what a rule on absence misses.
    pub(super) overflow: absence::Overflow,
    /// The store's generation that `instances` was made for.
    pub(in crate::engine) selection: Option<u64>,
    /// By what its saved state is found again.
    pub(in crate::engine) key: String,
    /// The hash of its saved state; `None` where none is saved.
    pub(in crate::engine) saved: Option<u64>,
    /// Whether what is saved of it may have changed.
    pub(in crate::engine) touched: bool,
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
            spent: Duration::ZERO,
            fired: 0,
            trouble: None,
            given_up: 0,
            unlearned: Vec::new(),
            began: None,
            overflow: absence::Overflow::new(),
            selection: None,
            key: String::new(),
            saved: None,
            touched: false,
        }
    }

    /// All alerts of all instances, those of departed ones included.
    pub fn alerts(&self) -> impl Iterator<Item = &Tracked> {
        self.instances
            .values()
            .chain(&self.departed)
            .flat_map(Instance::tracked)
            .chain(&self.trouble)
    }

    /// Instances given up because there were too many, since this was last asked.
    pub fn take_given_up(&mut self) -> u64 {
        std::mem::take(&mut self.given_up)
    }

    /// Brings the instances up to date with the series in the store and adds to `answer` what the next of them are
    /// judged by, at most `most`; whether that were all. Between two calls the store may change.
    pub fn answer(
        &mut self,
        answer: &mut Answer,
        most: usize,
        store: &Store,
        scope: &Scope,
    ) -> bool {
        self.touched = true;
        if self.selection != Some(store.generation()) {
            self.select(store, scope);
        }
        let rule = self.rule.clone();
        if let Condition::Absence(absence) = &rule.condition
            && answer.is_empty()
        {
            self.look_for_absent(absence, store, scope);
        }
        let from = match answer.last() {
            Some((last, _)) => Bound::Excluded(last.clone()),
            None => Bound::Unbounded,
        };
        let mut rest = self.instances.range((from, Bound::Unbounded));
        let next = rest.by_ref().take(most);
        answer.extend(next.map(|(labels, one)| (labels.clone(), one.look(&rule, store, scope))));
        rest.next().is_none()
    }

    /// Finds the series that the rule selects and sorts them into instances.
    pub(super) fn select(&mut self, store: &Store, scope: &Scope) {
        let rule = self.rule.clone();
        let remembers = matches!(rule.condition, Condition::Absence(_));
        let overflow_asked = (rule.select.matchers().iter()).any(|m| m.name() == "overflow");
        let mut selected: BTreeMap<Labels, Vec<SeriesId>> = BTreeMap::new();
        self.overflow.clear();
        for (id, series) in candidates(&rule, store) {
            let key = &series.key;
            if key.is_overflow() && !overflow_asked {
                if remembers {
                    let operation = key.operation().to_owned();
                    let same = self.overflow.entry(operation).or_default();
                    same.push((id, key.clone()));
                }
            } else if rule.select.matches(|name| key.get(name)) {
                selected
                    .entry(instance_labels(key, &rule.by))
                    .or_default()
                    .push(id);
            }
        }
        for (labels, mut instance) in std::mem::take(&mut self.instances) {
            if remembers || selected.contains_key(&labels) {
                instance.set_series(Vec::new());
                self.instances.insert(labels, instance);
            } else {
                self.departed.push(instance);
            }
        }
        for (labels, mut series) in selected {
            // By their names: their numbers, which decide between runs of equal time, are others after a restart.
            series.sort_by_cached_key(|id| store.get(*id).map(|series| series.key.clone()));
            let departed = &mut self.departed;
            let instance = (self.instances.entry(labels)).or_insert_with_key(|labels| {
                // One that comes back goes on where it was, so that its end is not told beside it.
                match departed.iter().position(|gone| gone.labels == *labels) {
                    Some(place) => departed.swap_remove(place),
                    None => Instance::new(&rule, labels, &scope.external),
                }
            });
            instance.set_series(series);
            instance.stands_in = false;
        }
        if let Condition::Regression(regression) = &rule.condition
            && regression.against == Against::PreviousVersion
        {
            self.order_versions(store);
        }
        self.selection = Some(store.generation());
    }

    /// Tells each instance which versions came before its own.
    fn order_versions(&mut self, store: &Store) {
        type Version = (Option<Timestamp>, Labels, Vec<SeriesId>);
        let came = |ids: &[SeriesId]| {
            let series = ids.iter().filter_map(|id| store.get(*id));
            series.map(|series| series.totals.created).min()
        };
        let mut families: BTreeMap<Labels, Vec<Version>> = BTreeMap::new();
        for (labels, instance) in &self.instances {
            let series = instance.series.clone();
            let version = (came(&series), labels.clone(), series);
            families
                .entry(labels.without("version"))
                .or_default()
                .push(version);
        }
        for versions in families.values_mut() {
            versions.sort();
            for (place, (_, labels, _)) in versions.iter().enumerate() {
                let Some(instance) = self.instances.get_mut(labels) else {
                    continue;
                };
                let earlier = versions.get(..place).unwrap_or_default().iter().rev();
                instance.before = Before {
                    versions: earlier.map(|(_, _, series)| series.clone()).collect(),
                    is_superseded: place + 1 < versions.len(),
                };
            }
        }
    }

    /// Judges the rule's data and adds what comes of it to `effects`.
    pub fn judge(&mut self, answer: &Answer, limit: usize, scope: &Scope, effects: &mut Effects) {
        self.touched = true;
        self.evaluated_at = Some(scope.now.wall);
        self.evaluations += 1;
        let rule = self.rule.clone();
        self.health = match self.collision() {
            // As in Prometheus: what fires stays as it is, and nobody is told anything of it.
            Some(labels) => Health::Failed(format!(
                "two instances give the same alert labels {labels}; add labels to `by`"
            )),
            None => self.judge_instances(answer, limit, scope, effects),
        };
        self.failures += u64::from(matches!(self.health, Health::Failed(_)));
        self.judge_trouble(&rule, scope, effects);
        self.forget_departed(scope);
    }

    fn judge_instances(
        &mut self,
        answer: &Answer,
        limit: usize,
        scope: &Scope,
        effects: &mut Effects,
    ) -> Health {
        let rule = self.rule.clone();
        // Both are in the order of labels, so that none has to be looked for.
        let mut answers = answer.iter().peekable();
        for (labels, instance) in &mut self.instances {
            while answers.next_if(|(other, _)| other < labels).is_some() {}
            if let Some((_, datum)) = answers.next_if(|(other, _)| other == labels) {
                instance.judge(&rule, datum, scope, effects);
                if instance.before.is_superseded {
                    instance.depart(&rule, EndReason::Superseded, scope, effects);
                }
            }
        }
        if let Condition::Absence(absence) = &rule.condition {
            self.forget_absent(absence, scope, effects);
        }
        shift::note(&rule, self.instances.values_mut(), scope);
        for instance in &mut self.departed {
            instance.depart(&rule, EndReason::Gone, scope, effects);
        }
        let alerts = self.instances.values().flat_map(Instance::tracked);
        let active = alerts.filter(|a| a.state.active_at().is_some()).count();
        let exceeded = limit > 0 && active > limit;
        if exceeded {
            for instance in self.instances.values_mut() {
                instance.depart(&rule, EndReason::LimitExceeded, scope, effects);
            }
        }
        if rule.mode == Mode::Active {
            for instance in self.instances.values_mut().chain(&mut self.departed) {
                instance.announce(&rule, scope, effects);
            }
        }
        if exceeded {
            Health::Failed(format!("exceeded limit of {limit} with {active} alerts"))
        } else {
            Health::Good
        }
    }

    /// The alert that says that the rule fails, until it is healthy again.
    fn judge_trouble(&mut self, rule: &Rule, scope: &Scope, effects: &mut Effects) {
        if rule.on_error != OnError::Alert {
            return;
        }
        let (standing, why) = match &self.health {
            Health::Failed(why) => (Standing::Breached, Some(why.clone())),
            Health::Good | Health::Unknown => (Standing::Holds, None),
        };
        if self.trouble.is_none() && why.is_none() {
            return;
        }
        let nobody = Labels::default();
        let trouble = self.trouble.get_or_insert_with(|| {
            Tracked::new(
                rule,
                &nobody,
                Subject::Failure(String::new()),
                &scope.external,
            )
        });
        if let Some(why) = why {
            trouble.subject = Subject::Failure(why);
        }
        let verdict = Verdict {
            standing,
            value: None,
            limit: 0.0,
            n: 0,
            gained: true,
            evidence: None,
        };
        trouble.take(rule, &Hold::default(), verdict, &nobody, scope, effects);
        if rule.mode == Mode::Active {
            let (fires, mut ended) = (trouble.state.is_firing(), Vec::new());
            trouble.announce(fires, false, rule, scope, effects, &mut ended);
            effects.end(ended);
        }
    }

    /// Forgets departed instances of whose alerts nothing is left to tell.
    fn forget_departed(&mut self, scope: &Scope) {
        let unlearned = &mut self.unlearned;
        self.departed.retain(|instance| {
            let is_kept = (instance.tracked()).any(|alert| alert.is_worth_keeping(scope));
            if !is_kept && instance.has_learned_saved {
                unlearned.push(instance.labels.clone());
            }
            is_kept
        });
    }

    /// Ends every alert, because the rule is gone.
    pub fn abandon(&mut self, scope: &Scope, effects: &mut Effects) {
        let rule = self.rule.clone();
        let tell = rule.mode == Mode::Active;
        for instance in self.instances.values_mut().chain(&mut self.departed) {
            instance.depart(&rule, EndReason::RuleRemoved, scope, effects);
            if tell {
                instance.announce(&rule, scope, effects);
            }
        }
        if let Some(trouble) = &mut self.trouble {
            trouble.abandon(&rule, EndReason::RuleRemoved, scope, effects);
            if tell {
                let mut ended = Vec::new();
                trouble.announce(false, false, &rule, scope, effects, &mut ended);
                effects.end(ended);
            }
        }
    }

    /// Takes what its instances have found for what is usual from now on, where they have an alert and `select` takes them.
    pub(in crate::engine) fn accept(
        &mut self,
        select: &Selector,
        scope: &Scope,
        effects: &mut Effects,
    ) -> Vec<Accepted> {
        let rule = self.rule.clone();
        let mut accepted = Vec::new();
        for (labels, instance) in &mut self.instances {
            if !select.matches(|name| labels.get(name)) {
                continue;
            }
            let had_learned = instance.has_learned_saved;
            let Some(since) = instance.accept(&rule, scope, effects) else {
                continue;
            };
            if had_learned && !instance.has_learned_saved {
                self.unlearned.push(labels.clone());
            }
            if rule.mode == Mode::Active {
                instance.announce(&rule, scope, effects);
            }
            accepted.push(Accepted {
                labels: labels.clone(),
                since,
            });
        }
        self.touched |= !accepted.is_empty();
        accepted
    }

    /// Has an instance learn what is usual anew, from what came since then; its alerts end as accepted.
    pub(in crate::engine) fn learn_anew(
        &mut self,
        labels: &Labels,
        since: Timestamp,
        scope: &Scope,
        effects: &mut Effects,
    ) {
        let rule = self.rule.clone();
        let Some(instance) = self.instances.get_mut(labels) else {
            return;
        };
        let had_learned = instance.has_learned_saved;
        instance.learn_anew(&rule, since, scope, effects);
        if had_learned && !instance.has_learned_saved {
            self.unlearned.push(labels.clone());
        }
        if rule.mode == Mode::Active {
            instance.announce(&rule, scope, effects);
        }
        self.touched = true;
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

/// The series that a rule may select: where it names an operation, those of that one.
pub(super) fn candidates<'s>(
    rule: &'s Rule,
    store: &'s Store,
) -> Box<dyn Iterator<Item = (SeriesId, &'s Series)> + 's> {
    // A rule on absence also looks at the overflow series that all operations share.
    let remembers = matches!(rule.condition, Condition::Absence(_));
    match rule.select.operation() {
        Some(operation) if !remembers => Box::new(store.series_of(operation)),
        _ => Box::new(store.series()),
    }
}

/// The labels of a series that make its instance.
pub(super) fn instance_labels(key: &SeriesKey, by: &[String]) -> Labels {
    by.iter()
        .map(|name| (name.as_str(), key.get(name)))
        .collect()
}

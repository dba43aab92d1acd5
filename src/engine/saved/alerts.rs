//! The state of the rules: what of it has changed since it was last saved, and how it comes back.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::announced::call_off;
use super::rule::{RuleMessage, to_bytes};
use super::{Damaged, LEARNED, hash, learned, learned_key};
use crate::engine::Engine;
use crate::engine::dispatch::Announced;
use crate::engine::judge::{Effects, Instance, RuleState, Told};
use crate::engine::time::Now;

/// What is to be saved of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedRule {
    /// By what it is found again: file, group, name and definition of the rule.
    pub key: String,
    /// Its state; without one what has been saved is to be deleted.
    pub body: Option<Vec<u8>>,
}

/// Between the parts of a key: no name has it.
const SEPARATOR: char = '\u{1f}';

impl Engine {
    /// The rules of whose state other bytes are to be saved than were last returned here or restored.
    pub fn take_changed_rules(&mut self) -> Vec<SavedRule> {
        let gone = std::mem::take(&mut self.saving.gone);
        let mut changed: BTreeMap<String, Option<Vec<u8>>> =
            gone.into_iter().map(|key| (key, None)).collect();
        let mut identity = None;
        let rules = self.groups.iter_mut().flat_map(|group| &mut group.rules);
        for rule in rules.filter(|rule| rule.touched) {
            rule.touched = false;
            let identity = *identity.get_or_insert_with(|| self.external.labels.fingerprint());
            changed.extend(take_learned(rule));
            let body = to_bytes(rule, identity);
            let hash = body.as_deref().map(hash);
            if hash != rule.saved {
                rule.saved = hash;
                changed.insert(rule.key.clone(), body);
            }
        }
        for (key, body) in &changed {
            if body.is_some() {
                self.saving.deleted.remove(key);
            } else {
                self.saving.deleted.insert(key.clone());
            }
        }
        (changed.into_iter())
            .map(|(key, body)| SavedRule { key, body })
            .collect()
    }

    /// Forgets what has been saved, because it could not be kept: the next calls of [`Self::take_changed_rules`] and
    /// [`Self::save_dispatch`] return everything, deletions included.
    pub fn forget_saved_alerts(&mut self) {
        let deleted = std::mem::take(&mut self.saving.deleted);
        self.saving.gone.extend(deleted);
        for rule in self.groups.iter_mut().flat_map(|group| &mut group.rules) {
            rule.touched = true;
            if rule.saved.take().is_some() {
                self.saving.gone.insert(rule.key.clone());
            }
            for instance in rule.instances.values_mut().chain(&mut rule.departed) {
                instance.forget_saved();
            }
        }
        self.forget_saved_baselines();
        self.forget_saved_silences();
        self.forget_saved_maintenance();
        self.saving.dispatch = None;
        self.saving.clocks = None;
        self.dispatcher.touched = true;
        self.forget_saved_incidents();
        self.forget_saved_actions();
        self.saving.changes = 0;
    }

    /// Gives the rule of this key its saved state back. Where there is no such rule any more, or its alerts are known by
    /// other labels now, those that others know to fire end and are told so. What cannot be read is to be deleted.
    ///
    /// The dispatcher is to be restored before, so that it knows whom to tell.
    pub fn restore_rule(&mut self, key: &str, body: &[u8], now: Now) -> Result<Effects, Damaged> {
        let effects = self.read_rule(key, body, now);
        match &effects {
            Ok(Some(effects)) => self.note(effects, now),
            Ok(None) => return Ok(Effects::default()),
            Err(_) => {}
        }
        self.saving.gone.insert(key.to_owned());
        effects.map(Option::unwrap_or_default)
    }

    /// What comes of a rule's saved state; `None` where the rule has taken it.
    fn read_rule(&mut self, key: &str, body: &[u8], now: Now) -> Result<Option<Effects>, Damaged> {
        if let Some((rule, _)) = key.split_once(LEARNED) {
            let saved = learned::Saved::read(body)?;
            let external = self.external.clone();
            let Some(rule) = self.rule_of_key(rule) else {
                return Ok(Some(Effects::default()));
            };
            let definition = rule.rule.clone();
            let instance = (rule.instances.entry(saved.labels()))
                .or_insert_with_key(|labels| Instance::new(&definition, labels, &external));
            rule.selection = None;
            saved.read_into(&definition, instance)?;
            return Ok(None);
        }
        let message = RuleMessage::read(body)?;
        let (external, identity) = (self.external.clone(), self.external.labels.fingerprint());
        match self
            .rule_of_key(key)
            .filter(|_| message.is_known_as(identity))
        {
            Some(rule) => {
                message.read_into(rule, &external)?;
                rule.saved = Some(hash(body));
                // It may have been saved by another version, which says less or more.
                rule.touched = true;
                Ok(None)
            }
            None => message.end(now).map(Some),
        }
    }

    fn rule_of_key(&mut self, key: &str) -> Option<&mut RuleState> {
        let (group, rule) = *self.saving.places.get(&hash(key.as_bytes()))?;
        let rules = &mut self.groups.get_mut(group)?.rules;
        rules.get_mut(rule).filter(|rule| rule.key == key)
    }

    /// Ends the alerts that the restored dispatcher or an incident takes to fire but no rule knows of: what was saved of their rule
    /// could not be kept or read. To be called once all rules have been restored, because nobody would end them else.
    pub fn end_unknown(&mut self, now: Now) -> Effects {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let known: HashSet<u64> = (rules.flat_map(RuleState::alerts))
            .filter(|alert| alert.told == Told::Firing)
            .map(|alert| alert.fingerprint)
            .chain((self.actions.cases()).filter_map(|case| Some(case.failing()?.fingerprint)))
            .collect();
        let groups = self.dispatcher.groups.values();
        let of_incidents = self
            .incidents
            .unknown(|fingerprint| known.contains(&fingerprint));
        let of_groups = groups.flat_map(|group| group.alerts.values().cloned());
        let unknown: BTreeMap<u64, Arc<Announced>> = (of_incidents.into_iter().chain(of_groups))
            .filter(|alert| alert.is_firing() && !known.contains(&alert.fingerprint))
            .map(|alert| (alert.fingerprint, alert))
            .collect();
        let mut effects = Effects::default();
        for alert in unknown.into_values() {
            call_off(Announced::clone(&alert), now, &mut effects);
        }
        self.note(&effects, now);
        effects
    }

    /// Gives every rule the key by which its saved state is found; equal rules of a group are counted.
    pub(in crate::engine) fn key_rules(&mut self) {
        self.saving.places.clear();
        for (group_place, group) in self.groups.iter_mut().enumerate() {
            let mut equal: HashMap<(String, u64), usize> = HashMap::new();
            for (place, rule) in group.rules.iter_mut().enumerate() {
                let definition = rule.rule.definition;
                let before = equal
                    .entry((rule.rule.name.clone(), definition))
                    .or_default();
                let name = &rule.rule.name;
                let mut key = [
                    &group.file,
                    &group.name,
                    name,
                    &format!("{definition:016x}"),
                ]
                .map(String::as_str)
                .join(&SEPARATOR.to_string());
                if *before > 0 {
                    key.push(SEPARATOR);
                    key.push_str(&before.to_string());
                }
                *before += 1;
                let places = &mut self.saving.places;
                places.insert(hash(key.as_bytes()), (group_place, place));
                if rule.key != key {
                    self.saving.drop_rule(rule);
                    rule.key = key;
                    rule.touched = true;
                }
            }
        }
    }
}

/// What instances of a rule have learned since it was last saved, and what is to go because they have gone.
fn take_learned(rule: &mut RuleState) -> Vec<(String, Option<Vec<u8>>)> {
    let gone = std::mem::take(&mut rule.unlearned).into_iter();
    let mut changed: Vec<_> = gone
        .map(|labels| (learned_key(&rule.key, &labels), None))
        .collect();
    for instance in rule.instances.values_mut() {
        if let Some(body) = learned::unsaved(instance) {
            changed.push((learned_key(&rule.key, &instance.labels), Some(body)));
        }
    }
    changed
}

//! Rules with a detector learn from what was measured before they were there.
//!
//! Recent blocks are in the store; what lies further back is in the log alone. It is replayed into an engine that holds
//! nothing but these rules, beside the one that judges, and that takes over what the detectors have learned, as one event
//! among the others. So they are what they would be had the rule always been there.
//!
//! Only what goes on at that moment is alerted on: what began and ended before is history.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::admission::Batch;
use super::condition::Condition;
use super::dispatch::Maintenance;
use super::judge::{Detecting, GRACE, Open, Scope};
use super::measurement::Measurement;
use super::rule::{External, Mode, Rule, RuleGroup};
use super::series::{Labels, OWN_OPERATION, SeriesKey};
use super::settings::Settings;
use super::store::StoreSettings;
use super::time::{Now, Timestamp, millis};
use super::watched::Watched;

/// Blocks that the store keeps while it learns, and for how long at least: they are taken as soon as they close.
const KEPT_BLOCKS: u32 = 4;
const KEPT_AT_LEAST: Duration = Duration::from_secs(24 * 3_600);
/// Live, time moves on in the store at least this often before a measurement comes.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// Of so many series it is remembered whether a rule wants them.
const MOST_KNOWN: usize = 10_000;

/// What is to be learned from the log.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// The rules, each with what it is known by and the instances that learn.
    rules: Vec<(String, Arc<Rule>, Open)>,
    store: StoreSettings,
    watched: Watched,
    cpu_limit: Option<f64>,
    maintenance: Arc<Maintenance>,
    external: Arc<External>,
    /// Only what was measured by then is learned from.
    pub until: Timestamp,
}

impl Lesson {
    /// How many rules learn.
    pub fn rules(&self) -> usize {
        self.rules.len()
    }
}

/// What was learned.
#[derive(Debug, Default)]
pub struct Learned(HashMap<String, BTreeMap<Labels, Detecting>>);

/// What an engine has taken over of what was learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Detectors that go on as if the rule had always been there.
    pub detectors: u64,
    /// Blocks with a value that these know.
    pub blocks: u64,
}

impl Engine {
    /// What rules have to learn from the log; `None` where none has.
    pub fn lesson(&self, now: Now) -> Option<Lesson> {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let rules = rules.filter_map(|state| {
            let rule = &state.rule;
            // What opwatch measures of itself is not in the log.
            if rule.mode == Mode::Off || rule.select.names_operation(OWN_OPERATION) {
                return None;
            }
            Some((state.key.clone(), rule.clone(), state.open(&self.store)?))
        });
        let rules: Vec<_> = rules.collect();
        (!rules.is_empty()).then(|| Lesson {
            rules,
            store: self.store.settings().clone(),
            watched: self.clocks.watched.clone(),
            cpu_limit: self.cpu_limit,
            maintenance: self.maintenance().clone(),
            external: self.external.clone(),
            until: now.wall,
        })
    }

    /// Takes over what was learned, where it is more than is known already.
    pub fn adopt(&mut self, mut learned: Learned, now: Now) -> Adopted {
        let mut adopted = Adopted::default();
        let mut scope = self.scope(now, Duration::ZERO);
        for group in &mut self.groups {
            scope.interval = group.interval;
            for rule in &mut group.rules {
                let Some(mut of_rule) = learned.0.remove(&rule.key) else {
                    continue;
                };
                let (detectors, blocks) =
                    rule.adopt(|labels| of_rule.remove(labels), &self.store, &scope);
                adopted.detectors += detectors;
                adopted.blocks += blocks;
            }
        }
        adopted
    }
}

/// An engine that learns.
#[derive(Debug)]
pub struct Learner {
    engine: Engine,
    /// By what the rules of its groups, one in each, are known.
    keys: Vec<String>,
    from: Timestamp,
    /// The shortest block, and when the next one has been closed for long enough.
    step: i64,
    next: Timestamp,
    until: Timestamp,
    moved: Timestamp,
    scope: Scope,
}

/// Which measurements are to be learned from.
#[derive(Debug)]
pub struct Wanted {
    rules: Vec<(Arc<Rule>, Open)>,
    known: HashMap<SeriesKey, bool>,
    until: Timestamp,
}

impl Wanted {
    /// Those of a lesson.
    pub fn of(lesson: &Lesson) -> Self {
        Self {
            rules: (lesson.rules.iter())
                .map(|(_, rule, open)| (rule.clone(), open.clone()))
                .collect(),
            known: HashMap::new(),
            until: lesson.until,
        }
    }

    /// Whether that one is to be.
    pub fn has(&mut self, at: Timestamp, measurement: &Measurement) -> bool {
        if at > self.until {
            return false;
        }
        let key = &measurement.key;
        if let Some(is_wanted) = self.known.get(key) {
            return *is_wanted;
        }
        let mut rules = self.rules.iter();
        let is_wanted = rules
            .any(|(rule, open)| rule.select.matches(|name| key.get(name)) && open.has(key, rule));
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(key.clone(), is_wanted);
        is_wanted
    }
}

impl Learner {
    /// One that knows nothing; `from` is when the first measurement was made.
    pub fn new(lesson: Lesson, from: Timestamp) -> Self {
        let mut longest = Duration::ZERO;
        let mut shortest = Duration::MAX;
        let (mut keys, mut groups) = (Vec::new(), Vec::new());
        for (number, (key, rule, _)) in lesson.rules.into_iter().enumerate() {
            if let Condition::Detection(detection) = &rule.condition {
                longest = longest.max(detection.block);
                shortest = shortest.min(detection.block);
            }
            keys.push(key);
            groups.push(RuleGroup {
                file: String::new(),
                name: number.to_string(),
                interval: Duration::from_secs(60),
                limit: 0,
                rules: vec![(*rule).clone()],
            });
        }
        let now = Now {
            wall: from,
            steady: Duration::ZERO,
        };
        let kept = KEPT_AT_LEAST.max(longest * KEPT_BLOCKS);
        let settings = Settings {
            store: StoreSettings {
                retention: kept.min(lesson.store.retention),
                // Detectors look at blocks alone.
                max_history: 0,
                ..lesson.store
            },
            groups,
            external: External::clone(&lesson.external),
            ..Settings::default()
        };
        let mut engine = Engine::new(settings, now);
        engine.set_cpu_limit(lesson.cpu_limit);
        let step = millis(shortest).max(1);
        let first = from.millis().div_euclid(step).saturating_add(1);
        let scope = Scope {
            watched: lesson.watched.begun_by(from),
            maintenance: lesson.maintenance,
            ..engine.scope(now, Duration::ZERO)
        };
        Self {
            engine,
            keys,
            from,
            step,
            next: Timestamp::from_millis(first.saturating_mul(step)).after(GRACE),
            until: lesson.until,
            moved: from,
            scope,
        }
    }

    /// Takes the next measurement, in the order of their times. `false` where memory is so short that it cannot be taken:
    /// then nothing of what is learned is to be believed.
    pub fn take(&mut self, at: Timestamp, measurement: Measurement) -> bool {
        self.learn_up_to(at);
        if at.since(self.moved) >= LONGEST_REST {
            self.engine.store.sweep(self.now(at));
            self.moved = at;
        }
        if self.engine.is_full() {
            return false;
        }
        let now = self.now(at);
        let batch = Batch {
            origin: None,
            records: vec![Ok(measurement)],
        };
        let (admitted, _) = self.engine.admit(batch, now);
        self.engine.apply(&admitted, now);
        true
    }

    /// What is learned where there was nothing to learn from.
    pub fn forgotten(self) -> Learned {
        let of_rules = self.keys.into_iter();
        Learned(of_rules.map(|key| (key, BTreeMap::new())).collect())
    }

    /// What the detectors have learned by the end of the lesson.
    pub fn learned(mut self) -> Learned {
        self.learn_up_to(self.until);
        let states = self.engine.groups.into_iter().flat_map(|group| group.rules);
        let of_rules = self.keys.into_iter().zip(states);
        let of_rules = of_rules.map(|(key, state)| (key, state.into_learned().collect()));
        Learned(of_rules.collect())
    }

    /// Has the detectors take all blocks that have been closed for long enough.
    fn learn_up_to(&mut self, at: Timestamp) {
        while self.next <= at {
            let now = self.now(self.next);
            self.engine.store.sweep(now);
            self.moved = self.next;
            self.scope.now = now;
            for group in &mut self.engine.groups {
                for rule in &mut group.rules {
                    rule.learn(&self.engine.store, &self.scope);
                }
            }
            let step = Duration::from_millis(self.step.unsigned_abs());
            self.next = self.next.after(step);
        }
    }

    fn now(&self, wall: Timestamp) -> Now {
        Now {
            wall,
            steady: wall.since(self.from),
        }
    }
}

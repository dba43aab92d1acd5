//! What is saved of an engine and given to a new one goes on as if nothing had been.

use std::collections::BTreeMap;

use super::*;
use crate::engine::condition::Absence;
use crate::engine::dispatch::{Digest, FlapSettings, GroupBy, Integration, TimeInterval, Timing};
use crate::engine::rule::ForSamples;

mod damage;
mod gone;
mod seen;

const STEP: u64 = 10;

/// One that waits, keeps and says when data is missing; its two levels share a window of time.
fn patient() -> Rule {
    Rule {
        name: "Patient".into(),
        condition: Condition::Threshold(Threshold {
            metric: Metric::Duration,
            stat: Stat::Max,
            reach: Reach::Time(Duration::from_secs(30)),
            comparison: Comparison::Above,
            levels: vec![level(Severity::Medium, 10.0), level(Severity::High, 20.0)],
            min_samples: 1,
            relative: None,
        }),
        hold: Hold {
            hold: Duration::from_secs(30),
            keep_firing_for: Duration::from_secs(20),
            no_data: NoData::Alert,
            stale_after: Duration::from_secs(60),
            ..Hold::default()
        },
        definition: 2,
        ..rule()
    }
}

/// Three of the last five evaluations with data.
fn counting() -> Rule {
    let mut rule = rule();
    rule.name = "Counting".into();
    rule.hold.for_samples = Some(ForSamples { breached: 3, of: 5 });
    rule.definition = 3;
    rule
}

/// A job that is expected, and others once they have been seen.
fn absent() -> Rule {
    let seconds = Duration::from_secs;
    Rule {
        name: "Missing".into(),
        condition: Condition::Absence(Absence {
            expect_every: seconds(60),
            grace: seconds(10),
            remember: seconds(300),
            expect: vec![[("operation", "never")].into_iter().collect()],
            levels: [level(Severity::Critical, 70.0)],
        }),
        labels: Vec::new(),
        definition: 4,
        ..rule()
    }
}

/// Told only while no other one fires for the same operation.
fn dependent() -> Rule {
    Rule {
        name: "Dependent".into(),
        depends_on: vec!["Patient".into()],
        definition: 5,
        ..rule()
    }
}

/// Its alerts of different operations are the same, so that it fails as soon as there are two.
fn colliding() -> Rule {
    let overridden = Templated {
        name: "operation".into(),
        template: Template::parse("all", &[]).unwrap(),
    };
    Rule {
        name: "Colliding".into(),
        on_error: OnError::Alert,
        labels: vec![overridden],
        definition: 6,
        ..rule()
    }
}

fn shadow() -> Rule {
    Rule {
        name: "Shadow".into(),
        mode: Mode::Shadow,
        definition: 7,
        ..rule()
    }
}

fn settings() -> Settings {
    let seconds = Duration::from_secs;
    let rules = vec![
        patient(),
        counting(),
        absent(),
        dependent(),
        colliding(),
        shadow(),
        shadow(),
    ];
    Settings {
        groups: vec![RuleGroup {
            rules,
            ..group(rule())
        }],
        route: Some(Route::root(
            "team",
            GroupBy::Labels(vec!["alertname".into()]),
            Timing {
                group_wait: seconds(20),
                group_interval: seconds(30),
                repeat_interval: seconds(100),
            },
        )),
        receivers: vec![Receiver {
            name: "team".into(),
            integrations: [true, false]
                .map(|send_resolved| Integration { send_resolved })
                .to_vec(),
        }],
        external: External {
            labels: [("cluster", "eu")].into_iter().collect(),
            ..External::default()
        },
        incidents: Some(incident::MERGE),
        digests: vec![Digest {
            name: "often".into(),
            receiver: "team".into(),
            matchers: Selector::default(),
            when: TimeInterval {
                // Every four minutes.
                times: (0..360).map(|n| (4 * n, 4 * n + 1)).collect(),
                ..TimeInterval::default()
            },
            is_also_told: true,
        }],
        flapping: Some(FlapSettings {
            score: 2.0,
            half_life: seconds(100),
        }),
        ..Settings::default()
    }
}

/// What is measured in each step: digits are tens of seconds, `.` is nothing.
const SCENARIO: [(&str, &str); 2] = [
    (
        "a",
        "0111111100002222222111100....................1.1.11100000000000.....000000111111100000001000000000",
    ),
    (
        "b",
        "....................00000111100......................................................",
    ),
];

fn steps() -> std::ops::Range<u64> {
    0..u64::try_from(SCENARIO[0].1.len()).unwrap()
}

fn feed(engine: &mut Engine, step: u64) {
    for (operation, letters) in SCENARIO {
        let letter = letters.chars().nth(usize::try_from(step).unwrap());
        if let Some(tens) = letter.and_then(|letter| letter.to_digit(10)) {
            measure(engine, operation, f64::from(tens) * 10.0 + 5.0, time(step));
        }
    }
}

fn time(step: u64) -> Now {
    at(step * STEP)
}

/// What others see of a step.
#[derive(Debug, PartialEq)]
struct Seen {
    step: u64,
    changes: Vec<AlertChange>,
    announced: Vec<Arc<Announced>>,
    notifications: Vec<Notification>,
}

fn go(engine: &mut Engine, step: u64) -> Seen {
    feed(engine, step);
    let effects = tick(engine, time(step));
    Seen {
        step,
        changes: effects.changes,
        announced: effects.announced,
        notifications: engine.flush(time(step)),
    }
}

/// What is kept of an engine, as a storage would.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    pub(super) rules: BTreeMap<String, Vec<u8>>,
    pub(super) dispatch: Vec<u8>,
    pub(super) clocks: Vec<u8>,
    pub(super) incidents: BTreeMap<String, Vec<u8>>,
    pub(super) actions: BTreeMap<String, Vec<u8>>,
    history: BTreeMap<u64, Vec<u8>>,
}

impl Kept {
    pub(super) fn save(&mut self, engine: &mut Engine) {
        for saved in engine.take_changed_rules() {
            match saved.body {
                Some(body) => self.rules.insert(saved.key, body),
                None => self.rules.remove(&saved.key),
            };
        }
        for (key, body) in engine.take_changed_incidents() {
            match body {
                Some(body) => self.incidents.insert(key, body),
                None => self.incidents.remove(&key),
            };
        }
        for (key, body) in engine.take_changed_actions() {
            match body {
                Some(body) => self.actions.insert(key, body),
                None => self.actions.remove(&key),
            };
        }
        if let Some(bytes) = engine.save_dispatch() {
            self.dispatch = bytes;
        }
        if let Some(bytes) = engine.save_clocks() {
            self.clocks = bytes;
        }
        self.history.extend(engine.take_unsaved_changes());
    }

    /// A new engine before `step`, with the measurements of before.
    fn restore(&self, settings: Settings, step: u64) -> (Engine, Effects) {
        let mut engine = Engine::new(settings, time(0));
        for before in 0..step {
            feed(&mut engine, before);
            engine.store.sweep(time(before));
        }
        let effects = self.restore_into(&mut engine, time(step));
        (engine, effects)
    }

    /// Gives all but the measurements to an engine.
    pub(super) fn restore_into(&self, engine: &mut Engine, now: Now) -> Effects {
        engine.restore_dispatch(&self.dispatch, now).unwrap();
        let history: Vec<&Vec<u8>> = self.history.values().collect();
        engine.restore_changes(&history).unwrap();
        for body in self.incidents.values() {
            engine.restore_incident(body).unwrap();
        }
        for body in self.actions.values() {
            engine.restore_action(body).unwrap();
        }
        let mut all = Effects::default();
        for (key, body) in &self.rules {
            let effects = engine.restore_rule(key, body, now).unwrap();
            all.changes.extend(effects.changes);
            all.announced.extend(effects.announced);
            all.to_alertmanager.extend(effects.to_alertmanager);
        }
        all
    }
}

fn uninterrupted() -> (Vec<Seen>, Engine) {
    let mut engine = Engine::new(settings(), time(0));
    (steps().map(|step| go(&mut engine, step)).collect(), engine)
}

/// An engine that has gone through the steps before `step`, and what is kept of it.
fn kept_at(step: u64) -> (Engine, Kept) {
    let (mut engine, mut kept) = (Engine::new(settings(), time(0)), Kept::default());
    for before in 0..step {
        go(&mut engine, before);
        kept.save(&mut engine);
    }
    (engine, kept)
}

#[test]
fn the_scenario_goes_through_every_state_of_every_rule() {
    let (seen, _) = uninterrupted();
    let changes: Vec<_> = seen.iter().flat_map(|seen| &seen.changes).collect();
    let of = |rule: &str| {
        let changes = changes
            .iter()
            .filter(|c| c.labels.get("alertname") == rule && c.labels.get("operation") != "b");
        changes.map(|c| c.change).collect::<Vec<_>>()
    };
    for rule in [
        "Patient",
        "Counting",
        "Missing",
        "Dependent",
        "Colliding",
        "Shadow",
    ] {
        let changes = of(rule);
        assert!(changes.contains(&alert::Change::Fired), "{rule}");
        let is_end = |change: &alert::Change| matches!(change, alert::Change::Resolved(_));
        assert!(changes.iter().any(is_end), "{rule} {changes:?}");
    }
    assert!(of("Patient").contains(&alert::Change::Started));
    assert!(of("Counting").contains(&alert::Change::Dropped));
    let told = |kind: &str| {
        seen.iter()
            .flat_map(|s| &s.announced)
            .any(|a| a.alert_type == kind)
    };
    for kind in ["threshold_exceeded", "absence", "no_data", "rule_error"] {
        assert!(told(kind), "{kind}");
    }
}

#[test]
fn an_engine_restored_at_any_step_goes_on_as_if_it_had_never_stopped() {
    let (expected, before) = uninterrupted();
    let (mut running, mut kept) = (Engine::new(settings(), time(0)), Kept::default());
    for step in steps().skip(1) {
        go(&mut running, step - 1);
        kept.save(&mut running);
        let (mut engine, effects) = kept.restore(settings(), step);
        assert_eq!((effects.changes.len(), effects.announced.len()), (0, 0));
        for next in step..steps().end {
            let place = usize::try_from(next).unwrap();
            assert_eq!(go(&mut engine, next), expected[place], "after {step}");
        }
        assert!(engine.history().eq(before.history()));
    }
}

#[test]
fn an_engine_restored_at_every_step_goes_on_as_if_it_had_never_stopped() {
    let (expected, _) = uninterrupted();
    let (mut engine, mut kept) = kept_at(1);
    for expected in expected.iter().skip(1) {
        kept.save(&mut engine);
        (engine, _) = kept.restore(settings(), expected.step);
        assert_eq!(&go(&mut engine, expected.step), expected);
    }
}

#[test]
fn alertmanagers_are_told_at_the_first_evaluation_after_a_restart() {
    let (_, kept) = kept_at(6);
    let (mut engine, _) = kept.restore(settings(), 6);
    feed(&mut engine, 6);
    let effects = tick(&mut engine, time(6));
    let firing = effects.announced.iter().filter(|a| a.is_firing()).count();
    assert!(firing > 0);
    assert_eq!(effects.to_alertmanager.len(), firing);
}

#[test]
fn judging_stays_paused_and_the_pause_counts_for_no_alert() {
    let mut engine = Engine::new(settings(), time(0));
    for step in 0..3 {
        go(&mut engine, step);
    }
    engine.pause(time(3));
    let mut kept = Kept::default();
    kept.save(&mut engine);
    let (mut restored, _) = kept.restore(settings(), 3);
    assert!(restored.is_paused());
    for engine in [&mut engine, &mut restored] {
        assert_eq!(engine.due(time(8)), []);
        engine.resume(time(10));
    }
    kept.save(&mut engine);
    assert_eq!(engine.save_dispatch(), None);
    assert_eq!(engine.judged(time(12)), restored.judged(time(12)));
    assert_eq!(go(&mut engine, 12), go(&mut restored, 12));
}

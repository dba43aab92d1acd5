//! A replay of what an engine has taken in gives the changes that it had live, also where it was restarted.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::written::written;
use super::*;
use crate::engine::Engine;
use crate::engine::Settings;
use crate::engine::admission::Batch;
use crate::engine::alert::{Change, EndReason};
use crate::engine::baseline::Content;
use crate::engine::baselines::{Wanted, WantedContent};
use crate::engine::judge::AlertChange;
use crate::engine::metric::Metric;
use crate::engine::selector::Selector;
use crate::engine::series::Labels;
use crate::engine::time::Now;
use crate::engine::window::Reach;

/// The owner of an engine calls it at least this often.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// After some time, measurements arrive together.
#[derive(Clone, Debug)]
struct Arrival {
    after_millis: u64,
    /// Operation, seconds, and whether it failed.
    measured: Vec<(usize, f64, bool)>,
}

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let measured = (0..3_usize, 0.1..15.0_f64, prop::bool::weighted(0.2));
    let after = prop_oneof![
        40 => 1..8_000_u64,
        4 => 20_000..200_000_u64,
        1 => 700_000..4_500_000_u64,
    ];
    let arrival = (after, prop::collection::vec(measured, 1..4));
    let slope = prop_oneof![Just(0.0), Just(0.1), Just(-0.1)];
    let arrivals = (any::<bool>(), slope, prop::collection::vec(arrival, 1..80));
    arrivals.prop_map(|(is_on_grid, slope, arrivals)| {
        // On whole seconds many arrive at the very moment of an evaluation, which is to see them.
        let at_grid = |millis: u64| {
            if is_on_grid {
                millis.next_multiple_of(1_000)
            } else {
                millis
            }
        };
        // With a slope there is less noise, so that there are trends.
        let moved = |number: u32, seconds: f64| match slope {
            0.0 => seconds,
            slope => seconds / 5.0 + 10.0 + slope * f64::from(number),
        };
        let arrivals = (0..)
            .zip(arrivals)
            .map(|(number, (after, measured))| Arrival {
                after_millis: at_grid(after),
                measured: (measured.into_iter())
                    .map(|(operation, seconds, failed)| (operation, moved(number, seconds), failed))
                    .collect(),
            });
        arrivals.collect()
    })
}

/// An engine with its owner: batches are taken in when they arrive, and it is called when it asks for it.
struct Live {
    engine: Engine,
    setting: Setting,
    now: Now,
    called: Duration,
    /// What was committed of measurements, with when it was.
    log: Vec<(Timestamp, Measurement)>,
    changes: Vec<AlertChange>,
    notifications: BTreeMap<String, u64>,
    kept: Kept,
}

impl Live {
    fn new(setting: Setting) -> Self {
        let now = Now {
            wall: at(0),
            steady: Duration::from_secs(77),
        };
        Self {
            engine: engine(&setting, now),
            setting,
            now,
            called: now.steady,
            log: Vec::new(),
            changes: Vec::new(),
            notifications: BTreeMap::new(),
            kept: Kept::default(),
        }
    }

    fn set(&mut self, steady: Duration) {
        self.now.wall = self.now.wall.after(steady.saturating_sub(self.now.steady));
        self.now.steady = steady;
    }

    /// Lets time pass up to a moment, which is not reached by what is due after it.
    fn pass(&mut self, until: Duration) {
        loop {
            let latest = self.called + LONGEST_WAIT;
            let due = self.engine.next_due().map_or(latest, |due| due.min(latest));
            if due >= until {
                break;
            }
            self.set(due.max(self.now.steady));
            self.call();
        }
        self.set(until);
    }

    fn call(&mut self) {
        let now = self.now;
        self.called = now.steady;
        for due in self.engine.due(now) {
            let answer = self.engine.answer(due, now);
            let effects = self.engine.evaluate(due, &answer, now);
            self.changes.extend(effects.changes);
        }
        for notification in self.engine.flush(now) {
            let mut rules: Vec<_> = notification.alerts.iter().map(|a| a.rule.clone()).collect();
            rules.sort();
            rules.dedup();
            for rule in rules {
                *self.notifications.entry(rule).or_default() += 1;
            }
        }
    }

    fn take(&mut self, arrival: &Arrival) {
        self.pass(self.now.steady + Duration::from_millis(arrival.after_millis));
        let records = arrival.measured.iter().map(|(operation, seconds, failed)| {
            Measurement::new(Draft {
                operation: ["op0", "op1", "op2"][*operation],
                duration_seconds: Some(*seconds),
                cpu_cores: Some(*seconds / 10.0),
                outcome: failed.then_some(crate::engine::measurement::Outcome::Failure),
                ..Draft::default()
            })
        });
        let batch = Batch {
            origin: None,
            records: records.collect(),
        };
        let logged = batch.records.iter().flatten();
        self.log
            .extend(logged.map(|one| (self.now.wall, one.clone())));
        let (admitted, answer) = self.engine.admit(batch, self.now);
        assert_eq!(answer.rejected, []);
        self.engine.apply(&admitted, self.now);
    }

    /// Saves everything, and goes on with a new engine that is given what was saved.
    fn restart(&mut self) {
        self.pass(self.now.steady + Duration::from_millis(1));
        self.kept.save(&mut self.engine);
        let mut engine = engine(&self.setting, self.now);
        self.kept.restore(&mut engine, self.now);
        self.engine = engine;
        self.called = self.now.steady;
    }
}

/// What is kept of an engine, as a storage would.
#[derive(Default)]
struct Kept {
    series: BTreeMap<String, Vec<u8>>,
    rules: BTreeMap<String, Vec<u8>>,
    changes: BTreeMap<u64, Vec<u8>>,
    dispatch: Option<Vec<u8>>,
    clocks: Option<Vec<u8>>,
    sequence: u64,
}

impl Kept {
    fn save(&mut self, engine: &mut Engine) {
        self.sequence = engine.sequence();
        for saved in engine.take_all_unsaved(usize::MAX).series {
            match saved.body {
                Some(body) => self.series.insert(saved.key, body),
                None => self.series.remove(&saved.key),
            };
        }
        for saved in engine.take_changed_rules() {
            match saved.body {
                Some(body) => self.rules.insert(saved.key, body),
                None => self.rules.remove(&saved.key),
            };
        }
        self.changes.extend(engine.take_unsaved_changes());
        self.dispatch = engine.save_dispatch().or(self.dispatch.take());
        self.clocks = engine.save_clocks().or(self.clocks.take());
    }

    fn restore(&self, engine: &mut Engine, now: Now) {
        for (key, body) in &self.series {
            engine.restore_series(key, body, now).unwrap();
        }
        if let Some(clocks) = &self.clocks {
            engine.restore_clocks(clocks).unwrap();
        }
        if let Some(dispatch) = &self.dispatch {
            engine.restore_dispatch(dispatch, now).unwrap();
        }
        engine.resume_clocks(now, now);
        engine.resume_sequence(self.sequence);
        let changes: Vec<_> = self.changes.values().collect();
        engine.restore_changes(&changes).unwrap();
        for (key, body) in &self.rules {
            let effects = engine.restore_rule(key, body, now).unwrap();
            assert_eq!(effects.changes, []);
        }
        assert_eq!(engine.end_unknown(now).changes, []);
    }
}

fn engine(setting: &Setting, now: Now) -> Engine {
    let mut engine = Engine::new(setting.engine.clone(), now);
    engine.begin_saving();
    engine.set_cpu_limit(setting.cpu_limit);
    engine.take_baselines(setting.baselines.clone());
    engine.promise_calls(LONGEST_WAIT);
    engine
}

/// What 100 operations were like before, of 1 to 3 s.
fn measured() -> Content {
    let before = |i: u32| Now {
        wall: at(i64::from(i) - 200),
        steady: Duration::from_secs(u64::from(i)),
    };
    let mut engine = Engine::new(Settings::default(), before(0));
    for i in 0..100 {
        let records = vec![Ok(took("op0", 1.0 + f64::from(i * 37 % 100) / 50.0))];
        let batch = Batch {
            origin: None,
            records,
        };
        let (admitted, _) = engine.admit(batch, before(i));
        engine.apply(&admitted, before(i));
    }
    let wanted = Wanted {
        name: "measured".to_owned(),
        metric: Metric::Duration,
        content: WantedContent::Measured {
            select: Selector::default(),
            by: Vec::new(),
            reach: Reach::Runs(100),
            until: None,
        },
    };
    let set = engine.set_baselines(&[wanted], before(100)).unwrap();
    set.baselines[0].content.clone()
}

/// An alert as its changes tell of it.
type Told = (
    Labels,
    Timestamp,
    Timestamp,
    Option<(Timestamp, EndReason)>,
    Option<f64>,
);

/// The alerts that fired, and how many ended without.
fn told(changes: &[AlertChange]) -> (Vec<Told>, u64) {
    let (mut alerts, mut dropped): (Vec<Told>, u64) = (Vec::new(), 0);
    let mut started: BTreeMap<Labels, Timestamp> = BTreeMap::new();
    for change in changes {
        match change.change {
            Change::Started => {
                started.insert(change.labels.clone(), change.at);
            }
            Change::Dropped => {
                started.remove(&change.labels);
                dropped += 1;
            }
            Change::Fired => {
                let since = started.remove(&change.labels).unwrap_or(change.at);
                alerts.push((change.labels.clone(), since, change.at, None, change.value));
            }
            Change::Resolved(reason) => {
                let mut open = alerts.iter_mut().rev();
                let open = open.find(|alert| alert.0 == change.labels);
                open.unwrap().3 = Some((change.at, reason));
            }
            Change::Acknowledged | Change::Unacknowledged | Change::Escalated => {}
        }
    }
    (alerts, dropped)
}

/// Runs live, perhaps with restarts before some arrivals, and compares with the replay of what was logged.
fn compare(rules: &str, arrivals: &[Arrival], restarts: &[usize]) -> Result<(), TestCaseError> {
    let mut setting = setting(rules);
    let number = Content::Number {
        value: 5.0,
        sd: Some(2.0),
    };
    let baselines = Arc::make_mut(&mut setting.baselines);
    for (name, content) in [("b", number), ("measured", measured())] {
        baselines
            .set(name, Metric::Duration, Labels::default(), content, at(0))
            .unwrap();
    }
    let mut live = Live::new(setting.clone());
    for (number, arrival) in arrivals.iter().enumerate() {
        if restarts.contains(&number) {
            live.restart();
        }
        live.take(arrival);
    }
    // What is due at the very end as well.
    live.pass(live.now.steady + Duration::from_secs(600));
    let (expected, dropped) = told(&live.changes);
    let setting = Setting {
        from: Some(at(0)),
        // What was due at this very moment was left open.
        until: Some(live.now.wall.before(Duration::from_millis(1))),
        ..setting
    };
    let replayed = replay(&Recording::new(live.log), &setting).unwrap();
    let alerts: Vec<Told> = (replayed.alerts.into_iter())
        .map(|a| (a.labels, a.pending_since, a.fired_at, a.ended, a.value))
        .collect();
    prop_assert_eq!(alerts, expected);
    prop_assert_eq!(
        replayed.rules.iter().map(|rule| rule.dropped).sum::<u64>(),
        dropped
    );
    let notifications = replayed.rules.iter().filter(|rule| rule.notifications > 0);
    let notifications: BTreeMap<String, u64> = notifications
        .map(|rule| (rule.rule.clone(), rule.notifications))
        .collect();
    prop_assert_eq!(notifications, live.notifications);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_replay_gives_the_changes_that_were_live(rules in written(), arrivals in arrivals()) {
        compare(&rules, &arrivals, &[])?;
    }

    #[test]
    fn a_replay_gives_the_changes_that_were_live_over_restarts(
        rules in written(),
        arrivals in arrivals(),
        restarts in prop::collection::vec(0..80_usize, 1..4),
    ) {
        compare(&rules, &arrivals, &restarts)?;
    }
}

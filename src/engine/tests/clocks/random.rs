//! Anything in any order: measurements, judging, reloads, crashes, jumps and suspensions, against the slow model.
//!
//! A few hundred cases in every run; more with `PROPTEST_CASES`.

use proptest::prelude::*;

use super::acts::{Act, OPERATIONS, act};
use super::model::{Model, Summary, alert};
use super::*;
use crate::engine::alert::AlertState;
use crate::engine::measurement::Outcome;
use crate::engine::saved::admitted_to_bytes;
use crate::engine::store::{Histogram, SavedSeries};
use std::collections::BTreeMap;

const SPAN: i64 = 60_000;
/// Nobody calls for longer than this, but when the machine is suspended.
const EVERY: Duration = Duration::from_secs(20);
const RETENTION: Duration = Duration::from_secs(4 * 24 * 3_600);

/// The rules: their names, holds and what they keep, in seconds.
const RULES: [(&str, u64, u64); 3] = [("Slow", 30, 20), ("Few", 0, 0), ("Many", 20, 30)];
const STALE: u64 = 600;

fn settings(has_more: bool) -> Settings {
    let seconds = Duration::from_secs;
    let count = |comparison, limit| {
        Condition::Threshold(Threshold {
            metric: Metric::Duration,
            stat: Stat::Count,
            reach: Reach::Time(Duration::from_millis(SPAN.unsigned_abs())),
            comparison,
            levels: vec![level(Severity::High, limit)],
            min_samples: 1,
            relative: None,
        })
    };
    let last = Condition::Threshold(Threshold {
        metric: Metric::Duration,
        stat: Stat::Last,
        reach: Reach::Runs(1),
        comparison: Comparison::Above,
        levels: vec![level(Severity::High, 10.0)],
        min_samples: 1,
        relative: None,
    });
    let conditions = [
        last,
        count(Comparison::Below, 3.0),
        count(Comparison::Above, 5.0),
    ];
    let mut rules: Vec<Rule> = (RULES.iter().zip(conditions).zip(10..))
        .map(|(((name, hold, keep), condition), definition)| Rule {
            name: (*name).into(),
            condition,
            hold: Hold {
                hold: seconds(*hold),
                keep_firing_for: seconds(*keep),
                stale_after: seconds(STALE),
                ..Hold::default()
            },
            labels: Vec::new(),
            definition,
            ..rule()
        })
        .collect();
    if has_more {
        let more = Rule {
            name: "More".into(),
            ..rule()
        };
        rules.insert(0, more);
    }
    Settings {
        groups: vec![RuleGroup {
            rules,
            ..group(rule())
        }],
        store: StoreSettings {
            retention: RETENTION,
            ..StoreSettings::default()
        },
        ..Settings::default()
    }
}

/// What lies on disk.
#[derive(Default)]
struct Disk {
    kept: Kept,
    series: BTreeMap<String, (u64, Vec<u8>)>,
    log: Vec<(u64, Now, Duration, Vec<u8>)>,
}

struct World {
    hands: Hands,
    engine: Engine,
    model: Model,
    disk: Disk,
    has_more: bool,
    /// When the group is due, on the steady clock.
    due: Duration,
}

const INTERVAL: Duration = Duration::from_secs(10);

impl World {
    fn new() -> Self {
        let hands = Hands::new();
        let mut engine = Engine::new(settings(false), hands.now());
        engine.promise_calls(EVERY);
        engine.begin_saving();
        let mut world = Self {
            hands,
            engine,
            model: Model::new(hands.now(), RETENTION, EVERY),
            disk: Disk::default(),
            has_more: false,
            due: Duration::ZERO,
        };
        world.align();
        world.tick();
        world
    }

    /// A new group is first due at a multiple of its interval on the wall clock.
    fn align(&mut self) {
        let past = self.hands.wall_millis.rem_euclid(10_000);
        let wait = if past == 0 { 0 } else { 10_000 - past };
        self.due = self.hands.steady + Duration::from_millis(wait.unsigned_abs());
    }

    fn look(&mut self) {
        if self.model.look(self.hands.now()) {
            while self.due < self.hands.steady {
                self.due += INTERVAL;
            }
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Measure(operation, age, value) => self.measure(*operation, *age, *value),
            Act::Pass(seconds) => {
                self.hands.pass(*seconds);
                let now = self.hands.now();
                self.look();
                self.engine.look_at_clocks(now);
            }
            Act::Tick(seconds) => {
                self.hands.pass(*seconds);
                self.tick();
            }
            Act::Reload(has_more) => {
                self.has_more = *has_more;
                self.engine
                    .reconfigure(settings(*has_more), self.hands.now());
            }
            Act::SaveSeries => self.save_series(),
            Act::Crash(seconds) => self.crash(*seconds),
            Act::Jump(seconds) => self.hands.jump(*seconds),
            Act::Suspend(seconds, true) => self.hands.pass(*seconds),
            Act::Suspend(seconds, false) => self.hands.jump(i64::try_from(*seconds).unwrap()),
        }
    }

    fn measure(&mut self, operation: usize, age: i64, value: u8) {
        let now = self.hands.now();
        self.look();
        let at = now.wall.millis() - age * 1_000;
        let draft = Draft {
            operation: OPERATIONS[operation],
            duration_seconds: Some(f64::from(value)),
            at: Some(Timestamp::from_millis(at)),
            ..Draft::default()
        };
        let batch = Batch {
            origin: None,
            records: vec![Measurement::new(draft)],
        };
        let (admitted, answer) = self.engine.admit(batch, now);
        let is_taken = self.model.admits(at, now);
        assert_eq!(answer.accepted, u64::from(is_taken), "{at} at {now:?}");
        if is_taken {
            let body = admitted_to_bytes(&admitted);
            let sequence = self.engine.sequence() + 1;
            self.disk
                .log
                .push((sequence, now, self.engine.judged(now), body));
            self.model.take(operation, at, f64::from(value), now);
            self.save_clocks();
            self.model.save();
            self.engine.apply(&admitted, now);
        }
    }

    /// With every commit, because it tells the time.
    fn save_clocks(&mut self) {
        if let Some(bytes) = self.engine.save_clocks() {
            self.disk.kept.clocks = bytes;
        }
    }

    fn tick(&mut self) {
        let now = self.hands.now();
        self.look();
        self.model.sweep(now);
        let is_due = self.due <= now.steady;
        if is_due {
            while self.due <= now.steady {
                self.due += INTERVAL;
            }
            let scheduled = Now {
                steady: self.due - INTERVAL,
                ..now
            };
            self.judge(scheduled);
        }
        tick(&mut self.engine, now);
        self.disk.kept.save(&mut self.engine);
        self.model.save();
    }

    fn judge(&mut self, now: Now) {
        let judged = self.model.judged(now);
        for operation in 0..OPERATIONS.len() {
            if !self.model.samples.iter().any(|s| s.operation == operation) {
                continue;
            }
            let slow = match self.model.last_run(operation) {
                Some(value) if value > 10.0 => Standing::Breached,
                Some(_) => Standing::Holds,
                None => Standing::NoData,
            };
            let few = self.model.standing(operation, SPAN, |n| n < 3, now);
            let many = self.model.standing(operation, SPAN, |n| n > 5, now);
            for ((name, ..), standing) in RULES.iter().zip([slow, few, many]) {
                let verdicts = self.model.verdicts.entry((name, operation)).or_default();
                verdicts.push((judged, standing));
            }
        }
    }

    fn save_series(&mut self) {
        let as_of = self.engine.sequence();
        self.model.save_series();
        for SavedSeries { key, body } in self.engine.take_all_unsaved(usize::MAX).series {
            if let Some(body) = body {
                self.disk.series.insert(key, (as_of, body));
            }
        }
    }

    /// The process ends at once, and another goes on from what is on disk.
    fn crash(&mut self, seconds: i64) {
        let (wall, steady) = self.model.saved_at();
        let last = Now {
            wall: Timestamp::from_millis(wall),
            steady: Duration::from_millis(steady.unsigned_abs()),
        };
        self.hands.jump(seconds);
        self.hands.steady = last.steady + Duration::from_millis(1);
        let now = self.hands.now();
        let mut engine = Engine::new(settings(self.has_more), now);
        engine.promise_calls(EVERY);
        engine.begin_saving();
        engine.restore_clocks(&self.disk.kept.clocks).unwrap();
        engine
            .restore_dispatch(&self.disk.kept.dispatch, now)
            .unwrap();
        engine.resume_clocks(last, now);
        let mut restored = Restored::default();
        for (key, (as_of, body)) in &self.disk.series {
            restored.note(key, *as_of);
            engine.restore_series(key, body, now).unwrap();
        }
        for (sequence, at, judged, body) in &self.disk.log {
            engine
                .replay(*sequence, body, *at, *judged, &restored)
                .unwrap();
        }
        for (key, body) in &self.disk.kept.rules {
            engine.restore_rule(key, body, now).unwrap();
        }
        engine.end_unknown(now);
        self.engine = engine;
        self.model.resume(now);
        self.align();
        self.tick();
    }

    /// The engine says what the model says.
    fn check(&self) -> Result<(), TestCaseError> {
        let now = self.hands.now();
        let counts = self.engine.clock_counts();
        let jumps = [counts.backward, counts.forward, counts.stalls];
        prop_assert_eq!(jumps, self.model.jumps());
        for (operation, name) in OPERATIONS.into_iter().enumerate() {
            let samples = || {
                self.model
                    .samples
                    .iter()
                    .filter(|s| s.operation == operation)
            };
            let series: Vec<_> = self.engine.store.series_of(name).collect();
            let totals = series.first().map(|(_, series)| &series.totals);
            let successes = totals.map_or(0, |totals| totals.successes);
            prop_assert_eq!(successes, samples().count() as u64, "{}", name);
            let sum: f64 = samples().map(|sample| sample.value).sum();
            let durations = totals.and_then(|totals| totals.durations(Outcome::Success));
            prop_assert_eq!(durations.map_or(0.0, Histogram::sum), sum);
            let ids: Vec<_> = series.iter().map(|(id, _)| *id).collect();
            for span in [SPAN, 600_000, 7_200_000] {
                let reach = Reach::Time(Duration::from_millis(span.unsigned_abs()));
                let window =
                    (self.engine.store).window(&ids, Column::Duration, reach, false, now.wall);
                let seen = Summary {
                    count: window.count(),
                    sum: window.moments.sum(),
                    min: window.moments.min(),
                    max: window.moments.max(),
                };
                let expected = self.model.window(operation, span, now);
                prop_assert_eq!(seen, expected, "{} over {} ms at {:?}", name, span, now);
            }
        }
        self.check_alerts()
    }

    fn check_alerts(&self) -> Result<(), TestCaseError> {
        let rules = || self.engine.groups().iter().flat_map(|group| &group.rules);
        for (name, hold, keep) in RULES {
            let rule = rules().find(|rule| rule.rule.name == name).unwrap();
            for (operation, label) in OPERATIONS.into_iter().enumerate() {
                let mut instances = rule.instances.values();
                let instance = instances.find(|one| one.labels.get("operation") == label);
                let tracked = instance.map(|one| &one.levels[0]);
                let state = match tracked.map(|tracked| tracked.state) {
                    Some(AlertState::Pending { .. }) => 'p',
                    Some(AlertState::Firing { .. }) => 'F',
                    _ => '.',
                };
                let verdicts = self.model.verdicts.get(&(name, operation));
                let verdicts = verdicts.map(Vec::as_slice).unwrap_or_default();
                let millis = |seconds: u64| i64::try_from(seconds * 1_000).unwrap();
                let expected = alert(verdicts, millis(hold), millis(keep), millis(STALE));
                let last = &verdicts[verdicts.len().saturating_sub(5)..];
                prop_assert_eq!(state, expected, "{} of {}: {:?}", name, label, last);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 4_000, ..ProptestConfig::default() })]

    /// R10, R12, R13: counters, windows and the clocks of alerts are exact whatever happens in whatever order.
    #[test]
    fn the_engine_says_what_a_slow_model_says(acts in prop::collection::vec(act(), 1..120)) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
            world.check()?;
        }
    }
}

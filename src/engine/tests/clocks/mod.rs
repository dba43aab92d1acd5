//! Clocks that jump, stand still and pause: what alerts, windows and counters make of it.

use super::restart::Kept;
use super::*;
use crate::engine::dispatch::{GroupBy, Integration, Timing};
use crate::engine::metric::Column;
use crate::engine::rule::ForSamples;

mod acts;
mod model;
mod random;
mod windows;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const STEP: u64 = 10;

/// Two clocks that can be set apart.
#[derive(Clone, Copy, Debug)]
struct Hands {
    wall_millis: i64,
    steady: Duration,
}

impl Hands {
    fn new() -> Self {
        Self {
            wall_millis: 1_700_000_000_000,
            steady: Duration::from_secs(1_000),
        }
    }

    fn now(self) -> Now {
        Now {
            wall: Timestamp::from_millis(self.wall_millis),
            steady: self.steady,
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.steady += Duration::from_secs(seconds);
        self.jump(i64::try_from(seconds).unwrap());
    }

    /// Sets the wall clock, or suspends a machine whose steady clock stands still.
    fn jump(&mut self, seconds: i64) {
        self.wall_millis += seconds * 1_000;
    }
}

/// Rules on runs, which are what they are whenever they came: one that holds and keeps, one that counts evaluations.
fn lasting() -> Settings {
    let seconds = Duration::from_secs;
    let patient = Rule {
        name: "Patient".into(),
        hold: Hold {
            hold: seconds(30),
            keep_firing_for: seconds(20),
            ..Hold::default()
        },
        definition: 2,
        ..rule()
    };
    let counting = Rule {
        name: "Counting".into(),
        hold: Hold {
            for_samples: Some(ForSamples { breached: 3, of: 5 }),
            ..Hold::default()
        },
        definition: 3,
        ..rule()
    };
    Settings {
        groups: vec![RuleGroup {
            rules: vec![patient, counting],
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
            integrations: vec![Integration {
                send_resolved: true,
            }],
        }],
        ..Settings::default()
    }
}

/// What is measured in each step; digits are tens of seconds.
const SCENARIO: &str = "01111111000022222222211110000000.....11111111100000";

/// What others see of a step, but for times of day.
type Seen = (Vec<(Labels, alert::Change)>, Vec<(u64, bool)>, Vec<String>);

fn go(engine: &mut Engine, letter: char, now: Now) -> Seen {
    if let Some(tens) = letter.to_digit(10) {
        measure(engine, "op", f64::from(tens) * 10.0 + 5.0, now);
    }
    let effects = tick(engine, now);
    let notifications = engine.flush(now);
    (
        (effects.changes.into_iter())
            .map(|change| (change.labels, change.change))
            .collect(),
        (effects.announced.iter())
            .map(|told| (told.fingerprint, told.is_firing()))
            .collect(),
        (notifications.iter())
            .map(|told| format!("{:?} {}", told.reason, told.alerts.len()))
            .collect(),
    )
}

/// What is seen when something happens to the clocks before one of the steps.
fn run(step: usize, mut happens: impl FnMut(&mut Hands)) -> (Vec<Seen>, Engine) {
    let mut hands = Hands::new();
    let mut engine = Engine::new(lasting(), hands.now());
    let mut seen = Vec::new();
    for (number, letter) in SCENARIO.chars().enumerate() {
        if number == step {
            happens(&mut hands);
        }
        seen.push(go(&mut engine, letter, hands.now()));
        hands.pass(STEP);
    }
    (seen, engine)
}

/// R12, R10: the wall clock jumps by an hour or a day, leaps by a second, or the machine is suspended, while alerts are
/// in any state: holds, `keep_firing_for`, group waits and repeats do not notice.
#[test]
fn whatever_the_wall_clock_does_the_sequence_of_changes_and_notifications_is_the_same() {
    let (expected, before) = run(usize::MAX, |_| {});
    let changes = expected
        .iter()
        .map(|(changes, ..)| changes.len())
        .sum::<usize>();
    assert!(changes > 10, "{expected:?}");
    assert!(expected.iter().any(|(.., told)| !told.is_empty()));
    assert_eq!(before.clock_counts().forward, 0);
    for seconds in [HOUR, -HOUR, DAY, -DAY, 1, -1, 6, -6] {
        for step in 1..SCENARIO.len() {
            let (seen, mut engine) = run(step, |hands| hands.jump(seconds));
            assert_eq!(seen, expected, "{seconds} s before step {step}");
            let counts = engine.clock_counts();
            let expected = (u64::from(seconds > 5), u64::from(seconds < -5));
            assert_eq!((counts.forward, counts.backward), expected);
            let events = engine.take_clock_events().len();
            assert_eq!(events, usize::from(seconds.abs() > 5));
        }
    }
}

/// R12: as above, with a wall clock that stands still from some step on.
#[test]
fn a_frozen_wall_clock_stops_no_alert() {
    let (expected, _) = run(usize::MAX, |_| {});
    let mut hands = Hands::new();
    let mut engine = Engine::new(lasting(), hands.now());
    for (number, letter) in SCENARIO.chars().enumerate() {
        let seen = go(&mut engine, letter, hands.now());
        assert_eq!(seen, expected[number], "{number}");
        hands.pass(STEP);
        if number > 5 {
            hands.jump(-i64::try_from(STEP).unwrap());
        }
    }
    assert!(engine.clock_counts().backward > 30);
    assert!(engine.clocks.watched.ended.len() < 5);
    let measured = SCENARIO.chars().filter(char::is_ascii_digit).count();
    let (_, series) = engine.store.series().next().unwrap();
    assert_eq!(series.totals.successes, measured as u64);
}

/// R12, R10: a suspended machine whose steady clock goes on: alerts count none of it, as of a machine whose clock stops.
#[test]
fn a_standstill_counts_for_no_alert_also_where_the_steady_clock_goes_on() {
    let (expected, _) = run(usize::MAX, |_| {});
    let changes = |seen: &[Seen]| -> Vec<_> { seen.iter().map(|(c, ..)| c.clone()).collect() };
    for step in 1..SCENARIO.len() {
        let mut hands = Hands::new();
        let mut engine = Engine::new(lasting(), hands.now());
        engine.promise_calls(Duration::from_secs(STEP));
        let mut seen = Vec::new();
        for (number, letter) in SCENARIO.chars().enumerate() {
            if number == step {
                hands.pass(3_600);
            }
            seen.push(go(&mut engine, letter, hands.now()));
            hands.pass(STEP);
        }
        assert_eq!(changes(&seen), changes(&expected), "before step {step}");
        assert_eq!(engine.clock_counts().stalls, 1);
    }
}

/// R12: what is saved of the clocks goes on, and the time between two processes is one more break.
#[test]
fn the_history_of_the_clocks_survives_a_restart() {
    let mut hands = Hands::new();
    let mut engine = Engine::new(lasting(), hands.now());
    for jump in [HOUR, -HOUR] {
        hands.pass(STEP);
        tick(&mut engine, hands.now());
        hands.jump(jump);
        tick(&mut engine, hands.now());
    }
    let mut kept = Kept::default();
    kept.save(&mut engine);
    assert_eq!(engine.save_clocks(), None);
    let last = hands.now();
    hands.jump(600);
    let restore = |now| {
        let mut engine = Engine::new(lasting(), now);
        engine.restore_clocks(&kept.clocks).unwrap();
        engine
    };
    let mut again = restore(hands.now());
    again.resume_clocks(last, hands.now());
    assert_eq!(again.clock_counts(), engine.clock_counts());
    assert_eq!(again.clocks.watched.ended.len(), 3);
    let down = ClockEvent::Down(Duration::from_secs(600));
    assert_eq!(again.take_clock_events(), [down]);
    // It is to be saved.
    assert!(again.save_clocks().is_some());
    // One that comes back at once goes on as if it had not been away.
    let mut at_once = restore(last);
    at_once.resume_clocks(last, last);
    assert_eq!(at_once.clocks.watched, engine.clocks.watched);
    assert_eq!(at_once.clocks.hold, engine.clocks.hold);
}

/// R10, R12: a job that is due every hundred seconds, and a break of a minute: what ran in it unseen is not missed.
#[test]
fn a_job_that_may_have_run_in_a_break_is_missed_only_when_the_next_is_due() {
    let seconds = Duration::from_secs;
    let missing = Rule {
        name: "Missing".into(),
        condition: Condition::Absence(condition::Absence {
            expect_every: seconds(100),
            grace: seconds(0),
            remember: seconds(10_000),
            expect: Vec::new(),
            levels: [level(Severity::High, 100.0)],
        }),
        labels: Vec::new(),
        definition: 9,
        ..rule()
    };
    let settings = || Settings {
        groups: vec![group(missing.clone())],
        ..Settings::default()
    };
    let fired_after = |runs_again: bool| {
        let mut hands = Hands::new();
        let mut engine = Engine::new(settings(), hands.now());
        engine.begin_saving();
        measure(&mut engine, "job", 1.0, hands.now());
        for _ in 0..6 {
            tick(&mut engine, hands.now());
            hands.pass(STEP);
        }
        let mut kept = Kept::default();
        kept.save(&mut engine);
        let series = engine.take_all_unsaved(usize::MAX);
        let last = hands.now();
        hands.jump(60);
        let mut engine = Engine::new(settings(), hands.now());
        engine.restore_clocks(&kept.clocks).unwrap();
        engine.resume_clocks(last, hands.now());
        for one in series.series {
            let body = one.body.unwrap();
            engine.restore_series(&one.key, &body, hands.now()).unwrap();
        }
        for (key, body) in &kept.rules {
            engine.restore_rule(key, body, hands.now()).unwrap();
        }
        (0..100).find(|step| {
            if runs_again && *step > 0 && step % 9 == 0 {
                measure(&mut engine, "job", 1.0, hands.now());
            }
            let fired = !tick(&mut engine, hands.now()).changes.is_empty();
            hands.pass(STEP);
            fired
        })
    };
    // Seen at 0, gone from 60 on: by the clock of judging it was due at 100, and again 100 after the break.
    assert_eq!(fired_after(false), Some(11));
    assert_eq!(fired_after(true), None);
}

/// R12: a report that comes late, with its time from before a jump, is as old as it is and not as the clock says.
#[test]
fn a_late_report_from_before_a_jump_was_seen_when_it_ended() {
    let mut hands = Hands::new();
    let mut engine = Engine::new(lasting(), hands.now());
    hands.pass(100);
    tick(&mut engine, hands.now());
    let ended = hands.now();
    hands.pass(5);
    hands.jump(DAY);
    tick(&mut engine, hands.now());
    let draft = Draft {
        operation: "op",
        duration_seconds: Some(1.0),
        at: Some(ended.wall),
        ..Draft::default()
    };
    let answer = send(&mut engine, vec![draft], None, hands.now());
    assert_eq!((answer.accepted, answer.rejected.len()), (1, 0));
    let ids: Vec<_> = engine.store.series().map(|(id, _)| id).collect();
    assert_eq!(engine.store.last_seen(&ids), Some(ended.steady));
}

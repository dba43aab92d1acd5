//! Windows of time that a break cuts, and what is kept while the clock is wrong.

use super::*;

const SPAN: u64 = 60;

/// A rule on how many operations there were in the last minute.
fn counting(comparison: Comparison, limit: f64) -> Rule {
    Rule {
        name: "Count".into(),
        condition: Condition::Threshold(Threshold {
            metric: Metric::Duration,
            stat: Stat::Count,
            reach: Reach::Time(Duration::from_secs(SPAN)),
            comparison,
            levels: vec![level(Severity::High, limit)],
            min_samples: 1,
            relative: None,
        }),
        labels: Vec::new(),
        definition: 8,
        ..rule()
    }
}

fn settings(rule: Rule) -> Settings {
    Settings {
        groups: vec![group(rule)],
        ..Settings::default()
    }
}

/// Every ten seconds an operation, but for those steps that are `.`; a `!` is where something happens to the clocks.
/// What is seen: `-` no data, `+` holds, `B` breached.
fn look(rule: Rule, script: &str, happens: impl Fn(&mut Hands, Engine) -> Engine) -> String {
    let mut hands = Hands::new();
    let mut engine = Engine::new(settings(rule), hands.now());
    let mut seen = String::new();
    for letter in script.chars() {
        if letter == '!' {
            engine = happens(&mut hands, engine);
            seen.push('!');
            continue;
        }
        if letter != '.' {
            measure(&mut engine, "op", 1.0, hands.now());
        }
        tick(&mut engine, hands.now());
        let rule = &engine.groups()[0].rules[0];
        let verdict = rule.alerts().next().and_then(|alert| alert.verdict);
        seen.push(match verdict.map(|verdict| verdict.standing) {
            Some(Standing::Breached) => 'B',
            Some(Standing::Holds) => '+',
            Some(Standing::Insufficient) => '?',
            Some(Standing::NoData) | None => '-',
        });
        hands.pass(STEP);
    }
    seen
}

/// Saves everything, lets time pass without a process, and begins anew.
fn restart(rule: Rule, seconds: i64) -> impl Fn(&mut Hands, Engine) -> Engine {
    move |hands, mut engine| {
        let mut kept = Kept::default();
        kept.save(&mut engine);
        let series = engine.take_all_unsaved(usize::MAX);
        let last = hands.now();
        hands.jump(seconds);
        let now = hands.now();
        let mut engine = Engine::new(settings(rule.clone()), now);
        engine.restore_clocks(&kept.clocks).unwrap();
        engine.resume_clocks(last, now);
        for one in series.series {
            engine
                .restore_series(&one.key, &one.body.unwrap(), now)
                .unwrap();
        }
        for (key, body) in &kept.rules {
            engine.restore_rule(key, body, now).unwrap();
        }
        engine
    }
}

/// R13, R10: too few operations in a minute, of which opwatch was down for some: nobody knows.
#[test]
fn too_few_in_a_window_that_was_partly_not_watched_is_no_breach() {
    let few = || counting(Comparison::Below, 5.0);
    // At the start of service, and then over breaks of each kind.
    assert_eq!(look(few(), "xxxxxxxxx...xx", |_, e| e), "----++++++BBBB");
    for seconds in [20, 40, 600] {
        let seen = look(few(), "xxxxxxxxx!xxxxxxxxx...xx", restart(few(), seconds));
        let (before, after) = seen.split_at(9);
        assert_eq!(before, "----+++++");
        assert!(
            !after.contains('B') || after.find('B') > Some(8),
            "{seconds}: {seen}"
        );
        assert!(after.ends_with("BBBB"), "{seconds}: {seen}");
        assert!(after.starts_with("!-"), "{seconds}: {seen}");
    }
    // None for a restart in no time.
    let seen = look(few(), "xxxxxxxxx!xxxxxx", restart(few(), 0));
    assert_eq!(seen, "----+++++!++++++");
}

/// R12, R13: the same for a wall clock that jumps.
#[test]
fn a_jump_makes_no_breach_of_too_few_and_no_end_of_too_many() {
    for seconds in [HOUR, DAY] {
        let jump = |hands: &mut Hands, engine| {
            hands.jump(seconds);
            engine
        };
        let few = look(
            counting(Comparison::Below, 5.0),
            "xxxxxxxxx!xxxxxxxxx....",
            jump,
        );
        assert_eq!(few, "----+++++!----++++++BBB", "{seconds}");
        // Too many are too many, however many more were missed; fewer are no end.
        let many = look(
            counting(Comparison::Above, 4.0),
            "xxxxxxxxx!xxxxxxxxx....",
            jump,
        );
        assert_eq!(many, "++++BBBBB!----BBBBBB+++", "{seconds}");
        let back = |hands: &mut Hands, engine| {
            hands.jump(-seconds);
            engine
        };
        let seen = look(
            counting(Comparison::Below, 5.0),
            "xxxxxxxxx!xxxxxxxxx",
            back,
        );
        assert_eq!(seen, "----+++++!----+++++", "{seconds}");
    }
    let leap = |hands: &mut Hands, engine| {
        hands.jump(1);
        engine
    };
    let few = look(
        counting(Comparison::Below, 5.0),
        "xxxxxxxxx!xxxxxxxxx",
        leap,
    );
    assert_eq!(few, "----+++++!+++++++++");
}

/// R12: an hour after a clock was set back by an hour, windows are whole again.
#[test]
fn windows_are_judged_again_once_the_clock_has_passed_what_it_had_reached() {
    let (mut hands, few) = (Hands::new(), counting(Comparison::Below, 5.0));
    let mut engine = Engine::new(settings(few), hands.now());
    let mut standings = Vec::new();
    for step in 0..800 {
        if step == 400 {
            hands.jump(-HOUR);
        }
        measure(&mut engine, "op", 1.0, hands.now());
        tick(&mut engine, hands.now());
        let alert = engine.groups()[0].rules[0].alerts().next().unwrap();
        standings.push(alert.verdict.unwrap().standing);
        hands.pass(STEP);
    }
    // What it had reached is 10 s before the jump; then comes a whole window.
    let blind = standings
        .iter()
        .skip(400)
        .take_while(|s| **s == Standing::NoData)
        .count();
    assert_eq!(blind, 3_600 / 10 + 5);
    assert!(
        standings[400 + blind..]
            .iter()
            .all(|s| *s == Standing::Holds)
    );
}

/// R13: data that could not be seen is not missing data.
#[test]
fn no_alert_on_missing_data_comes_of_a_break() {
    let mut rule = counting(Comparison::Above, 1_000.0);
    rule.hold.no_data = NoData::Alert;
    let mut hands = Hands::new();
    let mut engine = Engine::new(settings(rule), hands.now());
    let mut fired = Vec::new();
    for step in 0..40 {
        match step {
            0..10 => {
                measure(&mut engine, "op", 1.0, hands.now());
            }
            10 => hands.jump(HOUR),
            _ => {}
        }
        let changes = tick(&mut engine, hands.now()).changes;
        fired.extend(changes.iter().map(|change| (step, change.change)));
        hands.pass(STEP);
    }
    // A whole window after the jump it is.
    assert_eq!(fired, [(16, alert::Change::Fired)]);
}

fn count(engine: &Engine, span: u64, now: Now) -> (u64, f64) {
    let ids: Vec<_> = engine.store.series().map(|(id, _)| id).collect();
    let reach = Reach::Time(Duration::from_secs(span));
    let window = engine
        .store
        .window(&ids, Column::Duration, reach, false, now.wall);
    (window.count(), window.moments.sum())
}

/// R12: a clock that is a year ahead for a while costs nothing of what is kept, and one that was set back nothing of
/// what then lies in the future.
#[test]
fn what_is_kept_outlives_a_clock_that_is_wrong_for_a_while() {
    for (jump, finest) in [
        (365 * DAY, true),
        (-365 * DAY, true),
        (DAY, true),
        (40 * DAY, false),
    ] {
        let mut hands = Hands::new();
        let mut engine = Engine::new(Settings::default(), hands.now());
        for n in 0..60 {
            measure(&mut engine, "op", f64::from(n), hands.now());
            hands.pass(STEP);
            engine.due(hands.now());
        }
        let expected = count(&engine, 300, hands.now());
        let all = count(&engine, 7_200, hands.now());
        assert_eq!(all.0, 60);
        let was = hands;
        hands.jump(jump);
        // For a few minutes, or for longer than the finest buckets are kept.
        for _ in 0..if finest { 30 } else { 600 } {
            engine.due(hands.now());
            measure(&mut engine, "op", 1_000.0, hands.now());
            hands.pass(STEP);
        }
        let passed = i64::try_from((hands.steady - was.steady).as_secs()).unwrap();
        hands.wall_millis = was.wall_millis;
        engine.due(hands.now());
        if finest {
            assert_eq!(count(&engine, 300, hands.now()), expected, "{jump}");
        }
        assert_eq!(count(&engine, 7_200, hands.now()), all, "{jump}");
        // What was measured meanwhile is still there as well.
        hands.jump(jump + passed);
        let meanwhile = count(&engine, 14 * 3_600, hands.now());
        assert_eq!(meanwhile.0, if finest { 30 } else { 600 }, "{jump}");
        let (_, series) = engine.store.series().next().unwrap();
        assert_eq!(series.totals.successes, all.0 + meanwhile.0);
    }
}

/// R12: while the clock is stable again, retention goes on.
#[test]
fn retention_goes_on_a_day_after_a_jump() {
    let mut hands = Hands::new();
    let mut engine = Engine::new(Settings::default(), hands.now());
    measure(&mut engine, "op", 1.0, hands.now());
    hands.pass(STEP);
    engine.due(hands.now());
    hands.jump(40 * DAY);
    let whole = 50 * 24 * 3_600;
    for (seconds, kept) in [(STEP, 1), (23 * 3_600, 1), (3_600, 0)] {
        hands.pass(seconds);
        engine.due(hands.now());
        assert_eq!(count(&engine, whole, hands.now()).0, kept, "{seconds}");
    }
}

/// R12: the last runs are those that came last, also when earlier ones lie in the future.
#[test]
fn the_last_runs_are_those_that_came_last_after_the_clock_was_set_back() {
    let mut hands = Hands::new();
    let mut engine = Engine::new(Settings::default(), hands.now());
    for (value, operation) in [(1.0, "a"), (2.0, "b"), (3.0, "a"), (4.0, "b")] {
        measure(&mut engine, operation, value, hands.now());
        hands.pass(STEP);
        if value > 1.5 && value < 2.5 {
            hands.jump(-HOUR);
        }
        engine.due(hands.now());
    }
    let ids: Vec<_> = engine.store.series().map(|(id, _)| id).collect();
    let now = hands.now().wall;
    let window = engine
        .store
        .window(&ids, Column::Duration, Reach::Runs(2), true, now);
    assert_eq!(window.stat(Stat::Sum), Some(7.0));
    assert_eq!(window.stat(Stat::Last), Some(4.0));
    let all = engine
        .store
        .window(&ids, Column::Duration, Reach::Runs(4), true, now);
    assert_eq!(all.stat(Stat::Last), Some(4.0));
}

//! Parts that have become worse while others have become better, under a whole that has not.

use super::*;
use crate::engine::tests::restart::Kept;

const HOUR: u64 = 3_600;

fn settings(is_on: bool) -> Settings {
    let regression = Regression {
        reach: Reach::Time(Duration::from_secs(HOUR)),
        against: Against::Rolling(Duration::from_secs(DAY)),
        ..regression("duration", "mean", 0, &[(Severity::Medium, 0.2)])
    };
    let over = |name: &str, by: &[&str], definition| Rule {
        name: name.into(),
        by: by.iter().map(|name| (*name).to_owned()).collect(),
        condition: Condition::Regression(regression.clone()),
        labels: Vec::new(),
        annotations: Vec::new(),
        definition,
        ..rule()
    };
    Settings {
        groups: vec![RuleGroup {
            interval: Duration::from_secs(60),
            // The parts first, so that the order is seen to.
            rules: vec![
                over("Part", &["operation", "algorithm"], 1),
                over("Whole", &["operation"], 2),
            ],
            ..group(rule())
        }],
        incidents: is_on.then_some(incident::MERGE),
        ..Settings::default()
    }
}

/// Measures two algorithms every twenty seconds for so long, and returns what was told.
fn measure_both(engine: &mut Engine, hours: std::ops::Range<u64>, means: [f64; 2]) -> Vec<String> {
    let mut told = Vec::new();
    for seconds in (hours.start * HOUR..hours.end * HOUR).step_by(20) {
        for (algorithm, mean) in ["x", "y"].into_iter().zip(means) {
            // Values that scatter by a tenth, and do not depend on each other.
            let scatter = (seconds / 20 * 7_919 + mean.to_bits() % 97) % 101;
            let draft = Draft {
                operation: "op",
                algorithm,
                duration_seconds: Some(mean * (0.9 + 0.002 * scatter as f64)),
                ..Draft::default()
            };
            send(engine, vec![draft], None, at(seconds));
        }
        if seconds % 60 == 0 {
            let effects = tick(engine, at(seconds));
            told.extend(effects.announced.iter().map(|alert| {
                let mark = if alert.is_firing() { "" } else { "-" };
                format!("{mark}{} {}", alert.rule, alert.labels.get("algorithm"))
            }));
        }
    }
    told.dedup();
    told
}

/// The alert of the part that has become worse: whether it fires, and whether that is a shift.
fn part(engine: &Engine) -> (bool, bool) {
    let x: Labels = [("operation", "op"), ("algorithm", "x")]
        .into_iter()
        .collect();
    let (_, _, state) = engine.rules().next().unwrap();
    let alert = &state.instances[&x].levels[0];
    (alert.state.is_firing(), alert.is_shift)
}

#[test]
fn work_that_has_moved_from_one_part_to_another_is_no_regression_until_the_whole_is_worse() {
    let mut engine = Engine::new(settings(true), at(0));
    assert_eq!(measure_both(&mut engine, 0..8, [1.0, 1.0]), [""; 0]);
    assert_eq!(measure_both(&mut engine, 8..10, [1.5, 0.5]), [""; 0]);
    assert_eq!(part(&engine), (true, true));
    let fired = engine
        .history()
        .filter(|one| one.change == Change::Fired)
        .count();
    assert_eq!(fired, 1, "it is in the history all the same");
    assert_eq!(engine.incidents().all().count(), 0);
    // A restart forgets nothing of it.
    let mut kept = Kept::default();
    kept.save(&mut engine);
    let mut restored = Engine::new(settings(true), at(0));
    kept.restore_into(&mut restored, at(10 * HOUR));
    assert!(part(&restored).1);
    // The other part is as it was before, so that the whole is worse.
    let told = measure_both(&mut engine, 10..12, [1.5, 1.0]);
    for name in ["Whole ", "Part x"] {
        assert!(told.iter().any(|one| one == name), "{name}: {told:?}");
    }
    assert_eq!(part(&engine), (true, false));
}

#[test]
fn a_part_is_told_where_no_other_is_better_and_where_there_are_no_incidents() {
    let mut engine = Engine::new(settings(true), at(0));
    measure_both(&mut engine, 0..8, [1.0, 1.0]);
    let told = measure_both(&mut engine, 8..10, [1.3, 1.0]);
    assert!(told.contains(&"Part x".to_owned()), "{told:?}");
    assert_eq!(part(&engine), (true, false));
    let mut engine = Engine::new(settings(false), at(0));
    measure_both(&mut engine, 0..8, [1.0, 1.0]);
    let told = measure_both(&mut engine, 8..10, [1.5, 0.5]);
    assert_eq!(told, ["Part x"]);
}

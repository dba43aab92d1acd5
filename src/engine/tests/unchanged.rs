//! Judging only what has changed gives what judging everything anew would.

use proptest::prelude::*;

use super::*;
use crate::engine::judge::Datum;

/// One step: time passes, then perhaps measurements come, some early, late or of another operation.
#[derive(Clone, Debug)]
struct Step {
    passes_millis: u64,
    /// Operation, seconds it took, and how many milliseconds its end lies before (or after) now.
    measured: Vec<(usize, f64, i64)>,
    cpu_limit: Option<f64>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let measured = (
        0..3usize,
        0.1..30.0f64,
        prop_oneof![-9_000..200_000i64, Just(0), Just(4_000_000)],
    );
    let passes = prop_oneof![1..3_000u64, 9_000..12_000u64, 50_000..700_000u64];
    let limit = prop::option::of(1.0..4.0f64);
    let step = (passes, prop::collection::vec(measured, 0..3), limit);
    let step = step.prop_map(|(passes_millis, measured, cpu_limit)| Step {
        passes_millis,
        measured,
        cpu_limit,
    });
    prop::collection::vec(step, 1..40)
}

fn rules() -> Vec<Rule> {
    let minute = Reach::Time(Duration::from_secs(60));
    let hour = Reach::Time(Duration::from_secs(3_600));
    let needs = [
        (Metric::Duration, Stat::Quantile(0.95), minute),
        (Metric::Duration, Stat::Mean, hour),
        (Metric::Duration, Stat::Last, Reach::Runs(1)),
        (Metric::Duration, Stat::Max, Reach::Runs(5)),
        (Metric::Rate, Stat::PerSecond, minute),
        (Metric::CpuRatio, Stat::Max, minute),
        (Metric::Score("f1".into()), Stat::Min, minute),
    ];
    let threshold = |(metric, stat, reach)| Threshold {
        metric,
        stat,
        reach,
        comparison: Comparison::Above,
        levels: vec![level(Severity::Medium, 5.0), level(Severity::High, 20.0)],
        min_samples: 2,
        relative: None,
    };
    let named = |(number, need)| Rule {
        name: format!("Rule{number}"),
        by: vec!["operation".into()],
        condition: Condition::Threshold(threshold(need)),
        ..rule()
    };
    (0..).zip(needs).map(named).collect()
}

/// Everything that is known of every alert.
fn standing(engine: &Engine) -> Vec<String> {
    let rules = engine.groups().iter().flat_map(|group| &group.rules);
    let alerts = rules.flat_map(RuleState::alerts);
    let text = |alert: &judge::Tracked| {
        format!("{:?} {:?} {:?}", alert.labels, alert.state, alert.verdict)
    };
    alerts.map(text).collect()
}

/// Takes a step; with `anew` everything is gathered anew. How many instances were not.
fn take(engine: &mut Engine, step: &Step, number: usize, anew: bool, now: Now) -> usize {
    engine.set_cpu_limit(step.cpu_limit);
    for (operation, seconds, ago) in &step.measured {
        let at = Timestamp::from_millis(now.wall.millis() - ago);
        let draft = Draft {
            operation: ["a", "b", "c"][*operation],
            at: Some(at),
            duration_seconds: Some(*seconds),
            cpu_cores: Some(*seconds / 10.0),
            quality: vec![("f1", *seconds)],
            ..Draft::default()
        };
        send(engine, vec![draft], None, now);
    }
    if anew {
        // A series that no rule selects: when any comes, every rule looks at all of its own again.
        let noise = format!("noise{number}");
        measure(engine, &noise, 1.0, now);
    }
    let mut kept = 0;
    for due in engine.due(now) {
        let answer = engine.answer(due, now);
        let unchanged = answer
            .iter()
            .filter(|(_, datum)| matches!(datum, Datum::Unchanged));
        kept += unchanged.count();
        engine.evaluate(due, &answer, now);
    }
    kept
}

proptest! {
    #[test]
    fn judging_what_has_changed_is_judging_everything(steps in steps()) {
        let select = Selector::parse(r#"{operation=~"a|b|c"}"#).unwrap();
        let rules: Vec<_> = rules()
            .into_iter()
            .map(|rule| Rule { select: select.clone(), ..rule })
            .collect();
        let settings = Settings {
            groups: vec![RuleGroup { rules, interval: Duration::from_secs(1), ..group(rule()) }],
            ..Settings::default()
        };
        let mut some = Engine::new(settings.clone(), at(0));
        let mut all = Engine::new(settings, at(0));
        let mut now = at(100);
        for (number, step) in steps.iter().enumerate() {
            let passes = Duration::from_millis(step.passes_millis);
            now = Now { wall: now.wall.after(passes), steady: now.steady + passes };
            take(&mut some, step, number, false, now);
            prop_assert_eq!(take(&mut all, step, number, true, now), 0);
            prop_assert_eq!(standing(&some), standing(&all), "step {}", number);
        }
    }
}

#[test]
fn what_has_not_changed_is_not_gathered_again() {
    let mut engine = engine(Rule {
        by: vec!["operation".into()],
        ..rule()
    });
    let quiet = Step {
        passes_millis: 10_000,
        measured: Vec::new(),
        cpu_limit: None,
    };
    measure(&mut engine, "a", 1.0, at(5));
    measure(&mut engine, "b", 1.0, at(5));
    assert_eq!(take(&mut engine, &quiet, 0, false, at(10)), 0);
    assert_eq!(take(&mut engine, &quiet, 0, false, at(20)), 2);
    measure(&mut engine, "a", 2.0, at(25));
    assert_eq!(take(&mut engine, &quiet, 0, false, at(30)), 1);
}

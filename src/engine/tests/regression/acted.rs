//! What becomes of a baseline after an action: what has proved itself is the new reference, and nothing else is.

use super::super::restart::Kept;
use super::*;
use crate::engine::action::{Action, EndsBy, Outcome, Probation, Report, Reported};
use crate::engine::alert::EndReason;
use crate::engine::judge::AlertChange;

fn retraining(against: Against) -> Engine {
    let rule = Rule {
        name: "Worse".into(),
        condition: Condition::Regression(Regression {
            against,
            ..guide(regression(
                "duration",
                "mean",
                20,
                &[(Severity::High, 0.25)],
            ))
        }),
        actions: vec!["retrain".into()],
        ..rule()
    };
    let action = Action {
        name: "retrain".into(),
        matchers: Selector::default(),
        min_degradation: Some(0.25),
        delay: Duration::ZERO,
        cooldown: Duration::ZERO,
        timeout: Duration::from_secs(DAY),
        ends_by: EndsBy::Callback,
        probation: Some(Probation::Runs(60)),
        alerts: true,
    };
    Engine::new(
        Settings {
            groups: vec![group(rule)],
            actions: vec![action],
            ..Settings::default()
        },
        at(0),
    )
}

/// A run every ten seconds, of so many seconds; what was asked for, and how the alert changed.
fn runs(
    engine: &mut Engine,
    seconds: f64,
    range: std::ops::Range<u64>,
) -> (Vec<String>, Vec<Change>) {
    let (mut keys, mut changes) = (Vec::new(), Vec::new());
    for run in range {
        let now = at(10 * run);
        say(engine, "duration", seconds, now);
        let mut effects = tick(engine, now);
        let (work, acted) = engine.act(now);
        effects.append(acted);
        engine.flush(now);
        keys.extend(work.iter().map(|work| work.key().to_owned()));
        let ours = |change: &&AlertChange| change.labels.get("alertname") == "Worse";
        changes.extend(effects.changes.iter().filter(ours).map(|one| one.change));
    }
    (keys, changes)
}

fn succeed(engine: &mut Engine, key: &str, run: u64) {
    let report = Report {
        status: Reported::Succeeded,
        message: String::new(),
        metrics: [].into(),
        since: None,
    };
    engine.take_report(key, report, at(10 * run + 5)).unwrap();
}

fn outcome(engine: &Engine) -> Option<Outcome> {
    let case = engine.actions().cases().next().unwrap();
    case.history.back().map(|past| past.outcome)
}

/// The version and the mean of the pinned baseline.
fn pinned(engine: &Engine) -> (u32, f64) {
    let newest = engine.baselines().newest().last().unwrap();
    (newest.version, newest.stat(Stat::Mean).unwrap())
}

#[test]
fn a_baseline_that_was_set_moves_once_the_new_model_has_proved_itself() {
    for (seconds, expected, version) in [
        (1.1, Outcome::Kept, (2, 1.1)),
        (1.3, Outcome::Reverted, (1, 1.0)),
    ] {
        let mut engine = retraining(Against::Pinned("good".to_owned()));
        runs(&mut engine, 1.0, 0..100);
        set_measured(&mut engine, "duration", at(999));
        assert!(runs(&mut engine, 1.0, 100..130).0.is_empty());
        let (keys, changes) = runs(&mut engine, 2.0, 130..160);
        assert_eq!((keys.len(), changes.as_slice()), (1, &[Change::Fired][..]));
        succeed(&mut engine, &keys[0], 159);
        // Until then the old one stays, and it ends the alert of the good one.
        let (again, changes) = runs(&mut engine, seconds, 160..219);
        assert!(again.is_empty());
        let ends = Change::Resolved(EndReason::Recovered);
        assert_eq!(changes.contains(&ends), expected == Outcome::Kept);
        assert_eq!((outcome(&engine), pinned(&engine).0), (None, 1));
        runs(&mut engine, seconds, 219..220);
        assert_eq!(outcome(&engine), Some(expected), "{seconds}");
        let (number, mean) = pinned(&engine);
        assert_eq!(number, version.0);
        assert!((mean - version.1).abs() < 1e-9, "{mean}");
        // What is judged from now on is judged beside what holds now.
        let (_, changes) = runs(&mut engine, seconds, 220..260);
        assert_eq!(changes, []);
        let against = verdicts(&engine)[0].evidence.and_then(|one| one.baseline);
        assert!((against.unwrap() - version.1).abs() < 1e-9);
    }
}

#[test]
fn what_is_learned_is_learned_anew_from_the_new_model_alone() {
    let against = || Against::Rolling(Duration::from_secs(DAY));
    let mut engine = retraining(against());
    runs(&mut engine, 1.0, 0..200);
    let (keys, _) = runs(&mut engine, 2.0, 200..230);
    assert_eq!(keys.len(), 1);
    succeed(&mut engine, &keys[0], 229);
    runs(&mut engine, 1.1, 230..290);
    assert_eq!(outcome(&engine), Some(Outcome::Kept));
    // Over a restart as well.
    let mut kept = Kept::default();
    kept.save(&mut engine);
    let mut anew = retraining(against());
    for run in 0..290 {
        let seconds = match run {
            0..200 => 1.0,
            200..230 => 2.0,
            _ => 1.1,
        };
        say(&mut anew, "duration", seconds, at(10 * run));
    }
    kept.restore_into(&mut anew, at(2_905));
    for engine in [&mut engine, &mut anew] {
        let (keys, changes) = runs(engine, 1.1, 291..400);
        assert_eq!((keys, changes), (vec![], vec![]));
        let usual = verdicts(engine)[0].evidence.and_then(|one| one.baseline);
        assert!((usual.unwrap() - 1.1).abs() < 1e-9, "{usual:?}");
    }
}

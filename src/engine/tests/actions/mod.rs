//! What alerts bring about: asked for once, by one key whatever happens in between, and judged by what follows.

mod asked;
mod failures;
mod kills;

use super::restart::Kept;
use super::*;
use crate::engine::acting::RunError;
use crate::engine::action::{
    Action, Case, EndsBy, Outcome, Probation, Report, ReportError, Reported, Stage, Work,
};
use crate::engine::dispatch::{HandlingError, Silence, matching};
use std::collections::BTreeSet;

/// `Inaccurate`: the mean accuracy of the last 4 runs below 0.9 medium, below 0.8 high.
fn inaccurate() -> Rule {
    Rule {
        name: "Inaccurate".into(),
        condition: Condition::Threshold(Threshold {
            metric: Metric::named("accuracy"),
            stat: Stat::Mean,
            reach: Reach::Runs(4),
            comparison: Comparison::Below,
            levels: vec![level(Severity::Medium, 0.9), level(Severity::High, 0.8)],
            min_samples: 1,
            relative: None,
        }),
        actions: vec!["retrain".into()],
        labels: Vec::new(),
        annotations: Vec::new(),
        ..rule()
    }
}

fn retrain() -> Action {
    Action {
        name: "retrain".into(),
        matchers: Selector::default(),
        min_degradation: None,
        delay: Duration::ZERO,
        cooldown: Duration::from_secs(600),
        timeout: Duration::from_secs(300),
        ends_by: EndsBy::Callback,
        probation: Some(Probation::Runs(4)),
        alerts: true,
    }
}

fn settings(rules: Vec<Rule>, actions: Vec<Action>) -> Settings {
    Settings {
        groups: vec![RuleGroup {
            rules,
            ..group(rule())
        }],
        actions,
        external: External {
            labels: [("cluster", "eu"), ("pod", "web-1")].into_iter().collect(),
            ..External::default()
        },
        ..Settings::default()
    }
}

/// What happened in a step of ten seconds.
struct Step {
    work: Vec<Work>,
    effects: Effects,
}

fn step(engine: &mut Engine, seconds: u64, accuracy: Option<f64>) -> Step {
    if let Some(accuracy) = accuracy {
        let draft = Draft {
            operation: "detect",
            duration_seconds: Some(1.0),
            quality: vec![("accuracy", accuracy)],
            ..Draft::default()
        };
        send(engine, vec![draft], None, at(seconds));
    }
    let mut effects = tick(engine, at(seconds));
    let (work, acted) = engine.act(at(seconds));
    effects.append(acted);
    engine.flush(at(seconds));
    Step { work, effects }
}

/// An engine whose rule fires from second 20 on, and what it asked for.
fn asked(action: Action) -> (Engine, Vec<Work>) {
    let mut engine = Engine::new(settings(vec![inaccurate()], vec![action]), at(0));
    assert!(step(&mut engine, 0, Some(0.95)).work.is_empty());
    assert!(step(&mut engine, 10, Some(0.95)).work.is_empty());
    let work = step(&mut engine, 20, Some(0.3)).work;
    (engine, work)
}

fn only(engine: &Engine) -> Case {
    let cases: Vec<&Case> = engine.actions().cases().collect();
    assert_eq!(cases.len(), 1, "{cases:?}");
    cases[0].clone()
}

fn report(status: Reported, metrics: &[(&str, f64)]) -> Report {
    Report {
        status,
        message: String::new(),
        metrics: (metrics.iter())
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
        since: None,
    }
}

fn outcome(engine: &Engine) -> Option<Outcome> {
    only(engine).history.back().map(|past| past.outcome)
}

/// Whether each word on failures of actions is that one fires.
fn failures(effects: &Effects) -> Vec<bool> {
    let words = effects.announced.iter();
    let words = words.filter(|one| one.alert_type == "action_failed");
    words.map(|one| one.is_firing()).collect()
}

#[test]
fn an_alert_asks_once_and_what_passes_its_probation_is_kept() {
    let (mut engine, work) = asked(retrain());
    let [Work::Request(order)] = work.as_slice() else {
        panic!("{work:?}");
    };
    assert_eq!(order.rule, "Inaccurate");
    assert_eq!(
        order.identity.to_string(),
        r#"{cluster="eu", operation="detect"}"#
    );
    assert_eq!(order.alert.labels.get("severity"), "high");
    assert_eq!(order.since, at(20).wall);
    // It is asked for once, however long the alert fires and however bad it gets.
    assert!(step(&mut engine, 30, Some(0.2)).work.is_empty());
    engine.take_answer(&order.key, Ok(Some("j-1".into())), at(31));
    let job = Some("j-1".to_owned());
    assert_eq!(only(&engine).stage, Stage::Running { job });
    let good = report(Reported::Succeeded, &[("accuracy", 0.94)]);
    let case = engine
        .take_report(&order.key, good.clone(), at(35))
        .unwrap();
    assert_eq!(case.stage.as_str(), "probation");
    for (seconds, accuracy) in [(40, 0.94), (50, 0.93), (60, 0.95)] {
        step(&mut engine, seconds, Some(accuracy));
        assert_eq!(outcome(&engine), None);
    }
    // The same report again is no fault.
    assert!(engine.take_report(&order.key, good, at(65)).is_ok());
    let last = step(&mut engine, 70, Some(0.92));
    assert_eq!(outcome(&engine), Some(Outcome::Kept));
    assert!(failures(&last.effects).is_empty());
    let (_, counts) = engine.actions().counts().next().unwrap();
    assert_eq!(counts.ended, [0, 1, 0, 0, 0, 0, 0]);
    assert!((counts.seconds - 50.0).abs() < 1e-9, "{counts:?}");
    let late = engine.take_report(&order.key, report(Reported::Failed, &[]), at(75));
    assert!(matches!(late, Err(ReportError::Over { .. })), "{late:?}");
    let unknown = engine.take_report("retrain-0", report(Reported::Running, &[]), at(75));
    assert_eq!(unknown, Err(ReportError::NotFound("retrain-0".into())));
}

#[test]
fn what_does_not_pass_its_probation_is_reverted() {
    let (mut engine, work) = asked(retrain());
    let good = report(Reported::Succeeded, &[]);
    engine.take_report(work[0].key(), good, at(25)).unwrap();
    // Better than before, but not as good as the mildest level asks for.
    for (seconds, accuracy) in [(30, 0.88), (40, 0.89), (50, 0.9), (60, 0.88)] {
        step(&mut engine, seconds, Some(accuracy));
    }
    assert_eq!(outcome(&engine), Some(Outcome::Reverted));
    let message = &only(&engine).history[0].message;
    assert_eq!(
        message,
        "mean of accuracy over 4 runs since is 0.887500, the limit was 0.900000"
    );
    assert!(only(&engine).failing().is_some());
}

#[test]
fn a_probation_of_some_time_waits_for_data_as_well() {
    let (mut engine, work) = asked(Action {
        probation: Some(Probation::Time(Duration::from_secs(60))),
        ..retrain()
    });
    let good = report(Reported::Succeeded, &[]);
    engine.take_report(work[0].key(), good, at(25)).unwrap();
    for seconds in (30..=200).step_by(10) {
        step(&mut engine, seconds, None);
    }
    assert_eq!(only(&engine).stage.as_str(), "probation");
    step(&mut engine, 210, Some(0.95));
    assert_eq!(outcome(&engine), Some(Outcome::Kept));
}

#[test]
fn the_next_alert_asks_again_once_the_cooldown_is_over() {
    let (mut engine, work) = asked(Action {
        probation: None,
        ..retrain()
    });
    let done = report(Reported::Succeeded, &[]);
    engine.take_report(work[0].key(), done, at(25)).unwrap();
    assert_eq!(outcome(&engine), Some(Outcome::Succeeded));
    let mut asked = Vec::new();
    for seconds in (30..=700).step_by(10) {
        // Well by 100 s, and bad again from 200 s on.
        let accuracy = if (100..200).contains(&seconds) {
            1.0
        } else {
            0.3
        };
        let work = step(&mut engine, seconds, Some(accuracy)).work;
        asked.extend(work.into_iter().map(|work| (seconds, work)));
    }
    let [(620, Work::Request(order))] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!(order.since, at(200).wall);
    assert_ne!(order.key, work[0].key());
}

/// What is told as one matter is not one thing to do: an incident that another alert keeps open neither keeps one that comes
/// back in it from asking, nor has it ask twice.
#[test]
fn an_alert_that_comes_back_in_an_open_incident_asks_anew_and_once() {
    let slow = Rule {
        name: "Slow".into(),
        condition: Condition::Threshold(Threshold {
            metric: Metric::Duration,
            stat: Stat::Max,
            reach: Reach::Runs(4),
            comparison: Comparison::Above,
            levels: vec![level(Severity::Medium, 0.5)],
            min_samples: 1,
            relative: None,
        }),
        actions: Vec::new(),
        ..inaccurate()
    };
    let action = Action {
        cooldown: Duration::from_secs(60),
        ends_by: EndsBy::Answer,
        probation: None,
        ..retrain()
    };
    let with_incidents = Settings {
        incidents: Some(incident::MERGE),
        ..settings(vec![inaccurate(), slow], vec![action])
    };
    let mut engine = Engine::new(with_incidents, at(0));
    let mut asked = Vec::new();
    for seconds in (0..=300).step_by(10) {
        let accuracy = match seconds {
            100..160 => 1.0,
            _ => 0.3,
        };
        let step = step(&mut engine, seconds, Some(accuracy));
        for work in &step.work {
            asked.push((seconds, work.key().to_owned()));
            engine.take_answer(work.key(), Ok(None), at(seconds + 1));
        }
    }
    let times: Vec<u64> = asked.iter().map(|(seconds, _)| *seconds).collect();
    assert_eq!(times, [0, 160]);
    assert_ne!(asked[0].1, asked[1].1);
    let incidents: Vec<_> = engine.incidents().all().collect();
    assert_eq!(incidents.len(), 1);
    assert!(incidents[0].is_open());
    let members = incidents[0].members();
    let rules: BTreeSet<&str> = members.iter().map(|one| one.rule.as_str()).collect();
    assert_eq!(rules, BTreeSet::from(["Inaccurate", "Slow"]));
}

#[test]
fn two_rules_on_the_same_share_one_request_at_a_time_and_one_cooldown() {
    let other = Rule {
        name: "AlsoInaccurate".into(),
        definition: 2,
        ..inaccurate()
    };
    let rules = vec![inaccurate(), other];
    let mut engine = Engine::new(settings(rules, vec![retrain()]), at(0));
    let mut asked = Vec::new();
    for seconds in (0..=700).step_by(10) {
        let work = step(&mut engine, seconds, Some(0.3)).work;
        asked.extend(work.iter().map(|work| (seconds, work.key().to_owned())));
        if seconds == 100 {
            let failed = report(Reported::Failed, &[]);
            engine.take_report(&asked[0].1, failed, at(100)).unwrap();
        }
    }
    let times: Vec<u64> = asked.iter().map(|(seconds, _)| *seconds).collect();
    assert_eq!(times, [0, 600]);
    assert_ne!(asked[0].1, asked[1].1);
}

#[test]
fn answers_and_polls_end_it_as_they_are_configured() {
    let (mut engine, work) = asked(Action {
        ends_by: EndsBy::Answer,
        probation: None,
        ..retrain()
    });
    engine.take_answer(work[0].key(), Ok(None), at(25));
    assert_eq!(outcome(&engine), Some(Outcome::Succeeded));

    let (mut engine, work) = asked(Action {
        ends_by: EndsBy::Poll,
        ..retrain()
    });
    assert!(engine.wants_work(&work[0]));
    engine.take_trouble(work[0].key(), "cannot reach it");
    assert_eq!(only(&engine).run.unwrap().message, "cannot reach it");
    engine.take_answer(work[0].key(), Ok(Some("7".into())), at(25));
    assert!(!engine.wants_work(&work[0]));
    let polls = step(&mut engine, 30, None).work;
    let [Work::Poll { job, .. }] = polls.as_slice() else {
        panic!("{polls:?}");
    };
    assert_eq!(job, "7");
    assert!(engine.wants_work(&polls[0]));
    engine.take_answer(work[0].key(), Err("answered 404: no".into()), at(35));
    // It was taken before, so that a later word on the request says nothing any more.
    assert_eq!(outcome(&engine), None);
    let failed = report(Reported::Failed, &[]);
    engine.take_report(work[0].key(), failed, at(36)).unwrap();
    assert_eq!(outcome(&engine), Some(Outcome::Failed));
}

#[test]
fn what_cannot_be_sent_is_given_again() {
    let (mut engine, work) = asked(retrain());
    assert!(step(&mut engine, 30, None).work.is_empty());
    engine.return_work(work[0].key());
    assert_eq!(step(&mut engine, 40, None).work[0].key(), work[0].key());
    engine.pause(at(45));
    engine.return_work(work[0].key());
    assert!(step(&mut engine, 50, None).work.is_empty());
    let refused = engine.run_action("retrian", "Inaccurate", at(55));
    let known = vec!["retrain".to_owned()];
    let name = "retrian".to_owned();
    assert_eq!(refused, Err(RunError::NoAction { name, known }));
}

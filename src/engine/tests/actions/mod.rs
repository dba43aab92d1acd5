//! What alerts bring about: asked for once, by one key whatever happens in between, and judged by what follows.

mod asked;
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
fn what_was_reported_to_be_worse_is_refused_and_an_alert_says_so_until_the_cause_has_ended() {
    let (mut engine, work) = asked(retrain());
    // The mean of the runs that are judged is 0.733 now.
    let worse = report(Reported::Succeeded, &[("accuracy", 0.7)]);
    let case = engine.take_report(work[0].key(), worse, at(25)).unwrap();
    assert_eq!(case.stage, Stage::Idle);
    assert_eq!(outcome(&engine), Some(Outcome::Refused));
    let told = step(&mut engine, 30, Some(0.3));
    assert_eq!(failures(&told.effects), [true]);
    let alert = &told.effects.announced[1];
    assert_eq!(
        alert.labels.to_string(),
        r#"{action="retrain", alert_type="action_failed", alertname="ActionFailed", cluster="eu", operation="detect", pod="web-1", rule="Inaccurate", severity="high"}"#
    );
    assert_eq!(
        alert.annotations.get("summary"),
        "action retrain for Inaccurate made something worse than what there is, which is refused: accuracy was reported as 0.700000, now it is 0.733333; the old baseline stays"
    );
    // It is told once, and to Alertmanagers again after more than a minute.
    let (mut told, mut sent) = (Vec::new(), Vec::new());
    for seconds in (40..=110).step_by(10) {
        let effects = step(&mut engine, seconds, Some(0.3)).effects;
        told.extend(failures(&effects));
        let ours = effects.to_alertmanager.iter();
        let ours = ours.filter(|(alert, _)| alert.alert_type == "action_failed");
        sent.extend(ours.map(|(_, until)| (seconds, until.since(at(seconds).wall).as_secs())));
    }
    assert_eq!((told, sent), (vec![], vec![(100, 240)]));
    let changes: Vec<_> = (120..=150)
        .step_by(10)
        .flat_map(|seconds| step(&mut engine, seconds, Some(1.0)).effects.announced)
        .filter(|alert| alert.alert_type == "action_failed")
        .map(|alert| alert.ended.map(|(_, reason)| reason))
        .collect();
    assert_eq!(changes, [Some(EndReason::Recovered)]);
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
fn without_an_end_in_time_it_has_failed_and_the_next_success_ends_the_alert() {
    let (mut engine, work) = asked(retrain());
    let mut told = Vec::new();
    for seconds in (30..=900).step_by(10) {
        let step = step(&mut engine, seconds, Some(0.3));
        told.extend(
            failures(&step.effects)
                .into_iter()
                .map(|fires| (seconds, fires)),
        );
        // Neither after the timeout nor after the cooldown, as the alert is still the same.
        assert!(step.work.is_empty(), "{seconds}");
    }
    assert_eq!(outcome(&engine), Some(Outcome::TimedOut));
    assert_eq!(told, [(320, true)]);
    let late = engine.take_report(work[0].key(), report(Reported::Succeeded, &[]), at(905));
    assert!(matches!(late, Err(ReportError::Over { .. })), "{late:?}");
    // Somebody asks for it again: another request of another key.
    let key = engine.run_action("retrain", "Inaccurate", at(905)).unwrap();
    assert_eq!(key, format!("{}-2", work[0].key()));
    let again = engine.run_action("retrain", "Inaccurate", at(906));
    assert_eq!(again, Err(RunError::HeldBack("one is under way")));
    assert_eq!(step(&mut engine, 910, Some(0.3)).work[0].key(), key);
    engine
        .take_report(&key, report(Reported::Succeeded, &[]), at(915))
        .unwrap();
    let told: Vec<bool> = (920..=950)
        .step_by(10)
        .flat_map(|seconds| failures(&step(&mut engine, seconds, Some(0.95)).effects))
        .collect();
    assert_eq!(outcome(&engine), Some(Outcome::Kept));
    assert_eq!(told, [false]);
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
fn a_failure_that_somebody_ends_stays_quiet_until_the_action_fails_again() {
    let (mut engine, work) = asked(Action {
        cooldown: Duration::ZERO,
        ..retrain()
    });
    let failed = || report(Reported::Failed, &[]);
    engine.take_report(work[0].key(), failed(), at(25)).unwrap();
    let told = step(&mut engine, 30, Some(0.3));
    assert_eq!(failures(&told.effects), [true]);
    let fingerprint = told.effects.announced.iter();
    let mut fingerprint = fingerprint.filter(|one| one.alert_type == "action_failed");
    let fingerprint = fingerprint.next().unwrap().fingerprint;
    let (ended, effects) = engine.resolve(fingerprint, at(35)).unwrap();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].get("alertname"), "ActionFailed");
    assert_eq!(failures(&effects), [false]);
    let ended = Some((at(35).wall, EndReason::ResolvedByHand));
    assert_eq!(effects.announced[0].ended, ended);
    assert_eq!(effects.to_alertmanager.len(), 1);
    let again = engine.resolve(fingerprint, at(36)).unwrap_err();
    assert_eq!(again, HandlingError::Ended(fingerprint, at(35).wall));
    // What brought it about fires on, and a restart changes nothing of it.
    assert!(failures(&step(&mut engine, 40, Some(0.3)).effects).is_empty());
    let mut kept = Kept::default();
    kept.save(&mut engine);
    let mut engine = Engine::new(settings(vec![inaccurate()], vec![retrain()]), at(0));
    let restored = kept.restore_into(&mut engine, at(45));
    assert!(failures(&restored).is_empty());
    assert!(failures(&step(&mut engine, 50, Some(0.3)).effects).is_empty());
    let again = engine.resolve(fingerprint, at(51)).unwrap_err();
    assert_eq!(again, HandlingError::Ended(fingerprint, at(35).wall));
    // It is cleared with others of its kind, and only with them.
    let key = engine.run_action("retrain", "Inaccurate", at(55)).unwrap();
    step(&mut engine, 60, Some(0.3));
    engine.take_report(&key, failed(), at(65)).unwrap();
    assert_eq!(failures(&step(&mut engine, 70, Some(0.3)).effects), [true]);
    assert!(engine.clear(Some("degradation"), at(75)).0.is_empty());
    let (ended, effects) = engine.clear(Some("action_failed"), at(76));
    assert_eq!((ended.len(), failures(&effects)), (1, vec![false]));
}

#[test]
fn an_action_that_is_configured_no_more_ends_its_alert_and_is_forgotten() {
    let (mut engine, work) = asked(retrain());
    let failed = report(Reported::Failed, &[]);
    engine.take_report(work[0].key(), failed, at(25)).unwrap();
    assert_eq!(failures(&step(&mut engine, 30, Some(0.3)).effects), [true]);
    let mut kept = Kept::default();
    kept.save(&mut engine);
    assert_eq!(kept.actions.len(), 1);
    let without = || settings(vec![inaccurate()], Vec::new());
    let effects = engine.reconfigure(without(), at(35));
    assert_eq!(failures(&effects), [false]);
    kept.save(&mut engine);
    assert_eq!(kept.actions.len(), 0);
    assert_eq!(engine.actions().cases().count(), 0);
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

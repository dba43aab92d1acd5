//! The alert that says that an action has failed: when it begins, and what ends it.

use super::*;

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

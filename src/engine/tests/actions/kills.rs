//! Over kills the same is asked for by the same key, and comes to the same end.

use super::*;

/// Takes an engine through a kill: what is kept of it, and nothing else, is given to another one.
fn killed(engine: &mut Engine, kept: &mut Kept, action: Action, runs: &[(u64, f64)], seconds: u64) {
    kept.save(engine);
    let mut anew = Engine::new(settings(vec![inaccurate()], vec![action]), at(0));
    for (seconds, accuracy) in runs {
        let draft = Draft {
            operation: "detect",
            duration_seconds: Some(1.0),
            quality: vec![("accuracy", *accuracy)],
            ..Draft::default()
        };
        send(&mut anew, vec![draft], None, at(*seconds));
    }
    let effects = kept.restore_into(&mut anew, at(seconds));
    assert!(effects.announced.is_empty(), "{effects:?}");
    let ended = anew.end_unknown(at(seconds));
    assert!(ended.announced.is_empty(), "{ended:?}");
    *engine = anew;
}

#[test]
fn a_kill_at_any_moment_leads_to_no_other_key_and_to_no_other_end() {
    for is_good in [true, false] {
        let mut ends = Vec::new();
        for kill_at in 0..12 {
            let mut kept = Kept::default();
            let mut engine = Engine::new(settings(vec![inaccurate()], vec![retrain()]), at(0));
            let (mut runs, mut keys, mut words) = (Vec::new(), BTreeSet::new(), Vec::new());
            let mut requests = 0;
            for number in 0..=12 {
                let seconds = 10 * number;
                let accuracy = match number {
                    0 | 1 => 0.95,
                    2..=5 => 0.3,
                    _ if is_good => 0.95,
                    _ => 0.4,
                };
                runs.push((seconds, accuracy));
                let step = step(&mut engine, seconds, Some(accuracy));
                for work in &step.work {
                    keys.insert(work.key().to_owned());
                    requests += 1;
                }
                words.extend(failures(&step.effects));
                let key = keys.first().cloned().unwrap_or_default();
                match number {
                    4 => engine.take_answer(&key, Ok(None), at(seconds + 1)),
                    5 => {
                        let good = report(Reported::Succeeded, &[]);
                        engine.take_report(&key, good, at(seconds + 1)).unwrap();
                    }
                    _ => {}
                }
                if number == kill_at {
                    killed(&mut engine, &mut kept, retrain(), &runs, seconds + 2);
                }
            }
            assert_eq!(keys.len(), 1, "{kill_at}");
            // What nobody has answered yet is asked for again.
            let expected = if (2..4).contains(&kill_at) { 2 } else { 1 };
            assert_eq!(requests, expected, "{kill_at}");
            words.dedup();
            ends.push((outcome(&engine), words, keys));
        }
        let expected = match is_good {
            true => (Some(Outcome::Kept), Vec::new()),
            false => (Some(Outcome::Reverted), vec![true]),
        };
        for (outcome, words, keys) in &ends {
            assert_eq!((*outcome, words), (expected.0, &expected.1));
            assert_eq!(keys, &ends[0].2);
        }
    }
}

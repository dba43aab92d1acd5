//! Newer word of a group that has not been told of the older one: joined, and nothing lost.

use super::*;

#[test]
fn newer_word_of_a_group_takes_the_place_of_older_word_and_loses_no_news() {
    use NotifyReason::{AllResolved, First, NewFiring, NewResolved, Repeat};
    let (a, b) = (fixture::firing("a"), fixture::firing("b"));
    let (a_ended, b_ended) = (fixture::resolved("a"), fixture::resolved("b"));
    for (older, newer, expected) in [
        // The same alert: the newer word, which says both when it began and when it ended.
        (
            (First, vec![&a]),
            (AllResolved, vec![&a_ended]),
            "2 -a first",
        ),
        ((NewFiring, vec![&a]), (Repeat, vec![&a]), "2 +a new_firing"),
        // A firing alert that is missing from the newer word was never told and stays.
        ((First, vec![&a]), (NewFiring, vec![&b]), "2 +b +a first"),
        (
            (NewFiring, vec![&a, &b]),
            (NewResolved, vec![&b, &a_ended]),
            "2 +b -a new_resolved",
        ),
        // An end that was not told yet stays as well.
        (
            (NewResolved, vec![&b, &a_ended]),
            (AllResolved, vec![&b_ended]),
            "2 -b -a all_resolved",
        ),
        // An alert that fires anew.
        (
            (AllResolved, vec![&a_ended]),
            (NewFiring, vec![&a]),
            "2 +a new_firing",
        ),
    ] {
        let alerts = |alerts: Vec<&Arc<Announced>>| alerts.into_iter().cloned().collect::<Vec<_>>();
        let older = notification("1", "g", older.0, &alerts(older.1));
        let newer = notification("2", "g", newer.0, &alerts(newer.1));
        let waiting = {
            let mut queue = Queue::new(10);
            queue.push(older.clone(), at(700));
            queue.push(newer.clone(), at(800));
            (said(&mut queue, 800), queue.len())
        };
        assert_eq!(waiting, (Some(expected.to_owned()), 1));
        // The same when the newer word came while the older was under way and failed.
        let mut queue = Queue::new(10);
        queue.push(older, at(700));
        assert!(said(&mut queue, 700).is_some());
        queue.push(newer, at(700));
        queue.failed(&down(), at(702), 1.0);
        assert_eq!(said(&mut queue, 702), None);
        assert_eq!(
            (said(&mut queue, 703).as_deref(), queue.len()),
            (Some(expected), 1)
        );
    }
}

#[test]
fn an_alert_that_ended_before_it_was_told_is_told_once_as_both() {
    let mut queue = Queue::new(10);
    queue.push(
        notification(
            "1",
            "g",
            NotifyReason::First,
            &[fixture::firing("a"), fixture::firing("b")],
        ),
        at(0),
    );
    queue.ended(&fixture::resolved("a"));
    let (sent, first) = next(&mut queue, 600).unwrap();
    assert_eq!(first, "1 +b -a first");
    let ended = &sent.alerts[1];
    assert_eq!(
        (ended.starts_at, ended.ended.map(|(end, _)| end)),
        (fixture::start(), Some(at(600).wall))
    );
    queue.delivered();
    // The engine's own word of that end is no news any more; of others it is.
    queue.push(
        notification(
            "2",
            "g",
            NotifyReason::NewResolved,
            &[fixture::resolved("a")],
        ),
        at(900),
    );
    assert_eq!(said(&mut queue, 900), None);
    queue.push(
        notification(
            "3",
            "g",
            NotifyReason::AllResolved,
            &[fixture::resolved("a"), fixture::resolved("b")],
        ),
        at(900),
    );
    assert_eq!(said(&mut queue, 900).as_deref(), Some("3 -b all_resolved"));
}

/// R9: the first time was not told, and the second must not swallow it.
#[test]
fn an_alert_that_has_begun_again_before_it_was_told_is_told_for_both_times() {
    let mut queue = Queue::new(10);
    let first = fixture::firing("a");
    let other = fixture::firing("b");
    queue.push(
        notification(
            "1",
            "g",
            NotifyReason::First,
            &[first.clone(), other.clone()],
        ),
        at(0),
    );
    assert_eq!(said(&mut queue, 0).unwrap(), "1 +a +b first");
    queue.failed(&down(), at(0), 1.0);
    let end = fixture::start().after(Duration::from_secs(5));
    let ended = Arc::new(Announced {
        ended: Some((end, EndReason::Recovered)),
        ..Announced::clone(&first)
    });
    queue.ended(&ended);
    let again = Arc::new(Announced {
        starts_at: fixture::start().after(Duration::from_secs(10)),
        ..Announced::clone(&first)
    });
    let news = [again.clone(), other.clone()];
    queue.push(
        notification("2", "g", NotifyReason::NewFiring, &news),
        at(11),
    );
    // In the order of time, whoever reads it from the beginning to the end.
    let (sent, said_then) = next(&mut queue, 11).unwrap();
    assert_eq!(said_then, "2 -a +a +b first");
    assert_eq!(sent.alerts[0].ended, ended.ended);
    // And where the word of the end is lost, by a restart, it has ended at the latest when it began again.
    let mut queue = Queue::new(10);
    queue.push(notification("1", "g", NotifyReason::First, &[first]), at(0));
    queue.push(
        notification(
            "2",
            "g",
            NotifyReason::NewFiring,
            std::slice::from_ref(&again),
        ),
        at(11),
    );
    let (sent, said_then) = next(&mut queue, 11).unwrap();
    assert_eq!(said_then, "2 -a +a first");
    assert_eq!(
        sent.alerts[0].ended.map(|(at, _)| at),
        Some(again.starts_at)
    );
}

#[test]
fn of_an_alert_that_comes_and_goes_the_latest_times_are_told() {
    let mut queue = Queue::new(10);
    for time in 0..20 {
        let alert = Arc::new(Announced {
            starts_at: fixture::start().after(Duration::from_secs(time)),
            ..Announced::clone(&fixture::firing("a"))
        });
        queue.push(
            notification("1", "g", NotifyReason::NewFiring, &[alert]),
            at(time),
        );
    }
    let (sent, _) = next(&mut queue, 20).unwrap();
    let starts = sent
        .alerts
        .iter()
        .map(|alert| alert.starts_at.since(fixture::start()).as_secs());
    assert_eq!(starts.collect::<Vec<_>>(), (12..20).collect::<Vec<_>>());
    let firing = sent.alerts.iter().filter(|alert| alert.is_firing()).count();
    assert_eq!(firing, 1);
}

#[test]
fn an_end_that_was_not_told_stays_news() {
    let resolved = || {
        let alerts = [fixture::resolved("a")];
        notification("2", "g", NotifyReason::AllResolved, &alerts)
    };
    let first = || notification("1", "g", NotifyReason::First, &[fixture::firing("a")]);
    // It came while the beginning was being told.
    let mut queue = Queue::new(10);
    queue.push(first(), at(0));
    assert!(said(&mut queue, 0).is_some());
    queue.ended(&fixture::resolved("a"));
    queue.delivered();
    queue.push(resolved(), at(600));
    assert_eq!(said(&mut queue, 600).as_deref(), Some("2 -a all_resolved"));
    // It was told to another group only.
    let mut queue = Queue::new(10);
    queue.push(first(), at(0));
    queue.ended(&fixture::resolved("a"));
    assert_eq!(said(&mut queue, 600).as_deref(), Some("1 -a first"));
    queue.delivered();
    let mut other = resolved();
    other.group_key = "h".to_owned();
    queue.push(other, at(600));
    assert_eq!(said(&mut queue, 600).as_deref(), Some("2 -a all_resolved"));
    // What told it was given up.
    let mut queue = Queue::new(10);
    queue.push(first(), at(0));
    queue.ended(&fixture::resolved("a"));
    assert!(said(&mut queue, 600).is_some());
    queue.failed(&NotifyError::permanent("answered 400"), at(600), 1.0);
    queue.push(resolved(), at(600));
    assert_eq!(said(&mut queue, 600).as_deref(), Some("2 -a all_resolved"));
}

#[test]
fn what_changed_after_an_attempt_has_another_id() {
    let mut queue = Queue::new(10);
    queue.push(
        notification("1", "g", NotifyReason::First, &[fixture::firing("a")]),
        at(0),
    );
    assert!(said(&mut queue, 0).is_some());
    // Under way: what is sent stays as it is, what is tried next does not.
    queue.ended(&fixture::resolved("a"));
    queue.failed(&down(), at(600), 1.0);
    let (sent, _) = next(&mut queue, 700).unwrap();
    assert!(!sent.alerts[0].is_firing());
    assert_ne!(sent.id, "1");
    queue.failed(&down(), at(700), 1.0);
    let (again, _) = next(&mut queue, 800).unwrap();
    assert_eq!(again.id, sent.id);
}

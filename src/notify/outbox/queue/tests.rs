//! What an outbox decides, without time passing.

mod newer;

use super::*;
use crate::engine::alert::EndReason;
use crate::engine::dispatch::NotifyReason;
use crate::notify::fixture;

/// A moment that many seconds after the alerts of the fixtures began.
fn at(seconds: u64) -> Now {
    Now {
        wall: fixture::start().after(Duration::from_secs(seconds)),
        steady: Duration::from_secs(seconds),
    }
}

fn notification(
    id: &str,
    group: &str,
    reason: NotifyReason,
    alerts: &[Arc<Announced>],
) -> Notification {
    Notification {
        id: id.to_owned(),
        group_key: group.to_owned(),
        reason,
        ..fixture::notification(alerts)
    }
}

fn down() -> NotifyError {
    NotifyError::transient("cannot reach http://127.0.0.1:1")
}

/// Takes what is due: its id, and its alerts with `+` for a firing one and `-` for one that has ended.
fn next(queue: &mut Queue, seconds: u64) -> Option<(Arc<Notification>, String)> {
    let Step::Send(sent) = queue.next(at(seconds)) else {
        return None;
    };
    let say = |alert: &Arc<Announced>| {
        let mark = if alert.is_firing() { " +" } else { " -" };
        format!("{mark}{}", alert.labels.get("operation"))
    };
    let said = sent.alerts.iter().map(say).collect::<String>();
    let said = format!("{}{said} {}", sent.id, sent.reason.as_str());
    Some((sent, said))
}

fn said(queue: &mut Queue, seconds: u64) -> Option<String> {
    next(queue, seconds).map(|(_, said)| said)
}

#[test]
fn a_notification_is_tried_with_growing_waits_and_given_up_after_an_hour() {
    let mut queue = Queue::new(10);
    queue.push(
        notification("1", "g", NotifyReason::First, &[fixture::firing("a")]),
        at(0),
    );
    let mut now = at(0);
    let mut waits = Vec::new();
    loop {
        assert!(matches!(queue.next(now), Step::Send(sent) if sent.id == "1"));
        match queue.failed(&down(), now, 1.0).unwrap().1 {
            Fate::Again(wait) => {
                waits.push(wait.as_secs());
                assert_eq!(queue.next(now), Step::WaitUntil(now.steady + wait));
                now.steady += wait;
            }
            Fate::GivenUp => break,
        }
    }
    assert_eq!(waits[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(now.steady, GIVE_UP);
    assert_eq!((queue.next(now), queue.len()), (Step::Idle, 0));
}

#[test]
fn a_refusal_for_good_is_final_at_once() {
    let mut queue = Queue::new(10);
    queue.push(
        notification("1", "g", NotifyReason::First, &[fixture::firing("a")]),
        at(0),
    );
    assert!(said(&mut queue, 0).is_some());
    let (dead, fate) = queue
        .failed(&NotifyError::permanent("answered 400"), at(0), 1.0)
        .unwrap();
    assert_eq!(
        (dead.id.as_str(), fate, queue.len()),
        ("1", Fate::GivenUp, 0)
    );
}

#[test]
fn the_wait_that_the_receiver_asks_for_is_kept_as_far_as_the_hour_goes() {
    for (asked, expected) in [(0, 1), (300, 300), (86_400, 3_600)] {
        let mut queue = Queue::new(10);
        queue.push(
            notification("1", "g", NotifyReason::First, &[fixture::firing("a")]),
            at(0),
        );
        assert!(said(&mut queue, 0).is_some());
        let error = NotifyError::Transient {
            message: "answered 429".to_owned(),
            retry_after: Some(Duration::from_secs(asked)),
        };
        let (_, fate) = queue.failed(&error, at(0), 1.0).unwrap();
        assert_eq!(fate, Fate::Again(Duration::from_secs(expected)));
    }
}

#[test]
fn ends_that_are_too_old_go() {
    let mut queue = Queue::new(10);
    queue.push(
        notification(
            "1",
            "g",
            NotifyReason::AllResolved,
            &[fixture::resolved("a")],
        ),
        at(600),
    );
    queue.push(
        notification("2", "g", NotifyReason::NewFiring, &[fixture::firing("b")]),
        at(600 + 3_600),
    );
    assert_eq!(
        said(&mut queue, 600 + 3_600).as_deref(),
        Some("2 +b new_firing")
    );
}

#[test]
fn groups_do_not_wait_for_each_other_and_the_oldest_goes_when_there_is_no_room() {
    let mut queue = Queue::new(2);
    for (id, group) in [("1", "g"), ("2", "h")] {
        let dropped = queue.push(
            notification(id, group, NotifyReason::First, &[fixture::firing("a")]),
            at(0),
        );
        assert_eq!(dropped, None);
    }
    assert_eq!(said(&mut queue, 0).as_deref(), Some("1 +a first"));
    queue.failed(&down(), at(0), 1.0);
    assert_eq!(said(&mut queue, 0).as_deref(), Some("2 +a first"));
    queue.failed(&down(), at(0), 1.0);
    let dropped = queue.push(
        notification("3", "i", NotifyReason::First, &[fixture::firing("a")]),
        at(0),
    );
    assert_eq!(
        (dropped.map(|n| n.id.clone()), queue.len()),
        (Some("2".to_owned()), 2)
    );
}

#[test]
fn a_draining_queue_tries_everything_once_more() {
    let mut queue = Queue::new(10);
    for (id, group) in [("1", "g"), ("2", "h")] {
        queue.push(
            notification(id, group, NotifyReason::First, &[fixture::firing("a")]),
            at(0),
        );
    }
    assert!(said(&mut queue, 0).is_some());
    queue.failed(&down(), at(0), 1.0);
    queue.drain(at(0));
    assert_eq!(said(&mut queue, 0).as_deref(), Some("1 +a first"));
    queue.delivered();
    assert_eq!(said(&mut queue, 0).as_deref(), Some("2 +a first"));
    queue.failed(&down(), at(0), 1.0);
    assert_eq!((queue.next(at(5_000)), queue.len()), (Step::Idle, 1));
    assert_eq!(queue.clear().len(), 1);
}

/// Applies what became of notifications to those that are kept: their ids, and how many of their alerts fire.
fn keep(kept: &mut std::collections::BTreeMap<String, usize>, queue: &mut Queue) {
    for fortune in queue.take_fortunes() {
        match fortune {
            Fortune::Settled(id) => {
                kept.remove(&id);
            }
            Fortune::Changed(one) => {
                let firing = one.alerts.iter().filter(|alert| alert.is_firing());
                kept.insert(one.id.clone(), firing.count());
            }
        }
    }
}

/// R9, R10: what is kept over a restart is what is not delivered, as it stands last.
#[test]
fn what_is_kept_is_what_waits() {
    let mut kept = std::collections::BTreeMap::from([("1".to_owned(), 1), ("2".to_owned(), 1)]);
    let first = || notification("1", "g", NotifyReason::First, &[fixture::firing("a")]);
    let second = || notification("2", "g", NotifyReason::NewFiring, &[fixture::firing("b")]);
    let mut queue = Queue::new(10);
    queue.push(first(), at(0));
    assert!(said(&mut queue, 0).is_some());
    queue.failed(&down(), at(0), 1.0);
    queue.push(second(), at(1));
    keep(&mut kept, &mut queue);
    assert_eq!(kept.len(), 2, "both are needed for what they are together");
    queue.ended(&fixture::resolved("a"));
    keep(&mut kept, &mut queue);
    let (sent, said) = next(&mut queue, 700).unwrap();
    assert!(said.contains("+b -a"), "{said}");
    assert_eq!(kept, [(sent.id.clone(), 1)].into());
    queue.delivered();
    keep(&mut kept, &mut queue);
    assert_eq!(kept, [].into());
    // Given up is settled as well.
    queue.push(first(), at(800));
    kept.insert("1".to_owned(), 1);
    assert!(self::said(&mut queue, 800).is_some());
    queue.failed(&NotifyError::permanent("answered 400"), at(800), 1.0);
    keep(&mut kept, &mut queue);
    assert_eq!(kept, [].into());
}

#[test]
fn what_may_have_been_told_before_a_restart_changes_its_id_when_it_changes() {
    for again in [false, true] {
        let mut queue = Queue::new(10);
        let one = notification("1", "g", NotifyReason::First, &[fixture::firing("a")]);
        if again {
            queue.push_again(one, at(0));
        } else {
            queue.push(one, at(0));
        }
        queue.ended(&fixture::resolved("a"));
        let (sent, _) = next(&mut queue, 1).unwrap();
        assert_eq!(sent.id != "1", again);
    }
}

/// Fails what is due, which has to be there, and says how many seconds it waits then.
fn fail(queue: &mut Queue, seconds: u64) -> Option<u64> {
    said(queue, seconds).unwrap();
    match queue.failed(&down(), at(seconds), 1.0).unwrap().1 {
        Fate::Again(wait) => Some(wait.as_secs()),
        Fate::GivenUp => None,
    }
}

#[test]
fn other_settings_are_tried_at_once_and_begin_nothing_anew() {
    let mut queue = Queue::new(10);
    let first = notification("1", "g", NotifyReason::First, &[fixture::firing("a")]);
    queue.push(first, at(0));
    assert_eq!(fail(&mut queue, 0), Some(1));
    assert_eq!(fail(&mut queue, 1), Some(2));
    queue.go_on(at(2));
    assert_eq!(said(&mut queue, 2).as_deref(), Some("1 +a first"));
    // What is under way joins what has come of its group meanwhile.
    queue.go_on(at(2));
    let ended = [fixture::resolved("a")];
    let last = notification("2", "g", NotifyReason::AllResolved, &ended);
    queue.push(last, at(2));
    let (_, fate) = queue.failed(&down(), at(2), 1.0).unwrap();
    assert_eq!(fate, Fate::Again(Duration::from_secs(4)));
    queue.go_on(at(3));
    assert_eq!(said(&mut queue, 3).as_deref(), Some("2 -a first"));
    queue.failed(&down(), at(3), 1.0);
    assert_eq!(queue.take_fortunes(), [], "neither is settled");
    queue.go_on(at(4));
    said(&mut queue, 4).unwrap();
    queue.delivered();
    let settled = ["2", "1"].map(|id| Fortune::Settled(id.to_owned()));
    assert_eq!(queue.take_fortunes(), settled);
}

#[test]
fn the_hour_goes_on_with_other_settings() {
    let mut queue = Queue::new(10);
    let first = notification("1", "g", NotifyReason::First, &[fixture::firing("a")]);
    queue.push(first, at(0));
    assert_eq!(fail(&mut queue, 0), Some(1));
    queue.go_on(at(3_599));
    assert_eq!(fail(&mut queue, 3_599), Some(1), "the end of the hour");
    queue.go_on(at(3_600));
    assert_eq!(fail(&mut queue, 3_600), None);
}

#[test]
fn where_nobody_is_to_be_told_any_more_everything_is_given_up() {
    let settled = |id: &str| Fortune::Settled(id.to_owned());
    let one = |id: &str, group: &str| {
        notification(id, group, NotifyReason::First, &[fixture::firing("a")])
    };
    let mut queue = Queue::new(10);
    queue.push(one("1", "g"), at(0));
    assert!(said(&mut queue, 0).is_some());
    queue.push(one("2", "h"), at(0));
    queue.push(one("3", "h"), at(0));
    let dead: Vec<String> = queue.close().iter().map(|one| one.id.clone()).collect();
    assert_eq!(dead, ["3"]);
    assert_eq!(queue.take_fortunes(), [settled("2"), settled("3")]);
    // What is under way is kept until it is known what becomes of it.
    assert!(matches!(&queue.undelivered()[..], [Fortune::Changed(one)] if one.id == "1"));
    let late = queue.push(one("4", "g"), at(0)).unwrap();
    assert_eq!(late.id, "4");
    let (_, fate) = queue.failed(&down(), at(1), 1.0).unwrap();
    assert_eq!(fate, Fate::GivenUp);
    assert_eq!(queue.take_fortunes(), [settled("4"), settled("1")]);
    assert_eq!((queue.len(), queue.next(at(1))), (0, Step::Idle));
    // It comes back.
    queue.go_on(at(2));
    assert_eq!(queue.push(one("5", "g"), at(2)), None);
    assert_eq!(fail(&mut queue, 2), Some(1));
}

#[test]
fn an_end_that_goes_with_its_receiver_stays_news() {
    let mut queue = Queue::new(10);
    let first = notification("1", "g", NotifyReason::First, &[fixture::firing("a")]);
    queue.push(first, at(0));
    queue.ended(&fixture::resolved("a"));
    assert_eq!(fail(&mut queue, 600), Some(1));
    queue.close();
    queue.go_on(at(601));
    let ended = [fixture::resolved("a")];
    let last = notification("2", "g", NotifyReason::AllResolved, &ended);
    queue.push(last, at(601));
    assert_eq!(said(&mut queue, 601).as_deref(), Some("2 -a all_resolved"));
}

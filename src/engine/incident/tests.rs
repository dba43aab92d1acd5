//! What belongs together, what is told of it, and that nothing is lost by it.

use super::*;
use crate::engine::alert::EndReason;
use crate::engine::dispatch::fixture;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(1_000_000 + seconds).unwrap() * 1_000)
}

/// An alert that fires, of a rule over a minute that has looked every ten seconds.
pub(in crate::engine) fn alert(labels: &[(&str, &str)], started: u64) -> Announced {
    Announced {
        starts_at: at(started),
        onset: within(started, 70),
        ..fixture::alert(labels)
    }
}

pub(in crate::engine) fn ended(alert: &Announced, seconds: u64) -> Announced {
    Announced {
        ended: Some((at(seconds), EndReason::Recovered)),
        ..alert.clone()
    }
}

/// Began at most so long before.
fn within(seconds: u64, width: u64) -> Onset {
    Onset {
        earliest: at(seconds).before(Duration::from_secs(width)),
        at: at(seconds),
        latest: at(seconds),
    }
}

fn slow(operation: &str, started: u64) -> Announced {
    alert(&[("alertname", "Slow"), ("operation", operation)], started)
}

fn incidents(merge: u64) -> Incidents {
    let mut incidents = Incidents::default();
    incidents.configure(Some(Duration::from_secs(merge)), BTreeSet::new());
    incidents
}

/// Takes alerts one after the other, and the number of the incident that each is in, by when those came.
fn sort(merge: u64, alerts: &[Announced]) -> Vec<usize> {
    let mut incidents = incidents(merge);
    let mut known = Vec::new();
    let place = |alert: &Announced| {
        incidents.take(&Arc::new(alert.clone()));
        let id = incidents.of(alert.fingerprint).unwrap().id;
        if !known.contains(&id) {
            known.push(id);
        }
        known.iter().position(|one| *one == id).unwrap()
    };
    alerts.iter().map(place).collect()
}

#[test]
fn alerts_that_began_together_are_one_incident() {
    let errors = |operation, started| {
        alert(
            &[("alertname", "Errors"), ("operation", operation)],
            started,
        )
    };
    let vague = |alert: Announced, started| Announced {
        onset: within(started, 7_200),
        ..alert
    };
    let all = alert(&[("alertname", "Memory")], 30);
    for (merge, alerts, expected) in [
        // Of one operation and of others, while their starts may be the same.
        (
            0,
            vec![slow("a", 0), errors("a", 60), errors("b", 69)],
            vec![0, 0, 0],
        ),
        // From one to the next there is always a moment in common, but not for all: none drifts on.
        (
            0,
            vec![slow("a", 0), slow("b", 69), slow("c", 138)],
            vec![0, 0, 1],
        ),
        // What is allowed between them counts from the end of what is known.
        (60, vec![slow("a", 0), slow("b", 130)], vec![0, 0]),
        (60, vec![slow("a", 0), slow("b", 131)], vec![0, 1]),
        // A start that is known no closer than an hour tells nothing of other operations.
        (
            0,
            vec![slow("a", 0), vague(errors("b", 60), 60)],
            vec![0, 1],
        ),
        (
            0,
            vec![slow("a", 0), vague(errors("a", 60), 60)],
            vec![0, 0],
        ),
        (0, vec![slow("a", 0), vague(all.clone(), 60)], vec![0, 0]),
        (0, vec![vague(slow("a", 0), 0), slow("b", 0)], vec![0, 1]),
        // Of several, the one of the same operation; else the later.
        (
            60,
            vec![slow("a", 0), slow("b", 200), errors("a", 120)],
            vec![0, 1, 0],
        ),
        (
            60,
            vec![slow("a", 0), slow("b", 200), slow("c", 190)],
            vec![0, 1, 1],
        ),
    ] {
        assert_eq!(sort(merge, &alerts), expected, "{alerts:?}");
    }
}

#[test]
fn another_level_of_an_instance_is_the_same_incident_whenever_it_comes() {
    let level = |severity, started| {
        alert(
            &[
                ("alertname", "Slow"),
                ("operation", "a"),
                ("severity", severity),
            ],
            started,
        )
    };
    let (medium, high) = (level("medium", 0), level("high", 9_000));
    let alerts = [
        medium.clone(),
        high.clone(),
        ended(&medium, 9_000),
        slow("b", 9_000),
    ];
    assert_eq!(sort(0, &alerts), [0, 0, 0, 1]);
    // An operation that has been worse for hours and becomes worse in another way does so anew.
    let errors = alert(&[("alertname", "Errors"), ("operation", "a")], 9_000);
    assert_eq!(sort(0, &[medium.clone(), errors]), [0, 1]);
    let mut incidents = incidents(0);
    for alert in &alerts[..3] {
        incidents.take(&Arc::new(alert.clone()));
    }
    let tale = incidents.of(high.fingerprint).unwrap().tale(Vec::new());
    assert_eq!((tale.alerts, tale.firing, tale.operations), (1, 1, 1));
}

#[test]
fn an_incident_is_over_with_its_last_alert_and_another_one_begins_after_that() {
    let mut incidents = incidents(0);
    let mut take = |alert: &Announced| {
        incidents.take(&Arc::new(alert.clone()));
        let incident = incidents.of(alert.fingerprint).unwrap();
        (incident.id, incident.ended_at, incidents.open_count())
    };
    let (a, b) = (slow("a", 0), slow("b", 10));
    let (first, ..) = take(&a);
    assert_eq!(take(&b), (first, None, 1));
    assert_eq!(take(&ended(&a, 100)), (first, None, 1));
    // One that comes back while the other fires is in it again, however long that has been.
    let back = slow("a", 20_000);
    assert_eq!(take(&back), (first, None, 1));
    assert_eq!(take(&ended(&b, 20_100)), (first, None, 1));
    assert_eq!(take(&ended(&back, 20_200)), (first, Some(at(20_200)), 0));
    let (second, ..) = take(&slow("a", 20_210));
    assert_ne!(second, first);
    assert_eq!(incidents.opened, 2);
    let over: Vec<bool> = incidents.all().map(Incident::is_open).collect();
    assert_eq!(over.iter().filter(|is_open| **is_open).count(), 1);
}

#[test]
fn only_the_last_that_are_over_are_remembered() {
    let mut incidents = incidents(0);
    for round in 0..150 {
        let operation = match round {
            0 => "first".to_owned(),
            round => format!("{}", round % 120),
        };
        let alert = slow(&operation, round * 1_000);
        incidents.take(&Arc::new(alert.clone()));
        if round > 0 {
            incidents.take(&Arc::new(ended(&alert, round * 1_000 + 100)));
        }
    }
    assert_eq!((incidents.open_count(), incidents.all().count()), (1, 101));
    assert_eq!(incidents.opened, 150);
    // Of those that are forgotten nothing is left.
    assert_eq!(incidents.of.len(), 101);
    assert_eq!(incidents.of_instance.len(), 101);
    incidents.configure(None, BTreeSet::new());
    assert_eq!((incidents.open_count(), incidents.all().count()), (0, 0));
    incidents.take(&Arc::new(slow("a", 0)));
    assert_eq!(incidents.all().count(), 0);
}

//! How incidents are told: once, by the alert that explains most, and never so that an alert is lost.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::restart::Kept;
use super::*;
use crate::engine::dispatch::{GroupBy, Integration, NotifyReason, Timing};
use crate::engine::incident::tests::{alert, ended};

const WAIT: u64 = 30;
const INTERVAL: u64 = 300;
/// Between two looks.
const TICK: u64 = 10;

fn route(key: &str, receiver: &str, matchers: &str, routes: Vec<Route>) -> Route {
    let seconds = Duration::from_secs;
    let timing = Timing {
        group_wait: seconds(WAIT),
        group_interval: seconds(INTERVAL),
        repeat_interval: seconds(4_000),
    };
    let group_by = GroupBy::Labels(vec!["alertname".into()]);
    Route {
        key: key.into(),
        matchers: Selector::parse(matchers).unwrap(),
        go_on: !matchers.is_empty() && matchers != "{}",
        mute_time_intervals: Vec::new(),
        active_time_intervals: Vec::new(),
        ordinal: 0,
        routes,
        ..Route::root(receiver, group_by, timing)
    }
}

/// All are told to a team, and those of a high severity to a pager as well, one by one.
fn settings(incidents: Option<Duration>) -> Settings {
    let mut pager = route("{}/pager", "pager", "{severity=\"high\"}", Vec::new());
    pager.group_by = GroupBy::All;
    pager.timing.group_wait = Duration::ZERO;
    let team = route("{}/team", "team", "{alertname=~\".+\"}", Vec::new());
    let receiver = |name: &str, means: &[bool]| Receiver {
        name: name.into(),
        integrations: (means.iter())
            .map(|send_resolved| Integration {
                send_resolved: *send_resolved,
            })
            .collect(),
    };
    Settings {
        route: Some(route("{}", "nobody", "{}", vec![pager, team])),
        receivers: vec![
            receiver("team", &[true, false]),
            receiver("pager", &[true]),
            receiver("nobody", &[]),
            receiver("desk", &[true]),
        ],
        incidents,
        told_by_group: [("desk".to_owned(), 0)].into(),
        ..Settings::default()
    }
}

fn with_incidents() -> Engine {
    Engine::new(settings(Some(incident::MERGE)), at(0))
}

fn of(rule: &str, operation: &str, severity: &str, started: u64) -> Announced {
    let labels = [
        ("alertname", rule),
        ("operation", operation),
        ("severity", severity),
    ];
    alert(&labels, started)
}

fn take(engine: &mut Engine, alert: &Announced, seconds: u64) {
    let effects = Effects {
        announced: vec![Arc::new(alert.clone())],
        ..Effects::default()
    };
    engine.note(&effects, at(seconds));
}

/// Who is told why of which rules in which order, and in how many incidents.
type Word = (u64, &'static str, NotifyReason, String, usize);

/// Looks from one time up to another and says what was told.
fn look(engine: &mut Engine, from: u64, to: u64) -> Vec<Word> {
    let mut words = Vec::new();
    for seconds in (from..=to).filter(|seconds| seconds % TICK == 0) {
        for told in engine.flush(at(seconds)) {
            if told.integration == 0 {
                let mark = |a: &Arc<Announced>| {
                    let mark = if a.is_firing() { "+" } else { "-" };
                    format!("{mark}{}", a.rule)
                };
                let names: Vec<String> = told.alerts.iter().map(mark).collect();
                let receiver = match &*told.receiver {
                    "team" => "team",
                    _ => "pager",
                };
                let count = told.incidents.len();
                words.push((seconds, receiver, told.reason, names.join(" "), count));
            }
        }
    }
    words
}

#[test]
fn what_began_together_is_told_as_one_and_its_end_as_well() {
    use NotifyReason::{AllResolved, First, NewFiring};
    let mut engine = with_incidents();
    let cpu = of("Cpu", "a", "low", 0);
    let mut errors = of("Errors", "b", "medium", 10);
    errors.value = Some(1.5);
    let slow = of("Slow", "c", "medium", 20);
    for alert in [&cpu, &errors, &slow] {
        take(&mut engine, alert, 20);
    }
    let told = |at, reason, names: &str| (at, "team", reason, names.to_owned(), 1);
    // With the first that is due; the one that is furthest off its limit before one that is less so.
    assert_eq!(
        look(&mut engine, 20, 300),
        [told(50, First, "+Slow +Errors +Cpu")]
    );
    assert_eq!(engine.incidents().merged, 4);
    // One that comes later waits for the next look, as it would in the same group.
    let memory = of("Memory", "a", "low", 310);
    let memory = Announced {
        onset: cpu.onset,
        ..memory
    };
    take(&mut engine, &memory, 310);
    assert_eq!(
        look(&mut engine, 310, 650),
        [told(350, NewFiring, "+Memory")]
    );
    take(&mut engine, &ended(&cpu, 660), 660);
    assert_eq!(
        look(&mut engine, 660, 960),
        [told(950, AllResolved, "-Cpu")]
    );
    for alert in [&errors, &slow, &memory] {
        take(&mut engine, &ended(alert, 970), 970);
    }
    assert_eq!(
        look(&mut engine, 970, 2_000),
        [told(1_250, AllResolved, "-Slow -Errors -Memory")]
    );
    assert_eq!(engine.incidents().open_count(), 0);
}

#[test]
fn without_incidents_every_group_is_told_by_itself() {
    let mut engine = Engine::new(settings(None), at(0));
    for alert in [of("Cpu", "a", "low", 0), of("Slow", "c", "medium", 0)] {
        take(&mut engine, &alert, 0);
    }
    let told = look(&mut engine, 0, 100);
    let names: Vec<&str> = told.iter().map(|(.., names, _)| names.as_str()).collect();
    assert_eq!(names, ["+Cpu", "+Slow"]);
    assert!(told.iter().all(|(.., incidents)| *incidents == 0));
}

/// A service that keeps a ticket for each group would close that of all when one group has ended.
#[test]
fn who_knows_messages_by_their_group_is_told_of_each_by_itself() {
    let mut settings = settings(Some(incident::MERGE));
    let desk = route("{}", "desk", "{}", Vec::new());
    settings.route = Some(desk);
    let mut engine = Engine::new(settings, at(0));
    let alerts = [of("Cpu", "a", "low", 0), of("Slow", "c", "medium", 10)];
    for alert in &alerts {
        take(&mut engine, alert, 10);
    }
    let told: Vec<Notification> = (0..100)
        .flat_map(|seconds| engine.flush(at(seconds)))
        .collect();
    let groups: Vec<&str> = told.iter().map(|one| &*one.group_key).collect();
    assert_eq!(
        groups,
        [r#"{}:{alertname="Cpu"}"#, r#"{}:{alertname="Slow"}"#]
    );
    let id = told[0].incidents[0].id;
    assert!(
        told.iter()
            .all(|one| one.incidents.len() == 1 && one.incidents[0].id == id)
    );
    assert_eq!(engine.incidents().merged, 0);
}

#[test]
fn what_is_worse_or_has_nothing_to_do_with_it_does_not_wait() {
    use NotifyReason::{First, NewFiring};
    let mut engine = with_incidents();
    take(&mut engine, &of("Cpu", "a", "low", 0), 0);
    assert_eq!(look(&mut engine, 0, 50).len(), 1);
    // The same incident, more severe than is known: to the team after its own wait, to the pager at once.
    take(&mut engine, &of("Errors", "a", "high", 60), 60);
    let told = |at, receiver, reason, names: &str| (at, receiver, reason, names.to_owned(), 1);
    assert_eq!(
        look(&mut engine, 60, 100),
        [
            told(60, "pager", First, "+Errors"),
            told(90, "team", NewFiring, "+Errors")
        ]
    );
    // No more than the team knows, but another incident: it began much later.
    take(&mut engine, &of("Slow", "a", "low", 1_000), 1_000);
    let words = look(&mut engine, 1_000, 1_040);
    assert_eq!(words, [told(1_030, "team", First, "+Slow")]);
    assert_eq!(engine.incidents().open_count(), 2);
}

#[test]
fn a_notification_of_a_group_with_alerts_of_several_incidents_names_them_all() {
    let mut engine = with_incidents();
    let first = of("Slow", "a", "low", 0);
    let second = of("Slow", "b", "medium", 2_000);
    let third = of("Errors", "b", "low", 2_000);
    take(&mut engine, &first, 0);
    assert_eq!(look(&mut engine, 0, 1_990).len(), 1);
    take(&mut engine, &second, 2_000);
    take(&mut engine, &third, 2_000);
    let told: Vec<Notification> = (2_000..2_400)
        .flat_map(|seconds| engine.flush(at(seconds)))
        .filter(|told| told.integration == 0)
        .collect();
    let [told] = told.as_slice() else {
        panic!("{told:?}")
    };
    let members: Vec<_> = told.incidents.iter().map(|tale| &tale.members).collect();
    let fingerprint = |alert: &Announced| alert.fingerprint;
    assert_eq!(
        members,
        [
            &vec![fingerprint(&second), fingerprint(&third)],
            &vec![fingerprint(&first)]
        ]
    );
    let order: Vec<u64> = told.alerts.iter().map(|alert| alert.fingerprint).collect();
    assert_eq!(order, [&second, &third, &first].map(fingerprint));
}

/// What happens to an alert: it begins to fire, or ends.
#[derive(Clone, Copy, Debug)]
struct Event {
    after: u64,
    which: usize,
    restart: bool,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (0..40_u64, 0..12_usize, prop::bool::weighted(0.3));
    let event = event.prop_map(|(ticks, which, restart)| Event {
        after: ticks * TICK,
        which,
        restart,
    });
    prop::collection::vec(event, 1..40)
}

/// The alert of a number, as it would begin to fire now.
fn numbered(which: usize, started: u64) -> Announced {
    let rules = ["Slow", "Errors", "Cpu"];
    of(
        rules[which % 3],
        ["a", "b"][which / 3 % 2],
        ["medium", "high"][which / 6],
        started,
    )
}

/// Goes through events, then on until nothing more is due, and returns everything that was told.
fn run(events: &[Event], incidents: Option<Duration>, restarts: bool) -> Vec<(u64, Notification)> {
    let mut engine = Engine::new(settings(incidents), at(0));
    let mut kept = Kept::default();
    let mut firing: BTreeMap<usize, Announced> = BTreeMap::new();
    let (mut now, mut told) = (0, Vec::new());
    let mut go = |engine: &mut Engine, from: u64, to: u64| {
        for seconds in (from..to).step_by(10) {
            let notifications = engine.flush(at(seconds)).into_iter();
            told.extend(notifications.map(|one| (seconds, one)));
        }
    };
    for event in events {
        go(&mut engine, now, now + event.after);
        now += event.after;
        match firing.remove(&event.which) {
            Some(alert) => take(&mut engine, &ended(&alert, now), now),
            None => {
                let alert = numbered(event.which, now);
                take(&mut engine, &alert, now);
                firing.insert(event.which, alert);
            }
        }
        kept.save(&mut engine);
        if event.restart && restarts {
            engine = Engine::new(settings(incidents), at(0));
            kept.restore_into(&mut engine, at(now));
        }
    }
    go(&mut engine, now, now + 1_000);
    told
}

/// The same events, but so that every alert is told before it ends: of one that was never told a restart may leave nothing.
fn told_before_they_end(events: &[Event]) -> Vec<Event> {
    let (mut now, mut since) = (0, BTreeMap::new());
    let later = events.iter().map(|event| {
        let least = match since.remove(&event.which) {
            Some(from) => from + WAIT + INTERVAL + TICK,
            None => 0,
        };
        let before = now;
        now = (now + event.after).max(least);
        if least == 0 {
            since.insert(event.which, now);
        }
        Event {
            after: now - before,
            ..*event
        }
    });
    later.collect()
}

/// When each alert fired: from, and up to when.
fn episodes(events: &[Event]) -> Vec<(usize, u64, u64)> {
    let (mut now, mut since, mut all) = (0, BTreeMap::new(), Vec::new());
    for event in events {
        now += event.after;
        match since.remove(&event.which) {
            Some(from) => all.push((event.which, from, now)),
            None => {
                since.insert(event.which, now);
            }
        }
    }
    let open = since.into_iter();
    all.extend(open.map(|(which, from)| (which, from, u64::MAX)));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever an alert is routed to has the last word on it within a wait and an interval: that it fires while it does,
    /// and, where ends are told, that it has ended once it has.
    #[test]
    fn no_alert_is_lost_in_an_incident(events in events()) {
        let told = run(&events, Some(incident::MERGE), true);
        let late = WAIT + INTERVAL + TICK;
        let word = |who: (&str, usize), fingerprint: u64, up_to: u64| {
            let to = |one: &&(u64, Notification)| {
                one.0 <= up_to && one.1.receiver == who.0 && one.1.integration == who.1
            };
            let of = |one: &(u64, Notification)| {
                one.1.alerts.iter().find(|a| a.fingerprint == fingerprint).map(|a| a.is_firing())
            };
            told.iter().filter(to).filter_map(of).next_back()
        };
        let end = told.last().map_or(0, |(at, _)| *at) + 1_000;
        let all = episodes(&events);
        for (which, from, to) in &all {
            let fingerprint = numbered(*which, 0).fingerprint;
            let is_high = *which >= 6;
            let mut receivers = vec![("team", 0), ("team", 1)];
            receivers.extend(is_high.then_some(("pager", 0)));
            for who in receivers {
                if *to > from + late && from + late <= end {
                    prop_assert_eq!(word(who, fingerprint, from + late), Some(true), "{:?} {} {}", who, which, from);
                }
                let again = all.iter().filter(|one| one.0 == *which && one.1 >= *to).map(|one| one.1).min();
                let is_told_of_ends = who != ("team", 1);
                if *to != u64::MAX && is_told_of_ends && again.is_none_or(|again| again > to + late) {
                    prop_assert_ne!(word(who, fingerprint, to + late), Some(true), "{:?} {} {}", who, which, to);
                }
            }
        }
        // Each alert stands once in a message, in one incident, those that fire before those that have ended.
        for (_, one) in &told {
            let alerts: BTreeSet<u64> = one.alerts.iter().map(|alert| alert.fingerprint).collect();
            let members: Vec<u64> = one.incidents.iter().flat_map(|tale| tale.members.clone()).collect();
            prop_assert_eq!(alerts.len(), one.alerts.len());
            prop_assert_eq!(&members.iter().copied().collect::<BTreeSet<u64>>(), &alerts);
            prop_assert_eq!(members.len(), one.alerts.len());
            prop_assert!(one.alerts.is_sorted_by_key(|alert| !alert.is_firing()));
        }
    }

    #[test]
    fn a_restart_changes_nothing_in_what_is_told(events in events()) {
        let events = told_before_they_end(&events);
        let merge = Some(incident::MERGE);
        prop_assert_eq!(run(&events, merge, true), run(&events, merge, false));
    }

    /// An incident that all see from its start is told to each of them once, whichever groups its alerts are in.
    #[test]
    fn one_cause_is_one_message(which in prop::collection::btree_set(0..12_usize, 1..12)) {
        let events: Vec<Event> = which.iter().map(|which| Event { after: 0, which: *which, restart: false }).collect();
        let told = run(&events, Some(incident::MERGE), true);
        let to = |receiver: &str, integration| {
            told.iter().filter(|(_, one)| one.receiver == receiver && one.integration == integration).count()
        };
        let has_high = which.iter().any(|which| *which >= 6);
        prop_assert_eq!((to("team", 0), to("team", 1)), (1, 1));
        prop_assert_eq!(to("pager", 0), usize::from(has_high));
    }
}

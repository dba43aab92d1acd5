//! Windows over changes of the clocks, what is started and ended, and what is told after it.

use jiff::tz::TimeZone;

use super::super::muting::tests::{at, dispatcher, is, silence, told, update};
use super::super::{Dispatcher, NotifyReason, matching};
use super::*;
use NotifyReason::{First, MaintenanceEnded, SilenceEnded};

fn moment(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// Berlin's rule: +1 in winter, +2 in summer.
fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

fn window(intervals: Vec<TimeInterval>) -> Window {
    Window {
        name: "nightly".into(),
        matchers: matching::parse("n=1").unwrap(),
        intervals,
        stops_learning: true,
    }
}

fn daily(zone: TimeZone, times: &[(u16, u16)]) -> Vec<TimeInterval> {
    vec![TimeInterval {
        times: times.iter().map(|(a, b)| (a * 60, b * 60)).collect(),
        zone,
        ..TimeInterval::default()
    }]
}

#[test]
fn stretches_are_the_moments_that_an_interval_contains_also_where_the_clocks_are_changed() {
    let nights = daily(berlin(), &[(22, 24), (0, 3)]);
    let lord_howe = TimeZone::posix("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0").unwrap();
    let sundays = vec![TimeInterval {
        weekdays: vec![0..=0],
        times: vec![(90, 150)],
        zone: lord_howe,
        ..TimeInterval::default()
    }];
    for intervals in [nights, sundays, daily(TimeZone::UTC, &[]), Vec::new()] {
        for (from, to) in [
            ("2024-03-29T05:00:00Z", "2024-04-09T07:10:00Z"),
            ("2024-10-04T01:00:00Z", "2024-10-29T00:00:00Z"),
        ] {
            let (from, to) = (moment(from), moment(to));
            let stretches = interval::stretches(&intervals, from, to);
            let mut at = from;
            while at < to {
                let is_in = stretches.iter().any(|(a, b)| *a <= at && at < *b);
                let contains = intervals.iter().any(|one| one.contains(at));
                assert_eq!(is_in, contains, "{at} {stretches:?}");
                at = at.after(Duration::from_secs(300));
            }
            assert!(stretches.windows(2).all(|two| two[0].1 < two[1].0));
        }
    }
}

#[test]
fn a_night_in_which_the_clocks_are_changed_is_an_hour_shorter_or_longer() {
    let window = window(daily(berlin(), &[(1, 4)]));
    for (now, starts_at, ends_at) in [
        // An ordinary night, seen before it and in it.
        (
            "2024-03-29T12:00:00Z",
            "2024-03-30T00:00:00.000Z",
            "2024-03-30T03:00:00.000Z",
        ),
        (
            "2024-03-30T01:00:00Z",
            "2024-03-30T00:00:00.000Z",
            "2024-03-30T03:00:00.000Z",
        ),
        (
            "2024-03-30T12:00:00Z",
            "2024-03-31T00:00:00.000Z",
            "2024-03-31T02:00:00.000Z",
        ),
        (
            "2024-10-26T12:00:00Z",
            "2024-10-26T23:00:00.000Z",
            "2024-10-27T03:00:00.000Z",
        ),
    ] {
        let next = window.next(moment(now));
        assert_eq!(next.starts_at.unwrap().to_string(), starts_at, "{now}");
        assert_eq!(next.ends_at.unwrap().to_string(), ends_at, "{now}");
        assert_eq!(next.is_open, window.is_open(moment(now)), "{now}");
    }
}

#[test]
fn what_comes_rarely_or_never_or_goes_on_for_ever_is_said_so() {
    let now = moment("2026-05-01T00:00:00Z");
    let leap_day = TimeInterval {
        months: vec![2..=2],
        days_of_month: vec![(29, 29)],
        ..TimeInterval::default()
    };
    let next = window(vec![leap_day]).next(now);
    assert_eq!(next.starts_at, Some(moment("2028-02-29T00:00:00Z")));
    let past = TimeInterval {
        years: vec![2020..=2025],
        ..TimeInterval::default()
    };
    assert_eq!(window(vec![past]).next(now), Next::default());
    let always = window(vec![TimeInterval::default()]).next(now);
    assert_eq!(
        (always.is_open, always.starts_at, always.ends_at),
        (true, None, None)
    );
}

/// One until then that is of `n=1`.
fn until(end: u64) -> Started {
    Started {
        id: String::new(),
        name: "training".into(),
        matchers: matching::parse("n=1").unwrap(),
        starts_at: Timestamp::default(),
        ends_at: at(end).wall,
        stops_learning: false,
        created_by: "ann".into(),
        comment: String::new(),
    }
}

fn start(dispatcher: &mut Dispatcher, now: u64, end: u64) -> String {
    let all = Arc::make_mut(&mut dispatcher.maintenance);
    let started = all.start(until(end), at(now).wall).unwrap();
    started.id.clone()
}

#[test]
fn an_alert_is_told_when_its_maintenance_ends_while_it_fires() {
    let mut d = dispatcher(|_| ());
    let id = start(&mut d, 0, 5_000);
    update(&mut d, &[("n", "1")], 10, None);
    update(&mut d, &[("n", "2")], 10, None);
    assert_eq!(told(&mut d, 10), is(First, &["2"]));
    let muting = d.alerts(at(11)).into_iter().map(|(_, muting)| muting);
    let held: Vec<_> = muting.filter(|muting| muting.is_suppressed()).collect();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].maintained_by, ["training"]);
    assert_eq!(told(&mut d, 110), []);
    let all = Arc::make_mut(&mut d.maintenance);
    all.end(&id, at(150).wall).unwrap();
    let mut now = told(&mut d, 210);
    now[0].1.sort();
    assert_eq!(now, is(MaintenanceEnded, &["1", "2"]));
    assert_eq!(told(&mut d, 310), []);
    assert_eq!(d.held_back().counts()[4], ("maintenance", 2));
}

#[test]
fn what_recurs_ends_by_itself_and_what_is_new_beside_it_is_more_than_that() {
    let minutes = TimeInterval {
        times: vec![(0, 3)],
        ..TimeInterval::default()
    };
    let mut d = dispatcher(|_| ());
    Arc::make_mut(&mut d.maintenance).set_windows(vec![window(vec![minutes])]);
    update(&mut d, &[("n", "1")], 10, None);
    assert_eq!(told(&mut d, 10), []);
    assert_eq!(told(&mut d, 110), []);
    update(&mut d, &[("n", "2")], 200, None);
    let mut now = told(&mut d, 210);
    now[0].1.sort();
    assert_eq!(now, is(First, &["1", "2"]));
    // Told before, and beside a silence of the same alert: whichever ends last says so.
    start(&mut d, 220, 450);
    silence(&mut d, "n=1", 220, 350);
    for now in [310, 410] {
        assert_eq!(told(&mut d, now), []);
    }
    let mut now = told(&mut d, 510);
    now[0].1.sort();
    assert_eq!(now, is(MaintenanceEnded, &["1", "2"]));
    start(&mut d, 520, 550);
    silence(&mut d, "n=1", 520, 650);
    assert_eq!(told(&mut d, 610), []);
    let mut now = told(&mut d, 710);
    now[0].1.sort();
    assert_eq!(now, is(SilenceEnded, &["1", "2"]));
}

#[test]
fn what_ends_under_maintenance_is_not_told() {
    let mut d = dispatcher(|_| ());
    start(&mut d, 0, 1_000);
    update(&mut d, &[("n", "1")], 10, None);
    assert_eq!(told(&mut d, 10), []);
    update(&mut d, &[("n", "1")], 10, Some(50));
    assert_eq!(told(&mut d, 110), []);
    assert_eq!((d.group_count(), d.next_due()), (0, None));
    update(&mut d, &[("n", "3")], 120, None);
    assert_eq!(told(&mut d, 210), is(First, &["3"]));
}

#[test]
fn it_is_ended_by_id_or_by_name_and_what_cannot_be_is_said() {
    let mut all = Maintenance::default();
    all.set_windows(vec![window(Vec::new())]);
    let now = at(100).wall;
    let ids: Vec<String> = (0..3)
        .map(|_| all.start(until(1_000), now).unwrap().id.clone())
        .collect();
    assert_eq!(all.active(now), 3);
    assert_eq!(all.end(&ids[0], at(200).wall).unwrap().len(), 1);
    assert_eq!(all.end("training", at(300).wall).unwrap().len(), 2);
    assert_eq!(all.active(at(300).wall), 0);
    for (which, expected) in [
        ("training", MaintenanceError::Ended("training".to_owned())),
        ("nightly", MaintenanceError::Recurs("nightly".to_owned())),
        ("x", MaintenanceError::NotFound("x".to_owned())),
    ] {
        assert_eq!(all.end(which, at(400).wall), Err(expected));
    }
    let wrong = |change: &dyn Fn(&mut Started)| {
        let mut one = until(1_000);
        change(&mut one);
        Maintenance::default().start(one, now).unwrap_err()
    };
    use MaintenanceError::{EndsInThePast, MatchesEverything, TooLarge};
    assert_eq!(wrong(&|one| one.matchers.clear()), MatchesEverything);
    let empty = matching::parse("a=~\".*\"").unwrap();
    assert_eq!(
        wrong(&|one| one.matchers.clone_from(&empty)),
        MatchesEverything
    );
    assert_eq!(wrong(&|one| one.ends_at = now), EndsInThePast(now));
    assert!(matches!(
        wrong(&|one| one.comment = "x".repeat(MOST_BYTES)),
        TooLarge(_)
    ));
}

#[test]
fn what_has_ended_is_remembered_for_as_long_as_it_matters_to_learning() {
    let mut all = Maintenance::default();
    let learning = Started {
        stops_learning: true,
        ..until(1_000)
    };
    let id = all.start(learning, at(0).wall).unwrap().id.clone();
    let quiet = all.start(until(1_000), at(0).wall).unwrap().id.clone();
    let month = DAY * 30;
    let after = |days: u32| at(1_000).wall.after(DAY * days);
    assert!(all.forgettable(after(4), month).is_empty());
    assert_eq!(all.forgettable(after(5), month), [quiet]);
    assert!(all.forgettable(after(30), month).contains(&id));
    let any = |_: &[Matcher]| true;
    let stretches = all.not_learned(any, at(500).wall, after(1));
    assert_eq!(stretches, [(at(0).wall, at(1_000).wall)]);
}

//! What is collected and told once, by the clock of a zone, and what is left for the next one.

use jiff::tz::TimeZone;

use super::super::muting::tests::{at, dispatcher, silence, told, update};
use super::super::{Dispatcher, Receiver};
use super::*;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn daily(also_told: bool) -> Digest {
    Digest {
        name: "daily".into(),
        receiver: "reader".into(),
        matchers: Selector::parse("n=~\"1|2\"").unwrap(),
        when: TimeInterval {
            times: vec![(8 * 60, 8 * 60 + 1)],
            ..TimeInterval::default()
        },
        is_also_told: also_told,
    }
}

fn collecting(also_told: bool) -> Dispatcher {
    let mut d = dispatcher(|routing| {
        routing.receivers.push(Receiver {
            name: "reader".into(),
            ..routing.receivers[0].clone()
        });
        routing.digests = vec![daily(also_told)];
    });
    assert!(d.digests(at(DAY)).is_empty());
    d
}

/// What a digest says at that time: each alert, whether it fires, and what it has done.
fn said(d: &mut Dispatcher, seconds: u64) -> Vec<(String, bool, String)> {
    let digests = d.digests(at(seconds));
    let all = digests.iter().flat_map(|one| {
        assert_eq!((one.reason.as_str(), &*one.receiver), ("digest", "reader"));
        assert_eq!(one.group_labels.get("digest"), "daily");
        one.alerts.iter().map(|alert| {
            let text = alert.annotations.get("digest").to_owned();
            (alert.labels.get("n").to_owned(), alert.is_firing(), text)
        })
    });
    all.collect()
}

#[test]
fn what_fired_is_told_once_at_its_time_and_what_still_fires_again_in_the_next() {
    let mut d = collecting(false);
    for hour in [1, 3, 5] {
        let begin = DAY + hour * HOUR;
        update(&mut d, &[("n", "1")], begin, None);
        // The same word again is no further beginning.
        update(&mut d, &[("n", "1")], begin, None);
        update(&mut d, &[("n", "1")], begin, Some(begin + 600));
    }
    update(&mut d, &[("n", "2")], DAY + 7 * HOUR, None);
    update(&mut d, &[("n", "3")], DAY + 7 * HOUR, None);
    // By its route only what is not collected is told.
    let routed = told(&mut d, DAY + 7 * HOUR + 100);
    assert_eq!(routed[0].1, ["3"]);
    let (_, muting) = &d.alerts(at(DAY + 7 * HOUR + 200))[0];
    assert!(muting.is_suppressed() && muting.collected_by == ["daily"]);
    assert_eq!(said(&mut d, DAY + 8 * HOUR - 1), []);
    let one = |n: &str, fires, text: &str| (n.to_owned(), fires, text.to_owned());
    assert_eq!(
        said(&mut d, DAY + 8 * HOUR + 5),
        [
            one("2", true, "fired once, for 1h 0m 5s; still fires"),
            one("1", false, "fired 3 times, for 30m 0s in all; has ended"),
        ]
    );
    assert_eq!(said(&mut d, DAY + 8 * HOUR + 6), []);
    assert_eq!(said(&mut d, DAY + 20 * HOUR), []);
    assert_eq!(
        said(&mut d, 2 * DAY + 8 * HOUR),
        [one("2", true, "fired all the time; still fires")]
    );
    update(
        &mut d,
        &[("n", "2")],
        DAY + 7 * HOUR,
        Some(2 * DAY + 9 * HOUR),
    );
    let ended = said(&mut d, 3 * DAY + 8 * HOUR);
    assert_eq!(ended[0].2, "fired all the time; has ended");
    // Nothing to say is not said.
    assert_eq!(said(&mut d, 4 * DAY + 9 * HOUR), []);
}

#[test]
fn what_is_silenced_is_in_no_digest_and_what_is_also_told_is_told_by_its_route() {
    let mut d = collecting(true);
    silence(&mut d, "n=2", DAY, 2 * DAY);
    for n in ["1", "2"] {
        update(&mut d, &[("n", n)], DAY + HOUR, None);
    }
    assert_eq!(told(&mut d, DAY + HOUR)[0].1, ["1"]);
    let digest = said(&mut d, DAY + 8 * HOUR);
    assert_eq!(digest.iter().map(|one| &*one.0).collect::<Vec<_>>(), ["1"]);
}

#[test]
fn a_time_of_day_follows_the_clock_of_its_zone() {
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let at_two = |from: u16| Digest {
        when: TimeInterval {
            times: vec![(from, from + 1)],
            weekdays: vec![0..=0, 6..=6],
            zone: zone.clone(),
            ..TimeInterval::default()
        },
        ..daily(false)
    };
    let next = |digest: &Digest, after: &str| {
        let after = Timestamp::parse(after).unwrap();
        digest.next(after).unwrap().to_string()
    };
    let eight = at_two(8 * 60);
    for (after, expected) in [
        ("2024-03-29T12:00:00Z", "2024-03-30T07:00:00.000Z"),
        ("2024-03-30T07:00:00Z", "2024-03-31T06:00:00.000Z"),
        ("2024-03-31T06:00:00Z", "2024-04-06T06:00:00.000Z"),
        ("2024-10-26T06:00:00Z", "2024-10-27T07:00:00.000Z"),
    ] {
        assert_eq!(next(&eight, after), expected, "{after}");
    }
    // Several times a day, each by itself, also where one begins as the other ends; in some months alone.
    let often = Digest {
        when: TimeInterval {
            times: vec![(17 * 60, 17 * 60 + 1), (540, 541), (541, 542)],
            days_of_month: vec![(-1, -1)],
            months: vec![2..=2],
            zone: zone.clone(),
            ..TimeInterval::default()
        },
        ..daily(false)
    };
    for (after, expected) in [
        ("2024-02-10T12:00:00Z", "2024-02-29T08:00:00.000Z"),
        ("2024-02-29T08:00:00Z", "2024-02-29T08:01:00.000Z"),
        ("2024-02-29T08:01:30Z", "2024-02-29T16:00:00.000Z"),
        ("2024-02-29T16:00:00Z", "2025-02-28T08:00:00.000Z"),
    ] {
        assert_eq!(next(&often, after), expected, "{after}");
    }
    // A time that is skipped does not come on that day.
    let half_past_two = at_two(150);
    assert_eq!(
        next(&half_past_two, "2024-03-30T12:00:00Z"),
        "2024-04-06T00:30:00.000Z"
    );
}

//! `time_intervals:`, and `mute_time_intervals:` as it was called before, with Alertmanager's keys.

use std::ops::RangeInclusive;

use jiff::tz::TimeZone;

use super::wire;
use crate::document::Place;
use crate::engine::dispatch::{TimeInterval, TimeIntervals};
use crate::rulefile::{Checker, Damaged};

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The name of a day of the week, 0 for Sunday; of others none.
pub(super) fn weekday(day: i8) -> &'static str {
    let name = usize::try_from(day).ok().and_then(|day| WEEKDAYS.get(day));
    name.copied().unwrap_or_default()
}

/// The intervals by their names, which are those of both sections together.
pub(super) fn read(written: &wire::File, checker: &mut Checker<'_>) -> TimeIntervals {
    let mut intervals = TimeIntervals::new();
    for (key, section) in [
        ("mute_time_intervals", &written.mute_time_intervals),
        ("time_intervals", &written.time_intervals),
    ] {
        for (index, named) in section.iter().enumerate() {
            let place = Place::root().key(key).index(index);
            if named.name.is_empty() {
                checker.fault(
                    &place,
                    "time interval has no name, allowed: a name that routes use",
                );
            } else if intervals.contains_key(&named.name) {
                checker.fault(
                    &place.key("name"),
                    format!("time interval {:?} is given twice", named.name),
                );
            }
            let place = place.key("time_intervals");
            let ones = named.time_intervals.iter().enumerate();
            let ones = ones.map(|(index, one)| interval(one, &place.index(index), checker));
            intervals.insert(named.name.clone(), ones.collect());
        }
    }
    intervals
}

/// Whether some of them may have been lost, so that a name without one says nothing.
pub(super) fn are_incomplete(damaged: &Damaged, checker: &Checker<'_>) -> bool {
    let mut keys = ["time_intervals", "mute_time_intervals"].iter();
    keys.any(|key| checker.is_damaged(damaged, &Place::root().key(key)))
}

pub(super) fn interval(
    written: &wire::TimeInterval,
    place: &Place,
    checker: &mut Checker<'_>,
) -> TimeInterval {
    for (key, is_empty) in [
        ("times", written.times.as_ref().is_some_and(Vec::is_empty)),
        (
            "weekdays",
            written.weekdays.as_ref().is_some_and(Vec::is_empty),
        ),
        (
            "days_of_month",
            written.days_of_month.as_ref().is_some_and(Vec::is_empty),
        ),
        ("months", written.months.as_ref().is_some_and(Vec::is_empty)),
        ("years", written.years.as_ref().is_some_and(Vec::is_empty)),
    ] {
        if is_empty {
            checker.fault(
                &place.key(key),
                format!("`{key}` is empty, so that the interval never comes, allowed: at least one range, or no `{key}`"),
            );
        }
    }
    TimeInterval {
        times: times(
            written.times.as_deref().unwrap_or_default(),
            &place.key("times"),
            checker,
        ),
        weekdays: ranges(&written.weekdays, &place.key("weekdays"), checker, |text| {
            range(
                text,
                "a weekday",
                "such as monday or monday:friday, from sunday to saturday",
                |name| numbered(&WEEKDAYS, name, 0),
            )
        }),
        days_of_month: ranges(
            &written.days_of_month,
            &place.key("days_of_month"),
            checker,
            days,
        ),
        months: ranges(&written.months, &place.key("months"), checker, |text| {
            range(text, "a month", "such as may, may:august or 5:8", |name| {
                let number = || name.parse().ok().filter(|month| (1..=12).contains(month));
                numbered(&MONTHS, name, 1).or_else(number)
            })
        }),
        years: ranges(&written.years, &place.key("years"), checker, |text| {
            range(text, "a year", "such as 2026 or 2026:2030", |name| {
                name.parse().ok().filter(|year| (0..=9_999).contains(year))
            })
        }),
        zone: zone(written.location.as_deref(), &place.key("location"), checker),
    }
}

fn ranges<T>(
    written: &Option<Vec<String>>,
    place: &Place,
    checker: &mut Checker<'_>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let mut ranges = Vec::new();
    for (index, text) in written.iter().flatten().enumerate() {
        match read(text) {
            Ok(range) => ranges.push(range),
            Err(why) => checker.fault(&place.index(index), why),
        }
    }
    ranges
}

/// The place of a name in a list that counts from `first`; names may be written in capitals.
fn numbered(names: &[&str], name: &str, first: i8) -> Option<i8> {
    let place = names
        .iter()
        .position(|one| one.eq_ignore_ascii_case(name))?;
    Some(i8::try_from(place).ok()? + first)
}

/// `from:to` or one of them.
fn range<T: PartialOrd + Clone>(
    text: &str,
    what: &str,
    allowed: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<RangeInclusive<T>, String> {
    let (from, to) = text.split_once(':').unwrap_or((text, text));
    let read = |part: &str| {
        read(part.trim()).ok_or_else(|| format!("{part:?} is not {what}, allowed: {allowed}"))
    };
    let (from, to) = (read(from)?, read(to)?);
    if from > to {
        return Err(format!(
            "{text:?} ends before it begins, allowed: {allowed}"
        ));
    }
    Ok(from..=to)
}

fn days(text: &str) -> Result<(i8, i8), String> {
    let allowed = "such as 1, 1:5 or -3:-1, where -1 is the last day, from -31 to 31 without 0";
    let (from, to) = text.split_once(':').unwrap_or((text, text));
    let read = |part: &str| {
        let day = part.trim().parse().ok();
        day.filter(|day| (-31..=31).contains(day) && *day != 0)
            .ok_or_else(|| format!("{part:?} is not a day of the month, allowed: {allowed}"))
    };
    let (from, to): (i8, i8) = (read(from)?, read(to)?);
    if from < 0 && to > 0 {
        return Err(format!(
            "{text:?} begins counted from the end of the month and does not end so, allowed: {allowed}"
        ));
    }
    // A month has 28 days at least; what ends before it begins in each of them is never meant.
    let at_least = |day: i8| if day < 0 { 28 + day } else { day };
    if at_least(from) > at_least(to) {
        return Err(format!(
            "{text:?} ends before it begins, allowed: {allowed}"
        ));
    }
    Ok((from, to))
}

fn times(written: &[wire::TimeRange], place: &Place, checker: &mut Checker<'_>) -> Vec<(u16, u16)> {
    let mut times = Vec::new();
    for (index, range) in written.iter().enumerate() {
        let place = place.index(index);
        let mut read = |key, text: &str| {
            let minute = minute(text);
            if minute.is_none() {
                checker.fault(
                    &place.key(key),
                    format!(
                        "{text:?} is not a time of day, allowed: such as 09:30, from 00:00 to 24:00"
                    ),
                );
            }
            minute
        };
        let start = read("start_time", &range.start_time);
        let end = read("end_time", &range.end_time);
        if let (Some(start), Some(end)) = (start, end) {
            if start >= end {
                checker.fault(
                    &place,
                    format!("{} to {} is no range of one day, allowed: a start before its end; for a night, two ranges", range.start_time, range.end_time),
                );
            }
            times.push((start, end));
        }
    }
    times
}

/// Minutes from midnight of `HH:MM`.
pub(super) fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |part: &str| {
        let is_two = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        is_two.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= 24 * 60).then_some(total)
}

fn zone(written: Option<&str>, place: &Place, checker: &mut Checker<'_>) -> TimeZone {
    match written {
        None | Some("" | "UTC") => TimeZone::UTC,
        Some("Local") => TimeZone::system(),
        Some(name) => TimeZone::get(name).unwrap_or_else(|_| {
            checker.fault(
                place,
                format!("{name:?} is not a time zone, allowed: a name of the IANA database such as Europe/Berlin, UTC, or Local"),
            );
            TimeZone::UTC
        }),
    }
}

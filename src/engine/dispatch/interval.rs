//! Intervals of civil time, such as working hours: when routes are mute or active.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::engine::time::Timestamp;

/// Milliseconds of a day, and of a minute, by a clock that is not changed.
const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;

/// From the first moment on, up to before the second.
pub type Stretch = (Timestamp, Timestamp);

/// The intervals that routes name.
pub type TimeIntervals = BTreeMap<String, Vec<TimeInterval>>;

/// A moment lies in it if it lies in one of the ranges of each field; a field without ranges takes every moment
/// (Alertmanager `timeinterval/timeinterval.go`).
#[derive(Clone, Debug, PartialEq)]
pub struct TimeInterval {
    /// Minutes of the day, from the first to before the last: 0 to 1440.
    pub times: Vec<(u16, u16)>,
    /// Days of the week, 0 for Sunday to 6.
    pub weekdays: Vec<RangeInclusive<i8>>,
    /// Days of the month, 1 to 31; from its end, −1 for the last to −31.
    pub days_of_month: Vec<(i8, i8)>,
    /// Months, 1 to 12.
    pub months: Vec<RangeInclusive<i8>>,
    /// Years.
    pub years: Vec<RangeInclusive<i16>>,
    /// Where it is that time.
    pub zone: TimeZone,
}

impl Default for TimeInterval {
    /// Always.
    fn default() -> Self {
        Self {
            times: Vec::new(),
            weekdays: Vec::new(),
            days_of_month: Vec::new(),
            months: Vec::new(),
            years: Vec::new(),
            zone: TimeZone::UTC,
        }
    }
}

impl TimeInterval {
    /// Whether a moment lies in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        let Ok(at) = jiff::Timestamp::from_millisecond(at.millis()) else {
            return false;
        };
        let local = self.zone.to_datetime(at);
        let minute = u16::try_from(local.hour()).unwrap_or(0) * 60
            + u16::try_from(local.minute()).unwrap_or(0);
        let times = self.times.iter();
        (self.times.is_empty()
            || times
                .clone()
                .any(|(from, to)| (*from..*to).contains(&minute)))
            && self.takes(local.date())
    }

    /// When one of its times begins first after a moment, if before the other.
    pub fn next_begin(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let mut stretches = Vec::new();
        self.add_stretches(after, until, &mut stretches);
        // What was open at that moment is cut off there.
        let begins = stretches.into_iter().map(|(begin, _)| begin);
        begins.filter(|begin| *begin > after).min()
    }

    /// Whether it comes on that day.
    fn takes(&self, day: Date) -> bool {
        let last = day.days_in_month();
        let from_start = |day: i8| if day < 0 { last + day + 1 } else { day };
        let is_listed = self.days_of_month.is_empty()
            || self
                .days_of_month
                .iter()
                .any(|(from, to)| (from_start(*from)..=from_start(*to)).contains(&day.day()));
        is_listed
            && within(&self.months, day.month())
            && within(&self.weekdays, day.weekday().to_sunday_zero_offset())
            && within(&self.years, day.year())
    }

    /// Adds the moments between these two that lie in it. A time of day that a change of the clocks skips is none of them,
    /// one that is lived through twice is twice.
    fn add_stretches(&self, from: Timestamp, to: Timestamp, stretches: &mut Vec<Stretch>) {
        let moment = |at: Timestamp| jiff::Timestamp::from_millisecond(at.millis()).ok();
        let (Some(mut begin), Some(last)) = (moment(from), moment(to)) else {
            return;
        };
        let mut changes = self.zone.following(begin);
        while begin < last {
            // Until the clocks are changed next, local time goes on evenly.
            let next = changes.next().map_or(last, |change| change.timestamp());
            let next = next.min(last);
            let offset = i64::from(self.zone.to_offset(begin).seconds()) * 1_000;
            let (first, end) = (
                begin.as_millisecond() + offset,
                next.as_millisecond() + offset,
            );
            for day in first.div_euclid(DAY)..=(end - 1).div_euclid(DAY) {
                let date = Date::constant(1970, 1, 1).checked_add(day.days());
                if !date.is_ok_and(|date| self.takes(date)) {
                    continue;
                }
                let always = [(0, 24 * 60)];
                let times = match self.times.as_slice() {
                    [] => &always,
                    times => times,
                };
                for (start, stop) in times {
                    let at = |minute: &u16| day * DAY + i64::from(*minute) * MINUTE;
                    let (start, stop) = (at(start).max(first), at(stop).min(end));
                    if start < stop {
                        let [start, stop] =
                            [start, stop].map(|at| Timestamp::from_millis(at - offset));
                        stretches.push((start, stop));
                    }
                }
            }
            begin = next;
        }
    }
}

/// The moments between these two that lie in any of the intervals, as stretches in their order, none touching another.
pub fn stretches(intervals: &[TimeInterval], from: Timestamp, to: Timestamp) -> Vec<Stretch> {
    let mut all = Vec::new();
    for interval in intervals {
        interval.add_stretches(from, to, &mut all);
    }
    merged(all)
}

/// The same moments in stretches in their order, none touching another.
pub fn merged(mut all: Vec<Stretch>) -> Vec<Stretch> {
    all.sort_unstable();
    let mut merged: Vec<Stretch> = Vec::with_capacity(all.len());
    for (start, end) in all {
        match merged.last_mut() {
            Some((_, last)) if start <= *last => *last = end.max(*last),
            _ => merged.push((start, end)),
        }
    }
    merged
}

fn within<T: PartialOrd + Copy>(ranges: &[RangeInclusive<T>], value: T) -> bool {
    ranges.is_empty() || ranges.iter().any(|range| range.contains(&value))
}

/// The first of the named intervals that a moment lies in.
pub fn containing<'a>(
    names: &'a [String],
    intervals: &TimeIntervals,
    at: Timestamp,
) -> Option<&'a str> {
    let holds = |name: &&String| {
        (intervals.get(*name)).is_some_and(|ones| ones.iter().any(|one| one.contains(at)))
    };
    names.iter().find(holds).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn check(interval: &TimeInterval, cases: &[(&str, bool)]) {
        for (moment, expected) in cases {
            assert_eq!(interval.contains(at(moment)), *expected, "{moment}");
        }
    }

    #[test]
    fn an_interval_without_fields_is_always() {
        check(&TimeInterval::default(), &[("2024-02-29T12:00:00Z", true)]);
    }

    #[test]
    fn times_reach_up_to_their_end() {
        let office = TimeInterval {
            times: vec![(9 * 60, 17 * 60)],
            weekdays: vec![1..=5],
            ..TimeInterval::default()
        };
        check(
            &office,
            &[
                ("2024-03-01T08:59:59.999Z", false),
                ("2024-03-01T09:00:00Z", true),
                ("2024-03-01T16:59:59.999Z", true),
                ("2024-03-01T17:00:00Z", false),
                // A Saturday.
                ("2024-03-02T12:00:00Z", false),
            ],
        );
    }

    #[test]
    fn days_of_the_month_count_from_either_end() {
        let of = |days| TimeInterval {
            days_of_month: vec![days],
            ..TimeInterval::default()
        };
        check(
            &of((-3, -1)),
            &[
                ("2024-02-26T00:00:00Z", false),
                ("2024-02-27T00:00:00Z", true),
                ("2024-02-29T23:59:59Z", true),
                ("2023-02-26T00:00:00Z", true),
                ("2024-03-29T00:00:00Z", true),
            ],
        );
        check(
            &of((29, 31)),
            &[
                ("2023-02-28T00:00:00Z", false),
                ("2024-02-29T00:00:00Z", true),
            ],
        );
        check(
            &of((-31, -30)),
            &[
                ("2024-02-01T00:00:00Z", false),
                ("2024-03-01T00:00:00Z", true),
            ],
        );
        check(
            &of((20, -1)),
            &[
                ("2024-02-19T00:00:00Z", false),
                ("2024-02-20T00:00:00Z", true),
            ],
        );
    }

    #[test]
    fn months_and_years_are_inclusive() {
        let summer = TimeInterval {
            months: vec![6..=8],
            years: vec![2023..=2024],
            ..TimeInterval::default()
        };
        check(
            &summer,
            &[
                ("2024-05-31T23:59:59Z", false),
                ("2024-06-01T00:00:00Z", true),
                ("2024-08-31T23:59:59Z", true),
                ("2025-07-01T00:00:00Z", false),
            ],
        );
    }

    #[test]
    fn civil_time_follows_daylight_saving_of_its_zone() {
        // Berlin's rule: +1 in winter, +2 in summer.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let morning = TimeInterval {
            times: vec![(8 * 60, 9 * 60)],
            zone: zone.clone(),
            ..TimeInterval::default()
        };
        check(
            &morning,
            &[
                ("2024-03-30T07:30:00Z", true),
                ("2024-03-31T07:30:00Z", false),
                ("2024-03-31T06:30:00Z", true),
                ("2024-10-26T06:30:00Z", true),
                ("2024-10-27T07:30:00Z", true),
            ],
        );
        // The hour that is skipped never comes; the one that is lived twice counts twice.
        let night = TimeInterval {
            times: vec![(2 * 60, 3 * 60)],
            zone,
            ..TimeInterval::default()
        };
        check(
            &night,
            &[
                ("2024-03-31T00:59:59Z", false),
                ("2024-03-31T01:00:00Z", false),
                ("2024-10-27T00:30:00Z", true),
                ("2024-10-27T01:30:00Z", true),
                ("2024-10-27T02:00:00Z", false),
            ],
        );
    }

    #[test]
    fn the_first_interval_that_holds_is_named() {
        let intervals: TimeIntervals = [
            ("never".to_owned(), vec![]),
            ("always".to_owned(), vec![TimeInterval::default()]),
        ]
        .into();
        let now = at("2024-03-30T07:30:00Z");
        let names = ["unknown", "never", "always"].map(str::to_owned);
        assert_eq!(containing(&names, &intervals, now), Some("always"));
        assert_eq!(containing(&names[..2], &intervals, now), None);
    }
}

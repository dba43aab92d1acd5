//! `maintenance:`: windows that recur, in which nobody is told of certain alerts.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::matchers::Written;
use super::{interval, sections, wire};
use crate::document::Place;
use crate::engine::dispatch::TimeIntervals;
use crate::engine::dispatch::maintenance::Window;
use crate::rulefile::{Checker, did_you_mean};

/// A window as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Maintenance {
    #[serde(default)]
    name: String,
    #[serde(default)]
    matchers: Vec<String>,
    #[serde(default)]
    time_intervals: Vec<When>,
    #[serde(default)]
    stop_learning: bool,
}

/// The name of a time interval, or one written out.
pub(super) enum When {
    Named(String),
    Inline(wire::TimeInterval),
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WhenVisitor)
    }
}

struct WhenVisitor;

impl<'de> Visitor<'de> for WhenVisitor {
    type Value = When;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name of `time_intervals`, or an interval such as {weekdays: [sunday], times: [{start_time: '02:00', end_time: '04:00'}], location: Europe/Berlin}")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<When, E> {
        Ok(When::Named(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<When, A::Error> {
        wire::TimeInterval::deserialize(MapAccessDeserializer::new(map)).map(When::Inline)
    }
}

/// The windows, with the intervals that they name.
pub(super) fn read(
    written: &[Maintenance],
    intervals: &TimeIntervals,
    checker: &mut Checker<'_>,
) -> Vec<Window> {
    let root = Place::root();
    let damaged = sections::damaged(checker);
    let is_incomplete = interval::are_incomplete(&damaged, checker);
    let place = root.key("maintenance");
    let mut windows: Vec<Window> = Vec::new();
    for (index, one) in written.iter().enumerate() {
        let place = place.index(index);
        if one.name.is_empty() {
            checker.fault(
                &place,
                "maintenance has no name, allowed: a name by which alerts say what keeps them quiet",
            );
        } else if windows.iter().any(|earlier| earlier.name == one.name) {
            checker.fault(
                &place.key("name"),
                format!("maintenance {:?} is given twice", one.name),
            );
        }
        let matchers = Written {
            matchers: ("matchers", Some(&one.matchers)),
            equal: ("match", None),
            regex: ("match_re", None),
        };
        let faults = checker.findings.faults.len();
        let matchers = matchers.read(&place, checker).matchers().to_vec();
        let is_read = checker.findings.faults.len() == faults;
        if is_read && matchers.iter().all(|matcher| matcher.matches("")) {
            checker.fault(
                &place,
                "this maintenance is of every alert, allowed: `matchers` with at least one that does not match an empty value, such as operation=\"train\"",
            );
        }
        if one.time_intervals.is_empty() {
            checker.fault(
                &place,
                "this maintenance never comes, allowed: `time_intervals` with names of intervals, or intervals",
            );
        }
        let mut all = Vec::new();
        for (index, when) in one.time_intervals.iter().enumerate() {
            let place = place.key("time_intervals").index(index);
            match when {
                When::Inline(written) => all.push(interval::interval(written, &place, checker)),
                When::Named(name) => match intervals.get(name) {
                    Some(named) => all.extend(named.iter().cloned()),
                    None if is_incomplete => {}
                    None => checker.fault(&place, unknown(name, intervals)),
                },
            }
        }
        windows.push(Window {
            name: one.name.clone(),
            matchers,
            intervals: all,
            stops_learning: one.stop_learning,
        });
    }
    windows
}

fn unknown(name: &str, intervals: &TimeIntervals) -> String {
    let defined = intervals.keys().map(String::as_str);
    let hint = did_you_mean(name, defined.clone());
    let allowed = match intervals.is_empty() {
        true => "a name of `time_intervals`, which there are none of, or an interval".to_owned(),
        false => defined.collect::<Vec<_>>().join(", "),
    };
    format!("unknown time interval {name:?},{hint} allowed: {allowed}")
}

//! `route:`, with Alertmanager's keys and inheritance.

use std::collections::BTreeSet;

use super::matchers::Written;
use super::wire;
use crate::document::Place;
use crate::document::units::Period;
use crate::engine::dispatch::{GroupBy, Route, TimeIntervals, Timing};
use crate::engine::series::is_label_name;
use crate::rulefile::{Checker, did_you_mean};

/// The receivers that routes may name.
pub(super) struct Known<'a> {
    /// Their names.
    pub names: Vec<&'a str>,
    /// Some may be missing because they could not be read.
    pub incomplete: bool,
    /// Those that a route has named so far.
    pub used: BTreeSet<String>,
    /// The intervals that routes may name.
    pub intervals: &'a TimeIntervals,
    /// Some may be missing because they could not be read.
    pub intervals_incomplete: bool,
}

/// Reads the tree; `None` where its root has no receiver.
pub(super) fn read(
    written: &wire::Route,
    known: &mut Known<'_>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Route> {
    if written.receiver.is_none() {
        checker.fault(place, "root route has no receiver, allowed: the name of the receiver that hears of everything else");
    }
    if let Some(key) = matchers(written).given() {
        checker.fault_at_key(
            &place.key(key),
            "root route takes every alert, allowed: matchers in `routes` below it",
        );
    }
    for (key, names) in intervals(written) {
        if !names.is_empty() {
            checker.fault_at_key(
                &place.key(key),
                format!("root route is never mute, allowed: `{key}` in `routes` below it"),
            );
        }
    }
    if written.go_on == Some(true) {
        checker.fault(
            &place.key("continue"),
            "root route has nothing to continue with, allowed: `continue` in `routes` below it",
        );
    }
    let root = Route::root("", GroupBy::Labels(Vec::new()), Timing::default());
    let mut root = node(written, root, known, place, checker);
    root.number();
    written.receiver.as_ref().map(|_| root)
}

fn matchers(written: &wire::Route) -> Written<'_> {
    Written {
        matchers: ("matchers", written.matchers.as_deref()),
        equal: ("match", written.equal.as_ref()),
        regex: ("match_re", written.match_re.as_ref()),
    }
}

fn intervals(written: &wire::Route) -> [(&'static str, &[String]); 2] {
    [
        ("mute_time_intervals", &written.mute_time_intervals),
        ("active_time_intervals", &written.active_time_intervals),
    ]
}

/// Fills `route`, which has what it inherits, from what is written, and its children from both.
fn node(
    written: &wire::Route,
    mut route: Route,
    known: &mut Known<'_>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Route {
    for (key, names) in intervals(written) {
        for (index, name) in names.iter().enumerate() {
            if !known.intervals.contains_key(name) && !known.intervals_incomplete {
                let defined = known.intervals.keys().map(String::as_str);
                let hint = did_you_mean(name, defined.clone());
                let allowed = match known.intervals.is_empty() {
                    true => "a name of `time_intervals`, which there are none of".to_owned(),
                    false => defined.collect::<Vec<_>>().join(", "),
                };
                checker.fault(
                    &place.key(key).index(index),
                    format!("unknown time interval {name:?},{hint} allowed: {allowed}"),
                );
            }
        }
    }
    route
        .mute_time_intervals
        .clone_from(&written.mute_time_intervals);
    route
        .active_time_intervals
        .clone_from(&written.active_time_intervals);
    if let Some(receiver) = &written.receiver {
        if !known.names.contains(&receiver.as_str()) && !known.incomplete {
            let hint = did_you_mean(receiver, known.names.iter().copied());
            let allowed = match known.names.as_slice() {
                [] => "a name of `receivers`, which has none".to_owned(),
                names => names.join(", "),
            };
            checker.fault(
                &place.key("receiver"),
                format!("unknown receiver {receiver:?},{hint} allowed: {allowed}"),
            );
        }
        known.used.insert(receiver.clone());
        route.receiver.clone_from(receiver);
    }
    // An empty list is none, as in Alertmanager.
    if let Some(names) = written.group_by.as_ref().filter(|names| !names.is_empty()) {
        route.group_by = group_by(names, &place.key("group_by"), checker);
    }
    let timing = &mut route.timing;
    for (key, written, slot, may_be_zero) in [
        (
            "group_wait",
            written.group_wait,
            &mut timing.group_wait,
            true,
        ),
        (
            "group_interval",
            written.group_interval,
            &mut timing.group_interval,
            false,
        ),
        (
            "repeat_interval",
            written.repeat_interval,
            &mut timing.repeat_interval,
            false,
        ),
    ] {
        if let Some(Period(period)) = written {
            if period.is_zero() && !may_be_zero {
                checker.fault(&place.key(key), format!("`{key}` is 0, allowed: above 0"));
            }
            *slot = period;
        }
    }
    route.go_on = written.go_on.unwrap_or(false);
    for (index, child) in written.routes.iter().enumerate() {
        let place = place.key("routes").index(index);
        let matchers = matchers(child).read(&place, checker);
        let inherited = Route {
            key: route.child_key(&matchers),
            matchers,
            routes: Vec::new(),
            ..route.clone()
        };
        let child = node(child, inherited, known, &place, checker);
        route.routes.push(child);
    }
    route
}

fn group_by(names: &[String], place: &Place, checker: &mut Checker<'_>) -> GroupBy {
    for (index, name) in names.iter().enumerate() {
        let place = place.index(index);
        if name == "..." {
            if names.len() > 1 {
                checker.fault(
                    &place,
                    "`...` means all labels, allowed: `...` alone or names of labels",
                );
            }
        } else if !is_label_name(name) {
            checker.fault(
                &place,
                format!("invalid label name {name:?}, allowed: letters, digits and _, not beginning with a digit, or ... alone"),
            );
        } else if names.iter().take(index).any(|earlier| earlier == name) {
            checker.fault(
                &place,
                format!("label `{name}` is given twice in `group_by`"),
            );
        }
    }
    if names.iter().any(|name| name == "...") {
        GroupBy::All
    } else {
        GroupBy::Labels(names.to_vec())
    }
}

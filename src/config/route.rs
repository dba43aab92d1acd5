//! `route:`, with Alertmanager's keys and inheritance.

use std::collections::BTreeSet;

use super::wire;
use crate::document::Place;
use crate::document::units::Period;
use crate::engine::dispatch::{GroupBy, Route, Timing};
use crate::engine::selector::Selector;
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
    if written.matchers.is_some() {
        checker.fault_at_key(
            &place.key("matchers"),
            "root route takes every alert, allowed: matchers in `routes` below it",
        );
    }
    if written.go_on == Some(true) {
        checker.fault(
            &place.key("continue"),
            "root route has nothing to continue with, allowed: `continue` in `routes` below it",
        );
    }
    let root = Route {
        key: "{}".to_owned(),
        receiver: String::new(),
        group_by: GroupBy::Labels(Vec::new()),
        timing: Timing::default(),
        matchers: Selector::default(),
        go_on: false,
        routes: Vec::new(),
    };
    let root = node(written, root, known, place, checker);
    written.receiver.as_ref().map(|_| root)
}

/// Fills `route`, which has what it inherits, from what is written, and its children from both.
fn node(
    written: &wire::Route,
    mut route: Route,
    known: &mut Known<'_>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Route {
    for (old, given) in [
        ("match", written.equal.is_some()),
        ("match_re", written.match_re.is_some()),
    ] {
        if given {
            checker.fault_at_key(
                &place.key(old),
                format!("`{old}` is deprecated, allowed: `matchers` such as ['severity=\"critical\"', 'team=~\"a|b\"']"),
            );
        }
    }
    checker.refuse(
        written.mute_time_intervals.as_ref(),
        place,
        "mute_time_intervals",
    );
    checker.refuse(
        written.active_time_intervals.as_ref(),
        place,
        "active_time_intervals",
    );
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
    if let Some(names) = &written.group_by {
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
        let matchers = matchers(
            child.matchers.as_deref().unwrap_or_default(),
            &place.key("matchers"),
            checker,
        );
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

/// All matchers of a route, sorted as Alertmanager does, so that its key is the same however they are written.
fn matchers(written: &[String], place: &Place, checker: &mut Checker<'_>) -> Selector {
    let mut read = Vec::new();
    for (index, text) in written.iter().enumerate() {
        match Selector::parse(text) {
            Ok(selector) => read.push(selector),
            Err(error) => checker.fault(&place.index(index), error.to_string()),
        }
    }
    read.sort_by_key(ToString::to_string);
    read.into_iter().fold(Selector::default(), Selector::and)
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

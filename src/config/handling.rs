//! `escalations:` and `acknowledgement:`: who else is told of what is not dealt with, and how people say that they do.

use std::collections::BTreeMap;
use std::time::Duration;

use super::matchers::Written;
use super::read::show;
use super::{sections, wire};
use crate::document::Place;
use crate::document::units::Period;
use crate::engine::dispatch::Stage;
use crate::engine::dispatch::escalation::{MOST_TIMES, Often};
use crate::rulefile::{Checker, did_you_mean};

/// How long a link is good where nothing is said.
const VALID_FOR: Duration = Duration::from_secs(24 * 3_600);
/// The longest time that a link may be good, and within which firings are counted.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3_600);

/// How long links are good; `None` where there are none.
pub(super) fn links(
    written: &wire::Acknowledgement,
    checker: &mut Checker<'_>,
) -> Option<Duration> {
    let place = Place::root().key("acknowledgement").key("valid_for");
    let valid_for = sections::period(written.valid_for, VALID_FOR, &place, checker);
    if valid_for > LONGEST {
        checker.fault(
            &place,
            format!(
                "links are to be good for {}, allowed: at most 30d",
                show(valid_for)
            ),
        );
    }
    (written.links == Some(wire::Switch::On)).then_some(valid_for)
}

/// The stages, checked against the receivers. Where the file could not be read as a whole, what seems to be missing may only
/// be wrong, which is told already.
pub(super) fn escalations(
    written: &wire::File,
    readable: bool,
    checker: &mut Checker<'_>,
) -> Vec<Stage> {
    let place = Place::root().key("escalations");
    let receivers = written.receivers.iter().map(|one| one.name.as_str());
    let receivers: Vec<&str> = receivers.filter(|name| !name.is_empty()).collect();
    let known = readable.then_some(receivers);
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut stages = Vec::new();
    for (index, one) in written.escalations.iter().enumerate() {
        let place = place.index(index);
        match one.name.as_deref() {
            None | Some("") if !readable => {}
            None | Some("") => checker.fault(
                &place,
                "escalation has no name, allowed: a name by which messages and metrics know it",
            ),
            Some(name) => {
                if let Some(first) = names.insert(name, index) {
                    let line = checker.line(&Place::root().key("escalations").index(first));
                    checker.fault(
                        &place.key("name"),
                        format!("escalation {name:?} is given twice, first in line {line}"),
                    );
                }
            }
        }
        stages.push(stage(one, known.as_deref(), &place, checker));
    }
    stages
}

fn stage(
    written: &wire::Escalation,
    receivers: Option<&[&str]>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Stage {
    let matchers = Written {
        matchers: ("matchers", written.matchers.as_deref()),
        equal: ("match", None),
        regex: ("match_re", None),
    };
    let receiver = written.receiver.clone().unwrap_or_default();
    if receiver.is_empty() && receivers.is_some() {
        checker.fault(
            place,
            "escalation has no receiver, allowed: the name of the receiver that is told",
        );
    } else if let Some(names) = receivers.filter(|names| !names.contains(&receiver.as_str())) {
        let hint = did_you_mean(&receiver, names.iter().copied());
        let allowed = match names {
            [] => "a name of `receivers`, which has none".to_owned(),
            names => names.join(", "),
        };
        checker.fault(
            &place.key("receiver"),
            format!("unknown receiver {receiver:?},{hint} allowed: {allowed}"),
        );
    }
    if written.after.is_none() && written.more_than.is_none() && receivers.is_some() {
        checker.fault(
            place,
            "escalation says not when, allowed: `after: 30m`, `more_than: {times: 3, within: 1h}`, or both",
        );
    }
    let mut above_0 = |key: &str, period: Option<Period>| {
        let default = Duration::from_secs(1);
        period.map(|one| sections::period(Some(one), default, &place.key(key), checker))
    };
    let after = above_0("after", written.after);
    let repeat_interval = above_0("repeat_interval", written.repeat_interval);
    let more_than = written.more_than.as_ref().map(|one| Often {
        times: one.times,
        within: one.within.0,
    });
    if let Some(often) = more_than {
        let place = place.key("more_than");
        if often.times == 0 || often.times > MOST_TIMES {
            checker.fault(
                &place.key("times"),
                format!(
                    "more than {} times, allowed: 1 to {MOST_TIMES}",
                    often.times
                ),
            );
        }
        if often.within.is_zero() || often.within > LONGEST {
            checker.fault(
                &place.key("within"),
                format!(
                    "within {}, allowed: above 0, at most 30d",
                    show(often.within)
                ),
            );
        }
    }
    Stage {
        name: written.name.clone().unwrap_or_default(),
        matchers: matchers.read(place, checker),
        after,
        more_than,
        unless_acknowledged: written.unless_acknowledged.unwrap_or(true),
        receiver,
        repeat_interval,
    }
}

//! The routing of a configuration as an `alertmanager.yml`, so that it can move to a real Alertmanager.

mod receivers;

use std::fmt::Display;
use std::ops::RangeInclusive;

use jiff::tz::TimeZone;
use serde_yaml::{Mapping, Value};

use super::{Config, interval};
use crate::document::Place;
use crate::document::units::Period;
use crate::engine::dispatch::{GroupBy, InhibitRule, Route, TimeInterval, TimeIntervals};
use crate::engine::selector::Selector;

/// The routes, receivers, inhibit rules and time intervals of a configuration as an `alertmanager.yml`. What Alertmanager
/// 0.25 does not know is left out, and comments at the top say so. Secrets of files stay in their files, others are hidden.
#[must_use]
pub fn to_alertmanager(config: &Config) -> String {
    let mut notes = Vec::new();
    let mut whole = Mapping::new();
    let smtp = receivers::global(&config.notify.smtp, &mut notes);
    put(&mut whole, "global", (!smtp.is_empty()).then_some(smtp));
    match &config.route {
        Some(root) => put(&mut whole, "route", Some(route(root, None))),
        None => {
            notes.push(
                "there is no route: everything goes to a receiver that tells nobody".to_owned(),
            );
            let nobody = [("receiver".into(), Value::from("nobody"))];
            put(
                &mut whole,
                "route",
                Some(nobody.into_iter().collect::<Mapping>()),
            );
            let nobody: Mapping = [("name".into(), "nobody".into())].into_iter().collect();
            put(&mut whole, "receivers", Some(vec![Value::from(nobody)]));
        }
    }
    if config.route.is_some() {
        let receivers = config.notify.receivers.iter().enumerate();
        let receivers = receivers.map(|(index, receiver)| {
            let place = Place::root().key("receivers").index(index);
            Value::from(receivers::receiver(receiver, &place, &mut notes))
        });
        put(&mut whole, "receivers", Some(receivers.collect::<Vec<_>>()));
    }
    let rules = config
        .inhibit_rules
        .iter()
        .map(|rule| Value::from(inhibit(rule)));
    put_list(&mut whole, "inhibit_rules", rules.collect());
    put_list(
        &mut whole,
        "time_intervals",
        intervals(&config.time_intervals),
    );
    let mut text = String::from("# Written by opwatch.\n");
    for note in notes {
        text.push_str("# ");
        text.push_str(&note.replace('\n', " "));
        text.push('\n');
    }
    // Everything in it has a form in YAML.
    text.push_str(&serde_yaml::to_string(&whole).unwrap_or_default());
    text
}

fn put(into: &mut Mapping, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        into.insert(key.into(), value.into());
    }
}

fn put_list(into: &mut Mapping, key: &str, list: Vec<Value>) {
    put(into, key, (!list.is_empty()).then_some(list));
}

fn texts(all: impl IntoIterator<Item = impl Display>) -> Vec<Value> {
    all.into_iter().map(|one| one.to_string().into()).collect()
}

fn matchers(selector: &Selector) -> Vec<Value> {
    texts(selector.matchers())
}

fn route(route: &Route, parent: Option<&Route>) -> Mapping {
    let mut written = Mapping::new();
    put(&mut written, "receiver", Some(route.receiver.as_str()));
    put_list(&mut written, "matchers", matchers(&route.matchers));
    put(&mut written, "continue", route.go_on.then_some(true));
    if parent.is_none_or(|parent| parent.group_by != route.group_by) {
        let labels = match &route.group_by {
            GroupBy::Labels(names) => texts(names),
            GroupBy::All => vec!["...".into()],
        };
        put_list(&mut written, "group_by", labels);
    }
    let (timing, inherited) = (route.timing, parent.map(|parent| parent.timing));
    let period = |period| Period(period).to_string();
    for (key, own, inherited) in [
        (
            "group_wait",
            timing.group_wait,
            inherited.map(|t| t.group_wait),
        ),
        (
            "group_interval",
            timing.group_interval,
            inherited.map(|t| t.group_interval),
        ),
        (
            "repeat_interval",
            timing.repeat_interval,
            inherited.map(|t| t.repeat_interval),
        ),
    ] {
        put(
            &mut written,
            key,
            (inherited != Some(own)).then(|| period(own)),
        );
    }
    put_list(
        &mut written,
        "mute_time_intervals",
        texts(&route.mute_time_intervals),
    );
    put_list(
        &mut written,
        "active_time_intervals",
        texts(&route.active_time_intervals),
    );
    let children = route.routes.iter();
    let children = children.map(|child| Value::from(self::route(child, Some(route))));
    put_list(&mut written, "routes", children.collect());
    written
}

fn inhibit(rule: &InhibitRule) -> Mapping {
    let mut written = Mapping::new();
    put_list(&mut written, "source_matchers", matchers(&rule.source));
    put_list(&mut written, "target_matchers", matchers(&rule.target));
    put_list(&mut written, "equal", texts(&rule.equal));
    written
}

fn intervals(named: &TimeIntervals) -> Vec<Value> {
    let named = named.iter().map(|(name, intervals)| {
        let mut written = Mapping::new();
        put(&mut written, "name", Some(name.as_str()));
        let intervals: Vec<Value> = intervals
            .iter()
            .map(|one| one_interval(one).into())
            .collect();
        put(&mut written, "time_intervals", Some(intervals));
        written.into()
    });
    named.collect()
}

fn ranges<T: Display + PartialEq>(
    ranges: &[RangeInclusive<T>],
    name: impl Fn(&T) -> String,
) -> Vec<Value> {
    let ranges = ranges
        .iter()
        .map(|range| match range.start() == range.end() {
            true => name(range.start()),
            false => format!("{}:{}", name(range.start()), name(range.end())),
        });
    ranges.map(Value::from).collect()
}

fn days(ranges: &[(i8, i8)]) -> Vec<Value> {
    let ranges = ranges.iter().map(|(from, to)| match from == to {
        true => from.to_string(),
        false => format!("{from}:{to}"),
    });
    ranges.map(Value::from).collect()
}

fn one_interval(interval: &TimeInterval) -> Mapping {
    let mut written = Mapping::new();
    let times = interval.times.iter().map(|(start, end)| {
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let mut range = Mapping::new();
        put(&mut range, "start_time", Some(time(*start)));
        put(&mut range, "end_time", Some(time(*end)));
        range.into()
    });
    put_list(&mut written, "times", times.collect());
    let weekday = |day: &i8| interval::weekday(*day).to_owned();
    put_list(
        &mut written,
        "weekdays",
        ranges(&interval.weekdays, weekday),
    );
    put_list(&mut written, "days_of_month", days(&interval.days_of_month));
    put_list(
        &mut written,
        "months",
        ranges(&interval.months, i8::to_string),
    );
    put_list(
        &mut written,
        "years",
        ranges(&interval.years, i16::to_string),
    );
    if interval.zone != TimeZone::UTC {
        let name = interval.zone.iana_name().unwrap_or("Local");
        put(&mut written, "location", Some(name));
    }
    written
}

//! `digest:`: alerts that are collected, and told together at a time of day.

use serde::Deserialize;

use super::matchers::Written;
use super::{interval, wire};
use crate::document::Place;
use crate::engine::dispatch::TimeInterval;
use crate::rulefile::{Checker, did_you_mean};

/// The last minute of a day.
const LAST: u16 = 24 * 60 - 1;

/// A digest as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Digest {
    #[serde(default)]
    name: String,
    #[serde(default)]
    pub(super) receiver: String,
    #[serde(default)]
    matchers: Vec<String>,
    at: Option<String>,
    weekdays: Option<Vec<String>>,
    location: Option<String>,
    #[serde(default)]
    also_told: bool,
}

/// The digests, checked against the receivers.
pub(super) fn read(
    written: &wire::File,
    checker: &mut Checker<'_>,
) -> Vec<crate::engine::dispatch::Digest> {
    let place = Place::root().key("digest");
    let names = written.receivers.iter().map(|one| one.name.as_str());
    let mut digests: Vec<crate::engine::dispatch::Digest> = Vec::new();
    for (index, one) in written.digest.iter().enumerate() {
        let place = place.index(index);
        if one.name.is_empty() {
            checker.fault(&place, "digest has no name, allowed: a name of its own");
        } else if digests.iter().any(|earlier| earlier.name == one.name) {
            checker.fault(
                &place.key("name"),
                format!("digest {:?} is given twice", one.name),
            );
        }
        if one.receiver.is_empty() {
            checker.fault(
                &place,
                "digest has no receiver, allowed: a name of `receivers`",
            );
        } else if !names.clone().any(|name| name == one.receiver) && checker.is_readable() {
            let hint = did_you_mean(&one.receiver, names.clone());
            let allowed = match written.receivers.is_empty() {
                true => "a name of `receivers`, which has none".to_owned(),
                false => names.clone().collect::<Vec<_>>().join(", "),
            };
            checker.fault(
                &place.key("receiver"),
                format!(
                    "unknown receiver {:?},{hint} allowed: {allowed}",
                    one.receiver
                ),
            );
        }
        let matchers = Written {
            matchers: ("matchers", Some(&one.matchers)),
            equal: ("match", None),
            regex: ("match_re", None),
        };
        digests.push(crate::engine::dispatch::Digest {
            name: one.name.clone(),
            receiver: one.receiver.clone(),
            matchers: matchers.read(&place, checker),
            when: when(one, &place, checker),
            is_also_told: one.also_told,
        });
    }
    digests
}

/// The minute in which it is told.
fn when(one: &Digest, place: &Place, checker: &mut Checker<'_>) -> TimeInterval {
    let days = wire::TimeInterval {
        times: None,
        weekdays: one.weekdays.clone(),
        days_of_month: None,
        months: None,
        years: None,
        location: one.location.clone(),
    };
    let days = interval::interval(&days, place, checker);
    let allowed = "such as '08:00', from 00:00 to 23:59";
    let minute = match one.at.as_deref() {
        Some(text) => {
            let minute = interval::minute(text).filter(|minute| *minute <= LAST);
            if minute.is_none() {
                checker.fault(
                    &place.key("at"),
                    format!("{text:?} is not a time of day, allowed: {allowed}"),
                );
            }
            minute.unwrap_or_default()
        }
        None => {
            checker.fault(
                place,
                format!("digest has no time, allowed: `at` {allowed}"),
            );
            0
        }
    };
    TimeInterval {
        times: vec![(minute, minute + 1)],
        ..days
    }
}

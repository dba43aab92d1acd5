//! `digest:`: alerts that are collected, and told together at times of day.

use std::fmt;

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, SeqAccess, Visitor};

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
    at: Option<At>,
    weekdays: Option<Vec<String>>,
    days_of_month: Option<Vec<String>>,
    months: Option<Vec<String>>,
    location: Option<String>,
    #[serde(default)]
    also_told: bool,
}

/// One time of day, or several.
enum At {
    One(String),
    Several(Vec<String>),
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AtVisitor)
    }
}

struct AtVisitor;

impl<'de> Visitor<'de> for AtVisitor {
    type Value = At;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a time of day such as '08:00', or a list such as ['08:00', '16:30']")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<At, E> {
        Ok(At::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<At, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(At::Several)
    }
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

/// The minutes in which it is told.
fn when(one: &Digest, place: &Place, checker: &mut Checker<'_>) -> TimeInterval {
    let days = wire::TimeInterval {
        times: None,
        weekdays: one.weekdays.clone(),
        days_of_month: one.days_of_month.clone(),
        months: one.months.clone(),
        years: None,
        location: one.location.clone(),
    };
    let days = interval::interval(&days, place, checker);
    let allowed = "such as '08:00' or ['08:00', '16:30'], from 00:00 to 23:59";
    let at = place.key("at");
    let written: Vec<(Place, &str)> = match &one.at {
        None => {
            checker.fault(
                place,
                format!("digest has no time, allowed: `at` {allowed}"),
            );
            Vec::new()
        }
        Some(At::One(text)) => vec![(at, text.as_str())],
        Some(At::Several(texts)) => {
            if texts.is_empty() {
                let why =
                    format!("`at` is empty, so that the digest never comes, allowed: {allowed}");
                checker.fault(&at, why);
            }
            let texts = texts.iter().enumerate();
            texts
                .map(|(index, text)| (at.index(index), text.as_str()))
                .collect()
        }
    };
    let mut times = Vec::new();
    for (place, text) in written {
        match interval::minute(text).filter(|minute| *minute <= LAST) {
            None => {
                let why = format!("{text:?} is not a time of day, allowed: {allowed}");
                checker.fault(&place, why);
            }
            Some(minute) if times.contains(&(minute, minute + 1)) => {
                let why = format!("{text:?} is given twice, allowed: each time once");
                checker.fault(&place, why);
            }
            Some(minute) => times.push((minute, minute + 1)),
        }
    }
    TimeInterval { times, ..days }
}

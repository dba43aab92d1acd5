//! Matchers of routes and inhibit rules, in the form of today and in both older ones.

use std::collections::BTreeMap;

use crate::document::Place;
use crate::engine::dispatch::matching;
use crate::engine::selector::{Matcher, Selector};
use crate::engine::series::is_label_name;
use crate::rulefile::Checker;

/// Matchers as they are written, and the keys they stand under.
pub(super) struct Written<'a> {
    /// Such as `matchers`.
    pub(super) matchers: (&'static str, Option<&'a [String]>),
    /// Such as `match`: values by the names of labels.
    pub(super) equal: (&'static str, Option<&'a BTreeMap<String, String>>),
    /// Such as `match_re`: regular expressions by the names of labels.
    pub(super) regex: (&'static str, Option<&'a BTreeMap<String, String>>),
}

impl Written<'_> {
    /// All of them, sorted as Alertmanager does, so that the key of a route is the same however they are written.
    pub(super) fn read(&self, place: &Place, checker: &mut Checker<'_>) -> Selector {
        let mut read: Vec<Matcher> = Vec::new();
        for ((key, written), is_regex) in [(self.equal, false), (self.regex, true)] {
            for (name, value) in written.into_iter().flatten() {
                let place = place.key(key).key(name);
                if !is_label_name(name) {
                    checker.fault_at_key(
                        &place,
                        format!("invalid label name {name:?}, allowed: letters, digits and _, not beginning with a digit"),
                    );
                    continue;
                }
                if let Err(error) = Matcher::new(name, value, is_regex, true) {
                    checker.fault(&place, error.to_string());
                    continue;
                }
                // In the key of a route Alertmanager has these expressions as it anchors them.
                let value = match is_regex {
                    true => format!("^(?:{value})$"),
                    false => value.clone(),
                };
                read.extend(Matcher::new(name, &value, is_regex, true));
            }
        }
        let (key, written) = self.matchers;
        for (index, text) in written.unwrap_or_default().iter().enumerate() {
            match matching::parse(text) {
                Ok(matchers) => read.extend(matchers),
                Err(error) => checker.fault(&place.key(key).index(index), error.to_string()),
            }
        }
        matching::sorted(read)
    }

    /// The key that any of them stands under, where there are any.
    pub(super) fn given(&self) -> Option<&'static str> {
        let (matchers, list) = self.matchers;
        let list = list.is_some_and(|list| !list.is_empty());
        let map = |(key, map): (&'static str, Option<&BTreeMap<_, _>>)| {
            map.is_some_and(|map| !map.is_empty()).then_some(key)
        };
        list.then_some(matchers)
            .or(map(self.equal))
            .or(map(self.regex))
    }
}

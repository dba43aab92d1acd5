//! `inhibit_rules:`, with Alertmanager's keys.

use super::matchers::Written;
use super::wire;
use crate::document::Place;
use crate::engine::dispatch::InhibitRule;
use crate::engine::series::is_label_name;
use crate::rulefile::Checker;

pub(super) fn read(written: &[wire::InhibitRule], checker: &mut Checker<'_>) -> Vec<InhibitRule> {
    let place = Place::root().key("inhibit_rules");
    let rules = written.iter().enumerate();
    rules
        .map(|(index, rule)| one(rule, &place.index(index), checker))
        .collect()
}

fn one(written: &wire::InhibitRule, place: &Place, checker: &mut Checker<'_>) -> InhibitRule {
    let source = Written {
        matchers: ("source_matchers", written.source_matchers.as_deref()),
        equal: ("source_match", written.source_match.as_ref()),
        regex: ("source_match_re", written.source_match_re.as_ref()),
    };
    let target = Written {
        matchers: ("target_matchers", written.target_matchers.as_deref()),
        equal: ("target_match", written.target_match.as_ref()),
        regex: ("target_match_re", written.target_match_re.as_ref()),
    };
    for (written, side) in [(&source, "source"), (&target, "target")] {
        if written.given().is_none() {
            checker.warn(
                place,
                format!("inhibit rule without `{side}_matchers`: every alert is a {side} of it"),
            );
        }
    }
    for (index, name) in written.equal.iter().enumerate() {
        if !is_label_name(name) {
            checker.fault(
                &place.key("equal").index(index),
                format!("invalid label name {name:?}, allowed: letters, digits and _, not beginning with a digit"),
            );
        }
    }
    InhibitRule {
        source: source.read(place, checker),
        target: target.read(place, checker),
        equal: written.equal.clone(),
    }
}

//! `absence:` of a rule.

use std::collections::BTreeMap;
use std::time::Duration;

use super::findings::{Checker, did_you_mean};
use super::wire;
use crate::document::Place;
use crate::document::units::Period;
use crate::engine::condition::{Absence, Level};
use crate::engine::rule::Severity;
use crate::engine::series::{Labels, check_text};

/// The longest time that may lie between two operations, and that may be remembered.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3_600);
/// How long is remembered unless the rule says otherwise, where that is longer than its deadline.
const REMEMBER: Duration = Duration::from_secs(14 * 24 * 3_600);
/// Most instances that a rule may expect by name.
const MAX_EXPECTED: usize = 1_000;

/// Reads an absence whose instances are told apart `by` these labels; `severity` is that of its alerts unless their labels
/// say otherwise. `None` where a fault leaves nothing to judge by.
pub(super) fn read(
    written: &wire::Absence,
    by: &[String],
    severity: Option<Severity>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Absence> {
    let every = written.expect_every.0;
    let at = place.key("expect_every");
    let good = !every.is_zero() && every <= LONGEST;
    if !good {
        let most = Period(LONGEST);
        let message = format!(
            "`expect_every` of {} is out of range, allowed: above 0 and at most {most}",
            written.expect_every
        );
        checker.fault(&at, message);
    }
    let grace = written.grace.map_or(Duration::ZERO, |grace| grace.0);
    if grace > LONGEST {
        let most = Period(LONGEST);
        checker.fault(
            &place.key("grace"),
            format!("`grace` is too long, allowed: at most {most}"),
        );
        return None;
    }
    let expect = expected(&written.expect, by, &place.key("expect"), checker);
    if !good {
        return None;
    }
    let limit = every + grace;
    let remember = match written.remember {
        None => REMEMBER.max(limit * 2),
        Some(Period(remember)) => {
            if remember <= limit || remember > LONGEST {
                let (shown, least, most) = (Period(remember), Period(limit), Period(LONGEST));
                checker.fault(
                    &place.key("remember"),
                    format!("`remember` of {shown} is out of range, allowed: above expect_every and grace together, which is {least}, and at most {most}"),
                );
            }
            remember
        }
    };
    Some(Absence {
        expect_every: every,
        grace,
        remember,
        expect,
        levels: [Level {
            severity,
            limit: limit.as_secs_f64(),
            recover: None,
        }],
    })
}

fn expected(
    written: &[BTreeMap<String, String>],
    by: &[String],
    place: &Place,
    checker: &mut Checker<'_>,
) -> Vec<Labels> {
    if written.len() > MAX_EXPECTED {
        let given = written.len();
        let message = format!("{given} instances expected, allowed: at most {MAX_EXPECTED}");
        checker.fault_at_key(place, message);
    }
    let mut all: Vec<Labels> = Vec::new();
    for (index, entry) in written.iter().enumerate() {
        let place = place.index(index);
        if entry.is_empty() {
            checker.fault(
                &place,
                "expected instance has no labels, allowed: such as {operation: train}",
            );
        }
        for (name, value) in entry {
            let at = place.key(name);
            if !by.contains(name) {
                let names = by.iter().map(String::as_str);
                let hint = did_you_mean(name, names);
                let allowed = by.join(", ");
                checker.fault_at_key(
                    &at,
                    format!("`{name}` is not in `by`, so that no instance has it,{hint} allowed: {allowed}"),
                );
            } else if value.is_empty() {
                checker.fault(&at, format!("`{name}` is empty, allowed: a value"));
            } else if let Err(fault) = check_text(name, value) {
                checker.fault(&at, format!("`{name}` {}", fault.reason));
            }
        }
        let pairs = entry
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let labels: Labels = pairs.collect();
        if all.contains(&labels) {
            checker.fault(&place, format!("expected instance {labels} is given twice"));
        }
        all.push(labels);
    }
    all
}

//! What regressions and trends have in common: amounts with levels, recovery as a share of them, and a budget.

use super::findings::Checker;
use super::wire;
use crate::document::Place;
use crate::document::units::{Period, Quantity, Unit};
use crate::engine::condition::{Budget, Level};
use crate::engine::rule::Severity;

/// A firing alert holds until what it is about is less than this part of its limit, unless the rule says otherwise.
const RECOVER: f64 = 0.8;

/// `recover` as a share (0 to 1) of an amount; `of` says what recovers and of what it is a share.
pub(super) fn recover(
    written: Option<Quantity>,
    of: &str,
    place: &Place,
    checker: &mut Checker<'_>,
) -> f64 {
    match written {
        None => RECOVER,
        Some(share) if share.unit == Unit::Ratio && (0.0..=1.0).contains(&share.value) => {
            share.value
        }
        Some(_) => {
            checker.fault(
                &place.key("recover"),
                format!("`recover` of {of}, allowed: 0% to 100%"),
            );
            RECOVER
        }
    }
}

/// How amounts become levels.
pub(super) struct Amounts<'a> {
    /// Of the alerts, where the amounts have no severities.
    pub severity: Option<Severity>,
    /// The share of each at which its alert recovers.
    pub recover: f64,
    /// What to say where there is none.
    pub none: &'a str,
    /// What to say where they are of several kinds.
    pub mixed: &'a str,
}

impl Amounts<'_> {
    /// Reads them with `read`, which tells of what it cannot read: their kind, and levels with ever larger limits.
    pub(super) fn levels<Kind: Copy + PartialEq>(
        &self,
        written: &wire::Amounts,
        place: &Place,
        checker: &mut Checker<'_>,
        read: impl Fn(&str, &Place, &mut Checker<'_>) -> Option<(Kind, f64)>,
    ) -> Option<(Kind, Vec<Level>)> {
        let pairs: Vec<(Option<Severity>, &String)> = match written {
            wire::Amounts::One(text) => vec![(None, text)],
            wire::Amounts::Levels(levels) => {
                levels.iter().map(|(s, text)| (Some(*s), text)).collect()
            }
        };
        if pairs.is_empty() {
            checker.fault(place, self.none);
        }
        let mut kind = None;
        let mut levels: Vec<Level> = Vec::new();
        for (own, text) in pairs {
            let place = own.map_or_else(|| place.clone(), |own| place.key(own.as_str()));
            let Some((found, value)) = read(text, &place, checker) else {
                continue;
            };
            if *kind.get_or_insert(found) != found {
                checker.fault(&place, self.mixed);
                continue;
            }
            if levels.last().is_some_and(|milder| value <= milder.limit) {
                checker.fault(
                    &place,
                    format!("{text} is not more than that of the milder level, allowed: more"),
                );
            }
            levels.push(Level {
                severity: own.or(self.severity),
                limit: value,
                recover: Some(value * self.recover),
            });
        }
        Some((kind?, levels))
    }
}

/// `false_alarms`, such as `1 per 30d`; without it the default. `None` where it cannot be read.
pub(super) fn budget(
    written: Option<&str>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Option<Budget> {
    let Some(text) = written else {
        return Some(Budget::default());
    };
    let budget = read_budget(text);
    if budget.is_none() {
        checker.fault(
            &place.key("false_alarms"),
            format!("invalid `false_alarms` {text:?}, allowed: a number per time such as `1 per 30d`, of each instance, between 1 per 10y and 100 per 1d"),
        );
    }
    budget
}

/// A budget of false alarms as it is written, `1 per 30d`; `None` where it is none.
pub fn read_budget(text: &str) -> Option<Budget> {
    let (alarms, per) = text.split_once(" per ")?;
    let alarms: f64 = alarms.trim().parse().ok()?;
    let Period(per) = per.trim().parse().ok()?;
    let days = per.as_secs_f64() / 86_400.0;
    let rate = alarms / days;
    (rate.is_finite() && (1.0 / 3_660.0..=100.0).contains(&rate)).then_some(Budget { alarms, per })
}

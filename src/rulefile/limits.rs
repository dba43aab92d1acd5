//! The limits of a threshold: whether they fit the metric, in which order they stand, and where an alert recovers.

use super::findings::Checker;
use super::wire;
use crate::document::Place;
use crate::document::units::{self, Quantity};
use crate::engine::condition::{Comparison, Level};
use crate::engine::metric::{Metric, Stat, Unit};
use crate::engine::rule::Severity;

/// What a statistic of a metric is measured in, and between which values it lies.
#[derive(Clone, Copy)]
pub(super) struct Range<'a> {
    metric: &'a Metric,
    unit: Unit,
    lowest: f64,
    highest: f64,
}

impl<'a> Range<'a> {
    pub(super) fn of(metric: &'a Metric, stat: Stat) -> Self {
        let known_score = matches!(metric, Metric::Score(_)) && metric.worse().is_some();
        let is_ratio = known_score || *metric == Metric::ErrorRatio;
        let signed = matches!(metric, Metric::Score(_)) && !known_score;
        Self {
            metric,
            unit: match stat {
                Stat::Count | Stat::PerSecond => Unit::None,
                _ => metric.unit(),
            },
            lowest: match stat {
                Stat::Count | Stat::PerSecond | Stat::StdDev => 0.0,
                _ if signed => f64::NEG_INFINITY,
                _ => 0.0,
            },
            highest: match stat {
                Stat::Count | Stat::PerSecond | Stat::Sum => f64::INFINITY,
                _ if is_ratio => 1.0,
                _ => f64::INFINITY,
            },
        }
    }

    fn takes(self, unit: units::Unit) -> bool {
        match unit {
            units::Unit::None => true,
            units::Unit::Seconds => self.unit == Unit::Seconds,
            units::Unit::Bytes => self.unit == Unit::Bytes,
            units::Unit::Cores => self.unit == Unit::Cores,
            // Scores are plain numbers, but most of them are shares.
            units::Unit::Ratio => {
                self.unit == Unit::Ratio || matches!(self.metric, Metric::Score(_))
            }
        }
    }

    fn example(self) -> &'static str {
        match self.unit {
            Unit::Seconds => "seconds, such as 5s or 250ms",
            Unit::Bytes => "bytes, such as 512MiB",
            Unit::Ratio => "a ratio, such as 80% or 0.8",
            Unit::Cores => "cores, such as 0.8 or 2 cores",
            Unit::None => "a plain number",
        }
    }

    /// The same for what are multiples of a value.
    pub(super) fn of_multiples(self) -> Self {
        Self {
            unit: Unit::None,
            lowest: 0.0,
            highest: f64::INFINITY,
            ..self
        }
    }

    /// The value as a person would write it.
    fn show(self, value: f64) -> String {
        match self.unit {
            Unit::Seconds => format!("{value}s"),
            Unit::Bytes => format!("{value}B"),
            Unit::Cores => format!("{value} cores"),
            Unit::Ratio | Unit::None => value.to_string(),
        }
    }

    pub(super) fn check_unit(
        self,
        quantity: Quantity,
        place: &Place,
        checker: &mut Checker<'_>,
    ) -> bool {
        let fits = self.takes(quantity.unit);
        if !fits {
            let (metric, allowed) = (self.metric, self.example());
            let message = format!(
                "a value of `{metric}` cannot be given as {}, allowed: {allowed}",
                quantity.unit
            );
            checker.fault(place, message);
        }
        fits
    }

    /// Refuses a limit that no value can breach.
    pub(super) fn check_reachable(
        self,
        comparison: Comparison,
        limit: f64,
        place: &Place,
        checker: &mut Checker<'_>,
    ) {
        let reachable = match comparison {
            Comparison::Above => limit < self.highest,
            Comparison::AtLeast => limit <= self.highest,
            Comparison::Below => limit > self.lowest,
            Comparison::AtMost => limit >= self.lowest,
            Comparison::Equals => (self.lowest..=self.highest).contains(&limit),
        };
        if !reachable {
            let (metric, limit) = (self.metric, self.show(limit));
            let range = match (self.lowest.is_finite(), self.highest.is_finite()) {
                (true, true) => format!("lies between {} and {}", self.lowest, self.highest),
                _ => format!("is never below {}", self.lowest),
            };
            checker.fault(
                place,
                format!(
                    "limit {limit} can never be breached by `{}`: `{metric}` {range}",
                    name(comparison)
                ),
            );
        }
    }
}

fn name(comparison: Comparison) -> &'static str {
    let found = Comparison::ALL.iter().find(|(_, c)| *c == comparison);
    found.map_or("", |(name, _)| name)
}

/// Reads the limits at `place` as levels, mildest first; none if there is nothing to go on with.
pub(super) fn levels(
    written: &wire::Limits,
    comparison: Comparison,
    range: Range<'_>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Vec<Level> {
    let pairs = pairs(written).into_iter();
    let pairs: Vec<(Option<Severity>, Quantity)> = (pairs)
        .filter_map(|(severity, limit)| match limit {
            wire::Limit::Value(quantity) => Some((severity, *quantity)),
            // These are read as multiples.
            wire::Limit::Relative(_) => None,
        })
        .collect();
    if comparison == Comparison::Equals && matches!(written, wire::Limits::Levels(_)) {
        checker.fault_at_key(
            place,
            "`equals` takes no levels, allowed: one value, with the severity in `labels`",
        );
        return Vec::new();
    }
    let mut levels: Vec<Level> = Vec::new();
    for (severity, quantity) in pairs {
        let place = severity.map_or_else(|| place.clone(), |s| place.key(s.as_str()));
        if !range.check_unit(quantity, &place, checker) {
            continue;
        }
        range.check_reachable(comparison, quantity.value, &place, checker);
        let milder = levels.last().copied();
        if let (Some(rising), Some(milder)) = (comparison.rising(), milder) {
            let stricter = if rising {
                quantity.value > milder.limit
            } else {
                quantity.value < milder.limit
            };
            if !stricter {
                let (own, other) = (range.show(quantity.value), range.show(milder.limit));
                let [worse, mild] =
                    [severity, milder.severity].map(|s| s.map_or("", Severity::as_str));
                let side = if rising { "above" } else { "below" };
                checker.fault(
                    &place,
                    format!(
                        "limit {own} of `{worse}` is not stricter than {other} of `{mild}`, allowed: a value {side} {other}"
                    ),
                );
            }
        }
        levels.push(Level {
            severity,
            limit: quantity.value,
            recover: None,
        });
    }
    levels
}

/// The limits with the severities that they have, mildest first.
pub(super) fn pairs(written: &wire::Limits) -> Vec<(Option<Severity>, &wire::Limit)> {
    match written {
        wire::Limits::One(limit) => vec![(None, limit)],
        wire::Limits::Levels(levels) => levels.iter().map(|(s, limit)| (Some(*s), limit)).collect(),
    }
}

/// Sets where each level recovers: at a value of the metric, or at a share p of the limit (`above L` under p·L,
/// `below L` over (2 − p)·L).
pub(super) fn recover(
    written: Quantity,
    levels: &mut [Level],
    comparison: Comparison,
    range: Range<'_>,
    place: &Place,
    checker: &mut Checker<'_>,
) {
    let Some(rising) = comparison.rising() else {
        checker.fault_at_key(place, "`equals` takes no `recover`, allowed: leave it out");
        return;
    };
    let share = (written.unit == units::Unit::Ratio).then_some(written.value);
    if share.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
        checker.fault(
            place,
            format!(
                "recovery at {}% of the limit is not possible, allowed: 0% to 100%",
                written.value * 100.0
            ),
        );
        return;
    }
    if share.is_none() && !range.check_unit(written, place, checker) {
        return;
    }
    let mut milder: Option<Level> = None;
    for level in levels {
        let value = match share {
            None => written.value,
            Some(p) if rising => p * level.limit,
            Some(p) => (2.0 - p) * level.limit,
        };
        let of = level
            .severity
            .map_or_else(String::new, |severity| format!(" of `{severity}`"));
        let (shown, limit) = (range.show(value), range.show(level.limit));
        let wrong = if (rising && value > level.limit) || (!rising && value < level.limit) {
            let side = if rising { "above" } else { "below" };
            Some(format!("is {side} the limit {limit}{of}"))
        } else if (rising && value <= range.lowest) || (!rising && value >= range.highest) {
            let side = if rising { "under" } else { "over" };
            Some(format!(
                "can never be reached: `{}` never goes {side} it",
                range.metric
            ))
        } else {
            milder
                .filter(|milder| {
                    (rising && value < milder.limit) || (!rising && value > milder.limit)
                })
                .map(|milder| {
                    let mild = milder.severity.map_or("", Severity::as_str);
                    let other = range.show(milder.limit);
                    format!("passes the limit {other} of `{mild}`")
                })
        };
        if let Some(wrong) = wrong {
            checker.fault(
                place,
                format!("recovery{of} at {shown} {wrong}, allowed: on the good side of the limit, before that of the next milder level"),
            );
        }
        level.recover = Some(value);
        milder = Some(*level);
    }
}

//! Limits that are multiples of a statistic of each instance's own baseline.

use std::time::Duration;

use super::findings::Checker;
use super::threshold::Surroundings;
use super::{limits, regression, wire};
use crate::document::Place;
use crate::document::units::Unit;
use crate::engine::condition::{Against, Comparison, Level, Relative};
use crate::engine::metric::{Metric, Stat};
use crate::engine::rule::Severity;
use crate::engine::window::Reach;

/// What the baseline is learned from, unless the rule says otherwise.
const ROLLING: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Limits of a threshold with what they are limits of.
pub(super) struct Multiples<'a> {
    pub(super) metric: &'a Metric,
    pub(super) stat: Stat,
    pub(super) comparison: Comparison,
    pub(super) limits: &'a wire::Limits,
}

impl Multiples<'_> {
    /// Whether any of the limits is a multiple.
    pub(super) fn are_meant(&self) -> bool {
        let pairs = limits::pairs(self.limits);
        let mut limits = pairs.iter().map(|(_, limit)| limit);
        limits.any(|limit| matches!(limit, wire::Limit::Relative(_)))
    }

    /// Reads them, mildest first, with what they are multiples of; `None` where a fault leaves nothing to judge by.
    pub(super) fn read(
        &self,
        written: &wire::Threshold,
        reach: Option<Reach>,
        around: Surroundings,
        (threshold, key): (&Place, &str),
        checker: &mut Checker<'_>,
    ) -> Option<(Vec<Level>, Option<Relative>)> {
        let place = threshold.key(key);
        self.check_kind(threshold, &place, checker)?;
        let against = match &written.of {
            None => Some(Against::Rolling(ROLLING.min(around.retention))),
            Some(of) => self.against(of, reach, around, &threshold.key("of"), checker),
        };
        if written
            .recover
            .is_some_and(|recover| recover.unit != Unit::Ratio)
        {
            checker.fault(
                &threshold.key("recover"),
                "where limits are multiples of a baseline `recover` is a share of them, allowed: 0% to 100%",
            );
        }
        let (mut levels, mut stat): (Vec<Level>, _) = (Vec::new(), None);
        for (severity, limit) in limits::pairs(self.limits) {
            let place = severity.map_or_else(|| place.clone(), |own| place.key(own.as_str()));
            let wire::Limit::Relative(multiple) = limit else {
                checker.fault(
                    &place,
                    "the limits of one rule are of one kind, allowed: all values, or all multiples of a baseline",
                );
                continue;
            };
            let read = statistic(self.metric, &multiple.baseline);
            match (read, stat) {
                (None, _) => checker.fault(
                    &place.key("baseline"),
                    format!(
                        "{:?} is no statistic of a baseline, allowed: mean, median, p50 to p99.9, min, max, stddev",
                        multiple.baseline
                    ),
                ),
                (Some(read), Some(before)) if read != before => checker.fault(
                    &place.key("baseline"),
                    "the limits of one rule are multiples of the same statistic, allowed: one for all",
                ),
                _ => {}
            }
            stat = stat.or(read);
            self.push(
                &mut levels,
                severity,
                multiple.times,
                &place.key("times"),
                checker,
            );
        }
        let relative = Relative {
            stat: stat?,
            against: against?,
        };
        (!levels.is_empty()).then_some((levels, Some(relative)))
    }

    /// Whether such limits make sense for what is judged; `None` where no baseline could be made at all.
    fn check_kind(
        &self,
        threshold: &Place,
        place: &Place,
        checker: &mut Checker<'_>,
    ) -> Option<()> {
        if self.comparison == Comparison::Equals {
            checker.fault_at_key(
                place,
                "`equals` takes no multiple of a baseline, allowed: above, below, at_least, at_most",
            );
        }
        if matches!(self.metric, Metric::Rate | Metric::Errors) {
            let metric = self.metric;
            checker.fault(
                &threshold.key("metric"),
                format!("`{metric}` has no single values that a baseline could be made of, allowed: error_ratio, or a metric that each operation has"),
            );
            return None;
        }
        if matches!(self.stat, Stat::Sum | Stat::Count) {
            let stat = self.stat;
            checker.fault(
                &threshold.key("stat"),
                format!("`{stat}` of a window is no multiple of what single values of a baseline are like, allowed: mean, median, p50 to p99.9, min, max, last, stddev"),
            );
        }
        Some(())
    }

    fn against(
        &self,
        written: &wire::Against,
        reach: Option<Reach>,
        around: Surroundings,
        place: &Place,
        checker: &mut Checker<'_>,
    ) -> Option<Against> {
        let against = regression::against(written, reach, around, place, checker)?;
        if !matches!(against, Against::Pinned(_) | Against::Rolling(_)) {
            checker.fault_at_key(
                place,
                "limits are multiples of a baseline that stays for a while, allowed: exactly one of pinned, rolling",
            );
            return None;
        }
        Some(against)
    }

    fn push(
        &self,
        levels: &mut Vec<Level>,
        severity: Option<Severity>,
        times: f64,
        place: &Place,
        checker: &mut Checker<'_>,
    ) {
        if !(times.is_finite() && times > 0.0) {
            checker.fault(
                place,
                format!(
                    "`times` of {times} is not possible, allowed: a number above 0 such as 1.5"
                ),
            );
            return;
        }
        let is_stricter = |milder: &Level| match self.comparison.rising() {
            Some(false) => times < milder.limit,
            _ => times > milder.limit,
        };
        if let Some(milder) = levels.last().filter(|milder| !is_stricter(milder)) {
            checker.fault(
                place,
                format!("{times} times is not stricter than {} times of the milder level, allowed: a number on the other side of it", milder.limit),
            );
        }
        levels.push(Level {
            severity,
            limit: times,
            recover: None,
        });
    }
}

/// A statistic that a baseline has; a metric that is a statistic itself has its own.
fn statistic(metric: &Metric, name: &str) -> Option<Stat> {
    let stat = Stat::named(name)?;
    let is_of_values = !matches!(stat, Stat::Last | Stat::Sum | Stat::Count);
    let is_own = metric.own_stat().is_none_or(|own| own == stat);
    (is_of_values && is_own).then_some(stat)
}

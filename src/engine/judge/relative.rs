//! What a threshold sees whose limits are multiples of a statistic of each instance's own baseline.

use std::time::Duration;

use super::Scope;
use super::compared::{Compared, Subject};
use super::data::{self, Basis, Datum};
use super::learned::{Learned, Lesson, relearned_after};
use crate::engine::baseline::{Source, gather, stat_of};
use crate::engine::condition::{Against, Lack, Relative, Threshold, Unit};
use crate::engine::metric::Metric;
use crate::engine::rule::Rule;
use crate::engine::store::Store;
use crate::engine::window::{Reach, Window};

/// A window, and what its limits are multiples of.
#[derive(Debug)]
pub struct Limited {
    pub(super) window: Box<Window>,
    pub(super) basis: Option<Basis>,
    unit: Result<Unit, Lack>,
    learned: Option<Learned>,
}

impl Compared {
    /// What an instance is to be judged by now.
    pub(super) fn look_relative(
        &self,
        (rule, threshold, relative): (&Rule, &Threshold, &Relative),
        subject: &Subject<'_>,
        store: &Store,
        scope: &Scope,
    ) -> Datum {
        let Datum::Window(window, basis) = data::window(rule, subject.series, store, scope) else {
            return Datum::Unchanged;
        };
        let divisor = scope
            .cpu_limit
            .filter(|_| threshold.metric == Metric::CpuRatio);
        let now = scope.now.wall;
        let source = Source {
            store,
            series: subject.series,
            metric: &threshold.metric,
            divisor,
            until: None,
        };
        let mut learned = None;
        let unit = match &relative.against {
            Against::Pinned(name) => {
                let found = scope
                    .baselines
                    .find(name, &threshold.metric, subject.labels);
                let unit = found.and_then(|baseline| {
                    Some(Unit {
                        value: baseline.stat(relative.stat)?,
                        n: baseline.samples(),
                    })
                });
                unit.ok_or(Lack::Baseline)
            }
            against => {
                let lesson = Lesson {
                    source,
                    reach: threshold.reach,
                    against,
                };
                // The values of a stretch of time need not be looked at to know how far it reaches.
                let covered = || match threshold.reach {
                    Reach::Time(span) => Some((now.before(span), now)),
                    reach => gather(source, reach, None, now, &[]).span,
                };
                learned = self.learn(lesson, subject, covered, scope);
                let unit = learned.as_ref().and_then(|learned| {
                    Some(Unit {
                        value: stat_of(&learned.cohort, relative.stat)?,
                        n: learned.cohort.summary.n,
                    })
                });
                unit.ok_or(Lack::BaselineData)
            }
        };
        let again = learned.as_ref().and_then(|learned| {
            Some(
                learned
                    .at
                    .after(relearned_after(&relative.against, threshold.reach)?),
            )
        });
        Datum::Limited(Box::new(Limited {
            window,
            basis: basis.map(|basis| basis.until_at_most(again)),
            unit,
            learned,
        }))
    }

    /// Takes what the limits are multiples of.
    pub(super) fn take_unit(&mut self, limited: &Limited, reach: Reach) {
        self.keep(limited.learned.as_ref());
        self.unit = limited.unit.ok();
        self.found.lacks = limited.unit.err();
        self.found.covered = reach.span().unwrap_or(Duration::ZERO);
    }
}

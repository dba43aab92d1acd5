//! What a rule on a regression sees: a window and the reference it is compared with, gathered from the store.

use std::sync::Arc;
use std::time::Duration;

use super::data::Basis;
use super::learned::{Learned, Lesson, relearned_after};
use super::{Scope, Tracked};
use crate::engine::baseline::{Content, Gathered, Source, gather, is_by_factors, stat_of};
use crate::engine::cohort::Cohort;
use crate::engine::condition::{Against, Decision, Found, Lack, Regression, Unit};
use crate::engine::contrast;
use crate::engine::metric::Metric;
use crate::engine::series::Labels;
use crate::engine::store::{SeriesId, Store};
use crate::engine::time::{Timestamp, millis};
use crate::engine::window::Reach;

/// A window of time is looked at again after this part of its length, though nothing came.
const PARTS: i64 = 120;
/// As long as the finest buckets.
const FINEST: i64 = 10_000;

/// What one instance of a rule on a regression remembers, or of a threshold whose limits are relative to a baseline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compared {
    /// What was found at the last evaluation.
    pub found: Found,
    /// The last decision at a closed block.
    pub decision: Option<Decision>,
    /// The version of the set baseline that it was made against; 0 for a learned one.
    pub(in crate::engine) version: u32,
    /// The reference as it was last learned.
    pub(in crate::engine) learned: Option<Learned>,
    /// Whether that has been saved.
    pub(in crate::engine) is_learned_saved: bool,
    /// What the limits of a threshold are multiples of, as it was last found.
    pub unit: Option<Unit>,
    /// Stretches in which an alert fired: nothing is learned from them.
    pub(in crate::engine) disturbed: Vec<(Timestamp, Timestamp)>,
}

/// What an instance is to be judged by.
#[derive(Debug)]
pub struct Comparison {
    pub(super) found: Found,
    pub(super) version: u32,
    pub(super) learned: Option<Learned>,
    pub(super) basis: Option<Basis>,
}

/// What there is to compare with.
enum Reference {
    Number(f64, Option<f64>),
    Cohort(Arc<Cohort>),
}

/// The series that an instance is judged by, and those of the version before it.
pub(super) struct Subject<'a> {
    pub(super) labels: &'a Labels,
    pub(super) series: &'a [SeriesId],
    pub(super) before: &'a Before,
    /// Its alerts.
    pub(super) alerts: &'a [Tracked],
    /// Whether one of its alerts is pending or fires: then the reference stays as it is.
    pub(super) is_frozen: bool,
}

/// The versions before that of an instance.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    /// Their series, the latest version first.
    pub(super) versions: Vec<Vec<SeriesId>>,
    /// Whether there is a newer one.
    pub(super) is_superseded: bool,
}

impl Compared {
    /// The reference as it was last learned; `None` where it was set.
    pub fn learned(&self) -> Option<&Learned> {
        self.learned.as_ref()
    }

    /// What it is to be judged by now.
    pub(super) fn look(
        &self,
        rule: &Regression,
        subject: &Subject<'_>,
        store: &Store,
        scope: &Scope,
    ) -> Comparison {
        let now = scope.now.wall;
        let mut comparison = Comparison {
            found: Found::default(),
            version: 0,
            learned: None,
            basis: None,
        };
        let lacks = |lack| Found {
            lacks: Some(lack),
            ..Found::default()
        };
        let divisor = match (&rule.metric, scope.cpu_limit) {
            (Metric::CpuRatio, None) => {
                comparison.found = lacks(Lack::Data);
                return comparison;
            }
            (Metric::CpuRatio, limit) => limit,
            _ => None,
        };
        if subject.before.is_superseded {
            comparison.found = lacks(Lack::Superseded);
            return comparison;
        }
        let is_mixed =
            (rule.reach.span()).is_some_and(|span| scope.watched.coverage(span, now).is_mixed);
        if is_mixed {
            comparison.found = lacks(Lack::Time);
            return comparison;
        }
        let source = Source {
            store,
            series: subject.series,
            metric: &rule.metric,
            divisor,
            until: None,
        };
        let pinned = match &rule.against {
            Against::Pinned(name) => match scope.baselines.find(name, &rule.metric, subject.labels)
            {
                Some(pinned) => Some(pinned),
                None => {
                    comparison.found = lacks(Lack::Baseline);
                    return comparison;
                }
            },
            _ => None,
        };
        comparison.version = pinned.map_or(0, |pinned| pinned.version);
        let after = pinned.and_then(|pinned| match pinned.content {
            Content::Measured { to, .. } => Some(to),
            Content::Number { .. } => None,
        });
        let window = gather(source, aligned(rule.reach, now), after, now, &[]);
        let reference = match pinned.map(|pinned| &pinned.content) {
            Some(Content::Number { value, sd }) => Some(Reference::Number(*value, *sd)),
            Some(Content::Measured { cohort, .. }) => Some(Reference::Cohort(cohort.clone())),
            None => {
                let lesson = Lesson {
                    source,
                    reach: rule.reach,
                    against: &rule.against,
                };
                let learned = self.learn(lesson, subject, || window.span, scope);
                comparison.learned.clone_from(&learned);
                learned.map(|learned| Reference::Cohort(learned.cohort))
            }
        };
        comparison.found = found(rule, &window, reference, after, now);
        let relearned = comparison.learned.as_ref();
        let again = relearned.and_then(|learned| {
            Some(
                learned
                    .at
                    .after(relearned_after(&rule.against, rule.reach)?),
            )
        });
        let until = rule.reach.span().map(|span| {
            let step = step_of(span);
            Timestamp::from_millis((now.millis().div_euclid(step) + 1) * step)
        });
        let next = again.into_iter().chain(until).min();
        comparison.basis = Some(Basis::of(subject.series, store, scope, next));
        comparison
    }

    /// Takes what was found at an evaluation, and decides where a block has closed.
    pub(super) fn take(&mut self, rule: &Regression, comparison: &Comparison, at: Duration) {
        if comparison.version != self.version {
            self.decision = None;
            self.version = comparison.version;
        }
        self.keep(comparison.learned.as_ref());
        self.found = comparison.found;
        self.decide(rule, at);
    }

    /// Decides where a block has closed.
    pub(super) fn decide(&mut self, rule: &Regression, at: Duration) {
        self.decision = rule.decide(self.decision, &self.found, at);
    }
}

/// How far a window of that length moves at a time, in milliseconds.
fn step_of(span: Duration) -> i64 {
    (millis(span) / PARTS).max(FINEST)
}

/// The reach from where the window began at the last step: between two steps values only enter, so that it is the same
/// whenever it is looked at.
fn aligned(reach: Reach, now: Timestamp) -> Reach {
    let back = |span| {
        let step = step_of(span);
        span + Duration::from_millis(now.millis().rem_euclid(step).unsigned_abs())
    };
    match reach {
        Reach::Time(span) => Reach::Time(back(span)),
        Reach::AtLeast(span, runs) => Reach::AtLeast(back(span), runs),
        Reach::Runs(_) => reach,
    }
}

fn found(
    rule: &Regression,
    window: &Gathered,
    reference: Option<Reference>,
    after: Option<Timestamp>,
    now: Timestamp,
) -> Found {
    let n = window.summary.map_or(0, |summary| summary.n);
    let oldest = window.span.map(|(from, _)| from);
    let mut found = Found {
        n,
        arrivals: window.arrivals,
        covered: oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)),
        is_full: match rule.reach {
            Reach::Runs(runs) => n >= u64::from(runs),
            Reach::Time(span) | Reach::AtLeast(span, _) => {
                after.is_none_or(|after| now.before(span) >= after)
            }
        },
        ..Found::default()
    };
    if n == 0 {
        found.lacks = Some(Lack::Data);
        return found;
    }
    let by_factors = is_by_factors(&rule.metric);
    let cohort = |scale| Cohort::of(&window.course, window.summary, by_factors, scale);
    let beside = |number, sd| {
        let value = cohort(None).and_then(|cohort| stat_of(&cohort, rule.stat));
        value.map(|value| contrast::beside(value, number, sd))
    };
    match reference {
        None => found.lacks = Some(Lack::BaselineData),
        Some(Reference::Number(value, sd)) => {
            found.is_number = true;
            found.contrast = beside(value, sd);
        }
        Some(Reference::Cohort(reference)) => {
            found.baseline_n = reference.summary.n;
            found.contrast = if rule.weighs_evidence {
                let window = cohort(Some(reference.scale));
                window.and_then(|window| contrast::compare(rule.feature, &window, &reference))
            } else {
                let value = stat_of(&reference, rule.stat);
                value.and_then(|value| beside(value, reference.summary.sd))
            };
        }
    }
    found
}

//! Learning what was usual: references that rules make of what the store holds, and when they make them anew.

use std::sync::Arc;
use std::time::Duration;

use super::Scope;
use super::compared::{Compared, Subject};
use crate::engine::baseline::{Gathered, LEAST_LEARNED, Source, gather, is_by_factors};
use crate::engine::cohort::Cohort;
use crate::engine::condition::Against;
use crate::engine::time::Timestamp;
use crate::engine::window::Reach;

/// Windows of earlier periods that a seasonal reference is made of, at most.
const SEASONS: u32 = 7;
/// A seasonal reference is made of at least so many.
const LEAST_SEASONS: usize = 3;
/// A rolling reference is learned anew after this part of its length, within these bounds.
const RELEARNED: u32 = 168;
const RELEARNED_WITHIN: (Duration, Duration) =
    (Duration::from_secs(300), Duration::from_secs(3_600));
/// Runs of the version before that a version is compared with, at most.
const RUNS_BEFORE: u32 = 1_000;
/// Stretches that are remembered as disturbed, at most.
const MAX_DISTURBED: usize = 32;
/// A reference that was learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// When.
    pub at: Timestamp,
    /// From what.
    pub cohort: Arc<Cohort>,
}

/// What is to be learned.
#[derive(Clone, Copy)]
pub(super) struct Lesson<'a> {
    /// From which series, and of which metric.
    pub(super) source: Source<'a>,
    /// The window that is judged.
    pub(super) reach: Reach,
    /// What it is judged against.
    pub(super) against: &'a Against,
}

impl Compared {
    /// The reference of a rule that learns it: the last one as long as it holds, else a new one. `covered` is what the
    /// window covers, which nothing is learned from.
    pub(super) fn learn(
        &self,
        lesson: Lesson<'_>,
        subject: &Subject<'_>,
        covered: impl FnOnce() -> Option<(Timestamp, Timestamp)>,
        scope: &Scope,
    ) -> Option<Learned> {
        let now = scope.now.wall;
        let Lesson {
            source,
            reach,
            against,
        } = lesson;
        if let Some(learned) = &self.learned {
            let holds = relearned_after(against, reach)
                .is_some_and(|after| learned.at <= now && now < learned.at.after(after));
            if subject.is_frozen || holds {
                return Some(learned.clone());
            }
        }
        let start = match (reach, covered()) {
            (Reach::Runs(_), Some((from, _))) => from.before(Duration::from_millis(1)),
            (Reach::Time(span) | Reach::AtLeast(span, _), Some((from, _))) => {
                now.before(span).min(from)
            }
            (_, None) => return self.learned.clone(),
        };
        let until = |span: Duration, end: Timestamp| {
            let mut left_out = scope.not_learned(subject.alerts, end.before(span), end);
            left_out.extend(&self.disturbed);
            gather(source, Reach::Time(span), None, end, &left_out)
        };
        let gathered = match against {
            Against::Pinned(_) => return None,
            Against::Rolling(span) => until(*span, start),
            Against::Offset(offset) => until(reach.span()?, now.before(*offset)),
            Against::Seasonal(season) => {
                let mut all = Gathered::default();
                let span = reach.span()?;
                for periods in (1..=SEASONS).rev() {
                    let mut one = until(span, now.before(*season * periods));
                    // One day may differ from another by more than its runs do.
                    one.course = one.course.apart();
                    all.append(one);
                }
                // How much days differ is not known from fewer.
                if all.course.stretches() < LEAST_SEASONS {
                    return None;
                }
                all
            }
            Against::PreviousVersion => {
                let of = |series| Source { series, ..source };
                let kept = now.before(source.store.settings().retention);
                let left_out = scope.not_learned(subject.alerts, kept, now);
                let runs = Reach::Runs(RUNS_BEFORE);
                let all = |series| gather(of(series), runs, None, now, &left_out);
                let mut versions = subject.before.versions.iter().map(|series| all(series));
                versions.find(|runs| runs.summary.is_some_and(|s| s.n >= LEAST_LEARNED))?
            }
        };
        gathered
            .summary
            .filter(|summary| summary.n >= LEAST_LEARNED)?;
        let by_factors = is_by_factors(source.metric);
        let cohort = Cohort::of(&gathered.course, gathered.summary, by_factors, None)?;
        Some(Learned {
            at: now,
            cohort: Arc::new(cohort),
        })
    }

    /// Keeps what was learned, to be saved where it is new.
    pub(super) fn keep(&mut self, learned: Option<&Learned>) {
        if learned.is_some() && learned != self.learned.as_ref() {
            self.is_learned_saved = false;
            self.learned = learned.cloned();
        }
    }

    /// Forgets what it has learned, and learns only from what was since then.
    pub(super) fn accept(&mut self, since: Timestamp) {
        self.learned = None;
        self.is_learned_saved = false;
        self.decision = None;
        self.unit = None;
        self.disturbed = vec![(Timestamp::default(), since)];
    }

    /// Notes that an alert fires, or has stopped to, so that nothing is learned from that time.
    pub(super) fn disturb(
        &mut self,
        against: &Against,
        is_firing: bool,
        was_firing: bool,
        now: Timestamp,
    ) {
        if is_firing && !was_firing {
            let from = now.before(self.found.covered);
            self.disturbed.push((from, now));
            let excess = self.disturbed.len().saturating_sub(MAX_DISTURBED);
            self.disturbed.drain(..excess);
        } else if was_firing && let Some((_, to)) = self.disturbed.last_mut() {
            *to = now;
        }
        if let Against::Rolling(span) = *against {
            let kept = now.before(span * 2);
            self.disturbed.retain(|(_, to)| *to >= kept);
        }
    }
}

/// How long a learned reference holds; `None` where it is another at every moment.
pub(super) fn relearned_after(against: &Against, reach: Reach) -> Option<Duration> {
    match *against {
        Against::Rolling(span) => {
            Some((span / RELEARNED).clamp(RELEARNED_WITHIN.0, RELEARNED_WITHIN.1))
        }
        Against::PreviousVersion => Some(RELEARNED_WITHIN.0),
        // What moves along with the window is looked at again when that has moved by a little.
        Against::Offset(_) | Against::Seasonal(_) => reach.span().map(|span| span / 20),
        Against::Pinned(_) => None,
    }
}

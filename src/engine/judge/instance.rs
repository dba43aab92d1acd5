//! One instance of a rule: the series judged together, and the alert of each level.

use std::borrow::Cow;
use std::time::Duration;

use super::by::By;
use super::compared::{self, Before};
use super::data::{self, Basis, Datum};
use super::detecting::Detecting;
use super::tracked::{Subject, Told, Tracked};
use super::{Effects, Scope};
use crate::engine::alert::{Change, EndReason};
use crate::engine::condition::{Condition, Standing, Verdict};
use crate::engine::dispatch::Replaced;
use crate::engine::rule::{External, Hold, NoData, Rule};
use crate::engine::series::Labels;
use crate::engine::store::{SeriesId, Store};
use crate::engine::window::Reading;

/// The series judged together and their alerts.
#[derive(Debug)]
pub struct Instance {
    /// The labels they share.
    pub labels: Labels,
    /// The series.
    pub series: Vec<SeriesId>,
    /// An alert per level, mildest first.
    pub levels: Vec<Tracked>,
    /// The alert that says data is missing, where the rule asks for one.
    pub missing: Option<Tracked>,
    /// When an operation was last seen, on the clock of judging; only rules on absence keep it.
    pub seen: Option<Duration>,
    /// Since when it has been expected, where a rule on absence names it.
    pub(in crate::engine) expected_since: Option<Duration>,
    /// It stands for what is expected and has no series of its own yet.
    pub(in crate::engine) stands_in: bool,
    /// Of its window, at the last evaluation.
    pub(in crate::engine) arrivals: u64,
    /// What it is judged by.
    pub by: By,
    /// What it costs has only moved: other parts of its whole are better, and the whole is not worse.
    pub is_shift: bool,
    /// Whether something that it has learned is saved beside its rule.
    pub(in crate::engine) has_learned_saved: bool,
    /// The versions before its own, where the rule compares versions.
    pub(super) before: Before,
    /// What it was last judged by, and how long that stays so.
    reading: Reading,
    pub(super) basis: Option<Basis>,
}

impl Instance {
    pub(in crate::engine) fn new(rule: &Rule, labels: &Labels, external: &External) -> Self {
        let tracked = |subject| Tracked::new(rule, labels, subject, external);
        let levels = rule.condition.levels();
        Self {
            labels: labels.clone(),
            series: Vec::new(),
            levels: (levels.iter())
                .map(|level| tracked(Subject::Level(*level)))
                .collect(),
            missing: (rule.hold.no_data == NoData::Alert).then(|| tracked(Subject::MissingData)),
            seen: None,
            expected_since: None,
            stands_in: false,
            arrivals: 0,
            by: By::of(&rule.condition),
            is_shift: false,
            has_learned_saved: false,
            before: Before::default(),
            reading: Reading::default(),
            basis: None,
        }
    }

    /// Goes on with a detector that has learned from the log, where that knows more and nothing is going on that this one
    /// has found; whether it does.
    pub(super) fn adopt(&mut self, learned: Option<Detecting>) -> bool {
        let is_active = self.is_active();
        let Some(detecting) = self.by.detecting_mut() else {
            return false;
        };
        let adopts = detecting.adopt(learned.filter(|_| !is_active));
        if adopts {
            self.basis = None;
        }
        adopts
    }

    /// How many values its series have ever taken of what is judged.
    pub fn arrivals(&self) -> u64 {
        self.arrivals
    }

    /// Has what it has learned saved again.
    pub(in crate::engine) fn forget_saved(&mut self) {
        match &mut self.by {
            By::Baseline(compared) => compared.is_learned_saved = false,
            By::Detector(detecting) => detecting.is_saved = false,
            By::Window | By::Trend(_) => {}
        }
    }

    /// Its alerts.
    pub fn tracked(&self) -> impl Iterator<Item = &Tracked> {
        self.levels.iter().chain(&self.missing)
    }

    /// Whether the condition's alert fires, at any level.
    pub fn is_firing(&self) -> bool {
        self.levels.iter().any(|level| level.state.is_firing())
    }

    /// Whether any of its alerts is pending or firing.
    pub(super) fn is_active(&self) -> bool {
        self.tracked()
            .any(|alert| alert.state.active_at().is_some())
    }

    /// How long nothing has been seen of it; `None` where it is neither known nor expected.
    fn absent_for(&self, scope: &Scope) -> Option<Duration> {
        let since = self.seen.or(self.expected_since)?;
        Some(scope.now.steady.saturating_sub(since))
    }

    /// Gives it other series to be judged by.
    pub(super) fn set_series(&mut self, series: Vec<SeriesId>) {
        self.series = series;
        // The number of a series may have passed to another one.
        self.basis = None;
        if let By::Trend(chart) = &mut self.by {
            chart.reset();
        }
    }

    /// What it is to be judged by now.
    pub(super) fn look(&self, rule: &Rule, store: &Store, scope: &Scope) -> Datum {
        match &self.basis {
            Some(basis) if basis.holds(&self.series, store, scope) => Datum::Unchanged,
            _ => {
                let subject = || compared::Subject {
                    labels: &self.labels,
                    series: &self.series,
                    before: &self.before,
                    alerts: &self.levels,
                    is_frozen: self.is_active(),
                };
                match (&rule.condition, &self.by) {
                    (Condition::Detection(detection), By::Detector(detecting)) => detecting
                        .look(detection, &self.series, &self.levels, store, scope)
                        .map_or(Datum::Unchanged, |one| Datum::Closed(Box::new(one))),
                    (Condition::Trend(trend), By::Trend(chart)) => chart
                        .look(trend, &self.series, store, scope)
                        .map_or(Datum::Unchanged, |charting| {
                            Datum::Charted(Box::new(charting))
                        }),
                    (Condition::Regression(regression), By::Baseline(compared)) => {
                        let comparison = compared.look(regression, &subject(), store, scope);
                        Datum::Compared(Box::new(comparison))
                    }
                    (Condition::Threshold(threshold), By::Baseline(compared)) => {
                        match &threshold.relative {
                            Some(relative) => {
                                let rule = (rule, threshold, relative);
                                compared.look_relative(rule, &subject(), store, scope)
                            }
                            None => data::window(rule, &self.series, store, scope),
                        }
                    }
                    _ => data::window(rule, &self.series, store, scope),
                }
            }
        }
    }

    /// Takes what it is judged by; whether it has gained data.
    fn read(&mut self, rule: &Rule, datum: &Datum, scope: &Scope) -> bool {
        let (window, basis) = match datum {
            Datum::Window(window, basis) => (window, basis),
            Datum::Limited(limited) => {
                if let (Condition::Threshold(threshold), By::Baseline(compared)) =
                    (&rule.condition, &mut self.by)
                {
                    compared.take_unit(limited, threshold.reach);
                }
                (&limited.window, &limited.basis)
            }
            Datum::Compared(comparison) => {
                let gained = comparison.found.arrivals > self.arrivals;
                self.arrivals = comparison.found.arrivals;
                self.reading.n = comparison.found.n;
                self.basis = comparison.basis;
                if let (Condition::Regression(regression), By::Baseline(compared)) =
                    (&rule.condition, &mut self.by)
                {
                    compared.take(regression, comparison, scope.now.steady);
                }
                return gained;
            }
            Datum::Charted(charting) => {
                let charted = charting.chart.charted;
                self.reading.n = charted.n;
                self.basis = charting.basis;
                let By::Trend(chart) = &mut self.by else {
                    return false;
                };
                let before = std::mem::replace(&mut **chart, charting.chart.clone());
                return before.charted != charted;
            }
            Datum::Closed(closed) => {
                self.basis = closed.basis;
                let (Condition::Detection(detection), By::Detector(detecting)) =
                    (&rule.condition, &mut self.by)
                else {
                    return false;
                };
                let gained = detecting.take(detection, closed);
                self.reading.n = u64::from(detecting.detected.value.is_some());
                return gained;
            }
            Datum::Unchanged => {
                // A block may close all the same.
                if let (Condition::Regression(regression), By::Baseline(compared)) =
                    (&rule.condition, &mut self.by)
                {
                    compared.decide(regression, scope.now.steady);
                }
                return false;
            }
        };
        let gained = window.arrivals > self.arrivals;
        self.arrivals = window.arrivals;
        self.reading = match rule.condition.need() {
            Some(need) => window.read(need.stat),
            None => Reading::default(),
        };
        self.basis = *basis;
        gained
    }

    pub(super) fn judge(
        &mut self,
        rule: &Rule,
        datum: &Datum,
        scope: &Scope,
        effects: &mut Effects,
    ) {
        let before = self.arrivals;
        let gained = self.read(rule, datum, scope);
        let came = self.arrivals.saturating_sub(before);
        let held = self.arrivals.min(self.reading.n);
        let was_firing = self.is_firing();
        let reading = self.reading;
        let coverage = scope.coverage(rule);
        let (absent_for, was_seen) = (self.absent_for(scope), self.seen.is_some());
        let since = self.seen.or(self.expected_since).unwrap_or_default();
        let lowest = self.levels.iter().position(|one| one.state.is_firing());
        for (index, tracked) in self.levels.iter_mut().enumerate() {
            if let Some(level) = tracked.level() {
                let verdict = match &rule.condition {
                    Condition::Threshold(threshold) => {
                        let is_firing = tracked.state.is_firing();
                        let unit = self.by.compared().map(|compared| compared.unit);
                        match unit {
                            None => threshold.judge(level, reading, coverage, is_firing, gained),
                            Some(unit) => threshold
                                .judge_relative(level, unit, reading, coverage, is_firing, gained),
                        }
                    }
                    Condition::Regression(regression) => {
                        let is_firing = tracked.state.is_firing();
                        let compared = self.by.compared();
                        let (found, decision) =
                            compared.map_or_else(Default::default, |one| (one.found, one.decision));
                        let interval = scope.interval;
                        regression.judge(level, &found, decision, is_firing, gained, interval)
                    }
                    Condition::Trend(trend) => {
                        let is_firing = tracked.state.is_firing();
                        let charted =
                            (self.by.chart()).map_or_else(Default::default, |one| one.charted);
                        trend.judge(level, &charted, is_firing, gained, scope.now.wall)
                    }
                    Condition::Detection(detection) => {
                        let is_firing = tracked.state.is_firing();
                        let detected =
                            (self.by.detecting()).map_or_else(Default::default, |one| one.detected);
                        detection.judge(level, &detected, is_firing, gained)
                    }
                    Condition::Absence(absence) => {
                        // What was missed before the break stays missed until it is seen.
                        let is_missed = tracked.state.active_at().is_some();
                        let (limit, now) = (absence.limit(), scope.now.steady);
                        let is_hidden = !is_missed && scope.watched.hides(since, limit, now);
                        absence.judge(absent_for, was_seen, is_hidden)
                    }
                };
                let before = effects.changes.len();
                let began = tracked.state.active_at();
                let hold = match &self.by {
                    By::Detector(detecting) if tracked.state.is_firing() => {
                        detecting.hold(&rule.hold)
                    }
                    _ => Cow::Borrowed(&rule.hold),
                };
                tracked.take(rule, &hold, verdict, &self.labels, scope, effects);
                for change in effects.changes.iter_mut().skip(before) {
                    change.is_raised =
                        change.change == Change::Fired && lowest.is_some_and(|one| one < index);
                }
                let values = if began.is_none() { held } else { came };
                tracked.count(began, values, scope.now.wall);
            }
        }
        let is_firing = self.is_firing();
        if let (Some(against), By::Baseline(compared)) = (rule.condition.against(), &mut self.by) {
            compared.disturb(against, is_firing, was_firing, scope.now.wall);
        }
        if let Some(missing) = &mut self.missing {
            let verdict = Verdict {
                standing: match reading.n {
                    0 if coverage.is_partial() => Standing::NoData,
                    0 => Standing::Breached,
                    _ => Standing::Holds,
                },
                value: None,
                limit: 0.0,
                n: reading.n,
                gained,
                evidence: None,
            };
            // Missing data never gains any, so it cannot be counted by evaluations that did.
            let hold = Hold {
                for_samples: None,
                ..rule.hold.clone()
            };
            missing.take(rule, &hold, verdict, &self.labels, scope, effects);
        }
    }

    /// Ends every alert, because the series are gone or forgotten.
    pub(super) fn depart(
        &mut self,
        rule: &Rule,
        reason: EndReason,
        scope: &Scope,
        effects: &mut Effects,
    ) {
        // Series that come back count from the start.
        self.arrivals = 0;
        self.basis = None;
        for tracked in self.levels.iter_mut().chain(&mut self.missing) {
            tracked.abandon(rule, reason, scope, effects);
        }
    }

    /// Works out what others are to hear: of the levels only the highest that fires, a lower one that
    /// takes over before the one above it is called off.
    pub(super) fn announce(&mut self, rule: &Rule, scope: &Scope, effects: &mut Effects) {
        let suppressed = scope.suppresses(&self.labels);
        // A level that takes over from one that others know of is told: else they would hear of an end only.
        let withhold =
            (suppressed || self.is_shift) && !self.levels.iter().any(|l| l.told == Told::Firing);
        let highest = self
            .levels
            .iter()
            .rposition(|level| level.state.is_firing());
        let mut ended = Vec::new();
        let known = self
            .levels
            .iter()
            .rposition(|level| level.told == Told::Firing)
            .and_then(|place| Some((place, self.levels.get(place)?.fingerprint)));
        for (index, tracked) in self.levels.iter_mut().enumerate() {
            let fires = tracked.state.is_firing();
            let told = fires && (scope.send_levels || Some(index) == highest);
            if told && tracked.told != Told::Firing {
                let other = known.filter(|(place, _)| *place != index);
                tracked.replaces = other.map(|(place, fingerprint)| Replaced {
                    fingerprint,
                    is_raised: place < index,
                });
            }
            tracked.suppressed = fires && suppressed;
            tracked.is_shift = fires && self.is_shift && withhold;
            tracked.announce(told, withhold, rule, scope, effects, &mut ended);
        }
        if let Some(missing) = &mut self.missing {
            let fires = missing.state.is_firing();
            missing.suppressed = fires && suppressed;
            missing.announce(fires, suppressed, rule, scope, effects, &mut ended);
        }
        effects.end(ended);
    }
}

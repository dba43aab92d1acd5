//! One alert with what others have been told of it.

use std::sync::Arc;
use std::time::Duration;

use super::{AlertChange, Effects, Scope, wording};
use crate::engine::alert::{self, AlertState, Change, EndReason};
use crate::engine::condition::{Evidence, Level, Standing, Verdict};
use crate::engine::dispatch::{Announced, Replaced};
use crate::engine::onset::Onset;
use crate::engine::rule::{External, Hold, Mode, Rule};
use crate::engine::series::Labels;
use crate::engine::tally::Tally;
use crate::engine::time::Timestamp;

/// What an alert is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// One level of the rule's condition.
    Level(Level),
    /// Data is missing (`no_data: alert`).
    MissingData,
    /// The rule itself fails, and why (`on_error: alert`).
    Failure(String),
}

impl Subject {
    /// The kind of alert, as design and webhooks name it.
    pub fn alert_type(&self, rule: &Rule) -> &'static str {
        match self {
            Self::Level(_) => rule.condition.alert_type(),
            Self::MissingData => "no_data",
            Self::Failure(_) => "rule_error",
        }
    }
}

/// What others were last told of an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Told {
    /// Nothing that still matters.
    #[default]
    Nothing,
    /// That it fires.
    Firing,
    /// That it has ended.
    Ended {
        /// When it began to fire.
        starts_at: Timestamp,
        /// When it ended for them: also when a higher level took over.
        at: Timestamp,
        /// The same on the steady clock.
        since: Duration,
        /// Why.
        reason: EndReason,
    },
}

/// One alert.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// Its identity, rendered once: labels may not depend on the value.
    pub labels: Labels,
    /// Alertmanager's fingerprint of the labels with the external ones, by which others know it.
    pub fingerprint: u64,
    /// What it is about.
    pub subject: Subject,
    /// Where it stands.
    pub state: AlertState,
    /// The latest verdict.
    pub verdict: Option<Verdict>,
    /// The latest value that was defined.
    pub value: Option<f64>,
    /// The latest limit that was defined, in the unit of the value.
    pub limit: Option<f64>,
    /// What the latest judgement by evidence rests on.
    pub evidence: Option<Evidence>,
    /// What it has found since it was last breached for the first time.
    pub tally: Option<Tally>,
    /// What it says, rendered at the last evaluation that found it active.
    pub annotations: Labels,
    /// When its state last changed.
    pub changed_at: Option<Timestamp>,
    /// What others were told.
    pub told: Told,
    /// It fires, but so does an alert that its rule depends on: nobody is told anew.
    pub suppressed: bool,
    /// It fires, but what it costs has only moved: nobody is told anew.
    pub is_shift: bool,
    /// The latest word on it while others know it to fire: all that is needed to call it off when its rule is gone.
    pub(in crate::engine) firing_as: Option<Arc<Announced>>,
    /// The alert of another level whose place it has taken for others, while they know it to fire.
    pub(in crate::engine) replaces: Option<Replaced>,
    /// When Alertmanagers were last told, on the steady clock.
    sent_at: Option<Duration>,
}

impl Tracked {
    /// An inactive alert of an instance with these labels.
    pub(in crate::engine) fn new(
        rule: &Rule,
        instance: &Labels,
        subject: Subject,
        external: &External,
    ) -> Self {
        let labels = wording::labels(rule, instance, &subject, external);
        // What is a multiple or a share of a baseline is no limit before the baseline is known.
        let limit = match &subject {
            Subject::Level(level) => rule.condition.limit_before(level),
            Subject::MissingData | Subject::Failure(_) => None,
        };
        Self {
            limit,
            fingerprint: wording::leaving(&labels, external).fingerprint(),
            labels,
            subject,
            state: AlertState::Inactive,
            verdict: None,
            value: None,
            evidence: None,
            tally: None,
            annotations: Labels::default(),
            changed_at: None,
            told: Told::Nothing,
            suppressed: false,
            is_shift: false,
            firing_as: None,
            replaces: None,
            sent_at: None,
        }
    }

    /// The level of the condition that it belongs to.
    pub fn level(&self) -> Option<&Level> {
        match &self.subject {
            Subject::Level(level) => Some(level),
            Subject::MissingData | Subject::Failure(_) => None,
        }
    }

    /// Whether others may still be told of it.
    pub(super) fn is_worth_keeping(&self, scope: &Scope) -> bool {
        match self.told {
            Told::Nothing => false,
            Told::Firing => true,
            Told::Ended { since, .. } => {
                scope.now.steady.saturating_sub(since) <= scope.resolved_retention
            }
        }
    }

    pub(super) fn take(
        &mut self,
        rule: &Rule,
        hold: &Hold,
        verdict: Verdict,
        labels: &Labels,
        scope: &Scope,
        effects: &mut Effects,
    ) {
        let (state, change) = alert::advance(
            self.state,
            &verdict,
            hold,
            scope.resolved_retention,
            scope.now,
        );
        self.verdict = Some(verdict);
        self.value = verdict.value.or(self.value);
        if let (Subject::Level(_), true) = (&self.subject, verdict.limit.is_finite()) {
            self.limit = Some(verdict.limit);
        }
        // What an alert is about stays so while it is held, and when it has ended.
        let is_over = verdict.standing != Standing::Breached && state != AlertState::Inactive;
        let found = self.evidence.filter(|_| is_over);
        let evidence = verdict.evidence.map(|one| one.with_found(found));
        self.evidence = evidence.or(self.evidence);
        self.enter(rule, state, change, scope, effects);
        if self.state.active_at().is_some() {
            self.annotations = wording::annotations(self, rule, labels, &scope.external);
        }
    }

    /// Counts what was found by the verdict that it has taken, for which that many values had come.
    pub(super) fn count(&mut self, began: Option<Timestamp>, came: u64, at: Timestamp) {
        let (Some(verdict), Some(active_at)) = (self.verdict, self.state.active_at()) else {
            return;
        };
        let begins = began != Some(active_at);
        if begins {
            self.tally = None;
        }
        // What is judged again by the same data is not found again; else it would be saved again each time, too.
        if verdict.standing == Standing::Breached && (verdict.gained || begins) {
            Tally::add(&mut self.tally, verdict.value, verdict.limit, came, at);
        }
    }

    /// Ends it, because what it is about is gone.
    pub(super) fn abandon(
        &mut self,
        rule: &Rule,
        reason: EndReason,
        scope: &Scope,
        effects: &mut Effects,
    ) {
        let (state, change) = alert::abandon(self.state, reason, scope.now);
        self.enter(rule, state, change, scope, effects);
    }

    fn enter(
        &mut self,
        rule: &Rule,
        state: AlertState,
        change: Option<Change>,
        scope: &Scope,
        effects: &mut Effects,
    ) {
        self.state = state;
        if let Some(change) = change {
            self.changed_at = Some(scope.now.wall);
            effects.changes.push(AlertChange {
                labels: self.labels.clone(),
                change,
                at: scope.now.wall,
                value: self.value,
                is_shadow: rule.mode == Mode::Shadow,
                is_raised: false,
                note: String::new(),
            });
        }
    }

    /// Updates what others have been told and adds what they are to be told now; what has ended goes
    /// to `ended`, to be told last.
    ///
    /// With `withhold` it is not told anew; what others know to fire goes on being told, so that its end is told too.
    pub(super) fn announce(
        &mut self,
        told: bool,
        withhold: bool,
        rule: &Rule,
        scope: &Scope,
        effects: &mut Effects,
        ended: &mut Vec<(Arc<Announced>, bool)>,
    ) {
        let now = scope.now;
        let before = self.told;
        let withheld = told && withhold && before != Told::Firing;
        let told = told && !withheld;
        self.told = match (told, before) {
            (true, _) => Told::Firing,
            // It is active again, so that its former end is no longer true.
            (false, _) if withheld => Told::Nothing,
            (false, Told::Firing) => {
                let (at, reason) = match self.state {
                    AlertState::Resolved {
                        resolved_at,
                        reason,
                        ..
                    } => (resolved_at, reason),
                    // A higher level took over.
                    _ => (now.wall, EndReason::LevelRaised),
                };
                Told::Ended {
                    // Kept, because by the time it is told again the alert may have begun anew.
                    starts_at: self.state.fired_at().unwrap_or(at).min(at),
                    at,
                    since: now.steady,
                    reason,
                }
            }
            // Once it is active again, or after a while, its end is no longer told, as in Prometheus.
            (false, Told::Ended { since, .. })
                if self.state.is_pending()
                    || now.steady.saturating_sub(since) > scope.resolved_retention =>
            {
                Told::Nothing
            }
            (false, other) => other,
        };
        if self.told != Told::Firing {
            self.firing_as = None;
            self.replaces = None;
        }
        if self.told == Told::Nothing {
            return;
        }
        // Prometheus sends again only once *more* than the resend delay has passed.
        let news = std::mem::discriminant(&before) != std::mem::discriminant(&self.told);
        let due =
            (self.sent_at).is_none_or(|sent| now.steady.saturating_sub(sent) > scope.resend_delay);
        let send = news || due;
        if send {
            self.sent_at = Some(now.steady);
        }
        let valid_until = now.wall.after(scope.resend_delay.max(scope.interval) * 4);
        if told {
            let starts_at = self.state.fired_at().unwrap_or(now.wall);
            let mut announced = self.announced(rule, scope, starts_at, None);
            announced.suppressed = self.suppressed && before == Told::Firing;
            let announced = Arc::new(announced);
            self.firing_as = Some(announced.clone());
            if send {
                effects
                    .to_alertmanager
                    .push((announced.clone(), valid_until));
            }
            effects.announced.push(announced);
        } else if let Told::Ended {
            starts_at,
            at,
            reason,
            ..
        } = self.told
            && send
        {
            let end = Some((at, reason));
            let announced = self.announced(rule, scope, starts_at, end);
            ended.push((Arc::new(announced), news));
        }
    }

    fn announced(
        &self,
        rule: &Rule,
        scope: &Scope,
        starts_at: Timestamp,
        ended: Option<(Timestamp, EndReason)>,
    ) -> Announced {
        let (metric, stat) = rule.condition.measured();
        let external: &External = &scope.external;
        let active_at = self.state.breached_at().unwrap_or(starts_at);
        Announced {
            fingerprint: self.fingerprint,
            labels: wording::leaving(&self.labels, external),
            annotations: self.annotations.clone(),
            starts_at,
            onset: Onset::of(&rule.condition, self.evidence, active_at, scope.interval),
            ended,
            suppressed: self.suppressed,
            generator_url: wording::generator_url(rule, external),
            rule: rule.name.clone(),
            alert_type: self.subject.alert_type(rule),
            metric,
            stat,
            value: self.value,
            limit: self.limit.unwrap_or_default(),
            n: self.verdict.map_or(0, |verdict| verdict.n),
            evidence: self.evidence,
            replaces: self.replaces,
            tally: self.tally,
            pace: rule.condition.pace(),
        }
    }
}

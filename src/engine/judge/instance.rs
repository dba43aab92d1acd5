//! One instance of a rule: the series judged together, and the alert of each level.

use std::sync::Arc;
use std::time::Duration;

use super::{AlertChange, Effects, Scope};
use crate::engine::alert::{self, AlertState, Change, EndReason, RESOLVED_RETENTION};
use crate::engine::condition::{Level, Standing, Verdict};
use crate::engine::dispatch::Announced;
use crate::engine::measurement::count;
use crate::engine::rule::{External, Hold, NoData, Rule, Severity};
use crate::engine::series::Labels;
use crate::engine::store::SeriesId;
use crate::engine::template::{Scope as Bindings, Value};
use crate::engine::time::Timestamp;
use crate::engine::window::Window;

/// The name of the alert type that says data is missing.
const NO_DATA: &str = "no_data";

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

/// The alert of one level.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// Its identity, rendered once: labels may not depend on the value.
    pub labels: Labels,
    /// Alertmanager's fingerprint of the labels with the external ones, by which others know it.
    pub fingerprint: u64,
    /// The level it belongs to; `None` for the alert that says data is missing.
    pub level: Option<Level>,
    /// Where it stands.
    pub state: AlertState,
    /// The latest verdict.
    pub verdict: Option<Verdict>,
    /// The latest value that was defined.
    pub value: Option<f64>,
    /// What it says, rendered at the last evaluation that found it active.
    pub annotations: Labels,
    /// When its state last changed.
    pub changed_at: Option<Timestamp>,
    /// What others were told.
    pub told: Told,
    /// When Alertmanagers were last told, on the steady clock.
    sent_at: Option<Duration>,
}

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
    arrivals: u64,
}

impl Instance {
    pub(super) fn new(rule: &Rule, labels: &Labels, external: &External) -> Self {
        let tracked = |level: Option<Level>| {
            let labels = alert_labels(rule, labels, level, external);
            Tracked {
                fingerprint: leaving(&labels, external).fingerprint(),
                labels,
                level,
                state: AlertState::Inactive,
                verdict: None,
                value: None,
                annotations: Labels::default(),
                changed_at: None,
                told: Told::Nothing,
                sent_at: None,
            }
        };
        let levels = rule.condition.levels();
        Self {
            labels: labels.clone(),
            series: Vec::new(),
            levels: levels.iter().map(|level| tracked(Some(*level))).collect(),
            missing: (rule.hold.no_data == NoData::Alert).then(|| tracked(None)),
            arrivals: 0,
        }
    }

    /// Its alerts.
    pub fn tracked(&self) -> impl Iterator<Item = &Tracked> {
        self.levels.iter().chain(&self.missing)
    }

    pub(super) fn judge(
        &mut self,
        rule: &Rule,
        window: &Window,
        scope: &Scope,
        effects: &mut Effects,
    ) {
        let gained = window.arrivals > self.arrivals;
        self.arrivals = window.arrivals;
        for tracked in &mut self.levels {
            if let Some(level) = tracked.level {
                let firing = tracked.state.is_firing();
                let verdict = rule.condition.judge(&level, window, firing, gained);
                tracked.take(rule, &rule.hold, verdict, &self.labels, scope, effects);
            }
        }
        if let Some(missing) = &mut self.missing {
            let verdict = Verdict {
                standing: if window.count() == 0 {
                    Standing::Breached
                } else {
                    Standing::Holds
                },
                value: None,
                limit: 0.0,
                n: window.count(),
                gained,
            };
            // Missing data never gains any, so it cannot be counted by evaluations that did.
            let hold = Hold {
                for_samples: None,
                ..rule.hold.clone()
            };
            missing.take(rule, &hold, verdict, &self.labels, scope, effects);
        }
    }

    /// Ends every alert, because the series are gone.
    pub(super) fn depart(&mut self, scope: &Scope, effects: &mut Effects) {
        // Series that come back count from the start.
        self.arrivals = 0;
        for tracked in self.levels.iter_mut().chain(&mut self.missing) {
            let (state, change) = alert::abandon(tracked.state, scope.now);
            tracked.enter(state, change, scope, effects);
        }
    }

    /// Works out what others are to hear: of the levels only the highest that fires, a lower one that
    /// takes over before the one above it is called off.
    pub(super) fn announce(&mut self, rule: &Rule, scope: &Scope, effects: &mut Effects) {
        let highest = self
            .levels
            .iter()
            .rposition(|level| level.state.is_firing());
        let mut ended = Vec::new();
        for (index, tracked) in self.levels.iter_mut().enumerate() {
            let fires = tracked.state.is_firing();
            let told = fires && (scope.send_levels || Some(index) == highest);
            tracked.announce(told, rule, scope, effects, &mut ended);
        }
        if let Some(missing) = &mut self.missing {
            let fires = missing.state.is_firing();
            missing.announce(fires, rule, scope, effects, &mut ended);
        }
        for (announced, news) in ended {
            let at = announced.ended.map_or(scope.now.wall, |(at, _)| at);
            effects.to_alertmanager.push((announced.clone(), at));
            if news {
                effects.announced.push(announced);
            }
        }
    }
}

impl Tracked {
    fn take(
        &mut self,
        rule: &Rule,
        hold: &Hold,
        verdict: Verdict,
        labels: &Labels,
        scope: &Scope,
        effects: &mut Effects,
    ) {
        let (state, change) = alert::advance(self.state, &verdict, hold, scope.now);
        self.verdict = Some(verdict);
        self.value = verdict.value.or(self.value);
        self.enter(state, change, scope, effects);
        if self.state.active_at().is_some() {
            self.annotations = self.annotate(rule, labels, &scope.external);
        }
    }

    fn enter(
        &mut self,
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
            });
        }
    }

    /// Updates what others have been told and adds what they are to be told now; what has ended goes
    /// to `ended`, to be told last.
    fn announce(
        &mut self,
        told: bool,
        rule: &Rule,
        scope: &Scope,
        effects: &mut Effects,
        ended: &mut Vec<(Arc<Announced>, bool)>,
    ) {
        let now = scope.now;
        let before = self.told;
        self.told = match (told, before) {
            (true, _) => Told::Firing,
            (false, Told::Firing) => {
                let (at, reason) = match self.state {
                    AlertState::Resolved {
                        resolved_at,
                        reason,
                        ..
                    } => (resolved_at, reason),
                    // A higher level took over.
                    _ => (now.wall, EndReason::Recovered),
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
                    || now.steady.saturating_sub(since) > RESOLVED_RETENTION =>
            {
                Told::Nothing
            }
            (false, other) => other,
        };
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
            let announced = Arc::new(self.announced(rule, &scope.external, starts_at, None));
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
            let announced = self.announced(rule, &scope.external, starts_at, end);
            ended.push((Arc::new(announced), news));
        }
    }

    fn announced(
        &self,
        rule: &Rule,
        external: &External,
        starts_at: Timestamp,
        ended: Option<(Timestamp, EndReason)>,
    ) -> Announced {
        let need = rule.condition.need();
        Announced {
            fingerprint: self.fingerprint,
            labels: leaving(&self.labels, external),
            annotations: self.annotations.clone(),
            starts_at,
            ended,
            generator_url: format!(
                "{}/api/v1/rules?rule_name[]={}",
                external.url,
                encode(&rule.name)
            ),
            rule: rule.name.clone(),
            alert_type: match self.level {
                Some(_) => rule.condition.alert_type(),
                None => NO_DATA,
            },
            metric: need.metric.to_string(),
            stat: need.stat.to_string(),
            value: self.value,
            limit: self.level.map_or(0.0, |level| level.limit),
            n: self.verdict.map_or(0, |verdict| verdict.n),
        }
    }

    fn annotate(&self, rule: &Rule, labels: &Labels, external: &External) -> Labels {
        if self.level.is_none() {
            let text = format!("no data of {} for {labels}", rule.condition.need().metric);
            return [("summary", text)].into_iter().collect();
        }
        let need = rule.condition.need();
        let (limit, n) = self.verdict.map_or((f64::NAN, 0), |v| (v.limit, v.n));
        let since = self.state.active_at().unwrap_or_default();
        let bindings = bindings(labels, external, self.value.unwrap_or(f64::NAN))
            .bind("threshold", limit)
            .bind("n", count(n))
            .bind("metric", need.metric.to_string())
            .bind("stat", need.stat.to_string())
            .bind("severity", self.labels.get("severity"))
            .bind("since", since.to_string());
        rule.annotations
            .iter()
            .map(|a| (a.name.as_str(), a.template.expand(&bindings)))
            .collect()
    }
}

/// What the templates of Prometheus may refer to.
fn bindings<'a>(labels: &Labels, external: &'a External, value: f64) -> Bindings<'a> {
    let strings =
        |labels: &Labels| Value::strings(labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())));
    Bindings::alert(
        strings(labels),
        strings(&external.labels),
        &external.url,
        value,
    )
}

/// Instance labels, over them the rule's, over them the level's severity and the name. Templates see
/// the instance's labels, before any is overridden, as in Prometheus.
fn alert_labels(
    rule: &Rule,
    instance: &Labels,
    level: Option<Level>,
    external: &External,
) -> Labels {
    let mut labels = instance.clone();
    let bindings = bindings(instance, external, f64::NAN);
    for label in &rule.labels {
        labels.set(label.name.as_str(), label.template.expand(&bindings));
    }
    match level {
        Some(level) => {
            if let Some(severity) = level.severity {
                labels.set("severity", severity.as_str());
            }
        }
        None => {
            labels.set("severity", Severity::Low.as_str());
            labels.set("alert_type", NO_DATA);
        }
    }
    labels.set("alertname", rule.name.as_str());
    labels
}

/// The labels with which an alert leaves: the external ones are added where it has none of their name.
fn leaving(labels: &Labels, external: &External) -> Labels {
    let mut labels = labels.clone();
    for (name, value) in external.labels.iter() {
        if labels.get(name).is_empty() {
            labels.set(name, value);
        }
    }
    labels
}

/// Percent-encodes what may not stand in a query.
fn encode(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

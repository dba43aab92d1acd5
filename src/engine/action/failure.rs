//! The alert that says that an action has failed: told as any other, over routes and to Alertmanagers.

use std::sync::Arc;
use std::time::Duration;

use super::{Case, Outcome};
use crate::engine::alert::{Change, EndReason};
use crate::engine::dispatch::Announced;
use crate::engine::judge::{AlertChange, Effects};
use crate::engine::onset::Onset;
use crate::engine::rule::{External, Severity};
use crate::engine::time::{Now, Timestamp};

/// The name of the alert.
pub const ALERT: &str = "ActionFailed";
/// Its kind.
pub const ALERT_TYPE: &str = "action_failed";
/// So long it fires where the alert that brought the action about was over by then.
const ALONE: Duration = Duration::from_secs(3_600);

/// That an action has failed, as others are told.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct Failure {
    /// The latest word on it.
    pub(in crate::engine) alert: Arc<Announced>,
    /// Since when it is so, on the clock of judging: that it fires, or that it has ended.
    pub(in crate::engine) since: Duration,
    /// Whether it ends with the alert that brought the action about.
    pub(in crate::engine) with_cause: bool,
    /// When Alertmanagers were last told, on the clock of judging.
    pub(in crate::engine) sent: Option<Duration>,
    /// Whether those who tell others know of it; not so after a restart.
    pub(in crate::engine) is_placed: bool,
}

impl Failure {
    /// Of a case that has come to a bad end.
    pub(in crate::engine) fn of(
        case: &Case,
        outcome: Outcome,
        with_cause: bool,
        external: &External,
        now: Now,
    ) -> Option<Self> {
        let run = case.run.as_ref()?;
        let mut labels = case.identity.clone();
        for (name, value) in external.labels.iter() {
            if labels.get(name).is_empty() {
                labels.set(name, value);
            }
        }
        for (name, value) in [
            ("alertname", ALERT),
            ("alert_type", ALERT_TYPE),
            ("severity", Severity::High.as_str()),
            ("action", &case.action),
            ("rule", &case.rule),
        ] {
            labels.set(name, value);
        }
        let what = match outcome {
            Outcome::Refused => "made something worse than what there is, which is refused",
            Outcome::Reverted => "led to something that has not passed its probation",
            Outcome::TimedOut => "had no end in time",
            _ => "failed",
        };
        let stays = match outcome {
            Outcome::Refused | Outcome::Reverted => "; the old baseline stays",
            _ => "",
        };
        let summary = format!(
            "action {} for {} {what}: {}{stays}",
            case.action, case.rule, run.message
        );
        let described = format!("Requested {} as {} for {}.", run.at, run.key, case.identity);
        // It is as sure when it failed as anything can be.
        let onset = Onset {
            earliest: now.wall,
            at: now.wall,
            latest: now.wall,
        };
        let alert = Announced {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: [("summary", summary), ("description", described)]
                .into_iter()
                .collect(),
            starts_at: now.wall,
            onset,
            ended: None,
            suppressed: false,
            generator_url: format!("{}/api/v1/actions", external.url),
            rule: ALERT.to_owned(),
            alert_type: ALERT_TYPE,
            metric: run.alert.metric.clone(),
            stat: run.alert.stat.clone(),
            value: None,
            limit: 0.0,
            n: 0,
            evidence: None,
            replaces: None,
            tally: None,
            pace: None,
        };
        Some(Self {
            alert: Arc::new(alert),
            since: now.steady,
            with_cause,
            sent: None,
            is_placed: false,
        })
    }

    /// Whether it fires.
    pub(in crate::engine) fn is_firing(&self) -> bool {
        self.alert.is_firing()
    }

    /// Goes on with what has come of another attempt: it has been firing since the first one.
    pub(in crate::engine) fn after(mut self, before: Option<Self>) -> Self {
        if let Some(before) = before.filter(Self::is_firing) {
            let mut alert = Announced::clone(&self.alert);
            alert.starts_at = before.alert.starts_at;
            alert.onset = before.alert.onset;
            self.alert = Arc::new(alert);
        }
        self
    }

    /// Ends it.
    pub(in crate::engine) fn end(&mut self, reason: EndReason, now: Now) {
        let mut alert = Announced::clone(&self.alert);
        alert.ended = Some((now.wall, reason));
        self.alert = Arc::new(alert);
        self.since = now.steady;
        self.sent = None;
        self.is_placed = false;
    }

    /// Whether it is over by itself, given whether the alert that brought the action about fires.
    pub(in crate::engine) fn is_over(&self, cause_fires: bool, now: Now) -> bool {
        self.is_firing()
            && match self.with_cause {
                true => !cause_fires,
                false => now.steady.saturating_sub(self.since) >= ALONE,
            }
    }

    /// Whether its end has been told for long enough.
    pub(in crate::engine) fn is_forgotten(&self, retention: Duration, now: Now) -> bool {
        !self.is_firing() && now.steady.saturating_sub(self.since) > retention
    }

    /// Adds what others are to be told of it now, as of the alert of a rule: news at once, and Alertmanagers again after
    /// `resend`.
    pub(in crate::engine) fn tell(&mut self, resend: Duration, effects: &mut Effects, now: Now) {
        let is_news = self.sent.is_none();
        let is_due = (self.sent).is_none_or(|sent| now.steady.saturating_sub(sent) > resend);
        if is_news {
            let (labels, at) = (self.alert.labels.clone(), now.wall);
            effects.changes.push(AlertChange {
                labels,
                change: match self.alert.ended {
                    Some((_, reason)) => Change::Resolved(reason),
                    None => Change::Fired,
                },
                at,
                value: None,
                is_shadow: false,
                is_raised: false,
                note: String::new(),
            });
        }
        if !std::mem::replace(&mut self.is_placed, true) && (is_news || self.is_firing()) {
            effects.announced.push(self.alert.clone());
        }
        if is_due {
            self.sent = Some(now.steady);
            let until: Timestamp = match self.alert.ended {
                Some((at, _)) => at,
                None => now.wall.after(resend * 4),
            };
            effects.to_alertmanager.push((self.alert.clone(), until));
        }
    }
}

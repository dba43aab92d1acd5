//! What came of one rule over all of a replay.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Alert;
use crate::engine::condition::Standing;
use crate::engine::judge::Health;
use crate::engine::judge::RuleState;
use crate::engine::rule::Mode;
use crate::engine::time::Timestamp;

const DAY: Duration = Duration::from_secs(86_400);
const WEEK: f64 = 7.0 * 86_400.0;

/// What came of one rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleSummary {
    /// The file that it is from.
    pub file: String,
    /// Its group.
    pub group: String,
    /// Its name.
    pub rule: String,
    /// Nobody would have been told of it.
    pub is_shadow: bool,
    /// Alerts that fired, each level counted by itself.
    pub alerts: u64,
    /// Alerts a week; `None` of a replay of less than a day, from which that cannot be said.
    pub alerts_per_week: Option<f64>,
    /// How long at least one of its alerts fired.
    pub firing: Duration,
    /// Instances that it judged, at most at once.
    pub instances: usize,
    /// Of them, those of which an alert fired.
    pub alerted_instances: usize,
    /// Alerts that were pending and ended without firing.
    pub dropped: u64,
    /// Notifications that tell of its alerts, repeats and ends included.
    pub notifications: u64,
    /// The highest and the lowest value that was judged, of all instances; `None` where there never was enough to judge.
    pub values: Option<(f64, f64)>,
    /// Its evaluations.
    pub evaluations: u64,
    /// Of them, those that failed, and why the last of these did.
    pub failures: u64,
    /// Why it failed last.
    pub last_failure: Option<String>,
}

impl RuleSummary {
    pub(super) fn of(file: &str, group: &str, state: &RuleState) -> Self {
        Self {
            file: file.to_owned(),
            group: group.to_owned(),
            rule: state.rule.name.clone(),
            is_shadow: state.rule.mode == Mode::Shadow,
            ..Self::default()
        }
    }

    /// Looks at the rule after an evaluation.
    pub(super) fn look(&mut self, state: &RuleState) {
        self.instances = self.instances.max(state.instances.len());
        if let Health::Failed(why) = &state.health {
            self.failures += 1;
            if self.last_failure.as_ref() != Some(why) {
                self.last_failure = Some(why.clone());
            }
        }
        self.evaluations += 1;
        let levels = state.instances.values().flat_map(|one| &one.levels);
        for verdict in levels.filter_map(|level| level.verdict) {
            let is_judged = matches!(verdict.standing, Standing::Holds | Standing::Breached);
            if let Some(value) = verdict.value.filter(|_| is_judged) {
                let (highest, lowest) = self.values.unwrap_or((value, value));
                self.values = Some((highest.max(value), lowest.min(value)));
            }
        }
    }

    /// Sums up its alerts, which are in the order in which they fired.
    pub(super) fn close(&mut self, alerts: &[&Alert], until: Timestamp, span: Duration) {
        self.alerts = u64::try_from(alerts.len()).unwrap_or(u64::MAX);
        let count = f64::from(u32::try_from(alerts.len()).unwrap_or(u32::MAX));
        self.alerts_per_week = (span >= DAY).then(|| count * WEEK / span.as_secs_f64());
        let instances: BTreeSet<_> = alerts.iter().map(|alert| &alert.instance).collect();
        self.alerted_instances = instances.len();
        let mut reached = None;
        for alert in alerts {
            let end = alert.ended.map_or(until, |(at, _)| at);
            let begin = reached.map_or(alert.fired_at, |reached| alert.fired_at.max(reached));
            self.firing += end.since(begin);
            reached = reached.max(Some(end));
        }
    }
}

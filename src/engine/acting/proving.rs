//! Whether what an action has led to is as good as what there was, and what becomes of the baseline then.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::engine::action::{self, Action, Bar, Outcome, Probation, Proof};
use crate::engine::baseline::{Content, stat_of};
use crate::engine::baselines::{Wanted, WantedContent};
use crate::engine::cohort::Cohort;
use crate::engine::condition::{Against, Condition};
use crate::engine::judge::{Effects, Instance};
use crate::engine::metric::Metric;
use crate::engine::time::{Now, Timestamp};
use crate::engine::window::Reach;

/// Runs that a new reference is made of, at most.
const MOST_RUNS: u32 = 10_000;

impl Engine {
    pub(super) fn look_at_probation(
        &mut self,
        key: &action::CaseKey,
        action: &Action,
        (from, begun): (Timestamp, Duration),
        now: Now,
        effects: &mut Effects,
    ) {
        let Some((state, instance)) = self.instance_of(key) else {
            self.end(
                key,
                Outcome::CalledOff,
                "its rule or what it was about is gone",
                now,
            );
            return;
        };
        let condition = state.rule.condition.clone();
        let proof = self.proof(instance, &condition, from, now);
        let least = action::least(&condition);
        let is_complete = match action.probation {
            None => true,
            Some(Probation::Runs(runs)) => proof.n >= u64::from(runs).max(least),
            Some(Probation::Time(span)) => {
                now.steady.saturating_sub(begun) >= span && proof.n >= least
            }
        };
        if !is_complete {
            return;
        }
        let bar = (self.actions.cases.get(key))
            .and_then(|case| case.run.as_ref())
            .map_or_else(Bar::default, |run| run.bar);
        if let Some(fault) = proof.fault(bar, &condition) {
            self.end(key, Outcome::Reverted, &fault, now);
            return;
        }
        let message = match self.move_baseline(key, from, now, effects) {
            Ok(()) => format!("passed its probation on {} runs", proof.n),
            Err(why) => format!("passed its probation on {} runs; {why}", proof.n),
        };
        self.end(key, Outcome::Kept, &message, now);
    }

    /// What has been measured of an instance since then.
    fn proof(
        &self,
        instance: &Instance,
        condition: &Condition,
        from: Timestamp,
        now: Now,
    ) -> Proof {
        let is_firing = instance.is_firing();
        let measured = condition.need().and_then(|need| {
            let metric = action::metric(condition)?;
            let (cohort, _) = self.measured_since(instance, metric, from, now.wall)?;
            Some((cohort.summary.n, stat_of(&cohort, need.stat)))
        });
        let (n, value) = measured.unwrap_or_default();
        Proof {
            n,
            value,
            is_firing,
        }
    }

    fn measured_since(
        &self,
        instance: &Instance,
        metric: &Metric,
        from: Timestamp,
        now: Timestamp,
    ) -> Option<(Cohort, (Timestamp, Timestamp))> {
        let reach = Reach::AtLeast(now.since(from), MOST_RUNS);
        let after = (Some(from), None);
        let gathered = self.gather(&instance.series, metric, reach, after, now);
        let by_factors = crate::engine::baseline::is_by_factors(metric);
        let cohort = Cohort::of(&gathered.course, gathered.summary, by_factors, None)?;
        Some((cohort, gathered.span?))
    }

    /// Has what was measured since then be the new reference of the rule.
    fn move_baseline(
        &mut self,
        key: &action::CaseKey,
        from: Timestamp,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), String> {
        let Some((state, instance)) = self.instance_of(key) else {
            return Err("its rule is gone".to_owned());
        };
        let (condition, labels) = (state.rule.condition.clone(), instance.labels.clone());
        if let (Some(Against::Pinned(name)), Some(metric)) =
            (condition.against(), action::metric(&condition))
        {
            let (cohort, (first, last)) = self
                .measured_since(instance, metric, from, now.wall)
                .ok_or("nothing was measured that a baseline can be made of")?;
            let wanted = Wanted {
                name: name.clone(),
                metric: metric.clone(),
                content: WantedContent::Given {
                    labels,
                    content: Content::Measured {
                        cohort: Arc::new(cohort),
                        from: first,
                        to: last,
                    },
                },
            };
            let set = self.set_baselines(&[wanted], now);
            return set.map(drop).map_err(|error| error.to_string());
        }
        if crate::engine::acceptance::not_learned(&condition).is_some() {
            return Ok(());
        }
        let scopes: Vec<_> = (self.groups.iter())
            .map(|group| crate::engine::judge::Scope {
                now,
                ..self.scope(now, group.interval)
            })
            .collect();
        for (group, scope) in self.groups.iter_mut().zip(&scopes) {
            let rules = group.rules.iter_mut();
            for state in rules.filter(|state| state.rule.name == key.1) {
                state.learn_anew(&labels, from, scope, effects);
            }
        }
        Ok(())
    }
}

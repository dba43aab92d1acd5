//! What an evaluation needs to know beside its data: clocks, what alerts share, and what other rules have found.

use std::time::Duration;

use super::judge::Scope;
use super::judge::shift::Wholes;
use super::series::Labels;
use super::time::Now;
use super::{Due, Engine};

impl Engine {
    /// That of a rule that is due.
    pub(super) fn scope_of(&self, due: Due, now: Now) -> Option<Scope> {
        let group = self.groups.get(due.group)?;
        // Alerts count time from one scheduled evaluation to the next: by the clock, an evaluation a
        // millisecond less late than the one before would keep `for` waiting for a whole interval more.
        let now = Now {
            wall: now.wall,
            steady: group.scheduled(now),
        };
        Some(Scope {
            blockers: self.blockers(due),
            wholes: self.wholes(due),
            ..self.scope(now, group.interval)
        })
    }

    /// The instances for which a rule that this one depends on fires.
    fn blockers(&self, due: Due) -> Vec<Labels> {
        (self.order.parents(due).iter())
            .filter_map(|parent| self.groups.get(parent.group)?.rules.get(parent.rule))
            .flat_map(|rule| rule.instances.values())
            .filter(|instance| instance.is_firing())
            .map(|instance| instance.labels.clone())
            .collect()
    }

    /// What is known of the wholes that the instances of this rule are parts of.
    fn wholes(&self, due: Due) -> Wholes {
        let mut wholes = Wholes::default();
        let rules = self
            .order
            .wholes(due)
            .iter()
            .filter(|_| self.incidents.is_on());
        rules
            .filter_map(|whole| self.rule(*whole))
            .for_each(|whole| wholes.add(whole));
        wholes
    }

    /// That of any rule whose group is evaluated at that interval.
    pub(super) fn scope(&self, now: Now, interval: Duration) -> Scope {
        Scope {
            now: Now {
                wall: now.wall,
                steady: (now.steady).saturating_sub(self.paused + self.clocks.stood_still),
            },
            watched: self.clocks.watched.clone(),
            external: self.external.clone(),
            interval,
            resend_delay: self.resend_delay,
            resolved_retention: self.resolved_retention,
            send_levels: self.send_levels,
            cpu_limit: self.cpu_limit,
            baselines: self.baselines.clone(),
            maintenance: self.maintenance().clone(),
            blockers: Vec::new(),
            wholes: Wholes::default(),
        }
    }
}

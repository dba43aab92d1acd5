//! Why an alert that fires is told to nobody: it is inhibited or silenced, its route is mute, or it follows from another.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::inhibit::Inhibition;
use super::interval::containing;
use super::{Announced, Route, Routing, Silences};
use crate::engine::time::Timestamp;

/// What keeps an alert from being told; nothing does where all are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Muting {
    /// Fingerprints of the alerts that inhibit it.
    pub inhibited_by: Vec<u64>,
    /// Ids of the silences that take it.
    pub silenced_by: Vec<String>,
    /// Names of the intervals in which routes of it are mute, or that these wait for.
    pub muted_by: Vec<String>,
}

impl Muting {
    /// Whether anything keeps it from being told by every route.
    pub fn is_suppressed(&self) -> bool {
        !self.inhibited_by.is_empty() || !self.silenced_by.is_empty()
    }
}

/// Why an alert was held back when its group was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Muted {
    /// An inhibit rule.
    Inhibited,
    /// A time interval of its route.
    Interval,
    /// A silence.
    Silenced,
    /// An alert that its rule depends on.
    Dependent,
}

/// How often alerts were held back when their group was due, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldBack([u64; 4]);

impl HeldBack {
    /// Counts one.
    pub(super) fn count(&mut self, why: Muted) {
        let [inhibited, interval, silenced, dependent] = &mut self.0;
        *match why {
            Muted::Inhibited => inhibited,
            Muted::Interval => interval,
            Muted::Silenced => silenced,
            Muted::Dependent => dependent,
        } += 1;
    }

    /// Each reason as metrics name it, with its count.
    pub fn counts(&self) -> [(&'static str, u64); 4] {
        let [inhibited, interval, silenced, dependent] = self.0;
        [
            ("dependency", dependent),
            ("inhibition", inhibited),
            ("silence", silenced),
            ("time_interval", interval),
        ]
    }
}

/// Everything that mutes, at one moment.
pub(super) struct Muter<'a> {
    routing: &'a Routing,
    silences: &'a Silences,
    inhibition: Inhibition<'a>,
    now: Timestamp,
}

impl<'a> Muter<'a> {
    pub(super) fn new(
        routing: &'a Routing,
        silences: &'a Silences,
        alerts: &'a BTreeMap<u64, Arc<Announced>>,
        now: Timestamp,
    ) -> Self {
        Self {
            routing,
            silences,
            inhibition: Inhibition::of(&routing.inhibit_rules, alerts.values()),
            now,
        }
    }

    /// What mutes the route itself, if anything.
    pub(super) fn interval(&self, route: &'a Route) -> Option<&'a str> {
        let intervals = &self.routing.time_intervals;
        let active = &route.active_time_intervals;
        if !active.is_empty() && containing(active, intervals, self.now).is_none() {
            return active.first().map(String::as_str);
        }
        containing(&route.mute_time_intervals, intervals, self.now)
    }

    /// Whether an alert is not to be told by a route, which is mute if that is said, and why: in the order in which
    /// Alertmanager asks.
    pub(super) fn mutes(&self, alert: &Announced, route_is_mute: bool) -> Option<Muted> {
        if !self.inhibition.by(&alert.labels).is_empty() {
            Some(Muted::Inhibited)
        } else if route_is_mute {
            Some(Muted::Interval)
        } else if !self.silences.by(&alert.labels, self.now).is_empty() {
            Some(Muted::Silenced)
        } else {
            None
        }
    }

    /// Everything that keeps an alert from being told.
    pub(super) fn of(&self, alert: &Announced) -> Muting {
        let routes = self.routing.root.as_ref();
        let routes = routes.map_or_else(Vec::new, |root| root.matching(&alert.labels));
        let muted_by = routes.iter().filter_map(|route| self.interval(route));
        let mut muted_by: Vec<_> = muted_by.map(str::to_owned).collect();
        muted_by.dedup();
        Muting {
            inhibited_by: self.inhibition.by(&alert.labels),
            silenced_by: self.silences.by(&alert.labels, self.now),
            muted_by,
        }
    }
}

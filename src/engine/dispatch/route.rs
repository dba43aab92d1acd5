//! The tree of routes: which receiver hears of an alert, and how its alerts are grouped.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::{Digest, FlapSettings, InhibitRule, TimeIntervals};
use crate::engine::selector::Selector;
use crate::engine::series::Labels;

/// By which labels a route groups its alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// By these; none puts all alerts into one group.
    Labels(Vec<String>),
    /// By all labels (`...`): every alert alone.
    All,
}

impl GroupBy {
    /// The labels that name the group of an alert.
    pub fn group_labels(&self, labels: &Labels) -> Labels {
        labels
            .iter()
            .filter(|(name, _)| match self {
                Self::Labels(names) => names.iter().any(|n| n == name),
                Self::All => true,
            })
            .collect()
    }
}

/// When a group is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From a group's first alert to its first notification.
    pub group_wait: Duration,
    /// Between looks at a group that has been told of.
    pub group_interval: Duration,
    /// Between notifications in which nothing is new.
    pub repeat_interval: Duration,
}

impl Default for Timing {
    /// Alertmanager's defaults.
    fn default() -> Self {
        Self {
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(5 * 60),
            repeat_interval: Duration::from_secs(4 * 3_600),
        }
    }
}

/// A node of the tree, with everything inherited filled in.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its place in the tree as Alertmanager writes it, for example `{}/{severity="critical"}`.
    pub key: String,
    /// Which of the routes of the tree that have this key, counted from 0.
    pub ordinal: u32,
    /// Who is told.
    pub receiver: String,
    /// How its alerts are grouped.
    pub group_by: GroupBy,
    /// When its groups are told of.
    pub timing: Timing,
    /// Which alerts it takes; the root takes all.
    pub matchers: Selector,
    /// Whether later siblings may take the alert as well.
    pub go_on: bool,
    /// Names of the intervals in which it tells nothing.
    pub mute_time_intervals: Vec<String>,
    /// Names of the intervals outside which it tells nothing; none for always.
    pub active_time_intervals: Vec<String>,
    /// Its children, tried in order before itself.
    pub routes: Vec<Route>,
}

/// Who hears of what when, as far as the configuration says it.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// The root of the routes; `None` when nobody is told by opwatch itself.
    pub root: Option<Route>,
    /// Those who can be told.
    pub receivers: Vec<Receiver>,
    /// Which alerts keep others from being told.
    pub inhibit_rules: Vec<InhibitRule>,
    /// The intervals that routes name.
    pub time_intervals: TimeIntervals,
    /// When alerts flap, so that they are told of at growing distances; `None` where that is not looked at.
    pub flapping: Option<FlapSettings>,
    /// What is collected, to be told later.
    pub digests: Vec<Digest>,
}

impl Route {
    /// A root that tells a receiver of everything, grouped by these labels.
    pub fn root(receiver: &str, group_by: GroupBy, timing: Timing) -> Self {
        Self {
            key: "{}".to_owned(),
            ordinal: 0,
            receiver: receiver.to_owned(),
            group_by,
            timing,
            matchers: Selector::default(),
            go_on: false,
            mute_time_intervals: Vec::new(),
            active_time_intervals: Vec::new(),
            routes: Vec::new(),
        }
    }

    /// Gives routes that have the same key different ordinals. To be called once, on the root.
    pub fn number(&mut self) {
        fn go(route: &mut Route, seen: &mut BTreeMap<String, u32>) {
            let next = seen.entry(route.key.clone()).or_default();
            route.ordinal = *next;
            *next += 1;
            for child in &mut route.routes {
                go(child, seen);
            }
        }
        go(self, &mut BTreeMap::new());
    }

    /// The routes that take an alert: depth first, the first child that matches unless it says to go
    /// on, and the node itself where no child does.
    pub fn matching(&self, labels: &Labels) -> Vec<&Route> {
        if !self.matchers.matches(|name| labels.get(name)) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for child in &self.routes {
            let taken = child.matching(labels);
            let stop = !taken.is_empty() && !child.go_on;
            found.extend(taken);
            if stop {
                break;
            }
        }
        if found.is_empty() {
            found.push(self);
        }
        found
    }

    /// The key of a child that has these matchers.
    pub fn child_key(&self, matchers: &Selector) -> String {
        let mut key = self.key.clone();
        // Writing to a string cannot fail.
        let _ = write!(key, "/{matchers}");
        key
    }
}

/// Someone to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Its name.
    pub name: String,
    /// By which means, in the order of the file.
    pub integrations: Vec<Integration>,
}

/// One means of telling a receiver, as far as the decision to tell depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integration {
    /// Whether it hears of alerts that have ended.
    pub send_resolved: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(receiver: &str, matchers: &str, go_on: bool, routes: Vec<Route>) -> Route {
        let group_by = GroupBy::Labels(vec!["alertname".into()]);
        Route {
            matchers: Selector::parse(matchers).unwrap(),
            go_on,
            routes,
            ..Route::root(receiver, group_by, Timing::default())
        }
    }

    #[test]
    fn the_first_matching_child_takes_the_alert_unless_it_goes_on() {
        let tree = route(
            "root",
            "{}",
            false,
            vec![
                route("audit", "team=~\".+\"", true, vec![]),
                route(
                    "ml",
                    "team=\"ml\"",
                    false,
                    vec![route("pager", "severity=\"critical\"", false, vec![])],
                ),
                route("late", "team=\"ml\"", false, vec![]),
            ],
        );
        for (labels, expected) in [
            (vec![], vec!["root"]),
            (vec![("team", "web")], vec!["audit"]),
            (vec![("team", "ml")], vec!["audit", "ml"]),
            (
                vec![("team", "ml"), ("severity", "critical")],
                vec!["audit", "pager"],
            ),
        ] {
            let labels: Labels = labels.into_iter().collect();
            let names: Vec<&str> = tree
                .matching(&labels)
                .iter()
                .map(|route| route.receiver.as_str())
                .collect();
            assert_eq!(names, expected, "{labels}");
        }
    }
}

//! Why an alert that fires is told to nobody: it is inhibited or silenced, its route is mute, it is under maintenance, or it
//! follows from another.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::inhibit::Inhibition;
use super::interval::containing;
use super::{Announced, Maintenance, Route, Routing, Silences};
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
    /// Names of the maintenance that goes on for it.
    pub maintained_by: Vec<String>,
    /// Names of the digests that it waits for.
    pub collected_by: Vec<String>,
}

impl Muting {
    /// Whether anything keeps it from being told by every route.
    pub fn is_suppressed(&self) -> bool {
        !self.inhibited_by.is_empty()
            || !self.silenced_by.is_empty()
            || !self.maintained_by.is_empty()
            || !self.collected_by.is_empty()
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
    /// Maintenance.
    Maintained,
    /// It flaps and was told a short while ago.
    Flapping,
    /// It waits for a digest.
    Collected,
    /// An alert that its rule depends on.
    Dependent,
}

/// How often alerts were held back when their group was due, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldBack([u64; 7]);

impl HeldBack {
    /// Counts one.
    pub(super) fn count(&mut self, why: Muted) {
        let [
            inhibited,
            interval,
            silenced,
            dependent,
            maintained,
            flapping,
            collected,
        ] = &mut self.0;
        *match why {
            Muted::Inhibited => inhibited,
            Muted::Interval => interval,
            Muted::Silenced => silenced,
            Muted::Dependent => dependent,
            Muted::Maintained => maintained,
            Muted::Flapping => flapping,
            Muted::Collected => collected,
        } += 1;
    }

    /// Each reason as metrics name it, with its count.
    pub fn counts(&self) -> [(&'static str, u64); 7] {
        let [
            inhibited,
            interval,
            silenced,
            dependent,
            maintained,
            flapping,
            collected,
        ] = self.0;
        [
            ("dependency", dependent),
            ("digest", collected),
            ("flapping", flapping),
            ("inhibition", inhibited),
            ("maintenance", maintained),
            ("silence", silenced),
            ("time_interval", interval),
        ]
    }
}

/// Everything that mutes, at one moment.
pub(super) struct Muter<'a> {
    routing: &'a Routing,
    silences: &'a Silences,
    maintenance: &'a Maintenance,
    inhibition: Inhibition<'a>,
    now: Timestamp,
}

impl<'a> Muter<'a> {
    pub(super) fn new(
        routing: &'a Routing,
        silences: &'a Silences,
        maintenance: &'a Maintenance,
        alerts: &'a BTreeMap<u64, Arc<Announced>>,
        now: Timestamp,
    ) -> Self {
        let firing: Vec<_> = alerts.values().collect();
        Self {
            routing,
            silences,
            maintenance,
            inhibition: Inhibition::of(&routing.inhibit_rules, &firing),
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
    /// Alertmanager asks, then what is ours.
    pub(super) fn mutes(&self, alert: &Announced, route_is_mute: bool) -> Option<Muted> {
        if !self.inhibition.by(&alert.labels).is_empty() {
            Some(Muted::Inhibited)
        } else if route_is_mute {
            Some(Muted::Interval)
        } else if !self.silences.by(&alert.labels, self.now).is_empty() {
            Some(Muted::Silenced)
        } else if !self.maintained(alert).is_empty() {
            Some(Muted::Maintained)
        } else if !self.collected(alert).is_empty() {
            Some(Muted::Collected)
        } else {
            None
        }
    }

    /// Whether an alert is not to be told by any means, and why.
    pub(super) fn silences(&self, alert: &Announced) -> Option<Muted> {
        self.mutes(alert, false)
            .filter(|why| *why != Muted::Collected)
    }

    /// The names of the digests that an alert waits for.
    fn collected(&self, alert: &Announced) -> Vec<String> {
        let digests = self.routing.digests.iter();
        let digests = digests.filter(|one| !one.is_also_told && one.takes(&alert.labels));
        digests.map(|one| one.name.clone()).collect()
    }

    /// The names of the maintenance that goes on for an alert.
    fn maintained(&self, alert: &Announced) -> Vec<String> {
        (self.maintenance).by(|name| alert.labels.get(name), self.now)
    }

    /// Whether nobody hears of an alert now: it is inhibited or silenced, or all of its routes are mute.
    pub(super) fn is_quiet(&self, alert: &Announced) -> bool {
        let routes = self.routing.root.as_ref();
        let routes = routes.map_or_else(Vec::new, |root| root.matching(&alert.labels));
        let is_mute =
            !routes.is_empty() && routes.iter().all(|route| self.interval(route).is_some());
        let muted = self.mutes(alert, is_mute);
        // What can wait for a digest may still wait for too long.
        muted.is_some_and(|why| why != Muted::Collected)
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
            maintained_by: self.maintained(alert),
            collected_by: self.collected(alert),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::alert::EndReason;
    use crate::engine::dispatch::fixture::alert;
    use crate::engine::dispatch::silence::SilencesChanged;
    use crate::engine::dispatch::{
        Dispatcher, GroupBy, InhibitRule, Integration, NotifyReason, Receiver, Silence,
        TimeInterval, Timing, matching,
    };
    use crate::engine::selector::Selector;
    use crate::engine::time::Now;
    use NotifyReason::{AllResolved, First, NewFiring, SilenceEnded};

    pub(in super::super) fn at(seconds: u64) -> Now {
        Now::invented(Duration::from_secs(seconds))
    }

    /// A dispatcher of one group that is looked at every 100 s, of alerts without a wait.
    pub(in super::super) fn dispatcher(change: impl FnOnce(&mut Routing)) -> Dispatcher {
        let timing = Timing {
            group_wait: Duration::ZERO,
            group_interval: Duration::from_secs(100),
            repeat_interval: Duration::from_secs(1_000),
        };
        let mut routing = Routing {
            root: Some(Route::root("team", GroupBy::Labels(Vec::new()), timing)),
            receivers: vec![Receiver {
                name: "team".into(),
                integrations: vec![Integration {
                    send_resolved: true,
                }],
            }],
            ..Routing::default()
        };
        change(&mut routing);
        Dispatcher::new(routing)
    }

    pub(in super::super) fn update(
        dispatcher: &mut Dispatcher,
        labels: &[(&str, &str)],
        from: u64,
        to: Option<u64>,
    ) {
        let mut one = alert(labels);
        one.starts_at = at(from).wall;
        one.ended = to.map(|to| (at(to).wall, EndReason::Recovered));
        dispatcher.update(&Arc::new(one), at(to.unwrap_or(from)));
    }

    pub(in super::super) fn told(
        dispatcher: &mut Dispatcher,
        seconds: u64,
    ) -> Vec<(NotifyReason, Vec<String>)> {
        let notifications = dispatcher.flush(at(seconds)).into_iter();
        let told = notifications.map(|one| {
            let alerts = one.alerts.iter().map(|a| a.labels.get("n").to_owned());
            (one.reason, alerts.collect())
        });
        told.collect()
    }

    pub(in super::super) fn is(
        reason: NotifyReason,
        names: &[&str],
    ) -> Vec<(NotifyReason, Vec<String>)> {
        vec![(reason, names.iter().map(|&name| name.to_owned()).collect())]
    }

    pub(in super::super) fn silence(
        dispatcher: &mut Dispatcher,
        matchers: &str,
        from: u64,
        to: u64,
    ) {
        let silence = Silence {
            id: String::new(),
            matchers: matching::parse(matchers).unwrap(),
            starts_at: at(from).wall,
            ends_at: at(to).wall,
            updated_at: at(from).wall,
            created_by: String::new(),
            comment: String::new(),
        };
        let all = Arc::make_mut(&mut dispatcher.silences);
        all.set(silence, at(from).wall, &mut SilencesChanged::default())
            .unwrap();
    }

    #[test]
    fn a_silenced_alert_is_told_when_its_silence_ends_while_it_fires() {
        let mut d = dispatcher(|_| ());
        silence(&mut d, "n=1", 0, 150);
        update(&mut d, &[("n", "1")], 10, None);
        assert_eq!(told(&mut d, 10), []);
        let (_, muting) = &d.alerts(at(11))[0];
        assert_eq!(
            (muting.silenced_by.len(), muting.is_suppressed()),
            (1, true)
        );
        assert_eq!(told(&mut d, 110), []);
        assert_eq!(told(&mut d, 210), is(SilenceEnded, &["1"]));
        assert_eq!(told(&mut d, 310), []);
        assert_eq!(d.held_back().counts()[5], ("silence", 2));
    }

    #[test]
    fn the_end_of_a_silence_is_told_also_of_what_was_told_before_it() {
        let mut d = dispatcher(|_| ());
        update(&mut d, &[("n", "1")], 10, None);
        assert_eq!(told(&mut d, 10), is(First, &["1"]));
        silence(&mut d, "n=1", 20, 150);
        assert_eq!(told(&mut d, 110), []);
        assert_eq!(told(&mut d, 210), is(SilenceEnded, &["1"]));
        // One that is new beside it makes it more than that.
        silence(&mut d, "n=1", 220, 330);
        assert_eq!(told(&mut d, 310), []);
        update(&mut d, &[("n", "2")], 350, None);
        assert_eq!(told(&mut d, 410), is(NewFiring, &["2", "1"]));
    }

    #[test]
    fn what_ends_under_a_silence_is_not_told() {
        let mut d = dispatcher(|_| ());
        silence(&mut d, "n=1", 0, 1_000);
        update(&mut d, &[("n", "1")], 10, None);
        assert_eq!(told(&mut d, 10), []);
        update(&mut d, &[("n", "1")], 10, Some(50));
        assert_eq!(told(&mut d, 110), []);
        assert_eq!((d.group_count(), d.next_due()), (0, None));
    }

    #[test]
    fn an_inhibited_alert_is_told_when_its_source_has_ended() {
        let mut d = dispatcher(|routing| {
            routing.inhibit_rules = vec![InhibitRule {
                source: Selector::parse("severity=critical").unwrap(),
                target: Selector::parse("severity=low").unwrap(),
                equal: Vec::new(),
            }];
        });
        let (source, target) = (
            [("n", "1"), ("severity", "critical")],
            [("n", "2"), ("severity", "low")],
        );
        update(&mut d, &target, 10, None);
        update(&mut d, &source, 10, None);
        assert_eq!(told(&mut d, 10), is(First, &["1"]));
        let by: Vec<_> = d
            .alerts(at(11))
            .iter()
            .map(|(_, m)| m.inhibited_by.len())
            .collect();
        assert_eq!(by.iter().sum::<usize>(), 1);
        update(&mut d, &source, 10, Some(50));
        assert_eq!(told(&mut d, 110), is(NewFiring, &["2", "1"]));
        update(&mut d, &target, 10, Some(150));
        assert_eq!(told(&mut d, 210), is(AllResolved, &["2"]));
    }

    #[test]
    fn a_route_is_mute_in_its_intervals_and_outside_of_those_in_which_it_is_active() {
        let minutes = |from, to| TimeInterval {
            times: vec![(from, to)],
            ..TimeInterval::default()
        };
        for (mute, active, expected) in [
            (vec!["early"], vec![], [false, true, true]),
            (vec!["late"], vec![], [true, true, false]),
            (vec!["early", "late"], vec![], [false, true, false]),
            (vec![], vec!["early"], [true, false, false]),
            (vec![], vec!["early", "late"], [true, false, true]),
            (vec!["early"], vec!["early"], [false, false, false]),
        ] {
            for (minute, expected) in [1, 3, 5].into_iter().zip(expected) {
                let mut d = dispatcher(|routing| {
                    routing.time_intervals = [
                        ("early".to_owned(), vec![minutes(0, 2)]),
                        ("late".to_owned(), vec![minutes(4, 6)]),
                    ]
                    .into();
                    let root = routing.root.as_mut().unwrap();
                    let names = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect();
                    root.mute_time_intervals = names(&mute);
                    root.active_time_intervals = names(&active);
                });
                update(&mut d, &[("n", "1")], minute * 60, None);
                let is_told = !told(&mut d, minute * 60).is_empty();
                assert_eq!(is_told, expected, "{mute:?} {active:?} {minute}");
                let now = at(minute * 60);
                assert_eq!(d.alerts(now)[0].1.muted_by.is_empty(), expected);
            }
        }
    }

    #[test]
    fn routes_of_the_same_key_have_groups_of_their_own() {
        let mut d = dispatcher(|routing| {
            let root = routing.root.as_mut().unwrap();
            let child = |receiver: &str| Route {
                key: "{}/{n=\"1\"}".into(),
                matchers: Selector::parse("n=1").unwrap(),
                receiver: receiver.into(),
                go_on: true,
                ..root.clone()
            };
            let children = vec![child("team"), child("others")];
            root.routes = children;
            root.number();
            routing.receivers.push(Receiver {
                name: "others".into(),
                ..routing.receivers[0].clone()
            });
        });
        update(&mut d, &[("n", "1")], 10, None);
        let receivers: Vec<_> = d
            .flush(at(10))
            .into_iter()
            .map(|one| one.receiver)
            .collect();
        assert_eq!(receivers, ["team", "others"]);
    }

    #[test]
    fn an_empty_group_keeps_its_pace_until_it_is_forgotten() {
        let mut d = dispatcher(|routing| {
            let timing = &mut routing.root.as_mut().unwrap().timing;
            timing.group_interval = Duration::from_secs(4);
        });
        update(&mut d, &[("n", "1")], 61, None);
        assert_eq!(told(&mut d, 61), is(First, &["1"]));
        update(&mut d, &[("n", "1")], 61, Some(62));
        assert_eq!(told(&mut d, 65), is(AllResolved, &["1"]));
        // Back before it is forgotten it is not at once, but with the next look.
        update(&mut d, &[("n", "1")], 75, None);
        assert_eq!(
            (told(&mut d, 75), d.next_due()),
            (vec![], Some(at(77).steady))
        );
        assert_eq!(told(&mut d, 77), is(NewFiring, &["1"]));
        update(&mut d, &[("n", "1")], 75, Some(78));
        assert_eq!(told(&mut d, 81), is(AllResolved, &["1"]));
        // After half a minute without alerts it is forgotten.
        update(&mut d, &[("n", "1")], 111, None);
        assert_eq!(told(&mut d, 111), is(NewFiring, &["1"]));
    }
}

//! Groups of alerts, when each is told of, and what has been told already.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::acknowledgement::Acknowledgements;
use super::digest::Collected;
use super::escalation::Escalations;
use super::flapping::{Damped, Flapping, Flaps};
use super::look::{Look, identify};
use super::muting::Muter;
use super::silence::Silences;
use super::{Announced, HeldBack, Maintenance, Muting, Notification, Route, Routing, ToldKind};
use crate::engine::series::Labels;
use crate::engine::time::Now;

/// What was told is remembered this long after the last word, as in Alertmanager.
const TOLD_RETENTION: Duration = Duration::from_secs(120 * 3_600);
/// A group without alerts is forgotten after this. Alertmanager looks for such groups as often, at moments of its own: there
/// it is this at most.
const CLEAN_UP: Duration = Duration::from_secs(30);

/// A group by its key and the ordinal of its route.
pub(in crate::engine) type GroupId = (String, u32);

/// Decides who is told of which alerts when: Alertmanager's dispatcher and notification log as one
/// pure machine on the steady clock.
#[derive(Debug)]
pub struct Dispatcher {
    pub(super) routing: Routing,
    /// All alerts that fire, by their fingerprints.
    pub(super) alerts: BTreeMap<u64, Arc<Announced>>,
    pub(in crate::engine) groups: BTreeMap<GroupId, Group>,
    pub(in crate::engine) paces: BTreeMap<GroupId, Pace>,
    /// By group, receiver and integration.
    pub(in crate::engine) told: HashMap<(String, String, usize), Told>,
    pub(in crate::engine) silences: Arc<Silences>,
    pub(in crate::engine) maintenance: Arc<Maintenance>,
    pub(in crate::engine) flapping: Flapping,
    /// By the names of the digests.
    pub(in crate::engine) collected: BTreeMap<String, Collected>,
    /// Who looks after which alerts.
    pub(in crate::engine) acknowledgements: Acknowledgements,
    /// What has been escalated.
    pub(in crate::engine) escalations: Escalations,
    held_back: HeldBack,
    pub(in crate::engine) sequence: u64,
    /// Whether anything that is saved of it may have changed.
    pub(in crate::engine) touched: bool,
}

/// Alerts that are told together.
#[derive(Debug)]
pub(in crate::engine) struct Group {
    pub(in crate::engine) route: Arc<Route>,
    pub(super) labels: Labels,
    pub(in crate::engine) alerts: BTreeMap<u64, Arc<Announced>>,
    pub(in crate::engine) due: Duration,
    /// It still waits for its first look.
    pub(in crate::engine) is_waiting: bool,
    /// Alerts that a silence held back when it was last looked at.
    pub(in crate::engine) silenced: BTreeSet<u64>,
    /// The same of maintenance.
    pub(in crate::engine) maintained: BTreeSet<u64>,
    /// Alerts that were told to flap.
    pub(in crate::engine) damped: BTreeMap<u64, Damped>,
}

/// The pace of a group that has no alerts any more: should one come back soon, it waits for the next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Pace {
    /// When the group would have been looked at.
    pub(in crate::engine) due: Duration,
    /// Since when it has no alerts.
    pub(in crate::engine) since: Duration,
}

impl Pace {
    /// Whether that is so long ago that the group is forgotten.
    fn is_gone(self, now: Duration) -> bool {
        now.saturating_sub(self.since) >= CLEAN_UP
    }

    /// The next look.
    fn next(self, now: Duration, interval: Duration) -> Duration {
        let interval = interval.as_nanos().max(1);
        let Some(behind) = now.checked_sub(self.due) else {
            return self.due;
        };
        let rest = interval - behind.as_nanos() % interval;
        now + Duration::from_nanos(u64::try_from(rest).unwrap_or(u64::MAX))
    }
}

/// What one integration was last told of a group.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Told {
    pub(in crate::engine) firing: BTreeSet<u64>,
    pub(in crate::engine) resolved: BTreeSet<u64>,
    pub(in crate::engine) at: Duration,
    /// As what the changes were told that fire.
    pub(in crate::engine) kinds: BTreeMap<u64, ToldKind>,
}

impl Dispatcher {
    /// A dispatcher for a tree of routes; without one nobody is told.
    pub fn new(routing: Routing) -> Self {
        let mut flapping = Flapping::default();
        flapping.configure(routing.flapping);
        Self {
            routing,
            flapping,
            collected: BTreeMap::new(),
            alerts: BTreeMap::new(),
            groups: BTreeMap::new(),
            paces: BTreeMap::new(),
            told: HashMap::new(),
            silences: Arc::default(),
            maintenance: Arc::default(),
            acknowledgements: Acknowledgements::default(),
            escalations: Escalations::default(),
            held_back: HeldBack::default(),
            sequence: 0,
            touched: false,
        }
    }

    /// Takes new routes. Groups form anew from the alerts that still fire; what has been told stays
    /// told, as far as group, receiver and integration are still the same.
    pub fn replace(&mut self, routing: Routing, now: Now) {
        let mut alerts = self.alerts.clone();
        let mut damped: BTreeMap<GroupId, BTreeMap<u64, Damped>> = BTreeMap::new();
        for (id, group) in std::mem::take(&mut self.groups) {
            alerts.extend(group.alerts);
            damped.insert(id, group.damped);
        }
        self.flapping.configure(routing.flapping);
        let digests = &routing.digests;
        self.collected
            .retain(|name, _| digests.iter().any(|one| one.name == *name));
        self.paces.clear();
        self.routing = routing;
        self.touched = true;
        for alert in alerts.into_values() {
            self.update(&alert, now);
        }
        for (id, damped) in damped {
            if let Some(group) = self.groups.get_mut(&id) {
                group.damped = damped;
            }
        }
    }

    /// Takes the latest word on an alert.
    pub fn update(&mut self, alert: &Arc<Announced>, now: Now) {
        if alert.is_firing() {
            self.flapping.note(alert, now.steady);
        }
        self.collect(alert, now);
        let before = self.alerts.get(&alert.fingerprint);
        let is_new = before.is_none_or(|before| before.starts_at != alert.starts_at);
        self.acknowledgements.follow(alert, is_new, now.wall);
        self.escalations.follow(alert, now);
        self.place(alert, now, |_| Some(false));
    }

    /// Takes it for the digests that collect it.
    fn collect(&mut self, alert: &Arc<Announced>, now: Now) {
        let digests = self.routing.digests.iter();
        for digest in digests.filter(|one| one.takes(&alert.labels)) {
            let collected = self.collected.entry(digest.name.clone());
            let collected = collected.or_insert_with(|| Collected::since(now.wall));
            collected.take(alert, now.steady);
        }
    }

    /// The digests that are to be told now.
    pub fn digests(&mut self, now: Now) -> Vec<Notification> {
        let mut notifications = Vec::new();
        let (routing, alerts) = (&self.routing, &self.alerts);
        for digest in &routing.digests {
            let collected = self.collected.entry(digest.name.clone());
            let collected = collected.or_insert_with(|| Collected::since(now.wall));
            if (digest.next(collected.since)).is_none_or(|next| next > now.wall) {
                continue;
            }
            self.touched = true;
            let mut receivers = routing.receivers.iter();
            let Some(receiver) = receivers.find(|one| one.name == digest.receiver) else {
                continue;
            };
            let muter = Muter::new(routing, &self.silences, &self.maintenance, alerts, now.wall);
            let sequence = &mut self.sequence;
            let told = collected.tell(digest, receiver, &muter, now, |key, integration| {
                *sequence = sequence.wrapping_add(1);
                identify(key, &receiver.name, integration, *sequence, now)
            });
            notifications.extend(told);
        }
        notifications
    }

    /// Takes the latest word on an alert for those of its groups that are wanted, and opens these, also where it has
    /// ended, if that is said.
    pub(in crate::engine) fn place(
        &mut self,
        alert: &Arc<Announced>,
        now: Now,
        wanted: impl Fn(&GroupId) -> Option<bool>,
    ) {
        self.touched = true;
        if alert.is_firing() {
            self.alerts.insert(alert.fingerprint, alert.clone());
        } else {
            self.alerts.remove(&alert.fingerprint);
        }
        let Some(root) = &self.routing.root else {
            return;
        };
        let started = now.wall.since(alert.starts_at);
        for route in root.matching(&alert.labels) {
            let labels = route.group_by.group_labels(&alert.labels);
            let id = (format!("{}:{labels}", route.key), route.ordinal);
            let Some(opens) = wanted(&id) else {
                continue;
            };
            // An alert that has been firing for longer than the wait is not made to wait again.
            let wait = route.timing.group_wait;
            let due = if started > wait {
                now.steady
            } else {
                now.steady + wait
            };
            if let Some(group) = self.groups.get_mut(&id) {
                let before = group.alerts.insert(alert.fingerprint, alert.clone());
                if group.is_waiting && before.is_none() {
                    group.due = group.due.min(due);
                }
            } else if alert.is_firing() || opens || self.told.keys().any(|log| log.0 == id.0) {
                let pace = self.paces.remove(&id);
                let pace = pace.filter(|pace| !pace.is_gone(now.steady));
                let interval = route.timing.group_interval;
                let group = Group {
                    route: Arc::new(Route {
                        routes: Vec::new(),
                        ..route.clone()
                    }),
                    labels,
                    alerts: [(alert.fingerprint, alert.clone())].into(),
                    due: pace.map_or(due, |pace| pace.next(now.steady, interval)),
                    is_waiting: pace.is_none(),
                    silenced: BTreeSet::new(),
                    maintained: BTreeSet::new(),
                    damped: BTreeMap::new(),
                };
                self.groups.insert(id, group);
            }
        }
    }

    /// When the next group is due, on the steady clock.
    pub fn next_due(&self) -> Option<Duration> {
        self.groups.values().map(|group| group.due).min()
    }

    /// Looks at every group that is due and returns what is to be sent.
    pub fn flush(&mut self, now: Now) -> Vec<Notification> {
        let mut notifications = Vec::new();
        if self.groups.values().any(|group| group.due <= now.steady) {
            self.touched = true;
            self.acknowledgements.expire(now.wall);
            let (routing, alerts) = (&self.routing, &self.alerts);
            let (silences, maintenance) = (&self.silences, &self.maintenance);
            let muter = Muter::new(routing, silences, maintenance, alerts, now.wall);
            let mut look = Look {
                receivers: &routing.receivers,
                told: &mut self.told,
                flapping: &self.flapping,
                acknowledgements: &self.acknowledgements,
                held_back: &mut self.held_back,
                sequence: &mut self.sequence,
                now,
            };
            for ((key, _), group) in &mut self.groups {
                if group.due <= now.steady {
                    look.at(key, group, &muter, &mut notifications);
                }
            }
            let paces = &mut self.paces;
            paces.retain(|_, pace| !pace.is_gone(now.steady));
            self.groups.retain(|id, group| {
                let is_empty = group.alerts.is_empty();
                if is_empty {
                    let (due, since) = (group.due, now.steady);
                    paces.insert(id.clone(), Pace { due, since });
                }
                !is_empty
            });
        }
        let alerts = &self.alerts;
        (self.flapping).forget(now.steady, |fingerprint| alerts.contains_key(&fingerprint));
        let told = self.told.len();
        self.told
            .retain(|_, told| now.steady.saturating_sub(told.at) < TOLD_RETENTION);
        self.touched |= self.told.len() < told;
        notifications
    }

    /// Number of groups.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// The alerts that fire, each with what keeps it from being told now.
    pub fn alerts(&self, now: Now) -> Vec<(&Arc<Announced>, Muting)> {
        let muter = self.muter(now);
        let alerts = self.alerts.values();
        alerts.map(|alert| (alert, muter.of(alert))).collect()
    }

    /// Everything that mutes now.
    pub(super) fn muter(&self, now: Now) -> Muter<'_> {
        let (silences, maintenance) = (&self.silences, &self.maintenance);
        Muter::new(&self.routing, silences, maintenance, &self.alerts, now.wall)
    }

    /// The alert of a fingerprint, where others know it to fire.
    pub fn firing(&self, fingerprint: u64) -> Option<&Arc<Announced>> {
        self.alerts.get(&fingerprint)
    }

    /// Who looks after which alerts.
    pub fn acknowledgements(&self) -> &Acknowledgements {
        &self.acknowledgements
    }

    /// How often alerts were held back.
    pub fn held_back(&self) -> HeldBack {
        self.held_back
    }

    /// How much an alert flaps, by its fingerprint; `None` where it has not begun lately.
    pub fn flaps(&self, fingerprint: u64, now: Now) -> Option<Flaps> {
        self.flapping.of(fingerprint, now.steady)
    }

    /// How many alerts flap.
    pub fn flapping_count(&self, now: Now) -> usize {
        self.flapping.count(now.steady)
    }

    /// Who hears of what.
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// Each group: its labels, its receiver, and its alerts.
    pub fn groups(&self) -> impl Iterator<Item = (&Labels, &str, Vec<&Arc<Announced>>)> {
        self.groups.values().map(|group| {
            let alerts = group.alerts.values().collect();
            (&group.labels, group.route.receiver.as_str(), alerts)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::alert::EndReason;
    use crate::engine::dispatch::{GroupBy, Integration, NotifyReason, Receiver, Timing, fixture};

    fn dispatcher(send_resolved: bool) -> Dispatcher {
        let group_by = GroupBy::Labels(vec!["alertname".into()]);
        let root = Route::root("team", group_by, Timing::default());
        let receiver = Receiver {
            name: "team".into(),
            integrations: vec![Integration { send_resolved }],
        };
        Dispatcher::new(Routing {
            root: Some(root),
            receivers: vec![receiver],
            ..Routing::default()
        })
    }

    fn alert(host: &str, started: u64, ended: Option<u64>) -> Arc<Announced> {
        Arc::new(Announced {
            starts_at: at(started).wall,
            ended: ended.map(|seconds| (at(seconds).wall, EndReason::Recovered)),
            ..fixture::alert(&[("alertname", "Slow"), ("host", host)])
        })
    }

    fn at(seconds: u64) -> Now {
        Now::invented(Duration::from_secs(seconds))
    }

    fn told(dispatcher: &mut Dispatcher, seconds: u64) -> Vec<(NotifyReason, usize)> {
        dispatcher
            .flush(at(seconds))
            .iter()
            .map(|n| (n.reason, n.alerts.len()))
            .collect()
    }

    #[test]
    fn a_group_waits_is_told_once_and_again_only_for_news_or_after_the_repeat_interval() {
        use NotifyReason::{AllResolved, First, NewFiring, Repeat};
        let mut d = dispatcher(true);
        d.update(&alert("a", 100, None), at(100));
        assert_eq!(told(&mut d, 129), []);
        assert_eq!(told(&mut d, 130), [(First, 1)]);
        assert_eq!(told(&mut d, 430), []);
        d.update(&alert("b", 500, None), at(500));
        assert_eq!(told(&mut d, 729), []);
        assert_eq!(told(&mut d, 730), [(NewFiring, 2)]);
        assert_eq!(told(&mut d, 730 + 4 * 3_600), [(Repeat, 2)]);
        d.update(&alert("a", 100, Some(20_000)), at(20_000));
        d.update(&alert("b", 500, Some(20_000)), at(20_000));
        assert_eq!(told(&mut d, 20_100), [(AllResolved, 2)]);
        assert_eq!((d.group_count(), d.next_due()), (0, None));
    }

    #[test]
    fn what_resolves_before_anyone_was_told_is_never_told() {
        let mut d = dispatcher(true);
        d.update(&alert("a", 100, None), at(100));
        d.update(&alert("a", 100, Some(110)), at(110));
        assert_eq!(told(&mut d, 130), []);
        assert_eq!(d.group_count(), 0);
    }

    #[test]
    fn without_send_resolved_only_firing_alerts_are_told() {
        use NotifyReason::First;
        let mut d = dispatcher(false);
        d.update(&alert("a", 100, None), at(100));
        assert_eq!(told(&mut d, 130), [(First, 1)]);
        d.update(&alert("a", 100, Some(200)), at(200));
        assert_eq!(told(&mut d, 430), []);
        d.update(&alert("a", 500, None), at(500));
        assert_eq!(told(&mut d, 530), [(NotifyReason::NewFiring, 1)]);
    }

    #[test]
    fn new_routes_do_not_tell_again_what_has_been_told() {
        let mut d = dispatcher(true);
        d.update(&alert("a", 100, None), at(100));
        assert_eq!(told(&mut d, 130).len(), 1);
        d.replace(d.routing.clone(), at(200));
        assert_eq!(told(&mut d, 200), []);
        assert_eq!(d.group_count(), 1);
    }
}

//! How an incident is told: what several groups of a receiver have to say of it goes out as one message.
//!
//! Groups form and wait as they do in Alertmanager. Before those that are due are looked at, [`Incidents::align`] sees to it
//! that the groups which have news of one incident are due together; what comes of them is joined by [`Incidents::tell`].
//! What each group has told is noted by the dispatcher as ever, so that an alert is told in the one message or in the other,
//! and never in none.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::{Incident, Incidents, order};
use crate::engine::dispatch::{Announced, Dispatcher, GroupId, Notification, NotifyReason};
use crate::engine::time::Now;

/// A group as far as it matters here. The numbers are those of the highest severity.
struct Look {
    id: GroupId,
    receiver: String,
    due: Duration,
    /// Whether anything of it was told before.
    is_told: bool,
    /// Open incidents of which a firing alert was told by it.
    told: BTreeMap<u64, usize>,
    /// Open incidents of which it has a firing alert that is yet to be told.
    news: BTreeMap<u64, usize>,
}

impl Incidents {
    /// Has the groups of a receiver that have news of one incident be due together, where any group is due.
    ///
    /// - With the first of them that is due, all are, though they would wait a little longer.
    /// - A new group that only has further alerts of incidents of which the receiver knows waits until a group that has told
    ///   of them is looked at again, as it would if its alerts were in that group. One with a higher severity than is
    ///   known does not wait.
    pub(in crate::engine) fn align(&self, dispatcher: &mut Dispatcher, now: Now) {
        let is_due = |due: Duration| due <= now.steady;
        if !self.is_on() || !dispatcher.next_due().is_some_and(is_due) {
            return;
        }
        let muted: BTreeSet<u64> = (dispatcher.alerts(now).into_iter())
            .filter(|(_, muting)| muting.is_suppressed())
            .map(|(alert, _)| alert.fingerprint)
            .collect();
        let mut looks = self.looks(dispatcher, &muted);
        // For whom each group is a thing of its own, a new one is no further news of another.
        let by_group = |receiver: &str| self.told_by_group.iter().any(|(one, _)| one == receiver);
        let late: Vec<(usize, Duration)> = (looks.iter().enumerate())
            .filter(|(_, look)| is_due(look.due) && !look.is_told && !look.news.is_empty())
            .filter(|(_, look)| !by_group(&look.receiver))
            .filter_map(|(place, look)| Some((place, next_look(look, &looks, now.steady)?)))
            .collect();
        for (place, due) in late {
            if let Some(look) = looks.get_mut(place) {
                look.due = due;
            }
        }
        bring_forward(&mut looks, now.steady);
        for look in looks {
            if let Some(group) = dispatcher.groups.get_mut(&look.id)
                && group.due != look.due
            {
                group.due = look.due;
                dispatcher.touched = true;
            }
        }
    }

    fn looks(&self, dispatcher: &Dispatcher, muted: &BTreeSet<u64>) -> Vec<Look> {
        let groups = dispatcher.groups.iter();
        let looks = groups.map(|(id, group)| {
            let receiver = group.route.receiver.clone();
            // All means of a receiver are told of a group at the same time.
            let log = (id.0.clone(), receiver.clone(), 0);
            let said = dispatcher.told.get(&log);
            let mut look = Look {
                id: id.clone(),
                receiver,
                due: group.due,
                is_told: said.is_some(),
                told: BTreeMap::new(),
                news: BTreeMap::new(),
            };
            for alert in group.alerts.values().filter(|alert| alert.is_firing()) {
                let Some(incident) = self.of(alert.fingerprint).filter(|one| one.is_open()) else {
                    continue;
                };
                let known = said.is_some_and(|said| said.firing.contains(&alert.fingerprint));
                let of = match known {
                    true => &mut look.told,
                    false if alert.suppressed || muted.contains(&alert.fingerprint) => continue,
                    false => &mut look.news,
                };
                let highest = of.entry(incident.id).or_default();
                *highest = order::severity(alert).max(*highest);
            }
            look
        });
        looks.collect()
    }

    /// Joins notifications to the same integration that have an incident in common, and says in each of which incidents it
    /// tells. Its alerts stand in the order of what explains most.
    pub(in crate::engine) fn tell(
        &mut self,
        notifications: Vec<Notification>,
    ) -> Vec<Notification> {
        if !self.is_on() {
            return notifications;
        }
        let before = notifications.len();
        let bundles = self.bundles(notifications);
        let bundles = bundles.into_iter();
        let told: Vec<Notification> = bundles.filter_map(|one| self.united(one)).collect();
        for notification in &told {
            for tale in &notification.incidents {
                if let Some(incident) = self.all.get_mut(&tale.id)
                    && incident.told_to.insert(notification.receiver.clone())
                {
                    incident.touched = true;
                }
            }
        }
        self.merged += (before - told.len()) as u64;
        told
    }

    /// Puts together what has an incident in common, in the order of the first of each. Who knows what is told by its group,
    /// and takes the end of that for the end of all of it, is told of each group by itself.
    fn bundles(&self, notifications: Vec<Notification>) -> Vec<Vec<Notification>> {
        let mut bundles: Vec<(Vec<Notification>, BTreeSet<u64>)> = Vec::new();
        let mut places: HashMap<(String, usize, u64), usize> = HashMap::new();
        for notification in notifications {
            let to = (notification.receiver.clone(), notification.integration);
            if self.told_by_group.contains(&to) {
                bundles.push((vec![notification], BTreeSet::new()));
                continue;
            }
            let alerts = notification.alerts.iter();
            let mut ids: BTreeSet<u64> = alerts
                .filter_map(|alert| Some(self.of(alert.fingerprint)?.id))
                .collect();
            let key = |id: u64| {
                let receiver = notification.receiver.clone();
                (receiver, notification.integration, id)
            };
            let keys: Vec<_> = ids.iter().map(|id| key(*id)).collect();
            let found: BTreeSet<usize> =
                (keys.iter().filter_map(|key| places.get(key).copied())).collect();
            let mut all = Vec::new();
            for place in &found {
                if let Some((notifications, others)) = bundles.get_mut(*place) {
                    all.append(notifications);
                    ids.append(others);
                }
            }
            let place = found.first().copied().unwrap_or(bundles.len());
            places.extend(ids.iter().map(|id| (key(*id), place)));
            all.push(notification);
            match bundles.get_mut(place) {
                Some(bundle) => *bundle = (all, ids),
                None => bundles.push((all, ids)),
            }
        }
        // What has gone into another one is empty.
        let bundles = bundles.into_iter().map(|(notifications, _)| notifications);
        bundles.filter(|bundle| !bundle.is_empty()).collect()
    }

    /// One notification of several: that of the group of the first alert, with the alerts of all.
    fn united(&self, mut bundle: Vec<Notification>) -> Option<Notification> {
        let alerts: BTreeMap<u64, Arc<Announced>> = (bundle.iter())
            .flat_map(|one| &one.alerts)
            .map(|alert| (alert.fingerprint, alert.clone()))
            .collect();
        let ids = alerts.keys().filter_map(|of| Some(self.of(*of)?.id));
        let ids: BTreeSet<u64> = ids.collect();
        let incidents = ids.iter().filter_map(|id| self.all.get(id));
        // Each with those of its alerts that are told here, and the incident of what explains most first.
        let mut told: Vec<(&Incident, Vec<&Arc<Announced>>)> = incidents
            .map(|one| {
                let members = one.members().into_iter();
                let here = members.filter_map(|word| alerts.get(&word.fingerprint));
                let mut here: Vec<_> = here
                    .filter(|word| self.of.get(&word.fingerprint) == Some(&one.id))
                    .collect();
                // What is told of an alert may be older than what is known.
                here.sort_by_key(|word| !word.is_firing());
                (one, here)
            })
            .collect();
        let leads = told.iter().filter_map(|(_, here)| here.first().copied());
        let mut leads: Vec<&Arc<Announced>> = leads.collect();
        order::arrange(&mut leads);
        let place = |alert: Option<&&Arc<Announced>>| {
            let is_it = |lead: &&Arc<Announced>| alert.is_some_and(|one| Arc::ptr_eq(one, lead));
            leads.iter().position(is_it)
        };
        told.sort_by_key(|(_, here)| place(here.first()));
        let tales = told.iter().map(|(incident, here)| {
            let members = here.iter().map(|alert| alert.fingerprint);
            incident.tale(members.collect())
        });
        let tales: Vec<_> = tales.collect();
        let of_incidents = told.iter().flat_map(|(_, here)| here.iter().copied());
        let known: BTreeSet<u64> = of_incidents.clone().map(|one| one.fingerprint).collect();
        // What has been forgotten stands behind.
        let others = alerts
            .values()
            .filter(|one| !known.contains(&one.fingerprint));
        let mut ordered: Vec<Arc<Announced>> = of_incidents.chain(others).cloned().collect();
        ordered.sort_by_key(|alert| !alert.is_firing());
        let first = ordered.first().map(|alert| alert.fingerprint);
        let has_first = |one: &Notification| {
            let mut alerts = one.alerts.iter();
            alerts.any(|alert| Some(alert.fingerprint) == first)
        };
        let place = bundle.iter().position(has_first)?;
        let mut reason = reason(&bundle);
        let remarks = bundle.iter().flat_map(|one| one.remarks.clone()).collect();
        let is_told = |(one, _): &(&Incident, _)| {
            let receiver = bundle.first().map_or("", |one| &one.receiver);
            one.told_to.contains(receiver)
        };
        if reason == NotifyReason::First && !told.is_empty() && told.iter().all(is_told) {
            // The group is told of for the first time, but what it tells of is known.
            reason = NotifyReason::NewFiring;
        }
        Some(Notification {
            alerts: ordered,
            incidents: tales,
            reason,
            remarks,
            ..bundle.swap_remove(place)
        })
    }
}

/// When a group with nothing but further alerts of incidents that are known is to be looked at: with the first group of its
/// receiver that has told of one of them. `None` where one of them is not known, or not of that severity.
fn next_look(late: &Look, looks: &[Look], now: Duration) -> Option<Duration> {
    let others = || {
        let same = looks.iter().filter(|look| look.receiver == late.receiver);
        same.filter(|look| look.due > now && look.id != late.id)
    };
    let mut first: Option<Duration> = None;
    for (id, severity) in &late.news {
        let knows = |look: &&Look| look.told.get(id).is_some_and(|known| known >= severity);
        let due = others().filter(knows).map(|look| look.due).min()?;
        first = Some(first.map_or(due, |first| first.min(due)));
    }
    first
}

/// Has all groups that have news of the incidents of a group that is due be due with it.
fn bring_forward(looks: &mut [Look], now: Duration) {
    let mut with_news: HashMap<(String, u64), Vec<usize>> = HashMap::new();
    for (place, look) in looks.iter().enumerate() {
        for id in look.news.keys() {
            let key = (look.receiver.clone(), *id);
            with_news.entry(key).or_default().push(place);
        }
    }
    let due = looks.iter().enumerate().filter(|(_, look)| look.due <= now);
    let mut due: VecDeque<usize> = due.map(|(place, _)| place).collect();
    while let Some(place) = due.pop_front() {
        let Some(look) = looks.get(place) else {
            continue;
        };
        let ids = look.told.keys().chain(look.news.keys());
        let keys: Vec<_> = ids.map(|id| (look.receiver.clone(), *id)).collect();
        // Once is enough for each.
        let found = keys.iter().filter_map(|key| with_news.remove(key));
        for other in found.flatten() {
            if let Some(other_look) = looks.get_mut(other)
                && other_look.due > now
            {
                other_look.due = now;
                due.push_back(other);
            }
        }
    }
}

/// Why several notifications are sent as one.
fn reason(bundle: &[Notification]) -> NotifyReason {
    use NotifyReason::{AllResolved, First, NewFiring, NewResolved, Repeat};
    let has = |reason| bundle.iter().any(|one| one.reason == reason);
    let fires = (bundle.iter().flat_map(|one| &one.alerts)).any(|alert| alert.is_firing());
    let only = bundle.first().map_or(Repeat, |one| one.reason);
    if bundle.iter().all(|one| one.reason == only) {
        only
    } else if has(First) || has(NewFiring) {
        NewFiring
    } else if fires {
        // Where it is the last of one group that ends, others go on.
        if has(NewResolved) || has(AllResolved) {
            NewResolved
        } else {
            let mut reasons = bundle.iter().map(|one| one.reason);
            reasons.find(|one| *one != Repeat).unwrap_or(Repeat)
        }
    } else {
        AllResolved
    }
}

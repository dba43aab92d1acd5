//! A look at a group that is due: what is said of each of its alerts, and to whom.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::acknowledgement::Acknowledgements;
use super::flapping::{self, Damped, Flapping, Say};
use super::group::{Group, Told};
use super::kind::{self, Kind};
use super::muting::{Muted, Muter};
use super::reason::{Stirred, reason};
use super::{Announced, HeldBack, News, Notification, Receiver, Remark};
use crate::engine::series::Fnv1a;
use crate::engine::time::Now;

/// What looking at a group that is due needs and changes.
pub(super) struct Look<'a> {
    pub(super) receivers: &'a [Receiver],
    pub(super) told: &'a mut HashMap<(String, String, usize), Told>,
    pub(super) flapping: &'a Flapping,
    pub(super) acknowledgements: &'a Acknowledgements,
    pub(super) held_back: &'a mut HeldBack,
    pub(super) sequence: &'a mut u64,
    pub(super) now: Now,
}

impl Look<'_> {
    /// Looks at one, and adds what is to be sent.
    pub(super) fn at(
        &mut self,
        key: &str,
        group: &mut Group,
        muter: &Muter<'_>,
        notifications: &mut Vec<Notification>,
    ) {
        let now = self.now;
        let timing = group.route.timing;
        group.due = now.steady + timing.group_interval;
        group.is_waiting = false;
        let is_mute = muter.interval(&group.route).is_some();
        let mut left = Vec::new();
        let (mut silenced, mut maintained) = (BTreeSet::new(), BTreeSet::new());
        for (fingerprint, alert) in &group.alerts {
            match muter.mutes(alert, is_mute) {
                Some(why) => {
                    self.held_back.count(why);
                    match why {
                        Muted::Silenced if alert.is_firing() => silenced.insert(*fingerprint),
                        Muted::Maintained if alert.is_firing() => maintained.insert(*fingerprint),
                        _ => false,
                    };
                }
                None => left.push(alert.clone()),
            }
        }
        let firing = left.iter().filter(|alert| alert.is_firing());
        let damping: BTreeMap<u64, Say> = (left.iter())
            .map(|alert| alert.fingerprint)
            .map(|fp| {
                (
                    fp,
                    (self.flapping).say(fp, group.damped.get(&fp), now.steady),
                )
            })
            .collect();
        let mut shown = BTreeSet::new();
        let mut stirred = Stirred::default();
        for alert in firing {
            let fingerprint = alert.fingerprint;
            if group.silenced.contains(&fingerprint) {
                stirred.unsilenced.insert(fingerprint);
            } else if group.maintained.contains(&fingerprint) {
                stirred.maintained.insert(fingerprint);
            }
        }
        let name = &group.route.receiver;
        let receiver = self.receivers.iter().find(|r| r.name == *name);
        let integrations = receiver.iter().flat_map(|r| &r.integrations).enumerate();
        for (integration, means) in integrations.filter(|_| !left.is_empty()) {
            let log = (key.to_owned(), name.clone(), integration);
            let told = self.told.get(&log);
            let known = |fp: &u64| told.is_some_and(|told| told.firing.contains(fp));
            let (mut firing, mut resolved) = (Vec::new(), Vec::new());
            // Of these it is not said that they have ended, because they soon begin again.
            let mut unsaid = BTreeSet::new();
            for alert in &left {
                let fp = alert.fingerprint;
                if alert.suppressed && !known(&fp) {
                    self.held_back.count(Muted::Dependent);
                    continue;
                }
                let said = match damping.get(&fp) {
                    Some(Say::IsQuiet) if !known(&fp) && !alert.is_firing() => continue,
                    None | Some(Say::Plainly | Say::IsQuiet) => alert.clone(),
                    Some(Say::Flaps(flaps) | Say::HasFlapped(flaps)) => {
                        stirred.flapping.insert(fp);
                        flapping::annotated(alert, flaps)
                    }
                    Some(Say::Nothing(flaps)) => match (known(&fp), alert.is_firing()) {
                        (true, true) => flapping::annotated(alert, flaps),
                        (true, false) => {
                            unsaid.insert(fp);
                            continue;
                        }
                        (false, true) => {
                            self.held_back.count(Muted::Flapping);
                            continue;
                        }
                        (false, false) => continue,
                    },
                };
                match said.is_firing() {
                    true => firing.push(said),
                    false => resolved.push(said),
                }
            }
            let fires = firing.iter().map(|alert| alert.fingerprint);
            let next = Told {
                firing: fires.chain(unsaid).collect(),
                resolved: resolved.iter().map(|a| a.fingerprint).collect(),
                at: now.steady,
                kinds: kind::told_next(firing.iter().map(Arc::as_ref), told),
            };
            let kinds = firing.iter().map(|alert| Kind::of(alert, told));
            stirred.reclassified = kinds.fold(Kind::AsTold, Kind::max);
            // Of what somebody looks after nothing is repeated.
            let is_looked_after =
                |alert: &Arc<Announced>| (self.acknowledgements.of(alert, now.wall)).is_some();
            let repeat = match firing.iter().all(is_looked_after) {
                true => Duration::MAX,
                false => timing.repeat_interval,
            };
            let Some(reason) = reason(told, &next, &stirred, means.send_resolved, repeat) else {
                continue;
            };
            let remarks = (firing.iter())
                .map(|alert| (alert.fingerprint, self.remark(alert, told, &stirred)))
                .collect();
            self.told.insert(log, next);
            let mut alerts = firing;
            if means.send_resolved {
                alerts.extend(resolved);
            }
            if alerts.is_empty() {
                continue;
            }
            shown.extend(alerts.iter().map(|alert| alert.fingerprint));
            *self.sequence = self.sequence.wrapping_add(1);
            notifications.push(Notification {
                id: identify(key, name, integration, *self.sequence, now),
                receiver: name.clone(),
                integration,
                group_key: key.to_owned(),
                group_labels: group.labels.clone(),
                alerts,
                incidents: Vec::new(),
                courses: Vec::new(),
                reason,
                remarks,
                escalation: None,
                at: now.wall,
            });
        }
        (group.silenced, group.maintained) = (silenced, maintained);
        for (fp, say) in damping {
            let before = group.damped.get(&fp).copied();
            match say {
                Say::Flaps(_) if shown.contains(&fp) => {
                    let (first, most) = (timing.group_interval, timing.repeat_interval);
                    let damped = Damped::after(before, now.steady, first, most);
                    group.damped.insert(fp, damped);
                }
                Say::HasFlapped(_) | Say::IsQuiet => drop(group.damped.remove(&fp)),
                Say::Plainly | Say::Flaps(_) | Say::Nothing(_) => {}
            }
        }
        // What flaps and has ended is looked at until it has become quiet, so that its end is told.
        let flaps = |fp: u64| (self.flapping.of(fp, now.steady)).is_some_and(|f| f.is_flapping);
        let alerts = &mut group.alerts;
        alerts.retain(|fp, alert| alert.is_firing() || flaps(*fp));
        group.damped.retain(|fp, _| alerts.contains_key(fp));
    }
}

impl Look<'_> {
    /// What is said of an alert that fires beside itself.
    fn remark(&self, alert: &Announced, told: Option<&Told>, stirred: &Stirred) -> Remark {
        let fingerprint = alert.fingerprint;
        let is_known = told.is_some_and(|told| told.firing.contains(&fingerprint));
        let news = stirred.news_of(fingerprint).unwrap_or(match is_known {
            true if Kind::of(alert, told) != Kind::AsTold => News::Reclassified,
            true => News::Repeat,
            false => News::first_of(alert),
        });
        Remark {
            acknowledged: self.acknowledgements.of(alert, self.now.wall).cloned(),
            ..Remark::of(news)
        }
    }
}

/// The id of a notification.
pub(super) fn identify(
    key: &str,
    receiver: &str,
    integration: usize,
    sequence: u64,
    now: Now,
) -> String {
    let mut hash = Fnv1a::new();
    for part in [
        key.as_bytes(),
        receiver.as_bytes(),
        &integration.to_le_bytes(),
        &sequence.to_le_bytes(),
        &now.wall.millis().to_le_bytes(),
    ] {
        hash.add(part);
        hash.add(&[0xff]);
    }
    format!("{:016x}", hash.finish())
}

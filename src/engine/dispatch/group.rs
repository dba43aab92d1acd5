//! Groups of alerts, when each is told of, and what has been told already.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::{Announced, Notification, NotifyReason, Receiver, Route};
use crate::engine::series::{Fnv1a, Labels};
use crate::engine::time::Now;

/// What was told is remembered this long after the last word, as in Alertmanager.
const TOLD_RETENTION: Duration = Duration::from_secs(120 * 3_600);

/// Decides who is told of which alerts when: Alertmanager's dispatcher and notification log as one
/// pure machine on the steady clock.
#[derive(Debug)]
pub struct Dispatcher {
    root: Option<Route>,
    receivers: Vec<Receiver>,
    pub(in crate::engine) groups: BTreeMap<String, Group>,
    /// By group, receiver and integration.
    pub(in crate::engine) told: HashMap<(String, String, usize), Told>,
    pub(in crate::engine) sequence: u64,
    /// Whether anything that is saved of it may have changed.
    pub(in crate::engine) touched: bool,
}

/// Alerts that are told together.
#[derive(Debug)]
pub(in crate::engine) struct Group {
    pub(in crate::engine) route: Arc<Route>,
    labels: Labels,
    pub(in crate::engine) alerts: BTreeMap<u64, Arc<Announced>>,
    pub(in crate::engine) due: Duration,
}

/// What one integration was last told of a group.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Told {
    pub(in crate::engine) firing: BTreeSet<u64>,
    pub(in crate::engine) resolved: BTreeSet<u64>,
    pub(in crate::engine) at: Duration,
}

impl Dispatcher {
    /// A dispatcher for a tree of routes; without one nobody is told.
    pub fn new(root: Option<Route>, receivers: Vec<Receiver>) -> Self {
        Self {
            root,
            receivers,
            groups: BTreeMap::new(),
            told: HashMap::new(),
            sequence: 0,
            touched: false,
        }
    }

    /// Takes new routes. Groups form anew from the alerts that still fire; what has been told stays
    /// told, as far as group, receiver and integration are still the same.
    pub fn replace(&mut self, root: Option<Route>, receivers: Vec<Receiver>, now: Now) {
        let alerts: BTreeMap<u64, Arc<Announced>> = std::mem::take(&mut self.groups)
            .into_values()
            .flat_map(|group| group.alerts)
            .collect();
        self.root = root;
        self.receivers = receivers;
        self.touched = true;
        for alert in alerts.into_values() {
            self.update(&alert, now);
        }
    }

    /// Takes the latest word on an alert.
    pub fn update(&mut self, alert: &Arc<Announced>, now: Now) {
        self.place(alert, now, |_| true);
    }

    /// Takes the latest word on an alert for those of its groups whose key is wanted.
    pub(in crate::engine) fn place(
        &mut self,
        alert: &Arc<Announced>,
        now: Now,
        wanted: impl Fn(&str) -> bool,
    ) {
        self.touched = true;
        let Some(root) = &self.root else { return };
        let started = now.wall.since(alert.starts_at);
        for route in root.matching(&alert.labels) {
            let labels = route.group_by.group_labels(&alert.labels);
            let key = format!("{}:{labels}", route.key);
            if !wanted(&key) {
                continue;
            }
            if let Some(group) = self.groups.get_mut(&key) {
                group.alerts.insert(alert.fingerprint, alert.clone());
            } else if alert.is_firing() || self.told.keys().any(|(k, ..)| *k == key) {
                // An alert that has been firing for longer than the wait is not made to wait again.
                let wait = route.timing.group_wait;
                let due = if started > wait {
                    now.steady
                } else {
                    now.steady + wait
                };
                let group = Group {
                    route: Arc::new(Route {
                        routes: Vec::new(),
                        ..route.clone()
                    }),
                    labels,
                    alerts: [(alert.fingerprint, alert.clone())].into(),
                    due,
                };
                self.groups.insert(key, group);
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
        for (key, group) in &mut self.groups {
            if group.due > now.steady {
                continue;
            }
            self.touched = true;
            group.due = now.steady + group.route.timing.group_interval;
            let receiver = self
                .receivers
                .iter()
                .find(|r| r.name == group.route.receiver);
            for (integration, means) in receiver.iter().flat_map(|r| &r.integrations).enumerate() {
                let log = (key.clone(), group.route.receiver.clone(), integration);
                let told = self.told.get(&log);
                let known = |fp: &u64| told.is_some_and(|told| told.firing.contains(fp));
                let (firing, resolved): (Vec<_>, Vec<_>) = (group.alerts.iter())
                    .filter(|(fp, alert)| !alert.suppressed || known(fp))
                    .map(|(_, alert)| alert.clone())
                    .partition(|alert| alert.is_firing());
                let next = Told {
                    firing: firing.iter().map(|a| a.fingerprint).collect(),
                    resolved: resolved.iter().map(|a| a.fingerprint).collect(),
                    at: now.steady,
                };
                let repeat = group.route.timing.repeat_interval;
                let Some(reason) = reason(told, &next, means.send_resolved, repeat) else {
                    continue;
                };
                self.told.insert(log, next);
                let mut alerts = firing;
                if means.send_resolved {
                    alerts.extend(resolved);
                }
                if alerts.is_empty() {
                    continue;
                }
                self.sequence = self.sequence.wrapping_add(1);
                notifications.push(Notification {
                    id: identify(key, &group.route.receiver, integration, self.sequence, now),
                    receiver: group.route.receiver.clone(),
                    integration,
                    group_key: key.clone(),
                    group_labels: group.labels.clone(),
                    alerts,
                    incidents: Vec::new(),
                    reason,
                    at: now.wall,
                });
            }
            group.alerts.retain(|_, alert| alert.is_firing());
        }
        self.groups.retain(|_, group| !group.alerts.is_empty());
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
}

/// Why to tell, if at all (Alertmanager `notify/notify.go`, `DedupStage.needsUpdate`).
fn reason(
    told: Option<&Told>,
    next: &Told,
    send_resolved: bool,
    repeat_interval: Duration,
) -> Option<NotifyReason> {
    let Some(told) = told else {
        // What has resolved before anyone was told is not worth telling.
        return (!next.firing.is_empty()).then_some(NotifyReason::First);
    };
    if !next.firing.is_subset(&told.firing) {
        return Some(NotifyReason::NewFiring);
    }
    if next.firing.is_empty() {
        return (!told.firing.is_empty()).then_some(NotifyReason::AllResolved);
    }
    // Only what was told as firing can be news as resolved.
    if send_resolved && next.resolved.iter().any(|fp| told.firing.contains(fp)) {
        return Some(NotifyReason::NewResolved);
    }
    (next.at.saturating_sub(told.at) >= repeat_interval).then_some(NotifyReason::Repeat)
}

fn identify(key: &str, receiver: &str, integration: usize, sequence: u64, now: Now) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::alert::EndReason;
    use crate::engine::dispatch::{GroupBy, Integration, Timing};
    use crate::engine::onset::Onset;
    use crate::engine::selector::Selector;

    fn dispatcher(send_resolved: bool) -> Dispatcher {
        let root = Route {
            key: "{}".into(),
            receiver: "team".into(),
            group_by: GroupBy::Labels(vec!["alertname".into()]),
            timing: Timing::default(),
            matchers: Selector::default(),
            go_on: false,
            routes: Vec::new(),
        };
        let receiver = Receiver {
            name: "team".into(),
            integrations: vec![Integration { send_resolved }],
        };
        Dispatcher::new(Some(root), vec![receiver])
    }

    fn alert(host: &str, started: u64, ended: Option<u64>) -> Arc<Announced> {
        let labels: Labels = [("alertname", "Slow"), ("host", host)]
            .into_iter()
            .collect();
        Arc::new(Announced {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: Labels::default(),
            starts_at: at(started).wall,
            onset: Onset::default(),
            ended: ended.map(|seconds| (at(seconds).wall, EndReason::Recovered)),
            suppressed: false,
            generator_url: String::new(),
            rule: "Slow".into(),
            alert_type: "threshold_exceeded",
            metric: "duration".into(),
            stat: "p95".into(),
            value: Some(2.0),
            limit: 1.0,
            n: 20,
            evidence: None,
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
        let (root, receivers) = (d.root.clone(), d.receivers.clone());
        d.replace(root, receivers, at(200));
        assert_eq!(told(&mut d, 200), []);
        assert_eq!(d.group_count(), 1);
    }
}

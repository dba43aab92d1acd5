//! Digests: alerts that can wait are collected and told of together, once a day or as often as that is wanted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::interval::TimeInterval;
use super::muting::Muter;
use super::{Announced, News, Notification, NotifyReason, Receiver, Remark};
use crate::engine::selector::Selector;
use crate::engine::series::Labels;
use crate::engine::template::humanize;
use crate::engine::time::{Now, Timestamp};

/// How far ahead it is looked when a digest is told next, in days, one look after the other: it may be once a week, or on a
/// day that not every year has.
const AHEAD: [u32; 3] = [9, 400, 9 * 366];
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Alerts in one digest at most: as many as a message has room for, and more.
pub const MOST: usize = 1_000;
/// The annotation that says what an alert has done.
const ANNOTATION: &str = "digest";

/// What is collected for whom, and when it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Digest {
    /// What it is called; unique.
    pub name: String,
    /// Who is told.
    pub receiver: String,
    /// Which alerts are collected.
    pub matchers: Selector,
    /// It is told when one of the times of this begins, also where another one ends then.
    pub when: TimeInterval,
    /// Whether these alerts are also told by their routes, as ever.
    pub is_also_told: bool,
}

/// What has been collected for one digest.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine) struct Collected {
    /// Since when.
    pub(in crate::engine) since: Timestamp,
    /// What, by the fingerprints of the alerts.
    pub(in crate::engine) entries: BTreeMap<u64, Entry>,
    /// Alerts that there was no room for.
    pub(in crate::engine) left_out: u64,
}

/// What one alert has done since the last digest.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct Entry {
    /// The latest word on it.
    pub(in crate::engine) alert: Arc<Announced>,
    /// How often it began to fire.
    pub(in crate::engine) begins: u64,
    /// For how long it fired, but for the time since `fires_since`.
    pub(in crate::engine) fired: Duration,
    /// Since when it fires, or since the last digest, on the steady clock.
    pub(in crate::engine) fires_since: Option<Duration>,
    /// The start by which a beginning is known again.
    pub(in crate::engine) last: Timestamp,
}

impl Digest {
    /// Whether it collects an alert with these labels.
    pub(super) fn takes(&self, labels: &Labels) -> bool {
        self.matchers.matches(|name| labels.get(name))
    }

    /// When it is told first after that moment.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let mut looks = AHEAD.iter();
        looks.find_map(|days| self.when.next_begin(after, after.after(DAY * *days)))
    }
}

impl Collected {
    /// Nothing yet.
    pub(super) fn since(now: Timestamp) -> Self {
        Self {
            since: now,
            ..Self::default()
        }
    }

    /// Takes the latest word on an alert.
    pub(super) fn take(&mut self, alert: &Arc<Announced>, now: Duration) {
        let is_full = self.entries.len() >= MOST;
        let entry = match self.entries.get_mut(&alert.fingerprint) {
            Some(entry) => entry,
            // What ends now was told of when it began, or is none of this time.
            None if !alert.is_firing() => return,
            None if is_full => {
                self.left_out += 1;
                return;
            }
            None => self.entries.entry(alert.fingerprint).or_insert(Entry {
                alert: alert.clone(),
                begins: 0,
                fired: Duration::ZERO,
                fires_since: None,
                last: Timestamp::default(),
            }),
        };
        entry.alert = alert.clone();
        if !alert.is_firing() {
            let since = entry.fires_since.take();
            entry.fired += since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        } else if entry.last != alert.starts_at || entry.fires_since.is_none() {
            entry.last = alert.starts_at;
            entry.begins += 1;
            entry.fires_since.get_or_insert(now);
        }
    }

    /// Everything that was collected, to be told now; collecting begins anew with what still fires.
    pub(super) fn tell(
        &mut self,
        digest: &Digest,
        receiver: &Receiver,
        muter: &Muter<'_>,
        now: Now,
        mut identify: impl FnMut(&str, usize) -> String,
    ) -> Vec<Notification> {
        self.since = now.wall;
        let told = self.entries.values();
        let told = told.filter(|entry| muter.silences(&entry.alert).is_none());
        let mut alerts: Vec<_> = told.map(|entry| entry.said(now.steady)).collect();
        alerts.sort_by_key(|alert| (!alert.is_firing(), alert.starts_at));
        let left_out = std::mem::take(&mut self.left_out);
        self.entries.retain(|_, entry| entry.go_on(now.steady));
        if alerts.is_empty() {
            return Vec::new();
        }
        let mut group_labels: Labels = [("digest", digest.name.as_str())].into_iter().collect();
        if left_out > 0 {
            group_labels.set("left_out", left_out.to_string());
        }
        let group_key = format!("{{}}/digest:{{digest={:?}}}", digest.name);
        let firing = alerts.iter().filter(|alert| alert.is_firing());
        let remarks: BTreeMap<u64, Remark> = firing
            .map(|alert| (alert.fingerprint, Remark::of(News::Digest)))
            .collect();
        let all = 0..receiver.integrations.len();
        all.map(|integration| Notification {
            id: identify(&group_key, integration),
            receiver: receiver.name.clone(),
            integration,
            group_key: group_key.clone(),
            group_labels: group_labels.clone(),
            alerts: alerts.clone(),
            incidents: Vec::new(),
            courses: Vec::new(),
            reason: NotifyReason::Digest,
            remarks: remarks.clone(),
            escalation: None,
            at: now.wall,
        })
        .collect()
    }
}

impl Entry {
    /// The alert with an annotation that says how often it began to fire, and for how long it did.
    fn said(&self, now: Duration) -> Arc<Announced> {
        let open = self
            .fires_since
            .map_or(Duration::ZERO, |at| now.saturating_sub(at));
        let fired = humanize::span(self.fired + open);
        let times = match self.begins {
            0 => "fired all the time".to_owned(),
            1 => format!("fired once, for {fired}"),
            times => format!("fired {times} times, for {fired} in all"),
        };
        let end = match self.fires_since {
            Some(_) => "still fires",
            None => "has ended",
        };
        let mut said = Announced::clone(&self.alert);
        said.annotations.set(ANNOTATION, format!("{times}; {end}"));
        Arc::new(said)
    }

    /// Begins anew after a digest; whether there is anything of it to be told in the next one.
    fn go_on(&mut self, now: Duration) -> bool {
        (self.begins, self.fired) = (0, Duration::ZERO);
        match &mut self.fires_since {
            Some(since) => *since = now,
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests;

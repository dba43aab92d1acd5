//! Why a group is told, if at all.

use std::collections::BTreeSet;
use std::time::Duration;

use super::group::Told;
use super::kind::Kind;
use super::{News, NotifyReason};

/// Alerts of which there is something to say though they may fire as before.
#[derive(Default)]
pub(super) struct Stirred {
    /// They fire, and a silence kept them from being told until now.
    pub(super) unsilenced: BTreeSet<u64>,
    /// They fire, and maintenance did.
    pub(super) maintained: BTreeSet<u64>,
    /// They flap, and it is time to say so; also those that have ended.
    pub(super) flapping: BTreeSet<u64>,
    /// The most that there is to say of the kinds of changes, to the integration that is looked at.
    pub(super) reclassified: Kind,
}

impl Stirred {
    /// What there is to say of an alert.
    pub(super) fn news_of(&self, fingerprint: u64) -> Option<News> {
        match () {
            () if self.unsilenced.contains(&fingerprint) => Some(News::SilenceEnded),
            () if self.maintained.contains(&fingerprint) => Some(News::MaintenanceEnded),
            () if self.flapping.contains(&fingerprint) => Some(News::Flapping),
            () => None,
        }
    }

    /// Why to tell of these alerts, where there is something to say of all of them.
    fn of_all(&self, mut alerts: impl Iterator<Item = u64>) -> Option<NotifyReason> {
        let mut all = BTreeSet::new();
        let kinds = [&self.unsilenced, &self.maintained, &self.flapping];
        let is_of_all = alerts.all(|fp| {
            all.insert(fp);
            kinds.iter().any(|kind| kind.contains(&fp))
        });
        self.of_any(&all).filter(|_| is_of_all)
    }

    /// Why to tell of these alerts, where there is something to say of any of them.
    fn of_any(&self, alerts: &BTreeSet<u64>) -> Option<NotifyReason> {
        if !alerts.is_disjoint(&self.unsilenced) {
            Some(NotifyReason::SilenceEnded)
        } else if !alerts.is_disjoint(&self.maintained) {
            Some(NotifyReason::MaintenanceEnded)
        } else if !alerts.is_disjoint(&self.flapping) {
            Some(NotifyReason::Flapping)
        } else {
            None
        }
    }
}

/// Why to tell, if at all (Alertmanager `notify/notify.go`, `DedupStage.needsUpdate`). Beyond Alertmanager, the end of a
/// silence or of maintenance is news: whoever relied on it hears that the alert still fires. So is that a change is a drift.
pub(super) fn reason(
    told: Option<&Told>,
    next: &Told,
    stirred: &Stirred,
    send_resolved: bool,
    repeat_interval: Duration,
) -> Option<NotifyReason> {
    let has_flapped = send_resolved && !stirred.flapping.is_disjoint(&next.resolved);
    let has_flapped = has_flapped.then_some(NotifyReason::Flapping);
    let Some(told) = told else {
        // But for what flaps, what has resolved before anyone was told is not worth telling.
        return match next.firing.is_empty() {
            true => has_flapped,
            false => {
                Some((stirred.of_all(next.firing.iter().copied())).unwrap_or(NotifyReason::First))
            }
        };
    };
    let mut new = next.firing.difference(&told.firing).peekable();
    if new.peek().is_some() {
        return Some((stirred.of_all(new.copied())).unwrap_or(NotifyReason::NewFiring));
    }
    if next.firing.is_empty() {
        return match told.firing.is_empty() {
            true => has_flapped,
            false => Some(NotifyReason::AllResolved),
        };
    }
    if let Some(reason) = stirred.of_any(&next.firing).or(has_flapped) {
        return Some(reason);
    }
    if send_resolved && !next.resolved.is_subset(&told.resolved) {
        return Some(NotifyReason::NewResolved);
    }
    let is_time = next.at.saturating_sub(told.at) >= repeat_interval;
    match stirred.reclassified {
        Kind::Drift => Some(NotifyReason::Reclassified),
        Kind::Other => is_time.then_some(NotifyReason::Reclassified),
        Kind::AsTold => is_time.then_some(NotifyReason::Repeat),
    }
}

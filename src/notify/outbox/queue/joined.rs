//! How what was not delivered of a group comes together with newer word of it.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::warn;

use super::GIVE_UP;
use crate::engine::alert::EndReason;
use crate::engine::dispatch::{Announced, Course, News, Notification, NotifyReason};
use crate::engine::time::Now;

/// Most beginnings of one alert that are told together; of one that comes and goes all the time the latest are.
const MOST_BEGINNINGS: usize = 8;

/// Joins what was not delivered of a group with newer word of it, so that no news is lost: the newer word on each alert
/// counts, and alerts that only the older one knows stay. One that has ended and begun again meanwhile is told as both: who
/// was not told of its first time hears of it all the same. Ends older than an hour go, as they would have been given up.
pub(super) fn join(older: &Notification, mut newer: Notification, now: Now) -> Notification {
    let newest = newer.alerts.clone();
    for alert in &older.alerts {
        let same = |one: &&Arc<Announced>| one.fingerprint == alert.fingerprint;
        if newest.iter().any(|one| is_same(one, alert)) {
            continue;
        }
        let kept = match newest.iter().find(same) {
            None => alert.clone(),
            Some(again) if again.starts_at > alert.starts_at => over_by(alert, again),
            Some(_) => continue,
        };
        let is_old = |(end, _)| now.wall.since(end) >= GIVE_UP;
        if !kept.ended.is_some_and(is_old) {
            newer.alerts.push(kept);
        }
    }
    forget_first_times(&mut newer.alerts);
    // What was to be told of incidents stays told of those that the newer word says nothing of.
    for tale in &older.incidents {
        let known = newer.incidents.iter_mut().find(|one| one.id == tale.id);
        match known {
            None => newer.incidents.push(tale.clone()),
            Some(known) => {
                let more = tale
                    .members
                    .iter()
                    .filter(|one| !known.members.contains(one));
                let more: Vec<u64> = more.copied().collect();
                known.members.extend(more);
            }
        }
    }
    let known = |course: &&Course| {
        let mut of = newer.courses.iter();
        of.all(|one| one.fingerprint != course.fingerprint)
    };
    let more: Vec<Course> = older.courses.iter().filter(known).cloned().collect();
    newer.courses.extend(more);
    // What was news and has not been told is news still.
    for (fingerprint, remark) in &older.remarks {
        match newer.remarks.get_mut(fingerprint) {
            Some(newer) if newer.news == News::Repeat => newer.news = remark.news,
            Some(_) => {}
            None => {
                newer.remarks.insert(*fingerprint, remark.clone());
            }
        }
    }
    sort(&mut newer.alerts);
    newer.reason = match (older.reason, newer.reason) {
        (NotifyReason::First, _) => NotifyReason::First,
        (NotifyReason::Escalated, _) => NotifyReason::Escalated,
        (older, NotifyReason::Repeat) => older,
        (_, newer) => newer,
    };
    newer
}

/// Whether both tell of the same alert and the same time that it fires.
fn is_same(one: &Announced, other: &Announced) -> bool {
    one.fingerprint == other.fingerprint && one.starts_at == other.starts_at
}

/// An alert that has begun again has ended before, also where a restart has swallowed the word of that.
fn over_by(alert: &Arc<Announced>, again: &Announced) -> Arc<Announced> {
    match alert.ended {
        Some(_) => alert.clone(),
        None => Arc::new(Announced {
            ended: Some((again.starts_at, EndReason::Recovered)),
            ..Announced::clone(alert)
        }),
    }
}

/// Leaves the latest times of each alert.
fn forget_first_times(alerts: &mut Vec<Arc<Announced>>) {
    let all = alerts.clone();
    alerts.retain(|alert| {
        let later = all
            .iter()
            .filter(|one| one.fingerprint == alert.fingerprint && one.starts_at > alert.starts_at);
        let is_kept = later.count() < MOST_BEGINNINGS;
        if !is_kept {
            warn!(
                alert = %alert.labels,
                starts_at = %alert.starts_at,
                "an alert that has begun again and again is not told of from its beginning on"
            );
        }
        is_kept
    });
}

/// Firing alerts first, as everywhere; but what has ended and begun again is told in that order, since a receiver that
/// goes through the list would else close in the end what fires.
pub(super) fn sort(alerts: &mut [Arc<Announced>]) {
    let mut of: HashMap<u64, (usize, bool)> = HashMap::new();
    for (place, alert) in alerts.iter().enumerate() {
        of.entry(alert.fingerprint).or_insert((place, false)).1 |= alert.is_firing();
    }
    alerts.sort_by_key(|alert| {
        let (first, fires) = of.get(&alert.fingerprint).copied().unwrap_or_default();
        (!fires, first, alert.starts_at)
    });
}

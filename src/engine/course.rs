//! The course that an alert's value has taken, for those who are told of it: a line of few points, and what was usual before.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::Engine;
use super::condition::Condition;
use super::dispatch::{Announced, Course, Notification};
use super::judge::{Instance, RuleState};
use super::metric::{Metric, Stat};
use super::stats;
use super::store::{Cut, Point};
use super::time::{Now, Timestamp, millis};

/// Most points of a course: as many as a line of plain text has room for beside what is said of them.
const POINTS: u32 = 24;
/// Most alerts of a notification that have one, and most courses of one look at the groups.
const OF_A_NOTIFICATION: usize = 8;
const AT_ONCE: usize = 64;
/// An instance of more series has none: to merge them all takes too long for something beside.
const MOST_SERIES: usize = 64;
/// A course reaches back so many times as far as the rule looks.
const WINDOWS: u32 = 4;
/// And within these bounds.
const SHORTEST: Duration = Duration::from_secs(30 * 60);
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// What was usual is read from so much before the onset, in pieces that are as long as those of the course.
const REFERENCE: Duration = Duration::from_secs(86_400);
/// From fewer points than this nothing is said to be usual.
const LEAST_REFERENCE: usize = 8;
/// The share of the points below the usual range, and above it.
const BESIDE: f64 = 0.05;

impl Engine {
    /// Gives the first alerts of each notification the course that their values have taken, where the store knows it.
    pub(super) fn add_courses(&self, notifications: &mut [Notification], now: Now) {
        if notifications.is_empty() {
            return;
        }
        let shown = |one: &Notification| {
            let first = one.alerts.iter().take(OF_A_NOTIFICATION);
            first.cloned().collect::<Vec<_>>()
        };
        let wanted: BTreeMap<u64, _> = (notifications.iter().flat_map(shown))
            .map(|alert| (alert.fingerprint, alert))
            .take(AT_ONCE)
            .collect();
        let mut courses: HashMap<u64, Course> = HashMap::new();
        for (rule, instance) in self.rules().flat_map(|(_, _, rule)| {
            let instances = rule.instances.values();
            instances.map(move |instance| (rule, instance))
        }) {
            for tracked in instance.tracked() {
                let course = (wanted.get(&tracked.fingerprint))
                    .and_then(|alert| self.course(rule, instance, alert, now.wall));
                courses.extend(course.map(|course| (tracked.fingerprint, course)));
            }
        }
        for notification in notifications {
            let of = |alert: &std::sync::Arc<Announced>| courses.get(&alert.fingerprint).cloned();
            notification.courses = shown(notification).iter().filter_map(of).collect();
        }
    }

    fn course(
        &self,
        rule: &RuleState,
        instance: &Instance,
        alert: &Announced,
        now: Timestamp,
    ) -> Option<Course> {
        let (metric, stat, reach) = measured(&rule.rule.condition)?;
        if instance.series.len() > MOST_SERIES {
            return None;
        }
        // Far enough back to see how it was before it began.
        let onset = alert.onset.earliest.min(alert.starts_at);
        let lasted = now.since(onset);
        let span = (reach * WINDOWS)
            .max(lasted * 3 / 2)
            .clamp(SHORTEST, LONGEST);
        let line = |from: Timestamp, to: Timestamp, step: Duration| {
            let column = self.store.column(&metric)?;
            let cut = Cut {
                from,
                to,
                step,
                with_quantiles: matches!(stat, Stat::Quantile(_)),
            };
            let points = self.store.points(&instance.series, column, cut, now);
            let step = points.step();
            Some((step, points.finish(self.watched())))
        };
        let value = |point: &Point| {
            let window = point.window.clone().of_metric(&metric, self.cpu_limit());
            window.stat(stat).filter(|value| value.is_finite())
        };
        let (step, points) = line(now.before(span), now, span / POINTS)?;
        let number = |at: Timestamp| at.millis().div_euclid(millis(step).max(1));
        let last = number(Timestamp::from_millis(now.millis() - 1));
        // The first piece is cut off by where the course begins; one that has only just begun would be on a line of its own.
        let first = last - i64::from(POINTS) + 1;
        let mut values = vec![None; usize::try_from(POINTS).unwrap_or_default()];
        for point in &points {
            let place = number(Timestamp::from_millis(point.end.millis() - 1)) - first;
            let place = usize::try_from(place).ok();
            if let Some(place) = place.and_then(|place| values.get_mut(place)) {
                *place = value(point);
            }
        }
        // A series that is younger than that begins where it begins.
        let blank = values.iter().take_while(|value| value.is_none()).count();
        values.drain(..blank);
        if values.iter().flatten().count() < 2 {
            return None;
        }
        // The piece in which it began holds what is not usual.
        let length = millis(step).max(1);
        let before = Timestamp::from_millis(onset.millis().div_euclid(length) * length);
        let usual = line(before.before(REFERENCE.max(span)), before, step);
        let usual = usual.and_then(|(_, points)| {
            let before: Vec<f64> = points.iter().filter_map(value).collect();
            range(before)
        });
        Some(Course {
            fingerprint: alert.fingerprint,
            step,
            to: now,
            values,
            usual,
        })
    }
}

/// The range in which nine of ten points lay.
fn range(mut before: Vec<f64>) -> Option<(f64, f64)> {
    if before.len() < LEAST_REFERENCE {
        return None;
    }
    before.sort_unstable_by(f64::total_cmp);
    let low = stats::linear(&before, BESIDE)?;
    Some((low, stats::linear(&before, 1.0 - BESIDE)?))
}

/// What a condition looks at, and how far back.
fn measured(condition: &Condition) -> Option<(Metric, Stat, Duration)> {
    if let Condition::Detection(detection) = condition {
        return Some((detection.metric.clone(), detection.stat, SHORTEST));
    }
    let need = condition.need()?;
    Some((
        need.metric,
        need.stat,
        need.reach.span().unwrap_or(SHORTEST / WINDOWS),
    ))
}

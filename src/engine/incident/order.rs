//! Which of the alerts of an incident explains most: that one is told first and gives the message its name.
//!
//! In this order: alerts that fire before those that have ended; the higher severity; the alert that covers more of the
//! others, because its labels are some of theirs and none else, as a rule over a whole operation covers one over each of
//! its algorithms; the one that is further off its limit or its baseline; the one that began earlier. Rules and
//! fingerprints decide between what is equal in all that, so that the order is always the same.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::engine::dispatch::Announced;
use crate::engine::rule::Severity;

/// Of more alerts than this it is not looked which covers which: that takes a look at every pair.
const MOST_COMPARED: usize = 200;

/// Puts alerts into their order, the most explanatory first.
pub(super) fn arrange(alerts: &mut Vec<&Arc<Announced>>) {
    let are_few = alerts.len() <= MOST_COMPARED;
    let mut ranked: Vec<_> = (alerts.iter())
        .map(|alert| {
            let covered = |other: &&&Arc<Announced>| covers(alert, other);
            let covers = alerts.iter().filter(covered).count();
            (if are_few { covers } else { 0 }, *alert)
        })
        .collect();
    ranked.sort_by(|(covers_a, a), (covers_b, b)| {
        let of = |alert: &Announced, covers: usize| {
            (
                !alert.is_firing(),
                Reverse(severity(alert)),
                Reverse(covers),
            )
        };
        let by_rank = of(a, *covers_a).cmp(&of(b, *covers_b));
        by_rank
            .then_with(|| far_off(b).total_cmp(&far_off(a)))
            .then_with(|| last(a).cmp(&last(b)))
    });
    *alerts = ranked.into_iter().map(|(_, alert)| alert).collect();
}

/// The place of a severity, from 1 for the mildest; 0 for one that is not ours.
pub(super) fn severity(alert: &Announced) -> usize {
    let name = alert.labels.get("severity");
    let place = Severity::ALL.iter().position(|one| one.as_str() == name);
    place.map_or(0, |place| place + 1)
}

/// Whether an alert is about a whole of which the other one is about a part.
fn covers(whole: &Announced, part: &Announced) -> bool {
    let named = |name: &str| !matches!(name, "alertname" | "severity");
    let wide = || whole.labels.iter().filter(|(name, _)| named(name));
    let narrow = part.labels.iter().filter(|(name, _)| named(name)).count();
    wide().count() < narrow && wide().all(|(name, value)| part.labels.get(name) == value)
}

/// By what share an alert is off its baseline, or off its limit where it has none.
fn far_off(alert: &Announced) -> f64 {
    let change = match alert.evidence {
        Some(evidence) => evidence.change,
        None => {
            let over = |value: f64| (value - alert.limit) / alert.limit.abs();
            alert.value.map(over)
        }
    };
    let share = change.map_or(0.0, f64::abs);
    if share.is_finite() { share } else { 0.0 }
}

/// What decides where all else is equal.
fn last(alert: &Announced) -> impl Ord + '_ {
    (alert.onset.at, &*alert.rule, alert.fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::incident::tests::{alert, ended};

    /// The names of the rules in the order of what is told.
    fn order(alerts: &[Announced]) -> Vec<String> {
        let shared: Vec<Arc<Announced>> = alerts.iter().cloned().map(Arc::new).collect();
        let mut arranged: Vec<&Arc<Announced>> = shared.iter().collect();
        arrange(&mut arranged);
        arranged.iter().map(|alert| alert.rule.clone()).collect()
    }

    #[test]
    fn what_explains_most_comes_first() {
        let of = |labels: &[(&str, &str)], value: f64, at: u64| {
            let mut alert = alert(labels, at);
            alert.value = Some(value);
            alert
        };
        let small = of(&[("alertname", "Small"), ("operation", "a")], 1.1, 0);
        let large = of(&[("alertname", "Large"), ("operation", "b")], 3.0, 60);
        let low = of(
            &[
                ("alertname", "Low"),
                ("operation", "a"),
                ("severity", "low"),
            ],
            9.0,
            0,
        );
        let high = of(
            &[
                ("alertname", "High"),
                ("operation", "c"),
                ("severity", "high"),
            ],
            1.1,
            90,
        );
        let part = of(
            &[
                ("alertname", "Part"),
                ("operation", "a"),
                ("algorithm", "x"),
            ],
            5.0,
            0,
        );
        let all = of(&[("alertname", "All")], 1.1, 90);
        let late = of(&[("alertname", "Late"), ("operation", "d")], 1.1, 60);
        let over = ended(&high, 200);
        for (given, expected) in [
            // Further off its limit.
            (vec![&small, &large], "Large Small"),
            // A severity counts for more than that, and one that is not ours for less.
            (vec![&large, &high, &low, &small], "High Low Large Small"),
            // A whole before its part, however far off the part is.
            (vec![&part, &small], "Small Part"),
            (vec![&part, &large, &small, &all], "All Small Part Large"),
            // Earlier, where all else is equal.
            (vec![&late, &small], "Small Late"),
            // What has ended comes last.
            (vec![&over, &low, &small], "Low Small High"),
        ] {
            let given: Vec<Announced> = given.into_iter().cloned().collect();
            let mut reversed = given.clone();
            reversed.reverse();
            assert_eq!(order(&given).join(" "), expected);
            assert_eq!(order(&reversed).join(" "), expected, "in any order");
        }
    }

    #[test]
    fn what_is_off_is_measured_against_the_baseline_where_there_is_one() {
        let mut by_evidence = alert(&[("alertname", "Evidence")], 0);
        by_evidence.evidence = Some(crate::engine::condition::Evidence {
            change: Some(-0.4),
            ..Default::default()
        });
        let mut plain = alert(&[("alertname", "Plain")], 0);
        (plain.value, plain.limit) = (Some(1.5), 1.0);
        let mut without = alert(&[("alertname", "Without")], 0);
        (without.value, without.limit) = (Some(1.0), 0.0);
        let far = [&by_evidence, &plain, &without].map(far_off);
        assert_eq!(far, [0.4, 0.5, 0.0]);
    }
}

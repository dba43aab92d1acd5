//! Runs one test in virtual time: measurements into an engine of its own, and the alerts it has when the test looks.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::time::Duration;

use super::baselines;
use super::input;
use super::report::{Mismatch, Seen};
use super::wire;
use crate::document::Place;
use crate::engine::admission::Batch;
use crate::engine::alert::AlertState;
use crate::engine::judge::{GroupState, Health, Instance, RuleState, Tracked};
use crate::engine::rule::{External, OnError, RuleGroup};
use crate::engine::series::{Labels, OWN_OPERATION};
use crate::engine::time::Now;
use crate::engine::{Engine, Settings};
use crate::rulefile::Checker;

/// Most evaluations of one test.
const MAX_EVALUATIONS: u128 = 1_000_000;

/// What a test runs with.
pub(super) struct Setting<'a> {
    pub(super) groups: &'a [RuleGroup],
    pub(super) evaluation_interval: Duration,
    pub(super) external: External,
}

/// Runs a test; an evaluation at time t sees the measurements that came in until t, t included, and the baselines that
/// were set by then, each of what had come in until that time.
///
/// As in promtool, what is expected at a time is compared with the last evaluation until then.
pub(super) fn run(
    test: &wire::Test,
    setting: &Setting<'_>,
    measurements: Vec<input::Timed>,
    baselines: Vec<baselines::Timed>,
    place: &Place,
    checker: &mut Checker<'_>,
) -> Vec<Mismatch> {
    let interval = setting.evaluation_interval;
    let mut looks: Vec<(usize, &wire::AlertTest)> =
        test.alert_rule_test.iter().enumerate().collect();
    looks.sort_by_key(|(_, look)| look.eval_time);
    let last = looks
        .last()
        .map_or(Duration::ZERO, |(_, look)| look.eval_time.0);
    if last.as_nanos() / interval.as_nanos().max(1) > MAX_EVALUATIONS {
        checker.fault(
            place,
            format!("test needs more than {MAX_EVALUATIONS} evaluations, allowed: an earlier last eval_time or a longer evaluation_interval"),
        );
        return Vec::new();
    }
    let highest_only = test.send_levels.unwrap_or_default() == wire::SendLevels::Highest;
    let settings = Settings {
        groups: setting.groups.to_vec(),
        external: setting.external.clone(),
        send_levels: !highest_only,
        ..Settings::default()
    };
    let mut engine = Engine::new(settings, Now::default());
    // One core unless the test says otherwise, so that `cpu_ratio` is what `cpu_cores` says.
    engine.set_cpu_limit(Some(test.cpu_limit.map_or(1.0, |limit| limit.0)));
    let mut incoming = measurements.into_iter().peekable();
    let mut baselines = baselines.into_iter().peekable();
    let mut looks = looks.into_iter().peekable();
    let mut mismatches = Vec::new();
    let mut at = Duration::ZERO;
    while at <= last {
        while let Some((time, wanted, place)) = baselines.next_if(|(time, ..)| *time <= at) {
            take_in(&mut engine, &mut incoming, time);
            if let Err(error) = engine.set_baselines(&[wanted], Now::invented(time)) {
                checker.fault(&place, error.to_string());
                return mismatches;
            }
        }
        take_in(&mut engine, &mut incoming, at);
        if let Some(failure) = evaluate(&mut engine, Now::invented(at)) {
            checker.fault(place, failure);
            return mismatches;
        }
        while let Some((index, look)) = looks.next_if(|(_, look)| look.eval_time.0 < at + interval)
        {
            let place = place.key("alert_rule_test").index(index);
            let fault = checker.document.fault(&place, "alerts are not as expected");
            for (state, expected, got) in compare(look, engine.groups(), highest_only) {
                mismatches.push(Mismatch {
                    fault: fault.clone(),
                    test: test.name.clone(),
                    alertname: look.alertname.clone(),
                    eval_time: look.eval_time,
                    state,
                    expected,
                    got,
                });
            }
        }
        at += interval;
    }
    mismatches
}

/// Takes in what comes until a time, that time included.
fn take_in(
    engine: &mut Engine,
    incoming: &mut Peekable<impl Iterator<Item = input::Timed>>,
    until: Duration,
) {
    while let Some((time, measurement)) = incoming.next_if(|(time, _)| *time <= until) {
        let now = Now::invented(time);
        if measurement.key.operation() == OWN_OPERATION {
            engine.own().take(measurement, now);
            continue;
        }
        let batch = Batch {
            origin: None,
            records: vec![Ok(measurement)],
        };
        let (admitted, _) = engine.admit(batch, now);
        engine.apply(&admitted, now);
    }
}

/// Evaluates every group once; the failure of a rule ends the test, as in promtool, unless it is to raise an alert.
fn evaluate(engine: &mut Engine, now: Now) -> Option<String> {
    for due in engine.due(now) {
        let answer = engine.answer(due, now);
        engine.evaluate(due, &answer, now);
    }
    let rules = engine.groups().iter().flat_map(|group| &group.rules);
    rules.into_iter().find_map(|rule| match &rule.health {
        Health::Failed(why) if rule.rule.on_error == OnError::Keep => Some(format!(
            "rule {:?} fails at {}: {why}",
            rule.rule.name,
            crate::document::units::Period(now.steady)
        )),
        Health::Failed(_) | Health::Good | Health::Unknown => None,
    })
}

/// A kind of alerts with those that were expected and those that are there.
type Comparison = (&'static str, Vec<Seen>, Vec<Seen>);

/// Compares what is expected with what is there; only what differs comes back.
fn compare(
    look: &wire::AlertTest,
    groups: &[GroupState],
    highest_only: bool,
) -> impl Iterator<Item = Comparison> {
    let rules: Vec<&RuleState> = groups
        .iter()
        .flat_map(|group| &group.rules)
        .filter(|rule| rule.rule.name == look.alertname)
        .collect();
    let instances = || {
        rules
            .iter()
            .flat_map(|rule| rule.instances.values().chain(&rule.departed))
    };
    let expected = look.exp_alerts.iter().map(|alert| Seen {
        labels: named(&alert.exp_labels, &look.alertname),
        annotations: labels(&alert.exp_annotations),
    });
    let troubles = (rules.iter())
        .filter_map(|rule| rule.trouble.as_ref())
        .filter(|trouble| trouble.state.is_firing());
    let got = instances()
        .flat_map(|instance| firing(instance, highest_only))
        .chain(troubles.map(seen));
    let mut compared = vec![("firing", expected.collect(), got.collect())];
    if let Some(pending) = &look.exp_pending {
        let expected = pending.iter().map(|alert| Seen {
            labels: named(&alert.exp_labels, &look.alertname),
            annotations: Labels::default(),
        });
        let got = instances()
            .flat_map(Instance::tracked)
            .filter(|alert| matches!(alert.state, AlertState::Pending { .. }))
            .map(|alert| Seen {
                labels: alert.labels.clone(),
                annotations: Labels::default(),
            });
        compared.push(("pending", expected.collect(), got.collect()));
    }
    compared
        .into_iter()
        .filter_map(|(state, mut expected, mut got): Comparison| {
            expected.sort();
            got.sort();
            (expected != got).then_some((state, expected, got))
        })
}

fn labels(written: &BTreeMap<String, String>) -> Labels {
    let pairs = written.iter();
    pairs.map(|(n, v)| (n.as_str(), v.as_str())).collect()
}

/// Expected labels with the name of the alert, which need not be written, as in promtool.
fn named(written: &BTreeMap<String, String>, alertname: &str) -> Labels {
    let mut labels = labels(written);
    labels.set("alertname", alertname);
    labels
}

/// The alerts of an instance that fire, as others are told of them: of its levels only the highest.
fn firing(instance: &Instance, highest_only: bool) -> Vec<Seen> {
    let mut levels: Vec<_> = instance
        .levels
        .iter()
        .filter(|alert| alert.state.is_firing())
        .collect();
    if highest_only && levels.len() > 1 {
        levels.drain(..levels.len() - 1);
    }
    let missing = instance
        .missing
        .iter()
        .filter(|alert| alert.state.is_firing());
    levels
        .into_iter()
        .chain(missing)
        .filter(|alert| !alert.suppressed)
        .map(seen)
        .collect()
}

fn seen(alert: &Tracked) -> Seen {
    Seen {
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
    }
}

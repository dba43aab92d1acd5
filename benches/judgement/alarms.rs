//! What a rule costs: how often it alarms although nothing has changed, and how soon it tells of what has. Through the
//! whole engine, in invented time, looked at every 15 s.

use std::collections::BTreeMap;

use opwatch::engine::alert::Change;

use crate::fleet::{DAY, Fleet};
use crate::noise::Runs;

/// Looks at the rules are that far apart, in seconds.
const EVERY: u64 = 15;
/// Days in which there is only something to learn.
const LEARN: u64 = 2;

/// What is simulated.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// The standard deviation of the logarithm of a run.
    pub sd: f64,
    /// How far neighbouring runs depend on each other.
    pub rho: f64,
    /// The share of runs that take twenty times as long.
    pub slow: f64,
    /// By how much the middle of the day is slower, and its night faster.
    pub season: f64,
}

/// Rules with what they are called in the table.
pub const RULES: &[(&str, &str)] = &[
    (
        "guide: mean of 50 runs, pinned, +10 %",
        "regression: {metric: duration, stat: mean, window: 50 runs, baseline: {pinned: b}, worse_by: 10%, compat: guide}",
    ),
    (
        "median of 50 runs, pinned, +10 %",
        "regression: {metric: duration, stat: median, window: 50 runs, baseline: {pinned: b}, worse_by: 10%}",
    ),
    (
        "median of 1 h, pinned, +10 %",
        "regression: {metric: duration, stat: median, window: 1h, baseline: {pinned: b}, worse_by: 10%}",
    ),
    (
        "mean of 1 h, rolling 7 d, +10 %",
        "regression: {metric: duration, stat: mean, window: 1h, baseline: {rolling: 7d}, worse_by: 10%}",
    ),
    (
        "median of 6 h, rolling 7 d, +5 %",
        "regression: {metric: duration, stat: median, window: 6h, baseline: {rolling: 7d}, worse_by: 5%}",
    ),
    (
        "median of 1 h, seasonal 1 d, +10 %",
        "regression: {metric: duration, stat: median, window: 1h, baseline: {seasonal: 1d}, worse_by: 10%}",
    ),
    (
        "p95 of 6 h, rolling 7 d, +10 %",
        "regression: {metric: duration, stat: p95, window: 6h, baseline: {rolling: 7d}, worse_by: 10%}",
    ),
];

/// What came of one rule.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Alarms before anything changed, per day and instance.
    pub false_alarms: f64,
    /// Share of instances in which it fired within five days after the change and had not before.
    pub found: f64,
    /// The median of hours until then.
    pub delay: f64,
}

/// Simulates instances for `days`, then a change by `step` for five days; with one run a minute each.
pub fn simulate(
    scenario: Scenario,
    rules: &[(&str, &str)],
    instances: u64,
    days: u64,
    step: f64,
) -> Vec<Outcome> {
    let noise = (0..instances)
        .map(|n| Runs::new(n * 7_919 + 17, scenario.sd, scenario.rho, scenario.slow))
        .collect();
    let mut fleet = Fleet::new(rules.iter().map(|(_, rule)| *rule), "15s", noise);
    let after = if step > 0.0 { 5 } else { 0 };
    let changes_at = days * DAY;
    let mut alarms = vec![0_u64; rules.len()];
    let mut first: BTreeMap<(usize, u64), f64> = BTreeMap::new();
    for seconds in (0..(days + after) * DAY).step_by(EVERY as usize) {
        if seconds % 60 == 0 {
            let phase = (seconds % DAY) as f64 / DAY as f64;
            let season = 1.0 + scenario.season * (std::f64::consts::TAU * phase).sin();
            let step = if seconds >= changes_at { step } else { 0.0 };
            fleet.run(season * (1.0 + step), seconds);
        }
        if seconds == LEARN * DAY {
            fleet.pin(1_000, seconds);
        }
        for told in fleet.judge(seconds) {
            match told.change {
                Change::Fired if seconds < changes_at => {
                    alarms[told.rule] += u64::from(seconds >= LEARN * DAY);
                }
                Change::Fired => {
                    let hours = (seconds - changes_at) as f64 / 3_600.0;
                    first.entry((told.rule, told.instance)).or_insert(hours);
                }
                _ => {}
            }
        }
    }
    (0..rules.len())
        .map(|rule| {
            let mut delays: Vec<f64> = first
                .iter()
                .filter(|((r, _), _)| *r == rule)
                .map(|(_, d)| *d)
                .collect();
            delays.sort_by(f64::total_cmp);
            Outcome {
                false_alarms: alarms[rule] as f64 / ((days - LEARN) * instances) as f64,
                found: delays.len() as f64 / instances as f64,
                delay: delays.get(delays.len() / 2).copied().unwrap_or(f64::NAN),
            }
        })
        .collect()
}

//! What a rule costs: how often it alarms although nothing has changed, and how soon it tells of what has. Through the
//! whole engine, in invented time, looked at every 15 s.

use std::collections::BTreeMap;
use std::time::Duration;

use opwatch::engine::admission::Batch;
use opwatch::engine::alert::Change;
use opwatch::engine::baselines::{Wanted, WantedContent};
use opwatch::engine::measurement::{Draft, Measurement};
use opwatch::engine::metric::Metric;
use opwatch::engine::selector::Selector;
use opwatch::engine::time::Now;
use opwatch::engine::window::Reach;
use opwatch::engine::{Engine, Settings};
use opwatch::rulefile::{Surroundings, load};

use crate::noise::Runs;

const DAY: u64 = 86_400;
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
        "{metric: duration, stat: mean, window: 50 runs, baseline: {pinned: b}, worse_by: 10%, compat: guide}",
    ),
    (
        "median of 50 runs, pinned, +10 %",
        "{metric: duration, stat: median, window: 50 runs, baseline: {pinned: b}, worse_by: 10%}",
    ),
    (
        "median of 1 h, pinned, +10 %",
        "{metric: duration, stat: median, window: 1h, baseline: {pinned: b}, worse_by: 10%}",
    ),
    (
        "mean of 1 h, rolling 7 d, +10 %",
        "{metric: duration, stat: mean, window: 1h, baseline: {rolling: 7d}, worse_by: 10%}",
    ),
    (
        "median of 6 h, rolling 7 d, +5 %",
        "{metric: duration, stat: median, window: 6h, baseline: {rolling: 7d}, worse_by: 5%}",
    ),
    (
        "median of 1 h, seasonal 1 d, +10 %",
        "{metric: duration, stat: median, window: 1h, baseline: {seasonal: 1d}, worse_by: 10%}",
    ),
    (
        "p95 of 6 h, rolling 7 d, +10 %",
        "{metric: duration, stat: p95, window: 6h, baseline: {rolling: 7d}, worse_by: 10%}",
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
pub fn simulate(scenario: Scenario, instances: u64, days: u64, step: f64) -> Vec<Outcome> {
    let mut text = "groups: [{name: g, interval: 15s, rules: [".to_owned();
    for (number, (_, rule)) in RULES.iter().enumerate() {
        text.push_str(&format!("{{alert: R{number}, regression: {rule}}},"));
    }
    text.push_str("]}]");
    let loaded = load("rules.yaml", text, Surroundings::default());
    assert!(
        loaded.findings.faults.is_empty(),
        "{:?}",
        loaded.findings.faults
    );
    let mut settings = Settings {
        groups: loaded.groups,
        ..Settings::default()
    };
    settings.store.max_memory = 4 << 30;
    let start = 1_000 * DAY;
    let at = |seconds: u64| Now::invented(Duration::from_secs(start + seconds));
    let mut engine = Engine::new(settings, at(0));
    let mut noise: Vec<Runs> = (0..instances)
        .map(|n| Runs::new(n * 7_919 + 17, scenario.sd, scenario.rho, scenario.slow))
        .collect();
    let after = if step > 0.0 { 5 } else { 0 };
    let changes_at = days * DAY;
    let mut alarms = vec![0_u64; RULES.len()];
    let mut first: BTreeMap<(usize, u64), f64> = BTreeMap::new();
    let mut firing: BTreeMap<(usize, u64), bool> = BTreeMap::new();
    for seconds in (0..(days + after) * DAY).step_by(EVERY as usize) {
        let now = at(seconds);
        if seconds % 60 == 0 {
            #[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
            let phase = (seconds % DAY) as f64 / DAY as f64;
            let season = 1.0 + scenario.season * (std::f64::consts::TAU * phase).sin();
            let factor = season
                * if seconds >= changes_at {
                    1.0 + step
                } else {
                    1.0
                };
            let records = (0..instances).zip(&mut noise).map(|(n, runs)| {
                let operation = format!("op{n}");
                Ok(Measurement::new(Draft {
                    operation: &operation,
                    duration_seconds: Some(runs.next() * factor),
                    ..Draft::default()
                })
                .expect("a good measurement"))
            });
            let batch = Batch {
                origin: None,
                records: records.collect(),
            };
            let (admitted, _) = engine.admit(batch, now);
            engine.apply(&admitted, now);
        }
        if seconds == LEARN * DAY {
            let wanted = Wanted {
                name: "b".to_owned(),
                metric: Metric::Duration,
                content: WantedContent::Measured {
                    select: Selector::default(),
                    by: vec!["operation".to_owned(), "algorithm".to_owned()],
                    reach: Reach::Runs(1_000),
                    until: None,
                },
            };
            engine.set_baselines(&[wanted], now).expect("a baseline");
        }
        for due in engine.due(now) {
            let answer = engine.answer(due, now);
            for change in engine.evaluate(due, &answer, now).changes {
                let rule: usize = change
                    .labels
                    .get("alertname")
                    .trim_start_matches('R')
                    .parse()
                    .unwrap_or_default();
                let instance: u64 = change
                    .labels
                    .get("operation")
                    .trim_start_matches("op")
                    .parse()
                    .unwrap_or_default();
                match change.change {
                    Change::Fired if seconds < changes_at => {
                        alarms[rule] += u64::from(seconds >= LEARN * DAY);
                        firing.insert((rule, instance), true);
                    }
                    Change::Fired => {
                        #[expect(clippy::cast_precision_loss, reason = "seconds of some days")]
                        let hours = (seconds - changes_at) as f64 / 3_600.0;
                        first.entry((rule, instance)).or_insert(hours);
                    }
                    Change::Resolved(_) => {
                        firing.insert((rule, instance), false);
                    }
                    _ => {}
                }
            }
        }
        engine.flush(now);
    }
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    (0..RULES.len())
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

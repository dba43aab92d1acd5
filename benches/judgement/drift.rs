//! A drift that a baseline which is learned again all the time gets used to.

use std::collections::BTreeMap;

use opwatch::engine::alert::Change;

use crate::fleet::{DAY, Fleet};
use crate::noise::Runs;

/// Days without any, then days with it.
const FLAT: u64 = 35;
const RISING: u64 = 60;
/// By so much from day to day.
const DRIFT: f64 = 0.01;
/// Seconds between two runs.
const EVERY: u64 = 600;

const RULES: &[(&str, &str)] = &[
    (
        "median of 1 d, rolling 7 d, +10 %",
        "regression: {metric: duration, stat: median, window: 1d, baseline: {rolling: 7d}, worse_by: 10%}",
    ),
    (
        "median of 1 d, a week before, +10 %",
        "regression: {metric: duration, stat: median, window: 1d, baseline: {offset: 7d}, worse_by: 10%}",
    ),
    (
        "median of 1 d, pinned, +10 %",
        "regression: {metric: duration, stat: median, window: 1d, baseline: {pinned: b}, worse_by: 10%}",
    ),
    (
        "trend, 14 d by 1 h, 0.5 % per day",
        "trend: {metric: duration, stat: median, window: 14d, bucket: 1h, rising: 0.5% per day}",
    ),
    (
        "trend, 30 d by 1 h, 0.5 % per day",
        "trend: {metric: duration, stat: median, window: 30d, bucket: 1h, rising: 0.5% per day}",
    ),
];

/// Prints after how many days of drift each rule told of it.
pub fn print(instances: u64) {
    let noise = (0..instances).map(|n| Runs::new(n * 104_729 + 5, 0.3, 0.0, 0.0));
    let mut fleet = Fleet::new(RULES.iter().map(|(_, rule)| *rule), "10m", noise.collect());
    let mut early = vec![0_u64; RULES.len()];
    let mut first: BTreeMap<(usize, u64), f64> = BTreeMap::new();
    for seconds in (0..(FLAT + RISING) * DAY).step_by(EVERY as usize) {
        let days = seconds.saturating_sub(FLAT * DAY) as f64 / DAY as f64;
        fleet.run((1.0 + DRIFT).powf(days), seconds);
        if seconds == 7 * DAY {
            fleet.pin(1_000, seconds);
        }
        for told in fleet.judge(seconds) {
            match told.change {
                Change::Fired if seconds < FLAT * DAY => early[told.rule] += 1,
                Change::Fired => {
                    first.entry((told.rule, told.instance)).or_insert(days);
                }
                _ => {}
            }
        }
    }
    println!("### A drift of 1 % a day for {RISING} days, {instances} instances\n");
    println!(
        "| rule | told of it | after days, median | 90 % | before, per instance and day |\n|---|---|---|---|---|"
    );
    for (rule, (name, _)) in RULES.iter().enumerate() {
        let found = first.iter().filter(|((r, _), _)| *r == rule);
        let mut delays: Vec<f64> = found.map(|(_, days)| *days).collect();
        delays.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (share * delays.len() as f64) as usize;
            let delay = delays.get(place.min(delays.len().saturating_sub(1)));
            delay.map_or("–".to_owned(), |days| format!("{days:.1}"))
        };
        println!(
            "| {name} | {:.0} % | {} | {} | {:.4} |",
            100.0 * delays.len() as f64 / instances as f64,
            at(0.5),
            at(0.9),
            early[rule] as f64 / (instances * (FLAT - 7)) as f64,
        );
    }
    println!();
}

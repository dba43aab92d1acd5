//! One evaluation of 10 000 rules of mixed kinds, each over the runs of its own operation: with a twentieth of them
//! changed, and with all.
//!
//! Prints milliseconds per evaluation, per kind of rule and all together; `cargo bench --bench mixed [RULES]`.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::format_push_string,
    clippy::disallowed_methods,
    reason = "a table for people, of times that are taken here"
)]

use std::time::{Duration, Instant};

use opwatch::engine::admission::Batch;
use opwatch::engine::baselines::{Wanted, WantedContent};
use opwatch::engine::measurement::{Draft, Measurement};
use opwatch::engine::metric::Metric;
use opwatch::engine::selector::Selector;
use opwatch::engine::time::Now;
use opwatch::engine::window::Reach;
use opwatch::engine::{Engine, Settings};
use opwatch::rulefile::{Surroundings, load};

/// Kinds of rules with the condition of one.
const KINDS: &[(&str, &str)] = &[
    (
        "threshold, p95 of 10m",
        "threshold: {metric: duration, stat: p95, window: 10m, above: 10s}",
    ),
    (
        "limit from a baseline",
        "threshold: {metric: duration, stat: p95, window: 10m, above: {baseline: p95, times: 1.5}}",
    ),
    (
        "regression, 50 runs, pinned",
        "regression: {metric: duration, stat: median, window: 50 runs, baseline: {pinned: b}, worse_by: 10%}",
    ),
    (
        "regression, 1 h, rolling",
        "regression: {metric: duration, stat: median, window: 1h, baseline: {rolling: 7d}, worse_by: 10%}",
    ),
    (
        "regression, p95 of 1 h, pinned",
        "regression: {metric: duration, stat: p95, window: 1h, baseline: {pinned: b}, worse_by: 10%}",
    ),
    (
        "regression, share of failures",
        "regression: {metric: error_ratio, window: 50 runs, baseline: {rolling: 7d}, worse_by: 50%}",
    ),
    (
        "trend, 5 h by 10 min",
        "trend: {metric: duration, stat: median, window: 5h, bucket: 10m, rising: 50% per day}",
    ),
    ("absence", "absence: {expect_every: 1h}"),
];
/// Runs of each operation before the first evaluation, a minute apart.
const HISTORY: u64 = 300;
const START: u64 = 100 * 86_400;

fn main() {
    let rules = std::env::args()
        .skip(1)
        .find_map(|word| word.parse().ok())
        .unwrap_or(10_000);
    println!("{rules} rules, each over its own operation with {HISTORY} runs; ms per evaluation\n");
    println!(
        "| rules | the same data | 5 % changed | all changed | 15 s later, 5 % changed | all changed, and slower |\n|---|---|---|---|---|---|"
    );
    let each = rules / u64::try_from(KINDS.len()).unwrap_or(1);
    for (kind, condition) in KINDS {
        line(&format!("{each} x {kind}"), each, &[condition]);
    }
    let all: Vec<&str> = KINDS.iter().map(|(_, condition)| *condition).collect();
    line("all kinds", rules, &all);
}

fn line(name: &str, rules: u64, conditions: &[&str]) {
    let mut fleet = Fleet::new(rules, conditions);
    fleet.evaluate();
    let same = median(|| fleet.evaluate());
    let few = median(|| {
        fleet.measure(20);
        fleet.evaluate()
    });
    let all = median(|| {
        fleet.measure(1);
        fleet.evaluate()
    });
    let later = median(|| {
        fleet.seconds += 15;
        fleet.measure(20);
        fleet.evaluate()
    });
    // As many that the windows are full of them; an effect that there is costs more to measure.
    fleet.slower = 1.5;
    for _ in 0..60 {
        fleet.seconds += 60;
        fleet.measure(1);
        fleet.evaluate();
    }
    let slower = median(|| {
        fleet.measure(1);
        fleet.evaluate()
    });
    let columns = [same, few, all, later, slower];
    let [same, few, all, later, slower] = columns.map(|took| took.as_secs_f64() * 1e3);
    println!("| {name} | {same:.1} | {few:.1} | {all:.1} | {later:.1} | {slower:.1} |");
}

/// The median of several rounds.
fn median(mut round: impl FnMut() -> Duration) -> Duration {
    let mut rounds: Vec<Duration> = (0..9).map(|_| round()).collect();
    rounds.sort();
    rounds[rounds.len() / 2]
}

struct Fleet {
    engine: Engine,
    operations: u64,
    /// Since the start, on the clock of the measurements.
    seconds: u64,
    rounds: u64,
    /// What runs take, times this.
    slower: f64,
}

impl Fleet {
    fn new(rules: u64, conditions: &[&str]) -> Self {
        let mut groups = Vec::new();
        let mut conditions = conditions.iter().cycle();
        // A rule file may not be larger than a mebibyte.
        for first in (0..rules).step_by(1_000) {
            let mut text = format!("groups: [{{name: g{first}, interval: 1s, rules: [\n");
            for (n, condition) in (first..rules.min(first + 1_000)).zip(&mut conditions) {
                text.push_str(&format!(
                    "{{alert: R{n}, select: '{{operation=\"op{n}\"}}', {condition}}},\n"
                ));
            }
            text.push_str("]}]");
            let loaded = load("rules.yaml", text, Surroundings::default());
            let faults = loaded.findings.faults;
            assert!(faults.is_empty(), "{:?}", faults.first());
            groups.extend(loaded.groups);
        }
        let mut settings = Settings {
            groups,
            ..Settings::default()
        };
        settings.store.max_memory = 4 << 30;
        settings.store.max_series = 20_000;
        let mut fleet = Self {
            engine: Engine::new(settings, at(0)),
            operations: rules,
            seconds: 0,
            rounds: 0,
            slower: 1.0,
        };
        for minute in 0..HISTORY {
            fleet.seconds = minute * 60;
            fleet.measure(1);
        }
        let baseline = Wanted {
            name: "b".to_owned(),
            metric: Metric::Duration,
            content: WantedContent::Measured {
                select: Selector::default(),
                by: vec!["operation".into(), "algorithm".into()],
                reach: Reach::Runs(200),
                until: None,
            },
        };
        fleet.seconds += 10;
        fleet
            .engine
            .set_baselines(&[baseline], at(fleet.seconds))
            .expect("a baseline");
        // As many runs after it as a window looks at.
        for _ in 0..60 {
            fleet.seconds += 60;
            fleet.measure(1);
        }
        fleet
    }

    /// A run of every so many operations.
    fn measure(&mut self, every: u64) {
        self.rounds += 1;
        let records = (0..self.operations)
            .filter(|n| (n + self.rounds).is_multiple_of(every))
            .map(|n| {
                let operation = format!("op{n}");
                let spread = u32::try_from((n * 7 + self.rounds * 13) % 89).unwrap_or(1);
                Measurement::new(Draft {
                    operation: &operation,
                    duration_seconds: Some(self.slower * (1.0 + 0.01 * f64::from(spread))),
                    ..Draft::default()
                })
            });
        let records: Vec<_> = records.collect();
        let now = at(self.seconds);
        for records in records.chunks(1_000) {
            let batch = Batch {
                origin: None,
                records: records.to_vec(),
            };
            let (admitted, _) = self.engine.admit(batch, now);
            self.engine.apply(&admitted, now);
        }
    }

    /// Judges all rules once, a second later.
    fn evaluate(&mut self) -> Duration {
        self.seconds += 1;
        let now = at(self.seconds);
        let started = Instant::now();
        for due in self.engine.due(now) {
            let answer = self.engine.answer(due, now);
            self.engine.evaluate(due, &answer, now);
        }
        started.elapsed()
    }
}

fn at(seconds: u64) -> Now {
    Now::invented(Duration::from_secs(START + seconds))
}

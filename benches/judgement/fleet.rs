//! Instances with invented runs, judged by the whole engine in invented time.

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

/// Seconds of a day.
pub const DAY: u64 = 86_400;

/// Instances and the rules that judge them.
pub struct Fleet {
    engine: Engine,
    noise: Vec<Runs>,
}

/// What became of an alert of which rule and instance, by their numbers.
pub struct Told {
    pub rule: usize,
    pub instance: u64,
    pub change: Change,
}

impl Fleet {
    /// Judged every `every` by rules with these conditions.
    pub fn new<'r>(
        conditions: impl Iterator<Item = &'r str>,
        every: &str,
        noise: Vec<Runs>,
    ) -> Self {
        let mut text = format!("groups: [{{name: g, interval: {every}, rules: [");
        for (number, condition) in conditions.enumerate() {
            text.push_str(&format!("{{alert: R{number}, {condition}}},"));
        }
        text.push_str("]}]");
        let loaded = load("rules.yaml", text, Surroundings::default());
        let faults = loaded.findings.faults;
        assert!(faults.is_empty(), "{faults:?}");
        let mut settings = Settings {
            groups: loaded.groups,
            ..Settings::default()
        };
        settings.store.max_memory = 4 << 30;
        settings.store.retention = Duration::from_secs(120 * DAY);
        Self {
            engine: Engine::new(settings, at(0)),
            noise,
        }
    }

    /// A run of each instance, so many times as long as without anything.
    pub fn run(&mut self, factor: f64, seconds: u64) {
        let records = (0_u64..).zip(&mut self.noise).map(|(n, runs)| {
            let operation = format!("op{n}");
            Measurement::new(Draft {
                operation: &operation,
                duration_seconds: Some(runs.next() * factor),
                ..Draft::default()
            })
        });
        let batch = Batch {
            origin: None,
            records: records.collect(),
        };
        let (admitted, _) = self.engine.admit(batch, at(seconds));
        self.engine.apply(&admitted, at(seconds));
    }

    /// Pins the last runs of each instance as the baseline `b`.
    pub fn pin(&mut self, runs: u32, seconds: u64) {
        let wanted = Wanted {
            name: "b".to_owned(),
            metric: Metric::Duration,
            content: WantedContent::Measured {
                select: Selector::default(),
                by: vec!["operation".to_owned(), "algorithm".to_owned()],
                reach: Reach::Runs(runs),
                until: None,
            },
        };
        let set = self.engine.set_baselines(&[wanted], at(seconds));
        set.expect("a baseline");
    }

    /// Judges what is due.
    pub fn judge(&mut self, seconds: u64) -> Vec<Told> {
        let now = at(seconds);
        let mut told = Vec::new();
        for due in self.engine.due(now) {
            let answer = self.engine.answer(due, now);
            for change in self.engine.evaluate(due, &answer, now).changes {
                let number = |label: &str, prefix: &str| {
                    let number = change.labels.get(label).strip_prefix(prefix);
                    number
                        .and_then(|n| n.parse::<u64>().ok())
                        .expect("a number")
                };
                told.push(Told {
                    rule: number("alertname", "R") as usize,
                    instance: number("operation", "op"),
                    change: change.change,
                });
            }
        }
        self.engine.flush(now);
        told
    }
}

fn at(seconds: u64) -> Now {
    Now::invented(Duration::from_secs(1_000 * DAY + seconds))
}

//! The rules of one operation, before they are tried.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::draft::{Draft, Kind};
use super::limit::limit;
use super::seen::{Course, Operation, quantile, together};
use super::split::{Matched, Part, split};
use super::{Asked, days, number, pace};
use crate::engine::metric::{Metric, Stat, Worse};
use crate::engine::series::Labels;
use crate::engine::time::Timestamp;
use crate::engine::window::Reach;
use crate::shown::amount;

/// Levels below this are all the same.
const NOTHING: f64 = 1e-12;
/// Shares of failures, and what is missing to a score of 1, are the same below this.
const LITTLE: f64 = 0.05;
/// A rolling baseline looks back so far, and a history of twice that has seen it filled and used.
const ROLLING: Duration = Duration::from_secs(7 * 86_400);
/// What a regression is judged by, and how many such windows its baseline holds at least.
const REGRESSION_RUNS: u32 = 50;
const BASELINE_WINDOWS: f64 = 4.0;
const HOURS: [u64; 2] = [3_600, 21_600];

type Timed = Vec<(Timestamp, f64)>;

/// How everything is judged.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// How far limits lie from what was seen.
    pub asked: Asked,
    /// Time between evaluations.
    pub interval: Duration,
    /// How long the history is.
    pub span: Duration,
}

/// The rules so far.
#[derive(Clone, Debug, Default)]
pub struct Derived {
    /// The rules.
    pub drafts: Vec<Draft>,
    /// What has none, and why.
    pub left_out: Vec<String>,
    /// Names that are taken.
    names: BTreeSet<String>,
}

impl Derived {
    /// A name of that beginning and end that no other alert has.
    fn name(&mut self, words: &[&str]) -> String {
        let wanted: String = words.iter().map(|word| camel(word)).collect();
        let mut name = wanted.clone();
        let mut next = 2;
        while !self.names.insert(name.clone()) {
            name = format!("{wanted}{next}");
            next += 1;
        }
        name
    }

    fn leave_out(&mut self, what: &str, why: &str) {
        self.left_out.push(format!("{what}: {why}"));
    }
}

/// Adds the rules of an operation: on each metric, on its regression, and on its absence.
pub fn derive(name: &str, operation: &Operation, frame: Frame, derived: &mut Derived) {
    let least = frame.asked.least_values();
    let most = operation
        .metrics
        .values()
        .map(|(_, courses)| total(courses));
    let most = most.max().unwrap_or(0);
    if most < least {
        derived.leave_out(name, &format!("{most} runs, at least {least} are needed"));
        return;
    }
    for (metric, courses) in operation.metrics.values() {
        let what = format!("{name} {metric}");
        let n = total(courses);
        if n < least {
            derived.leave_out(&what, &format!("{n} values, at least {least} are needed"));
            continue;
        }
        let Some(worse) = metric.worse() else {
            derived.leave_out(&what, "which way it gets worse is not known");
            continue;
        };
        let usual = Usual {
            metric,
            worse,
            frame,
        };
        let level = |values: &[(Timestamp, f64)]| usual.level(values);
        let parts = split(courses.iter().collect(), least, &level);
        for (value, n) in &parts.left_out {
            let why = format!("{n} values, and levels differ there; at least {least} are needed");
            derived.leave_out(&format!("{what} of {value}"), &why);
        }
        let labels: Vec<String> = (parts.parts.iter())
            .flat_map(|part| part.labels.iter().map(|(label, _)| label.clone()))
            .collect();
        for (number, part) in parts.parts.iter().enumerate() {
            threshold(name, usual, (number, part), derived);
        }
        regression(name, usual, (courses, &labels), derived);
    }
    absence(name, operation, frame, derived);
}

fn total(courses: &[Course]) -> usize {
    courses.iter().map(|course| course.values.len()).sum()
}

/// What is usual of a metric.
#[derive(Clone, Copy)]
struct Usual<'a> {
    metric: &'a Metric,
    worse: Worse,
    frame: Frame,
}

impl Usual<'_> {
    /// The quantile on the worse side.
    fn quantile(&self, values: &[(Timestamp, f64)]) -> Option<f64> {
        let q = self.frame.asked.quantile;
        let q = match self.worse {
            Worse::Up => q,
            Worse::Down => 1.0 - q,
        };
        quantile(values.iter().map(|(_, value)| *value), q)
    }

    /// The level by which series are told apart, above 0.
    fn level(&self, values: &[(Timestamp, f64)]) -> Option<f64> {
        Some(match self.metric {
            Metric::ErrorRatio => {
                let failed: f64 = values.iter().map(|(_, value)| value).sum();
                (failed / number(values.len().max(1))).max(LITTLE)
            }
            Metric::Score(_) => (1.0 - self.quantile(values)?).max(LITTLE),
            _ => self.quantile(values)?.max(NOTHING),
        })
    }

    /// What is usual of an instance. A share of failures is one of a window, not of a run.
    fn of(&self, values: &[(Timestamp, f64)], reach: Reach) -> Option<f64> {
        if *self.metric != Metric::ErrorRatio {
            return self.quantile(values);
        }
        let least = self.frame.asked.min_samples();
        quantile(ratios(values, reach, least), self.frame.asked.quantile)
    }

    /// The statistic of a window that is compared with a limit.
    fn stat(&self) -> Stat {
        match (self.metric, self.worse) {
            (metric, _) if metric.own_stat().is_some() => metric.own_stat().unwrap_or(Stat::Mean),
            (_, Worse::Up) => Stat::Quantile(self.frame.asked.quantile),
            // These have weights, by which their mean is that of all samples together.
            (Metric::Throughput | Metric::Score(_), Worse::Down) => Stat::Mean,
            (_, Worse::Down) => Stat::Quantile(0.5),
        }
    }

    /// What its limit rests on, for people.
    fn words(&self, usual: f64, n: usize, instances: usize) -> String {
        let (metric, q) = (self.metric, self.frame.asked.quantile);
        let percent = |q: f64| format!("p{}", (q * 1e5).round() / 1e3);
        let shown = amount::of(metric, "", usual);
        let of = match (metric, self.worse) {
            (Metric::ErrorRatio, _) => format!("{} of the windows of {n} runs", percent(q)),
            (_, Worse::Up) => format!("{} of {n} runs", percent(q)),
            (_, Worse::Down) => format!("{} of {n} runs", percent(1.0 - q)),
        };
        match instances {
            1 => format!("{of} was {shown}"),
            _ => format!("{of} was {shown} in the worst of {instances} instances"),
        }
    }
}

/// The share of failures in the window at the end of each run, where the window holds enough of them.
fn ratios(values: &[(Timestamp, f64)], reach: Reach, least: u32) -> Vec<f64> {
    let (mut window, mut failed) = (VecDeque::new(), 0.0);
    let mut ratios = Vec::new();
    for (at, value) in values {
        window.push_back((*at, *value));
        failed += value;
        while let Some((first, first_value)) = window.front().copied() {
            let is_in = match reach {
                Reach::Runs(runs) => window.len() <= runs as usize,
                Reach::Time(span) | Reach::AtLeast(span, _) => at.since(first) < span,
            };
            if is_in {
                break;
            }
            failed -= first_value;
            window.pop_front();
        }
        if window.len() >= least as usize {
            ratios.push(failed / number(window.len()));
        }
    }
    ratios
}

/// The values of the instances that these labels make.
fn instances(courses: &[&Course], by: &[String]) -> Vec<Timed> {
    let mut all: BTreeMap<Labels, Vec<&Course>> = BTreeMap::new();
    for course in courses {
        let labels = by.iter().map(|name| (name.as_str(), course.key.get(name)));
        all.entry(labels.collect()).or_default().push(course);
    }
    all.into_values().map(together).collect()
}

/// What makes an instance unless the rule says otherwise, with these labels.
fn by<'a>(first: &[&str], labels: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut by: Vec<String> = first.iter().map(|name| (*name).to_owned()).collect();
    for label in labels {
        if !by.contains(label) {
            by.push(label.clone());
        }
    }
    by
}

fn threshold(operation: &str, usual: Usual<'_>, part: (usize, &Part<'_>), derived: &mut Derived) {
    let (place, part) = part;
    let asked = usual.frame.asked;
    let labels = || part.labels.iter().map(|(label, _)| label);
    let enough = |by: &[String]| {
        let mut all = instances(&part.courses, by);
        all.retain(|values| values.len() >= asked.least_values());
        all
    };
    let mut by_labels = by(&["operation", "algorithm"], labels());
    let mut instances = enough(&by_labels);
    if instances.is_empty() {
        // None of the algorithms runs often enough to be judged by itself.
        by_labels = by(&["operation"], labels());
        instances = enough(&by_labels);
    }
    let what = format!("{operation} {}{}", usual.metric, which(&part.labels));
    let reach = pace::window(
        instances.iter().map(Vec::as_slice),
        asked.min_samples(),
        usual.frame.interval,
    );
    let levels = instances
        .iter()
        .filter_map(|values| usual.of(values, reach));
    let worst = match usual.worse {
        Worse::Up => levels.reduce(f64::max),
        Worse::Down => levels.reduce(f64::min),
    };
    let Some(worst) = worst else {
        let least = asked.least_values();
        derived.leave_out(&what, &format!("no instance has {least} values"));
        return;
    };
    let Some(first) = limit(usual.metric, worst, asked.times) else {
        let shown = amount::of(usual.metric, "", worst);
        let why = format!("usual is {shown}, and nothing would be far enough from that");
        derived.leave_out(&what, &why);
        return;
    };
    let n = instances.iter().map(Vec::len).sum();
    let metric = usual.metric.to_string();
    let side = match usual.worse {
        Worse::Up => "high",
        Worse::Down => "low",
    };
    let draft = Draft {
        alert: derived.name(&[operation, &part_name(place, &part.labels), &metric, side]),
        operation: operation.to_owned(),
        labels: part.labels.clone(),
        by: by_labels,
        kind: Kind::Threshold {
            metric: usual.metric.clone(),
            stat: usual.stat(),
            reach,
            usual: worst,
            times: asked.times,
            limit: first,
            min_samples: asked.min_samples(),
        },
        basis: usual.words(worst, n, instances.len()),
        loosened: None,
        tried: None,
    };
    derived.drafts.push(draft);
}

/// A rule on a regression, for what each run has and people wait or pay for. Instances judge themselves, so that their levels
/// may differ.
fn regression(
    operation: &str,
    usual: Usual<'_>,
    seen: (&[Course], &[String]),
    derived: &mut Derived,
) {
    let is_meant = matches!(
        usual.metric,
        Metric::Duration | Metric::MemoryPeak | Metric::Throughput | Metric::Score(_)
    );
    if !is_meant {
        return;
    }
    let (courses, labels) = seen;
    let what = format!("{operation} {} regression", usual.metric);
    if usual.frame.span < ROLLING * 2 {
        let span = days(usual.frame.span);
        let why = format!("{span} of history; a baseline of 7 days needs 14 to be tried");
        derived.leave_out(&what, &why);
        return;
    }
    let by_labels = by(&["operation", "algorithm"], labels);
    let courses: Vec<&Course> = courses.iter().collect();
    let share = ROLLING.as_secs_f64() / usual.frame.span.as_secs_f64();
    let needed = f64::from(REGRESSION_RUNS) * BASELINE_WINDOWS;
    let mut instances = instances(&courses, &by_labels);
    instances.retain(|values| number(values.len()) * share >= needed);
    let needed_spans = instances
        .iter()
        .filter_map(|values| pace::usual_span(values, REGRESSION_RUNS));
    let Some(needed_span) = needed_spans.max() else {
        let why = format!("no instance has {needed} runs in 7 days, as its baseline needs");
        derived.leave_out(&what, &why);
        return;
    };
    let hours = HOURS.into_iter().map(Duration::from_secs);
    let hours = hours.into_iter().find(|window| *window >= needed_span);
    let n: usize = instances.iter().map(Vec::len).sum();
    let draft = Draft {
        alert: derived.name(&[operation, &usual.metric.to_string(), "regressed"]),
        operation: operation.to_owned(),
        labels: Vec::new(),
        by: by_labels,
        kind: Kind::Regression {
            metric: usual.metric.clone(),
            reach: hours.map_or(Reach::Runs(REGRESSION_RUNS), Reach::Time),
            worse_by: Kind::first_worse_by(),
        },
        basis: format!("{n} runs in {}", days(usual.frame.span)),
        loosened: None,
        tried: None,
    };
    derived.drafts.push(draft);
}

fn absence(operation: &str, seen: &Operation, frame: Frame, derived: &mut Derived) {
    let what = format!("{operation} absence");
    if seen.ends.len() < frame.asked.least_values() {
        let (n, least) = (seen.ends.len(), frame.asked.least_values());
        derived.leave_out(&what, &format!("{n} runs, at least {least} are needed"));
        return;
    }
    let every = match pace::silence(&seen.ends) {
        Ok(every) => every.max(frame.interval),
        Err(why) => {
            derived.leave_out(&what, why);
            return;
        }
    };
    let draft = Draft {
        alert: derived.name(&[operation, "missing"]),
        operation: operation.to_owned(),
        labels: Vec::new(),
        by: vec!["operation".to_owned()],
        kind: Kind::absence(every),
        basis: format!(
            "{} runs, never more than {} apart",
            seen.ends.len(),
            amount::span(every)
        ),
        loosened: None,
        tried: None,
    };
    derived.drafts.push(draft);
}

/// The labels of a part, for people.
fn which(labels: &[(String, Matched)]) -> String {
    let one = |(label, matched): &(String, Matched)| match matched {
        Matched::In(values) => format!("{label}={}", values.join("|")),
        Matched::NotIn(_) => format!("latest {label}"),
    };
    match labels.is_empty() {
        true => String::new(),
        false => format!(
            " of {}",
            labels.iter().map(one).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// What its alerts are called by, beside the operation: the values that make it, where there is one of each label.
fn part_name(place: usize, labels: &[(String, Matched)]) -> String {
    let one = |(_, matched): &(String, Matched)| match matched {
        Matched::In(values) => match &values[..] {
            [value] => Some(camel(value)).filter(|name| !name.is_empty()),
            _ => None,
        },
        Matched::NotIn(_) => Some("Latest".to_owned()),
    };
    let names: Option<String> = labels.iter().map(one).collect();
    names.unwrap_or_else(|| format!("Group{}", place + 1))
}

/// Letters and digits of a name, each word with a capital.
fn camel(text: &str) -> String {
    /// As much of it as a name of an alert should repeat.
    const SHOWN: usize = 60;
    let words = text.split(|c: char| !c.is_alphanumeric());
    let capital = |word: &str| {
        let mut chars = word.chars();
        let first = chars.next().into_iter().flat_map(char::to_uppercase);
        first.chain(chars).collect::<String>()
    };
    words
        .map(capital)
        .collect::<String>()
        .chars()
        .take(SHOWN)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_alerts_are_words_and_there_is_no_other() {
        let mut derived = Derived::default();
        for (words, expected) in [
            (["detect", "", "duration", "high"], "DetectDurationHigh"),
            (["detect", "", "duration", "high"], "DetectDurationHigh2"),
            (
                ["import data/v2", "i-forest", "memory_peak", "high"],
                "ImportDataV2IForestMemoryPeakHigh",
            ),
            (["größe", "", "f1", "low"], "GrößeF1Low"),
        ] {
            assert_eq!(derived.name(&words), expected);
        }
    }

    #[test]
    fn shares_of_failures_are_those_of_full_windows() {
        let at = |second: i64| Timestamp::from_millis(second * 1_000);
        let values: Timed = (0..10)
            .map(|second| (at(second), f64::from(u8::from(second >= 8))))
            .collect();
        assert_eq!(
            ratios(&values, Reach::Runs(4), 4),
            [0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.5]
        );
        let by_time = Reach::Time(Duration::from_secs(2));
        assert_eq!(ratios(&values, by_time, 2).last(), Some(&1.0));
        assert_eq!(ratios(&values, by_time, 3), [0.0; 0]);
    }
}

//! The same for people to read.

use std::fmt::Write;
use std::time::Duration;

use super::{Baseline, Condition, Decision, Evidence, Explained, Instance, Learned, Level, Rule};
use crate::document::units::Period;
use crate::engine::condition::percent;
use crate::shown::amount;

/// An explanation as text.
pub fn text(explained: &Explained) -> String {
    let rules: Vec<String> = explained.rules.iter().map(rule).collect();
    rules.join("\n")
}

/// Writing to a string cannot fail.
fn line(text: &mut String, indent: usize, what: &str) {
    let _ = writeln!(text, "{:indent$}{what}", "");
}

fn rule(rule: &Rule) -> String {
    let mut text = format!(
        "{} ({}; {}, {})\n",
        rule.name, rule.file, rule.group, rule.mode
    );
    line(&mut text, 2, &asked(&rule.condition));
    match &rule.evaluated_at {
        Some(at) => line(&mut text, 2, &format!("last evaluated {at}")),
        None => line(&mut text, 2, "not evaluated yet"),
    }
    if let Some(error) = &rule.error {
        line(&mut text, 2, &format!("it failed: {error}"));
    }
    if rule.instances.is_empty() {
        line(&mut text, 2, "nothing that was measured is selected");
    }
    for one in &rule.instances {
        instance(&mut text, &rule.condition, one);
    }
    if rule.omitted > 0 {
        line(&mut text, 2, &format!("and {} more", rule.omitted));
    }
    text
}

fn asked(condition: &Condition) -> String {
    match condition {
        Condition::Threshold {
            select,
            metric,
            stat,
            window,
            comparison,
            min_samples,
        } => format!(
            "threshold: {} of {select} over {window} {comparison} its limit; at least {min_samples} values",
            measured(metric, stat)
        ),
        Condition::Regression {
            select,
            metric,
            stat,
            window,
            against,
            worse,
            min_samples,
            weighs_evidence,
            budget,
        } => {
            let mut text = format!(
                "regression: {} of {select} over {window} against {against}; worse is {worse}; at least {min_samples} values",
                measured(metric, stat)
            );
            if *weighs_evidence {
                let _ = write!(
                    text,
                    "; {} false alarms per {} are accepted: a decision at most every {}, at p ≤ {}",
                    budget.alarms,
                    span(budget.per_seconds),
                    span(budget.block_seconds),
                    short(budget.block_p)
                );
            }
            text
        }
        Condition::Trend {
            select,
            metric,
            stat,
            window,
            bucket,
            towards,
            min_samples,
        } => format!(
            "trend: {} of {select} over {window} in buckets of {bucket}, going {towards}; at least {min_samples} independent buckets",
            measured(metric, stat)
        ),
        Condition::Detection {
            select,
            metric,
            stat,
            block,
            finds,
            towards,
            warm_up,
            alarms,
            per_seconds,
        } => format!(
            "{finds}: {} of {select} by blocks of {block}, going {towards}; {warm_up} blocks are learned from; {} per {} accepted",
            measured(metric, stat),
            if *alarms == 1.0 {
                "1 false alarm".to_owned()
            } else {
                format!("{alarms} false alarms")
            },
            if *alarms == 1.0 {
                format!("{} is", span(*per_seconds))
            } else {
                format!("{} are", span(*per_seconds))
            }
        ),
        Condition::Absence {
            select,
            expect_every_seconds,
            grace_seconds,
        } => format!(
            "absence: {select} is expected every {}, and may be {} late",
            span(*expect_every_seconds),
            span(*grace_seconds)
        ),
    }
}

fn measured(metric: &str, stat: &str) -> String {
    if stat.is_empty() {
        metric.to_owned()
    } else {
        format!("{stat} of {metric}")
    }
}

fn instance(text: &mut String, condition: &Condition, one: &Instance) {
    let labels: Vec<String> = (one.labels.iter())
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    line(text, 2, &format!("{{{}}}", labels.join(", ")));
    if let Some(ago) = one.seen_seconds_ago {
        line(text, 4, &format!("last seen {} ago", span(ago)));
    }
    let has_window = !matches!(
        condition,
        Condition::Absence { .. } | Condition::Detection { .. }
    );
    if has_window {
        let window = one.window;
        let mut what = format!("window: {} values", window.n);
        if let Some(n) = window.effective_n {
            let _ = write!(what, ", which tell as much as {n:.1} independent ones");
        }
        if let Some(seconds) = window.covered_seconds {
            let _ = write!(what, "; it covers {}", span(seconds));
        }
        let _ = write!(what, "; {} have ever come", window.arrivals);
        line(text, 4, &what);
    }
    if let Some(one) = &one.baseline {
        line(text, 4, &baseline(one));
    }
    if let Some(evidence) = &one.evidence {
        line(text, 4, &change(evidence));
    }
    if let Some(decision) = &one.decision {
        line(text, 4, &decided(decision));
    }
    if let Some(one) = &one.learned {
        line(text, 4, &learned(one));
    }
    if let Some(lacks) = &one.lacks {
        line(text, 4, &format!("not judged: {lacks}"));
    }
    if one.improved == Some(true) {
        line(
            text,
            4,
            "improved: it has become better, and that is no chance",
        );
    }
    for one in &one.levels {
        line(text, 4, &level(one));
    }
}

fn baseline(one: &Baseline) -> String {
    let mut what = format!("baseline: {}", one.name);
    if let Some(version) = one.version {
        let _ = write!(what, " version {version}");
    }
    let value = one.value.map_or_else(|| "nothing".to_owned(), short);
    let _ = write!(what, ", {value}");
    if one.is_number {
        what += ", a number: the comparison is a plain one";
    } else {
        let _ = write!(what, " of {} values", one.n);
    }
    if let (Some(from), Some(to)) = (&one.from, &one.to) {
        let _ = write!(what, " from {from} to {to}");
    }
    let when = if one.version.is_some() {
        "set"
    } else {
        "learned"
    };
    let _ = write!(what, "; {when} {}", one.at);
    what
}

fn change(evidence: &Evidence) -> String {
    if let (Some(feature), Some(began)) = (&evidence.feature, &evidence.began) {
        let per_day = evidence.per_day.map_or_else(String::new, |per_day| {
            let interval = (evidence.per_day_interval).map_or_else(String::new, |(low, high)| {
                format!(" (95 % interval {} to {})", percent(low), percent(high))
            });
            format!(": {} a day{interval}", percent(per_day))
        });
        let (before, by_now) = match evidence.per_day {
            Some(_) => (",", " by now"),
            None => (":", ""),
        };
        let size = (evidence.change).map_or_else(String::new, |change| {
            format!("{before} {}{by_now}", percent(change))
        });
        let interval = (evidence.interval).map_or_else(String::new, |(low, high)| {
            format!(", 95 % interval {} to {}", percent(low), percent(high))
        });
        let usual = (evidence.baseline).map_or_else(String::new, |usual| {
            // An anomaly is compared with what of the past is most like it.
            let what = if evidence.began_within.is_some() {
                "usual is"
            } else {
                "the nearest known is"
            };
            format!("; {what} {}", short(usual))
        });
        let score = evidence.statistic.unwrap_or_default();
        let within = (evidence.began_within.as_ref()).map_or_else(String::new, |(from, to)| {
            if from == to {
                ", certainly".to_owned()
            } else {
                format!(", 95 % between {from} and {to}")
            }
        });
        return format!(
            "{feature} since {began}{within}{per_day}{size}{interval}{usual}; score {}",
            short(score)
        );
    }
    let mut what = match evidence.change {
        Some(change) => format!("change: {}", percent(change)),
        None if evidence.statistic.is_some() && evidence.p_value.is_none() => {
            "nothing unusual".to_owned()
        }
        None => "change: from nothing to something".to_owned(),
    };
    if let Some((low, high)) = evidence.interval {
        let _ = write!(
            what,
            ", 95 % interval {} to {}",
            percent(low),
            percent(high)
        );
    }
    if let Some(statistic) = evidence.statistic {
        let _ = write!(what, "; statistic {}", short(statistic));
    }
    if let Some(p) = evidence.p_value {
        let _ = write!(what, "; p {} of being worse by chance", short(p));
    }
    what
}

fn learned(one: &Learned) -> String {
    let mut what = format!("learning since {}, {} blocks", one.since, one.blocks);
    if let Some(until) = &one.log_until {
        let _ = write!(
            what,
            "; back-filled from the log until {until}, {} blocks",
            one.log_blocks
        );
    }
    what
}

fn decided(decision: &Decision) -> String {
    let evident = if decision.is_evident {
        "which is evidence"
    } else {
        "which is no evidence"
    };
    let next = if decision.next_seconds > 0.0 {
        format!("in {} at the earliest", span(decision.next_seconds))
    } else {
        "once half of the window is new".to_owned()
    };
    format!(
        "decision at the last block {} ago: p {}, {evident}; the next {next}",
        span(decision.seconds_ago),
        short(decision.p)
    )
}

fn level(one: &Level) -> String {
    let mut what = match &one.severity {
        Some(severity) => format!("{severity}: "),
        None => String::new(),
    };
    what += one.standing.as_deref().unwrap_or("not judged yet");
    if let Some(value) = one.value {
        let _ = write!(what, ", value {}", short(value));
    }
    if let Some(limit) = one.limit {
        let _ = write!(what, ", limit {}", short(limit));
    }
    let _ = write!(what, "; {}", one.state);
    if let Some(since) = &one.since {
        let _ = write!(what, " since {since}");
    }
    if let Some(fired) = &one.fired_at {
        let _ = write!(what, ", fires since {fired}");
    }
    if let Some(incident) = &one.incident {
        let _ = write!(what, ", incident {incident}");
    }
    if one.cost_shift {
        what += ", a cost shift: siblings have become better and the whole has not become worse, so nobody is told";
    }
    what
}

fn span(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds.round()).unwrap_or_default();
    Period(seconds).to_string()
}

/// A number with four significant digits.
fn short(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-3..1e7).contains(&magnitude) {
        return format!("{value:.1e}");
    }
    let decimals = [1e0, 1e1, 1e2, 1e3]
        .iter()
        .filter(|limit| magnitude < **limit);
    let text = format!("{value:.*}", decimals.count());
    amount::without_zeros(&text).to_owned()
}
